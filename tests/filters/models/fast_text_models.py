"""fastText models written number by number, so that a test can make any of them wrong."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

ARGUMENTS = {
    "dim": 4,
    "ws": 5,
    "epoch": 5,
    "minCount": 1,
    "neg": 5,
    "wordNgrams": 1,
    "loss": 1,
    "model": 3,
    "bucket": 10,
    "minn": 2,
    "maxn": 3,
    "lrUpdateRate": 100,
}


@dataclass(frozen=True)
class Written:
    """A model; `sizes` and `shape` take the place of what the file says of itself."""

    arguments: dict[str, int] = field(default_factory=lambda: dict(ARGUMENTS))
    words: Sequence[bytes] = (b"</s>", b"tal", b"berg")
    labels: Sequence[bytes] = (b"__label__a", b"__label__b")
    counts: Sequence[int] = (9, 7, 5, 4, 3)
    kinds: Sequence[int] | None = None
    kept: Sequence[tuple[int, int]] | None = None
    sizes: dict[str, int] = field(default_factory=dict)
    shape: dict[str, int] = field(default_factory=dict)
    value: float | None = None
    magic: int = 793712314
    version: int = 12
    behind: bytes = b""

    def but(self, **arguments: int) -> Written:
        """Return the same with other arguments."""
        return replace(self, arguments=self.arguments | arguments)

    def content(self) -> bytes:
        """Return the file."""
        kept = self.kept
        named = [*self.words, *self.labels]
        sizes = {"size": len(named), "nwords": len(self.words), "nlabels": len(self.labels), "ntokens": 99}
        sizes |= {"pruneidx_size": -1 if kept is None else len(kept)} | self.sizes
        parts = [struct.pack("<2i12id", self.magic, self.version, *self.arguments.values(), 0.1)]
        parts.append(struct.pack("<3i2q", *(sizes[name] for name in sizes)))
        kinds = self.kinds or [0] * len(self.words) + [1] * len(self.labels)
        parts += [
            name + b"\0" + struct.pack("<qb", count, kind)
            for name, count, kind in zip(named, self.counts, kinds, strict=True)
        ]
        parts += [struct.pack("<2i", *pair) for pair in kept or ()]
        return b"".join([*parts, *self._matrices()]) + self.behind

    def _matrices(self) -> list[bytes]:
        dim, bucket = self.arguments["dim"], self.arguments["bucket"]
        rows = len(self.words) + (len(self.kept) if self.kept is not None else max(0, min(bucket, 100)))
        shape = {"rows": rows, "columns": dim} | self.shape
        values: Any = (
            np.random.default_rng(1).normal(size=(rows + len(self.labels), max(0, min(dim, 100)))).astype("<f4")
        )
        if self.value is not None:
            values[0, 0] = np.float32(self.value)
        output = struct.pack("<?2q", False, len(self.labels), dim) + values[rows:].tobytes()
        if self.kept is None:
            return [struct.pack("<?2q", False, shape["rows"], shape["columns"]), values[:rows].tobytes(), output]
        parts, width = shape.get("parts", 2), shape.get("width", 2)
        head = struct.pack("<??2qi", True, False, shape["rows"], shape["columns"], shape.get("codes", rows * 2))
        codes = bytes(number % 256 for number in range(rows * 2))
        quantiser = struct.pack("<4i", shape.get("dim", dim), parts, width, shape.get("last", 2))
        centroids = np.random.default_rng(2).normal(size=max(0, min(dim, 100)) * 256).astype("<f4")
        if self.value is not None:
            centroids[5] = self.value
        return [head, codes, quantiser, centroids.tobytes(), output]


PLAIN = Written()
PRUNED = Written(kept=((1, 0), (7, 2), (3, 1)))
SOFTMAX = PLAIN.but(loss=3)


def many_labels(counts: Sequence[int], dim: int = 1) -> Written:
    """Return a model of labels with these counts, and one word."""
    labels = [b"__label__%d" % number for number in range(len(counts))]
    return Written(ARGUMENTS | {"dim": dim, "bucket": 0, "minn": 0, "maxn": 0}, (b"tal",), labels, [1, *counts])


def chain(length: int) -> Written:
    """Return a model whose labels make a tree that is a chain: all of no count, as the nodes that are made of them."""
    return many_labels([0] * length)
