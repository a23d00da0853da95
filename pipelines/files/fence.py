"""A fence around a corpus directory: a worker of a build that no longer holds the directory's lock writes nothing more.

    build ─ takes the lock, which names it ─> plan names it too ─> worker ─ looks at the lock right before each file

A driver can die, and an engine go on with its job; a machine can sleep, and its workers wake when another build has
begun. What they still write between the look and the rename is what their build would have written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from pipelines.files import remote


class FencedError(RuntimeError):
    """The build that this worker belongs to no longer holds the directory's lock."""


@dataclass(frozen=True)
class Fence:
    """The path of a lock, and the build that must hold it."""

    lock: str
    build: str

    def check(self) -> None:
        """Raise FencedError if another build holds the lock, or none."""
        try:
            found = json.loads(_content(self.lock)).get("build")
        except (ValueError, AttributeError):
            found = None
        if found != self.build:
            holder = "another build writes there now" if found else "its build has ended"
            raise FencedError(f"{self.lock}: this worker writes nothing more, for {holder}")


def _content(path: str) -> bytes:
    if "://" in path:
        found = remote.read_version(path)
        return b"" if found is None else found.content
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        return b""


_FENCE: ContextVar[Fence | None] = ContextVar("fence", default=None)


@contextmanager
def fenced(fence: Fence | None) -> Iterator[None]:
    """Let what this thread writes through `pipelines.files.storage` be written only while the build holds its lock."""
    token = _FENCE.set(fence)
    try:
        yield
    finally:
        _FENCE.reset(token)


def current() -> Fence | None:
    """Return the fence that this thread works behind."""
    return _FENCE.get()
