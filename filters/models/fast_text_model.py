"""A supervised fastText model as arrays, as `filters/native/fast_text.c` reads it.

    file ─ fast_text_file: checked ─> arguments, names, n-grams that are kept, matrices ─> arrays ─> most probable label

A quantised input matrix is unpacked: a row times its norm is what fastText adds up too, number by number. What is rare
(a quantised output matrix, another loss than softmax or hierarchical softmax, an old format) is left to fastText.
"""

from __future__ import annotations

import ctypes
import mmap
import threading
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from filters.models import fast_text_file
from filters.models.fast_text_file import CENTROIDS, Dense, Layout, Quantised
from filters.native import binding

_VERSION: Final = 12
_ALL_GRAMS, _NO_GRAMS, _SOME_GRAMS = 0, 1, 2
_NO_LABEL, _NO_MEMORY = -1, -2
# fastText cuts rows into pairs by default, which makes 8; rows of many numbers a code stay packed.
_UNPACKED_PER_BYTE: Final = 64

Floats = NDArray[np.float32]


class UnsupportedError(ValueError):
    """A model that only fastText itself can use."""


class _Model(binding.Model):
    """The struct `model` of fast_text.c; its fields keep the arrays that they point to."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("dimension", "shortest", "longest", "word_grams", "bucket", "grams")),
        *((name, ctypes.c_int64) for name in ("words", "labels", "slots")),
        *((name, ctypes.POINTER(ctypes.c_float)) for name in ("input", "output")),
        ("tree", ctypes.POINTER(ctypes.c_int32)),
        ("names", ctypes.POINTER(ctypes.c_uint8)),
        ("starts", ctypes.POINTER(ctypes.c_int64)),
        ("table", ctypes.POINTER(ctypes.c_int32)),
        ("kept", ctypes.POINTER(ctypes.c_uint64)),
        ("before", ctypes.POINTER(ctypes.c_int32)),
        ("hierarchical", ctypes.c_int64),
    )


class Arrays:
    """A model for `altiplano_best_label`.

    Raises ValueError for a file that is no model fit for use, UnsupportedError for one that is only for fastText.
    """

    def __init__(self, path: Path) -> None:
        self._threads = threading.local()
        content, layout = fast_text_file.opened(path)
        try:
            self._read(content, layout)
        except UnsupportedError as error:
            raise UnsupportedError(f"{path}: {error}") from error

    def best(self, text: str, *, delete_feeds: bool) -> tuple[str, float] | None:
        """Return the most probable label with its probability, None if no word is known; line feeds are spaces, or not.

        Raises LookupError where fastText itself must answer: no compiled library, text without a UTF-8 form, or a model
        of which no probability comes out.
        """
        library, utf8 = binding.library(), binding.in_utf8(text)
        if not library or not utf8:
            raise LookupError("there is no compiled library, or no UTF-8")
        probability = ctypes.c_float()
        room = binding.room_for(utf8.size).text if delete_feeds else None
        number = library.altiplano_best_label(
            self._model, utf8, utf8.size, room, self._cache(library), ctypes.byref(probability)
        )
        if number == _NO_MEMORY:
            raise MemoryError("no memory for the words of a line")
        if number < _NO_LABEL:
            raise LookupError("not a number")
        return None if number == _NO_LABEL else (self.labels[number], probability.value)

    def _cache(self, library: ctypes.CDLL) -> Any:
        """Return where this thread remembers words."""
        if not hasattr(self._threads, "cache"):
            self._threads.cache = binding.first(np.zeros(library.altiplano_label_cache_bytes(self._model), np.uint8))
        return self._threads.cache

    def _read(self, content: mmap.mmap, layout: Layout) -> None:
        _require(layout.version == _VERSION, "not format version 12")
        _require(layout.loss in (fast_text_file.HIERARCHICAL, fast_text_file.SOFTMAX), "not a softmax of labels")
        _require(isinstance(layout.output, Dense), "a quantised output matrix")
        matrix, output = _matrix(content, layout.input), _matrix(content, layout.output)
        grams, bits, before = _ALL_GRAMS, np.empty(0, np.uint64), np.empty(0, np.int32)
        if layout.kept is not None:
            grams = _SOME_GRAMS if len(layout.kept) else _NO_GRAMS
            matrix, bits, before = _in_order(matrix, layout.kept, layout.words, layout.bucket)
        names = [content[start:end] for start, end in layout.names.tolist()]
        self.labels = [name.decode() for name in names[layout.words :]]
        starts = np.cumsum([0, *map(len, names)], dtype=np.int64)
        blob = np.frombuffer(bytearray(b"".join(names)), np.uint8)
        table = _table(blob, starts)
        arrays: tuple[NDArray[Any], ...] = (matrix, output, layout.tree.ravel(), blob, starts, table, bits, before)
        self._model = _Model(
            *(layout.dimension, layout.shortest, layout.longest, layout.word_grams, layout.bucket, grams),
            *(layout.words, layout.labels, len(table) - 1),
            *(binding.pointer(array) for array in arrays),
            layout.loss == fast_text_file.HIERARCHICAL,
        )


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise UnsupportedError(problem)


def _array(content: mmap.mmap, kind: type[np.generic], count: int, start: int) -> NDArray[Any]:
    """Return some numbers of the file, shape (count,); a copy: in the file they lie as they come."""
    return np.frombuffer(content, np.dtype(kind).newbyteorder("<"), count, start).astype(kind)


def _matrix(content: mmap.mmap, found: Dense | Quantised) -> Floats:
    """Return a matrix, shape (rows, columns), unpacked if it is quantised."""
    if not found.rows:
        return np.empty((0, found.columns), np.float32)
    if isinstance(found, Dense):
        return _array(content, np.float32, found.rows * found.columns, found.start).reshape(-1, found.columns)
    _require(4 * found.columns <= _UNPACKED_PER_BYTE * found.parts, "a matrix that would be far larger than its file")
    codes = np.frombuffer(content, np.uint8, found.rows * found.parts, found.codes).reshape(found.rows, found.parts)
    centroids = _array(content, np.float32, CENTROIDS * found.columns, found.centroids)
    matrix = np.empty((found.rows, found.columns), np.float32)
    for part in range(found.parts):
        start = part * found.width
        wide = min(found.width, found.columns - start)
        # fastText lays the centroids of the last, narrower part out by its own width.
        table = centroids[CENTROIDS * start : CENTROIDS * (start + wide)].reshape(CENTROIDS, wide)
        matrix[:, start : start + wide] = table[codes[:, part]]
    if found.norm_centroids:
        norms = _array(content, np.float32, CENTROIDS, found.norm_centroids)
        matrix *= norms[np.frombuffer(content, np.uint8, found.rows, found.norm_codes)][:, None]
    return matrix


def _in_order(
    matrix: Floats, kept: NDArray[np.int32], words: int, bucket: int
) -> tuple[Floats, NDArray[np.uint64], NDArray[np.int32]]:
    """Return the rows of words, then those of the kept n-grams in order; a bit for each n-gram; how many before 64."""
    grams, rows = kept[np.argsort(kept[:, 0], kind="stable")].T
    bits = np.zeros(-(-bucket // 64) or 1, np.uint64)
    np.bitwise_or.at(bits, grams >> 6, np.uint64(1) << (grams & 63).astype(np.uint64))
    counts = np.bincount(grams >> 6, minlength=len(bits))
    before = (np.cumsum(counts) - counts).astype(np.int32)
    return np.ascontiguousarray(matrix[np.concatenate([np.arange(words), words + rows.astype(np.int64)])]), bits, before


def _table(names: NDArray[np.uint8], starts: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return an open hash table of names by fastText's own hash, at most half full."""
    library = binding.library()
    if library is None:
        raise UnsupportedError("there is no compiled library")
    count = len(starts) - 1
    table = np.full(1 << (2 * count).bit_length(), -1, np.int32)
    library.altiplano_name_table(
        binding.first(names), binding.first(starts), count, binding.first(table), len(table) - 1
    )
    return table
