"""A supervised fastText model as arrays, as `filters/fast_text.c` reads it.

    file (format version 12) ─ arguments, names, n-grams that are kept, matrices ─> arrays ─> most probable label

A quantised input matrix is unpacked: a row times its norm is what fastText adds up too, number by number. What is rare
(a quantised output matrix, another loss than softmax or hierarchical softmax, an old format) is left to fastText.
"""

from __future__ import annotations

import ctypes
import mmap
import struct
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from filters import native

_MAGIC: Final = 793712314
_VERSION: Final = 12
_SUPERVISED: Final = 3
_HIERARCHICAL, _SOFTMAX = 1, 3
_ALL_GRAMS, _NO_GRAMS, _SOME_GRAMS = 0, 1, 2
_CENTROIDS: Final = 256
_NO_LABEL, _NO_MEMORY = -1, -2
_LARGEST: Final = 2**31 - 1

Floats = NDArray[np.float32]


class UnsupportedError(ValueError):
    """A model that only fastText itself can read, or none at all."""


class _Model(native.Model):
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
    """A model for `altiplano_best_label`; raises UnsupportedError for a file that is not of the usual kind."""

    def __init__(self, path: Path) -> None:
        self._threads = threading.local()
        try:
            with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
                self._read(_File(content))
        except (struct.error, ValueError, IndexError, OverflowError) as error:
            raise UnsupportedError(f"{path}: {error}") from error

    def best(self, text: str, *, delete_feeds: bool) -> tuple[str, float] | None:
        """Return the most probable label with its probability, None if no word is known; line feeds are spaces, or not.

        Raises LookupError where fastText itself must answer: no compiled library, text without a UTF-8 form, or a model
        of which no probability comes out.
        """
        library, utf8 = native.library(), native.in_utf8(text)
        if not library or not utf8:
            raise LookupError("there is no compiled library, or no UTF-8")
        probability = ctypes.c_float()
        room = native.room_for(utf8.size).text if delete_feeds else None
        number = library.altiplano_best_label(
            self._model, utf8, utf8.size, room, self._cache(library), ctypes.byref(probability)
        )
        if number == _NO_MEMORY:
            raise MemoryError("no memory for the words of a line")
        if number < _NO_LABEL:
            raise LookupError("not a number")
        return None if number == _NO_LABEL else (self._labels[number], probability.value)

    def _cache(self, library: ctypes.CDLL) -> Any:
        """Return where this thread remembers words."""
        if not hasattr(self._threads, "cache"):
            self._threads.cache = native.first(np.zeros(library.altiplano_label_cache_bytes(self._model), np.uint8))
        return self._threads.cache

    def _read(self, file: _File) -> None:
        magic, version = file.numbers("2i")
        _require(magic == _MAGIC and version == _VERSION, "not format version 12")
        dimension, _, _, _, _, word_grams, loss, kind, bucket, shortest, longest, _ = file.numbers("12i")
        file.numbers("d")
        _require(kind == _SUPERVISED and loss in (_HIERARCHICAL, _SOFTMAX), "not a softmax of labels")
        size, words, labels, _, kept = file.numbers("3i2q")
        _require(labels > 0 and words >= 0 and size == words + labels and kept <= _LARGEST, "unlikely sizes")
        _require(dimension > 0 and (bucket > 0 or (longest <= 0 and word_grams <= 1)), "no buckets")
        names, counts, kinds = file.names(size)
        _require(kinds == [0] * words + [1] * labels, "words and labels are not in order")
        pruned = file.array(np.int32, 2 * max(kept, 0)).reshape(-1, 2)
        (quantised,) = file.numbers("?")
        _require(quantised or kept < 0, "n-grams are left out of a matrix that is not quantised")
        matrix = file.quantised() if quantised else file.dense()
        (packed,) = file.numbers("?")
        _require(not (quantised and packed), "a quantised output matrix")
        output = file.dense()
        _require(output.shape[0] >= labels and matrix.shape[1] == output.shape[1] == dimension, "sizes differ")
        grams, bits, before = _ALL_GRAMS, np.empty(0, np.uint64), np.empty(0, np.int32)
        if kept >= 0:
            grams = _SOME_GRAMS if kept else _NO_GRAMS
            matrix, bits, before = _in_order(matrix, pruned, words, bucket)
        _require(len(matrix) >= words + (max(bucket, 0) if grams == _ALL_GRAMS else kept), "rows are missing")
        _require(len(matrix) <= _LARGEST, "too many rows")
        self._labels = [name.decode(errors="replace") for name in names[words:]]
        starts = np.cumsum([0, *map(len, names)], dtype=np.int64)
        blob = np.frombuffer(bytearray(b"".join(names)), np.uint8)
        tree = _tree(counts[words:]) if loss == _HIERARCHICAL else np.empty(0, np.int32)
        table = _table(blob, starts)
        arrays: tuple[NDArray[Any], ...] = (matrix, output, tree, blob, starts, table, bits, before)
        self._model = _Model(
            *(dimension, shortest, longest, word_grams, bucket, grams, words, labels, len(table) - 1),
            *(native.pointer(array) for array in arrays),
        )
        self._model.hierarchical = loss == _HIERARCHICAL


