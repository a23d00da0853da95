"""Every stage makes of the tiny dumps what golden.json says, and a change of any of them is named, with what to do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines import build
from pipelines.document import Document, Drop
from pipelines.options import parse, prepare
from pipelines.recipes import Recipe
from pipelines.stages.kinds import Decide, Join, Map, Resolve, Stage
from pipelines.stages.source import Source, Unpacking
from tests.pipelines import golden, loop

GOLDEN = json.loads(golden.FILE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the tiny dumps and of the corpus made of them."""
    folder = tmp_path_factory.mktemp("golden")
    golden.build(folder)
    return folder


def test_every_stage_makes_what_the_file_says(built: Path) -> None:
    assert list(golden.problems(golden.found(built), GOLDEN)) == []
    named = [f"{name}/{stage.name}" for name, stages in golden.STAGES.items() for stage in stages]
    assert sorted(GOLDEN) == sorted([*named, "stack_exchange/unpack"])


class Planted:
    """A step with a mistake: the first record that it would keep is dropped."""

    def __init__(self, step: Callable[..., Any]) -> None:
        self._step, self._done = step, False

    def __call__(self, record: Any, *more: Any) -> Any:
        outcome = self._step(record, *more)
        if isinstance(outcome, Drop) or self._done:
            return outcome
        self._done = True
        return Drop(
            id=str(getattr(record, "record", record.id)),
            source="planted",
            stage="planted",
            reason="mistake",
            excerpt="",
            size=0,
        )


def flipped(rule: Callable[..., Any]) -> Callable[..., Any]:
    """Return a rule with a mistake: the first record is marked if it was not."""

    def planted(*arguments: Any) -> Any:
        marks = np.array(rule(*arguments))
        marks[:1] = ~marks[:1]
        return marks

    return planted


def louder(reduce: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """Return a join with a mistake in the text of its documents."""

    def planted(*arguments: Any) -> Iterator[Any]:
        for outcome in reduce(*arguments):
            if isinstance(outcome, Drop):
                yield outcome
            else:
                document, merged = outcome
                assert isinstance(document, Document)
                yield replace(document, text=f"{document.text}!"), merged

    return planted


def with_mistake(stage: Stage) -> Stage:
    if isinstance(stage, Map):
        return replace(stage, step=Planted(stage.step))
    if isinstance(stage, Decide):
        return replace(stage, rule=flipped(stage.rule))
    if isinstance(stage, Join):
        return replace(stage, reduce=louder(stage.reduce))
    assert isinstance(stage, Resolve)
    return replace(stage, measure="containment" if stage.measure == "jaccard" else "jaccard")


@pytest.mark.parametrize(("source", "index"), list(golden.stages()))
def test_a_planted_change_of_any_stage_is_named(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, index: int
) -> None:
    stages = golden.STAGES[source]
    stage = stages[index]
    folder = tmp_path / "golden"
    shutil.copytree(built, folder)
    name = f"{source}/{stage.name}"
    for path in list(golden.work(folder, source, index)):
        if path.suffix == ".json":
            path.unlink()
    mistaken = (*stages[:index], with_mistake(stage), *stages[index + 1 :])
    whole = build.source_of

    def planted(found: Source, recipe: Recipe) -> Source:
        return replace(whole(found, recipe), stages=mistaken) if found.name == source else whole(found, recipe)

    monkeypatch.setattr(build, "source_of", planted)
    run(golden.options(folder, source), name)
    (problem,) = golden.problems(golden.found(folder), GOLDEN)
    assert problem.startswith(f"{name}: makes something else of the same dumps, with the same version {stage.version}")
    assert f"raise `version` of the stage in pipelines/{golden._file(name)} and run {golden.COMMAND}" in problem


def run(options: list[str], name: str) -> None:
    """Run what is left to do of a node."""
    prepared = prepare(*parse(options))
    (node,) = [node for node in prepared.nodes() if node.name == name]
    while jobs := node.plan():
        loop.run(jobs)


def test_a_planted_change_of_what_is_unpacked_is_named(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, name = tmp_path / "golden", "stack_exchange/unpack"
    shutil.copytree(built, folder)
    for manifest in (folder / "corpus/work" / name).glob("*.json"):
        manifest.unlink()
    source = build.SOURCES["stack_exchange"]

    def cut(task: Unpacking) -> None:
        assert source.unpack
        source.unpack(task)
        part = min(Path(task.directory).glob(f"{task.part.digest}*.xml"))
        part.write_bytes(part.read_bytes()[:-1])

    monkeypatch.setattr(build, "SOURCES", {**build.SOURCES, source.name: replace(source, unpack=cut)})
    run(golden.options(folder, source.name), name)
    problems = list(golden.problems(golden.found(folder), GOLDEN))
    assert problems[0].startswith(f"{name}: makes something else of the same dumps, with the same version 1")


def test_a_version_that_was_raised_is_to_be_recorded() -> None:
    now = {name: dict(row) for name, row in GOLDEN.items()}
    now["c4/pages"]["version"] += 1
    now["c4/else"] = now.pop("c4/lines")
    assert list(golden.problems(now, GOLDEN)) == [
        f"c4/lines: is gone; record that with {golden.COMMAND}",
        f"c4/pages: has version {now['c4/pages']['version']}, golden.json {GOLDEN['c4/pages']['version']}; "
        f"run {golden.COMMAND}",
        f"c4/else: is new; record that with {golden.COMMAND}",
    ]
