"""HTTP responses as servers send and crawlers keep them: statuses, types, encodings that are none, hidden or cut."""

import gzip
import time
import zlib
from collections.abc import Callable

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipelines.readers.responses import Reason, RefusedError, html_body
from tests.slowness import slowness

PAGE = b"<!doctype html><html><title>A title</title><p>" + b"Some text. " * 90
FRAGMENT = b"Some <b>text</b> without a head. " * 40


def payload(body: bytes, *headers: str, status: str = "HTTP/1.1 200 OK") -> bytes:
    return "\r\n".join([status, *headers, "", ""]).encode() + body


def html(body: bytes, *headers: str, cut: bool = False) -> bytes:
    return html_body(payload(body, "Content-Type: text/html", *headers), cut=cut)[0]


def reason(data: bytes, *, cut: bool = False) -> str:
    with pytest.raises(RefusedError) as refused:
        html_body(data, cut=cut)
    return str(refused.value)


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def brotli(data: bytes) -> bytes:
    return pa.compress(data, codec="brotli", asbytes=True)


def zstd(data: bytes) -> bytes:
    return pa.compress(data, codec="zstd", asbytes=True)


def chunked(data: bytes, size: int = 333) -> bytes:
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


@pytest.mark.parametrize(
    "name",
    [
        "binary",
        "8bit",
        "text/html",
        "utf-8",
        "ISO-8859-1",
        "none",
        "identity",
        "",
        "*",
        "html",
        "gzip",
        "br",
        "zstd",
        "deflate",
        "magic",
    ],
)
@pytest.mark.parametrize("body", [PAGE, FRAGMENT], ids=["page", "fragment"])
def test_a_plain_body_is_kept_whatever_encoding_is_declared(name: str, body: bytes) -> None:
    assert html(body, f"Content-Encoding: {name}") == body


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli,
    "zstd": zstd,
}


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("declared", ["right", "nothing", "binary", "another"])
def test_a_packed_body_is_unpacked_whatever_is_declared(name: str, declared: str) -> None:
    names = {"right": name, "nothing": "", "binary": "binary", "another": "gzip" if name != "gzip" else "br"}
    if declared == "another" and name == "br":
        return  # nothing tells Brotli but its name
    assert html(PACKED[name](PAGE), f"Content-Encoding: {names[declared]}") == PAGE


def test_several_encodings() -> None:
    assert html(gzip.compress(zlib.compress(PAGE)), "Content-Encoding: deflate, gzip") == PAGE
    assert html(brotli(gzip.compress(PAGE)), "Content-Encoding: gzip", "content-encoding: br") == PAGE
    assert html(gzip.compress(PAGE), "Content-Encoding: gzip, gzip") == PAGE
    assert html(gzip.compress(gzip.compress(PAGE)), "Content-Encoding: gzip") == PAGE  # packed once more than declared
    assert html(raw_deflate(PAGE), "Content-Encoding: deflate") == PAGE
    assert html(raw_deflate(PAGE), "Content-Encoding: gzip") == PAGE
    halves = gzip.compress(PAGE[:500]) + gzip.compress(PAGE[500:])
    assert html(halves, "Content-Encoding: gzip") == PAGE  # RFC 1952: members follow each other
    assert html(gzip.compress(PAGE) + b"\0\0garbage", "Content-Encoding: gzip") == PAGE
    assert html(chunked(gzip.compress(PAGE)), "Content-Encoding: gzip", "Transfer-Encoding: chunked") == PAGE


