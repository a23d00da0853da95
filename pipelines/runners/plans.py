"""Plans: what a wave does, as JSON in a file beside the corpus, which its workers read a chunk at a time.

    jobs ─ written ─> header │ chunk │ chunk ...    the graph holds each one's place and SHA-256
                        │
    worker ─ its own list of names, made of the header ─> tasks

The header says what a worker's list is made of (`Worklist`) and which build this is. A chunk is some rows: items, each
with its manifest and identity, or runs that a shuffle splits; what the items of one job share stands in it once.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import re
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from functools import lru_cache, partial
from importlib.metadata import version
from types import MethodType
from typing import Any, BinaryIO

from pipelines.files import memory, storage
from pipelines.files.fence import Fence, fenced
from pipelines.runners.names import Names, name_of
from pipelines.stages.jobs import Job, Shuffle

# Items of one chunk: what they share is written once for each, and a worker holds one of them.
CHUNK = 500
PACKAGE = "altiplano-corpus"
_NAME = re.compile(r"[0-9a-f]{16}(?:\.plan|-[0-9a-f]{8}\.(?:begun|failed))")


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

    `made_by` is no part of the file, for it is run: it travels in the graph.
    """

    header: Chunk
    items: tuple[Chunk, ...]
    runs: tuple[Chunk, ...]
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


def remove_left(output: str) -> None:
    """Remove the plans of earlier builds that were killed; the corpus directory is held by this one."""
    for path in storage.stamps(f"{output}/work/plan"):
        if _NAME.fullmatch(path.rpartition("/")[2]):
            storage.remove(path)


def write(
    path: str,
    rows: Sequence[Row],
    shuffles: Sequence[Shuffle],
    work: Worklist,
    *,
    chunk: int,
    run: int,
    tell_begun: bool = False,
) -> Plan:
    """Write a plan of at most `chunk` items and `run` runs in a chunk.

    With `tell_begun` each worker process that begins with it leaves an empty file beside it: its driver looks for one.
    """
    with storage.write(path) as stream:
        writer = _Writer(path, stream, work.names)
        header = writer.written(_header(path, work, tell_begun=tell_begun))
        items = [writer.items(rows[start : start + chunk]) for start in range(0, len(rows), chunk)]
        runs = [
            writer.runs(shuffle, shuffle.elements[start : start + run])
            for shuffle in shuffles
            for start in range(0, len(shuffle.elements), run)
        ]
    return Plan(header, tuple(items), tuple(runs), work.made_by)


def _header(path: str, work: Worklist, *, tell_begun: bool) -> dict[str, Any]:
    return {
        "package": version(PACKAGE),
        "facts": work.facts,
        "fence": [work.fence.lock, work.fence.build] if work.fence else None,
        "begun": stem(path) if tell_begun else None,
    }


def stem(path: str) -> str:
    """Return what the names of all files begin with that belong to a plan: `STEM-XXXXXXXX.begun`, `.failed`."""
    return path.removesuffix(".plan")


class _Writer:
    """Writes one chunk after the other."""

    def __init__(self, path: str, stream: BinaryIO, names: Names) -> None:
        self._path, self._stream, self._names = path, stream, names
        self._position = 0

    def written(self, content: Any) -> Chunk:
        """Write JSON and return where it is."""
        packed = _packed(content)
        self._stream.write(packed)
        self._position += len(packed)
        return Chunk(self._path, self._position - len(packed), len(packed), hashlib.sha256(packed).digest())

    def items(self, rows: Sequence[Row]) -> Chunk:
        """Write items."""
        jobs = list({id(row.job): row.job for row in rows if row.job is not None}.values())
        places = {id(job): place for place, job in enumerate(jobs)}
        shared = [_shared([row.element for row in rows if row.job is job]) for job in jobs]
        calls = [
            {**self._call(_function(job)), "shuffled": isinstance(job, Shuffle), "shared": self._fields(common)}
            for job, common in zip(jobs, shared, strict=True)
        ]
        packed = []
        for row in rows:
            place = places.get(id(row.job))
            element = None if place is None else self._element(row.element, shared[place])
            packed.append([row.key.decode(), place, element, row.manifest, row.identity])
        return self.written({"calls": calls, "rows": packed})

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


