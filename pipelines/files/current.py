"""Whether a result is there and of what it should be made of: manifests compared with identities."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from pipelines.files import memory, storage

E = TypeVar("E")
TOOK = "took"  # the name under which a manifest has what its work took
# What manifests say that this thread has written.
_NOTED: ContextVar[list[dict[str, Any]] | None] = ContextVar("noted", default=None)
# Manifests that this thread has just looked for: there is nothing to remove.
_ABSENT: ContextVar[frozenset[str]] = ContextVar("absent", default=frozenset())


@contextmanager
def renewed(manifest: str, identity: str) -> Iterator[dict[str, Any]]:
    """Remove a manifest, and when the work inside is done write it: the identity, and the facts put into the dict.

    What the work took is beside them, see `measured`.
    """
    if manifest not in _ABSENT.get():
        storage.remove(manifest)
    facts: dict[str, Any] = {}
    with measured() as took:
        yield facts
    storage.write_json(manifest, {"identity": identity, **facts, TOOK: took})
    if (noted := _NOTED.get()) is not None:
        noted.append(facts)


@contextmanager
def noted() -> Iterator[list[dict[str, Any]]]:
    """Give a list of the facts of all manifests that this thread writes inside."""
    found: list[dict[str, Any]] = []
    token = _NOTED.set(found)
    try:
        yield found
    finally:
        _NOTED.reset(token)


@contextmanager
def measured() -> Iterator[dict[str, float]]:
    """Measure the work inside: CPU seconds, the process' largest memory so far, and by how much that rose meanwhile.

    Memory is in bytes. A process that is reused keeps the largest memory of what it did before, which the rise leaves
    out. Programs that the work starts and waits for count too.
    """
    took: dict[str, float] = {}
    seconds, before = _cpu_seconds(), _largest_memory()
    yield took
    largest = _largest_memory()
    took["cpu_seconds"] = round(_cpu_seconds() - seconds, 4)
    took |= {"memory_bytes": largest, "memory_rise_bytes": largest - before}


def _cpu_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _largest_memory() -> int:
    programs = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * memory.KIBIBYTE
    return max(memory.peak_bytes(), programs)


def is_current(manifest: str, identity: str) -> bool:
    """Tell whether a manifest is there and has this identity."""
    return _is_of(storage.read_json(manifest), identity)


@contextmanager
def unless_current(manifest: str, identity: str) -> Iterator[bool]:
    """Tell whether a manifest is not there with this identity, so that the work is to be done inside."""
    found = storage.read_json(manifest)
    token = _ABSENT.set(frozenset() if found is not None else frozenset({manifest}))
    try:
        yield not _is_of(found, identity)
    finally:
        _ABSENT.reset(token)


def _is_of(found: Any, identity: str) -> bool:
    return isinstance(found, dict) and found.get("identity") == identity


def not_current(entries: Sequence[E], manifest_of: Callable[[E], tuple[str, str]]) -> list[E]:
    """Return the entries whose manifest, given by path and identity, is not there; reads remote ones together."""
    wanted = [manifest_of(entry) for entry in entries]
    found = storage.read_jsons([path for path, _ in wanted])
    rows = zip(entries, wanted, found, strict=True)
    return [entry for entry, (_, identity), row in rows if not _is_of(row, identity)]
