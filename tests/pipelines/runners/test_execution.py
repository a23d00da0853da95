"""Trainings beside the waves: how they end, and how a build ends when one of them or a wave fails."""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pipelines.runners.beam import local
from pipelines.runners.execution import Execution
from pipelines.runners.needs import Needs
from pipelines.stages.graph import Node, run_waves
from pipelines.stages.jobs import Job, Shuffle
from tests.pipelines.runners.listed import worklist

LONG = 60.0  # seconds, more than any test takes


def touch(path: str) -> None:
    Path(path).touch()


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def after(element: tuple[str, str]) -> None:
    path, other = element
    limit = time.monotonic() + LONG
    while other and not Path(other).exists():
        assert time.monotonic() < limit
        time.sleep(0.05)
    Path(path).touch()


def fail(number: int) -> None:
    raise ValueError(f"model {number} is bad")


def die(number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def niceness(path: str) -> None:
    Path(path).write_text(str(os.nice(0)))


def variable(path: str) -> None:
    Path(path).write_text(os.environ.get("ALTIPLANO_TEST", ""))


def execution(begun: list[str], workers: int = 2) -> Execution:
    def begin(jobs: Sequence[Job | Shuffle]) -> None:
        begun.extend(job.label for job in jobs)

    options = argparse.Namespace(runner="local", workers=workers, deadline=None, output=tempfile.mkdtemp())
    return Execution(options, [], worklist(__name__), Needs(), begin, lambda: None)


def test_a_training_runs_beside_a_wave_that_lets_it_go_first(tmp_path: Path) -> None:
    begun: list[str] = []
    files = [f"{tmp_path}/{n}" for n in range(4)]
    with execution(begun) as executed:
        assert executed.beside is not None
        executed.beside.start("long", [Job("long", sleep, [5.0], [])])
        executed.run([Job("wave", niceness, files, [])])
        assert executed.beside.ended(False) == set()
        assert executed.beside.ended(True) == {"long"}
        assert not executed.beside.busy
        executed.run([Job("after", niceness, [f"{tmp_path}/after", f"{tmp_path}/too"], [])])
    assert begun == ["long", "wave", "after"]
    own = os.nice(0)
    assert {Path(path).read_text() for path in files} == {str(min(19, own + 5))}
    assert (tmp_path / "after").read_text() == str(own)


@pytest.mark.parametrize(("process", "message"), [(fail, "ValueError: model 0 is bad"), (die, "a worker process died")])
def test_a_training_that_fails_ends_the_wave_beside_it(process: Callable[[int], None], message: str) -> None:
    started = time.monotonic()
    with pytest.raises(RuntimeError, match=message), execution([]) as executed:
        assert executed.beside is not None
        executed.beside.start("bad", [Job("bad", process, [0], [])])
        executed.run([Job("wave", sleep, [LONG, LONG], [])])
    assert time.monotonic() - started < LONG


def test_a_wave_that_fails_ends_the_training_beside_it() -> None:
    started = time.monotonic()
    with pytest.raises(RuntimeError, match="is bad"), execution([]) as executed:
        assert executed.beside is not None
        executed.beside.start("long", [Job("long", sleep, [LONG], [])])
        executed.run([Job("wave", fail, [1, 2], [])])
    assert time.monotonic() - started < LONG


def test_an_error_of_the_build_itself_ends_the_training(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), execution([]) as executed:
        assert executed.beside is not None
        executed.beside.start("long", [Job("long", sleep, [LONG], [])])
        raise KeyboardInterrupt
    assert time.monotonic() - started < LONG


def test_trainings_of_a_graph_run_beside_its_waves(tmp_path: Path) -> None:
    order = [f"{tmp_path}/{name}" for name in ("model", "first", "second", "last")]

    def node(number: int, needs: tuple[str, ...], other: str = "") -> Node:
        path = order[number]
        job = Job(path, after, [(path, other), (f"{path}-", other)][: 1 if number == 0 else 2], [path])
        return Node(path, needs, lambda: [] if Path(path).exists() else [job], training=number == 0)

    nodes = [node(0, (), order[2]), node(1, ()), node(2, (order[1],)), node(3, (order[0], order[2]))]
    with execution([]) as executed:
        run_waves(nodes, executed.run, beside=executed.beside)
    assert sorted(order, key=lambda path: Path(path).stat().st_mtime_ns) == [order[n] for n in (1, 2, 0, 3)]


def test_workers_have_the_environment_of_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("first", "second"):
        monkeypatch.setenv("ALTIPLANO_TEST", value)
        files = [f"{tmp_path}/{value}-{n}" for n in range(2)]
        with execution([]) as executed:
            executed.run([Job("wave", variable, files, [])])
        assert {Path(path).read_text() for path in files} == {value}


def test_one_worker_trains_in_its_waves(tmp_path: Path) -> None:
    with execution([], workers=1) as executed:
        assert executed.beside is None
        executed.run([Job("wave", touch, [f"{tmp_path}/a"], [])])
    assert (tmp_path / "a").exists()


def test_pipelines_beside_each_other_lose_nothing(tmp_path: Path) -> None:
    with execution([]) as executed:
        assert executed.beside is not None
        for round_ in range(3):
            one, many = f"{tmp_path}/one-{round_}", [f"{tmp_path}/many-{round_}-{n}" for n in range(20)]
            executed.beside.start(str(round_), [Job("one", touch, [one], [])])
            executed.run([Job("many", touch, many, [])])
            assert executed.beside.ended(True) == {str(round_)}
    assert len(list(tmp_path.iterdir())) == 63
    assert local._Watchdog.running == []
