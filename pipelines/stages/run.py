"""One work item of a stage, executed: the same function on every runner.

    Map    dump or the shard before -> records -> step -> documents, drops, packed keys -> manifest
    Join   spilled records of one bucket -> documents, drops -> manifest

It removes its manifest first and writes it last, under deterministic names: one shard of documents and one of drops.
`in = kept + merged + dropped` is checked from what was written; what goes in is counted by the reader (first stage) or
taken from the previous shard's own footer.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from pipelines.document import Document, Drop
from pipelines.files import cached, failures, memory, runs, storage, tables
from pipelines.files.current import renewed
from pipelines.files.runs import Keys, Lines
from pipelines.hashing import share
from pipelines.readers import Dump
from pipelines.stages import losses
from pipelines.stages.changes import Changes
from pipelines.stages.copies import Collector
from pipelines.stages.counts import ItemCounts
from pipelines.stages.kinds import Clusters, Context, Item, Join, Map, Part, Paths, Read, Removals, Schema, reducer_name

E = TypeVar("E")


def local_models(paths: Mapping[str, str]) -> dict[str, str]:
    """Return the models' paths with remote ones fetched: what reads models takes local paths only."""
    return {name: cached.local(path) for name, path in paths.items()}


class Tally:
    """Writes one item's documents and drops and counts them; `finish` checks that they add up."""

    def __init__(
        self,
        paths: Paths,
        stage: str,
        item: str,
        documents: str | None,
        schema: Schema,
        excerpts: float,
        *,
        final: bool,
    ) -> None:
        self._paths, self._stage, self._item = paths, stage, item
        self._stack = ExitStack()
        self._excerpts = excerpts
        self._documents_path = documents
        self._drops_path = paths.drops(stage, item)
        self._final = final
        self._counts = ItemCounts(schema.counted)
        self._documents = (
            tables.DocumentWriter(
                self._stack.enter_context(storage.write(documents)),
                schema.columns,
                staged=not final,
                watch=self._counts.documents if final else None,
            )
            if documents
            else None
        )
        drops = self._stack.enter_context(storage.write(self._drops_path))
        self._drops = tables.DropWriter(drops, schema.scores, watch=self._counts.drops)
        self.dropped: dict[str, dict[str, list[int]]] = {}
        self.spilled = 0
        self.merged = 0
        self.statistics: Counter[str] = Counter()
        self._started = time.process_time()

    def __enter__(self) -> Tally:
        return self

    def __exit__(self, *error: Any) -> None:
        for writer in (self._documents, self._drops):
            if writer is not None:
                writer.abandon()
        self._stack.__exit__(*error)

    def keep(self, document: Document) -> None:
        """Write a document."""
        assert self._documents is not None
        self._documents.write(document)

    def drop(self, drop: Drop) -> None:
        """Write a drop."""
        self._drops.write(drop, excerpt=share("excerpt", drop.id) < self._excerpts)
        row = self.dropped.setdefault(drop.stage, {}).setdefault(drop.reason, [0, 0])
        row[0] += 1
        row[1] += drop.size

    def finish(self, records_in: int, read: Mapping[str, int]) -> dict[str, Any]:
        """Close the shards, check the counts against what they hold, and return what the manifest says of them."""
        documents = self._documents.close() if self._documents else None
        drops = self._drops.close()
        self._stack.close()
        kept = tables.rows(self._documents_path) if self._documents_path else self.spilled
        dropped = tables.rows(self._drops_path)
        if records_in != kept + self.merged + dropped:
            raise RuntimeError(
                f"{self._paths.source}/{self._stage} item {self._item} does not add up: {records_in} in, "
                f"{kept} kept, {self.merged} merged, {dropped} dropped; a reader counts each in counts['records']"
            )
        finished = documents.named(self._relative(self._documents_path or "")) if documents and self._final else None
        gone = drops.named(self._relative(self._drops_path))
        self._counts.write(self._paths.counts(self._stage, self._item), (finished, gone))
        return {
            "item": self._item,
            "in": records_in,
            "kept": kept,
            "kept_bytes": documents.size if documents else 0,
            "merged": self.merged,
            "dropped": self.dropped,
            "read": dict(read),
            "statistics": dict(self.statistics),
            "documents": finished,
            "drops": gone,
            "cpu_seconds": round(time.process_time() - self._started, 3),
            "worker_memory_bytes": memory.peak_bytes(),
        }

    def _relative(self, path: str) -> str:
        return path.removeprefix(f"{self._paths.output}/")


@dataclass(frozen=True)
class MapTask:
    """One item of a `Map`: where to read, what was decided, where to write."""

    stage: Map[Any]
    paths: Paths
    item: Item
    identity: str
    recipe: Any
    models: Mapping[str, str]
    read: Read | None
    previous: str | None
    removals: Removals | None
    final: bool
    buckets: int
    schema: Schema
    excerpts: float = 1.0
    group: losses.Group | None = None
    clusters: Clusters | None = None


