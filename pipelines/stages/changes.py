"""A few documents of each stage as they came and as they went on, so that a reader can see what a cleaner does.

    a stage's item ─ the documents with the smallest hashes that it changed ─> ITEM.changes beside its manifest
    a few items of each stage, by hash ─ collect ─> SOURCE/changes.json

Both are excerpts of bounded length; the bounds do not depend on how large the corpus is.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

from pipelines.files import storage
from pipelines.files.tables import well_formed
from pipelines.hashing import keyed

PAIRS = 4  # of an item, and of a stage in the whole source
ITEMS = 16  # of a stage, that pairs are collected from
CHARACTERS = 4_000  # of each side of a pair
_ANCHOR = 40  # characters by which the beginning of the result is found in what it was made from
_LEAD = 1_500  # characters shown of what was cut off before it

Pair = dict[str, str]


class Changes:
    """Collects the pairs of one item: of the documents that a stage changed, those with the smallest hashes of ids."""

    def __init__(self) -> None:
        self._found: list[tuple[int, str, str, str, str]] = []

    def add(self, identifier: str, before: Callable[[], str], after: str, language: str | None = None) -> None:
        """Take note of a document; `before` is asked for its text only if the document is a candidate.

        `language` is the document's as the stage left it, None where it was not known then.
        """
        rank = -keyed("change", identifier)
        if len(self._found) == PAIRS and rank <= self._found[0][0]:
            return
        original = before()
        if original == after:
            return
        heapq.heappush(self._found, (rank, identifier, *excerpts(original, after), language or ""))
        if len(self._found) > PAIRS:
            heapq.heappop(self._found)

    def write(self, path: str) -> None:
        """Write the pairs, smallest hash first."""
        found = sorted(self._found, reverse=True)
        pairs = [{"id": name, "before": old, "after": new, "language": code} for _, name, old, new, code in found]
        storage.write_json(path, [{key: well_formed(value) for key, value in pair.items()} for pair in pairs])


def excerpts(before: str, after: str) -> tuple[str, str]:
    """Return the part of both texts that shows a change best: where the result begins, with some of what went."""
    anchor = after[:_ANCHOR]
    found = before.find(anchor) if anchor else -1
    start = max(0, found - _LEAD) if found > CHARACTERS - _LEAD else 0
    return before[start : start + CHARACTERS], after[:CHARACTERS]


def collect(paths: Sequence[str]) -> list[Pair]:
    """Return a stage's pairs from some of its items' files, chosen by the hash of their names."""
    chosen = sorted(paths, key=lambda path: keyed("change", path.rpartition("/")[2]))[:ITEMS]
    found = [pair for path in chosen for pair in storage.read_json(path) or ()]
    return sorted(found, key=lambda pair: keyed("change", pair["id"]))[:PAIRS]
