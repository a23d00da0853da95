"""A build of items that say what is done with them, on an engine of this machine: how it starts, and what is right."""

from __future__ import annotations

import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines import corpus
from tests.pipelines.runners import trying
from tests.pipelines.tiny import identity

LIMIT = 600.0  # of a build that hangs: two cores may have other work


class Tried(ABC):
    """A build in a folder, of items as `trying` has them."""

    def __init__(self, folder: Path, items: Sequence[str]) -> None:
        self.folder, self.items = folder, items

    @property
    def output(self) -> Path:
        """The corpus."""
        return self.folder / "corpus"

    def options(self) -> list[str]:
        """Write the items; return the options of their build."""
        return trying.write(self.folder / "dumps", self.items)

    @abstractmethod
    def start(self, *more: str) -> subprocess.Popen[str]:
        """Start it on the engine."""

    @abstractmethod
    def nothing_left(self, *, killed: bool = False) -> None:
        """Check that no file of the waves is left, but what a worker had half written that was `killed`."""

    def plain(self) -> dict[str, Any]:
        """Return what the plain runner makes of it."""
        output = self.folder / "plain"
        assert corpus.main([*self.options(), "--output", str(output), "--runner", "plain"]) == 0
        return identity(output)

    def some_done(self, number: int = 4) -> dict[str, tuple[int, int]]:
        """Wait until some items are done, and return them."""
        until(lambda: len(trying.finished(self.output)) >= number)
        return trying.finished(self.output)

    def is_right(self, before: Mapping[str, tuple[int, int]], *, killed: bool = False) -> None:
        """Check that it is what the plain runner makes, and that what was done before was not done again."""
        now = trying.finished(self.output)
        assert {name: now[name] for name in before} == before
        assert len(now) == len(self.items)
        self.nothing_left(killed=killed)
        assert identity(self.output) == self.plain()


def until(true: Callable[[], bool], seconds: float = LIMIT) -> None:
    """Wait until something is true, for some seconds at most."""
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit
        time.sleep(0.1)
