"""Live progress: a bar for each running stage, counted from the manifests that appear, whatever the runner.

What appears is looked up by listing folders, not by reading manifests, and no more often than a twentieth of the time
goes into it: a listing of 90,000 objects takes seconds.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from pipelines.files import storage
from pipelines.runners import events
from pipelines.stages.graph import Node
from pipelines.stages.jobs import Job, Shuffle

SHARE = 0.05  # of the time that polling may take
Stamp = tuple[int, int] | None


class Progress:
    """Shows what runs: bars on a terminal, one line for each finished stage elsewhere, and events for each.

    `stages` says of every stage that ran its items and seconds.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._console = Console(stderr=True)
        columns = (TextColumn("{task.description:<32}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bars = Bars(*columns, console=self._console, transient=True)
        self._running: dict[str, tuple[TaskID, dict[str, Stamp], float]] = {}
        self._names = {node.name for node in nodes}
        self._next_poll = 0.0
        self.stages: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def start(self, jobs: Sequence[Job | Shuffle]) -> None:
        """Take on a wave of jobs; what the last one did besides its nodes' own work is done."""
        for label in self._running.keys() - self._names:
            self._bars.remove_task(self._running.pop(label)[0])
        there = _stamps([path for job in jobs for path in job.outputs])
        for job in jobs:
            task = self._bars.add_task(job.label, total=len(job.outputs))
            self._running[job.label] = (task, {path: there.get(path) for path in job.outputs}, time.monotonic())
        events.tell("wave_started", stages={job.label: len(job.outputs) for job in jobs})

    def poll(self) -> None:
        """Count the manifests that have appeared since the last time, if it is long enough ago."""
        started = time.monotonic()
        if started < self._next_poll:
            return
        there = _stamps([path for _, before, _ in self._running.values() for path in before])
        for task, before, _ in self._running.values():
            for path in [path for path, stamp in before.items() if there.get(path) not in (None, stamp)]:
                del before[path]
                self._bars.advance(task)
        now = time.monotonic()
        self._next_poll = now + (now - started) / SHARE

    def finish(self, node: Node) -> None:
        """Take note of a finished node."""
        if node.name in self._running:
            task, _, started = self._running.pop(node.name)
            total = self._bars.tasks[self._bars.task_ids.index(task)].total
            self._bars.remove_task(task)
            seconds = round(time.monotonic() - started, 1)
            facts: dict[str, Any] = {"stage": node.name, "items": int(total or 0), "seconds": seconds}
            self.stages.append(facts)
            events.tell("stage_finished", **facts)
            self._console.print(f"{node.name:<32} {facts['items']:>6} items {seconds:>7.1f} s", highlight=False)

    def tell(self, told: Sequence[str]) -> None:
        """Print what a user should know, a line each."""
        for text in told:
            self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def warn(self, told: Sequence[str]) -> None:
        """Print warnings, a line each."""
        for text in told:
            events.tell("warning", level=logging.WARNING, text=text)
            self._console.print(f"warning: {text}", highlight=False, markup=False, soft_wrap=True)


def _stamps(paths: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Return size and time of those files that are there, by one listing of each folder."""
    found: dict[str, tuple[int, int]] = {}
    for folder in sorted({path.rpartition("/")[0] for path in paths}):
        found.update(storage.stamps(folder))
    return found
