"""The one wanted member of a 7z archive, decompressed as one stream: pushed in pieces, or pulled by a reader.

A 7z is one sequential stream: it is decompressed once, in order, and never whole in memory (py7zr's own block is at
most 128 MB). Nothing is ever written to a path that an archive names.
"""

from __future__ import annotations

import io
import queue
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from filters import packages

_PIECES = 4  # that wait for a reader


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which member is wanted, by its name without folders in lower case, and what people call it.

    All members together may have `ratio` times the bytes that they are packed in, or `small` bytes.
    """

    is_wanted: Callable[[str], bool]
    called: str
    ratio: int
    small: int


def look(archive: BinaryIO, wanted: Wanted) -> None:
    """Look at an archive's directory; raise ValueError if it is damaged, encrypted, a bomb, or lacks the member."""
    size = _size(archive)
    _guarded(lambda: _with(archive, lambda opened: _member(opened, size, wanted)))


def push(archive: BinaryIO, wanted: Wanted, write: Callable[[bytes], None]) -> None:
    """Give the member to `write`, piece by piece; errors as `look`'s, and what `write` raises.

    `archive` must be seekable. What `write` raises must be no ValueError of another meaning.
    """
    size, sink = _size(archive), _Sink(write)

    def extract(opened: Any) -> None:
        opened.extract(targets=[_member(opened, size, wanted)], factory=_Factory(sink))

    try:
        _guarded(lambda: _with(archive, extract))
    except ValueError:
        if sink.failure is not None:
            raise sink.failure from None
        raise


def pull(archive: BinaryIO, wanted: Wanted) -> Iterator[bytes]:
    """Yield the member, piece by piece; errors as `push`'s.

    py7zr pushes, and readers pull: it runs in a thread of its own, which waits for the reader after a few pieces and
    ends with it.
    """
    pieces: queue.Queue[bytes | Exception | None] = queue.Queue(_PIECES)
    left = threading.Event()

    def put(piece: bytes | Exception | None) -> None:
        while not left.is_set():
            try:
                return pieces.put(piece, timeout=0.1)
            except queue.Full:
                continue
        raise _LeftError

    def run() -> None:
        try:
            push(archive, wanted, put)
            put(None)
        except _LeftError:
            pass
        except Exception as error:  # it is the reader's
            put(error)

    thread = threading.Thread(target=run, name="7z", daemon=True)
    thread.start()
    try:
        while (piece := pieces.get()) is not None:
            if isinstance(piece, Exception):
                raise piece
            yield piece
    finally:
        left.set()
        thread.join()


class _LeftError(Exception):
    """Raised in the thread when nobody reads any more."""


def _size(archive: BinaryIO) -> int:
    size = archive.seek(0, io.SEEK_END)
    archive.seek(0)
    return size


def _with(archive: BinaryIO, use: Callable[[Any], object]) -> None:
    with packages.PY7ZR.load().SevenZipFile(archive, "r") as opened:
        use(opened)


def _guarded(use: Callable[[], None]) -> None:
    try:
        use()
    except (ValueError, MemoryError, _LeftError):
        raise
    except Exception as error:  # py7zr raises whatever its parsing of damaged bytes meets
        raise ValueError(f"the archive cannot be read as 7z: {type(error).__name__}: {error}") from error


def _member(opened: Any, archive_bytes: int, wanted: Wanted) -> str:
    if opened.needs_password():
        raise ValueError("the archive is encrypted")
    members = [info for info in opened.list() if wanted.is_wanted(re.split(r"[/\\]", info.filename)[-1].lower())]
    if len(members) != 1:
        raise ValueError(f"the archive has {len(members)} members {wanted.called}: expected one")
    # What is packed cannot be more than the archive, whatever it says.
    compressed = min(sum(info.compressed or 0 for info in opened.list()), archive_bytes) or 1
    # All members: those before the wanted one in one stream are decompressed to come to it.
    uncompressed = sum(info.uncompressed or 0 for info in opened.list())
    if uncompressed > max(wanted.small, wanted.ratio * compressed):
        raise ValueError(f"the archive would be {uncompressed} bytes from {compressed}: refused as a bomb")
    return str(members[0].filename)


class _Sink:
    """py7zr's `Py7zIO`: hands on what is written to it."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._written = 0
        self.failure: Exception | None = None

    def write(self, s: bytes | bytearray) -> int:
        try:
            self._write(bytes(s))
        except Exception as error:
            self.failure = error
            raise
        self._written += len(s)
        return len(s)

    def read(self, size: int | None = None) -> bytes:
        return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        return 0

    def flush(self) -> None:
        return None

    def close(self) -> None:
        return None

    def size(self) -> int:
        return self._written


class _Factory:
    """py7zr's `WriterFactory`."""

    def __init__(self, sink: _Sink) -> None:
        self.sink = sink

    def create(self, filename: str) -> _Sink:
        return self.sink
