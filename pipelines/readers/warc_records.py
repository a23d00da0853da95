"""WARC records, in whatever state: what the readers of WET and WARC files share.

    bytes -> gzip members or zstd frames -> WARC or ARC records (headers by name), each whole or with the reason why not

Such a file is a row of gzip members, one record in each; plain files and files with many records in a member are read
too, `.warc.zst` as the plain file that it holds, and ARC, whose records become responses. A member of up to PIECE
bytes is inflated and its checksum verified before its records are trusted, so damage stays where it is: after a broken
member comes the next one that inflates to a record (of over 256 MiB of broken members and four times the whole ones,
the next one after what was inflated), after a record whose length lies the next record's first line. fastwarc is 1.4
times as fast, but it returns cut records as whole, lets a lying Content-Length swallow the neighbours, and cannot go on
after damage; on whole files both give the same records.

Memory stays under about 4 * RECORD_LIMIT, time is linear in the inflated size: a line of 2 GB or a bomb is a record
over the limit, passed over piece by piece.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum, auto
from typing import BinaryIO, cast

from filters import packages
from pipelines import timestamps
from pipelines.document import EXCERPT_CHARACTERS, LIMIT, READ, VALUE, Document, Drop
from pipelines.readers import Dump, zstd_frames

# Common Crawl cuts pages at 1 MiB (5 MiB from March 2025 on), and their text is shorter.
RECORD_LIMIT = 32 << 20
HEADER_LIMIT = 64 << 10
PIECE = 4 << 20  # inflated bytes handed on at a time
CHUNK = 64 << 10  # compressed bytes read at a time
RETRACE = 64 << 20  # compressed bytes kept of one member, to find the next one in them after damage
# Inflated bytes of damaged members in which the next one is looked for, and how many more for each byte of a whole one:
# one that is damaged can inflate to the file's end, and so can each that is found in it.
RETRACED = 256 << 20
RETRACED_RATIO = 4
SALVAGED = 1 << 10  # inflated bytes of a damaged member that are had or not
PROBE = 4 << 10  # compressed bytes that must inflate to the first line of a record

EXPECTED = "a WET, WARC or ARC file (*.warc.wet.gz, *.warc.gz, *.warc.zst, *.arc.gz)"

_GZIP_MAGIC = b"\x1f\x8b\x08"
_GZIP = zlib.MAX_WBITS | 16
_FAST = packages.ISAL.or_else(zlib)
_WARC_MAGIC = b"WARC/"
ARC_MAGIC = b"filedesc:"
_STARTS = (_WARC_MAGIC, b"http:", b"https", ARC_MAGIC[:5])  # of a record, as many bytes as are looked at
_ZSTD = (zstd_frames.MAGIC, zstd_frames.DICTIONARY)
_KINDS = frozenset(["warcinfo", "response", "resource", "request", "metadata", "revisit", "conversion", "continuation"])
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
# It begins with what is rare: with the blank line before it, it would take 30 times as long.
_NEXT_RECORD = re.compile(rb"(?P<record>WARC/(?:(?<=\n\nWARC/)|(?<=\n\r\nWARC/))[01]\.\d+\r?\n)")
_NEXT_RECORD_BYTES = 32
_AFTER_RECORD = re.compile(rb"[\r\n]{0,16}(?:WARC/|\Z)")
_AFTER_RECORD_BYTES = 21
# ARC 1 and 2: URL, address, date, type, what version 2 adds, length. Looked for is one without a space in its URL.
_ARC_URL = re.compile(rb"[a-z]{2,10}:")
_ARC_DATE = re.compile(rb" ([0-9]{12,14}) ")
_NEXT_ARC = re.compile(rb"\n(?P<record>[a-z]{2,10}:[^\s]{1,4000} [^\s]{1,60} [0-9]{12,14} )")
_ARC_LINE_BYTES = 8_200
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
    record, whatever it was. Raises ValueError for a file that is empty, of no kind that is read, or without a
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


def moment(record: Record) -> str | None:
    """Return when a record was made, None if it does not say."""
    return timestamps.canonical(record.headers.get("warc-date"))


def identity(record: Record, offset: int, dump: Dump, source: str) -> str:
    """Return the id of what a record becomes: source, dump, offset of its member, and "+N" for one N bytes into it."""
    return f"{source}/{dump.digest}/{offset}" + (f"+{record.start}" if record.start else "")


def unreadable(record: Record, offset: int, dump: Dump, source: str, reason: str, limit: int | None = None) -> Drop:
    """Return the drop of a record that cannot be read; `size` is what the record holds or claims to.

    `limit` is how large it may be, if that is not what any record may.
    """
    excerpt = record.payload[:EXCERPT_BYTES].decode(errors="replace")[:EXCERPT_CHARACTERS]
    return Drop(
        id=identity(record, offset, dump, source),
        source=source,
        stage=READ,
        reason=reason,
        excerpt=excerpt,
        size=record.size,
        url=url(record) or None,
        timestamp=moment(record),
        scores={VALUE: record.size, LIMIT: limit or RECORD_LIMIT} if reason == Reason.TOO_LARGE else {},
    )


def records(stream: BinaryIO, dump: Dump) -> Iterator[tuple[int, Record]]:
    """Yield each record with its offset: where its gzip member starts in the file, in a plain file the record itself.

    Raises ValueError for a file that is empty, or neither gzip, zstd, WARC nor ARC.
    """
    tape = _Tape(stream)
    head = tape.peek(PROBE)
    if not head:
        raise ValueError(f"{dump.name}: the file is empty; {EXPECTED} is expected")
    if head.startswith(_ZSTD):
        tape = _Tape(cast(BinaryIO, zstd_frames.Frames(cast(BinaryIO, tape), dump.name)))
        head = tape.peek(PROBE).lstrip(b"\r\n")  # a first frame that is damaged
    if head.startswith((_WARC_MAGIC, ARC_MAGIC)):
        splitter = _ArcSplitter() if head.startswith(ARC_MAGIC) else _Splitter()
        for piece in _plain(tape):
            for record in splitter.feed(piece):
                yield record.start, replace(record, start=0)
    elif head.startswith(_GZIP_MAGIC):
        member, kind = -1, _ArcSplitter if _salvage([head], len(ARC_MAGIC)).startswith(ARC_MAGIC) else _Splitter
        for piece in _members(tape):
            if piece.offset != member:
                splitter, member = kind(), piece.offset
            for record in splitter.feed(piece):
                yield member, record
    else:
        raise ValueError(f"{dump.name}: neither gzip, zstd, WARC nor ARC; {EXPECTED} is expected")


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
    """A file read once. What is held of it starts at `offset`; what was skipped goes when more is read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._data = b""
        self._start = 0  # of _data in the file
        self._at = 0  # in _data
        self.to_retrace = RETRACED

    @property
    def offset(self) -> int:
        """Where it is in the file."""
        return self._start + self._at

    def _more(self) -> bool:
        """Read on, in steps that grow with what is held, and return if there was more; hold at most RETRACE bytes."""
        held = len(self._data) - self._at
        if held > RETRACE:
            self._at += held // 2
        chunk = self._stream.read(max(CHUNK, len(self._data) - self._at))
        if chunk:
            self._data, self._start, self._at = self._data[self._at :] + chunk, self.offset, 0
        return bool(chunk)

    def peek(self, size: int, offset: int | None = None) -> bytes:
        """Return the next `size` bytes, from `offset` on if it is given, or all there are; they stay held."""
        offset = self.offset if offset is None else offset
        while self._start + len(self._data) < offset + size and self._more():
            pass
        return self._data[offset - self._start : offset - self._start + size]

    def skip(self, size: int) -> None:
        """Go on by `size` bytes that are held."""
        self._at += size

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, and go on behind them."""
        data = self.peek(size)
        self.skip(len(data))
        return data

    def seek_member(self) -> bool:
        """Go on to the next gzip member that inflates to a WARC record, or to the end; return if there is one."""
        while True:
            at = self._data.find(_GZIP_MAGIC, self._at)
            if at < 0:
                self._at = max(self._at, len(self._data) - len(_GZIP_MAGIC) + 1)
                if not self._more():
                    self._at = len(self._data)
                    return False
                continue
            self._at = at
            if _salvage([self.peek(PROBE)], len(_WARC_MAGIC)).startswith(_STARTS):
                return True
            self._at += 1


def _plain(tape: _Tape) -> Iterator[_Piece]:
    while data := tape.peek(PIECE):
        tape.skip(len(data))
        yield _Piece(0, data, _End.OPEN if tape.peek(1) else _End.WHOLE)


def _members(tape: _Tape) -> Iterator[_Piece]:
    while head := tape.peek(PROBE):
        if head.startswith(_GZIP_MAGIC):
            yield from _member(tape)
        elif head.startswith(b"\0"):  # padding
            tape.skip(len(head) - len(head.lstrip(b"\0")))
        else:
            yield _Piece(tape.offset, b"", _End.CORRUPT)
            tape.seek_member()


def _member(tape: _Tape) -> Iterator[_Piece]:
    """Yield one gzip member in pieces of at most PIECE bytes, and leave the tape where the next one starts."""
    start = tape.offset
    if whole := _whole(tape):
        tape.skip(whole[1])
        tape.to_retrace += RETRACED_RATIO * len(whole[0])
        yield _Piece(start, whole[0], _End.WHOLE)
        return
    # All that a decompressor does not take of what it is given it copies, so it is given little at a time.
    given, at, data, inflated, handed_on = b"", start, bytearray(), 0, False
    inflater = zlib.decompressobj(_GZIP)
    try:
        while not inflater.eof:
            if not given:
                given = tape.peek(CHUNK, at)
                at += len(given)
            if not given:
                break
            more = inflater.decompress(given, PIECE - len(data))
            data += more
            inflated += len(more)
            given = inflater.unconsumed_tail
            if len(data) == PIECE:
                yield _Piece(start, bytes(data), _End.OPEN)
                data, handed_on = bytearray(), True
    except zlib.error:
        retraced = (tape.peek(PROBE, place) for place in range(start, at, PROBE))
        data = bytearray() if handed_on or tape.offset > start else _salvage(retraced, PIECE)
        inflated += len(data)
    if inflater.eof:
        tape.skip(at - len(inflater.unused_data) - tape.offset)
        tape.to_retrace += RETRACED_RATIO * inflated
        yield _Piece(start, bytes(data), _End.WHOLE)
        return
    ended = not given
    tape.to_retrace -= inflated
    tape.skip(1 if tape.to_retrace > 0 else at - tape.offset)
    found = tape.seek_member()
    yield _Piece(start, bytes(data), _End.TRUNCATED if ended and not found else _End.CORRUPT)


def _whole(tape: _Tape) -> tuple[bytes, int] | None:
    """Return a member of up to PIECE bytes that is whole and without fault, inflated, and its compressed size; or None.

    Most are. ISA-L takes half of zlib's time; of all others zlib alone tells what is to be had of them.
    """
    size = CHUNK
    while True:
        given, inflater = tape.peek(size), _FAST.decompressobj(_GZIP)
        try:
            data = inflater.decompress(given, PIECE)
        except _FAST.error:
            return None
        if inflater.eof:
            return data, len(given) - len(inflater.unused_data)
        if len(given) < size or len(data) == PIECE or size > PIECE:
            return None
        size *= 4


def _salvage(slices: Iterable[bytes], size: int) -> bytearray:
    """Return what inflates of a member that may be damaged, up to about `size` bytes."""
    inflater, inflated = zlib.decompressobj(_GZIP), bytearray()
    try:
        for compressed in slices:
            given = compressed
            while given and len(inflated) < size:
                inflated += inflater.decompress(given, SALVAGED - len(inflated) % SALVAGED)
                given = inflater.unconsumed_tail
            if inflater.eof or len(inflated) >= size:
                break
    except zlib.error:
        del inflated[len(inflated) // SALVAGED * SALVAGED :]
    return inflated


class _Splitter:
    """Splits one member into WARC records, in whatever state they are."""

    next_record, next_bytes = _NEXT_RECORD, _NEXT_RECORD_BYTES

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
            found = self.next_record.search(data, self._at)
            if not found:
                rest = len(data) if self._end is not _End.OPEN else max(self._at, len(data) - self.next_bytes)
                self._at = rest
                return False
            self._at, self._lost = found.start("record"), False
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
            return self._fault(Reason.MALFORMED, {}, at, at + 1, len(data) - at)
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


class _ArcSplitter(_Splitter):
    """Splits one member into ARC records: a line that says what follows, and that much."""

    next_record, next_bytes = _NEXT_ARC, _ARC_LINE_BYTES

    def _next(self) -> Record | None:
        data, at, more = self._data, self._at, self._end is _End.OPEN
        line = _arc_line(data, at)
        if not line:
            wanted = more and len(data) - at < _ARC_LINE_BYTES
            return None if wanted else self._fault(Reason.MALFORMED, {}, at, at, len(data) - at)
        address, date, kind, size, body = line
        of_web, length, stop = address.startswith("http"), int(size), body + int(size)
        headers = {
            "warc-type": "response" if of_web else "warcinfo" if address.startswith("filedesc") else "resource",
            "warc-target-uri": address,
            "warc-date": f"{date[:4]}-{date[4:6]}-{date[6:8]}T{date[8:10]}:{date[10:12]}:{date[12:] or '00'}Z",
            "content-type": kind,
        }
        if length > RECORD_LIMIT:
            return self._fault(Reason.TOO_LARGE, headers, body, body - 1, length)
        if more and len(data) < stop + _ARC_LINE_BYTES:
            return None
        next_line = _NEWLINES.match(data, stop)
        after = next_line.end() if next_line else stop
        follows = after == len(data) or data.startswith(zstd_frames.DAMAGED, after) or _arc_line(data, after)
        if len(data) < stop or not follows:
            return self._fault(Reason.CONTENT_LENGTH, headers, body, body - 1, length)
        if self._end in _FAULT and after == len(data):
            return self._fault(_FAULT[self._end], headers, body, body - 1, length)
        self._at = stop
        return Record(self._start + at, headers, data[body:stop], length)


def _arc_line(data: bytes, at: int) -> tuple[str, str, str, str, int] | None:
    """Return URL, date, type and length of the ARC record that starts here, and where its content does."""
    end = data.find(b"\n", at, at + _ARC_LINE_BYTES)
    date = _ARC_DATE.search(data, at, end) if end > 0 and _ARC_URL.match(data, at) else None
    if not date:
        return None
    address = data[at : date.start()].rpartition(b" ")[0].decode(errors="replace")
    kind, *rest = data[date.end() : end].decode(errors="replace").split() or [""]
    size = [kind, *rest][-1]
    return (
        (address, date[1].decode(), kind, size, end + 1)
        if size.isascii() and size.isdecimal() and len(size) < 19
        else None
    )


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