class _File:
    """The bytes of a model, read from the start to the end; ValueError or struct.error where they end too soon."""

    def __init__(self, content: mmap.mmap) -> None:
        self._content = content
        self._at = 0

    def numbers(self, layout: str) -> tuple[Any, ...]:
        """Read a few numbers."""
        found = struct.unpack_from(f"<{layout}", self._content, self._at)
        self._at += struct.calcsize(f"<{layout}")
        return found

    def array(self, kind: type[np.generic], count: int) -> NDArray[Any]:
        """Read an array, shape (count,)."""
        start, self._at = self._at, self._at + count * np.dtype(kind).itemsize
        if not count:
            return np.empty(0, kind)
        # A copy: in the file numbers lie as they come.
        return np.frombuffer(self._content, np.dtype(kind).newbyteorder("<"), count, start).astype(kind)

    def names(self, size: int) -> tuple[list[bytes], list[int], list[int]]:
        """Read words and labels with their counts and kinds."""
        names, counts, kinds = [], [], []
        for _ in range(size):
            end = self._content.find(b"\0", self._at)
            _require(end >= 0, "a name has no end")
            names.append(self._content[self._at : end])
            self._at = end + 1
            count, kind = self.numbers("qb")
            counts.append(count)
            kinds.append(kind)
        return names, counts, kinds

    def dense(self) -> Floats:
        """Read a matrix, shape (rows, columns)."""
        rows, columns = self.numbers("2q")
        _require(rows >= 0 and columns > 0, "an unlikely matrix")
        return self.array(np.float32, rows * columns).reshape(rows, columns)

    def quantised(self) -> Floats:
        """Read a product-quantised matrix and unpack it."""
        normed, rows, columns, size = self.numbers("?2qi")
        codes = self.array(np.uint8, size)
        centroids, parts, width = self._quantiser(columns)
        _require(rows >= 0 and size == rows * parts and parts == -(-columns // width), "unlikely codes")
        codes = codes.reshape(rows, parts)
        found = np.empty((rows, columns), np.float32)
        for part in range(parts):
            start = part * width
            wide = min(width, columns - start)
            # fastText lays the centroids of the last, narrower part out by its own width.
            table = centroids[_CENTROIDS * start : _CENTROIDS * (start + wide)].reshape(_CENTROIDS, wide)
            found[:, start : start + wide] = table[codes[:, part]]
        if normed:
            norm_codes = self.array(np.uint8, rows)
            with np.errstate(all="ignore"):  # whatever the numbers are, they are fastText's
                found *= self._quantiser(1)[0][norm_codes][:, None]
        return found

    def _quantiser(self, columns: int) -> tuple[Floats, int, int]:
        """Read centroids, and into how many parts of which width they cut a row."""
        dimension, parts, width, _ = self.numbers("4i")
        _require(dimension == columns and parts > 0 and width > 0, "an unlikely quantiser")
        return self.array(np.float32, dimension * _CENTROIDS), parts, width


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise ValueError(problem)


def _in_order(
    matrix: Floats, pruned: NDArray[np.int32], words: int, bucket: int
) -> tuple[Floats, NDArray[np.uint64], NDArray[np.int32]]:
    """Return the rows of words, then those of the kept n-grams in order; a bit for each n-gram; how many before 64."""
    grams, rows = pruned[np.argsort(pruned[:, 0], kind="stable")].T
    _require(not len(grams) or (grams[0] >= 0 and grams[-1] < bucket), "an n-gram out of range")
    _require(len(np.unique(grams)) == len(grams), "an n-gram twice")
    _require(not len(rows) or (rows.min() >= 0 and words + rows.max() < len(matrix)), "a row out of range")
    flags = np.zeros(-(-bucket // 64) * 64 or 64, np.uint8)
    flags[grams] = 1
    bits = np.packbits(flags, bitorder="little").view("<u8")
    before = np.concatenate([[0], np.cumsum(flags.reshape(-1, 64).sum(1))[:-1]]).astype(np.int32)
    return np.ascontiguousarray(matrix[np.concatenate([np.arange(words), words + rows])]), bits, before


def _table(names: NDArray[np.uint8], starts: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return an open hash table of names by fastText's own hash, at most half full."""
    library = native.library()
    if library is None:
        raise ValueError("there is no compiled library")
    count = len(starts) - 1
    table = np.full(1 << (2 * count).bit_length(), -1, np.int32)
    library.altiplano_name_table(native.first(names), native.first(starts), count, native.first(table), len(table) - 1)
    return table


def _tree(counts: Sequence[int]) -> NDArray[np.int32]:
    """Return the children of fastText's Huffman tree's inner nodes, shape (labels - 1, 2); labels come first."""
    labels = len(counts)
    weights = [*counts, *[10**15] * (labels - 1)]
    children = np.empty((labels - 1, 2), np.int32)
    leaf, node = labels - 1, labels
    for inner in range(labels, 2 * labels - 1):
        for side in range(2):
            if leaf >= 0 and weights[leaf] < weights[node]:
                children[inner - labels, side], leaf = leaf, leaf - 1
            else:
                children[inner - labels, side], node = node, node + 1
        _require(children[inner - labels].max() < inner, "counts that no tree is made of")
        weights[inner] = sum(weights[child] for child in children[inner - labels])
    return children
