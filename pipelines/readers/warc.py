"""WARC reader: pages as they were crawled, one document for each `response` record that is HTML.

    bytes -> WARC records (`warc_records`) -> HTTP status, headers, body -> charset -> HTML -> text -> Document | Drop

The text is laid out as in a WET file: the title on the first line (an empty line where there is none), then everything
visible, a line for each block, without empty lines (`filters.web.visible`). The charset is that of a byte order mark,
else UTF-8 where the body is valid UTF-8 beyond ASCII (pages that declare something else are common, other encodings
that look like it are not), else what the HTTP header declares, what the page declares, what the detector finds: the
first that fits the body.
`offset` and ids are as in the WET reader. `read` of this module takes WET files too: the first conversion or response
record decides what the file is.
"""

from __future__ import annotations

import codecs
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from enum import StrEnum
from types import ModuleType
from typing import BinaryIO, Literal

import pyarrow as pa

from filters import packages
from filters.web import visible
from pipelines.document import EXCERPT_CHARACTERS, READ, Document, Drop
from pipelines.readers import Dump, first_bytes, wet
from pipelines.readers.first_bytes import Kind
from pipelines.readers.html_limits import too_intricate
from pipelines.readers.warc_records import HEADER_LIMIT, Record, headers_of, identity, moment, read_kinds, records, url

KIND = "response"
BODY_LIMIT = 8 << 20  # bytes; Common Crawl cuts bodies at 5 MiB
META_BYTES = 1024  # HTML standard, "prescan a byte stream to determine its encoding"

_HTML = frozenset({"text/html", "application/xhtml+xml"})
_STATUS = re.compile(rb"HTTP/\d(?:\.\d)?[ \t]+(\d{3})(?!\d)")
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_CHARSET = re.compile(r"""charset\s*=\s*["']?\s*([\w.:-]{1,40})""", re.IGNORECASE | re.ASCII)
_META_CHARSET = re.compile(rb"<meta\b[^>]{0,400}?charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE)
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]{0,1000})?\r?\n")
_LOOKS_LIKE_HTML = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_BOMS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
# The supersets that the WHATWG standard means by these labels; Python's own codecs of these names are narrower.
_WIDER = {"shift_jis": "cp932", "euc_kr": "cp949", "gbk": "gb18030", "big5": "big5hkscs"}


_CODECS: Mapping[str, Literal["brotli", "zstd"]] = {"br": "brotli", "zstd": "zstd"}


class Reason(StrEnum):
    """Why a response has no text."""

    NO_HTTP = "no_http"  # no HTTP status line and headers
    HTTP_STATUS = "http_status"  # anything but 200
    NOT_HTML = "not_html"
    CONTENT_ENCODING = "content_encoding"  # damaged, or not known
    TOO_LARGE = "too_large"
    TOO_INTRICATE = "too_intricate"
    NO_TEXT = "no_text"


class _RefusedError(Exception):
    """A response has no text, for the reason given."""


def read(
    stream: BinaryIO, dump: Dump, counts: Counter[str], *, source: str = "common_crawl"
) -> Iterator[Document | Drop]:
    """Yield a Document for each HTML response of a WARC file, or each conversion record of a WET file.

    Which of the two it is, the first such record tells, not the name. What cannot be read is a Drop, as are responses
    with another status than 200, of another type than HTML, or without text; requests, metadata and the like are
    counted as such. Raises ValueError for a file that is empty, neither gzip nor WARC, or without a single WARC record.
    """
    return read_kinds(stream, dump, counts, source, {wet.KIND: wet.document, KIND: document})


_expected = first_bytes.looker({Kind.WARC}, {"gzip"}, "a WET or WARC file (plain or gzip)")


def look(stream: BinaryIO, dump: Dump) -> None:
    """Look at a file's beginning; raise ValueError if it is none of ours, or a WARC that cannot be made into text."""
    _expected(stream, dump)
    if packages.RESILIPARSE.is_there():
        return
    stream.seek(0)
    kinds = (record.headers.get("warc-type", "").lower() for _, record in records(stream, dump))
    if next((kind for kind in kinds if kind in (wet.KIND, KIND)), "") == KIND:
        packages.RESILIPARSE.load()


def _resiliparse(module: str) -> ModuleType:
    return packages.RESILIPARSE.load(f"resiliparse.{module}")


def document(record: Record, offset: int, dump: Dump, source: str) -> Document | Drop:
    """Return a response record's document, or its drop."""
    body = record.payload
    try:
        headers, body = _http(record.payload)
        body = _decoded(body, headers, cut="warc-truncated" in record.headers)
        title, text = page_text(decode(body, headers.get("content-type", "")))
    except _RefusedError as refused:
        return Drop(
            id=identity(record, offset, dump, source),
            source=source,
            stage=READ,
            reason=str(refused),
            excerpt=body[: 4 * EXCERPT_CHARACTERS].decode(errors="replace")[:EXCERPT_CHARACTERS],
            size=record.size,
            url=url(record),
            timestamp=moment(record),
        )
    return Document(
        id=identity(record, offset, dump, source),
        source=source,
        text=text,
        dump=dump.digest,
        offset=offset,
        url=url(record),
        title=title or None,
        timestamp=moment(record),
    )


def _http(payload: bytes) -> tuple[Mapping[str, str], bytes]:
    """Split an HTTP response into headers (names in lower case) and body; refuse what is no HTML page."""
    status = _STATUS.match(payload)
    end = _BLANK_LINE.search(payload, 0, HEADER_LIMIT)
    if not status or not end:
        raise _RefusedError(Reason.NO_HTTP)
    if status[1] != b"200":
        raise _RefusedError(Reason.HTTP_STATUS)
    headers, body = headers_of(payload[: end.start()]), payload[end.end() :]
    declared = headers.get("content-type", "").partition(";")[0].strip().lower()
    if declared not in _HTML and (declared or not _LOOKS_LIKE_HTML.match(body)):
        raise _RefusedError(Reason.NOT_HTML)
    return headers, body


