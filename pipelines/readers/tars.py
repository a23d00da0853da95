"""Tars read as a stream, with bounds on what a header may ask for and on what a compressed stream inflates to."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, Self, TypeAlias

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Buffered: TypeAlias = "io.BufferedReader[Raw]"

BLOCK = 512
# Long names and maps of sparse files are a few KB; own choice, in bytes.
HEADER_LIMIT = 1 << 20
_CHUNK = 1 << 16


class TooLargeError(Exception):
    """More comes out of a stream than its limit allows."""


def is_tar(head: bytes) -> bool:
    """Return whether this is a tar's first header; the oldest ones have a checksum and no magic."""
    if len(head) < BLOCK:
        return False
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.TarError:
        return False
    return True


def member_of(stream: Buffered) -> type[tarfile.TarInfo]:
    """Return the class of a tar's members; damage is an error anywhere, where tarfile takes it for the tar's end."""

    class Member(tarfile.TarInfo):
        @classmethod
        def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
            """Return the next member."""
            try:
                # Headers of headers (long names, maps of sparse files) are read into memory whole, whatever they claim.
                with stream.raw.at_most(HEADER_LIMIT):
                    return super().fromtarfile(archive)
            except tarfile.HeaderError as error:
                if str(error) == "end of file header":
                    raise
                raise tarfile.ReadError(f"damaged tar: {error}") from None

    return Member


class Readable(Protocol):
    """What can be read from."""

    def read(self, size: int, /) -> bytes:
        """Return up to so many bytes."""
        ...


class Raw(io.RawIOBase):
    """Any readable as a raw stream, so that a `BufferedReader` can look ahead in it, with a limit on what is read."""

    def __init__(self, stream: Readable, limit: int | None = None) -> None:
        self._stream = stream
        self._total = 0
        self._limit = limit
        self._stop: int | None = None

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill a buffer; TooLargeError beyond the limit, tarfile.ReadError for a header that is too long."""
        view = memoryview(buffer).cast("B")
        data = self._stream.read(len(view))
        view[: len(data)] = data
        self._total += len(data)
        if self._limit is not None and self._total > self._limit:
            raise TooLargeError(f"inflates to more than {self._limit} bytes")
        if self._stop is not None and self._total > self._stop:
            raise tarfile.ReadError(f"a header of more than {HEADER_LIMIT} bytes")
        return len(data)

    @contextmanager
    def at_most(self, size: int) -> Iterator[None]:
        """Allow this many more bytes to be read inside the block."""
        self._stop = self._total + size
        try:
            yield
        finally:
            self._stop = None


def buffered(raw: Raw) -> Buffered:
    """Return a reader that can look ahead."""
    return io.BufferedReader(raw, _CHUNK)