@pytest.mark.parametrize("name", PACKED)
def test_what_is_cut_or_damaged_inside_is_dropped_by_name(name: str) -> None:
    packed = PACKED[name](b"".join(b"%x " % (number * 7919) for number in range(60_000)))
    damaged = payload(packed[: len(packed) // 2], "Content-Type: text/html", f"Content-Encoding: {name}")
    assert reason(damaged) == Reason.CONTENT_ENCODING
    assert len(html_body(damaged, cut=True)[0]) > 1_000


def test_chunks() -> None:
    headers = ("Content-Type: text/html", "Transfer-Encoding: Chunked")
    whole = chunked(PAGE)
    assert html(whole, headers[1]) == html(PAGE, headers[1]) == PAGE
    assert html(FRAGMENT, headers[1]) == FRAGMENT
    assert html(whole.replace(b"\r\n", b" \r\n", 1), headers[1]) == PAGE
    bad = whole.replace(b"\r\n14d\r\n", b"\r\nxyz\r\n", 1)
    assert reason(payload(bad, *headers)) == reason(payload(bad, *headers), cut=True) == Reason.TRANSFER_ENCODING
    assert reason(payload(whole[:-300], *headers)) == Reason.TRANSFER_ENCODING
    assert reason(payload(whole[:-5], *headers)) == Reason.TRANSFER_ENCODING  # nobody knows what the last chunk was
    assert PAGE.startswith(html(whole[:-300], headers[1], cut=True))


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Type: text/html charset=utf-8",),
        ("Content-Type: text/html,charset=utf-8",),
        ("Content-Type: TEXT/HTML;charset=utf-8",),
        ('Content-Type: "text/html"; charset=utf-8',),
        ("Content-Type: text/plain", "Content-Type: text/html"),
        ("Content-Type: text/html; charset=utf-8", "content-type: charset=utf-8"),
        ("Content-Type: text/html;", " charset=utf-8"),
        ("Content-Type: application/xhtml+xml",),
        ("Content-Type: application/xml",),
        ("Content-Type: unknown/unknown",),
        ("Content-Type: charset=utf-8",),
        ("Content-Type:",),
        (),
    ],
)
def test_types_of_pages(headers: tuple[str, ...]) -> None:
    assert html_body(payload(PAGE, *headers), cut=False)[0] == PAGE


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (PAGE, ("Content-Type: text/plain",)),
        (PAGE, ("Content-Type: text/html", "Content-Type: text/plain")),
        (PAGE, ("Content-Type: text/htmlx",)),
        (b"just words", ()),
        (b"<?xml version='1.0'?><rss><item/></rss>", ("Content-Type: text/xml",)),
        (b"%PDF-1.4 ...", ("Content-Type: text/html",)),
        (b"\x89PNG\r\n\x1a\n....", ("Content-Type: text/html",)),
        (b"PK\x03\x04......", ("Content-Type: text/html", "Content-Encoding: identity")),
    ],
)
def test_what_is_no_page(body: bytes, headers: tuple[str, ...]) -> None:
    assert reason(payload(body, *headers)) == Reason.NOT_HTML


@pytest.mark.parametrize(
    ("head", "right"),
    [
        (b"HTTP/2 200\r\n\r\n", ""),
        (b"HTTP/3 200 \n\n", ""),
        (b"http/1.1 200 ok\r\n\n", ""),
        (b"\r\nHTTP/1.0 200\r\n\r\n", ""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\n\r\n", ""),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\n", "http_status"),
        (b"HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", ""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "http_status"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "no_http"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "no_http"),
        (b"", "no_http"),
    ],
)
def test_status_lines(head: bytes, right: str) -> None:
    if right:
        assert reason(head + PAGE) == right
    else:
        assert html_body(head + PAGE, cut=False)[0] == PAGE


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=300), st.sampled_from(["", "gzip", "br", "x", "deflate, zstd"]), st.booleans(), st.booleans())
@example(b"filedesc:", "", False, False)  # an archive by its first bytes
def test_nothing_else_is_raised(body: bytes, encoding: str, chunks: bool, cut: bool) -> None:
    headers = (f"Content-Encoding: {encoding}", *(["Transfer-Encoding: chunked"] * chunks))
    for start in (b"", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"5\r\n", b"<p>"):
        try:
            html_body(payload(start + body, "Content-Type: text/html", *headers), cut=cut)
        except RefusedError as refused:
            assert refused.args[0] in set(Reason)


@pytest.mark.parametrize("piece", [b"1\r\nx\r\n", b"<", b"\x1f\x8b\x08", b"HTTP/1.1 200 OK\r\n\r\n", b"\r\n"])
def test_time_is_linear(piece: bytes) -> None:
    started = time.process_time()
    for headers in ((), ("Transfer-Encoding: chunked",), ("Content-Encoding: gzip" + ", gzip" * 1_000,)):
        try:
            html_body(payload(piece * 100_000, *headers), cut=False)
        except RefusedError:
            continue
    assert time.process_time() - started < 4 * slowness()
