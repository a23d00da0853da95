"""Sites are ranked from the listings that archive.org has beside the archives, and confirmed by their posts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.files import storage
from pipelines.inputs import fetching, inputs
from pipelines.inputs.stack_exchange_sites import ARCHIVE, main, ranked, urls
from pipelines.sources import stack_exchange

# The form of an item's file list, as archive.org's servers write it.
FILES = """<?xml version="1.0" encoding="UTF-8"?>
<files>
  <file name="Sites.xml" source="original"><mtime>1</mtime><size>900000000000</size><format>Metadata</format></file>
  <file name="herding.stackexchange.com.7z" source="original">
    <mtime>1617600000</mtime>
    <size>2000</size>
    <md5>0123456789abcdef0123456789abcdef</md5>
    <format>7z</format>
  </file>
  <file name="shearing.stackexchange.com.7z" source="original"><size>700</size></file>
  <file name="herding.meta.stackexchange.com.7z" source="original"><size>90000</size></file>
  <file name="stackoverflow.com-Badges.7z" source="original"><size>99999</size></file>
  <file name="stackoverflow.com-Posts.7z" source="original"><size>50000</size></file>
  <file name="wool.example.org.7z" source="original"><size>700</size></file>
  <file name="stackexchange_files.xml" source="original"><format>Metadata</format></file>
</files>
"""
SITES = """<?xml version="1.0" encoding="utf-8"?>
<sites>
  <row Id="1" TinyName="so" Url="https://stackoverflow.com" TotalQuestions="5" TotalAnswers="1" />
  <row Id="2" TinyName="herding" Url="https://herding.stackexchange.com" TotalQuestions="30" TotalAnswers="61" />
  <row Id="3" TinyName="m.herding" Url="https://herding.meta.stackexchange.com" TotalQuestions="80" TotalAnswers="9" />
  <row Id="4" TinyName="wool" Url="https://wool.example.org" TotalQuestions="40" TotalAnswers="50" />
</sites>
"""


def test_archives_are_ranked_by_size_without_sites_about_sites() -> None:
    assert ranked(FILES.encode(), "x") == [
        ("stackoverflow.com-Posts.7z", 50000),
        ("herding.stackexchange.com.7z", 2000),
        ("shearing.stackexchange.com.7z", 700),
        ("wool.example.org.7z", 700),
    ]
    assert ranked(FILES.encode(), "x", meta_sites=True)[0] == ("herding.meta.stackexchange.com.7z", 90000)


def test_sites_are_ranked_by_their_posts() -> None:
    assert ranked(SITES.encode(), "x") == [
        ("herding.stackexchange.com.7z", 91),
        ("wool.example.org.7z", 90),
        ("stackoverflow.com-Posts.7z", 6),
    ]


def test_the_archives_are_beside_the_listing_or_where_it_is_said(tmp_path: Path) -> None:
    listing = tmp_path / "stackexchange_files.xml"
    listing.write_text(FILES)
    assert urls(str(listing), sites=1) == [f"{ARCHIVE}stackoverflow.com-Posts.7z"]
    assert urls(str(listing), sites=9, base="/mirror")[1] == "/mirror/herding.stackexchange.com.7z"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "this listing is not XML"),
        (b"<html/>", "<html> is neither the <files> of archive.org nor the <sites> of Sites.xml"),
        (b"<files><file name='a.7z'/></files>", "this listing names no site"),
        (b"<files><file name='a.org.7z'/></files>", "the size of a.org.7z is None: a number is expected"),
        (b"<files><file name='a.org.7z'><size>1e9</size></file></files>", "the size of a.org.7z is '1e9'"),
        (
            b"<sites><row Url='https://a.org' TotalQuestions='-1' TotalAnswers='1'/></sites>",
            "TotalQuestions of a.org is",
        ),
        (
            b"<!DOCTYPE f [<!ENTITY a 'aa'>]><files><file name='&a;.org.7z'><size>1</size></file></files>",
            "a document type declaration",
        ),
    ],
)
def test_what_is_no_listing_is_refused_by_name(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        ranked(content, "the-listing.xml")
    assert "the-listing.xml" in str(raised.value)


def test_the_command_writes_a_listing_that_is_an_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "files.xml").write_text(FILES)
    assert main([f"{tmp_path}/files.xml", "--sites", "2"]) == 0
    (tmp_path / "se.paths").write_text(capsys.readouterr().out)

    def download(asked: list[str], downloads: str, listed: object, **limits: object) -> list[str]:
        found = []
        for url in asked:
            place = fetching.place_of(url, downloads)
            storage.write_bytes(str(place.final), url.encode())
            storage.write_json(str(place.record), {"url": url})
            found.append(str(place.final))
        return found

    monkeypatch.setattr(fetching, "fetch", download)
    source = replace(stack_exchange.SOURCE, look=None)  # its archives are no archives here
    found = inputs.find(source, [({"hosts": "archive.org"}, f"{tmp_path}/se.paths")], f"{tmp_path}/work/inputs.json")
    # The sites are those of the addresses, not of the names under which the files are kept.
    assert sorted(dict(entry.attributes)["site"] for entry in found) == [
        "herding.stackexchange.com",
        "stackoverflow.com",
    ]


def test_mistakes_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"{tmp_path}/none.xml"]) == 2
    assert main([f"{tmp_path}/none.xml", "--sites", "0"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"error: {tmp_path}/none.xml: no such file",
        "error: --sites 0: at least 1",
    ]
