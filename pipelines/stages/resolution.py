"""The steps of a `Resolve`: candidate pairs by bucket of keys, verification by bucket of pairs, one decision.

    runs of keys ─ shuffle ─> candidates, one run of pairs each ─ shuffle ─> overlaps ─ one small task ─> removals

There are as many buckets as the keys fill (`buckets_for`): a bucket is three files, whether it holds anything or not.
Every step leaves manifests under the stage's name, so that an interrupted one goes on where it stopped; what is
shuffled are slices of run files. The steps themselves are in `pipelines.dedup.pairs`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.dedup import clusters, pairs
from pipelines.files import runs, storage
from pipelines.files.current import renewed
from pipelines.hashing import digest_of
from pipelines.stages.decisions import reducers_for
from pipelines.stages.jobs import Job, Shuffle
from pipelines.stages.kinds import MEMBER, Paths, Resolve, reducer_name

# Verification tasks: enough for any number of workers, few enough for slices of every bucket's pairs.
MAX_VERIFIERS = 256
# Keys that are worth a bucket of their own: below, the files of a bucket take longer than what is decided in it. But a
# few buckets there always are, for a few workers.
BUCKET_KEYS, LEAST_BUCKETS = 1 << 16, 4
CANDIDATES, VERIFIED = "candidates", "verified"


@dataclass(frozen=True)
class Resolution:
    """One `Resolve` over the items of the stage before, and where everything is written.

    `buckets` are those of this decision, a power of two up to the runs' own. It travels with each task, so that it
    holds no lists of files: those of shards are in a file.
    """

    stage: Resolve
    paths: Paths
    identity: str
    items: int
    buckets: int
    threshold: float

    @property
    def manifest(self) -> str:
        """The path of the decision's manifest: that of the only reducer."""
        return self.paths.manifest(self.stage.name, reducer_name(0))

    @property
    def step_identity(self) -> str:
        """What identifies the steps' files: besides what is decided, how the work is cut."""
        return digest_of(self.identity, self.buckets)

    @property
    def verifiers(self) -> int:
        """The number of verification tasks."""
        return min(self.buckets, MAX_VERIFIERS)

    @property
    def _listed(self) -> str:
        return self.paths.work(f"{self.stage.name}_{VERIFIED}", "shards.json")

    def steps(self, label: str, shards: Sequence[str], run_files: Sequence[str]) -> Iterator[Job | Shuffle]:
        """Yield the steps in order, each complete: a step runs when those before it are done.

        `shards` and `run_files` are those of the stage before, in the order of items.
        """
        if storage.read_json(self._listed) != list(shards):
            storage.write_json(self._listed, list(shards))
        found = [self._file(CANDIDATES, bucket, "run") for bucket in range(self.buckets)]
        for name, sources, split, reduce, count in (
            (CANDIDATES, run_files, self.split_keys, self.find, self.buckets),
            (VERIFIED, found, self.split_pairs, self.verify, self.verifiers),
        ):
            outputs = [self._manifest(name, bucket) for bucket in range(count)]
            elements = list(enumerate(sources))
            yield Shuffle(f"{label}, {name}", split, elements, reduce, range(count), outputs)
        yield Job(label, run_resolve, [self], [self.manifest])

    def split_keys(self, element: tuple[int, str]) -> Iterator[tuple[int, runs.Slice]]:
        """Yield (bucket, slice) of one run of keys."""
        yield from runs.slices(*element, self.buckets)

    def split_pairs(self, element: tuple[int, str]) -> Iterator[tuple[int, runs.Slice]]:
        """Yield (bucket, slice) of one run of pairs."""
        yield from runs.slices(*element, self.verifiers)

    def find(self, bucket: int, found: Sequence[runs.Slice]) -> None:
        """Write the candidate pairs of one bucket of keys."""
        with self._renewed(CANDIDATES, bucket) as facts:
            records, items, _ = runs.gather(found, runs.RANKED_KEY)
            made, hot = self.candidates(records, items)
            runs.write_keys(self._file(CANDIDATES, bucket, "run"), made, self.verifiers)
            facts |= {"pairs": len(made), "hot": hot}

    def candidates(self, records: runs.Records, items: npt.NDArray[np.uint32]) -> tuple[runs.Records, int]:
        """Return the pairs of one bucket that are to be verified, and how many keys are hot."""
        return pairs.candidates(records, items)

    def verify(self, bucket: int, found: Sequence[runs.Slice]) -> None:
        """Write the overlaps among one bucket of pairs."""
        with self._renewed(VERIFIED, bucket) as facts:
            candidates, _, _ = runs.gather(found, pairs.PAIR)
            wanted = pairs.merged(candidates, self.stage.measure, self.threshold)
            load = partial(pairs.load, storage.read_json(self._listed))
            overlaps = pairs.verified(wanted, load, self.stage.measure, self.threshold)
            storage.write_bytes(self._file(VERIFIED, bucket, "overlaps"), overlaps.tobytes())
            facts |= {"pairs": len(candidates), "pairs_verified": len(wanted), "pairs_overlapping": len(overlaps)}

    def _file(self, step: str, bucket: int, kind: str) -> str:
        return self.paths.work(f"{self.stage.name}_{step}", f"{reducer_name(bucket)}.{kind}")

    def _manifest(self, step: str, bucket: int) -> str:
        return self.paths.manifest(f"{self.stage.name}_{step}", reducer_name(bucket))

    @contextmanager
    def _renewed(self, step: str, bucket: int) -> Iterator[dict[str, Any]]:
        with renewed(self._manifest(step, bucket), self.step_identity) as facts:
            facts["item"] = reducer_name(bucket)
            yield facts

    def decide(self) -> None:
        """Write what is concluded; RuntimeError if a pair was lost on the way to its verification."""
        with renewed(self.manifest, self.identity) as facts:
            found = [storage.read_json(self._manifest(CANDIDATES, bucket)) for bucket in range(self.buckets)]
            done = [storage.read_json(self._manifest(VERIFIED, bucket)) for bucket in range(self.verifiers)]
            made, arrived = sum(row["pairs"] for row in found), sum(row["pairs"] for row in done)
            if made != arrived:
                raise RuntimeError(
                    f"{self.paths.source}/{self.stage.name} verified {arrived} of {made} candidate pairs"
                )
            files = (self._file(VERIFIED, bucket, "overlaps") for bucket in range(self.verifiers))
            overlaps = np.concatenate([np.frombuffer(storage.read_bytes(path), pairs.OVERLAP) for path in files])
            facts |= {
                "item": reducer_name(0),
                **self.conclude(overlaps),
                "pairs_verified": sum(row["pairs_verified"] for row in done),
                "pairs_overlapping": len(overlaps),
                "hot_keys": sum(row["hot"] for row in found),
            }

    def conclude(self, overlaps: runs.Records) -> dict[str, Any]:
        """Write what must go; return the facts of it."""
        items, removals, sizes, members = pairs.resolved(overlaps, self.stage.measure)
        path = self.paths.work(self.stage.name, f"{reducer_name(0)}.removals")
        runs.write_removals(path, items, removals, self.items)
        self._write_clusters(members)
        return {"marked": len(removals), "cluster_sizes": clusters.by_size(sizes)}

    def _write_clusters(self, members: runs.Records) -> None:
        path = clusters_file(self.paths, self.stage.name)
        runs.write_by_item(path, members["item"], members[list(MEMBER.names or ())].astype(MEMBER), self.items)


