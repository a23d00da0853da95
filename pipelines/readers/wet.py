"""WET reader: Common Crawl's text files, one document for each `conversion` record.

    bytes -> gzip members -> WARC records (headers by name) -> Document | Drop

A WET file is a row of gzip members, one record in each; plain files and files with many records in a member are read
too. A member of up to PIECE bytes is inflated and its checksum verified before its records are trusted, so damage stays
where it is: after a broken member comes the next one that inflates to a record, after a record whose length lies the
next record's first line. fastwarc is 1.4 times as fast, but it returns cut records as whole, lets a lying
Content-Length swallow the neighbours, and cannot go on after damage; on whole files both give the same records.

`offset` is where the record's gzip member starts in the file (in a plain file, where the record does); the id adds
"+N" for a record that starts N bytes into its inflated member. Memory stays under about 4 * RECORD_LIMIT, time is
linear in the inflated size.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum, auto
from typing import BinaryIO

from pipelines.document import EXCERPT_CHARACTERS, Document, Drop
from pipelines.readers import Dump

# Common Crawl cuts pages at 1 MiB (5 MiB from March 2025 on), and their text is shorter.
RECORD_LIMIT = 32 << 20
HEADER_LIMIT = 64 << 10
PIECE = 4 << 20  # inflated bytes handed on at a time
CHUNK = 64 << 10  # compressed bytes read at a time
RETRACE = 64 << 20  # compressed bytes kept of one member, to find the next one in them after damage
PROBE = 4 << 10  # compressed bytes that must inflate to the first line of a record

_GZIP_MAGIC = b"\x1f\x8b\x08"
_GZIP = zlib.MAX_WBITS | 16
_WARC_MAGIC = b"WARC/"
_KINDS = frozenset(["warcinfo", "response", "resource", "request", "metadata", "revisit", "continuation"])
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_NEXT_RECORD = re.compile(rb"\r?\n\r?\n(?=WARC/[01]\.\d+\r?\n)")
_NEXT_RECORD_BYTES = 32
_AFTER_RECORD = re.compile(rb"[\r\n]{0,16}(?:WARC/|\Z)")
_AFTER_RECORD_BYTES = 21
_NEWLINES = re.compile(rb"[\r\n]*")
_EXCERPT_BYTES = 4 * EXCERPT_CHARACTERS


class Reason(StrEnum):
    """Why a record cannot be read."""

    MALFORMED = "malformed"  # no WARC record
    CONTENT_LENGTH = "content_length"  # missing, not a number, or not where the record ends
    TOO_LARGE = "too_large"
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    NO_URL = "no_url"
    INVALID_UTF8 = "invalid_utf8"


_DAMAGE = frozenset({Reason.MALFORMED, Reason.TRUNCATED, Reason.CORRUPT})


def read(
    stream: BinaryIO, dump: Dump, counts: Counter[str], *, source: str = "common_crawl"
) -> Iterator[Document | Drop]:
    """Yield a Document for each conversion record of a WET file, or a Drop for one that cannot be read.

    The text is the record's payload as it is (NUL bytes too), the title its first line. A payload that is not UTF-8 is
    dropped: WET files are written in nothing else, so it is damage. A stretch of damage is one record, whatever it was.
    Raises ValueError for a file that is empty, neither gzip nor WARC, or without a single WARC record.
    """
    recognised = False
    for offset, record in _records(stream, dump):
        recognised = recognised or record.reason is not Reason.MALFORMED
        kind = record.headers.get("warc-type", "").lower()
        if kind == "conversion" or record.reason in _DAMAGE or not kind:
            counts["records"] += 1
            yield _document(record, offset, dump, source)
        else:
            counts[f"other:{kind if kind in _KINDS else 'unknown'}"] += 1
    if not recognised:
        raise ValueError(f"{dump.name}: no WARC record in this file; a WET file (*.warc.wet.gz) is expected")


@dataclass(frozen=True, slots=True)
class _Record:
    """A WARC record: where it starts in its member, its headers (names in lower case), and what is wrong with it.

    Of a record with a `reason` the payload is only an excerpt; `size` is what it holds or claims to.
    """

    start: int
    headers: Mapping[str, str] = field(default_factory=dict)
    payload: bytes = b""
    size: int = 0
    reason: Reason | None = None


def _document(record: _Record, offset: int, dump: Dump, source: str) -> Document | Drop:
    identity = f"{source}/{dump.digest}/{offset}" + (f"+{record.start}" if record.start else "")
    kind = record.headers.get("warc-type")
    url = record.headers.get("warc-target-uri", "").strip("<> ")
    reason = record.reason or (Reason.MALFORMED if not kind else None if url else Reason.NO_URL)
    text = ""
    try:
        text = record.payload.decode()
    except UnicodeDecodeError:
        reason = reason or Reason.INVALID_UTF8
    if reason:
        excerpt = record.payload[:_EXCERPT_BYTES].decode(errors="replace")[:EXCERPT_CHARACTERS]
        return Drop(id=identity, source=source, stage="read", reason=reason, excerpt=excerpt, size=record.size)
    return Document(
        id=identity,
        source=source,
        text=text,
        dump=dump.digest,
        offset=offset,
        url=url,
        title=text.split("\n", 1)[0].split("\r", 1)[0].strip() or None,
        timestamp=record.headers.get("warc-date"),
    )


def _records(stream: BinaryIO, dump: Dump) -> Iterator[tuple[int, _Record]]:
    tape = _Tape(stream)
    head = tape.fill(PROBE)
    if not head:
        raise ValueError(f"{dump.name}: the file is empty; a WET file (*.warc.wet.gz) is expected")
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
        raise ValueError(f"{dump.name}: neither gzip nor WARC; a WET file (*.warc.wet.gz) is expected")


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
    start, data, given, handed_on = tape.offset, b"", tape.held, False
    inflater = zlib.decompressobj(_GZIP)
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

    def feed(self, piece: _Piece) -> Iterator[_Record]:
        """Yield the records that this piece completes; its last piece yields all that is left."""
        self._start += self._at
        self._data = self._data[self._at :] + piece.data
        self._at, self._end = 0, piece.end
        damaged = False
        while self._seek_record() and (record := self._next()):
            damaged = damaged or record.reason is not None
            yield record
        if self._end in _FAULT and not damaged:
            yield _Record(self._start + len(self._data), reason=_FAULT[self._end])

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

    def _next(self) -> _Record | None:
        """Return the record that starts here, or None where more bytes are needed to tell."""
        data, at, more = self._data, self._at, self._end is _End.OPEN
        blank = _BLANK_LINE.search(data, at, at + HEADER_LIMIT)
        if not blank and more and len(data) - at < HEADER_LIMIT:
            return None
        if not blank or not data.startswith(_WARC_MAGIC, at):
            return self._fault(Reason.MALFORMED, {}, at, at, len(data) - at)
        headers, body = _headers(data[at : blank.start()]), blank.end()
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
        return _Record(self._start + at, headers, payload, length)

    def _fault(self, reason: Reason, headers: Mapping[str, str], body: int, resume: int, size: int) -> _Record:
        """Return the damaged record that starts here, and look for the next one from `resume` on."""
        start, self._at, self._lost = self._start + self._at, resume, True
        return _Record(start, headers, self._data[body : body + _EXCERPT_BYTES], size, _FAULT.get(self._end, reason))


_FAULT = {_End.TRUNCATED: Reason.TRUNCATED, _End.CORRUPT: Reason.CORRUPT}


def _headers(block: bytes) -> dict[str, str]:
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
