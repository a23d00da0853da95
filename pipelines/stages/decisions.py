"""The steps of a `Decide`: which documents or lines must go, over any number of work items, in bounded memory.

    runs of keys ─ shuffle by bucket ─> removals, a file for each reducer ─> read by each item

With more than `fan_in` items a reducer would open too many runs, and an item too many files of removals. Then items
are taken in groups, and nothing opens more files than a group has items, or there are groups, or reducers:

    runs ─ merge ─> a run for each group ─ shuffle by bucket ─> removals ─ by item ─> a file for each group

Duplicates within a group are duplicates among all, so that a group sends on one record of each key, however often the
key stands in it: a line that half of a crawl's pages have is no burden for its reducer. Other rules (which keys are
rare, which another source has) see every record. Every step leaves manifests, so
that an interrupted decision goes on where it stopped. What is decided does not depend on groups, buckets or reducers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.files import runs, storage
from pipelines.files.current import renewed
from pipelines.hashing import digest_of
from pipelines.stages.jobs import Job, Shuffle
from pipelines.stages.kinds import Decide, Paths, Removals, reducer_name

MERGE, BY_ITEM = "merge", "by_item"
MARK = np.dtype([*runs.REMOVAL.descr, ("item", "<u4")])


@dataclass(frozen=True, slots=True)
class Group:
    """Consecutive items whose runs are merged: `number` names the group, `first` is its first item."""

    number: int
    first: int
    runs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cut:
    """How the items of a decision are cut: into windows that are compared, and into groups that are merged.

    `items` are the source's own, numbered from 0; `others` those of the other source, numbered on. Each window of
    `window` items (0: all) is decided by itself; more than `fan_in` files are not opened at once.
    """

    items: int
    others: int
    window: int = 0
    fan_in: int = 64

    @property
    def width(self) -> int:
        """The number of items in a window."""
        return max(1, self.window or self.items)

    @property
    def windows(self) -> int:
        """The number of windows."""
        return max(1, -(-self.items // self.width))

    @property
    def grouped(self) -> bool:
        """Tell whether there are so many items that they are taken in groups."""
        return max(min(self.width, self.items), self.others) > self.fan_in

    def groups(self, run_files: Sequence[str]) -> list[Group]:
        """Return the groups: they end with a window, and with this source's items."""
        firsts = [
            first
            for start in range(0, self.items, self.width)
            for first in range(start, min(start + self.width, self.items), self.fan_in)
        ]
        firsts += range(self.items, self.items + self.others, self.fan_in)
        ends = [*firsts[1:], len(run_files)]
        return [Group(n, firsts[n], tuple(run_files[firsts[n] : ends[n]])) for n in range(len(firsts))]

    def compared(self, counts: Sequence[int]) -> int:
        """Return a sum over all windows of counts by item: another source's in each of them."""
        return sum(counts[: self.items]) + self.windows * sum(counts[self.items :])


