"""Tars read from the first byte to the last, with bounds on what headers may ask for and on what is read at all."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Protocol, Self, TypeAlias, cast

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Buffered: TypeAlias = "io.BufferedReader[Raw]"

BLOCK = 512
# Long names, extended attributes and maps of sparse files are a few KB; own choices, in bytes, for all headers of one
# member together, and for a header that holds for all members after it (git writes one of 52 bytes).
HEADER_LIMIT = 1 << 20
GLOBAL_LIMIT = 4 << 10
# Each member has a copy of what holds for all.
GLOBAL_KEYS = 100
# A member has up to four: one that holds for all, one of its own, a long name and a long link.
HEADERS_LIMIT = 16
# Before 3.11.10 tarfile looks in a header for digits with a word after them, from every digit on.
DIGITS_LIMIT = 255
_CHUNK = 1 << 16
_PIECE = 1 << 20
_PAX = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
_HEADS = (*_PAX, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
_DIGITS = re.compile(rb"[0-9]+")
_LENGTH = re.compile(rb"([0-9]{1,7}) ")


class TooLargeError(Exception):
    """More comes out of a stream than its limit allows, or is needed to read it."""


class LongHeaderError(tarfile.ReadError):
    """A header asks for more memory than any needs."""


def is_tar(head: bytes) -> bool:
    """Return whether this is a tar's first header; the oldest ones have a checksum and no magic."""
    if len(head) < BLOCK:
        return False
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.TarError:
        return False
    return True


def members(
    stream: Buffered, limit: int | None = None, step: int = tarfile.RECORDSIZE
) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    """Yield each member, and its content if it is a file, which must be read before the next one.

    `step` bytes are read at a time: what comes before damage in them is lost, damage after the last member is met in
    them alone. tarfile.TarError for damage anywhere (tarfile takes some for the tar's end), TooLargeError for what lies
    beyond `limit` bytes.
    """
    source = cast(IO[bytes], _Source(stream, limit, step))
    with tarfile.open(fileobj=source, mode="r:", tarinfo=_Member) as archive:
        while member := archive.next():
            vars(archive)["members"].clear()  # all members so far, which are never asked for again
            yield member, archive.extractfile(member) if member.isreg() else None


class _Source:
    """What tarfile reads from: a stream that goes forward, and can be looked ahead in."""

    def __init__(self, stream: Buffered, limit: int | None, step: int) -> None:
        self._stream = stream
        self._limit = limit
        self._step = step
        self._ahead = b""
        self._at = 0
        self._depth = 0
        self._header_bytes = 0

    def ahead(self, size: int) -> bytes:
        """Return the next bytes, which stay to be read."""
        missing = size - len(self._ahead)
        if missing > 0:
            self._ahead += self._stream.read(-(-missing // self._step) * self._step)
        return self._ahead[:size]

    def read(self, size: int) -> bytes:
        """Return up to so many bytes; inside of headers LongHeaderError beyond what they may have."""
        if size < 0:
            raise tarfile.ReadError("damaged tar: a size below 0")
        if self._depth:
            self._header_bytes += size
            if self._header_bytes > HEADER_LIMIT:
                raise LongHeaderError(f"a header of more than {HEADER_LIMIT} bytes")
        data = self.ahead(size)
        self._ahead = self._ahead[size:]
        self._move(self._at + len(data))
        return data

    def tell(self) -> int:
        """Return where it is."""
        return self._at

    def seek(self, offset: int) -> int:
        """Go forward, to the end if it comes before."""
        if offset < self._at:
            raise tarfile.StreamError("seeking backwards is not allowed")
        if self._limit is not None and offset > self._limit:
            raise TooLargeError(f"a tar of more than {self._limit} bytes")
        while self._at < offset and self.read(min(_CHUNK, offset - self._at)):
            pass
        return self._at

    def _move(self, at: int) -> None:
        self._at = at
        if self._limit is not None and at > self._limit:
            raise TooLargeError(f"a tar of more than {self._limit} bytes")

    @contextmanager
    def header(self) -> Iterator[None]:
        """Bound what is read inside the block, and the blocks inside of each other."""
        self._header_bytes = self._header_bytes if self._depth else 0
        self._depth += 1
        try:
            if self._depth > HEADERS_LIMIT:
                raise tarfile.ReadError(f"damaged tar: more than {HEADERS_LIMIT} headers of one member")
            yield
        finally:
            self._depth -= 1


class _Member(tarfile.TarInfo):
    """A member whose headers are looked at before tarfile reads them."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        """Return the next member."""
        source = cast(_Source, archive.fileobj)
        try:
            with source.header():
                _look(source)
                member = super().fromtarfile(archive)
        except tarfile.HeaderError as error:
            if str(error) == "end of file header":
                raise
            raise tarfile.ReadError(f"damaged tar: {error}") from None
        except (ValueError, RecursionError) as error:  # a number that is none, headers within headers
            raise tarfile.ReadError(f"damaged tar: {error}") from None
        if len(archive.pax_headers) > GLOBAL_KEYS:
            raise LongHeaderError(f"more than {GLOBAL_KEYS} keys that hold for all members")
        return member


def _look(source: _Source) -> None:
    """Raise tarfile.ReadError where the next header is longer than any, or takes tarfile more than one look."""
    block = source.ahead(BLOCK)
    if block[156:157] not in _HEADS:
        return
    head = tarfile.TarInfo.frombuf(block, tarfile.ENCODING, "surrogateescape")
    limit = GLOBAL_LIMIT if head.type == tarfile.XGLTYPE else HEADER_LIMIT
    if head.size > limit:
        raise LongHeaderError(f"a header of more than {limit} bytes")
    if head.type in _PAX:
        _check_records(source.ahead(BLOCK + max(0, head.size))[BLOCK:])


def _check_records(content: bytes) -> None:
    """Raise tarfile.ReadError if this is no row of records `LENGTH KEY=VALUE`, as tarfile does from 3.11.10 on."""
    at = 0
    while at < len(content) and content[at]:
        found = _LENGTH.match(content, at)
        end = at + int(found[1]) if found else at
        if not found or content[end - 1 : end] != b"\n" or content.find(b"=", found.end(), end) <= found.end():
            raise tarfile.ReadError("damaged tar: invalid header")
        at = end
    if max(map(len, _DIGITS.findall(content)), default=0) > DIGITS_LIMIT:
        raise LongHeaderError(f"a number of more than {DIGITS_LIMIT} digits")


class Readable(Protocol):
    """What can be read from."""

    def read(self, size: int, /) -> bytes:
        """Return up to so many bytes."""
        ...


class Raw(io.RawIOBase):
    """Any readable as a raw stream, so that a `BufferedReader` can look ahead in it, with a limit on what is read."""

    def __init__(self, stream: Readable, limit: Callable[[], int] | None = None) -> None:
        self._stream = stream
        self._limit = limit
        self.total = 0

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill a buffer; TooLargeError where more was read than the limit says by now."""
        view = memoryview(buffer).cast("B")
        data = self._stream.read(min(len(view), _PIECE))
        view[: len(data)] = data
        self.total += len(data)
        if self._limit is not None and self.total > (limit := self._limit()):
            raise TooLargeError(f"inflates to more than {limit} bytes")
        return len(data)


def buffered(raw: Raw, size: int = _CHUNK) -> Buffered:
    """Return a reader that can look ahead, so many bytes."""
    return io.BufferedReader(raw, size)
