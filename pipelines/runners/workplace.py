"""What a worker does of a plan, on any runner: its own list of names, made of the plan's header, makes tasks of rows.

plan's header ─ same version? own list of names ─> Workplace      a row ─> Task ─ not done yet? ─> run
"""

from __future__ import annotations

import importlib
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from pipelines.files import memory, storage
from pipelines.files.current import noted, unless_current
from pipelines.files.fence import Fence, fenced
from pipelines.runners import plans
from pipelines.runners.names import Names
from pipelines.runners.plans import Chunk
from pipelines.runners.pointers import Pointer


@dataclass(frozen=True)
class Task:
    """One item, ready to be run: what to call, with what, and the manifest that it leaves.

    `runs` are the chunks of runs that a shuffle's item gets pointers of, None of another's.
    """

    call: Callable[..., Any]
    element: Any
    runs: range | None
    manifest: str
    identity: str

    def run(self, pointers: Sequence[Any]) -> bool:
        """Run it, if it is not done already, and tell whether it was not; what was shuffled goes to a shuffle's alone.

        An item whose manifest is there with its identity was done by an attempt before, whose worker was lost.
        """
        given = [] if self.runs is None else [pointers]
        if not self.identity:
            self.call(self.element, *given)
            return True
        with unless_current(self.manifest, self.identity) as wanted:
            if wanted:
                self.call(self.element, *given)
        return wanted


def counted(facts: Sequence[Mapping[str, Any]], *, done: bool) -> dict[str, int]:
    """Return what an item counts: itself, and what the manifests say that it has written."""
    found = Counter({"items" if done else "items_done_before": 1})
    for row in facts:
        drops = sum(count for reasons in row.get("dropped", {}).values() for count, _ in reasons.values())
        found.update(documents=row.get("kept", 0), bytes=row.get("kept_bytes", 0), drops=drops)
    return {name: number for name, number in found.items() if number}


def packed_items(chunk: Chunk) -> Iterator[tuple[bytes, bytes]]:
    """Yield (key, packed task) of a chunk of items, b"" for a filler; `Workplace.task` makes the task."""
    content = plans.read(chunk)
    for key, place, element, manifest, identity in content["rows"]:
        if place is None:
            yield key.encode(), b""
            continue
        call = content["calls"][place]
        if call["shared"]:
            ((kind, own),) = element.items()
            element = {kind: {**call["shared"], **own}}
        named = {name: call[name] for name in ("function", "of", "runs")}
        task = {**named, "element": element, "manifest": manifest, "identity": identity}
        yield key.encode(), plans.packed(task)


_TURN = threading.Lock()


@dataclass(frozen=True)
class Workplace:
    """A worker's own list of names, and the fence of its build; an engine's process may stay for many items."""

    names: Names
    fence: Fence | None
    of_engine: bool = False

    @contextmanager
    def turn(self) -> Iterator[list[dict[str, Any]]]:
        """Run one item of this process, behind the fence: its CPU seconds and its memory are then its own.

        Gives what the manifests say that it writes.
        """
        with _TURN, fenced(self.fence), noted() as facts:
            if self.of_engine:
                memory.forget_peak()
            yield facts

    def task(self, packed: bytes) -> Task:
        """Return a task; raise ValueError naming what this worker does not know."""
        found = plans.unpacked(packed)
        return Task(
            call=self._call(found),
            element=self.names.unpacked(found["element"]),
            runs=None if found["runs"] is None else range(*found["runs"]),
            manifest=found["manifest"],
            identity=found["identity"],
        )

    def split(self, chunk: Chunk) -> Iterator[tuple[str, int, Pointer]]:
        """Yield (label, bucket, pointer) of a chunk of runs."""
        content = plans.read(chunk)
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
    found = plans.read(header)
    if (ours := plans.package_version()) != found["package"]:
        raise RuntimeError(
            f"this worker has {plans.PACKAGE} {ours}, the build has {found['package']}: give workers the driver's "
            "version"
        )
    module, _, name = made_by.partition(":")
    names: Names = getattr(importlib.import_module(module), name)(found["facts"])
    fence = Fence(*found["fence"]) if found["fence"] else None
    if found["begun"]:
        with fenced(fence):
            storage.write_bytes(f"{found['begun']}-{uuid.uuid4().hex[:8]}.begun", b"")
    return Workplace(names, fence, of_engine=found["of_engine"])
