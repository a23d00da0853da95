"""The WARC reader: responses of every encoding and kind, the same damage as in WET files, and hostile pages."""

import base64
import gzip
import hashlib
import io
import time
import tracemalloc
import zlib
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.document import Document, Drop
from pipelines.readers import Dump, warc, warc_records
from pipelines.readers.html_limits import too_intricate
from tests.slowness import slowness

DUMP = Dump("folder/name.warc.gz", "d1")
HTML = {"Content-Type": "text/html; charset=utf-8"}


def page(body: str = "<p>Some text.</p>", title: str = "A title") -> bytes:
    return f"<!doctype html><html><head><title>{title}</title></head><body>{body}</body></html>".encode()


def http(body: bytes | None = None, headers: dict[str, str] | None = None, status: str = "200 OK") -> bytes:
    fields = "".join(f"{name}: {value}\r\n" for name, value in (HTML if headers is None else headers).items())
    return f"HTTP/1.1 {status}\r\n{fields}\r\n".encode() + (page() if body is None else body)


def record(payload: bytes | None = None, number: int = 1, length: int | None = None, **headers: str) -> bytes:
    """Return a record; `length` is what Content-Length says."""
    body = http() if payload is None else payload
    fields = {
        "WARC-Type": "response",
        "WARC-Target-URI": f"http://example.org/{number}",
        "WARC-Date": "2019-04-20T01:02:03Z",
        "WARC-Block-Digest": "sha1:" + base64.b32encode(hashlib.sha1(body).digest()).decode(),
        "Content-Type": "application/http; msgtype=response",
        "Content-Length": str(len(body) if length is None else length),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"WARC/1.0\r\n{lines}\r\n".encode() + body + b"\r\n\r\n"


def file(*records: bytes) -> bytes:
    return b"".join(map(gzip.compress, records))


def read_all(data: bytes) -> tuple[list[Document], list[Drop], Counter[str]]:
    counts: Counter[str] = Counter()
    results = list(warc.read(io.BytesIO(data), DUMP, counts))
    assert len({result.id for result in results}) == len(results) == counts["records"]
    documents = [result for result in results if isinstance(result, Document)]
    return documents, [result for result in results if isinstance(result, Drop)], counts


def text_of(payload: bytes, **headers: str) -> str:
    documents, drops, _ = read_all(file(record(payload, 1, None, **headers)))
    assert not drops, drops
    return documents[0].text


def reason_of(payload: bytes, **headers: str) -> str:
    documents, drops, _ = read_all(file(record(payload, 1, None, **headers)))
    assert not documents
    return drops[0].reason


def test_a_response_becomes_a_document_with_its_provenance() -> None:
    first = record(http(), 1)
    body = "<h1>Llamas  and\nalpacas</h1><p>They <b>graze</b>.<br>Often.</p><script>no()</script><!-- no -->"
    documents, drops, counts = read_all(file(first, record(http(page(body, " The\n herd ")), 2)))
    assert (drops, counts) == ([], {"records": 2})
    assert documents[1] == Document(
        id=f"common_crawl/d1/{len(gzip.compress(first))}",
        source="common_crawl",
        text="The herd\nLlamas and alpacas\nThey graze.\nOften.",
        dump="d1",
        offset=len(gzip.compress(first)),
        url="http://example.org/2",
        title="The herd",
        timestamp="2019-04-20T01:02:03Z",
    )


def test_a_page_without_a_title_has_an_empty_first_line() -> None:
    documents, _, _ = read_all(file(record(http(b"<p>First.</p><p>Second.</p>"))))
    assert (documents[0].text, documents[0].title) == ("\nFirst.\nSecond.", None)


def test_other_kinds_are_counted_as_such() -> None:
    kinds = ["warcinfo", "request", "metadata", "revisit", "conversion"]
    records = [record(WARC_Type=kind) for kind in kinds]
    _, _, counts = read_all(file(records[0], records[1], record(), *records[2:]))
    assert counts == {"records": 1, **{f"other:{kind}": 1 for kind in kinds}}


def test_content_not_the_name_tells_a_wet_file() -> None:
    conversion = record(b"Title\nThe text.\n", WARC_Type="conversion", Content_Type="text/plain")
    documents, _, counts = read_all(file(record(b"x", WARC_Type="warcinfo"), conversion, record()))
    assert [document.text for document in documents] == ["Title\nThe text.\n"]
    assert counts == {"records": 1, "other:warcinfo": 1, "other:response": 1}


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (http(status="404 Not Found"), "http_status"),
        (http(status="301 Moved"), "http_status"),
        (http(status="206 Partial Content"), "http_status"),
        (http(b"%PDF-1.4", {"Content-Type": "application/pdf"}), "not_html"),
        (http(b"just words", {}), "not_html"),
        (http(b""), "no_text"),
        (http(page("", "Only a title")), "no_text"),
        (http(b"<script>alert(1)</script>"), "no_text"),
        (b"", "no_http"),
        (b"no protocol at all", "no_http"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n", "no_http"),
        (b"HTTP/1.1 2000 OK\r\n\r\n" + page(), "no_http"),
        (b"20190420\t127.0.0.1\texample.org", "no_http"),
        (http(b"\0" * 50, {**HTML, "Content-Encoding": "magic"}), "content_encoding"),
        (http(b"\x1f\x8b\x08 broken", {**HTML, "Content-Encoding": "gzip"}), "content_encoding"),
        (http(gzip.compress(page(), mtime=0)[:-9], {**HTML, "Content-Encoding": "gzip"}), "content_encoding"),
        (http(b"\xff\xff\xff\xff", {**HTML, "Content-Encoding": "br"}), "content_encoding"),
        (http(b"\xff\xff\xff\xff", {**HTML, "Content-Encoding": "deflate"}), "content_encoding"),
        (http(page("x" * (9 << 20))), "too_large"),
    ],
)
def test_a_response_without_text_is_dropped_with_its_reason(payload: bytes, reason: str) -> None:
    assert reason_of(payload) == reason


