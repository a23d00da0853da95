"""HTTP responses as crawlers keep them: status, type, and the body with its encodings undone, as browsers take them.

    payload -> status 200, headers -> HTML by its type, or by its first bytes -> chunks joined -> unpacked -> body

Crawlers keep transfer and content encodings, undo them, or undo them and still declare them; servers declare encodings
that are none (`binary`, `8bit`, `text/html`), and compress without saying so. So what is packed is told by its first
bytes as well. What is cut or damaged inside is refused, unless the record says that the crawler cut it.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Literal

import pyarrow as pa

from filters.broken import Broken
from pipelines.readers import first_bytes, rows
from pipelines.readers.warc_records import HEADER_LIMIT

BODY_LIMIT: Final = 8 << 20  # bytes; Common Crawl cuts bodies at 5 MiB
NESTED: Final = 4  # encodings that nobody declared, one in the other

_HTML: Final = frozenset({"text/html", "application/xhtml+xml"})
# MIME Sniffing standard, section 7: these say nothing, and first bytes tell. XML may be XHTML.
_SNIFFED: Final = frozenset({"unknown/unknown", "application/unknown", "*/*", "text/xml", "application/xml"})
_STATUS: Final = re.compile(rb"\s{0,100}(?:HTTP/\d(?:\.\d)?|ICY)[ \t]+(\d{3})(?!\d)", re.IGNORECASE)
_BLANK_LINE: Final = re.compile(rb"\r?\n\r?\n")
_FOLDED: Final = re.compile(r"\r?\n[ \t]+")
_TYPE: Final = re.compile(r"""["'\s]*([^\s;,"']+/[^\s;,"']+)""")
_CHUNK_SIZE: Final = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]{0,1000})?\r?\n")
# MIME Sniffing standard, section 7.1, and what may come before.
_FIRST_TAGS = "!doctype html|!--|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p"
_LOOKS_LIKE_HTML: Final = re.compile(
    rf"(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)?\s*(?:<\?xml[^>]{{0,400}}>\s*)?<(?:{_FIRST_TAGS})(?![a-z0-9])".encode(
        "latin-1"
    ),
    re.IGNORECASE,
)
_LOOKED_AT: Final = 1445  # bytes; MIME Sniffing standard, section 5.2
_BINARY: Final = re.compile(rb"[\x01-\x08\x0b\x0e-\x1a\x1c-\x1f]")
_BINARY_RATIO: Final = 50  # one in so many bytes; of what is compressed one in ten
_GZIP: Final = b"\x1f\x8b\x08"
_GZIP_BITS: Final = zlib.MAX_WBITS | 16
_Packing = int | Literal["brotli", "zstd"]
# As the standard says, and as some servers have it.
_DEFLATE: Final[tuple[_Packing, ...]] = (zlib.MAX_WBITS, -zlib.MAX_WBITS)
_PACKINGS: Final[Mapping[str, tuple[_Packing, ...]]] = {
    "gzip": _DEFLATE,
    "x-gzip": _DEFLATE,
    "deflate": _DEFLATE,
    "br": ("brotli",),
    "zstd": ("zstd",),
}
_UNDECLARED: Final[tuple[_Packing, ...]] = (zlib.MAX_WBITS, "brotli")


class Reason(StrEnum):
    """Why a response has no text."""

    NO_HTTP = "no_http"  # no HTTP status line and headers
    HTTP_STATUS = "http_status"  # anything but 200
    NOT_HTML = "not_html"
    TRANSFER_ENCODING = "transfer_encoding"  # chunks that are damaged or cut
    CONTENT_ENCODING = "content_encoding"  # damaged, cut, or not known
    TOO_LARGE = "too_large"
    TOO_INTRICATE = "too_intricate"
    NO_TEXT = "no_text"


class RefusedError(Exception):
    """A response has no text, for the reason given: a `Reason`, or one that is `Broken` with what decided."""


def html_body(payload: bytes, *, cut: bool) -> tuple[bytes, str]:
    """Return the body of an HTML page and its Content-Type; `cut` says that the crawler cut the response.

    Raises RefusedError for what is no page: another status than 200 or another type, damage, more than BODY_LIMIT.
    """
    headers, body = _split(payload)
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = _unchunked(body, cut=cut)
    content_type = headers.get("content-type", "")
    may_be = _may_be_html(content_type)
    if may_be is not False:
        body = _decoded(body, headers.get("content-encoding", ""), cut=cut)
    if not (_looks_like_html(body) if may_be is None else may_be) or first_bytes.named(body[:16]):
        raise RefusedError(Broken(Reason.NOT_HTML, detail=content_type or None))
    if len(body) > BODY_LIMIT:
        raise RefusedError(Broken(Reason.TOO_LARGE, len(body), BODY_LIMIT))
    return body, content_type


def _split(payload: bytes) -> tuple[dict[str, str], bytes]:
    """Return the headers of the last response (names in lower case), and what follows them."""
    at = 0
    while True:
        status, end = _STATUS.match(payload, at), _BLANK_LINE.search(payload, at, at + HEADER_LIMIT)
        if not status or not end:
            raise RefusedError(Reason.NO_HTTP)
        # An interim response, or that of a proxy to CONNECT, is followed by the one that is meant.
        if not (status[1].startswith(b"1") or (status[1] == b"200" and _STATUS.match(payload, end.end()))):
            break
        at = end.end()
    if status[1] != b"200":
        raise RefusedError(Broken(Reason.HTTP_STATUS, detail=status[1].decode("ascii", "replace")))
    return _fields(payload[at : end.start()]), payload[end.end() :]


def _fields(block: bytes) -> dict[str, str]:
    """Return the fields of a header block; what is given more than once is one list, as RFC 9110 has it."""
    fields: dict[str, str] = {}
    for line in _FOLDED.sub(" ", block.decode(errors="replace")).split("\n"):
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if colon:
            fields[name] = f"{fields[name]}, {value.strip()}" if name in fields else value.strip()
    return fields


def _may_be_html(content_type: str) -> bool | None:
    """Tell whether a body of this type is HTML; None where its first bytes decide. The last type given counts."""
    types = [found[1].lower() for one in content_type.split(",") if (found := _TYPE.match(one))]
    if not types or types[-1] in _SNIFFED:
        return None
    return types[-1] in _HTML


def _unchunked(body: bytes, *, cut: bool) -> bytes:
    parts: list[bytes] = []
    at = 0
    while size := _CHUNK_SIZE.match(body, at):
        length = int(size[1], 16)
        if not length:
            return b"".join(parts)
        parts.append(body[size.end() : size.end() + length])
        at = size.end() + length
        at += 2 if body.startswith(b"\r\n", at) else 1 if body.startswith(b"\n", at) else 0
    if cut and parts and at >= len(body):
        return b"".join(parts)
    # What begins as a page, or as what is compressed, has been unchunked already.
    if parts and not _looks_like_html(body):
        raise RefusedError(Reason.TRANSFER_ENCODING)
    return body


def _decoded(body: bytes, declared: str, *, cut: bool) -> bytes:
    """Undo content encodings, the last one first, and those that nobody declared."""
    for name in reversed([name.strip().lower() for name in declared.split(",")]):
        body = _unpacked(body, name, cut=cut)
    for _ in range(NESTED):
        if not body.startswith((_GZIP, rows.ZSTD_MAGIC)):
            break
        body = _unpacked(body, "", cut=cut)
    return body


def _unpacked(body: bytes, name: str, *, cut: bool) -> bytes:
    if body.startswith(_GZIP):
        return _inflated(body, _GZIP_BITS, cut=cut)
    if body.startswith(rows.ZSTD_MAGIC):
        return _arrow(body, "zstd", cut=cut)
    if _looks_like_html(body) or (name not in _PACKINGS and first_bytes.named(body[:16])):
        return body
    is_text = _is_text(body)
    if name in _PACKINGS or not is_text:
        for packing in _PACKINGS.get(name, _UNDECLARED):
            found = _or_none(body, packing, cut=cut and not is_text)
            if found is not None and (name in _PACKINGS or _looks_like_html(found)):
                return found
    if not is_text or not (name in ("", "identity", "none") or b"<" in body[:_LOOKED_AT]):
        raise RefusedError(Reason.CONTENT_ENCODING)
    return body


def _or_none(body: bytes, packing: _Packing, *, cut: bool) -> bytes | None:
    try:
        return _inflated(body, packing, cut=cut) if isinstance(packing, int) else _arrow(body, packing, cut=cut)
    except RefusedError:
        return None


def _inflated(body: bytes, bits: int, *, cut: bool) -> bytes:
    """Inflate one stream, of gzip also those that follow it, up to BODY_LIMIT and one byte more."""
    found, rest = bytearray(), body
    while not found or (rest.startswith(_GZIP) and bits == _GZIP_BITS and len(found) <= BODY_LIMIT):
        inflater = zlib.decompressobj(bits)
        try:
            found += inflater.decompress(rest, BODY_LIMIT + 1 - len(found))
        except zlib.error:
            raise RefusedError(Reason.CONTENT_ENCODING) from None
        if not inflater.eof:
            if len(found) <= BODY_LIMIT and not cut:
                raise RefusedError(Reason.CONTENT_ENCODING)
            break
        if not inflater.unused_data:
            break
        rest = inflater.unused_data
    return bytes(found)


def _arrow(body: bytes, codec: Literal["brotli", "zstd"], *, cut: bool) -> bytes:
    found = bytearray()
    try:
        with pa.input_stream(pa.py_buffer(body), compression=codec) as stream:
            while len(found) <= BODY_LIMIT and (piece := stream.read(1 << 16)):
                found += piece
    except (OSError, pa.ArrowException):
        if not (found and cut):
            raise RefusedError(Reason.CONTENT_ENCODING) from None
    return bytes(found)


def _looks_like_html(body: bytes) -> bool:
    # Every other byte of UTF-16 is NUL.
    return _LOOKS_LIKE_HTML.match(body[:_LOOKED_AT].replace(b"\0", b"")) is not None


def _is_text(body: bytes) -> bool:
    """Tell whether a body is no binary data by its first bytes."""
    start = body[:_LOOKED_AT]
    return len(_BINARY.findall(start)) * _BINARY_RATIO <= len(start)
