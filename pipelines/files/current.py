"""Whether a result is there and of what it should be made of: manifests compared with identities."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from pipelines.files import storage

E = TypeVar("E")
# What manifests say that this thread has written.
_NOTED: ContextVar[list[dict[str, Any]] | None] = ContextVar("noted", default=None)
# Manifests that this thread has just looked for: there is nothing to remove.
_ABSENT: ContextVar[frozenset[str]] = ContextVar("absent", default=frozenset())


@contextmanager
def renewed(manifest: str, identity: str) -> Iterator[dict[str, Any]]:
    """Remove a manifest, and when the work inside is done write it: the identity, and the facts put into the dict."""
    if manifest not in _ABSENT.get():
        storage.remove(manifest)
    facts: dict[str, Any] = {}
    yield facts
    storage.write_json(manifest, {"identity": identity, **facts})
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