def run_map(task: MapTask) -> None:
    """Execute one item of a `Map`; raise RuntimeError naming the source, the file and the record if a step fails.

    A record whose id another one of the item has (a page that a damaged dump holds twice) is dropped: ids are what
    shards, splits and owners go by.
    """
    stage, paths, key = task.stage, task.paths, task.item.key
    context = Context(task.recipe, local_models(task.models))
    documents = None if stage.spill else paths.documents(key) if task.final else _staged(paths, stage.name, key)
    collected = _KeyCollector(stage)
    changes = Changes()
    counts: Counter[str] = Counter()
    seen: set[str] = set()
    run = paths.work(stage.name, f"{key}.run")
    lost = losses.Counts(task.group) if task.group else None
    standing = Collector(task.clusters, stage.copies) if task.clusters else None
    start = Start()
    with (
        renewed(paths.manifest(stage.name, key), task.identity) as facts,
        Tally(paths, stage.name, key, documents, task.schema, task.excerpts, final=task.final) as tally,
    ):
        for row, (record, removed) in enumerate(start.watched(records(task, counts))):
            outcome, keys = apply(task, record, removed, context)
            if isinstance(outcome, Document) and task.previous is None:
                if outcome.id in seen:
                    outcome = outcome.unread("duplicate_id")
                else:
                    seen.add(outcome.id)
            if standing:
                outcome = standing.measured(row, outcome)
            if lost:
                lost.add(record, outcome)
            if standing and removed is not None:
                standing.add(row, record.id, outcome, marked=bool(len(removed)))
            if isinstance(outcome, Drop):
                tally.drop(outcome)
            elif stage.spill:
                collected.spill(*keys)
            else:
                tally.keep(outcome)
                changes.add(outcome.id, partial(stage.raw, record), outcome.text, outcome.language)
                if stage.keys:
                    collected.add(*keys)
                if stage.statistics:
                    tally.statistics.update(stage.statistics(outcome))
        tally.statistics.update(context.counts)
        collected.write(run, task.buckets)
        changes.write(paths.changes(stage.name, key))
        if lost:
            lost.write(paths.losses(stage.name, key), task.buckets)
        if standing:
            standing.write(paths.standing(stage.name, key), task.buckets)
        tally.spilled = runs.records(run) if stage.spill else 0
        records_in = tables.rows(task.previous) if task.previous else counts["records"]
        facts |= tally.finish(records_in, counts)
        facts["start_cpu_seconds"] = start.seconds()


def _staged(paths: Paths, stage: str, item: str) -> str:
    return paths.work(stage, f"{item}.parquet")


def apply(task: MapTask, record: Any, removed: Lines | None, context: Context[Any]) -> tuple[Any, Any]:
    """Return what becomes of a record, and what is packed of it: its keys, or what is spilled."""
    stage = task.stage
    if isinstance(record, Drop):
        return record, None
    try:
        step: Callable[..., Any] = stage.step
        outcome = step(record, context) if removed is None else step(record, removed, context)
        if isinstance(outcome, Drop):
            return _of_stage(outcome, stage.name), None
        if stage.spill:
            return outcome, stage.spill(outcome)
        if not isinstance(outcome, Document) or outcome.id != record.id:
            raise TypeError(f"the step returned {outcome!r:.200}, neither this document nor its drop")
        if outcome.source != task.paths.source:
            raise TypeError(f"the document says that it is of the source {outcome.source!r}")
        return outcome, stage.keys(record, outcome, context) if stage.keys else None
    except Exception as error:
        name = ", ".join(part.path for part in task.item.parts[:3])
        identity = getattr(record, "id", "?")
        raise RuntimeError(
            f"{task.paths.source}/{task.stage.name} failed on record {identity} of {name}: "
            f"{type(error).__name__}: {error}"
        ) from error


def _of_stage(drop: Drop, stage: str) -> Drop:
    return drop if drop.stage else replace(drop, stage=stage)


def records(task: MapTask, counts: Counter[str]) -> Iterator[tuple[Any, Lines | None]]:
    """Yield what an item's stage takes, with what was decided of it, None where nothing is decided before it."""
    if task.previous is None:
        assert task.read is not None
        for part in task.item.parts:
            try:
                yield from ((record, None) for record in read_part(task.read, part, counts))
            except Exception as error:
                kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
                what = str(error).removeprefix(f"{part.path}: ")
                raise RuntimeError(
                    f"{task.paths.source}/{task.stage.name} cannot read {part.path}: {kind}{what}"
                ) from error
        return
    if task.removals is None:
        yield from ((document, None) for document in tables.read_documents(task.previous))
        return
    removals = task.removals.read(task.paths)
    documents = np.arange(tables.rows(task.previous) + 1)
    starts = np.searchsorted(removals["doc"], documents)
    for row, document in enumerate(tables.read_documents(task.previous)):
        yield document, removals["line"][starts[row] : starts[row + 1]]


