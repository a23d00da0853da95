"""Two at one run: a second trainer is refused, and who only reads never stands in a trainer's way."""

import fcntl
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from model import configs, saved, tensor_files
from model.trained import open_trained
from pipelines import clean
from pipelines.files import lock
from tests.train.test_pretrain import TINY, arguments
from train import export, report
from train.display import Display
from train.evaluation.__main__ import main as evaluate
from train.pretrain import main

QUESTION = {"question": "is it", "passage": "It is.", "answer": True}


@pytest.fixture(autouse=True)
def tiny_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(configs.MODELS, "tiny", TINY)


@pytest.fixture
def at_step_ten(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[], None]], None]]:
    """Return what makes a call happen in the tenth step of a run, while its trainer holds it."""
    update = Display.update

    def during(action: Callable[[], None]) -> None:
        def told(self: Display, row: Mapping[str, Any], steps: int) -> None:
            update(self, row, steps)
            if row["step"] == 10:
                action()

        monkeypatch.setattr(Display, "update", told)

    yield during
    monkeypatch.setattr(Display, "update", update)


def files(run: Path) -> dict[str, bytes]:
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_a_second_trainer_is_refused_and_told_who_holds_the_run(
    shared_corpus: Path,
    tmp_path: Path,
    at_step_ten: Callable[[Callable[[], None]], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "run"

    def second() -> None:
        before = files(output)
        assert main(arguments(shared_corpus, output)) == 2
        said = capsys.readouterr().err
        assert (
            f"{output}: another process is training or cleaning there: {platform.node()}, process {os.getpid()}" in said
        )
        assert ", since 2" in said
        assert clean.main([str(output)]) == 2
        assert files(output) == before

    at_step_ten(second)
    assert main(arguments(shared_corpus, output, "--stop-after", "12")) == 0
    assert (output / lock.RUN_LOCK).read_bytes() == b""
    assert clean.main([str(output)]) == 0
    assert not output.exists()


def test_what_reads_changes_nothing_of_a_run_that_is_saving(
    shared_corpus: Path, tmp_path: Path, at_step_ten: Callable[[Callable[[], None]], None]
) -> None:
    output = tmp_path / "run"
    (tmp_path / "q.jsonl").write_text(json.dumps(QUESTION))
    of_run = ["--run", str(output), "--corpus", str(shared_corpus)]
    pages = {"report.html", "loss.png", "measures.png", ".altiplano"}

    def read() -> None:
        half = output / "checkpoints" / ".step-00000011.77"
        half.mkdir()
        (half / "model.pt").write_bytes(b"half")
        before = files(output)
        assert export.main([*of_run, "--output", str(tmp_path / "made")]) == 0
        assert evaluate([*of_run, f"boolq={tmp_path / 'q.jsonl'}"]) == 0
        assert files(output).keys() - before.keys() == {"benchmarks.jsonl"}
        (output / "benchmarks.jsonl").unlink()
        assert files(output) == before
        assert report.main([str(output)]) == 0
        assert {name for name, content in files(output).items() if before.get(name) != content} == pages

    at_step_ten(read)
    every = ["--checkpoint-every", "5", "--steps", "12"]
    assert main(arguments(shared_corpus, output, *every)) == 0


def test_weights_alone_are_read(
    shared_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(shared_corpus, tmp_path / "run", "--stop-after", "2")) == 0
    path = tmp_path / "run" / "checkpoints" / "step-00000002"
    (path / "optimizer.pt").unlink()
    opened: list[str] = []
    load = tensor_files.load

    def noted(path: Path, **how: bool) -> Any:
        opened.append(path.name)
        return load(path, **how)

    monkeypatch.setattr(tensor_files, "load", noted)
    assert open_trained(tmp_path / "run", pytest.fail).step == 2
    assert opened == ["model.pt"]
    (path / "model.pt").write_bytes((path / "model.pt").read_bytes()[:-1])
    with pytest.raises(ValueError, match="no checkpoint is complete"):
        open_trained(tmp_path / "run", lambda message: None)


@pytest.mark.parametrize("sharded", ["false", "true"])
def test_an_earlier_step_is_read(
    shared_corpus: Path, tmp_path: Path, sharded: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    more = ["--checkpoint-every", "1", "--keep-checkpoints", "3", "--checkpoint-async", sharded]
    assert main(arguments(shared_corpus, run, "--stop-after", "3", *more)) == 0
    weights = [open_trained(run, pytest.fail, step).model.output.weight for step in (1, 2, 3)]
    assert not any((one == other).all() for one, other in pairwise(weights))
    assert (open_trained(run, pytest.fail).model.output.weight == weights[2]).all()
    (tmp_path / "q.jsonl").write_text(json.dumps(QUESTION))
    of_run = ["--run", str(run), "--corpus", str(shared_corpus)]
    for step in ("2", "3"):
        assert export.main([*of_run, "--output", str(tmp_path / f"made-{step}"), "--step", step]) == 0
        assert evaluate([*of_run, "--step", step, f"boolq={tmp_path / 'q.jsonl'}"]) == 0
    made = [(tmp_path / f"made-{step}" / "model.safetensors").read_bytes() for step in (2, 3)]
    assert made[0] != made[1]
    with pytest.raises(SystemExit):
        export.main([*of_run, "--output", str(tmp_path / "none"), "--step", "7"])
    assert "no checkpoint of step 7; available: 1, 2, 3" in capsys.readouterr().err


def test_a_checkpoint_that_is_removed_while_it_is_read_gives_way_to_a_newer_one(
    shared_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    often = ["--checkpoint-every", "1"]
    assert main(arguments(shared_corpus, run, "--stop-after", "1", *often)) == 0
    verify = saved.verify

    def overtaken(path: Path, files: Any) -> None:
        verify(path, files)
        with monkeypatch.context() as patch:
            patch.setattr(saved, "verify", verify)
            assert main(arguments(shared_corpus, run, "--stop-after", "3", *often)) == 0

    monkeypatch.setattr(saved, "verify", overtaken)
    assert open_trained(run, pytest.fail).step == 3


_HOLDER = """
import sys, time
from pathlib import Path
from pipelines.files.lock import alone_in_run
with alone_in_run(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_another_process_is_named_and_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ValueError, match=rf"process {holder.pid}, since 2"), lock.alone_in_run(str(tmp_path)):
            pass
        holder.kill()
    with lock.alone_in_run(str(tmp_path)):
        assert json.loads((tmp_path / lock.RUN_LOCK).read_text())["process"] == os.getpid()


def test_what_a_killed_process_left_running_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loader's worker inherits the lock and outlives its trainer for some seconds."""
    path = tmp_path / lock.RUN_LOCK
    with lock.alone_in_run(str(tmp_path)):
        row = json.loads(path.read_text())
    with path.open("w") as left:
        json.dump({**row, "process": 2**22 + 1}, left)  # above the largest number of a process
        left.flush()
        fcntl.flock(left, fcntl.LOCK_EX)
        waits: list[float] = []

        def wait(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 2:
                left.close()

        monkeypatch.setattr("pipelines.files.lock.time.sleep", wait)
        with lock.alone_in_run(str(tmp_path)):
            assert len(waits) == 2


def test_a_lock_whose_file_was_removed_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / lock.RUN_LOCK
    take = lock._taken
    taken: list[bool] = []

    def removed_before(file: Any) -> bool:
        if not taken:
            path.unlink()
        taken.append(take(file))
        return taken[-1]

    monkeypatch.setattr(lock, "_taken", removed_before)
    monkeypatch.setattr("pipelines.files.lock.time.sleep", lambda seconds: None)
    with lock.alone_in_run(str(tmp_path)):
        assert taken == [True, True]
        assert json.loads(path.read_text())["process"] == os.getpid()