@dataclass(frozen=True)
class Task:
    """One item, ready to be run: what to call, with what, and the manifest that it leaves."""

    call: Callable[..., Any]
    element: Any
    shuffled: bool
    manifest: str
    identity: str

    def run(self, pointers: Sequence[Any]) -> None:
        """Run it; what was shuffled goes to a shuffle's alone."""
        self.call(self.element, *([pointers] if self.shuffled else []))


def read(chunk: Chunk) -> Any:
    """Return a chunk's JSON; RuntimeError if it is not what was written."""
    with storage.open_read(chunk.path) as stream:
        stream.seek(chunk.start)
        content = stream.read(chunk.length)
    if hashlib.sha256(content).digest() != chunk.sha256:
        raise RuntimeError(f"{chunk.path}: this plan is not the one that this build wrote; nothing of it is done")
    return _unpacked(content)


def _packed(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _unpacked(packed: bytes) -> Any:
    return json.loads(packed.decode("utf-8", "surrogatepass"))


def packed_items(chunk: Chunk) -> Iterator[tuple[bytes, bytes]]:
    """Yield (key, packed task) of a chunk of items, b"" for a filler; `Workplace.task` makes the task."""
    content = read(chunk)
    for key, place, element, manifest, identity in content["rows"]:
        if place is None:
            yield key.encode(), b""
            continue
        call = content["calls"][place]
        if call["shared"]:
            ((kind, own),) = element.items()
            element = {kind: {**call["shared"], **own}}
        named = {name: call[name] for name in ("function", "of", "shuffled")}
        task = {**named, "element": element, "manifest": manifest, "identity": identity}
        yield key.encode(), _packed(task)


_TURN = threading.Lock()


@dataclass(frozen=True)
class Workplace:
    """A worker's own list of names, and the fence of its build; an engine's process may stay for many items."""

    names: Names
    fence: Fence | None
    of_engine: bool = False

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Run one item of this process, behind the fence: its CPU seconds and its memory are then its own."""
        with _TURN, fenced(self.fence):
            if self.of_engine:
                memory.forget_peak()
            yield

    def task(self, packed: bytes) -> Task:
        """Return a task; raise ValueError naming what this worker does not know."""
        found = _unpacked(packed)
        return Task(
            call=self._call(found),
            element=self.names.unpacked(found["element"]),
            shuffled=found["shuffled"],
            manifest=found["manifest"],
            identity=found["identity"],
        )

    def split(self, chunk: Chunk) -> Iterator[tuple[str, int, Any]]:
        """Yield (label, bucket, pointer) of a chunk of runs."""
        content = read(chunk)
        split = self._call(content)
        for one in content["runs"]:
            for bucket, pointer in split(self.names.unpacked(one)):
                yield content["label"], bucket, pointer

    def _call(self, found: Mapping[str, Any]) -> Callable[..., Any]:
        """Return what is called: a function, or a method of what it is of."""
        function: Callable[..., Any] = self.names.unpacked(found["function"])
        of = self.names.unpacked(found["of"])
        return function if of is None else partial(function, of)


@lru_cache(maxsize=4)
def workplace(header: Chunk, made_by: str) -> Workplace:
    """Return what this worker works with; raise RuntimeError if it is of another version than the driver."""
    found = read(header)
    if (ours := version(PACKAGE)) != found["package"]:
        raise RuntimeError(
            f"this worker has {PACKAGE} {ours}, the build has {found['package']}: give workers the driver's version"
        )
    module, _, name = made_by.partition(":")
    names: Names = getattr(importlib.import_module(module), name)(found["facts"])
    fence = Fence(*found["fence"]) if found["fence"] else None
    if found["begun"]:
        with fenced(fence):
            storage.write_bytes(f"{found['begun']}-{uuid.uuid4().hex[:8]}.begun", b"")
    return Workplace(names, fence, of_engine=bool(found["begun"]))
