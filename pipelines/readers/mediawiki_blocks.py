"""The bytes of a MediaWiki export as blocks of UTF-8: bzip2 of one stream or many, gzip, xz, 7z, or plain XML.

What `bzip2 -t`, `gzip -t` and `xz -t` accept is whole: zeros and other rubbish behind the last stream, as tapes and
object stores leave them, are no damage. Where a bzip2 stream is damaged, reading goes on at the next one; of the other
forms all that follows is lost. Memory is bounded whatever a file says that it needs.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from pipelines.readers import packed, seven_zip, tars
from pipelines.readers.seven_zip import Wanted

CHUNK_BYTES = 1 << 18
BZIP2, GZIP, XZ, SEVEN_ZIP = b"BZh", b"\x1f\x8b", b"\xfd7zXZ\x00", b"7z\xbc\xaf\x27\x1c"
BZIP2_MAGIC = re.compile(rb"BZh[1-9]1AY&SY")
_MAGIC_BYTES = 6  # of the longest
# Wikimedia's archives of all revisions shrink a hundredfold and more; below the size anything goes.
MAX_RATIO, SMALL_BYTES = 2_000, 1 << 30
# Posts.xml is a site of StackExchange's.
WANTED = Wanted(lambda name: name.endswith(".xml") and name != "posts.xml", "that are XML", MAX_RATIO, SMALL_BYTES)


@dataclass(frozen=True, slots=True)
class Block:
    """Bytes of XML, and `offset`: of the bz2 stream they come from, or of the first byte itself without compression.

    In gzip, xz and 7z, whose parts nobody can come back to, it is 0.
    """

    data: bytes
    offset: int
    compressed: bool = True
    damage: str = ""


def blocks(stream: BinaryIO, start: int = 0, end: int | None = None) -> Iterator[Block]:
    """Yield the blocks of a file, or of the byte range [start, end) of a multistream file.

    ValueError for a range that begins with no bzip2 stream, for a 7z archive that cannot be read, and for xz that asks
    for too much memory.
    """
    if start:
        stream.seek(start)
    chunks = _chunks(stream, None if end is None else end - start)
    first = _at_least(_MAGIC_BYTES, b"", chunks)
    if first.startswith(BZIP2):
        yield from _utf8(_bzip2(first, chunks, start))
    elif start:
        raise ValueError(f"no bzip2 stream begins at byte {start:,}: the index does not fit the dump")
    elif first.startswith(SEVEN_ZIP):
        yield from _utf8(_seven_zip(stream))
    elif first.startswith((GZIP, XZ)):
        opener = next(opener for magic, opener in packed.OPENERS if first.startswith(magic))
        yield from _utf8(_unpacked(cast(io.BufferedIOBase, opener(_Rest(first, chunks)))))
    else:
        yield from _utf8(_plain(first, chunks, start))


def _chunks(stream: BinaryIO, length: int | None) -> Iterator[bytes]:
    while length is None or length > 0:
        data = stream.read(CHUNK_BYTES if length is None else min(CHUNK_BYTES, length))
        if not data:
            return
        if length is not None:
            length -= len(data)
        yield data


def _at_least(size: int, data: bytes, chunks: Iterator[bytes]) -> bytes:
    while len(data) < size and (more := next(chunks, b"")):
        data += more
    return data


class _Rest:
    """Chunks as something that is read from."""

    def __init__(self, first: bytes, chunks: Iterator[bytes]) -> None:
        self._ahead, self._chunks = first, chunks

    def read(self, size: int = -1, /) -> bytes:
        if not self._ahead:
            self._ahead = next(self._chunks, b"")
        size = len(self._ahead) if size < 0 else size
        data, self._ahead = self._ahead[:size], self._ahead[size:]
        return data


def _plain(first: bytes, chunks: Iterator[bytes], offset: int) -> Iterator[Block]:
    while first:
        yield Block(first, offset, compressed=False)
        offset += len(first)
        first = next(chunks, b"")


def _unpacked(stream: io.BufferedIOBase) -> Iterator[Block]:
    """Yield the blocks of gzip and xz."""
    some = False
    try:
        while data := stream.read1(CHUNK_BYTES):  # `read` would lose what comes before damage
            some = True
            yield Block(data, 0)
    except EOFError:
        yield Block(b"", 0, damage="truncated")
    except tars.TooLargeError as error:
        raise ValueError(f"it takes {error}") from None
    except gzip.BadGzipFile as error:
        if not (some and str(error).startswith("Not a gzipped file")):  # else rubbish behind the last member
            yield Block(b"", 0, damage="malformed")
    except (OSError, ValueError, zlib.error, lzma.LZMAError):
        yield Block(b"", 0, damage="malformed")


def _seven_zip(stream: BinaryIO) -> Iterator[Block]:
    some = False
    try:
        for piece in seven_zip.pull(stream, WANTED):
            some = True
            yield Block(piece, 0)
    except ValueError:
        if not some:
            raise
        yield Block(b"", 0, damage="malformed")


def _bzip2(data: bytes, chunks: Iterator[bytes], position: int) -> Iterator[Block]:
    """Decompress stream after stream; `position` is that of `data` in the file, `begin` that of the stream."""
    while data:
        begin, decompressor, unread = position, bz2.BZ2Decompressor(), data
        while not decompressor.eof:
            try:
                block = decompressor.decompress(unread, CHUNK_BYTES)
            except (OSError, ValueError):
                yield Block(b"", begin, damage="malformed")
                data, position = _next_stream(data, chunks, position, begin + 1)
                break
            unread = b""
            if block:
                yield Block(block, begin)
            if decompressor.needs_input and not decompressor.eof:
                position += len(data)
                data = unread = next(chunks, b"")
                if not data:
                    yield Block(b"", begin, damage="truncated")
                    return
        else:
            position += len(data) - len(decompressor.unused_data)
            data = decompressor.unused_data or next(chunks, b"")
            data, position, damage = _behind(data, chunks, position)
            if damage:
                yield Block(b"", position, damage=damage)


def _behind(data: bytes, chunks: Iterator[bytes], position: int) -> tuple[bytes, int, str]:
    """Return what begins with the stream after the one that ended here, and where; and what was in between."""
    while data and not data.strip(b"\0"):  # padding
        position += len(data)
        data = next(chunks, b"")
    start = data.lstrip(b"\0")
    position += len(data) - len(start)
    data = _at_least(len(BZIP2), start, chunks)
    if BZIP2.startswith(data[: len(BZIP2)]):  # a stream, or the end of the file, or what is left of a stream there
        return data, position, ""
    data, position = _next_stream(data, chunks, position, position)
    return data, position, "malformed" if data else ""


def _next_stream(data: bytes, chunks: Iterator[bytes], position: int, after: int) -> tuple[bytes, int]:
    """Return the rest of the file from the next bz2 stream at or behind `after`, and where it is."""
    skip = max(after - position, 0)
    while True:
        if match := BZIP2_MAGIC.search(data, skip):
            return data[match.start() :], position + match.start()
        more = next(chunks, b"")
        if not more:
            return b"", position + len(data)
        kept = data[-9:] if len(data) > 9 else data
        skip = max(skip - (len(data) - len(kept)), 0)
        position += len(data) - len(kept)
        data = kept + more


def _utf8(found: Iterator[Block]) -> Iterator[Block]:
    """Turn UTF-16 into UTF-8; what cannot be decoded becomes U+FFFD."""
    decoder: codecs.IncrementalDecoder | None = None
    for number, block in enumerate(found):
        if number == 0 and block.data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, b"<\0", b"\0<"):
            order = {b"<\0": "utf-16-le", b"\0<": "utf-16-be"}.get(block.data[:2], "utf-16")
            decoder = codecs.getincrementaldecoder(order)("replace")
        if decoder is None or block.damage:
            yield block
        else:
            yield Block(decoder.decode(block.data).encode(), block.offset, block.compressed)
