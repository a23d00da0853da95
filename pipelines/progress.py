"""Live progress: a bar for each running stage, counted from the manifests that appear, whatever the runner."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from pipelines import storage
from pipelines.graph import Node
from pipelines.jobs import Job, Shuffle


class Progress:
    """Shows what runs: bars on a terminal, one line for each finished stage elsewhere."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._console = Console(stderr=True)
        columns = (TextColumn("{task.description:<32}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bars = Bars(*columns, console=self._console, transient=True)
        self._running: dict[str, tuple[TaskID, dict[str, str | None], float]] = {}
        self._names = {node.name for node in nodes}

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
        for job in jobs:
            before = {path: _stamp(path) for path in job.outputs}
            task = self._bars.add_task(job.label, total=len(job.outputs))
            self._running[job.label] = (task, before, time.monotonic())

    def poll(self) -> None:
        """Count the manifests that have appeared since the last call."""
        for task, before, _ in self._running.values():
            for path in [path for path, stamp in before.items() if _stamp(path) not in (None, stamp)]:
                del before[path]
                self._bars.advance(task)

    def finish(self, node: Node) -> None:
        """Take note of a finished node."""
        if node.name in self._running:
            task, _, started = self._running.pop(node.name)
            total = self._bars.tasks[self._bars.task_ids.index(task)].total
            self._bars.remove_task(task)
            seconds = time.monotonic() - started
            self._console.print(f"{node.name:<32} {total or 0:>6.0f} items {seconds:>7.1f} s", highlight=False)


def _stamp(path: str) -> str | None:
    found = storage.read_json(path)
    return None if found is None else str(found.get("identity"))
