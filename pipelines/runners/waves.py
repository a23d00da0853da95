"""One wave of jobs as one Beam pipeline with one GroupByKey: what a job only distributes and what it shuffles share it.

    on this machine    Create(calls, dealt out by weight) ───────────────────────────┐
    on an engine       Create(chunks of a plan file) ─ Reshuffle ─ read the calls ───┤
    what is shuffled   Create(chunks of runs) ─ Reshuffle ─ split ─ pointers ────────┴─ GroupByKey ─ run (writes files)

An engine's graph must stay small (Dataflow takes 10 MB), however many items there are: they are in a plan file beside
the corpus, and the graph names its chunks. Only calls and pointers go through the GroupByKey, by a coder that refuses
anything else; `pipelines.runners.lint` checks the same of the compiled graph.
"""

from __future__ import annotations

import hashlib
import heapq
import pickle
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import apache_beam as beam
from apache_beam.coders import Coder
from apache_beam.coders.typecoders import registry

from pipelines.files import storage
from pipelines.files.runs import Slice
from pipelines.hashing import digest_of
from pipelines.stages.jobs import Job, Shuffle

# Items of one chunk of a plan file: a pickle shares what its items share, and a worker holds one chunk.
CHUNK = 500
# Chunks of a shuffle's runs on this machine: a few for each worker.
SPREAD = 32
# A path has at most 1,024 bytes on S3 and GCS.
LONGEST_PATH = 4_096
_CHUNK = struct.Struct("<qq32s")
_POINTER = struct.Struct("<qqq?H")
_CALL, _SLICE, _NUMBER, _FILLER = b"c", b"s", b"n", b"f"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Parcel:
    """What goes through the GroupByKey: what to call (a pickle), a pointer into a file, or a filler (neither)."""

    call: bytes = b""
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
        return _CALL + value.call if value.call else _FILLER

    def decode(self, encoded: bytes) -> Parcel:
        """Unpack a parcel."""
        kind, rest = encoded[:1], encoded[1:]
        if kind == _SLICE:
            item, start, count, group, length = _POINTER.unpack_from(rest)
            path = rest[_POINTER.size : _POINTER.size + length].decode()
            return Parcel(pointer=Slice(item, path, start, count, group))
        if kind == _NUMBER:
            return Parcel(pointer=struct.unpack("<q", rest)[0])
        return Parcel(call=rest)

    def is_deterministic(self) -> bool:
        """Equal parcels have equal bytes."""
        return True


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some items of a plan file: the bytes [start, start + length) of it are one pickle, with this SHA-256.

    The digest travels in the graph, which the driver submits: whoever else can write to the corpus' storage may change
    the file, and a worker that unpickled it would run what they like.
    """

    path: str
    start: int
    length: int
    sha256: bytes


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


def build_local(pipeline: beam.Pipeline, jobs: Sequence[Job | Shuffle], lanes: int = 1) -> None:
    """Add one wave to a pipeline of this machine: items are dealt out to `lanes` workers by their weights."""
    elements = _balanced([task for job in jobs if isinstance(job, Job) for task in _tasks(job)], lanes, Parcel())
    shuffles = [job for job in jobs if isinstance(job, Shuffle)]
    elements += [
        (_key(job.label, bucket), _call(job.reduce, bucket, True)) for job in shuffles for bucket in job.buckets
    ]
    # One worker has all of it anyway, and Beam much less to compile.
    create = partial(beam.Create, reshuffle=lanes > 1)
    groups = [pipeline | "work items" >> create(elements).with_output_types(tuple[bytes, Parcel])]
    if shuffles:
        runs = [pickle.dumps(chunk) for job in shuffles for chunk in _runs(job, -(-len(job.elements) // SPREAD))]
        spread = pipeline | "runs" >> create(runs).with_output_types(bytes)
        if lanes > 1:
            spread = spread | "spread" >> beam.Reshuffle()
        groups.append(spread | "slices" >> beam.FlatMap(_split).with_output_types(tuple[bytes, Parcel]))
    _grouped(groups)


def build_engine(pipeline: beam.Pipeline, jobs: Sequence[Job | Shuffle], folder: str) -> list[str]:
    """Add one wave to an engine's pipeline and return its plan files, which are written under `folder`."""
    plan = _Plan(folder, digest_of([(job.label, list(job.outputs)[:1], len(job.outputs)) for job in jobs]))
    with storage.write(plan.path) as stream:
        plan.stream = stream
        calls = [chunk for job in jobs for chunk in plan.calls(job)]
        runs = [plan.written(chunk) for job in jobs if isinstance(job, Shuffle) for chunk in _runs(job, CHUNK)]
    spread = _read(pipeline, "work items", calls) | "spread calls" >> beam.Reshuffle()
    groups = [spread | "calls" >> beam.FlatMap(_calls).with_output_types(tuple[bytes, Parcel])]
    if runs:
        spread = _read(pipeline, "runs", runs) | "spread" >> beam.Reshuffle()
        groups.append(spread | "slices" >> beam.FlatMap(_split_chunk).with_output_types(tuple[bytes, Parcel]))
    _grouped(groups)
    return [plan.path]


