"""One wave of jobs as one Beam pipeline with one GroupByKey: what a job only distributes and what it shuffles share it.

    chunks of items in a plan ─ Reshuffle ─ read ─────────────────────┐
    chunks of runs in it ────── Reshuffle ─ read, split ─ pointers ───┴─ GroupByKey ─ run (writes files)

Every runner but the plain loop gets this graph, which stays small (Dataflow takes 10 MB) however many items there are:
they are in a plan (`pipelines.runners.plans`), and the graph names its chunks. Only tasks and pointers go through the
GroupByKey, by a coder that refuses anything else; `pipelines.runners.beam.lint` checks the same of the compiled graph.
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

from pipelines.runners import plans, pointers, workplace
from pipelines.runners.plans import Chunk, Plan, Row, Worklist
from pipelines.runners.pointers import Pointer
from pipelines.stages.jobs import Job, Shuffle

COUNTERS = "altiplano"  # the namespace of what an engine counts for us
# Chunks of a shuffle's runs on this machine: a few for each worker.
SPREAD = 32
_CHUNK = struct.Struct("<qq32s")
_TASK, _POINTER = b"t", b"p"


@dataclass(frozen=True, slots=True)
class Parcel:
    """What goes through the GroupByKey: a task (JSON), a pointer into a file, or a filler (neither)."""

    task: bytes = b""
    pointer: Pointer | None = None


class ParcelCoder(Coder):
    """Packs a parcel; raises TypeError for a pointer that is none: a text, a line or a document is never shuffled."""

    def encode(self, value: Parcel) -> bytes:
        """Pack a parcel."""
        if value.pointer is not None:
            return _POINTER + pointers.packed(value.pointer)
        return _TASK + value.task

    def decode(self, encoded: bytes) -> Parcel:
        """Unpack a parcel."""
        kind, rest = encoded[:1], encoded[1:]
        if kind == _POINTER:
            return Parcel(pointer=next(pointers.unpacked(rest)))
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
    rows = _balanced([task for job in jobs if isinstance(job, Job) for task in plans.rows_of(job)], lanes or 1)
    rows += [row for job in shuffles for row in plans.buckets_of(job)]
    runs = max(1, *(-(-len(job.elements) // SPREAD) for job in shuffles)) if lanes and shuffles else plans.CHUNK
    chunk = plans.CHUNK - plans.CHUNK % (lanes or 1)
    return plans.write(
        path, rows, shuffles, work, chunk=chunk, run=lambda job: runs, of_engine=lanes is None, tell_begun=lanes is None
    )


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

    def place(self) -> workplace.Workplace:
        """Return what this process works with; no property, for Beam looks at those on the driver too."""
        return workplace.workplace(self._header, self._made_by)


class _Read(_AtWork):
    """Reads items."""

    def setup(self) -> None:
        """Find out first of all whether this worker can do what is asked for."""
        assert self.place()

    def process(self, chunk: Chunk) -> Iterator[Keyed]:
        """Yield the items of a chunk."""
        for key, task in workplace.packed_items(chunk):
            yield key, Parcel(task=task) if task else Parcel()


class _Split(_AtWork):
    """Splits runs into pointers by bucket."""

    def process(self, chunk: Chunk) -> Iterator[Keyed]:
        """Yield the pointers of a chunk of runs."""
        for label, bucket, pointer in self.place().split(chunk):
            yield plans.key_of(label, bucket), Parcel(pointer=pointer)


class _Run(_AtWork):
    """Runs tasks: one parcel is the task, the pointers are what it is given.

    Without a task there is nothing to do: a filler of `_balanced`, or a bucket that was reduced by an earlier run.
    """

    def process(self, group: tuple[bytes, Iterable[Parcel]]) -> None:
        """Run one task."""
        tasks, found = [], []
        for parcel in group[1]:
            if parcel.task:
                tasks.append(parcel.task)
            elif parcel.pointer is not None:
                found.append(parcel.pointer)
        if not tasks:
            return
        place = self.place()
        task = place.task(tasks[0])
        with place.turn() as facts:
            done = task.run(found)
        for name, number in workplace.counted(facts, done=done).items():
            Metrics.counter(COUNTERS, name).inc(number)


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
