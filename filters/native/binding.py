"""Our C as Python calls it: found, compiled, and given only objects that keep the memory that they stand for.

`python -m filters.native.binding` compiles the files of this folder with the C compiler of this machine, and `make`
does so at set-up. Nothing needs it: where there is no compiler, the Python twins of its functions give the same result
more slowly. The library lies beside its source and is named after the source's digest, so that an old one is never
loaded (its name does not end in .so, which Python would take for a module). It knows nothing of Python, and so serves
any version of it.

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
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

SOURCES: Final = tuple(Path(__file__).with_name(name) for name in ("web.c", "fast_text.c", "unigram.c"))
COMPILERS: Final = ("cc", "gcc", "clang")
# No product is added before it is rounded: sums of floats are those of the libraries.
OPTIONS: Final = ("-O3", "-std=c11", "-ffp-contract=off", "-shared", "-fPIC", "-lm")


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


def main() -> int:
    """Compile the library; say so where it cannot be, which is no error: all else works."""
    if problem := compile_library():
        print(f"web pages are handled in Python, with the same result but more slowly: {problem}", file=sys.stderr)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
