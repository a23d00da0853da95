"""Run files: packed keys or blobs sorted by hash, with a table that says where each bucket begins.

A run is what a stage leaves of one work item for a global decision. Runs are what makes a shuffle cheap: Beam moves
only (bucket, slice) and the reducer of a bucket reads its slice of every run. A bucket is the top bits of the hash.

    keys    [KEY or RANKED_KEY records][uint64 bucket starts, buckets + 1][uint64 buckets]
    groups  the keys of several items in one run: the same, each record with the item that it came from
    blobs   [BLOB index records][uint64 bucket starts, buckets + 1][uint64 buckets] and a second file with the payloads
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.files import storage

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
Lines = npt.NDArray[np.uint32]
# What a `keys` function says of one kept document: hashes, owner ranks (None where nobody owns), line numbers (None
# where the key stands for the whole document).
Keys = tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64] | None, Lines | None]


@dataclass(frozen=True, slots=True)
class Slice:
    """Where one bucket's records of one run lie: `count` records of `path` from `start` on.

    `item` wrote the run; of a group, it is the first item, and each record says its own.
    """

    item: int
    path: str
    start: int
    count: int
    group: bool = False


def bucket_of(hashes: npt.NDArray[np.uint64], buckets: int) -> npt.NDArray[np.int64]:
    """Return the bucket of each hash: its top bits; `buckets` is a power of two."""
    assert buckets & (buckets - 1) == 0, buckets
    return (hashes >> np.uint64(64 - buckets.bit_length() + 1)).astype(np.int64) if buckets > 1 else _zeros(hashes)


def _zeros(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    return np.zeros(len(hashes), np.int64)


def write_keys(path: str, records: Records, buckets: int) -> None:
    """Write records of a dtype with a `hash` field as a run: sorted by all fields, bucket table at the end."""
    write_sorted(path, [_ordered(records)], buckets)


def _ordered(records: Records) -> Records:
    """Return records sorted by all fields: by hash first, for few share one, and those that do by the others."""
    rows = records[np.argsort(records["hash"].astype(np.uint64))]
    tied = np.zeros(len(rows), bool)
    tied[1:] = rows["hash"][1:] == rows["hash"][:-1]
    tied[:-1] |= tied[1:]
    again = rows[tied]
    rows[tied] = again[np.lexsort([again[name] for name in reversed(records.dtype.names or ())])]
    return rows


def write_sorted(path: str, pieces: Iterable[Records], buckets: int) -> None:
    """Write pieces that are sorted by hash, and follow each other, as one run."""
    counts = np.zeros(buckets, np.int64)
    with storage.write(path) as stream:
        for piece in pieces:
            counts += np.bincount(bucket_of(piece["hash"], buckets), minlength=buckets)
            stream.write(piece.tobytes())
        stream.write(np.concatenate([[0], np.cumsum(counts)]).astype(START).tobytes())
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


def key_dtype(*, ranked: bool) -> np.dtype[Any]:
    """Return the dtype of keys, with the rank of an owner or without."""
    return RANKED_KEY if ranked else KEY


def records(path: str) -> int:
    """Return how many records a run has."""
    return int(bucket_starts(path)[-1])


def slices(item: int, path: str, parts: int = 0, *, group: bool = False) -> Iterator[tuple[int, Slice]]:
    """Yield (bucket, slice) for each bucket of a run that has records; or for `parts` equal parts of the buckets."""
    starts = bucket_starts(path)
    if parts:
        assert (len(starts) - 1) % parts == 0, (len(starts) - 1, parts)
        starts = starts[:: (len(starts) - 1) // parts]
    for bucket in np.flatnonzero(starts[1:] > starts[:-1]):
        start, end = int(starts[bucket]), int(starts[bucket + 1])
        yield int(bucket), Slice(item, path, start, end - start, group)


def read_keys(where: Slice, dtype: np.dtype[Any]) -> Records:
    """Read one slice's records."""
    with storage.open_read(where.path) as stream:
        stream.seek(where.start * dtype.itemsize)
        return np.frombuffer(stream.read(where.count * dtype.itemsize), dtype)


