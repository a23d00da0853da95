"""Near-duplicates over any number of files: what each of the three steps computes, without the runner.

    keys of a bucket of hashes ─ candidates ─> pairs, run files by inner document ─┐
    ┌──────────────────────────────────────────────────────────────────────────────┘
    └ pairs of a bucket ─ merged, verified on the texts ─> overlaps ─ resolved, all of them ─> what must go

Documents are known by (rank, item, row), the order in which they are kept: the rank puts the one with the most shingles
first, equals by what `ranks` says of them; or the newest first, where overlap is the same from both sides. A pair's
inner document is the later one. Only packed records travel; texts are read where they lie, so many at a time as
`budget` allows. `near` has the functions on hashes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pipelines.dedup import near, ranks
from pipelines.document import Document
from pipelines.files import runs, tables
from pipelines.hashing import keyed

Measure = Literal["containment", "jaccard"]
# An item and a row in it.
Place = tuple[int, int]
Load = Callable[[Sequence[Place]], Mapping[Place, near.Hashes]]
# Hashes, ranks and how many hashes the document has in all: the `Keys` of a stage.
RankedKeys = tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64], npt.NDArray[np.uint32]]

_PLACE = [("rank", "<u8"), ("item", "<u4"), ("doc", "<u4")]
_BOTH = [(f"{end}_{name}", kind) for end in ("inner", "outer") for name, kind in _PLACE]
PAIR = np.dtype([("hash", "<u8"), *_BOTH, ("keys", "<u4"), ("shared", "<u4")])
OVERLAP = np.dtype([*_BOTH, ("share", "<f8")])
MEMBER = np.dtype([("item", "<u4"), ("doc", "<u4"), ("cluster", "<u8"), ("share", "<f8"), ("overlap", "<f8")])
# A pair is verified if it shares this part of what the threshold wants among the sampled shingles: a sample of a few
# shingles scatters, and verification decides anyway.
MARGIN = 0.5
# Shingles (of 8 bytes) that are held while pairs are verified.
BUDGET = 1 << 25
# Of a rank: 4 bits of a place that is given, 28 of the number of shingles, 32 of `dedup.ranks`; from `NEWEST_FIRST` on
# how new it is comes before the number of shingles, which then has 20 bits: a file of GitHub's has no more.
LAST_PLACE, NEWEST_FIRST = 11, 12
_LARGEST, _LARGEST_FILE = (1 << 28) - 1, (1 << 20) - 1
# The third number of a release, for which 32 bits leave no room beside enough of a hash to tell equals apart.
_LEFT_OUT = 8
_BELOW_FILE = 60 - ranks.NEWNESS_BITS - 20


def rank(document: Document, shingles: int, place: int = LAST_PLACE) -> int:
    """Return where a document is in the order of being kept.

    By the place that it is given, from 0 to 15; then most shingles first, then by `dedup.ranks`. From `NEWEST_FIRST` on
    the newest comes first of those in one place, then the one with the most shingles.
    """
    hashed = keyed("near", document.id)
    if place < NEWEST_FIRST:
        *known, (newness, width) = ranks.of_document(document)
        low = ranks.packed([*known, (newness >> _LEFT_OUT, width - _LEFT_OUT)], hashed, 32)
        return place << 60 | (_LARGEST - min(shingles, _LARGEST)) << 32 | low
    newest = (ranks.newness(document), ranks.NEWNESS_BITS)
    rest = [(_LARGEST_FILE - min(shingles, _LARGEST_FILE), 20), (ranks.untold(document), ranks.UNTOLD_BITS)]
    return place << 60 | ranks.packed([newest, *rest], hashed, 60)


def place_of(found: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return the places that are in ranks."""
    return found >> np.uint64(60)


