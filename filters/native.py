"""The loops over characters of `filters.paragraphs` and `filters.c4` in C, for the two sources with most text.

    text -> UTF-8 -> native.c -> the same lines and keys as from Python, or None: then Python has to do it

`python -m filters.native` compiles native.c with the C compiler of this machine, and `make` does so at set-up. Nothing
needs it: where there is no compiler, the Python twins of these functions give the same result more slowly. The library
lies beside its source and is named after the source's digest, so that an old one is never loaded (its name does not end
in .so, which Python would take for a module). It knows nothing of Python, and so serves any version of it.

No address is ever a number here: what C is given is an object that keeps the memory it stands for (`Utf8` a text's,
`first` an array's), and the types of the arguments refuse numbers. So nothing can be freed while C may still use it.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

SOURCES: Final = tuple(Path(__file__).with_name(name) for name in ("native.c", "fast_text.c", "unigram.c"))
COMPILERS: Final = ("cc", "gcc", "clang")
# No product is added before it is rounded: sums of floats are those of the libraries.
OPTIONS: Final = ("-O3", "-std=c11", "-ffp-contract=off", "-shared", "-fPIC", "-lm")
CONTEXTUAL: Final = 0xD800  # in a table of characters: what becomes of this one depends on its neighbours
GONE: Final = 0x110000  # in a table of characters: this one is deleted

_REMOVE_NUL, _ADD_LAST_LINE, _LOSE_ZERO, _LOSE_HEADERS = 1, 2, 4, 8  # the flags of native.c
_MD5 = 1  # a kind of hash
_NO_MEMORY, _ONLY_PROSE = -2, -3
_64_BITS = (1 << 64) - 1
_CODES = 0x110000


class Model(ctypes.Structure):
    """What C takes a struct of a model by: an instance of any structure under this one, which keeps its arrays."""


_NUMBER, _TEXT, _MODEL = ctypes.c_int64, ctypes.c_char_p, ctypes.POINTER(Model)
_BYTES, _FLOATS = ctypes.POINTER(ctypes.c_uint8), ctypes.POINTER(ctypes.c_float)
_UINT32S, _UINT64S = ctypes.POINTER(ctypes.c_uint32), ctypes.POINTER(ctypes.c_uint64)
_INT32S, _INT64S = ctypes.POINTER(ctypes.c_int32), ctypes.POINTER(ctypes.c_int64)
# What is called from Python, altiplano_NAME in C, and the types of the arguments.
FUNCTIONS: Final[dict[str, tuple[Any, ...]]] = {
    "hash": (_TEXT, _NUMBER, ctypes.c_int),
    "mapped": (_TEXT, _NUMBER, _UINT32S, _BYTES, _INT64S),
    "paragraphs": (_TEXT, _NUMBER, ctypes.c_int, _UINT32S, _BYTES, _UINT64S, _INT64S),
    "without": (_TEXT, _NUMBER, _UINT32S, _NUMBER, _BYTES, _INT64S),
    "stripped": (_TEXT, _NUMBER, ctypes.c_int, _BYTES, _INT64S),
    "prose": (_TEXT, _NUMBER, _BYTES, _INT64S),
    "unique": (_TEXT, _NUMBER, _UINT32S, _BYTES, _UINT64S, _INT64S),
    "prose_lines": (_TEXT, _NUMBER, _UINT32S, _NUMBER, _BYTES, _UINT64S, _INT64S),
    "has_words": (_TEXT, _NUMBER, _UINT32S, _UINT64S, _NUMBER),
    "sentence_ends": (_TEXT, _NUMBER, _UINT64S, _NUMBER, _NUMBER),
    "name_table": (_BYTES, _INT64S, _NUMBER, _INT32S, _NUMBER),
    "plain": (_MODEL, _BYTES),
    "pieces": (_MODEL, _TEXT, _NUMBER, _BYTES, _NUMBER, _UINT64S, _BYTES, _NUMBER, _INT64S),
    "trie": (_BYTES, _INT64S, _FLOATS, _NUMBER, _BYTES, _NUMBER),
    "label_cache_bytes": (_MODEL,),
    "best_label": (_MODEL, _TEXT, _NUMBER, _BYTES, _BYTES, _FLOATS),
}

_AS_UTF8 = ctypes.pythonapi.PyUnicode_AsUTF8AndSize
_AS_UTF8.argtypes, _AS_UTF8.restype = (
    (ctypes.py_object, ctypes.POINTER(ctypes.c_ssize_t)),
    ctypes.POINTER(ctypes.c_char),
)
_FROM_UTF8 = ctypes.pythonapi.PyUnicode_DecodeUTF8
_FROM_UTF8.argtypes, _FROM_UTF8.restype = (_BYTES, ctypes.c_ssize_t, ctypes.c_char_p), ctypes.py_object
_KINDS: Final[dict[np.dtype[Any], Any]] = {
    np.dtype(kind): kind
    for kind in (ctypes.c_uint8, ctypes.c_int32, ctypes.c_uint32, ctypes.c_int64, ctypes.c_uint64, ctypes.c_float)
}


class Utf8:
    """A text's bytes in UTF-8 as C takes them, and their number; Python keeps them as long as the text, this the text.

    Raises UnicodeEncodeError for a text with a lone surrogate.
    """

    __slots__ = ("_as_parameter_", "_text", "size")

    def __init__(self, text: str) -> None:
        size = ctypes.c_ssize_t()
        self._text = text
        self._as_parameter_ = _AS_UTF8(text, ctypes.byref(size))
        self.size = size.value


def first(values: NDArray[np.generic], at: int = 0) -> Any:
    """Return an array as C takes it, from its byte `at` on: its first number, which keeps all; None for an empty array.

    The array is contiguous and may be written to.
    """
    return _KINDS[values.dtype].from_buffer(values, at) if values.size else None


def pointer(values: NDArray[np.generic]) -> Any:
    """Return the same for a field of a struct, which then keeps the array."""
    return ctypes.pointer(first(values)) if values.size else None


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
        if not (native := library()) or not (utf8 := in_utf8(text)):
            return True
        return bool(native.altiplano_has_words(utf8, utf8.size, word_table().first, *self._set))

    def sentence_ends(self, text: str, stop: int) -> int:
        """Return how many marks end a sentence for certain, at most `stop`; these words may be abbreviations."""
        if not (native := library()) or not (utf8 := in_utf8(text)):
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


def path() -> Path:
    """Return where the library of this source lies, compiled or not."""
    content = b"".join(source.read_bytes() for source in SOURCES)
    digest = hashlib.sha256(" ".join(OPTIONS).encode() + content).hexdigest()[:16]
    return SOURCES[0].with_name(f"_native-{digest}.library")


@functools.cache
def library() -> ctypes.CDLL | None:
    """Return the compiled library, or None where there is none."""
    try:
        found = ctypes.CDLL(str(path()))
    except OSError:
        return None
    for name, arguments in FUNCTIONS.items():
        function = getattr(found, f"altiplano_{name}")
        function.argtypes, function.restype = arguments, _NUMBER
    found.altiplano_hash.restype = ctypes.c_uint64
    return found


def utf8_size(text: str) -> int:
    """Return a text's bytes in UTF-8, in which a lone surrogate counts as "?"."""
    if text.isascii():
        return len(text)
    utf8 = in_utf8(text)
    return utf8.size if utf8 else len(text.encode(errors="replace"))


