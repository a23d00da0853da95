"""One wave of jobs as one Beam pipeline with one GroupByKey: what a job only distributes and what it shuffles share it.

    chunks of items in a plan ─ Reshuffle ─ read ─────────────────────┐
    chunks of runs in it ────── Reshuffle ─ read, split ─ pointers ───┴─ GroupByKey ─ run (writes files)

Every runner but the plain loop gets this graph, which stays small (Dataflow takes 10 MB) however many items there are:
they are in a plan (`pipelines.runners.plans`), and the graph names its chunks. Only tasks and pointers go through the
GroupByKey, by a coder that refuses anything else; `pipelines.runners.lint` checks the same of the compiled graph.
"""

from __future__ import annotations

import heapq
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
from apache_beam.coders import Coder
from apache_beam.coders.typecoders import registry
from apache_beam.metrics.metric import Metrics

from pipelines.files.current import noted, unless_current
from pipelines.files.runs import Slice
from pipelines.runners import plans
from pipelines.runners.plans import Chunk, Plan, Row, Worklist
from pipelines.stages.jobs import Job, Shuffle

COUNTERS = "altiplano"  # the namespace of what an engine counts for us
# Chunks of a shuffle's runs on this machine: a few for each worker.
SPREAD = 32
# A path has at most 1,024 bytes on S3 and GCS.
LONGEST_PATH = 4_096
_CHUNK = struct.Struct("<qq32s")
_POINTER = struct.Struct("<qqq?H")
_TASK, _SLICE, _NUMBER, _FILLER = b"c", b"s", b"n", b"f"


@dataclass(frozen=True, slots=True)
class Parcel:
    """What goes through the GroupByKey: a task (JSON), a pointer into a file, or a filler (neither)."""

    task: bytes = b""
    pointer: Slice | int | None = None


class ParcelCoder(Coder):
    """Packs a parcel; raises TypeError for a pointer that is none: a text, a line or a document is never shuffled."""

    def encode(self, value: Parcel) -> bytes:
        """Pack a parcel."""
        pointer = value.pointer
        if isinstance(pointer, Slice):
            path = pointer.path.encode()
            if len(path) > LONGEST_PATH:
                raise TypeError(f"{pointer.path[:100]!r} is not a path: {len(path)} bytes")
            return _SLICE + _POINTER.pack(pointer.item, pointer.start, pointer.count, pointer.group, len(path)) + path
        if isinstance(pointer, int):
            return _NUMBER + struct.pack("<q", pointer)
        if pointer is not None:
            raise TypeError(f"only pointers are shuffled, not {type(pointer).__name__}")
        return _TASK + value.task if value.task else _FILLER

    def decode(self, encoded: bytes) -> Parcel:
        """Unpack a parcel."""
        kind, rest = encoded[:1], encoded[1:]
        if kind == _SLICE:
            item, start, count, group, length = _POINTER.unpack_from(rest)
            path = rest[_POINTER.size : _POINTER.size + length].decode()
            return Parcel(pointer=Slice(item, path, start, count, group))
        if kind == _NUMBER:
            return Parcel(pointer=struct.unpack("<q", rest)[0])
        return Parcel(task=rest)

    def is_deterministic(self) -> bool:
        """Equal parcels have equal bytes."""
        return True


class ChunkCoder(Coder):
    """Packs a chunk's place."""

    def encode(self, value: Chunk) -> bytes:
        """Pack a chunk."""
        return _CHUNK.pack(value.start, value.length, value.sha256) + value.path.encode()

    def decode(self, encoded: bytes) -> Chunk:
        """Unpack a chunk."""
        start, length, sha256 = _CHUNK.unpack_from(encoded)
        return Chunk(encoded[_CHUNK.size :].decode(), start, length, sha256)

    def is_deterministic(self) -> bool:
        """Equal chunks have equal bytes."""
        return True


registry.register_coder(Parcel, ParcelCoder)
registry.register_coder(Chunk, ChunkCoder)


