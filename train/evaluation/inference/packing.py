"""Texts that begin alike, computed once: the beginning of several is one path of a tree, which a mask keeps apart.

    texts, sorted -> packs of at most so many tokens -> nodes: token, position, what each sees -> the path of each text

The beginning of more texts than a pack holds (the solved examples before all questions of a subject) is a pack's
`prefix`: its keys and values are computed once and kept for the packs behind it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Ids = list[int]
LEAST = 64  # tokens that texts share before it is worth while to keep them in a cache


@dataclass(frozen=True, slots=True)
class Pack:
    """Texts computed together behind a `prefix` that all of them begin with.

    `tokens` and `positions` are the nodes of what follows it, and `seen[i, j]` whether node i sees node j. The path of
    text `numbers[k]` are the nodes `paths[k]`, whose first stands behind the prefix.
    """

    prefix: Ids
    tokens: NDArray[np.int64]
    positions: NDArray[np.int64]
    seen: NDArray[np.bool_]
    numbers: tuple[int, ...]
    paths: tuple[NDArray[np.int64], ...]


def shared(one: Ids, other: Ids) -> int:
    """Return how many tokens two texts begin alike with."""
    low, high = 0, min(len(one), len(other))
    while low < high:  # the first `low` are alike; halves are compared, which is faster than one by one
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def packs(texts: Sequence[Ids], scored: Sequence[int], size: int, kept: bool = True) -> Iterator[Pack]:
    """Yield packs of about `size` nodes with every text once; those with one prefix stand behind each other.

    The last `scored` tokens of a text, at least one, are never of a prefix; without `kept` there are no prefixes.
    """
    order = sorted(range(len(texts)), key=texts.__getitem__)
    for family, length in _families(texts, scored, order, size) if kept else [(order, 0)]:
        start = 0
        while start < len(family):
            stop = _full(texts, family, start, length, size)
            yield _pack(texts, family[start:stop], length)
            start = stop


def _families(
    texts: Sequence[Ids], scored: Sequence[int], order: list[int], size: int
) -> Iterator[tuple[list[int], int]]:
    """Yield runs of texts with the tokens that all begin with and that are kept for their packs: 0 where none are."""
    alike = [shared(texts[one], texts[other]) for one, other in pairwise(order)]
    loose: list[int] = []
    start = 0
    while start < len(order):
        stop, length = start + 1, len(texts[order[start]])
        # Texts go on being of one family while they share most of what they have.
        while stop < len(order) and alike[stop - 1] >= max(LEAST, len(texts[order[stop]]) // 2):
            length = min(length, alike[stop - 1])
            stop += 1
        family = order[start:stop]
        length = min(length, *(len(texts[number]) - scored[number] for number in family))
        if length >= LEAST and _nodes(texts, family, 0) > size:
            yield family, length
        else:
            loose += family
        start = stop
    if loose:
        yield loose, 0


def _nodes(texts: Sequence[Ids], family: Sequence[int], length: int) -> int:
    new = [len(texts[family[0]]) - length]
    new += [len(texts[other]) - max(length, shared(texts[one], texts[other])) for one, other in pairwise(family)]
    return sum(new)


def _full(texts: Sequence[Ids], family: Sequence[int], start: int, length: int, size: int) -> int:
    """Return where a pack that starts with a text ends: with the last that fits, at least one."""
    nodes = len(texts[family[start]]) - length
    stop = start + 1
    while stop < len(family):
        mine = texts[family[stop]]
        nodes += len(mine) - max(length, shared(texts[family[stop - 1]], mine))
        if nodes > size:
            break
        stop += 1
    return stop


def _pack(texts: Sequence[Ids], numbers: Sequence[int], length: int) -> Pack:
    count = _nodes(texts, numbers, length)
    tokens, positions = np.empty(count, np.int64), np.empty(count, np.int64)
    seen = np.zeros((count, count), np.bool_)
    path = np.empty(0, np.int64)
    paths: list[NDArray[np.int64]] = []
    last: Ids = []
    end = 0
    for number in numbers:
        text = texts[number]
        kept = max(0, shared(last, text) - length)
        start, end = end, end + len(text) - length - kept
        path = np.concatenate([path[:kept], np.arange(start, end)])
        tokens[start:end] = text[length + kept :]
        positions[start:end] = np.arange(length + kept, len(text))
        seen[start:end, path[:kept]] = True
        seen[start:end, start:end] = np.tri(end - start, dtype=np.bool_)
        paths.append(path)
        last = text
    return Pack(texts[numbers[0]][:length], tokens, positions, seen, tuple(numbers), tuple(paths))
