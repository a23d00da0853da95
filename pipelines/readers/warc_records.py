"""WARC records, in whatever state: what the readers of WET and WARC files share.

    bytes -> gzip members -> WARC records (headers by name), each whole or with the reason why it is not

Such a file is a row of gzip members, one record in each; plain files and files with many records in a member are read
too. A member of up to PIECE bytes is inflated and its checksum verified before its records are trusted, so damage stays
where it is: after a broken member comes the next one that inflates to a record, after a record whose length lies the
next record's first line. fastwarc is 1.4 times as fast, but it returns cut records as whole, lets a lying
Content-Length swallow the neighbours, and cannot go on after damage; on whole files both give the same records.

Memory stays under about 4 * RECORD_LIMIT, time is linear in the inflated size: a line of 2 GB or a bomb is a record
over the limit, passed over piece by piece.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum, auto
from typing import BinaryIO, cast

from isal import isal_zlib

from pipelines.document import EXCERPT_CHARACTERS, READ, Document, Drop
from pipelines.readers import Dump

# Common Crawl cuts pages at 1 MiB (5 MiB from March 2025 on), and their text is shorter.
RECORD_LIMIT = 32 << 20
HEADER_LIMIT = 64 << 10
PIECE = 4 << 20  # inflated bytes handed on at a time
CHUNK = 64 << 10  # compressed bytes read at a time
RETRACE = 64 << 20  # compressed bytes kept of one member, to find the next one in them after damage
PROBE = 4 << 10  # compressed bytes that must inflate to the first line of a record

EXPECTED = "a WET or WARC file (*.warc.wet.gz, *.warc.gz)"

_GZIP_MAGIC = b"\x1f\x8b\x08"
_GZIP = zlib.MAX_WBITS | 16
_ISAL_ERROR = cast(type[Exception], isal_zlib.error)  # its stub takes it for an instance
_WARC_MAGIC = b"WARC/"
_KINDS = frozenset(["warcinfo", "response", "resource", "request", "metadata", "revisit", "conversion", "continuation"])
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_NEXT_RECORD = re.compile(rb"\r?\n\r?\n(?=WARC/[01]\.\d+\r?\n)")
_NEXT_RECORD_BYTES = 32
_AFTER_RECORD = re.compile(rb"[\r\n]{0,16}(?:WARC/|\Z)")
_AFTER_RECORD_BYTES = 21
_NEWLINES = re.compile(rb"[\r\n]*")
EXCERPT_BYTES = 4 * EXCERPT_CHARACTERS


class Reason(StrEnum):
    """Why a record cannot be read."""

    MALFORMED = "malformed"  # no WARC record
    CONTENT_LENGTH = "content_length"  # missing, not a number, or not where the record ends
    TOO_LARGE = "too_large"
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    NO_URL = "no_url"
    INVALID_UTF8 = "invalid_utf8"


DAMAGE = frozenset({Reason.MALFORMED, Reason.TRUNCATED, Reason.CORRUPT})


@dataclass(frozen=True, slots=True)
class Record:
    """A WARC record: where it starts in its member, its headers (names in lower case), and what is wrong with it.

    Of a record with a `reason` the payload is only an excerpt; `size` is what it holds or claims to.
    """

    start: int
    headers: Mapping[str, str] = field(default_factory=dict)
    payload: bytes = b""
    size: int = 0
    reason: Reason | None = None


Make = Callable[[Record, int, Dump, str], Document | Drop]


def read_kinds(
    stream: BinaryIO, dump: Dump, counts: Counter[str], source: str, makers: Mapping[str, Make]
) -> Iterator[Document | Drop]:
    """Yield what `makers` make of the records of one kind, and a Drop for what cannot be read.

    Of several kinds in `makers` the first that is met is the file's own; records of any other kind are counted as such.
    A maker takes a whole record, the offset of its member, the dump and the source's name. A stretch of damage is one
    record, whatever it was. Raises ValueError for a file that is empty, neither gzip nor WARC, or without a single WARC
    record.
    """
    recognised, own = False, None if len(makers) > 1 else next(iter(makers))
    for offset, record in records(stream, dump):
        recognised = recognised or record.reason is not Reason.MALFORMED
        kind = record.headers.get("warc-type", "").lower()
        own = own or (kind if kind in makers else None)
        if record.reason in DAMAGE or not kind:
            counts["records"] += 1
            yield unreadable(record, offset, dump, source, record.reason or Reason.MALFORMED)
        elif kind == own:
            counts["records"] += 1
            yield _made(makers[own], record, offset, dump, source)
        else:
            counts[f"other:{kind if kind in _KINDS else 'unknown'}"] += 1
    if not recognised:
        raise ValueError(f"{dump.name}: no WARC record in this file; {EXPECTED} is expected")


def _made(make: Make, record: Record, offset: int, dump: Dump, source: str) -> Document | Drop:
    reason = record.reason or (None if url(record) else Reason.NO_URL)
    return unreadable(record, offset, dump, source, reason) if reason else make(record, offset, dump, source)


def url(record: Record) -> str:
    """Return the URL that a record is of, without the angle brackets of early versions; empty if it has none."""
    return record.headers.get("warc-target-uri", "").strip("<> ")


def identity(record: Record, offset: int, dump: Dump, source: str) -> str:
    """Return the id of what a record becomes: source, dump, offset of its member, and "+N" for one N bytes into it."""
    return f"{source}/{dump.digest}/{offset}" + (f"+{record.start}" if record.start else "")


def unreadable(record: Record, offset: int, dump: Dump, source: str, reason: str) -> Drop:
    """Return the drop of a record that cannot be read; `size` is what the record holds or claims to."""
    excerpt = record.payload[:EXCERPT_BYTES].decode(errors="replace")[:EXCERPT_CHARACTERS]
    return Drop(
        id=identity(record, offset, dump, source),
        source=source,
        stage=READ,
        reason=reason,
        excerpt=excerpt,
        size=record.size,
    )


def records(stream: BinaryIO, dump: Dump) -> Iterator[tuple[int, Record]]:
    """Yield each record with its offset: where its gzip member starts in the file, in a plain file the record itself.

    Raises ValueError for a file that is empty, or neither gzip nor WARC.
    """
    tape = _Tape(stream)
    head = tape.fill(PROBE)
    if not head:
        raise ValueError(f"{dump.name}: the file is empty; {EXPECTED} is expected")
    if head.startswith(_WARC_MAGIC):
        splitter = _Splitter()
        for piece in _plain(tape):
            for record in splitter.feed(piece):
                yield record.start, replace(record, start=0)
    elif head.startswith(_GZIP_MAGIC):
        member = -1
        for piece in _members(tape):
            if piece.offset != member:
                splitter, member = _Splitter(), piece.offset
            for record in splitter.feed(piece):
                yield member, record
    else:
        raise ValueError(f"{dump.name}: neither gzip nor WARC; {EXPECTED} is expected")


class _End(Enum):
    """What a piece ends with: more of its member, the member's verified end, or damage."""

    OPEN = auto()
    WHOLE = auto()
    TRUNCATED = auto()
    CORRUPT = auto()