@pytest.mark.parametrize(
    ("payload", "scores", "detail"),
    [
        (http(status="404 Not Found"), {}, "404"),
        (http(b"%PDF-1.4", {"Content-Type": "application/pdf"}), {}, "application/pdf"),
        (http(b"just words", {}), {}, None),
        (http(b"x" * (9 << 20), HTML), {"value": 9 << 20, "limit": 8 << 20}, None),
        (http(b""), {}, None),
    ],
)
def test_what_decided_of_a_response(payload: bytes, scores: dict[str, float], detail: str | None) -> None:
    _, (drop,), _ = read_all(file(record(payload)))
    assert (drop.scores, drop.detail) == (scores, detail)


def test_status_lines_and_headers_of_odd_servers() -> None:
    for head in (b"HTTP/1.0 200\n\n", b"HTTP/2 200 \r\n\r\n", b"HTTP/1.1 200 OK\nCONTENT-TYPE:Text/HTML\nbroken\n\n"):
        assert text_of(head + page()) == "A title\nSome text."
    assert text_of(http(page(), {"Content-Type": "application/xhtml+xml"})) == "A title\nSome text."
    assert text_of(http(b"\xef\xbb\xbf " + page(), {})) == "A title\nSome text."


def pack(data: bytes, name: str) -> bytes:
    if name == "br":
        return pa.compress(data, codec="brotli", asbytes=True)
    if name == "zstd":
        return pa.compress(data, codec="zstd", asbytes=True)
    if name == "deflate":
        return zlib.compress(data)
    return data if name == "identity" else gzip.compress(data)


@pytest.mark.parametrize("name", ["gzip", "x-gzip", "deflate", "br", "zstd", "identity"])
def test_content_encodings_are_undone_even_if_they_were_before(name: str) -> None:
    headers = {**HTML, "Content-Encoding": name.upper()}
    assert text_of(http(pack(page(), name), headers)) == "A title\nSome text."
    assert text_of(http(page(), headers)) == "A title\nSome text."


