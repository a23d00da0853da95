"""What a fastText model's file says, checked before anything else reads it: neither fastText nor C asks a file twice.

    file (format version 11 or 12) ─ arguments, names, n-grams that are kept, matrices ─> Layout, or a ValueError

A damaged or hostile file is refused by name here, in time and memory in proportion to its size: what it announces must
be in it, counts must be those of a tree, and what would keep fastText at work without end (long n-grams, buckets by the
billion) has bounds that no model comes near. What is accepted may be given to fastText and to `fast_text_model`.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from filters.models.require import require

CENTROIDS: Final = 256
HIERARCHICAL, NEGATIVES, SOFTMAX, ONE_AGAINST_ALL = 1, 2, 3, 4  # losses

# fastText's own defaults for labels are 0 and 1, lid.176 has 4 and 1, its word vectors 6; time grows with the square.
LONGEST_GRAM: Final = 32  # characters of an n-gram, words of an n-gram
# fastText's default is 2,000,000. A pruned model needs but a bit for each; without pruning each has a row in the file.
MOST_PRUNED_BUCKETS: Final = 1 << 26
# fastText keeps a number for each n-gram of the names, of which lid.176.ftz has one for six bytes of its file.
GRAMS_PER_BYTE: Final = 16
_FEW_GRAMS: Final = 1 << 20
# fastText starts its tree with this count in each inner node, and so none may be as large.
TREE_START: Final = 10**15
# A tree of counts from 1 on is no deeper: each level takes at least the next Fibonacci number, and these fill 64 bits.
DEEPEST: Final = 91
# Sums of the products of two such numbers stay floats, so no answer is infinite or no number; models have under 1,000.
LARGEST_VALUE: Final = 1e15

_MAGIC: Final = 793712314
_VERSIONS: Final = (11, 12)
_SUPERVISED: Final = 3
_LEAST_NAME: Final = 10  # bytes: its end, its count, its kind
_CHUNK: Final = 1 << 20  # numbers
_LARGEST: Final = 2**31 - 1

_ARGUMENTS: Final = (
    *("dim", "ws", "epoch", "minCount", "neg", "wordNgrams", "loss", "model", "bucket", "minn", "maxn"),
    "lrUpdateRate",
)


@dataclass(frozen=True, slots=True)
class Dense:
    """A matrix of 32-bit floats: its first byte in the file, its shape."""

    start: int
    rows: int
    columns: int


@dataclass(frozen=True, slots=True)
class Quantised:
    """A product-quantised matrix: `parts` codes for each row, each of `width` numbers, the last of what is left.

    Codes and centroids are first bytes in the file; those of the norms are 0 where rows have none.
    """

    rows: int
    columns: int
    parts: int
    width: int
    codes: int
    centroids: int
    norm_codes: int
    norm_centroids: int


@dataclass(frozen=True, slots=True)
class Layout:
    """What the file of a supervised model says.

    `names` has the first byte and the end of each word, then of each label, shape (words + labels, 2). `kept` are the
    n-grams that a pruned model keeps and their rows behind those of words, shape (n, 2), None for a model that keeps
    all. `tree` has the children of the labels' inner nodes, shape (labels - 1, 2), none but for a hierarchical softmax.
    """

    version: int
    dimension: int
    word_grams: int
    loss: int
    bucket: int
    shortest: int
    longest: int
    words: int
    labels: int
    names: NDArray[np.int64]
    kept: NDArray[np.int32] | None
    tree: NDArray[np.int32]
    input: Dense | Quantised
    output: Dense | Quantised


def opened(path: Path) -> tuple[mmap.mmap, Layout]:
    """Return the bytes of a model and what they say; raises ValueError that names the path, the field and its value.

    Raises OSError if there is no such file.
    """
    with path.open("rb") as stream:
        try:
            content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:
            raise ValueError(f"{path}: not a fastText model: the file is empty") from error
    try:
        return content, _Reader(content).layout()
    except ValueError as error:
        raise ValueError(f"{path}: not a fastText model that can be used: {error}") from error


def huffman(counts: Sequence[int]) -> NDArray[np.int32]:
    """Return the children of the inner nodes of fastText's tree of labels, shape (labels - 1, 2); labels come first.

    Raises ValueError for counts of which fastText makes no tree, or one that is deeper than DEEPEST.
    """
    labels = len(counts)
    if (total := sum(counts)) >= TREE_START or (labels and min(counts) < 1):
        wrong = min(counts) if min(counts) < 1 else total
        raise ValueError(f"a count of labels is {wrong}; must be at least 1, and all under {TREE_START:,} together")
    weights = [*counts, *[TREE_START] * (labels - 1)]
    heights = [0] * len(weights)
    children = []
    leaf, node = labels - 1, labels
    for inner in range(labels, 2 * labels - 1):
        pair = []
        for _ in range(2):
            if leaf >= 0 and weights[leaf] < weights[node]:
                pair.append(leaf)
                leaf -= 1
            else:
                pair.append(node)
                node += 1
        assert max(pair) < inner, "a node is made of two that come before it"
        weights[inner] = weights[pair[0]] + weights[pair[1]]
        heights[inner] = 1 + max(heights[pair[0]], heights[pair[1]])
        children.append(pair)
    if heights and heights[-1] > DEEPEST:
        raise ValueError(f"the tree of labels has {heights[-1]:,} levels; must have at most {DEEPEST}")
    return np.array(children, np.int32).reshape(-1, 2)


class _Reader:
    """The bytes of a model, read from the start to the end; ValueError where they end too soon or cannot be right."""

    def __init__(self, content: mmap.mmap) -> None:
        self._content = content
        self._at = 0

    def layout(self) -> Layout:
        """Read all of it."""
        version, arguments = self._arguments()
        dim = arguments["dim"]
        words, labels, kept = self._sizes()
        names, counts = self._names(words, labels)
        self._check_grams(names, arguments)
        tree = huffman(counts) if arguments["loss"] == HIERARCHICAL else np.empty((0, 2), np.int32)
        pruned = self._kept(kept)
        quantised = self._flag("quant")
        require(quantised or kept < 0, "pruneidx_size", kept, "must be -1 for a model that is not quantised")
        matrix = self._quantised("input", dim) if quantised else self._dense("input", dim)
        packed = self._flag("qout") and quantised
        output = self._quantised("output", dim) if packed else self._dense("output", dim)
        require(output.rows == labels, "rows of output", output.rows, f"must be nlabels ({labels})")
        require(words <= matrix.rows <= _LARGEST, "rows of input", matrix.rows, f"must be nwords ({words}) or more")
        _check_rows(arguments["bucket"], matrix.rows - words, pruned)
        left = len(self._content) - self._at
        require(not left, "the number of bytes behind the model", left, "must be 0")
        return Layout(
            version=version,
            dimension=dim,
            word_grams=arguments["wordNgrams"],
            loss=arguments["loss"],
            bucket=arguments["bucket"],
            shortest=arguments["minn"],
            longest=arguments["maxn"],
            words=words,
            labels=labels,
            names=names,
            kept=pruned,
            tree=tree,
            input=matrix,
            output=output,
        )

    def _arguments(self) -> tuple[int, dict[str, int]]:
        """Read the version and fastText's arguments, by its names."""
        magic, version = self._numbers("2i", "the header")
        require(magic == _MAGIC, "the first number", magic, f"must be {_MAGIC}")
        require(version in _VERSIONS, "the version", version, "must be 11 or 12")
        arguments = dict(zip(_ARGUMENTS, self._numbers("12i", "the arguments"), strict=True))
        self._numbers("d", "the arguments")
        if version == 11:
            arguments["maxn"] = 0  # as fastText takes it
        _check_arguments(arguments)
        return version, arguments

    def _sizes(self) -> tuple[int, int, int]:
        """Read the numbers of words, of labels, and of n-grams that are kept, -1 for all of them."""
        size, words, labels, tokens, kept = self._numbers("3i2q", "the dictionary")
        require(labels >= 1, "nlabels", labels, "must be at least 1")
        require(
            words >= 0 and size == words + labels, "nwords", words, f"must be size ({size}) less nlabels ({labels})"
        )
        require(tokens >= 0, "ntokens", tokens, "must not be negative")
        require(kept >= -1, "pruneidx_size", kept, "must be -1 or more")
        return words, labels, kept

    def _kept(self, kept: int) -> NDArray[np.int32] | None:
        """Read the n-grams that are kept and their rows."""
        if kept < 0:
            return None
        start = self._take(8 * kept, "pruneidx_size", kept)
        return self._array("<i4", 2 * kept, start).reshape(-1, 2).astype(np.int32)

    def _take(self, size: int, field: str, value: object) -> int:
        """Return where the next `size` bytes start."""
        start, left = self._at, len(self._content) - self._at
        require(size <= left, field, value, f"takes {size:,} bytes, but the file has only {left:,} more")
        self._at += size
        return start

    def _numbers(self, layout: str, field: str) -> tuple[Any, ...]:
        start = self._take(struct.calcsize(f"<{layout}"), field, "cut short")
        return struct.unpack_from(f"<{layout}", self._content, start)

    def _flag(self, field: str) -> bool:
        (value,) = self._numbers("B", field)
        require(value in (0, 1), field, value, "must be 0 or 1")
        return bool(value)

    def _array(self, kind: str, count: int, start: int) -> NDArray[Any]:
        return np.frombuffer(self._content, kind, count, start) if count else np.empty(0, kind)

    def _names(self, words: int, labels: int) -> tuple[NDArray[np.int64], list[int]]:
        """Read words and labels: return where each lies, and the counts of labels."""
        size = words + labels
        left = len(self._content) - self._at
        require(
            _LEAST_NAME * size <= left,
            "size",
            size,
            f"takes {_LEAST_NAME * size:,} bytes, but the file has only {left:,}",
        )
        find, ends, at = self._content.find, [], self._at
        starts = [at]
        for _ in range(size):
            end = find(b"\0", at)
            ends.append(end)
            at = end + _LEAST_NAME
            if end < 0 or at > len(self._content):
                raise ValueError(
                    f"name {len(ends) - 1:,} of {size:,} is cut short; must have an end, a count and a kind"
                )
            starts.append(at)
        self._at = at
        names = np.column_stack([np.array(starts[:-1], np.int64), np.array(ends, np.int64)])
        counts = self._check_names(names, words)
        return names, counts[words:].tolist()

    def _check_names(self, names: NDArray[np.int64], words: int) -> NDArray[np.int64]:
        """Return the counts of all names."""
        content = np.frombuffer(self._content, np.uint8)
        counts = np.ascontiguousarray(content[names[:, 1:] + np.arange(1, 9)]).view("<i8").ravel()
        kinds = content[names[:, 1] + 9]
        wrong = (counts < 0) | (counts >= TREE_START)
        if wrong.any():
            at = int(np.argmax(wrong))
            raise ValueError(f"the count of name {at:,} is {counts[at]}; must be 0 to {TREE_START - 1:,}")
        wrong = kinds != (np.arange(len(names)) >= words)
        if wrong.any():
            at = int(np.argmax(wrong))
            raise ValueError(f"the kind of name {at:,} is {kinds[at]}; must be 0 for words, then 1 for labels")
        seen = {self._content[start:end] for start, end in names.tolist()}
        require(len(seen) == len(names), "the number of different names", len(seen), f"must be size ({len(names)})")
        for number, (start, end) in enumerate(names[words:].tolist()):
            try:
                self._content[start:end].decode()
            except UnicodeDecodeError as error:
                raise ValueError(f"label {number:,} is {self._content[start:end][:40]!r}; must be UTF-8") from error
        return counts

    def _check_grams(self, names: NDArray[np.int64], arguments: dict[str, int]) -> None:
        """Require that the names' n-grams, which fastText keeps a number for each of, are not many for such a file."""
        lengths = max(0, arguments["maxn"] - max(arguments["minn"], 1) + 1)
        grams = lengths * int((names[:, 1] - names[:, 0] + 2).sum())
        most = GRAMS_PER_BYTE * len(self._content) + _FEW_GRAMS
        require(grams <= most, "maxn", arguments["maxn"], f"makes up to {grams:,} n-grams of names; must be {most:,}")

    def _dense(self, name: str, dim: int) -> Dense:
        rows, columns = self._numbers("2q", f"the shape of {name}")
        require(rows >= 0, f"rows of {name}", rows, "must not be negative")
        require(columns == dim, f"columns of {name}", columns, f"must be dim ({dim})")
        found = Dense(self._take(4 * rows * columns, f"rows of {name}", rows), rows, columns)
        self._largest(found.start, rows * columns, name)
        return found

    def _quantised(self, name: str, dim: int) -> Quantised:
        normed = self._flag(f"qnorm of {name}")
        rows, columns, size = self._numbers("2qi", f"the shape of {name}")
        require(rows >= 0, f"rows of {name}", rows, "must not be negative")
        require(columns == dim, f"columns of {name}", columns, f"must be dim ({dim})")
        require(size >= 0, f"codesize of {name}", size, "must not be negative")
        codes = self._take(size, f"codesize of {name}", size)
        parts, width, centroids, largest = self._quantiser(columns, name)
        require(size == rows * parts, f"codesize of {name}", size, f"must be rows ({rows}) by nsubq ({parts})")
        norm_codes = norm_centroids = 0
        if normed:
            norm_codes = self._take(rows, f"rows of {name}", rows)
            _, _, norm_centroids, norm = self._quantiser(1, f"the norms of {name}")
            require(largest * norm <= LARGEST_VALUE, f"a number of {name}", largest * norm, _small())
        return Quantised(rows, columns, parts, width, codes, centroids, norm_codes, norm_centroids)

    def _quantiser(self, columns: int, name: str) -> tuple[int, int, int, float]:
        """Return into how many parts of which width a row is cut, where the centroids are, and their largest number."""
        dimension, parts, width, last = self._numbers("4i", f"the quantiser of {name}")
        require(dimension == columns, f"dim of {name}", dimension, f"must be its columns ({columns})")
        require(1 <= width <= columns, f"dsub of {name}", width, f"must be 1 to {columns}")
        require(parts == -(-columns // width), f"nsubq of {name}", parts, f"must be {-(-columns // width)}")
        expected = columns - (parts - 1) * width
        require(last == expected, f"lastdsub of {name}", last, f"must be {expected}")
        start = self._take(4 * CENTROIDS * columns, f"dim of {name}", columns)
        return parts, width, start, self._largest(start, CENTROIDS * columns, name)

    def _largest(self, start: int, count: int, name: str) -> float:
        """Return the largest number of some, 0 for none; all must be numbers, and none too large."""
        largest = 0.0
        for numbers in self._chunks(start, count):
            found = float(np.abs(numbers).max())
            require(found <= LARGEST_VALUE, f"a number of {name}", found, _small())
            largest = max(largest, found)
        return largest

    def _chunks(self, start: int, count: int) -> Iterator[NDArray[Any]]:
        for done in range(0, count, _CHUNK):
            yield self._array("<f4", min(_CHUNK, count - done), start + 4 * done)


def _small() -> str:
    return f"must be at most {LARGEST_VALUE:.0e}"


def _check_arguments(arguments: dict[str, int]) -> None:
    model, loss = arguments["model"], arguments["loss"]
    require(model == _SUPERVISED, "model", model, f"must be {_SUPERVISED} (supervised)")
    require(HIERARCHICAL <= loss <= ONE_AGAINST_ALL, "loss", loss, f"must be {HIERARCHICAL} to {ONE_AGAINST_ALL}")
    require(arguments["dim"] >= 1, "dim", arguments["dim"], "must be at least 1")
    for field in ("wordNgrams", "minn", "maxn"):
        require(0 <= arguments[field] <= LONGEST_GRAM, field, arguments[field], f"must be 0 to {LONGEST_GRAM}")
    least = int(arguments["maxn"] > 0 or arguments["wordNgrams"] > 1)
    require(arguments["bucket"] >= least, "bucket", arguments["bucket"], f"must be at least {least}")


def _check_rows(bucket: int, rows: int, pruned: NDArray[np.int32] | None) -> None:
    """Require that every n-gram that has a row has one of those `rows` behind the rows of words, and none two."""
    if pruned is None:
        require(bucket <= rows, "bucket", bucket, f"the input matrix has {rows:,} rows for n-grams")
        return
    require(bucket <= MOST_PRUNED_BUCKETS, "bucket", bucket, f"must be at most {MOST_PRUNED_BUCKETS:,} if pruned")
    for field, most, numbers in (("n-gram", bucket, pruned[:, 0]), ("row", rows, pruned[:, 1])):
        if len(numbers):
            ends = numbers.min(), numbers.max()
            wrong = int(ends[0] if ends[0] < 0 else ends[1])
            require(ends[0] >= 0 and ends[1] < most, f"a kept {field}", wrong, f"must be 0 to {most - 1:,}")
            different = len(np.unique(numbers))
            require(different == len(numbers), f"the number of kept {field}s", different, f"must be {len(numbers):,}")