@dataclass(frozen=True, slots=True)
class _Piece:
    """Inflated bytes of the member that starts at `offset`."""

    offset: int
    data: bytes
    end: _End


class _Tape:
    """A file read once: the bytes `held`, which start at `offset`."""

    def __init__(self, stream: BinaryIO) -> None:
        self.held = b""
        self.offset = 0
        self._stream = stream

    def more(self) -> bytes:
        """Read on, in steps that grow with what is held, and return what was read; hold at most RETRACE bytes."""
        if len(self.held) > RETRACE:
            self.skip(len(self.held) // 2)
        chunk = self._stream.read(max(CHUNK, len(self.held)))
        self.held = self.held + chunk if self.held else chunk
        return chunk

    def fill(self, size: int) -> bytes:
        """Hold `size` bytes, or all there are, and return what is held."""
        while len(self.held) < size and self.more():
            pass
        return self.held

    def skip(self, size: int) -> None:
        """Forget the first `size` bytes held."""
        self.keep(self.held[size:])

    def keep(self, tail: bytes) -> None:
        """Forget all that is held but its `tail`."""
        self.offset += len(self.held) - len(tail)
        self.held = tail

    def seek_member(self) -> bool:
        """Go on to the next gzip member that inflates to a WARC record, or to the end; return if there is one."""
        while True:
            at = self.held.find(_GZIP_MAGIC)
            if at < 0:
                self.skip(max(0, len(self.held) - len(_GZIP_MAGIC) + 1))
                if not self.more():
                    self.skip(len(self.held))
                    return False
                continue
            self.skip(at)
            if _salvage(self.fill(PROBE)[:PROBE], len(_WARC_MAGIC)).startswith(_WARC_MAGIC):
                return True
            self.skip(1)


def _plain(tape: _Tape) -> Iterator[_Piece]:
    while data := tape.fill(PIECE):
        tape.skip(len(data))
        yield _Piece(0, data, _End.OPEN if tape.fill(1) else _End.WHOLE)


def _members(tape: _Tape) -> Iterator[_Piece]:
    while head := tape.fill(PROBE):
        if head.startswith(_GZIP_MAGIC):
            yield from _member(tape)
        elif head.startswith(b"\0"):  # padding
            tape.skip(len(head) - len(head.lstrip(b"\0")))
        else:
            yield _Piece(tape.offset, b"", _End.CORRUPT)
            tape.seek_member()


def _member(tape: _Tape) -> Iterator[_Piece]:
    """Yield one gzip member in pieces of at most PIECE bytes, and leave the tape where the next one starts."""
    start, data, handed_on = tape.offset, b"", False
    # Reading may have stopped within it: then it is whole with what follows.
    if whole := _whole(tape.held) or (_whole(tape.held) if tape.more() else None):
        tape.keep(whole[1])
        yield _Piece(start, whole[0], _End.WHOLE)
        return
    given, inflater = tape.held, zlib.decompressobj(_GZIP)
    try:
        while not inflater.eof:
            inflated = inflater.decompress(given, PIECE - len(data))
            data = data + inflated if data else inflated
            if len(data) == PIECE:
                yield _Piece(start, data, _End.OPEN)
                data, handed_on = b"", True
            given = inflater.unconsumed_tail or (b"" if inflater.eof else tape.more())
            if not given and not inflater.eof:
                break
    except zlib.error:
        data = b"" if handed_on else _salvage(tape.held, PIECE)
    if inflater.eof:
        tape.keep(inflater.unused_data)
        yield _Piece(start, data, _End.WHOLE)
        return
    ended = not given
    tape.skip(1)
    found = tape.seek_member()
    yield _Piece(start, data, _End.TRUNCATED if ended and not found else _End.CORRUPT)


def _whole(held: bytes) -> tuple[bytes, bytes] | None:
    """Return a member that is whole and without fault in what is held, inflated, and what follows it; or None.

    Most are. ISA-L takes half of zlib's time; of all others zlib alone tells what is to be had of them.
    """
    inflater = isal_zlib.decompressobj(_GZIP)
    try:
        data = inflater.decompress(held, PIECE)
    except _ISAL_ERROR:
        return None
    return (data, inflater.unused_data) if inflater.eof else None


def _salvage(compressed: bytes, size: int) -> bytes:
    """Return what inflates of a member that may be damaged, up to about `size` bytes."""
    inflater, inflated = zlib.decompressobj(_GZIP), bytearray()
    try:
        while compressed and len(inflated) < size:
            inflated += inflater.decompress(compressed, 1 << 10)
            compressed = inflater.unconsumed_tail
    except zlib.error:
        pass
    return bytes(inflated)


class _Splitter:
    """Splits one member into WARC records, in whatever state they are."""

    def __init__(self) -> None:
        self._data = b""
        self._start = 0  # of _data in the member
        self._at = 0  # in _data
        self._lost = False
        self._end = _End.OPEN

    def feed(self, piece: _Piece) -> Iterator[Record]:
        """Yield the records that this piece completes; its last piece yields all that is left."""
        self._start += self._at
        self._data = self._data[self._at :] + piece.data
        self._at, self._end = 0, piece.end
        damaged = False
        while self._seek_record() and (record := self._next()):
            damaged = damaged or record.reason is not None
            yield record
        if self._end in _FAULT and not damaged:
            yield Record(self._start + len(self._data), reason=_FAULT[self._end])

    def _seek_record(self) -> bool:
        """Go to where the next record should start; return if there is anything."""
        data = self._data
        if self._lost:
            found = _NEXT_RECORD.search(data, self._at)
            if not found:
                rest = len(data) if self._end is not _End.OPEN else max(self._at, len(data) - _NEXT_RECORD_BYTES)
                self._at = rest
                return False
            self._at, self._lost = found.end(), False
        newlines = _NEWLINES.match(data, self._at)
        self._at = newlines.end() if newlines else self._at
        return self._at < len(data)

    def _next(self) -> Record | None:
        """Return the record that starts here, or None where more bytes are needed to tell."""
        data, at, more = self._data, self._at, self._end is _End.OPEN
        blank = _BLANK_LINE.search(data, at, at + HEADER_LIMIT)
        if not blank and more and len(data) - at < HEADER_LIMIT:
            return None
        if not blank or not data.startswith(_WARC_MAGIC, at):
            return self._fault(Reason.MALFORMED, {}, at, at, len(data) - at)
        headers, body = headers_of(data[at : blank.start()]), blank.end()
        length = _length(headers)
        if length is None or length > RECORD_LIMIT:
            reason = Reason.CONTENT_LENGTH if length is None else Reason.TOO_LARGE
            return self._fault(reason, headers, body, blank.start(), length or 0)
        stop = body + length
        if more and len(data) < stop + _AFTER_RECORD_BYTES:
            return None
        if len(data) < stop or not _AFTER_RECORD.match(data, stop):
            return self._fault(Reason.CONTENT_LENGTH, headers, body, blank.start(), length)
        payload = data[body:stop]
        if self._end in _FAULT and not _verified(headers, payload, unsigned=self._end is _End.TRUNCATED):
            return self._fault(_FAULT[self._end], headers, body, blank.start(), length)
        self._at = stop
        return Record(self._start + at, headers, payload, length)

    def _fault(self, reason: Reason, headers: Mapping[str, str], body: int, resume: int, size: int) -> Record:
        """Return the damaged record that starts here, and look for the next one from `resume` on."""
        start, self._at, self._lost = self._start + self._at, resume, True
        return Record(start, headers, self._data[body : body + EXCERPT_BYTES], size, _FAULT.get(self._end, reason))


_FAULT = {_End.TRUNCATED: Reason.TRUNCATED, _End.CORRUPT: Reason.CORRUPT}


def headers_of(block: bytes) -> dict[str, str]:
    """Return the fields of a header block, names in lower case; lines without a colon are passed over."""
    lines = (line.partition(":") for line in block.decode(errors="replace").split("\n"))
    return {name.strip().lower(): value.strip() for name, colon, value in lines if colon}


def _length(headers: Mapping[str, str]) -> int | None:
    value = headers.get("content-length", "")
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 19 else None


def _verified(headers: Mapping[str, str], payload: bytes, *, unsigned: bool) -> bool:
    """Return whether the payload has the record's own digest (`sha1:` and base 32), `unsigned` if there is none."""
    if "warc-block-digest" not in headers:
        return unsigned
    digest = base64.b32encode(hashlib.sha1(payload, usedforsecurity=False).digest()).decode()
    return headers["warc-block-digest"].lower() == f"sha1:{digest}".lower()