def shingles_of(found: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return how many shingles the documents of these ranks have."""
    most_first = np.uint64(_LARGEST) - ((found >> np.uint64(32)) & np.uint64(_LARGEST))
    newest_first = np.uint64(_LARGEST_FILE) - ((found >> np.uint64(_BELOW_FILE)) & np.uint64(_LARGEST_FILE))
    return np.where(place_of(found) < NEWEST_FIRST, most_first, newest_first)


def keys(document: Document, chosen: near.Hashes, shingles: near.Hashes, place: int = LAST_PLACE) -> RankedKeys:
    """Return the keys of a document, with its rank and how many they are; and one of the whole, not counted."""
    made = np.concatenate([chosen, near.whole(shingles)])
    order = np.full(len(made), rank(document, len(shingles), place), np.uint64)
    return made, order, np.full(len(made), len(chosen), np.uint32)


def sampled_keys(document: Document, one_in: int) -> RankedKeys:
    """Return one key for each shingle of a sample: enough for long documents."""
    found = near.shingles(document.text)
    return keys(document, near.sample(found, one_in), found)


def containment_keys(document: Document, window: int, place: int = LAST_PLACE) -> RankedKeys:
    """Return one key for each anchor of the document: enough for short ones too."""
    ordered = near.in_order(document.text)
    return keys(document, near.anchors(ordered, window), near.distinct(ordered), place)


def jaccard_keys(document: Document, cut: near.Bands, place: int = LAST_PLACE) -> RankedKeys:
    """Return one key for each band of the MinHash signature."""
    found = near.shingles(document.text)
    return keys(document, near.band_keys(near.minhash(found, cut.bands * cut.rows), cut), found, place)


def candidates(records: runs.Records, items: npt.NDArray[np.uint32]) -> tuple[runs.Records, int]:
    """Return the pairs (`PAIR`) that share keys of one bucket (`runs.RANKED_KEY`), and how many keys are hot."""
    # Most keys are of one document only, and are done with before anything else looks at them.
    shared = near.repeated(records["hash"].astype(np.uint64))
    records, items = records[shared], items[shared]
    first, numbers = _numbered([records["doc"], items, records["rank"]])
    found = near.candidates(records["hash"].astype(np.uint64), numbers)
    pairs = np.empty(len(found.pairs), PAIR)
    for column, end in ((1, "inner"), (0, "outer")):
        place = first[found.pairs[:, column]]
        pairs[f"{end}_rank"], pairs[f"{end}_item"] = records["rank"][place], items[place]
        pairs[f"{end}_doc"] = records["doc"][place]
    pairs["keys"] = records["line"][first[found.pairs[:, 1]]]
    pairs["shared"] = found.shared
    where = pairs["inner_item"].astype(np.uint64) << np.uint64(32) | pairs["inner_doc"]
    pairs["hash"] = near.mix(where + np.uint64(1))
    return pairs, found.hot


def _numbered(columns: Sequence[npt.NDArray[np.generic]]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Number the distinct rows by their columns, the last one first: (a row of each number, the number of each row)."""
    order = np.lexsort(columns)
    new = np.zeros(len(order), bool)
    for column in columns:
        new[1:] |= column[order][1:] != column[order][:-1]
    new[:1] = True
    numbers = np.empty(len(order), np.int64)
    numbers[order] = np.cumsum(new) - 1
    return order[new], numbers


def merged(pairs: runs.Records, measure: Measure, threshold: float) -> runs.Records:
    """Return each pair once, its shared keys of all buckets added up, without those that share too few."""
    first, numbers = _numbered([pairs[name] for name in ("outer_doc", "outer_item", "inner_doc", "inner_item")])
    shared = np.bincount(numbers, pairs["shared"], len(first))
    found = pairs[first]
    wanted = MARGIN * threshold * found["keys"] if measure == "containment" else np.ones(len(found))
    return found[shared >= wanted]


def verified(pairs: runs.Records, load: Load, measure: Measure, threshold: float, budget: int = BUDGET) -> runs.Records:
    """Return the pairs whose true overlap is more than `threshold` (`OVERLAP`), from all shingles of their texts.

    `load` returns the shingles of the documents at these places, (item, row) each.
    """
    exact = near.containment if measure == "containment" else near.jaccard
    found = np.empty(len(pairs), OVERLAP)
    for name, _ in _BOTH:
        found[name] = pairs[name]
    for begin, end in _chunks(pairs, budget):
        chunk = pairs[begin:end]
        inner, outer = _places(chunk, "inner"), _places(chunk, "outer")
        loaded = load(sorted({*inner, *outer}))
        found["share"][begin:end] = [exact(loaded[a], loaded[b]) for a, b in zip(inner, outer, strict=True)]
    return found[found["share"] > threshold]


def _places(pairs: runs.Records, end: str) -> list[Place]:
    return list(zip(pairs[f"{end}_item"].tolist(), pairs[f"{end}_doc"].tolist(), strict=True))


def _chunks(pairs: runs.Records, budget: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of pairs whose distinct documents have no more than `budget` shingles; one pair at least."""
    seen: set[Place] = set()
    begin = total = 0
    ends = [(_places(pairs, end), shingles_of(pairs[f"{end}_rank"]).tolist()) for end in ("inner", "outer")]
    for number in range(len(pairs)):
        new = {found[number]: shingles[number] for found, shingles in ends if found[number] not in seen}
        if number > begin and total + sum(new.values()) > budget:
            yield begin, number
            new = {found[number]: shingles[number] for found, shingles in ends}
            seen, begin, total = set(), number, 0
        seen |= new.keys()
        total += sum(new.values())
    if len(pairs):
        yield begin, len(pairs)


def load(shards: Sequence[str], places: Sequence[Place]) -> dict[Place, near.Hashes]:
    """Return the shingles of documents, read from the shard of each item."""
    rows: dict[int, list[int]] = {}
    for item, row in places:
        rows.setdefault(item, []).append(row)
    return {
        (item, row): near.shingles(text)
        for item, wanted in rows.items()
        for row, text in tables.read_texts(shards[item], wanted)
    }


def resolved(
    overlaps: runs.Records, measure: Measure
) -> tuple[npt.NDArray[np.uint32], runs.Records, list[int], runs.Records]:
    """Return the item of each document that must go, the removals (`runs.REMOVAL`), sizes and members of the clusters.

    A cluster is a document that stays with those that go for it. A `MEMBER` says how much of it is in that one, and by
    which overlap with that one it goes: the same number if containment is measured.
    """
    columns = [
        np.concatenate([overlaps[f"{end}_{name}"] for end in ("inner", "outer")]) for name in ("doc", "item", "rank")
    ]
    first, numbers = _numbered(columns)
    inner, outer = numbers[: len(overlaps)].tolist(), numbers[len(overlaps) :].tolist()
    found = map(near.Overlap, inner, outer, overlaps["share"].tolist())
    removed = near.resolve(found)
    gone = first[sorted(removed)]
    removals = np.empty(len(gone), runs.REMOVAL)
    removals["doc"], removals["line"] = columns[0][gone], runs.WHOLE
    sizes = [1 + count for _, count in sorted(Counter(removed.values()).items())]
    both = zip(_contained(overlaps, measure).tolist(), overlaps["share"].tolist(), strict=True)
    shares = dict(zip(zip(inner, outer, strict=True), both, strict=True))
    rows = [(one, kept, *shares[one, kept]) for one, kept in removed.items()]
    rows += [(kept, kept, 1.0, 1.0) for kept in sorted(set(removed.values()))]
    return columns[1][gone].astype(np.uint32), removals, sizes, _members(columns, first, rows)


def _contained(overlaps: runs.Records, measure: Measure) -> npt.NDArray[np.float64]:
    """Return which share of each inner document is in the outer one."""
    share: npt.NDArray[np.float64] = overlaps["share"]
    if measure == "containment":
        return share
    inner, outer = (shingles_of(overlaps[f"{end}_rank"]).astype(np.float64) for end in ("inner", "outer"))
    common = np.rint(share * (inner + outer) / (1 + share))  # J = c / (a + b - c)
    return np.minimum(common / inner, 1.0)


def _members(
    columns: Sequence[npt.NDArray[Any]], first: npt.NDArray[np.int64], rows: Sequence[tuple[int, int, float, float]]
) -> runs.Records:
    """Return members by rows of (number, that of the one that stays, share, overlap); a cluster's key is its place."""
    members = np.zeros(len(rows), MEMBER)
    one, kept = (first[np.array([row[column] for row in rows], np.int64)] for column in (0, 1))
    members["doc"], members["item"] = columns[0][one], columns[1][one]
    place = columns[1][kept].astype(np.uint64) << np.uint64(32) | columns[0][kept].astype(np.uint64)
    members["cluster"] = near.mix(place + np.uint64(1))
    members["share"], members["overlap"] = [row[2] for row in rows], [row[3] for row in rows]
    return members