def read_part(read: Read, part: Part, counts: Counter[str]) -> Iterator[Any]:
    """Read one part of an item; byte ranges go to readers that take `start` and `end`."""
    dump = Dump(name=part.path, digest=part.digest, attributes=dict(part.attributes))
    bounds = {} if part.end is None and part.start == 0 else {"start": part.start, "end": part.end}
    with storage.open_read(part.path) as stream:
        yield from failures.records(stream, lambda reading: read(reading, dump, counts, **bounds))


class Start:
    """Measures what an item takes before its work is under way: models and modules that are loaded as records come.

    A process loads them once, however many items it works on.
    """

    FIRST = 16  # records in which everything is loaded

    def __init__(self) -> None:
        self._started = self._under_way = time.process_time()
        self._records = 0

    def watched(self, records: Iterator[E]) -> Iterator[E]:
        """Yield the records."""
        for record in records:
            if self._records == self.FIRST:
                self._under_way = time.process_time()
            self._records += 1
            yield record

    def seconds(self) -> float:
        """Return the CPU seconds by which the first records took longer than others; none if there are few others."""
        others = self._records - self.FIRST
        if others < self.FIRST:
            return 0.0
        of_others = (time.process_time() - self._under_way) / others * self.FIRST
        return round(max(0.0, self._under_way - self._started - of_others), 4)


class _KeyCollector:
    """Collects what an item's kept documents say for a later decision, and writes it as one run."""

    def __init__(self, stage: Map[Any]) -> None:
        self._stage = stage
        self._keys: list[Keys] = []
        self._hashes: list[int] = []
        self._payloads: list[bytes] = []

    def add(self, hashes: npt.NDArray[np.uint64], ranks: npt.NDArray[np.uint64] | None, lines: Lines | None) -> None:
        assert (ranks is not None) == self._stage.ranked
        self._keys.append((hashes, ranks, lines))

    def spill(self, key: int, payload: bytes) -> None:
        self._hashes.append(key)
        self._payloads.append(payload)

    def write(self, path: str, buckets: int) -> None:
        if self._stage.spill:
            runs.write_blobs(path, self._hashes, self._payloads, buckets)
        elif self._stage.keys:
            runs.write_keys(path, self._records(), buckets)

    def _records(self) -> runs.Records:
        """Return the keys of all documents as one array: field by field, for documents are many and keys few."""
        counts = [len(hashes) for hashes, _, _ in self._keys]
        records = np.empty(sum(counts), runs.key_dtype(ranked=self._stage.ranked))
        if self._keys:
            every = np.full(max(counts), runs.WHOLE, np.uint32)
            records["hash"] = np.concatenate([hashes for hashes, _, _ in self._keys])
            records["doc"] = np.repeat(np.arange(len(counts), dtype=np.uint32), counts)
            records["line"] = np.concatenate(
                [every[: len(hashes)] if lines is None else lines for hashes, _, lines in self._keys]
            )
            if self._stage.ranked:
                records["rank"] = np.concatenate([ranks for _, ranks, _ in self._keys if ranks is not None])
        return records


@dataclass(frozen=True)
class JoinTask:
    """One `Join` over the runs of all items."""

    stage: Join[Any]
    paths: Paths
    identity: str
    recipe: Any = None
    models: Mapping[str, str] = field(default_factory=dict)
    final: bool = False
    schema: Schema = field(default_factory=Schema)
    excerpts: float = 1.0

    def split(self, element: tuple[int, str]) -> Iterator[tuple[int, runs.Slice]]:
        """Yield (reducer, slice) of one run."""
        yield from runs.slices(*element)

    def reduce(self, reducer: int, found: Sequence[runs.Slice]) -> None:
        """Make the documents of one bucket."""
        name, paths = reducer_name(reducer), self.paths
        documents = paths.documents(name) if self.final else _staged(paths, self.stage.name, name)
        ordered = sorted(found, key=lambda where: (where.item, where.start))
        payloads = [payload for where in ordered for _, payload in runs.read_blobs(where)]
        context = Context(self.recipe, local_models(self.models))
        changes = Changes()
        with (
            renewed(paths.manifest(self.stage.name, name), self.identity) as facts,
            Tally(paths, self.stage.name, name, documents, self.schema, self.excerpts, final=self.final) as tally,
        ):
            for outcome in self.stage.reduce(payloads, context):
                if isinstance(outcome, Drop):
                    tally.drop(_of_stage(outcome, self.stage.name))
                else:
                    document, merged = outcome
                    tally.keep(document)
                    if self.stage.raw:
                        before = partial(self.stage.raw, payloads, document)
                        changes.add(document.id, before, document.text, document.language)
                    tally.merged += merged
            changes.write(paths.changes(self.stage.name, name))
            facts |= tally.finish(len(payloads), {})
