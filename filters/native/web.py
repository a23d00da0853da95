"""The loops over characters of `filters.web.paragraphs` and `filters.web.c4` in C, for the two sources with most text.

text -> UTF-8 -> web.c -> the same lines and keys as from Python, or None: then Python has to do it
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from filters.native import binding
from filters.native.binding import first, in_utf8, room_for

CONTEXTUAL: Final = 0xD800  # in a table of characters: what becomes of this one depends on its neighbours
GONE: Final = 0x110000  # in a table of characters: this one is deleted

_REMOVE_NUL, _ADD_LAST_LINE, _LOSE_ZERO, _LOSE_HEADERS = 1, 2, 4, 8  # the flags of web.c
_MD5 = 1  # a kind of hash
_NO_MEMORY, _ONLY_PROSE = -2, -3
_64_BITS = (1 << 64) - 1
_CODES = 0x110000
WRITTEN: Final = 0x40000  # no letter and no digit is beyond: planes 4 to 13 are empty, 14 holds tags, 15 and 16 nothing


class Table(NamedTuple):
    """What becomes of each character, shape (0x110000,), and the same as C takes it."""

    values: NDArray[np.uint32]
    first: Any

    @classmethod
    def of(cls, values: NDArray[np.uint32]) -> Table:
        """Return a table of these values, GONE or CONTEXTUAL among them; the rooms of C hold what it makes of a text.

        Raises ValueError for a value that is no character, or one of more than twice the bytes of what it replaces.
        """
        if values.shape != (_CODES,) or values.dtype != np.uint32:
            raise ValueError(
                f"table: {values.shape} of {values.dtype}; must have a uint32 for each of {_CODES:,} codes"
            )
        written = np.where(values == CONTEXTUAL, 0, _utf8_sizes(values))
        if len(wrong := np.flatnonzero((values > GONE) | (written > 2 * _utf8_sizes(np.arange(_CODES))))):
            code, value = int(wrong[0]), int(values[wrong[0]])
            raise ValueError(f"table: U+{code:04X} becomes {value:#x}; must be a character of at most twice its bytes")
        kept = values.copy()
        found = cls(kept, first(kept))
        kept.flags.writeable = False
        return found


class Words:
    """Words and phrases to look for in texts, in lower case; a phrase stands for its first two words in a row."""

    def __init__(self, phrases: Iterable[Sequence[str]]) -> None:
        hashes = {_phrase_hash(phrase[:2]) for phrase in phrases}
        self._slots = np.zeros(1 << (2 * len(hashes)).bit_length(), np.uint64)
        mask = len(self._slots) - 1
        for value in hashes:
            slot = value & mask
            while self._slots[slot]:
                slot = (slot + 1) & mask
            self._slots[slot] = value
        self._set = (first(self._slots), mask)

    def may_be_in(self, text: str) -> bool:
        """Return False only if none of them stands in the text in any case, between characters of no word."""
        if not (native := binding.library()) or not (utf8 := in_utf8(text)):
            return True
        return bool(native.altiplano_has_words(utf8, utf8.size, word_table().first, *self._set))

    def sentence_ends(self, text: str, stop: int) -> int:
        """Return how many marks end a sentence for certain, at most `stop`; these words may be abbreviations."""
        if not (native := binding.library()) or not (utf8 := in_utf8(text)):
            return 0
        return int(native.altiplano_sentence_ends(utf8, utf8.size, *self._set, stop))


class Prose(NamedTuple):
    """Lines joined by line feeds, their number, and whether one may hold what the rules for content look for."""

    text: str
    number: int
    hinted: bool


class Firsts(NamedTuple):
    """The first of each repeated line, joined by line feeds, their keys, shape (n,), and a number of characters."""

    text: str
    hashes: NDArray[np.uint64]
    characters: int


def md5(text: str) -> int | None:
    """Return the first 8 bytes of a text's MD5 as a number, big-endian."""
    if not (native := binding.library()) or not (utf8 := in_utf8(text)):
        return None
    return int(native.altiplano_hash(utf8, utf8.size, _MD5))


def mapped(text: str, table: Table) -> bytes | None:
    """Return a text as `table` has its characters, in UTF-8; no character may take more than twice its bytes."""
    if not (native := binding.library()) or not (utf8 := in_utf8(text)):
        return None
    room = room_for(2 * utf8.size)
    done = _done(native.altiplano_mapped(utf8, utf8.size, table.first, room.text, room.sizes))
    return room.as_bytes() if done else None


def paragraphs(text: str, table: Table, *, remove_nul: bool, add_last_line: bool, lose_zero: bool) -> Firsts | None:
    """Return the twin of `filters.web.paragraphs.firsts`; `table` has what becomes of each character."""
    if not (native := binding.library()) or not (utf8 := in_utf8(text)):
        return None
    flags = remove_nul * _REMOVE_NUL | add_last_line * _ADD_LAST_LINE | lose_zero * _LOSE_ZERO
    room = room_for(utf8.size)
    count = native.altiplano_paragraphs(utf8, utf8.size, flags, table.first, room.text, room.keys, room.sizes)
    return Firsts(room.as_text(), room.as_keys(count), room.sizes[1]) if _done(count) else None


