"""Plans: what a wave does, as JSON in a file beside the corpus, which its workers read a chunk at a time.

    jobs ─ written ─> header │ chunk │ chunk ...    the graph holds each one's place and SHA-256
                        │
    worker ─ its own list of names, made of the header ─> tasks

The header says what a worker's list is made of (`Worklist`) and which build this is. A chunk is some rows: items, each
with its manifest and identity, or runs that a shuffle splits; what the items of one job share stands in it once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import accumulate, pairwise
from pathlib import Path
from types import MethodType
from typing import Any, BinaryIO

from pipelines.files import ours, storage
from pipelines.files.fence import Fence
from pipelines.runners.names import Names, name_of
from pipelines.stages.jobs import Job, Shuffle

# Items of one chunk: what they share is written once for each, and a worker holds one of them.
CHUNK = 500
PACKAGE = "altiplano-corpus"


@dataclass(frozen=True)
class Worklist:
    """What tasks may name: `names` of the driver; workers have `made_by`, "MODULE:FUNCTION", make theirs of `facts`.

    Workers write while the build holds its lock, behind the `fence`.
    """

    names: Names
    made_by: str
    facts: Mapping[str, Any]
    fence: Fence | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """A place in a plan: the bytes [start, start + length) of the file are JSON with this SHA-256.

    The digest travels in the graph, which the driver submits: what anybody else writes to the file is not done.
    """

    path: str
    start: int
    length: int
    sha256: bytes


@dataclass(frozen=True)
class Plan:
    """A written plan: its header, chunks of items in the order in which they are dealt, and chunks of runs.

    `spans` says which chunks of runs are each shuffle's. `made_by` is no part of the file, for it is run: it travels in
    the graph, or with each task.
    """

    header: Chunk
    items: tuple[Chunk, ...]
    runs: tuple[Chunk, ...]
    spans: tuple[range, ...]
    made_by: str


@dataclass(frozen=True, slots=True)
class Row:
    """An item of a plan: its key in the shuffle, its job, and what the job is called with; None: a filler.

    `manifest` and `identity` say whether it is done; "": it is to be done whatever there is.
    """

    key: bytes
    job: Job | Shuffle | None
    element: Any
    manifest: str = ""
    identity: str = ""


def rows_of(job: Job) -> Iterator[tuple[float, Row]]:
    """Yield (weight, row) of the items of a job."""
    weights = job.weights or [1.0] * len(job.elements)
    for number, (element, weight) in enumerate(zip(job.elements, weights, strict=True)):
        yield weight, _row(job, number, number, element)


def buckets_of(job: Shuffle) -> Iterator[Row]:
    """Yield the rows of the buckets of a shuffle."""
    for number, bucket in enumerate(job.buckets):
        yield _row(job, number, bucket, bucket)


def _row(job: Job | Shuffle, number: int, named: int, element: Any) -> Row:
    manifest, identity = (job.outputs[number], job.identities[number]) if job.identities else ("", "")
    return Row(key_of(job.label, named), job, element, manifest, identity)


def key_of(label: str, number: int) -> bytes:
    """Return the key of an item in a shuffle, which is its name too: LABEL#NUMBER."""
    return f"{label}#{number:08d}".encode()


def remove_left(output: str) -> None:
    """Remove the plans of builds that were killed, and their folder; this build holds the corpus directory."""
    folder = f"{output}/work/plan"
    for path in storage.stamps(folder):
        if ours.PLAN_FILE.fullmatch(path.rpartition("/")[2]):
            storage.remove(path)
    if not storage.is_remote(folder):
        with suppress(OSError):  # it is not there, or holds something else
            Path(folder).rmdir()


def write(
    path: str,
    rows: Sequence[Row],
    shuffles: Sequence[Shuffle],
    work: Worklist,
    *,
    chunk: int,
    run: Callable[[Shuffle], int],
    of_engine: bool = False,
    tell_begun: bool = False,
) -> Plan:
    """Write a plan of at most `chunk` items in a chunk, and so many runs as `run` says of a shuffle.

    Processes `of_engine` may stay for many items. With `tell_begun` each worker process that begins with it leaves an
    empty file beside it: its driver looks for one.
    """
    spans = _spans(shuffles, run)
    with storage.write(path) as stream:
        writer = _Writer(path, stream, work.names, {one.label: span for one, span in zip(shuffles, spans, strict=True)})
        header = writer.written(_header(path, work, of_engine=of_engine, tell_begun=tell_begun))
        items = [writer.items(rows[start : start + chunk]) for start in range(0, len(rows), chunk)]
        runs = [
            writer.runs(shuffle, shuffle.elements[start : start + run(shuffle)])
            for shuffle in shuffles
            for start in range(0, len(shuffle.elements), run(shuffle))
        ]
    return Plan(header, tuple(items), tuple(runs), spans, work.made_by)


