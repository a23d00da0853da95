"""What a file is by its first bytes, so that a source says before any work starts that it does not read it.

    bytes ─ decompressed, as far as one look goes ─> kind -> a source reads it, or refuses it by name

What cannot be told (damage, text) is left to the readers: a file is refused here only for what it certainly is.
"""

from __future__ import annotations

import bz2
import lzma
import re
import zlib
from collections.abc import Callable, Collection
from enum import StrEnum
from functools import partial
from typing import BinaryIO, Final

import pyarrow as pa

from filters import unicode_bytes
from pipelines.readers import Dump, packed, rows, tars, zstd_frames

# What is read, and what of it is decompressed: a block of bzip2 has up to 900 kB.
FIRST_BYTES: Final = 1 << 20
LOOK_BYTES: Final = 1 << 16


class Kind(StrEnum):
    """What a file is, in words for people."""

    EMPTY = "an empty file"
    WARC = "a file of WARC records"
    ARC = "a file of ARC records"
    CDX = "an index of WARC files (CDX)"
    TAR = "a tar archive"
    ZIP = "a zip archive"
    SEVEN_ZIP = "a 7z archive"
    PARQUET = "a Parquet file"
    ARROW = "an Arrow file"
    AVRO = "an Avro file"
    PDF = "a PDF"
    IMAGE = "an image"
    MEDIAWIKI = "a dump of MediaWiki"
    POSTS = "a Posts.xml of StackExchange"
    JSON = "JSON"
    HTML = "HTML"
    XML = "XML"
    TEXT = "text"
    UNKNOWN = "neither text nor a known format"


# Tables, whose rows are texts of somebody's own.
ROWS: Final = frozenset({Kind.JSON, Kind.PARQUET, Kind.ARROW, Kind.AVRO})
_MAGIC: Final = (
    (b"PK\x03\x04", Kind.ZIP),
    (b"PK\x05\x06", Kind.ZIP),
    (b"7z\xbc\xaf\x27\x1c", Kind.SEVEN_ZIP),
    (rows.PARQUET_MAGIC, Kind.PARQUET),
    (b"ARROW1", Kind.ARROW),
    (b"\xff\xff\xff\xff", Kind.ARROW),
    (b"Obj\x01", Kind.AVRO),
    (b"%PDF", Kind.PDF),
    (b"\x89PNG\r\n", Kind.IMAGE),
    (b"\xff\xd8\xff", Kind.IMAGE),
    (b"GIF8", Kind.IMAGE),
    (b"WARC/", Kind.WARC),
    (b"filedesc:", Kind.ARC),
    (b" CDX ", Kind.CDX),
)
_TEXTS: Final = (
    (re.compile(r'\s*(?:\{\s*"|\[\s*\{)'), Kind.JSON),
    (
        re.compile(r"\s*(?:<\?xml[^<>]*>\s*|<!--[^<>]*-->\s*)*(?:<!doctype\s+html|<html)\b", re.IGNORECASE),
        Kind.HTML,
    ),
)
_ROOTS: Final = ((re.compile(r"<(?:mediawiki|page)\b"), Kind.MEDIAWIKI), (re.compile(r"<(?:posts|row)\b"), Kind.POSTS))
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0e-\x19\x1c-\x1f]")
_MOST_CONTROLS: Final = 0.1

_BZIP2: Final = b"BZh"
_PACKINGS: Final = {rows.GZIP_MAGIC: "gzip", _BZIP2: "bzip2", b"\xfd7zXZ\x00": "xz", rows.ZSTD_MAGIC: "zstd"}


def kind_of(stream: BinaryIO) -> tuple[str, Kind | None]:
    """Return how a file is compressed ("" if it is not) and what it is, None where damage hides it."""
    start = stream.read(FIRST_BYTES)
    stream.seek(0)
    if start.startswith(zstd_frames.DICTIONARY):
        return "zstd", None
    for magic, name in _PACKINGS.items():
        if start.startswith(magic):
            inner = _unpacked(start, magic)
            return name, _kind(inner) if inner else None
    return "", _kind(start[:LOOK_BYTES])


def named(start: bytes) -> str | None:
    """Return what a file certainly is by its first bytes alone, in words; None where they do not tell.

    Of a compressed file that is its compression: "gzip", "bzip2", "xz" or "zstd".
    """
    known = (*((magic, kind.value) for magic, kind in _MAGIC), *_PACKINGS.items())
    return next((what for magic, what in known if start.startswith(magic)), None)


def look(stream: BinaryIO, dump: Dump, *, reads: Collection[Kind], packings: Collection[str], expected: str) -> None:
    """Raise ValueError naming the file if its first bytes show that it is none of the kinds that are read.

    `packings` are the compressions that a reader undoes around them; `expected` says what it reads.
    """
    packing, kind = kind_of(stream)
    if kind is None or (kind in reads and (not packing or packing in packings)):
        return
    what = f"{kind} in {packing}" if packing else str(kind)
    own = " (for your own texts: --recipe texts --input NAME=FILE)" if kind in ROWS else ""
    raise ValueError(f"{dump.name}: this is {what}; {expected} is expected{own}")


def looker(reads: Collection[Kind], packings: Collection[str], expected: str) -> Callable[[BinaryIO, Dump], None]:
    """Return `look` for a source."""
    return partial(look, reads=frozenset(reads), packings=frozenset(packings), expected=expected)


def _unpacked(start: bytes, magic: bytes) -> bytes:
    """Return what the first bytes of a compressed file hold, nothing where they are damaged."""
    try:
        if magic == rows.ZSTD_MAGIC:
            return bytes(pa.CompressedInputStream(pa.BufferReader(start), "zstd").read(LOOK_BYTES))
        if magic == rows.GZIP_MAGIC:
            return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(start, LOOK_BYTES)
        if magic == _BZIP2:
            return bz2.BZ2Decompressor().decompress(start, LOOK_BYTES)
        return lzma.LZMADecompressor(memlimit=packed.XZ_MEMORY).decompress(start, LOOK_BYTES)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, pa.ArrowException):
        return b""


def _kind(start: bytes) -> Kind:
    if not start:
        return Kind.EMPTY
    for magic, kind in _MAGIC:
        if start.startswith(magic):
            return kind
    return Kind.TAR if tars.is_tar(start[: tars.BLOCK]) else _kind_of_text(start)


def _kind_of_text(start: bytes) -> Kind:
    text = _decoded(start)
    for pattern, kind in _TEXTS:
        if pattern.match(text):
            return kind
    if text.lstrip().startswith("<"):
        return next((kind for pattern, kind in _ROOTS if pattern.search(text)), Kind.XML)
    return Kind.UNKNOWN if len(_CONTROLS.findall(text)) > _MOST_CONTROLS * len(text) else Kind.TEXT


def _decoded(start: bytes) -> str:
    encoding, mark = unicode_bytes.by_mark(start) or (unicode_bytes.utf_16_by_nuls(start) or "utf-8", 0)
    return start[mark:].decode(encoding, "replace")
