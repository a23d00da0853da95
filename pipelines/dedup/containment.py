"""Whole documents contained in others: candidates from sampled shingles, each verified, none removed through a chain.

runs of sampled shingles, bucket by bucket ─> candidate pairs ─> verified on all shingles ─> what must go
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines import runs, tables
from pipelines.dedup import near
from pipelines.document import Document
from pipelines.stages import Keys

# A pair is verified if it shares this part of what the threshold wants among the sampled shingles: a sample of a few
# shingles scatters, and verification decides anyway.
MARGIN = 0.5
SIZE, CONTENT = "shingles", "content"


def measured(document: Document) -> Document:
    """Return the document with what orders it among its like: the number of its shingles and a hash of its text."""
    content = hashlib.sha256(document.text.encode("utf-8", "replace")).hexdigest()[:16]
    return document.with_attributes(**{SIZE: str(len(near.shingles(document.text))), CONTENT: content})


def shingle_keys(document: Document, one_in: int) -> Keys:
    """Return one key for each sampled shingle."""
    return near.sample(near.shingles(document.text), one_in), None, None


def contained(
    shards: Sequence[str], run_files: Sequence[str], buckets: int, threshold: float
) -> tuple[npt.NDArray[np.uint32], runs.Records, Mapping[str, Any]]:
    """Return the documents of which more than `threshold` is contained in one that stays, as whole-document removals.

    Memory: one bucket of shingles, the candidate pairs, and the shingles of the documents being compared.
    """
    places, numbers = _numbered(shards)
    starts = [runs.bucket_starts(path) for path in run_files]
    sampled = np.zeros(len(places), np.int64)
    found = []
    for bucket in range(buckets):
        hashes, documents = _bucket(run_files, starts, bucket, numbers)
        np.add.at(sampled, documents, 1)
        found.append(near.candidates(hashes, documents))
    candidates = near.merged(found)
    wanted = threshold * MARGIN * sampled[candidates.pairs.max(axis=1, initial=0)] if len(candidates.pairs) else 0
    pairs = candidates.pairs[candidates.shared >= wanted]
    verified = near.overlaps(pairs.tolist(), _Loader(shards, places), threshold)
    gone = sorted(near.resolve(verified))
    items = np.array([places[number][0] for number in gone], np.uint32)
    removals = np.empty(len(gone), runs.REMOVAL)
    removals["doc"] = [places[number][1] for number in gone]
    removals["line"] = runs.WHOLE
    facts = {"pairs_verified": len(pairs), "pairs_overlapping": len(verified), "hot_shingles": candidates.hot}
    return items, removals, facts


def _numbered(shards: Sequence[str]) -> tuple[list[tuple[int, int]], list[npt.NDArray[np.int64]]]:
    """Return (item, row) of each document by its number, and the numbers of each item's rows."""
    rows = [
        (item, row, dict(found["attributes"]), found["id"])
        for item, path in enumerate(shards)
        for row, found in enumerate(tables.read_rows(path, ["id", "attributes"]))
    ]
    ranks = near.ranks([int(a[SIZE]) for _, _, a, _ in rows], [f"{a[CONTENT]}/{name}" for _, _, a, name in rows])
    places = [(0, 0)] * len(rows)
    sizes = Counter(item for item, *_ in rows)
    numbers = [np.zeros(sizes[item], np.int64) for item in range(len(shards))]
    for (item, row, _, _), number in zip(rows, ranks, strict=True):
        places[number] = (item, row)
        numbers[item][row] = number
    return places, numbers


def _bucket(
    run_files: Sequence[str],
    starts: Sequence[npt.NDArray[np.uint64]],
    bucket: int,
    numbers: Sequence[npt.NDArray[np.int64]],
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    slices = []
    for item, (path, table) in enumerate(zip(run_files, starts, strict=True)):
        start, end = int(table[bucket]), int(table[bucket + 1])
        if end > start:
            slices.append(runs.Slice(item, path, start, end - start))
    records, items = runs.gather(slices, runs.KEY)
    first = np.cumsum([0, *map(len, numbers)])
    known = np.concatenate([np.empty(0, np.int64), *numbers])
    return records["hash"].astype(np.uint64), known[first[items] + records["doc"]]


class _Loader:
    """Loads a document's shingles by its number, reading the row group that holds it."""

    def __init__(self, shards: Sequence[str], places: Sequence[tuple[int, int]]) -> None:
        self._shards, self._places = shards, places

    def __call__(self, number: int) -> near.Hashes:
        item, row = self._places[number]
        return near.shingles(tables.read_text(self._shards[item], row))