@dataclass(frozen=True)
class Together(Resolution):
    """One decision over the items of several sources, which follow each other; `sources` says how many each has."""

    sources: tuple[tuple[str, int], ...]

    def source_of(self, items: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
        """Return the number of each item's source."""
        return np.searchsorted(np.cumsum([count for _, count in self.sources]), items, side="right")

    def conclude(self, overlaps: runs.Records) -> dict[str, Any]:
        """Write what must go, a file for each source; return the facts of it."""
        items, removals, sizes, members = pairs.resolved(overlaps, self.stage.measure)
        self._write_clusters(members)
        number, first = self.source_of(items), 0
        marked: dict[str, int] = {}
        for place, (source, count) in enumerate(self.sources):
            own = number == place
            path = self.paths.work(self.stage.name, f"{reducer_name(place)}.removals")
            runs.write_removals(path, items[own] - np.uint32(first), removals[own], count)
            marked[source] = int(own.sum())
            first += count
        return {"marked": len(removals), "marked_of": marked, "cluster_sizes": clusters.by_size(sizes)}


def clusters_file(paths: Paths, stage: str) -> str:
    """Return the path of the file that says which documents are copies of one, by item."""
    return paths.work(stage, f"{reducer_name(0)}.clusters")


def buckets_for(keys: int, most: int) -> int:
    """Return into how many buckets so many keys are cut, a power of two up to `most`."""
    return max(min(LEAST_BUCKETS, most), reducers_for(keys, most, BUCKET_KEYS))


def run_resolve(task: Resolution) -> None:
    """Execute the last step."""
    task.decide()
