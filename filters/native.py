"""The loops over characters of `filters.paragraphs` and `filters.c4` in C, for the two sources with most text.

    text -> UTF-8 -> native.c -> the same lines and keys as from Python, or None: then Python has to do it

`python -m filters.native` compiles native.c with the C compiler of this machine, and `make` does so at set-up. Nothing
needs it: where there is no compiler, the Python twins of these functions give the same result more slowly. The library
lies beside its source and is named after the source's digest, so that an old one is never loaded (its name does not end
in .so, which Python would take for a module). It knows nothing of Python, and so serves any version of it.
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
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

SOURCES: Final = tuple(Path(__file__).with_name(name) for name in ("native.c", "fast_text.c"))
COMPILERS: Final = ("cc", "gcc", "clang")
OPTIONS: Final = ("-O3", "-std=c11", "-shared", "-fPIC", "-lm")
CONTEXTUAL: Final = 0xD800  # in a table of characters: what becomes of this one depends on its neighbours
GONE: Final = 0x110000  # in a table of characters: this one is deleted

_REMOVE_NUL, _ADD_LAST_LINE, _LOSE_ZERO = 1, 2, 4  # the flags of native.c
_NO_MEMORY = -2
_NUMBER, _TEXT, _ARRAY = ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p
_FUNCTIONS = {
    "hash": (_TEXT, _NUMBER, ctypes.c_int),
    "lines": (_TEXT, _NUMBER),
    "paragraphs": (_TEXT, _NUMBER, ctypes.c_int, _ARRAY, _ARRAY, _ARRAY, _ARRAY),
    "without": (_TEXT, _NUMBER, _ARRAY, _NUMBER, _ARRAY, _ARRAY),
    "stripped": (_TEXT, _NUMBER, ctypes.c_int, _ARRAY, _ARRAY),
    "prose": (_TEXT, _NUMBER, _ARRAY, _ARRAY),
    "unique": (_TEXT, _NUMBER, _ARRAY, _ARRAY, _ARRAY, _ARRAY),
    "name_table": (_ARRAY, _ARRAY, _NUMBER, _ARRAY, _NUMBER),
    "label_cache_bytes": (ctypes.c_void_p,),
    "best_label": (ctypes.c_void_p, _TEXT, _NUMBER, _ARRAY, ctypes.c_void_p),
}

_AS_UTF8 = ctypes.pythonapi.PyUnicode_AsUTF8AndSize
_AS_UTF8.argtypes, _AS_UTF8.restype = (ctypes.py_object, ctypes.POINTER(ctypes.c_ssize_t)), ctypes.c_void_p


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
    for name, arguments in _FUNCTIONS.items():
        function = getattr(found, f"altiplano_{name}")
        function.argtypes, function.restype = arguments, _NUMBER
    found.altiplano_hash.restype = ctypes.c_uint64
    return found


def utf8_size(text: str) -> int:
    """Return a text's bytes in UTF-8, in which a lone surrogate counts as "?"."""
    if text.isascii():
        return len(text)
    utf8 = in_utf8(text)
    return utf8[1] if utf8 else len(text.encode(errors="replace"))


def paragraphs(
    text: str, table: NDArray[np.uint32], *, remove_nul: bool, add_last_line: bool, lose_zero: bool
) -> Firsts | None:
    """Return the twin of `filters.paragraphs.firsts`; `table` has what becomes of each character, shape (0x110000,)."""
    if not (native := library()) or not (utf8 := in_utf8(text)):
        return None
    flags = remove_nul * _REMOVE_NUL | add_last_line * _ADD_LAST_LINE | lose_zero * _LOSE_ZERO
    out, found = _room(utf8)
    hashes = np.empty(native.altiplano_lines(*utf8), np.uint64)
    count = native.altiplano_paragraphs(
        *utf8, flags, table.ctypes.data, out.ctypes.data, hashes.ctypes.data, found.ctypes.data
    )
    return Firsts(_text(out, found), hashes[:count], int(found[1])) if _done(count) else None


def without(text: str, removed: NDArray[np.integer[Any]]) -> tuple[str, int, int] | None:
    """Return the twin of `filters.paragraphs.without`."""
    if not (native := library()) or not (utf8 := in_utf8(text)):
        return None
    out, found = _room(utf8)
    numbers = np.sort(removed).astype(np.uint32, copy=False)
    count = native.altiplano_without(*utf8, numbers.ctypes.data, len(numbers), out.ctypes.data, found.ctypes.data)
    assert not len(numbers) or numbers[-1] < found[1], "a line is removed that the text has not"
    return _text(out, found), int(found[1]), count


def stripped(text: str, *, remove_nul: bool) -> str | None:
    """Return a text's lines stripped, empty ones left out."""
    if not (native := library()) or not (utf8 := in_utf8(text)):
        return None
    out, found = _room(utf8)
    count = native.altiplano_stripped(*utf8, remove_nul * _REMOVE_NUL, out.ctypes.data, found.ctypes.data)
    return _text(out, found) if _done(count) else None


def prose(text: str) -> Prose | None:
    """Return the lines that C4's rules for their ends and words leave, without citations."""
    if not (native := library()) or not (utf8 := in_utf8(text)):
        return None
    out, found = _room(utf8)
    count = native.altiplano_prose(*utf8, out.ctypes.data, found.ctypes.data)
    return Prose(_text(out, found), count, bool(found[1])) if _done(count) else None


def unique(text: str, table: NDArray[np.uint32]) -> Firsts | None:
    """Return the twin of `filters.c4.firsts`; `table` has each character in lower case."""
    if not (native := library()) or not (utf8 := in_utf8(text)):
        return None
    out, found = _room(utf8)
    hashes = np.empty(native.altiplano_lines(*utf8), np.uint64)
    count = native.altiplano_unique(*utf8, table.ctypes.data, out.ctypes.data, hashes.ctypes.data, found.ctypes.data)
    return Firsts(_text(out, found), hashes[:count], len(text)) if _done(count) else None


@functools.cache
def lower_table() -> NDArray[np.uint32]:
    """Return each character in lower case, shape (0x110000,); CONTEXTUAL where it is several or depends on others."""
    table = np.arange(0x110000, dtype=np.uint32)
    for code in range(0x20000):  # no letter beyond has two cases
        lowered = chr(code).lower()
        if len(lowered) > 1 or (lowered == "σ" and code != ord("σ")):
            table[code] = CONTEXTUAL
        else:
            table[code] = ord(lowered)
    return table


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


def in_utf8(text: str) -> tuple[int, int] | None:
    """Return where a text lies in UTF-8, which Python keeps as long as the text, and its bytes; None if it has none."""
    size = ctypes.c_ssize_t()
    try:
        return _AS_UTF8(text, ctypes.byref(size)), size.value
    except UnicodeEncodeError:  # a lone surrogate
        return None


def _room(utf8: tuple[int, int]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    return np.empty(utf8[1] + 2, np.uint8), np.zeros(2, np.int64)


def _text(out: NDArray[np.uint8], found: NDArray[np.int64]) -> str:
    return str(out[: found[0]].data, "utf-8")


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