def test_raw_deflate_and_several_encodings() -> None:
    packer = zlib.compressobj(wbits=-15)
    raw = packer.compress(page()) + packer.flush()
    assert text_of(http(raw, {**HTML, "Content-Encoding": "deflate"})) == "A title\nSome text."
    twice = gzip.compress(zlib.compress(page()))
    assert text_of(http(twice, {**HTML, "Content-Encoding": "deflate, gzip"})) == "A title\nSome text."


def test_chunks_are_joined_even_if_they_were_before() -> None:
    body = page("<p>" + "word " * 100)
    parts = [body[at : at + 77] for at in range(0, len(body), 77)]
    chunked = b"".join(b"%X;name=value\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\nTrailer: x\r\n\r\n"
    headers = {**HTML, "Transfer-Encoding": "chunked"}
    assert text_of(http(chunked, headers)) == text_of(http(body, headers)) == text_of(http(body))
    assert text_of(http(chunked[:-200], headers), WARC_Truncated="length").startswith("A title\nword word")
    assert reason_of(http(chunked[:-200], headers)) == "transfer_encoding"
    packed = gzip.compress(body)
    both = b"%x\r\n%s\r\n0\r\n\r\n" % (len(packed), packed)
    assert text_of(http(both, {**headers, "Content-Encoding": "gzip"})) == text_of(http(body))


@pytest.mark.parametrize("codec", ["gzip", "br", "zstd", "deflate"])
def test_a_cut_body_keeps_what_is_there_and_a_bomb_costs_little(codec: str) -> None:
    text = " ".join(hashlib.sha256(b"%d" % number).hexdigest() for number in range(20_000))
    headers = {**HTML, "Content-Encoding": codec}
    packed = pack(page(text), codec)
    assert len(text_of(http(packed[: len(packed) // 2], headers), WARC_Truncated="length")) > 10_000
    bomb = http(pack(b"<p>" + b"x" * (64 << 20), codec), headers)
    tracemalloc.start()
    assert reason_of(bomb) == "too_large"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 << 20


def test_nul_and_control_characters_do_no_harm() -> None:
    assert "a" in text_of(http(b"<p>a\0b\x01c\x1bd</p>"))
    assert reason_of(http(b"\0" * 1000)) == "no_text"


GOOD = [record(http(page(f"<p>Page {number}.</p>")), number) for number in range(6)]


def urls(documents: list[Document]) -> list[int]:
    return [int((document.url or "").rsplit("/", 1)[1]) for document in documents]


@settings(deadline=None, max_examples=60)
@given(place=st.integers(3, len(file(*GOOD)) - 1), value=st.integers(0, 255))
def test_any_broken_byte_costs_at_most_its_own_record(place: int, value: int) -> None:
    members = [file(one) for one in GOOD]
    data = bytearray(b"".join(members))
    data[place] = value
    hit = max(number for number in range(6) if sum(map(len, members[:number])) <= place)
    documents, _, _ = read_all(bytes(data))
    assert [number for number in urls(documents) if number != hit] == [number for number in range(6) if number != hit]


def test_truncation_and_lying_lengths_cost_one_record() -> None:
    documents, drops, _ = read_all(file(*GOOD)[:-20])
    assert (urls(documents), [drop.reason for drop in drops]) == ([0, 1, 2, 3, 4], ["truncated"])
    for length in (3, 10_000):
        documents, drops, _ = read_all(gzip.compress(b"".join([*GOOD[:2], record(length=length), *GOOD[3:]])))
        assert (urls(documents), [drop.reason for drop in drops]) == ([0, 1, 3, 4, 5], ["content_length"])
    documents, drops, _ = read_all(file(record(WARC_Target_URI=""), record(number=7)))
    assert (urls(documents), [drop.reason for drop in drops]) == ([7], ["no_url"])


def test_a_huge_record_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warc_records, "RECORD_LIMIT", 1 << 20)
    documents, drops, _ = read_all(file(GOOD[0], record(http(b"x" * (3 << 20))), GOOD[2]))
    assert (urls(documents), [drop.reason for drop in drops]) == ([0, 2], ["too_large"])


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=300), st.sampled_from(["", "gzip", "br", "deflate", "zstd"]), st.booleans())
def test_no_response_raises(data: bytes, encoding: str, chunked: bool) -> None:
    headers = {"Content-Type": "text/html", "Content-Encoding": encoding, "Transfer-Encoding": "chunked" * chunked}
    for payload in (data, b"HTTP/1.1 200" + data, http(data, headers), http(b"<p>" + data)):
        read_all(file(record(payload)))


HOSTILE = {
    "nested": "<div>" * 100_000,
    "lists": "<ul><li>x" * 50_000,
    "tables": "<table><tr><td>" * 30_000,
    "attributes": "<p " + " ".join(f"a{number}" for number in range(100_000)) + ">x",
    "quoted attributes": "<p " + " ".join(f"a{number}='>'" for number in range(100_000)) + ">x",
    "long attributes opened again": f"<b class='{'x' * 50_000}'>" + "<p>x" * 9_000,
    "long anchors opened again": f"<a href='{'x>' * 3_000}'>" + "<p>x" * 60_000,
    "formatting": "<p>" + "".join(f"<b id={number}>" for number in range(500)) + "</p><p>x" * 50_000,
    "fewer formatting": "".join(f"<b id={number}><p>" for number in range(4_000)),
    "ends in attributes": "<div title='</div>'>" * 20_000,
    "ends in comments": "<div><!-- </div> -->" * 20_000,
    "ends in scripts": "<div><script>'</div>'</script>" * 20_000,
    "ends in bogus comments": "<div><! </div>" * 20_000,
    "ends of others": "<div></b>" * 20_000,
    "quotes that are none": '<p =">' + "<div>" * 20_000,
    "in a title of SVG": "<svg><title>" + "<div>" * 20_000,
    "too many": "<p>" * 300_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_intricate_pages_are_dropped_quickly(name: str) -> None:
    started = time.process_time()
    assert reason_of(http(HOSTILE[name].encode())) == "too_intricate"
    assert time.process_time() - started < 2 * slowness()


HARMLESS = {
    "many paragraphs": "<p>One.<br>Two.<img src=a>\n" * 20_000,
    "many closed elements": "<div class='a b'><span id=x>text</span></div>\n" * 20_000,
    "a long script": "<script>" + "document.write('<div>'); " * 5_000 + "</script>text",
    "a long comment": "text<!-- " + "<div> " * 20_000 + "-->",
    "a long table": "<table>" + "<tr><td>1<td>2" * 10_000 + "</table>",
    "a list of links": "<ul>" + "<li><a href='/x?a=1&b=2'>link</a>" * 10_000 + "</ul>",
    "an icon": "<svg><title>Icon</title><path d='M0 0'/></svg>text" * 5_000,
    "an embedded image": "text<img alt='a' src='data:image/png;base64," + "A" * 1_000_000 + "'>",
    "anchors that are not closed": "<p><a name=x>text" * 20_000,
    "a link of many attributes": "<a " + "a=b " * 200 + ">link</a>" + "<p>text" * 9_000,
    "a few open fonts": "<font color=red>" * 5 + "<p>text</p>" * 20_000,
}


@pytest.mark.parametrize("name", HARMLESS)
def test_large_pages_of_the_usual_kind_are_read(name: str) -> None:
    assert not too_intricate(HARMLESS[name])
    assert text_of(http(HARMLESS[name].encode())).strip()


@pytest.mark.parametrize(
    "piece", ["<", "<!--", "<!---", "<a ", "<a =", "<a b= ", "<a b='", "</", "<script>", "<svg><title>"]
)
def test_the_check_itself_takes_linear_time(piece: str) -> None:
    started = time.process_time()
    too_intricate(piece * 190_000)
    assert time.process_time() - started < 2 * slowness()
