"""Near-duplicates of a few documents in memory: the order of being kept, and verification pair by pair."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pipelines.dedup.near import Hashes, Overlap, containment


def ranks(sizes: Sequence[int], keys: Sequence[str]) -> list[int]:
    """Return each document's number: 0 for the most complete, equal ones by the smaller key.

    `keys` are hashes of the content (equal keys mean equal content, whose order then makes no difference).
    """
    order = sorted(range(len(sizes)), key=lambda i: (-sizes[i], keys[i]))
    numbers = [0] * len(order)
    for number, i in enumerate(order):
        numbers[i] = number
    return numbers


def overlaps(
    pairs: Iterable[Sequence[int]],
    load: Callable[[int], Hashes],
    threshold: float = 0.9,
    measure: Callable[[Hashes, Hashes], float] = containment,
) -> list[Overlap]:
    """Return the candidate pairs whose true overlap is more than `threshold`, sorted.

    `load` returns all shingles of a document. The document with the larger number is measured within the one with the
    smaller, since only that one can be kept before it.
    """
    verified = []
    for pair in sorted({(int(min(pair)), int(max(pair))) for pair in pairs}):
        outer, inner = pair
        share = measure(load(inner), load(outer))
        if outer != inner and share > threshold:
            verified.append(Overlap(inner, outer, share))
    return sorted(verified)