def with_question_marks(text: str) -> str:
    """Return a text that UTF-8 can hold: "?" for each lone surrogate."""
    return text if in_utf8(text) else text.encode(errors="replace").decode()


def md5(text: str) -> int | None:
    """Return the first 8 bytes of a text's MD5 as a number, big-endian."""
    if not (native := library()) or not (utf8 := in_utf8(text)):
        return None
    return int(native.altiplano_hash(utf8, utf8.size, _MD5))


def mapped(text: str, table: Table) -> bytes | None:
    """Return a text as `table` has its characters, in UTF-8; no character may take more than twice its bytes."""
    if not (native := library()) or not (utf8 := in_utf8(text)):
        return None
    room = room_for(2 * utf8.size)
    done = _done(native.altiplano_mapped(utf8, utf8.size, table.first, room.text, room.sizes))
    return room.as_bytes() if done else None


def paragraphs(text: str, table: Table, *, remove_nul: bool, add_last_line: bool, lose_zero: bool) -> Firsts | None:
    """Return the twin of `filters.paragraphs.firsts`; `table` has what becomes of each character."""
    if not (native := library()) or not (utf8 := in_utf8(text)):
        return None
    flags = remove_nul * _REMOVE_NUL | add_last_line * _ADD_LAST_LINE | lose_zero * _LOSE_ZERO
    room = room_for(utf8.size)
    count = native.altiplano_paragraphs(utf8, utf8.size, flags, table.first, room.text, room.keys, room.sizes)
    return Firsts(room.as_text(), room.as_keys(count), room.sizes[1]) if _done(count) else None


def without(text: str, removed: NDArray[np.integer[Any]]) -> tuple[str, int, int] | None:
    """Return the twin of `filters.paragraphs.without`."""
    if not (native := library()) or not (utf8 := in_utf8(text)):
        return None
    room = room_for(utf8.size)
    numbers = np.sort(removed).astype(np.uint32, copy=False)
    count = native.altiplano_without(utf8, utf8.size, first(numbers), len(numbers), room.text, room.sizes)
    assert not len(numbers) or numbers[-1] < room.sizes[1], "a line is removed that the text has not"
    return room.as_text(), room.sizes[1], count


