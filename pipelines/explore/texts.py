"""Texts and rows of a corpus, read where they lie: those of a list, and those that a pattern is looked for in.

Of a file the row groups are read that are needed, one at a time; a pattern is RE2's, whose time is in proportion to the
text, and the time limit is looked at between pieces of it.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.explore.catalogue import ROWS_OF_A_PART, OutOfTimeError, Part
from pipelines.files import tables

Numbers = npt.NDArray[np.uint64]
PIECES: Final = 1 << 14, 4 << 20  # bytes of text between two looks at the clock, by how long the last ones took
SLOW: Final = 0.1  # seconds for a piece
BEFORE, AFTER = 90, 160  # characters shown around a match
MATCHES: Final = 500  # of a word that are looked at for the line that is shown
NEAR: Final = 40  # of them in a line
SEARCHED: Final = 4 << 20  # characters of a text in which a match is looked for to be shown
SHARED: Final = 4  # words that are each looked for so far and so often; more of them share that
_MASK: Final = np.uint64((1 << ROWS_OF_A_PART) - 1)


@dataclass(frozen=True)
class Line:
    """A line of a text, cut on both sides, in pieces: each with whether it is a match. Without one, the beginning."""

    pieces: Sequence[tuple[str, bool]]


Span = tuple[int, int, int]  # start, end, and which pattern's it is


def rows_of(numbers: Numbers) -> npt.NDArray[np.int64]:
    """Return the rows, in their part, of numbers."""
    return (numbers & _MASK).astype(np.int64)


def by_part(numbers: Numbers, parts: Mapping[int, Part]) -> Iterator[tuple[Part, npt.NDArray[np.int64]]]:
    """Yield each part that numbers, in order, are of, with their rows."""
    of = (numbers >> np.uint64(ROWS_OF_A_PART)).astype(np.int64)
    for number, start, stop in _runs(of):
        yield parts[number], rows_of(numbers[start:stop])


def _runs(values: npt.NDArray[np.int64]) -> Iterator[tuple[int, int, int]]:
    if not len(values):
        return
    edges = np.flatnonzero(np.diff(values, prepend=-1))
    for start, stop in zip(edges, [*edges[1:], len(values)], strict=True):
        yield int(values[start]), int(start), int(stop)


def rows(corpus: str, numbers: Sequence[int], parts: Mapping[int, Part], columns: Sequence[str]) -> dict[int, Any]:
    """Return rows by their numbers, as far as the columns are there; a file that is gone has none."""
    found: dict[int, Any] = {}
    for part, wanted in by_part(np.array(sorted(numbers), np.uint64), parts):
        with suppress(FileNotFoundError), tables.opened(f"{corpus}/{part.path}") as file:
            names = [name for name in columns if name in file.schema_arrow.names] if columns else None
            for first, here, group in _groups(file, wanted):
                table = file.read_row_group(group, columns=names).take(here - first)
                found |= zip((part.first + int(row) for row in here), table.to_pylist(), strict=True)
    return found


def _groups(file: Any, wanted: npt.NDArray[np.int64]) -> Iterator[tuple[int, npt.NDArray[np.int64], int]]:
    """Yield for each row group that has wanted rows: its first row, those rows, and its number."""
    start = 0
    for group in range(file.num_row_groups):
        stop = start + file.metadata.row_group(group).num_rows
        here = wanted[np.searchsorted(wanted, start) : np.searchsorted(wanted, stop)]
        if len(here):
            yield start, here, group
        start = stop


def check_pattern(pattern: str) -> None:
    """Raise ValueError saying why a pattern is none of RE2's."""
    try:
        pc.match_substring_regex(pa.array([""]), pattern)
    except pa.ArrowInvalid as error:
        raise ValueError(f"pattern: {str(error).removeprefix('Invalid regular expression: ')}") from None


def matching(
    corpus: str, numbers: Numbers, parts: Mapping[int, Part], patterns: Sequence[tuple[str, bool]], deadline: float
) -> Iterator[Numbers]:
    """Yield those of the numbers, in order, whose texts have all patterns that are (pattern, True), and no others.

    Case counts only where a pattern says so: (?-i). Raises OutOfTimeError after the deadline, a time.monotonic.
    """
    for part, wanted in by_part(numbers, parts):
        name = "text" if part.kept else "excerpt"
        with tables.opened(f"{corpus}/{part.path}") as file:
            for first, here, group in _groups(file, wanted):
                texts = file.read_row_group(group, columns=[name])[name].take(here - first)
                held = _held(texts.combine_chunks(), patterns, deadline)
                if held.any():
                    yield here[held].astype(np.uint64) + np.uint64(part.first)