def _spans(shuffles: Sequence[Shuffle], run: Callable[[Shuffle], int]) -> tuple[range, ...]:
    """Return the numbers of each shuffle's chunks of runs."""
    ends = [0, *accumulate(-(-len(shuffle.elements) // run(shuffle)) for shuffle in shuffles)]
    return tuple(range(first, end) for first, end in pairwise(ends))


def _header(path: str, work: Worklist, *, of_engine: bool, tell_begun: bool) -> dict[str, Any]:
    return {
        "package": package_version(),
        "facts": work.facts,
        "fence": [work.fence.lock, work.fence.build] if work.fence else None,
        "of_engine": of_engine,
        "begun": stem(path) if tell_begun else None,
    }


def package_version() -> str:
    """Return the version of this package; a checkout that is not installed has none."""
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return "not installed"


def stem(path: str) -> str:
    """Return what the names of all files begin with that belong to a plan: `STEM-XXXXXXXX.begun`, `.failed` ..."""
    return path.removesuffix(".plan")


def beside(path: str, number: int, kind: str) -> str:
    """Return the path of a file that belongs to a plan, by its number."""
    return f"{stem(path)}-{number:08x}.{kind}"


def remove(path: str) -> None:
    """Remove a plan and all files that belong to it."""
    for found in storage.stamps(path.rpartition("/")[0]):
        if found.startswith(stem(path)):
            storage.remove(found)


class _Writer:
    """Writes one chunk after the other."""

    def __init__(self, path: str, stream: BinaryIO, names: Names, spans: Mapping[str, range]) -> None:
        self._path, self._stream, self._names, self._spans = path, stream, names, spans
        self._position = 0

    def written(self, content: Any) -> Chunk:
        """Write JSON and return where it is."""
        written = packed(content)
        self._stream.write(written)
        self._position += len(written)
        return Chunk(self._path, self._position - len(written), len(written), hashlib.sha256(written).digest())

    def items(self, rows: Sequence[Row]) -> Chunk:
        """Write items."""
        jobs = list({id(row.job): row.job for row in rows if row.job is not None}.values())
        places = {id(job): place for place, job in enumerate(jobs)}
        shared = [_shared([row.element for row in rows if row.job is job]) for job in jobs]
        calls = [
            {**self._call(_function(job)), "runs": self._runs_of(job), "shared": self._fields(common)}
            for job, common in zip(jobs, shared, strict=True)
        ]
        found = []
        for row in rows:
            place = places.get(id(row.job))
            element = None if place is None else self._element(row.element, shared[place])
            found.append([row.key.decode(), place, element, row.manifest, row.identity])
        return self.written({"calls": calls, "rows": found})

    def _runs_of(self, job: Job | Shuffle) -> list[int] | None:
        """Return which chunks of runs a shuffle's items get pointers of: from the first to before the last."""
        if not isinstance(job, Shuffle):
            return None
        span = self._spans[job.label]
        return [span.start, span.stop]

    def runs(self, shuffle: Shuffle, elements: Sequence[Any]) -> Chunk:
        """Write runs that are to be split."""
        call = self._call(shuffle.split)
        return self.written({"label": shuffle.label, **call, "runs": [self._names.packed(one) for one in elements]})

    def _call(self, function: Callable[..., Any]) -> dict[str, Any]:
        """Return what is called: a function, or a method of a dataclass, by its name."""
        if isinstance(function, MethodType):
            return {"function": self._names.packed(function.__func__), "of": self._names.packed(function.__self__)}
        return {"function": self._names.packed(function), "of": None}

    def _fields(self, found: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._names.packed(value) for name, value in found.items()}

    def _element(self, element: Any, shared: Mapping[str, Any]) -> Any:
        if not shared:
            return self._names.packed(element)
        return {
            name_of(type(element)): self._fields(
                {n: getattr(element, n) for n in _names_of(element) if n not in shared}
            )
        }


def _function(job: Job | Shuffle) -> Callable[..., Any]:
    return job.process if isinstance(job, Job) else job.reduce


def _names_of(element: Any) -> list[str]:
    return [one.name for one in fields(element)]


def _shared(elements: Sequence[Any]) -> dict[str, Any]:
    """Return the fields that dataclasses of one class have alike."""
    first = elements[0]
    if not is_dataclass(first) or any(type(one) is not type(first) for one in elements):
        return {}
    found = {name: getattr(first, name) for name in _names_of(first)}
    for name, value in list(found.items()):
        if any((other := getattr(one, name)) is not value and other != value for one in elements):
            del found[name]
    return found


def read(chunk: Chunk) -> Any:
    """Return a chunk's JSON; RuntimeError if it is not what was written."""
    with storage.open_read(chunk.path) as stream:
        stream.seek(chunk.start)
        content = stream.read(chunk.length)
    if hashlib.sha256(content).digest() != chunk.sha256:
        raise RuntimeError(f"{chunk.path}: this plan is not the one that this build wrote; nothing of it is done")
    return unpacked(content)


def packed(content: Any) -> bytes:
    """Return content as JSON."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def unpacked(content: bytes) -> Any:
    """Return the content of JSON."""
    return json.loads(content.decode("utf-8", "surrogatepass"))
