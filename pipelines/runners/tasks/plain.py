"""The plain runner: a wave's tasks one after the other in this process. Every runner must leave the same files."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from pipelines.runners.tasks import pieces
from pipelines.runners.tasks.pieces import Outcome, Piece


class Plain:
    """Does a task whenever it is asked what has ended."""

    name, link = "plain", ""

    def __init__(self) -> None:
        self._waiting: deque[Piece] = deque()

    def deal(self, weights: list[float]) -> list[list[int]]:
        """Do all items as one task, as they come."""
        return [list(range(len(weights)))] if weights else []

    def submit(self, wanted: Sequence[Piece]) -> None:
        """Take on tasks."""
        self._waiting.extend(wanted)

    def ended(self) -> Iterator[tuple[Piece, Outcome]]:
        """Do the next task."""
        if self._waiting:
            piece = self._waiting.popleft()
            yield piece, pieces.do(piece)

    def cancel(self) -> None:
        """Leave what waits; nothing else runs."""
        self._waiting.clear()

    def log(self, piece: Piece) -> Sequence[str]:
        """Return nothing: what a task says goes where this process' does."""
        return ()