def _held(texts: Any, patterns: Sequence[tuple[str, bool]], deadline: float) -> npt.NDArray[np.bool_]:
    found = []
    start, size, mean = 0, PIECES[0], max(1, texts.nbytes // max(1, len(texts)))
    while start < len(texts):
        began = time.monotonic()
        if began > deadline:
            raise OutOfTimeError
        piece = texts.slice(start, max(1, size // mean))
        held = np.ones(len(piece), np.bool_)
        for pattern, there in patterns:
            if time.monotonic() > deadline:
                raise OutOfTimeError
            match = pc.match_substring_regex(piece, pattern, ignore_case=True).fill_null(not there)
            held &= match.to_numpy(zero_copy_only=False) == there
        found.append(held)
        start += len(piece)
        size = min(PIECES[1], 2 * size) if time.monotonic() - began < SLOW else max(PIECES[0], size // 2)
    return np.concatenate([np.empty(0, np.bool_), *found])


def line(text: str, patterns: Sequence[re.Pattern[str]], asked: str = "", deadline: float = math.inf) -> Line:
    """Return the line of a text that has matches of most of some patterns, around them.

    `asked` is a reader's own pattern, which only RE2 may be given: of its match the beginning is known. After the
    deadline, a time.monotonic, nothing more is looked for.
    """
    spans = list(_spans(text, patterns, deadline))
    if asked and time.monotonic() < deadline and (place := _place(text[:SEARCHED], asked)) >= 0:
        spans.append((place, place, len(patterns)))
    if not spans:
        return Line([(_cut_after(text.lstrip()[: BEFORE + AFTER + 1], BEFORE + AFTER), False)])
    return Line(list(_pieces(text, _best(text, sorted(spans)))))


def _spans(text: str, patterns: Sequence[re.Pattern[str]], deadline: float) -> Iterator[Span]:
    """Yield matches of some patterns until the deadline, the first of each: of many patterns fewer, and not as far."""
    share = SHARED / max(SHARED, len(patterns))
    most, end = int(share * MATCHES), int(share * SEARCHED)
    for which, pattern in enumerate(patterns):
        if time.monotonic() > deadline:
            return
        for found in islice(pattern.finditer(text, 0, end), most):
            yield *found.span(), which


def _best(text: str, spans: Sequence[Span]) -> Sequence[Span]:
    """Return those of some matches, in order, that stand in one line near each other and are of most patterns."""
    wanted = len({which for _, _, which in spans})
    best: Sequence[Span] = ()
    most = 0
    for place, (start, stop, _) in enumerate(spans):
        end = _line_end(text, stop, start + AFTER)
        near = [span for span in spans[place : place + NEAR] if span[1] <= max(end, stop)]
        if (found := len({which for _, _, which in near})) > most:
            best, most = near, found
        if most == wanted:
            break
    return best


def _line_end(text: str, place: int, most: int) -> int:
    """Return where a line ends that goes on at a place, `most` if it goes on there."""
    found = text.find("\n", place, max(place, most))
    return found if found >= 0 else most


def _pieces(text: str, spans: Sequence[Span]) -> Iterator[tuple[str, bool]]:
    start, stop = spans[0][:2]
    first = max(text.rfind("\n", 0, start) + 1, start - BEFORE)
    cut = first > 0 and text[first - 1] != "\n"
    if cut:
        first = start - len(text[first:start].partition(" ")[2] or text[first:start])  # not in the middle of a word
    yield ("… " if cut else "") + text[first:start], False
    done = start
    for one, end, _ in spans:
        if one >= done:
            yield text[done:one], False
            yield text[one:end], True
            done = end
    left = max(0, stop + AFTER - done)
    yield _cut_after(text[done : _line_end(text, done, done + left + 1)], left), False


def _place(text: str, pattern: str) -> int:
    """Return the character that the first match of a pattern of RE2 begins at, -1 without one."""
    found = pc.find_substring_regex(pa.array([text]), pattern, ignore_case=True)[0].as_py()
    return len(text.encode()[:found].decode(errors="ignore")) if found >= 0 else -1


def _cut_after(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]} …"