def _decoded(body: bytes, headers: Mapping[str, str], *, cut: bool) -> bytes:
    """Undo transfer and content encodings, which crawlers keep, undo, or undo and still declare; at most BODY_LIMIT."""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = _unchunked(body)
    encodings = [name.strip().lower() for name in headers.get("content-encoding", "").split(",")]
    for name in reversed(encodings):
        body = _uncompressed(body, name, cut=cut)
    if len(body) > BODY_LIMIT:
        raise _RefusedError(Reason.TOO_LARGE)
    return body


def _unchunked(body: bytes) -> bytes:
    parts, at = [], 0
    while (size := _CHUNK_SIZE.match(body, at)) and int(size[1], 16):
        parts.append(body[size.end() : size.end() + int(size[1], 16)])
        at = size.end() + int(size[1], 16)
        at += 2 if body.startswith(b"\r\n", at) else 1 if body.startswith(b"\n", at) else 0
    # What does not begin with a chunk's size has been unchunked already.
    return b"".join(parts) if parts else body


def _uncompressed(body: bytes, name: str, *, cut: bool) -> bytes:
    if name in ("gzip", "x-gzip"):
        return _inflated(body, zlib.MAX_WBITS | 16, cut=cut) if body.startswith(b"\x1f\x8b") else body
    if name == "deflate":
        return _deflated(body, cut=cut)
    if name in _CODECS:
        return _unpacked(body, _CODECS[name], cut=cut)
    if name not in ("", "identity", "none", "utf-8"):
        raise _RefusedError(Reason.CONTENT_ENCODING)
    return body


def _inflated(body: bytes, bits: int, *, cut: bool) -> bytes:
    inflater = zlib.decompressobj(bits)
    try:
        found = inflater.decompress(body, BODY_LIMIT + 1)
    except zlib.error:
        raise _RefusedError(Reason.CONTENT_ENCODING) from None
    if not inflater.eof and len(found) <= BODY_LIMIT and not cut:
        raise _RefusedError(Reason.CONTENT_ENCODING)
    return found


def _deflated(body: bytes, *, cut: bool) -> bytes:
    for bits in (zlib.MAX_WBITS, -zlib.MAX_WBITS):  # as the standard says, and as some servers have it
        try:
            return _inflated(body, bits, cut=cut)
        except _RefusedError:
            continue
    return _or_plain(body)


def _unpacked(body: bytes, codec: Literal["brotli", "zstd"], *, cut: bool) -> bytes:
    found = bytearray()
    try:
        with pa.input_stream(pa.py_buffer(body), compression=codec) as stream:
            while len(found) <= BODY_LIMIT and (piece := stream.read(1 << 16)):
                found += piece
    except (OSError, pa.ArrowException):
        return bytes(found) if found and cut else _or_plain(body)
    return bytes(found)


def _or_plain(body: bytes) -> bytes:
    if not _LOOKS_LIKE_HTML.match(body):
        raise _RefusedError(Reason.CONTENT_ENCODING)
    return body


def decode(body: bytes, content_type: str = "") -> str:
    """Return an HTML body's characters; `content_type` is the HTTP header.

    An encoding in which more than one in 8 of the characters beyond ASCII is wrong is not the page's; in what is taken
    U+FFFD stands for what is wrong (a body cut inside a character, say).
    """
    for mark, encoding in _BOMS.items():
        if body.startswith(mark):
            return body[len(mark) :].decode(encoding, "replace")
    plain = body.isascii()
    if plain and b"\x1b" not in body and b"\0" not in body[:META_BYTES]:
        return body.decode("ascii")
    declared = _declared(body, content_type)
    for encoding in declared if plain else ["utf-8", *declared]:
        if (text := _plausible(body, encoding)) is not None:
            return text
    detected = _codec(_resiliparse("parse.encoding").detect_encoding(body) or "")
    text = _plausible(body, detected) if detected else None
    return text if text is not None else body.decode([*declared, "utf-8"][0], "replace")


def _plausible(body: bytes, encoding: str) -> str | None:
    text = body.decode(encoding, "replace")
    wrong = text.count("\ufffd")
    if wrong and wrong * 8 > len(text) - len(text.encode("ascii", "ignore")):
        return None
    return text


def _declared(body: bytes, content_type: str) -> list[str]:
    header, meta = _CHARSET.search(content_type), _META_CHARSET.search(body[:META_BYTES])
    labels = [header[1] if header else "", meta[1].decode("ascii", "replace") if meta else ""]
    found = [_codec(label) for label in labels]
    # HTML standard: a page whose declaration can be read as ASCII is not in UTF-16.
    if found[1] and found[1].startswith("utf-16"):
        found[1] = "utf-8"
    return [codec for codec in found if codec]


def _codec(label: str) -> str | None:
    found = _resiliparse("parse.encoding").map_encoding_to_html5(label, fallback_utf8=False) if label else None
    return _WIDER.get(found, found) if found else None


def page_text(html: str) -> tuple[str, str]:
    """Return a page's title and its text: the title's line, then everything visible, a line for each block."""
    prepared = visible.prepared(html)
    if too_intricate(prepared):
        raise _RefusedError(Reason.TOO_INTRICATE)
    title, lines = visible.page(prepared)
    if not lines:
        raise _RefusedError(Reason.NO_TEXT)
    return title, "\n".join([title, *lines])
