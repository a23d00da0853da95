"""The index of a multistream dump: where its streams of pages begin, as byte ranges that can be read alone.

index of lines `offset:page id:title` ─> offsets and first ids of all streams ─┬─> byte ranges of whole streams
                                         the dump itself, at a few of them ────┴─> an error where the two do not fit
"""

from __future__ import annotations

import bz2
import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from pipelines.readers import mediawiki_blocks

SPAN_BYTES = 1 << 26
STREAMS_LOOKED_AT = 8
"""Of an index, where they begin and what their first page is; a reader finds out where each range begins."""

_HEAD_BYTES: Final = 1 << 20  # of a stream, decompressed, in which its first page's id stands
_PAGE: Final = b"<page>"
_ID: Final = re.compile(rb"<id>\s*([0-9]{1,19})\s*</id>")


@dataclass(frozen=True, slots=True)
class Index:
    """Where the streams of pages begin, in order, and the id of each stream's first page ("" if it is no number)."""

    offsets: tuple[int, ...]
    ids: tuple[str, ...]
    size: int

    def spans(self, target_bytes: int = SPAN_BYTES) -> list[tuple[int, int]]:
        """Return byte ranges [start, end) that cover all streams: whole ones, until a range has `target_bytes`.

        The last one ends with the file, whose footer holds no page.
        """
        ranges: list[tuple[int, int]] = []
        start = self.offsets[0] if self.offsets else self.size
        for offset in [*self.offsets[1:], self.size]:
            if offset - start >= target_bytes or (offset == self.size and start < self.size):
                ranges.append((start, offset))
                start = offset
        return ranges

    def check(self, dump: BinaryIO) -> None:
        """Raise ValueError if it is not this dump's: a stream elsewhere, another first page, pages before the first."""
        for number in sorted({place * (len(self.offsets) - 1) // STREAMS_LOOKED_AT for place in range(9)}):
            _check_stream(dump, self.offsets[number], self.ids[number])
        dump.seek(0)
        if _PAGE in _beginning(dump, 0, self.offsets[0]):
            raise ValueError(
                f"the index does not fit the dump: pages come before byte {self.offsets[0]:,}, the first that it names"
            )


def read(index: BinaryIO, size: int) -> Index:
    """Return the index of a dump of `size` bytes from its `...-multistream-index.txt.bz2`, or the text itself.

    ValueError for a damaged index.
    """
    offsets: list[int] = []
    ids: list[str] = []
    for number, line in enumerate(_lines(index), 1):
        head, _, rest = line.partition(b":")
        if not head.isdigit() or not (offsets[-1] if offsets else 0) <= int(head) < size:
            raise ValueError(
                f"line {number} of the multistream index is {line[:80]!r}: expected 'offset:page id:title' with"
                f" offsets that rise and stay under the dump's size of {size} bytes"
            )
        if not offsets or int(head) > offsets[-1]:
            offsets.append(int(head))
            first = rest.partition(b":")[0]
            ids.append(first.decode() if first.isdigit() else "")
    return Index(tuple(offsets), tuple(ids), size)


def _lines(index: BinaryIO) -> Iterator[bytes]:
    first = index.read(3)
    index.seek(-len(first), 1)
    try:
        with bz2.open(index) if first == b"BZh" else index as lines:
            for line in lines:
                if stripped := line.removeprefix(codecs.BOM_UTF8).strip():
                    yield stripped
    except (EOFError, OSError) as error:
        raise ValueError(f"the multistream index does not decompress: {error}") from error


def _check_stream(dump: BinaryIO, offset: int, wanted: str) -> None:
    """Raise ValueError if no stream begins there, or one with another page."""
    beginning = _beginning(dump, offset, None)
    page = beginning.find(_PAGE)
    found = _ID.search(beginning, page) if page >= 0 else None
    if found is None or (wanted and found[1].decode() != wanted):
        there = f"page {found[1].decode()}" if found else "no stream of pages"
        raise ValueError(
            f"the index does not fit the dump: it says that page {wanted or '?'} comes first in the stream at byte "
            f"{offset:,}, but there is {there}"
        )


def _beginning(dump: BinaryIO, start: int, end: int | None) -> bytes:
    """Return what the streams of a range begin with, as far as it decompresses; b"" where no stream begins."""
    found = b""
    try:
        for block in mediawiki_blocks.blocks(dump, start, end):
            found += block.data
            if block.damage or len(found) >= _HEAD_BYTES:
                break
    except ValueError:
        return b""
    return found
