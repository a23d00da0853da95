"""Compressed streams and members of zips, read in bounded memory whatever they say that they need."""

from __future__ import annotations

import bz2
import copy
import gzip
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, cast

from pipelines.readers import tars

# `xz -9` takes 65 MiB to read; a file can ask for 4 GiB.
XZ_MEMORY = 512 << 20
_ENDS_EARLY = "Compressed file ended before the end-of-stream marker was reached"
_NO_MEMORY = f"more than {XZ_MEMORY >> 20} MiB of memory to decompress; compress it with a smaller dictionary (xz -9)"
# The flag of a zip's member that LZMA's own mark ends it; its header there, and in a file of its own.
_LZMA_ENDS = 1 << 1
_LZMA_HEADER = struct.Struct("<2xH")
_LZMA_PROPERTIES = 5
_UNKNOWN_SIZE = (1 << 64) - 1


class _Xz:
    """An xz or lzma stream as `lzma.LZMAFile` reads it; tars.TooLargeError if it asks for over XZ_MEMORY."""

    def __init__(self, stream: tars.Readable, form: int = lzma.FORMAT_AUTO) -> None:
        self._stream = stream
        self._form = form
        self._decoder = lzma.LZMADecompressor(form, memlimit=XZ_MEMORY)
        self._ended = False

    def read(self, size: int, /) -> bytes:
        """Return up to so many bytes, none at the end."""
        data = b""
        while not data and not self._ended:
            if self._decoder.eof:
                data = self._next_stream(size)
            else:
                given = self._stream.read(io.DEFAULT_BUFFER_SIZE) if self._decoder.needs_input else b""
                if not given and self._decoder.needs_input:
                    raise EOFError(_ENDS_EARLY)
                data = self._decompressed(given, size)
        return data

    def _next_stream(self, size: int) -> bytes:
        given = self._decoder.unused_data or self._stream.read(io.DEFAULT_BUFFER_SIZE)
        while given and not (given := given.lstrip(b"\0")):  # padding; zeros look like a stream of the old format
            given = self._stream.read(io.DEFAULT_BUFFER_SIZE)
        self._decoder = lzma.LZMADecompressor(self._form, memlimit=XZ_MEMORY)
        self._ended = not given
        try:
            return self._decompressed(given, size) if given else b""
        except lzma.LZMAError:  # what comes after a stream and is none is nobody's
            self._ended = True
            return b""

    def _decompressed(self, given: bytes, size: int) -> bytes:
        try:
            return self._decoder.decompress(given, size)
        except lzma.LZMAError as error:
            if "Memory usage limit" in str(error):
                raise tars.TooLargeError(_NO_MEMORY) from None
            raise


def _gzip(stream: tars.Readable) -> tars.Readable:
    return gzip.GzipFile(fileobj=cast(IO[bytes], stream))


def _bz2(stream: tars.Readable) -> tars.Readable:
    return bz2.BZ2File(cast(IO[bytes], stream))


def _xz(stream: tars.Readable, form: int = lzma.FORMAT_AUTO) -> tars.Readable:
    return tars.buffered(tars.Raw(_Xz(stream, form)), io.DEFAULT_BUFFER_SIZE)


# What reading a zip's member raises where its bytes are damaged; errors of the storage itself have a number.
DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, EOFError, ValueError, OSError)

OPENERS: tuple[tuple[bytes, Callable[[tars.Readable], tars.Readable]], ...] = (
    (b"\x1f\x8b", _gzip),
    (b"BZh", _bz2),
    (b"\xfd7zXZ\x00", _xz),
)


def zip_members(archive: zipfile.ZipFile) -> Iterator[zipfile.ZipInfo]:
    """Yield the members of a zip; zipfile.BadZipFile where they would take more than twice what there is.

    A directory can name the same bytes again and again. A size that no member can have is damage of that one alone.
    """
    size, taken = archive.start_dir, 0
    for member in archive.infolist():
        taken += member.compress_size if member.compress_size <= size else 0
        if taken > 2 * size:
            raise zipfile.BadZipFile("members that overlap")
        yield member


def zip_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, size: int) -> bytes:
    """Return up to `size` bytes of a zip's member; what zipfile raises, and tars.TooLargeError as of xz.

    Of bzip2 and LZMA zipfile inflates 4 KB at once, which can be gigabytes; those are decompressed here.
    """
    if member.compress_type not in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with archive.open(member) as opened:
            return opened.read(size)
    with archive.open(_as_stored(member)) as stored:
        unpacked = _bz2(stored) if member.compress_type == zipfile.ZIP_BZIP2 else _lzma(stored, member)
        data = tars.buffered(tars.Raw(unpacked)).read(min(size, member.file_size))
    if len(data) < min(size, member.file_size) or (len(data) == member.file_size and zlib.crc32(data) != member.CRC):
        raise zipfile.BadZipFile(f"Bad CRC-32 for file {member.filename!r}")
    return data


def _as_stored(member: zipfile.ZipInfo) -> zipfile.ZipInfo:
    """Return a member whose content is what is packed; without a checksum, which is of what is unpacked."""
    stored = copy.copy(member)
    stored.compress_type, stored.file_size = zipfile.ZIP_STORED, member.compress_size
    del stored.CRC
    return stored


def _lzma(stream: tars.Readable, member: zipfile.ZipInfo) -> tars.Readable:
    """Return the content of a zip's LZMA, which is a file of LZMA with another header."""
    head = stream.read(_LZMA_HEADER.size)
    if len(head) < _LZMA_HEADER.size or _LZMA_HEADER.unpack(head)[0] != _LZMA_PROPERTIES:
        raise zipfile.BadZipFile(f"no LZMA in file {member.filename!r}")
    size = _UNKNOWN_SIZE if member.flag_bits & _LZMA_ENDS else member.file_size
    head = stream.read(_LZMA_PROPERTIES) + size.to_bytes(8, "little")
    return _xz(_After(head, stream), lzma.FORMAT_ALONE)


class _After:
    """A stream with a few bytes before it."""

    def __init__(self, head: bytes, stream: tars.Readable) -> None:
        self._head = head
        self._stream = stream

    def read(self, size: int, /) -> bytes:
        head, self._head = self._head, b""
        return head or self._stream.read(size)
