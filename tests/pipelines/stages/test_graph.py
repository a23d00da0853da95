"""The order of a build's nodes: waves, and trainings beside them."""

from __future__ import annotations

from collections.abc import Sequence, Set
from functools import partial
from pathlib import Path

import pytest

from pipelines.stages.graph import Node, run_waves
from pipelines.stages.jobs import Job, Shuffle

Jobs = Sequence[Job | Shuffle]
# wikipedia -> model -> quality -> classifier -> reference; c4 in three stages; all to the tokenizer
NEEDS = {
    "articles": (),
    "paragraphs": (),
    "pages": (),
    "model": ("articles",),
    "quality": ("paragraphs", "model"),
    "classifier": ("quality",),
    "lines": ("pages",),
    "english": ("lines",),
    "reference": ("quality", "classifier"),
    "tokenizer": ("reference", "english"),
    "shards": ("tokenizer",),
}
TRAININGS = {"model", "classifier", "tokenizer"}


class Folder:
    """A folder in which each node leaves one file, and a record of what ran with what."""

    def __init__(self, folder: Path, failing: str = "") -> None:
        self.folder, self.failing = folder, failing
        self.waves: list[list[str]] = []

    def nodes(self) -> list[Node]:
        return [Node(name, needs, partial(self.plan, name), name in TRAININGS) for name, needs in NEEDS.items()]

    def plan(self, name: str) -> Jobs:
        path = self.folder / name
        return [] if path.exists() else [Job(name, Path.touch, [path], [str(path)])]

    def run(self, jobs: Jobs) -> None:
        self.waves.append(sorted(job.label for job in jobs))
        for job in jobs:
            assert isinstance(job, Job)
            if job.label != self.failing:
                for element in job.elements:
                    job.process(element)


class Slow:
    """Trainings that take two waves each."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.left: dict[str, tuple[int, Jobs]] = {}

    def start(self, name: str, jobs: Jobs) -> None:
        self.folder.waves.append([f"+{name}"])
        self.left[name] = (2, jobs)

    def ended(self, wait_for_one: bool) -> Set[str]:
        self.left = {name: (0 if wait_for_one else turns - 1, jobs) for name, (turns, jobs) in self.left.items()}
        ended = {name for name, (turns, _) in self.left.items() if turns <= 0}
        for name in ended:
            self.folder.run(self.left.pop(name)[1])
            self.folder.waves[-1] = [f"-{name}"]
        return ended


def test_a_wave_has_all_that_is_ready(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    run_waves(folder.nodes(), folder.run)
    assert folder.waves == [
        ["articles", "pages", "paragraphs"],
        ["lines", "model"],
        ["english", "quality"],
        ["classifier"],
        ["reference"],
        ["tokenizer"],
        ["shards"],
    ]


def test_what_no_training_waits_for_fills_the_time_of_a_training(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    run_waves(folder.nodes(), folder.run, beside=Slow(folder))
    assert folder.waves == [
        ["articles"],
        ["+model"],
        ["paragraphs"],
        ["pages"],  # while the model is trained
        ["-model"],
        ["quality"],
        ["+classifier"],
        ["lines"],
        ["english"],
        ["-classifier"],
        ["reference"],
        ["+tokenizer"],
        ["-tokenizer"],  # nothing else is left to do
        ["shards"],
    ]


def test_nothing_is_done_twice(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    run_waves(folder.nodes(), folder.run)
    again = Folder(tmp_path)
    run_waves(again.nodes(), again.run, beside=Slow(again))
    assert again.waves == []


@pytest.mark.parametrize("lost", ["classifier", "pages"])
def test_a_lost_result_is_an_error(tmp_path: Path, lost: str) -> None:
    folder = Folder(tmp_path, failing=lost)
    with pytest.raises(RuntimeError, match=f"{lost}: the runner came back, but 1 results are missing"):
        run_waves(folder.nodes(), folder.run, beside=Slow(folder))


@pytest.mark.parametrize("needs", [("nobody",), ("b",)])
def test_a_node_that_cannot_run_is_named(needs: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="nothing can run: a needs"):
        run_waves([Node("a", needs, list), Node("b", ("a",), list)], print)