def without(text: str, removed: NDArray[np.integer[Any]]) -> tuple[str, int, int] | None:
    """Return the twin of `filters.web.paragraphs.without`."""
    if not (native := binding.library()) or not (utf8 := in_utf8(text)):
        return None
    room = room_for(utf8.size)
    numbers = np.sort(removed).astype(np.uint32, copy=False)
    count = native.altiplano_without(utf8, utf8.size, first(numbers), len(numbers), room.text, room.sizes)
    assert not len(numbers) or numbers[-1] < room.sizes[1], "a line to remove is not in the text"
    return room.as_text(), room.sizes[1], count


def stripped(text: str, *, remove_nul: bool, lose_header_lines: bool) -> str | None:
    """Return a text's lines stripped, empty ones left out."""
    if not (native := binding.library()) or not (utf8 := in_utf8(text)):
        return None
    flags = remove_nul * _REMOVE_NUL | lose_header_lines * _LOSE_HEADERS
    room = room_for(utf8.size)
    return room.as_text() if _done(native.altiplano_stripped(utf8, utf8.size, flags, room.text, room.sizes)) else None


def prose(text: str) -> Prose | None:
    """Return the lines that C4's rules for their ends and words leave, without citations."""
    if not (native := binding.library()) or not (utf8 := in_utf8(text)):
        return None
    room = room_for(utf8.size)
    count = native.altiplano_prose(utf8, utf8.size, room.text, room.sizes)
    return Prose(room.as_text(), count, bool(room.sizes[1])) if _done(count) else None


def unique(text: str, table: Table) -> Firsts | None:
    """Return the twin of `filters.web.c4.firsts`; `table` has each character in lower case."""
    if not (native := binding.library()) or not (utf8 := in_utf8(text)):
        return None
    room = room_for(utf8.size)
    count = native.altiplano_unique(utf8, utf8.size, table.first, room.text, room.keys, room.sizes)
    return Firsts(room.as_text(), room.as_keys(count), len(text)) if _done(count) else None


def prose_lines(text: str, table: Table, least: int) -> Firsts | Prose | None:
    """Return what `unique` says of `prose`; only `prose` if that has under `least` lines, or content to be judged."""
    if least < 1 or not (native := binding.library()) or not (utf8 := in_utf8(text)):
        return None
    room = room_for(utf8.size)
    count = native.altiplano_prose_lines(utf8, utf8.size, table.first, least, room.text, room.keys, room.sizes)
    if count == _ONLY_PROSE:
        page = room.as_text()
        return Prose(page, page.count("\n") + 1 if page else 0, bool(room.sizes[1]))
    return Firsts(room.as_text(), room.as_keys(count), len(text)) if _done(count) else None


@functools.cache
def lower_table() -> Table:
    """Return each character in lower case; CONTEXTUAL where it is several or depends on others."""
    table = np.arange(_CODES, dtype=np.uint32)
    for code in range(0x20000):  # no letter beyond has two cases
        lowered = chr(code).lower()
        if len(lowered) > 1 or (lowered == "σ" and code != ord("σ")):
            table[code] = CONTEXTUAL
        else:
            table[code] = ord(lowered)
    return Table.of(table)


def has_one_case(character: str) -> bool:
    """Return whether no other character has this one as its lower case."""
    return int(np.count_nonzero(lower_table().values == ord(character))) == 1


@functools.cache
def word_table() -> Table:
    """Return each character of words (``\\w``) in lower case, CONTEXTUAL as in `lower_table`, GONE for all others."""
    lowered = lower_table().values
    written = enumerate(lowered[:WRITTEN].tolist())
    outside = [code for code, lower in written if not (chr(lower).isalnum() or lower == ord("_"))]
    table = lowered.copy()
    table[outside] = GONE
    table[WRITTEN:] = GONE
    table[lowered == CONTEXTUAL] = CONTEXTUAL
    return Table.of(table)


def _utf8_sizes(codes: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
    """Return how many bytes each character takes, 0 for GONE."""
    return (np.searchsorted([0x80, 0x800, 0x10000, GONE], codes, side="right") + 1) % 5


def _phrase_hash(words: Sequence[str]) -> int:
    """Return the hash of a word or two that web.c knows them by: FNV-1a of characters, not 0."""
    value = 0
    for word in words:
        found = 0xCBF29CE484222325
        for character in word:
            found = (found ^ ord(character)) * 0x100000001B3 & _64_BITS
        value = (value * 0x9E3779B97F4A7C15 + found) & _64_BITS
    return value or 1


def _done(count: int) -> bool:
    if count == _NO_MEMORY:
        raise MemoryError("no memory for the lines of a text")
    return count >= 0