class _Plan:
    """The file that holds a wave's items."""

    def __init__(self, folder: str, name: str) -> None:
        self.path = f"{folder}/{name}.plan"
        self.stream: Any = None
        self._position = 0

    def calls(self, job: Job | Shuffle) -> list[Chunk]:
        """Write what a job calls and return where it is."""
        if isinstance(job, Job):
            what: tuple[Any, ...] = (job.label, job.process, False)
            arguments: Sequence[Any] = job.elements
        else:
            what, arguments = (job.label, job.reduce, True), job.buckets
        numbered = list(enumerate(arguments)) if isinstance(job, Job) else [(bucket, bucket) for bucket in arguments]
        return [self.written((*what, numbered[start : start + CHUNK])) for start in range(0, len(numbered), CHUNK)]

    def written(self, content: Any) -> Chunk:
        """Write one chunk and return where it is."""
        packed = pickle.dumps(content)
        self.stream.write(packed)
        self._position += len(packed)
        return Chunk(self.path, self._position - len(packed), len(packed), hashlib.sha256(packed).digest())


def _read(pipeline: beam.Pipeline, name: str, chunks: Sequence[Chunk]) -> Any:
    return pipeline | name >> beam.Create(chunks, reshuffle=False).with_output_types(Chunk)


def _load(chunk: Chunk) -> Any:
    """Return a chunk's content; RuntimeError, before anything of it is unpickled, if it is not what was written."""
    with storage.open_read(chunk.path) as stream:
        stream.seek(chunk.start)
        content = stream.read(chunk.length)
    if hashlib.sha256(content).digest() != chunk.sha256:
        raise RuntimeError(f"{chunk.path}: this plan is not the one that this build wrote; none of it is run")
    return pickle.loads(content)


def _calls(chunk: Chunk) -> Iterator[tuple[bytes, Parcel]]:
    label, function, shuffled, numbered = _load(chunk)
    for number, argument in numbered:
        yield _key(label, number), _call(function, argument, shuffled)


def _tasks(job: Job) -> Iterator[tuple[float, str, Parcel]]:
    weights = job.weights or [1.0] * len(job.elements)
    for number, (element, weight) in enumerate(zip(job.elements, weights, strict=True)):
        yield weight, f"{job.label}#{number:08d}", _call(job.process, element, False)


def _call(function: Callable[..., None], argument: Any, shuffled: bool) -> Parcel:
    return Parcel(call=pickle.dumps((function, argument, shuffled)))


def _key(label: str, number: int) -> bytes:
    return f"{label}#{number:08d}".encode()


def _runs(job: Shuffle, size: int) -> Iterator[Any]:
    """Yield a shuffle's elements in chunks, each with what splits them."""
    for start in range(0, len(job.elements), size):
        yield job.label, job.split, list(job.elements[start : start + size])


def _split(runs: bytes) -> Iterator[tuple[bytes, Parcel]]:
    """Split a pickled chunk of runs into pointers by bucket."""
    yield from _pointers(*pickle.loads(runs))


def _split_chunk(chunk: Chunk) -> Iterator[tuple[bytes, Parcel]]:
    yield from _pointers(*_load(chunk))


def _pointers(
    label: str, split: Callable[[Any], Iterable[tuple[int, Any]]], elements: Sequence[Any]
) -> Iterator[tuple[bytes, Parcel]]:
    for element in elements:
        for bucket, pointer in split(element):
            yield _key(label, bucket), Parcel(pointer=pointer)


def _grouped(groups: Sequence[Any]) -> None:
    groups | beam.Flatten() | "by bucket" >> beam.GroupByKey() | "run" >> beam.Map(_execute)


def _execute(group: tuple[bytes, Iterable[Parcel]]) -> None:
    """Run one task: one parcel says what to call, the pointers are what it is called with.

    Without a call there is nothing to do: a filler of `_balanced`, or a bucket that was reduced by an earlier run.
    """
    calls, pointers = [], []
    for parcel in group[1]:
        if parcel.call:
            calls.append(parcel.call)
        elif parcel.pointer is not None:
            pointers.append(parcel.pointer)
    if not calls:
        return
    function, argument, shuffled = pickle.loads(calls[0])
    if shuffled:
        function(argument, pointers)
    else:
        function(argument)


def _balanced(tasks: Sequence[tuple[float, str, T]], lanes: int, filler: T) -> list[tuple[bytes, T]]:
    """Order tasks so that dealing them out round robin, as the local runner does, gives each lane the same work.

    The heaviest task goes to the emptiest lane; lanes are made equally long with fillers.
    """
    heap: list[tuple[float, int, list[tuple[bytes, T]]]] = [(0.0, lane, []) for lane in range(lanes)]
    for weight, key, value in sorted(tasks, key=lambda task: (-task[0], task[1])):
        load, lane, found = heapq.heappop(heap)
        found.append((key.encode(), value))
        heapq.heappush(heap, (load + weight, lane, found))
    columns = [found for _, _, found in sorted(heap, key=lambda entry: entry[1])]
    height = max(len(column) for column in columns)
    ordered = []
    for row in range(height):
        for lane, column in enumerate(columns):
            ordered.append(column[row] if row < len(column) else (f"filler#{row}-{lane}".encode(), filler))
    return ordered
