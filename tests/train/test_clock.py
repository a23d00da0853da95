"""`--minutes` on machines of any speed, by a clock that is told how long everything takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from model import configs
from tests.train.test_pretrain import TINY, arguments, final
from train import evaluate, pretrain, run
from train.clock import steps_that_fit
from train.config import parse
from train.meters import Pace
from train.records import read_log
from train.run import Run, open_run


class Machine:
    """Time that passes only in what is told to take it."""

    def __init__(self) -> None:
        self.now = 0.0

    def takes(self, seconds: Callable[[], float], work: Callable[..., Any]) -> Callable[..., Any]:
        def taking(*inputs: Any) -> Any:
            self.now += seconds()
            return work(*inputs)

        return taking


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    monkeypatch.setitem(configs.MODELS, "tiny", TINY)
    found = Machine()
    monkeypatch.setattr("time.perf_counter", lambda: found.now)
    yield found


def trained(
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
    *,
    step: Callable[[], float] | float,
    evaluation: float = 0.0,
    save: float = 0.0,
) -> float:
    """Run a command; return the seconds that it took."""
    began = machine.now
    per_step = step if callable(step) else lambda: step
    with monkeypatch.context() as patch:
        patch.setattr(pretrain, "train_step", machine.takes(per_step, run.train_step))
        patch.setattr(pretrain, "evaluate_run", machine.takes(lambda: evaluation, evaluate.evaluate_run))
        patch.setattr(pretrain, "save", machine.takes(lambda: save, run.save))
        assert pretrain.main(command) == 0
    return machine.now - began


def rates(output: Path) -> list[float]:
    return [row["learning_rate"] for row in read_log(output / "log.jsonl")]


@pytest.mark.parametrize("step", [0.4, 1.5, 7.0, 40.0, 500.0])
def test_a_run_of_three_minutes_takes_three(
    shared_corpus: Path, tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    # An evaluation of this corpus scores the tokens of nine steps; one takes about a third of that.
    command = arguments(shared_corpus, tmp_path, "--steps", "100000", "--minutes", "3", "--evaluate-every", "500")
    command += ["--batch-sequences", "8", "--checkpoint-every", "100", "--evaluation-tokens", "20000"]
    took = trained(machine, monkeypatch, command, step=step, evaluation=2.5 * step, save=step)
    # The last step, and what comes at the end of any run, is done even where the time is too short for one.
    assert took <= 180 * 1.05 + 11 * step * (step > 18)
    assert took >= 180 * 0.6 or step == 0.4  # there a block of 125 steps more takes 50 s
    done = len(rates(tmp_path))
    assert final(tmp_path)["state"]["steps"] == done
    assert (done % 125 == 0) == (step <= 0.4)
    if done > 30:
        assert rates(tmp_path)[-1] == pytest.approx(3e-4, rel=0.15)


def test_a_machine_that_becomes_slow_ends_in_time(
    shared_corpus: Path,
    tmp_path: Path,
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = arguments(shared_corpus, tmp_path, "--steps", "1000", "--minutes", "3", "--batch-sequences", "8")
    command += ["--evaluate-every", "0"]
    took = trained(machine, monkeypatch, command, step=lambda: 0.17 if machine.now < 20 else 2.0, evaluation=5)
    assert took <= 180 * 1.05
    said = " ".join(capsys.readouterr().out.split())
    done = len(rates(tmp_path))
    assert f"--minutes 3 ended the run after {done} of 1,000 steps, inside a block of the mixture" in said


def test_on_a_slow_machine_the_plan_and_the_learning_rate_are_those_of_the_steps_that_fit(
    shared_corpus: Path,
    tmp_path: Path,
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = arguments(shared_corpus, tmp_path, "--steps", "1000", "--minutes", "3", "--warmup-steps", "40")
    trained(machine, monkeypatch, [*command, "--evaluate-every", "500"], step=5.0, evaluation=10.0)
    said = " ".join(capsys.readouterr().out.split())
    assert "at most 1,000 steps of 4 x 32 tokens: as many as fit into 3 minutes on this machine" in said
    assert "Plan of at most 1,000 steps" in said
    found = rates(tmp_path)
    assert 20 < len(found) < 40
    assert max(found) == pytest.approx(3e-3)
    assert found[-1] == pytest.approx(3e-4, rel=0.15)


def test_a_pause_counts_for_the_minutes_and_a_machine_of_changing_speed_does_not_shake_the_rate(
    shared_corpus: Path, tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = arguments(shared_corpus, tmp_path, "--steps", "2000", "--minutes", "3", "--batch-sequences", "8")
    command += ["--evaluate-every", "0"]
    bursts = iter([0.4, 0.4, 0.1, 0.4, 0.3] * 400)
    first = trained(machine, monkeypatch, [*command, "--stop-after", "100"], step=lambda: next(bursts))
    second = trained(machine, monkeypatch, command, step=lambda: next(bursts), evaluation=5)
    assert 120 < first + second <= 180 * 1.05
    after_warmup = rates(tmp_path)[4:]
    rises = [b / a for a, b in pairwise(after_warmup) if b > a]
    assert len(rises) <= 4


def test_a_slow_first_step_ends_no_run(
    shared_corpus: Path, tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of compiled layers, or in a process that has just begun."""
    command = arguments(shared_corpus, tmp_path, "--steps", "100000", "--minutes", "3", "--batch-sequences", "8")
    command += ["--evaluate-every", "0", "--evaluation-tokens", "20000"]
    durations = iter([60.0])
    took = trained(machine, monkeypatch, command, step=lambda: next(durations, 0.8), evaluation=2.0)
    assert 60 + 120 * 0.8 <= took <= 180 * 1.05


def test_a_run_that_is_long_enough_keeps_its_steps(
    shared_corpus: Path, tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where they are no whole block."""
    command = arguments(shared_corpus, tmp_path, "--steps", "37", "--minutes", "3")
    trained(machine, monkeypatch, command, step=1.0)
    assert len(rates(tmp_path)) == 37


@pytest.mark.parametrize(
    ("step", "per_second", "expected"),
    [(1, 1000.0, 1000), (1, 5.0, 250), (130, 2.0, 250), (130, 1.97, 250), (130, 1.5, 220), (130, 0.001, 130)],
)
def test_a_shortened_run_ends_with_a_block_where_one_ends_in_time(
    shared_corpus: Path, tmp_path: Path, machine: Machine, step: int, per_second: float, expected: int
) -> None:
    options = ["--batch-sequences", "8", "--steps", "1000", "--minutes", "1"]
    found: Run = open_run(parse(arguments(shared_corpus, tmp_path, *options)), pytest.fail)
    found.step = step
    assert steps_that_fit(found, 60.0, 1 / per_second) == expected


def test_the_first_step_is_no_measure_of_the_others() -> None:
    pace = Pace()
    assert (pace.known, pace.seconds) == (False, 0.0)
    pace.add(90.0)
    assert (pace.known, pace.seconds) == (False, 90.0)
    pace.add(1.0)
    pace.add(3.0)
    assert (pace.known, pace.seconds, pace.longest) == (True, 2.0, 90.0)
