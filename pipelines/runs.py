"""Run files: packed keys or blobs sorted by hash, with a table that says where each bucket begins.

A run is what a stage leaves of one work item for a global decision. Runs are what makes a shuffle cheap: Beam moves
only (bucket, slice) and the reducer of a bucket reads its slice of every run. A bucket is the top bits of the hash.

    keys   [KEY or RANKED_KEY records][uint64 bucket starts, buckets + 1][uint64 buckets]
    blobs  [BLOB index records][uint64 bucket starts, buckets + 1][uint64 buckets] and a second file with the payloads
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines import storage

# `doc` is the row of the document in its stage shard, `line` the line in it; `rank` decides who owns a key (smallest).
KEY = np.dtype([("hash", "<u8"), ("doc", "<u4"), ("line", "<u4")])
RANKED_KEY = np.dtype([("hash", "<u8"), ("rank", "<u8"), ("doc", "<u4"), ("line", "<u4")])
BLOB = np.dtype([("hash", "<u8"), ("offset", "<u8"), ("length", "<u4"), ("padding", "<u4")])
START = np.dtype("<u8")
# `line` of a key or a removal that stands for the whole document.
WHOLE = (1 << 32) - 1
# The largest rank; RANK_LIMIT - x lets the largest x own a key.
RANK_LIMIT = (1 << 64) - 1

Records = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Slice:
    """Where one bucket's records of one run lie: `count` records of `path` from `start` on; `item` wrote the run."""

    item: int
    path: str
    start: int
    count: int


def bucket_of(hashes: npt.NDArray[np.uint64], buckets: int) -> npt.NDArray[np.int64]:
    """Return the bucket of each hash: its top bits; `buckets` is a power of two."""
    assert buckets & (buckets - 1) == 0, buckets
    return (hashes >> np.uint64(64 - buckets.bit_length() + 1)).astype(np.int64) if buckets > 1 else _zeros(hashes)


def _zeros(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    return np.zeros(len(hashes), np.int64)


def write_keys(path: str, records: Records, buckets: int) -> None:
    """Write records of a dtype with a `hash` field as a run: sorted by all fields, bucket table at the end."""
    names = records.dtype.names
    assert names is not None
    ordered = records[np.lexsort([records[name] for name in reversed(names)])]
    starts = np.searchsorted(bucket_of(ordered["hash"], buckets), np.arange(buckets + 1)).astype(START)
    with storage.write(path) as stream:
        stream.write(ordered.tobytes())
        stream.write(starts.tobytes())
        stream.write(np.array([buckets], START).tobytes())


def write_blobs(path: str, hashes: Sequence[int], payloads: Sequence[bytes], buckets: int) -> None:
    """Write payloads as a run of blobs, `path` for the index and `path`.blobs for the bytes, in the order of hashes."""
    keys = np.array(hashes, np.uint64)
    order = np.argsort(keys, kind="stable")
    index = np.zeros(len(keys), BLOB)
    index["hash"] = keys[order]
    index["length"] = [len(payloads[i]) for i in order]
    index["offset"] = np.concatenate([[0], np.cumsum(index["length"], dtype=np.uint64)])[:-1] if len(keys) else 0
    with storage.write(f"{path}.blobs") as stream:
        for i in order:
            stream.write(payloads[i])
    write_keys(path, index, buckets)


def bucket_starts(path: str) -> npt.NDArray[np.uint64]:
    """Return a run's bucket table, shape (buckets + 1,), in records."""
    with storage.open_read(path) as stream:
        stream.seek(-START.itemsize, 2)
        buckets = int(np.frombuffer(stream.read(START.itemsize), START)[0])
        stream.seek(-START.itemsize * (buckets + 2), 2)
        return np.frombuffer(stream.read(START.itemsize * (buckets + 1)), START)


def records(path: str) -> int:
    """Return how many records a run has."""
    return int(bucket_starts(path)[-1])


def slices(item: int, path: str) -> Iterator[tuple[int, Slice]]:
    """Yield (bucket, slice) for each bucket of a run that has records."""
    starts = bucket_starts(path)
    for bucket in np.flatnonzero(starts[1:] > starts[:-1]):
        start, end = int(starts[bucket]), int(starts[bucket + 1])
        yield int(bucket), Slice(item, path, start, end - start)


def read_keys(where: Slice, dtype: np.dtype[Any]) -> Records:
    """Read one slice's records."""
    with storage.open_read(where.path) as stream:
        stream.seek(where.start * dtype.itemsize)
        return np.frombuffer(stream.read(where.count * dtype.itemsize), dtype)


def gather(found: Iterable[Slice], dtype: np.dtype[Any]) -> tuple[Records, npt.NDArray[np.uint32]]:
    """Read many slices as one array, with the item that each record came from; slices in the order of items."""
    ordered = sorted(found, key=lambda where: (where.item, where.path, where.start))
    records = [read_keys(where, dtype) for where in ordered]
    items = [np.full(where.count, where.item, np.uint32) for where in ordered]
    if not records:
        return np.empty(0, dtype), np.empty(0, np.uint32)
    return np.concatenate(records), np.concatenate(items)


def read_blobs(where: Slice) -> Iterator[tuple[int, bytes]]:
    """Yield (hash, payload) of one slice of a run of blobs, in the order of hashes."""
    index = read_keys(where, BLOB)
    if not len(index):
        return
    first, last = int(index["offset"][0]), int(index["offset"][-1] + index["length"][-1])
    with storage.open_read(f"{where.path}.blobs") as stream:
        stream.seek(first)
        blob = stream.read(last - first)
    for key, offset, length in zip(
        index["hash"].tolist(), index["offset"].tolist(), index["length"].tolist(), strict=True
    ):
        yield key, blob[offset - first : offset - first + length]


# Decisions: what a reducer answers, (doc, line) removals sorted by item, with the place where each item's begin.
REMOVAL = np.dtype([("doc", "<u4"), ("line", "<u4")])


def write_removals(path: str, items: npt.NDArray[np.uint32], removals: Records, item_count: int) -> None:
    """Write removals (fields `doc`, `line`) grouped by item, for `read_removals`."""
    order = np.lexsort([removals["line"], removals["doc"], items])
    rows = np.empty(len(order), REMOVAL)
    rows["doc"] = removals["doc"][order]
    rows["line"] = removals["line"][order]
    starts = np.searchsorted(items[order], np.arange(item_count + 1)).astype(START)
    with storage.write(path) as stream:
        stream.write(rows.tobytes())
        stream.write(starts.tobytes())
        stream.write(np.array([item_count], START).tobytes())


def read_removals(paths: Iterable[str], item: int) -> Records:
    """Read one item's removals from all decision files, shape (n,), sorted by document and line."""
    found = []
    for path in paths:
        starts = bucket_starts(path)
        start, end = int(starts[item]), int(starts[item + 1])
        if end > start:
            found.append(read_keys(Slice(item, path, start, end - start), REMOVAL))
    if not found:
        return np.empty(0, REMOVAL)
    removals = np.concatenate(found)
    return removals[np.lexsort([removals["line"], removals["doc"]])]