def of_group(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of a group's keys: those of one item, the item, and whether it was marked within the group."""
    return np.dtype([*dtype.descr, ("item", "<u4"), ("marked", "<u4")])


def gather(
    found: Iterable[Slice], dtype: np.dtype[Any]
) -> tuple[Records, npt.NDArray[np.uint32], npt.NDArray[np.bool_]]:
    """Read many slices as one array, in the order of items.

    Returns the records, the item that each came from, and whether it was marked already; each of shape (n,).
    """
    ordered = sorted(found, key=lambda where: (where.item, where.path, where.start))
    if not ordered:
        return np.empty(0, dtype), np.empty(0, np.uint32), np.empty(0, np.bool_)
    if ordered[0].group:
        rows = np.concatenate([read_keys(where, of_group(dtype)) for where in ordered])
        return rows[list(dtype.names or ())].astype(dtype), rows["item"], rows["marked"].astype(np.bool_)
    records = np.concatenate([read_keys(where, dtype) for where in ordered])
    items = np.repeat(np.array([where.item for where in ordered], np.uint32), [where.count for where in ordered])
    return records, items, np.zeros(len(records), np.bool_)


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
    """Write removals (fields `doc`, `line`) grouped by item (from 0 up to `item_count`), for `read_removals`."""
    rows = np.empty(len(removals), REMOVAL)
    rows["doc"], rows["line"] = removals["doc"], removals["line"]
    write_by_item(path, items, rows, item_count)


def write_by_item(path: str, items: npt.NDArray[np.uint32], records: Records, item_count: int) -> None:
    """Write records grouped by item (from 0 up to `item_count`), with a table that says where each item's begin."""
    order = np.argsort(items.astype(np.uint16) if item_count <= 1 << 16 else items, kind="stable")  # 16 bits: radix
    starts = np.searchsorted(items[order], np.arange(item_count + 1)).astype(START)
    with storage.write(path) as stream:
        stream.write(records[order].tobytes())
        stream.write(starts.tobytes())
        stream.write(np.array([item_count], START).tobytes())


def read_by_item(path: str, item: int, dtype: np.dtype[Any], count: int = 1) -> list[Records]:
    """Read the records of `count` items from `item` on, for each of shape (n,)."""
    with storage.open_read(path) as stream:
        stream.seek(-START.itemsize, 2)
        item_count = int(np.frombuffer(stream.read(START.itemsize), START)[0])
        stream.seek(-START.itemsize * (item_count + 2 - item), 2)
        starts = np.frombuffer(stream.read(START.itemsize * (count + 1)), START).astype(np.int64)
        if starts[-1] == starts[0]:
            return [np.empty(0, dtype)] * count
        stream.seek(int(starts[0]) * dtype.itemsize)
        rows = np.frombuffer(stream.read(int(starts[-1] - starts[0]) * dtype.itemsize), dtype)
    return [rows[start:end] for start, end in pairwise((starts - starts[0]).tolist())]


def read_removals(paths: Iterable[str], item: int, count: int = 1) -> list[Records]:
    """Read the removals of `count` items from `item` on, from all decision files: for each of shape (n,), sorted."""
    found: list[list[Records]] = [[] for _ in range(count)]
    for path in paths:
        for number, rows in enumerate(read_by_item(path, item, REMOVAL, count)):
            found[number].append(rows)
    return [_sorted(np.concatenate(rows)) if rows else np.empty(0, REMOVAL) for rows in found]


def _sorted(removals: Records) -> Records:
    ordered = np.sort(removals["doc"].astype(np.uint64) << np.uint64(32) | removals["line"])
    rows = np.empty(len(ordered), REMOVAL)
    rows["doc"], rows["line"] = ordered >> np.uint64(32), ordered & np.uint64(0xFFFFFFFF)
    return rows