def planned(path: str, jobs: Sequence[Job | Shuffle], work: Worklist, *, lanes: int | None = None) -> Plan:
    """Write the plan of a wave.

    On this machine items are dealt out to so many `lanes`, one for each worker, by their weights. An engine deals them
    itself (None): it gets the heaviest first.
    """
    shuffles = [job for job in jobs if isinstance(job, Shuffle)]
    rows = _balanced([task for job in jobs if isinstance(job, Job) for task in _tasks(job)], lanes or 1)
    rows += [row for job in shuffles for row in _reduced(job)]
    runs = max((-(-len(job.elements) // SPREAD) for job in shuffles), default=1) if lanes else plans.CHUNK
    chunk = plans.CHUNK - plans.CHUNK % (lanes or 1)
    return plans.write(path, rows, shuffles, work, chunk=chunk, run=max(1, runs), tell_begun=lanes is None)


def build(pipeline: beam.Pipeline, plan: Plan, *, spread: bool = True) -> None:
    """Add a wave to a pipeline; without `spread`, for one worker who has all of it anyway."""
    place = (plan.header, plan.made_by)
    groups = [
        _chunks(pipeline, "items", plan.items, spread) | "read" >> beam.ParDo(_Read(*place)).with_output_types(Keyed)
    ]
    if plan.runs:
        split = beam.ParDo(_Split(*place)).with_output_types(Keyed)
        groups.append(_chunks(pipeline, "runs", plan.runs, spread) | "split" >> split)
    groups | beam.Flatten() | "by bucket" >> beam.GroupByKey() | "run" >> beam.ParDo(_Run(*place))


Keyed = tuple[bytes, Parcel]


def _chunks(pipeline: beam.Pipeline, name: str, chunks: Sequence[Chunk], spread: bool) -> Any:
    found = pipeline | name >> beam.Create(chunks, reshuffle=False).with_output_types(Chunk)
    return found | f"spread {name}" >> beam.Reshuffle() if spread else found


class _AtWork(beam.DoFn):
    """What a worker does of a plan: `place` is made once in each process."""

    def __init__(self, header: Chunk, made_by: str) -> None:
        self._header, self._made_by = header, made_by

    def place(self) -> plans.Workplace:
        """Return what this process works with; no property, for Beam looks at those on the driver too."""
        return plans.workplace(self._header, self._made_by)


class _Read(_AtWork):
    """Reads items."""

    def setup(self) -> None:
        """Find out first of all whether this worker can do what is asked for."""
        assert self.place()

    def process(self, chunk: Chunk) -> Iterator[Keyed]:
        """Yield the items of a chunk."""
        for key, task in plans.packed_items(chunk):
            yield key, Parcel(task=task) if task else Parcel()


class _Split(_AtWork):
    """Splits runs into pointers by bucket."""

    def process(self, chunk: Chunk) -> Iterator[Keyed]:
        """Yield the pointers of a chunk of runs."""
        for label, bucket, pointer in self.place().split(chunk):
            yield _key(label, bucket), Parcel(pointer=pointer)


class _Run(_AtWork):
    """Runs tasks: one parcel is the task, the pointers are what it is given.

    Without a task there is nothing to do: a filler of `_balanced`, or a bucket that was reduced by an earlier run. An
    item whose manifest is there with its identity was done by an attempt before, whose bundle was lost.
    """

    def process(self, group: tuple[bytes, Iterable[Parcel]]) -> None:
        """Run one task."""
        tasks, pointers = [], []
        for parcel in group[1]:
            if parcel.task:
                tasks.append(parcel.task)
            elif parcel.pointer is not None:
                pointers.append(parcel.pointer)
        if not tasks:
            return
        place = self.place()
        task = place.task(tasks[0])
        with place.turn(), noted() as facts:
            done = _done(task, pointers)
        _count("items" if done else "items_done_before", 1)
        for row in facts:
            _count("documents", row.get("kept", 0))
            _count("bytes", row.get("kept_bytes", 0))
            _count("drops", sum(count for reasons in row.get("dropped", {}).values() for count, _ in reasons.values()))


def _count(name: str, number: int) -> None:
    """Add to a counter that the engine shows on its own page."""
    if number:
        Metrics.counter(COUNTERS, name).inc(number)


def _done(task: plans.Task, pointers: Sequence[Any]) -> bool:
    """Run a task, and tell whether that was needed."""
    if not task.identity:
        task.run(pointers)
        return True
    with unless_current(task.manifest, task.identity) as wanted:
        if wanted:
            task.run(pointers)
    return wanted


def _tasks(job: Job) -> Iterator[tuple[float, Row]]:
    weights = job.weights or [1.0] * len(job.elements)
    for number, (element, weight) in enumerate(zip(job.elements, weights, strict=True)):
        yield weight, _row(job, number, number, element)


def _reduced(job: Shuffle) -> Iterator[Row]:
    for number, bucket in enumerate(job.buckets):
        yield _row(job, number, bucket, bucket)


def _row(job: Job | Shuffle, number: int, named: int, element: Any) -> Row:
    manifest, identity = (job.outputs[number], job.identities[number]) if job.identities else ("", "")
    return Row(_key(job.label, named), job, element, manifest, identity)


def _key(label: str, number: int) -> bytes:
    return f"{label}#{number:08d}".encode()


def _balanced(tasks: Sequence[tuple[float, Row]], lanes: int) -> list[Row]:
    """Order tasks so that dealing them out round robin, as the local runner does, gives each lane the same work.

    The heaviest task goes to the emptiest lane; lanes are made equally long with fillers.
    """
    heap: list[tuple[float, int, list[Row]]] = [(0.0, lane, []) for lane in range(lanes)]
    for weight, row in sorted(tasks, key=lambda task: (-task[0], task[1].key)):
        load, lane, found = heapq.heappop(heap)
        found.append(row)
        heapq.heappush(heap, (load + weight, lane, found))
    columns = [found for _, _, found in sorted(heap, key=lambda entry: entry[1])]
    height = max(len(column) for column in columns)
    return [
        column[row] if row < len(column) else Row(f"filler#{row}-{lane}".encode(), None, None)
        for row in range(height)
        for lane, column in enumerate(columns)
    ]
