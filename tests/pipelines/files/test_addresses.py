"""No name, password or signature of an address is shown or kept; hosts are told apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.files import addresses

SIGNED = "X-Amz-Signature=5ec7e7&X-Amz-Date=20260101T000000Z&X-Amz-Credential=AKIA%2F2026"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://host/a/f.gz", "https://host/a/f.gz"),
        ("https://user:5ec7e7@host:8080/f.gz", "https://host:8080/f.gz"),
        ("https://5ec7e7@host/f.gz", "https://host/f.gz"),
        ("https://user:5ec@7e7@host/f.gz", "https://host/f.gz"),
        ("https://user:5ec/7e7@host/f.gz", "https://host/f.gz"),
        ("https://host/@scope/f.gz", "https://host/@scope/f.gz"),
        ("https://host:80/@scope/f.gz", "https://host:80/@scope/f.gz"),
        ("https://[::1]:80/@scope/f.gz", "https://[::1]:80/@scope/f.gz"),
        (f"https://host/f.gz?{SIGNED}", "https://host/f.gz?X-Amz-Signature=...&X-Amz-Date=...&X-Amz-Credential=..."),
        ("https://host/f?5ec7e7", "https://host/f?..."),
        ("https://host/f?a=#5ec7e7", "https://host/f?a=...#..."),
        ("s3://bucket/f.gz", "s3://bucket/f.gz"),
    ],
)
def test_what_is_shown(address: str, shown: str) -> None:
    assert addresses.shown(address) == shown
    said = addresses.hide(f"--input c4[files=3]={address}: no such file, nor 'x={address}'")
    assert said == f"--input c4[files=3]={shown}: no such file, nor 'x={shown}'"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("ftp://u:5e'c7@host/x: no such file", "ftp://host/x: no such file"),
        ("no such file: 'u:5ec7@host/x'", "no such file: '...@host/x'"),
        ('c4[files=1,base=u:5ec7@h]=https://u:5e"c7@h/y', "c4[files=1,base=...@h]=https://h/y"),
        ("https:/u:5ec7@h/z", "...@h/z"),
        ("s3://k:5e/c'7@bucket/x", "s3://bucket/x"),
        ("'https://h/a' and 'https://h/b@c'", "'https://h/a' and 'https://h/b@c'"),
        ("at 10:30 to a@b.c", "at 10:30 to a@b.c"),
    ],
)
def test_what_is_said_of_addresses(said: str, shown: str) -> None:
    assert addresses.hide(said) == shown


def test_options_that_are_named_secrets_are_hidden() -> None:
    said = addresses.hide("--s3_access_key_id=5ec --s3_secret_access_key 7e7 --region=eu --token=5ec7e7 --password x")
    assert said == ("--s3_access_key_id=... --s3_secret_access_key ... --region=eu --token=... --password ...")


@given(st.text("abc5@:/?&=#. ", max_size=20), st.sampled_from(["https", "http", "s3"]))
def test_no_password_is_left(name: str, scheme: str) -> None:
    address = f"{scheme}://user:5ec7e7@host/{name.replace(' ', '')}?sig=5ec7e7"
    assert "5ec7e7" not in addresses.shown(address)
    assert "5ec7e7" not in addresses.hide(f"({address})")


def test_what_signs_an_address_does_not_tell_its_file() -> None:
    plain = "https://host/f.gz?part=3"
    others = [
        "https://user:5ec7e7@host/f.gz?part=3",
        f"https://host/f.gz?part=3&{SIGNED}",
        "https://host/f.gz?part=3&sv=1&se=2&sr=b&sp=r&sig=5ec7e7",
        "https://host/f.gz?part=3&Expires=1&Signature=2&Key-Pair-Id=3&token=4",
    ]
    assert {addresses.lasting(address) for address in others} == {addresses.lasting(plain)}
    assert addresses.lasting("https://host/f.gz?part=4") != addresses.lasting(plain)
    for address in ("https://host/a%20b/c?d=e%2Ff&g", "https://host/?", "http://host"):
        assert addresses.lasting(address) == address.removesuffix("?")


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://Host.example/a", "host.example"),
        ("https://user:x@host:443/a", "host"),
        ("http://host:443/a", "host:443"),
        ("https://host./a", "host"),
        ("http://[::1]:8080/a", "::1:8080"),
        ("s3://bucket/a/b", "s3://bucket"),
    ],
)
def test_hosts(address: str, host: str) -> None:
    assert addresses.host_of(address) == host


def test_a_host_allows_those_below_it_and_no_others() -> None:
    hosts = {"archive.org", "s3://bucket"}
    for address in ("https://archive.org/a", "https://ia1.us.archive.org/a", "s3://bucket/a"):
        assert addresses.is_allowed(address, hosts)
    strangers = ["https://evilarchive.org/a", "https://archive.org.evil/a", "http://127.0.0.1/a", "s3://other/a"]
    strangers += ["https://archive.org:8080/a", "https://archive.org@evil/a", "gs://bucket/a", "file:///etc/passwd"]
    for address in strangers:
        assert not addresses.is_allowed(address, hosts)


def test_a_port_that_is_none_is_said_without_the_password() -> None:
    with pytest.raises(ValueError, match=r"https://host/f: this is not a server address") as caught:
        addresses.host_of("https://user:5ec/7e7@host/f")
    assert "5ec" not in str(caught.value)