@dataclass(frozen=True)
class Decision:
    """One `Decide` over the items of the stage before, and where everything is written.

    Each window is decided by itself, by `reducers` reducers, a power of two up to `buckets`. It travels with each task,
    so that it holds no lists of files.
    """

    stage: Decide
    paths: Paths
    identity: str
    cut: Cut
    buckets: int
    reducers: int
    reducer_keys: int = 1 << 24

    @property
    def step_identity(self) -> str:
        """What identifies the steps' files: besides what is decided, how the work is cut."""
        return digest_of(self.identity, self.reducers, self.cut.fan_in, self.cut.window, self.buckets, self.cut.others)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the keys."""
        return runs.key_dtype(ranked=self.stage.ranked)

    @property
    def _local(self) -> bool:
        """Tell whether what is marked within a group is marked among all: more records of a key unmark no duplicate."""
        return self.stage.duplicates

    def steps(self, label: str, run_files: Sequence[str]) -> Iterator[Job | Shuffle]:
        """Yield the steps in order, each complete: a step runs when those before it are done.

        `run_files` are those of the stage before in the order of items, then those of the other source.
        """
        elements: list[tuple[int, str]] = list(enumerate(run_files))
        if self.cut.grouped:
            groups = self.cut.groups(run_files)
            outputs = [self._manifest(MERGE, group.number) for group in groups]
            yield Job(f"{label}, {MERGE}", self.merge, groups, outputs, [float(len(group.runs)) for group in groups])
            elements = [(group.first, self._merged(group.number)) for group in groups]
        buckets = range(self.cut.windows * self.reducers)
        outputs = [self.paths.manifest(self.stage.name, reducer_name(reducer)) for reducer in buckets]
        yield Shuffle(label, self.split, elements, self.reduce, buckets, outputs)
        if self.cut.grouped:
            own = [group for group in groups if group.first < self.cut.items]
            outputs = [self._manifest(BY_ITEM, group.number) for group in own]
            yield Job(f"{label}, {BY_ITEM}", self.by_item, own, outputs)

    def _merged(self, group: int) -> str:
        return self.paths.work(f"{self.stage.name}_{MERGE}", f"{group_name(group)}.run")

    def _manifest(self, step: str, group: int) -> str:
        return self.paths.manifest(f"{self.stage.name}_{step}", group_name(group))

    def _removals(self, step: str, group: int) -> str:
        return self.paths.work(f"{self.stage.name}_{step}", f"{group_name(group)}.removals")

    def merge(self, group: Group) -> None:
        """Write the runs of a group as one, and the removals that are certain from the group alone."""
        with renewed(self._manifest(MERGE, group.number), self.step_identity) as facts:
            tables = np.stack([runs.bucket_starts(path) for path in group.runs]).astype(np.int64)
            certain: list[runs.Records] = []
            counts = {"keys": int(tables[:, -1].sum()), "sent": 0, "marked": 0}

            def pieces() -> Iterator[runs.Records]:
                for first, last in spans(np.diff(tables).sum(axis=0), self.reducer_keys):
                    sent, marked = self._merged_span(group, tables[:, first], tables[:, last])
                    certain.append(marked[list(MARK.names or ())].astype(MARK))
                    counts["sent"] += len(sent)
                    counts["marked"] += len(marked)
                    yield sent

            runs.write_sorted(self._merged(group.number), pieces(), self.buckets)
            rows = np.concatenate([np.empty(0, MARK), *certain])
            runs.write_removals(self._removals(MERGE, group.number), rows["item"] - group.first, rows, len(group.runs))
            facts |= {"item": group_name(group.number), **counts}

    def _merged_span(
        self, group: Group, starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]
    ) -> tuple[runs.Records, runs.Records]:
        """Return what a group sends on of some buckets, sorted by hash, and what it marks itself."""
        found = [
            runs.Slice(group.first + number, path, int(start), int(end - start))
            for number, (path, start, end) in enumerate(zip(group.runs, starts, ends, strict=True))
            if end > start
        ]
        records, items, marked = runs.gather(found, self.dtype)
        order = np.argsort(records["hash"], kind="stable")
        records, items = records[order], items[order]
        rows = np.zeros(len(records), runs.of_group(self.dtype))
        rows[list(records.dtype.names or ())] = records
        rows["item"] = items
        if not self._local or not len(rows):
            return rows, rows[marked]
        rows["marked"] = marked = self.stage.rule(records, items, self.cut.items)
        # One record of each key: the one that stays, or else the first.
        first = np.concatenate([[0], np.flatnonzero(np.diff(records["hash"])) + 1])
        sent = ~marked
        sent[first[~np.logical_or.reduceat(sent, first)]] = True
        return rows[sent], rows[marked]

    def split(self, element: tuple[int, str]) -> Iterator[tuple[int, runs.Slice]]:
        """Yield (reducer, slice) of one run: reducers are numbered window by window."""
        item, path = element
        for part, found in runs.slices(item, path, self.reducers, group=self.cut.grouped):
            if item < self.cut.items:
                yield item // self.cut.width * self.reducers + part, found
            else:  # another source's keys meet every window
                yield from ((window * self.reducers + part, found) for window in range(self.cut.windows))

    def reduce(self, reducer: int, found: Sequence[runs.Slice]) -> None:
        """Write what one reducer marks, by item of its window."""
        name = reducer_name(reducer)
        with renewed(self.paths.manifest(self.stage.name, name), self.step_identity) as facts:
            records, items, already = runs.gather(found, self.dtype)
            marked = self.stage.rule(records, items, self.cut.items) & (items < self.cut.items) & ~already
            first = reducer // self.reducers * self.cut.width
            count = min(self.cut.width, self.cut.items - first)
            path = self.paths.work(self.stage.name, f"{name}.removals")
            runs.write_removals(path, items[marked] - np.uint32(first), records[marked], count)
            facts |= {"item": name, "keys": len(records), "marked": int(marked.sum())}

    def by_item(self, group: Group) -> None:
        """Write all removals of a group's items in one file."""
        with renewed(self._manifest(BY_ITEM, group.number), self.step_identity) as facts:
            window, count = group.first // self.cut.width, len(group.runs)
            decided = (self._reducer_file(reducer) for reducer in self._reducers_of(window))
            found = runs.read_removals(decided, group.first - window * self.cut.width, count)
            certain = runs.read_removals([self._removals(MERGE, group.number)], 0, count)
            rows = np.concatenate([row for pair in zip(found, certain, strict=True) for row in pair])
            items = np.repeat(
                np.arange(count, dtype=np.uint32), [len(a) + len(b) for a, b in zip(found, certain, strict=True)]
            )
            runs.write_removals(self._removals(BY_ITEM, group.number), items, rows, count)
            facts |= {"item": group_name(group.number), "marked": len(rows)}

    def _reducer_file(self, reducer: int) -> str:
        return self.paths.work(self.stage.name, f"{reducer_name(reducer)}.removals")

    def _reducers_of(self, window: int) -> range:
        return range(window * self.reducers, (window + 1) * self.reducers)

    def removals_of(self, item: int) -> Removals:
        """Return where an item finds what it must remove."""
        window, place = divmod(item, self.cut.width)
        if not self.cut.grouped:
            return Removals(self.stage.name, "bucket", self._reducers_of(window), place)
        before = window * -(-self.cut.width // self.cut.fan_in)
        group, place = divmod(place, self.cut.fan_in)
        return Removals(f"{self.stage.name}_{BY_ITEM}", "group", range(before + group, before + group + 1), place)

    def facts(self, run_files: Sequence[str], written: Sequence[int]) -> dict[str, int]:
        """Return how many keys were compared and marked; RuntimeError if one was lost between two steps.

        `written` are the keys of each of the `run_files`.
        """
        reduced = self._sum(
            [self.paths.manifest(self.stage.name, reducer_name(r)) for r in range(self.cut.windows * self.reducers)]
        )
        keys, marked = reduced["keys"], reduced["marked"]
        if self.cut.grouped:
            groups = self.cut.groups(run_files)
            merged = storage.read_jsons([self._manifest(MERGE, group.number) for group in groups])
            marked += sum(row["marked"] for row in merged)
            own = sum(group.first < self.cut.items for group in groups)
            sent = sum(row["sent"] for row in merged[:own]) + self.cut.windows * sum(
                row["sent"] for row in merged[own:]
            )
            self._must_be("took", keys, sent)
            keys = sum(row["keys"] for row in merged[:own]) + self.cut.windows * sum(
                row["keys"] for row in merged[own:]
            )
            self._must_be(
                "gave back", self._sum([self._manifest(BY_ITEM, n) for n in range(own)])["marked"], marked, "removals"
            )
        self._must_be("compared", keys, self.cut.compared(written))
        return {"keys": keys, "marked": marked}

    def _sum(self, manifests: Sequence[str]) -> dict[str, int]:
        rows = storage.read_jsons(manifests)
        return {name: sum(row[name] for row in rows) for name in rows[0] if isinstance(rows[0][name], int)}

    def _must_be(self, verb: str, found: int, wanted: int, what: str = "keys") -> None:
        if found != wanted:
            raise RuntimeError(f"{self.paths.source}/{self.stage.name} {verb} {found} of {wanted} {what}")


def group_name(group: int) -> str:
    """Return the name under which a group's files lie."""
    return f"group-{group:06d}"


def reducers_for(keys: int, buckets: int, reducer_keys: int) -> int:
    """Return how many reducers share `keys`: the smallest power of two that gives each `reducer_keys`, or `buckets`."""
    wanted = -(-keys // reducer_keys)
    return min(buckets, 1 << max(0, wanted - 1).bit_length())


def spans(counts: npt.NDArray[np.int64], limit: int) -> Iterator[tuple[int, int]]:
    """Cut buckets into spans [first, last) of at most `limit` records, or one bucket."""
    first, size = 0, 0
    for bucket, count in enumerate(counts.tolist()):
        if size and size + count > limit:
            yield first, bucket
            first, size = bucket, 0
        size += count
    yield first, len(counts)