def stripped(text: str, *, remove_nul: bool, lose_header_lines: bool) -> str | None:
    """Return a text's lines stripped, empty ones left out."""
    if not (native := library()) or not (utf8 := in_utf8(text)):
        return None
    flags = remove_nul * _REMOVE_NUL | lose_header_lines * _LOSE_HEADERS
    room = room_for(utf8.size)
    return room.as_text() if _done(native.altiplano_stripped(utf8, utf8.size, flags, room.text, room.sizes)) else None


def prose(text: str) -> Prose | None:
    """Return the lines that C4's rules for their ends and words leave, without citations."""
    if not (native := library()) or not (utf8 := in_utf8(text)):
        return None
    room = room_for(utf8.size)
    count = native.altiplano_prose(utf8, utf8.size, room.text, room.sizes)
    return Prose(room.as_text(), count, bool(room.sizes[1])) if _done(count) else None


def unique(text: str, table: Table) -> Firsts | None:
    """Return the twin of `filters.c4.firsts`; `table` has each character in lower case."""
    if not (native := library()) or not (utf8 := in_utf8(text)):
        return None
    room = room_for(utf8.size)
    count = native.altiplano_unique(utf8, utf8.size, table.first, room.text, room.keys, room.sizes)
    return Firsts(room.as_text(), room.as_keys(count), len(text)) if _done(count) else None


def prose_lines(text: str, table: Table, least: int) -> Firsts | Prose | None:
    """Return what `unique` says of `prose`; only `prose` if that has under `least` lines, or content to be judged."""
    if least < 1 or not (native := library()) or not (utf8 := in_utf8(text)):
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
    table = np.arange(0x110000, dtype=np.uint32)
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
    outside = [code for code, lower in enumerate(lowered.tolist()) if not (chr(lower).isalnum() or lower == ord("_"))]
    table = lowered.copy()
    table[outside] = GONE
    table[lowered == CONTEXTUAL] = CONTEXTUAL
    return Table.of(table)


def compile_library() -> str | None:
    """Compile the library unless it is there, and return None, or why it cannot be done."""
    target = path()
    if target.exists():
        return None
    compiler = next(filter(None, map(shutil.which, (os.environ.get("CC") or "cc", *COMPILERS))), None)
    if compiler is None:
        return "there is no C compiler"
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="_native-") as folder:
            made = Path(folder, target.name)
            done = subprocess.run(
                [compiler, "-o", str(made), *map(str, SOURCES), *OPTIONS], capture_output=True, text=True, check=False
            )
            if done.returncode:
                return f"{compiler} ended with exit code {done.returncode}: {done.stderr.strip()[-500:]}"
            made.replace(target)
    except OSError as error:
        return str(error)
    return None


def in_utf8(text: str) -> Utf8 | None:
    """Return a text in UTF-8; None if it has none."""
    try:
        return Utf8(text)
    except UnicodeEncodeError:  # a lone surrogate
        return None


class _Room:
    """Where the functions write: text, keys of lines, and two sizes."""

    def __init__(self, size: int) -> None:
        self._text, self._keys = np.empty(size + 2, np.uint8), np.empty(size + 2, np.uint64)
        self.sizes = (ctypes.c_int64 * 2)()
        self.text, self.keys = first(self._text), first(self._keys)

    def text_from(self, start: int) -> Any:
        """Return the room for text from a byte on."""
        return first(self._text, start)

    def as_text(self) -> str:
        """Return what was written."""
        return cast(str, _FROM_UTF8(self.text, self.sizes[0], None))

    def as_bytes(self, start: int = 0) -> bytes:
        """Return the bytes that were written from a byte on."""
        return self._text[start : start + self.sizes[0]].tobytes()

    def as_keys(self, count: int) -> NDArray[np.uint64]:
        """Return the keys that were written, shape (count,)."""
        return self._keys[:count].copy()


class _Rooms(threading.local):
    """The room that each thread keeps: memory that is new for each page costs more than what is done in it."""

    kept: _Room | None = None


_ROOM_BYTES = 4 << 20  # of text; what needs more is rare
_ROOMS = _Rooms()


def room_for(size: int) -> _Room:
    """Return room for what is made of a text of `size` bytes; the next call takes it again."""
    if size > _ROOM_BYTES:
        return _Room(size)
    kept = _ROOMS.kept
    if kept is None:
        kept = _ROOMS.kept = _Room(_ROOM_BYTES)
    return kept


def _utf8_sizes(codes: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
    """Return how many bytes each character takes, 0 for GONE."""
    return (np.searchsorted([0x80, 0x800, 0x10000, GONE], codes, side="right") + 1) % 5


def _phrase_hash(words: Sequence[str]) -> int:
    """Return the hash of a word or two that native.c knows them by: FNV-1a of characters, not 0."""
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


def main() -> int:
    """Compile the library, and say so where it cannot be; that is no error."""
    if problem := compile_library():
        print(f"the web's text is handled in Python, with the same result more slowly: {problem}", file=sys.stderr)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
