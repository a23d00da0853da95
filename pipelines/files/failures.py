"""Failures of the storage, told apart from damage in a file.

    stream -> watched -> reader -> records
                 └ an error while reading: raised here, whatever the reader made of it

Readers, and the libraries under them, take nearly any error for damage, and go on without the records that it costs.
That is right for a file that is damaged, and a silent loss where a disk or a server failed.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO, TypeVar, cast

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

T = TypeVar("T")
BUFFER_BYTES = 1 << 20


def records(stream: BinaryIO, read: Callable[[BinaryIO], Iterator[T]]) -> Iterator[T]:
    """Yield what `read` makes of a stream; raise the OSError with which reading it failed, and no record after it."""
    raw = _Watched(stream)
    for record in read(io.BufferedReader(raw, BUFFER_BYTES)):
        if raw.failure:
            raise raw.failure
        yield record
    if raw.failure:
        raise raw.failure


class _Watched(io.RawIOBase):
    """A stream that remembers how reading it failed."""

    def __init__(self, stream: BinaryIO) -> None:
        self.failure: OSError | None = None
        self._stream = stream

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._stream.seekable()

    def tell(self) -> int:
        return self._stream.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._stream.seek(offset, whence)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        try:
            return cast(io.BufferedIOBase, self._stream).readinto(buffer)
        except OSError as error:
            self.failure = error
            raise
