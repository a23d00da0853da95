"""Draws: what a model is trained on, chosen by hash from document shards, shard by shard.

    document shard -> take -> (group, hash, payload), those with hash < rate -> a run of blobs for each group
    runs of all shards -> the smallest hashes -> training text, in the order of hash

A shard is read once, by any worker; whoever trains reads an index of hashes, and only the payloads that it takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.files import runs, tables
from pipelines.files.current import renewed
from pipelines.hashing import SCALE, keyed

DECIMALS = 9  # of rates, which are part of an identity
OVERSAMPLE = 10  # times as many as are wanted are drawn, where only some of them will do


@dataclass(frozen=True)
class Draw:
    """One shard's draw: `take(draw)` yields (group, hash, payload); `rates` say what share of a group is wanted."""

    path: str
    run: str
    rates: Mapping[str, float]
    identity: str
    take: Callable[[Draw], Iterator[tuple[str, int, bytes]]]
    detail: Any = None

    @property
    def manifest(self) -> str:
        """The path of the draw's manifest."""
        return f"{self.run}.json"

    def run_of(self, group: str) -> str:
        """Return the path of a group's run."""
        return f"{self.run}-{group}.run"

    def wants(self, group: str, key: int) -> bool:
        """Tell whether a hash falls under a group's rate."""
        return key < self.rates[group] * SCALE


def draw(task: Draw) -> None:
    """Write what one shard has of each group."""
    with renewed(task.manifest, task.identity) as facts:
        hashes: dict[str, list[int]] = {group: [] for group in task.rates}
        payloads: dict[str, list[bytes]] = {group: [] for group in task.rates}
        for group, key, payload in task.take(task):
            hashes[group].append(key)
            payloads[group].append(payload)
        for group in task.rates:
            runs.write_blobs(task.run_of(group), hashes[group], payloads[group], buckets=1)
        facts["drawn"] = {group: len(keys) for group, keys in hashes.items()}


def rate(wanted: float, there: int) -> float:
    """Return the share of `there` that gives about `wanted`."""
    return round(min(1.0, wanted / max(there, 1)), DECIMALS)


def drawn(paths: Sequence[str], limit: int | None = None) -> Iterator[bytes]:
    """Yield the payloads of runs in the order of their hashes: of more than `limit` those with the smallest."""
    ordered = sorted(paths)
    whole = [runs.Slice(item, path, 0, runs.records(path)) for item, path in enumerate(ordered)]
    hashes, items, _ = runs.gather(whole, runs.BLOB)
    taken = items[np.argsort(hashes["hash"], kind="stable")[:limit]]
    counts = np.bincount(taken, minlength=len(ordered))
    # Each run is sorted, so that what is taken of it is its beginning.
    found = [
        record
        for item, path in enumerate(ordered)
        for record in runs.read_blobs(runs.Slice(item, path, 0, int(counts[item])))
    ]
    for _, payload in sorted(found):
        yield payload


def size(path: str) -> tuple[int, int]:
    """Return how many payloads a run has, and their bytes."""
    index = runs.read_keys(runs.Slice(0, path, 0, runs.records(path)), runs.BLOB)
    return len(index), int(index["length"].sum())


def take_texts(task: Draw) -> Iterator[tuple[str, int, bytes]]:
    """Take whole texts, of the only group "text"."""
    for row in tables.read_rows(task.path, ["id", "text"]):
        key = keyed("tokenizer", row["id"])
        if task.wants("text", key):
            yield "text", key, row["text"].encode()
