import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from model import configs, saved, sharded_files, sharded_table
from tests.model import small
from tests.train.test_parallel import TINY, runs
from train import checkpoint, sharded
from train.display import Display
from train.optimizer import adamw
from train.parallel import World
from train.records import read_log
from train.sharded import Saver


def trained(seed: int = 0) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    model = small.model()
    optimizer = adamw(model, 1e-3)
    torch.manual_seed(seed)
    for _ in range(2):
        for weight in model.parameters():
            weight.grad = torch.randn_like(weight)
        optimizer.step()
    return model, optimizer


def fresh() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    model = small.model()
    return model, adamw(model, 1e-3)


def silent(message: str) -> None:
    raise AssertionError(message)


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def write(directory: Path, step: int, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    saver = Saver(directory, 2, World())
    saver.save(step, sharded.tensors_of(model, optimizer), {"step": step})
    saver.close()


def test_what_was_saved_is_loaded_bit_for_bit(tmp_path: Path) -> None:
    mine, theirs = trained(), fresh()
    write(tmp_path, 7, *mine)
    path = saved.find_latest(tmp_path, silent)
    assert path == tmp_path / "step-00000007"
    assert sharded_files.is_sharded(path)
    assert saved.load(path).state == {"step": 7}
    sharded.load(path, *theirs)
    assert_same(sharded.tensors_of(*theirs), sharded.tensors_of(*mine))
    assert float(theirs[1].state[next(theirs[0].parameters())]["step"]) == 2


def test_whole_tensors_of_one_process_fill_a_run(tmp_path: Path) -> None:
    (model, optimizer), theirs = trained(), fresh()
    tensors: dict[str, Any] = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
    sharded.fill(*theirs, tensors)
    assert_same(sharded.tensors_of(*theirs), sharded.tensors_of(model, optimizer))


def test_what_changes_while_it_is_written_is_saved_as_it_was(tmp_path: Path) -> None:
    model, optimizer = trained()
    before = {name: value.detach().clone() for name, value in sharded.tensors_of(model, optimizer).items()}
    saver = Saver(tmp_path, 2, World())
    saver.save(1, sharded.tensors_of(model, optimizer), {})
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
    saver.close()
    theirs = fresh()
    sharded.load(tmp_path / "step-00000001", *theirs)
    assert_same(sharded.tensors_of(*theirs), before)


def test_a_damaged_part_is_passed_over(tmp_path: Path) -> None:
    run = trained()
    for step in (1, 2, 3):
        write(tmp_path, step, *run)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["step-00000002", "step-00000003"]
    part = tmp_path / "step-00000003" / "__0_0.distcp"
    part.write_bytes(part.read_bytes()[:-9])
    told: list[str] = []
    assert saved.find_latest(tmp_path, told.append) == tmp_path / "step-00000002"
    assert "__0_0.distcp" in told[0]


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained()
    write(tmp_path, 1, *run)

    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "_flush", full)
    with pytest.raises(OSError, match=r"checkpoint of step 2 could not be written: .*No space left"):
        write(tmp_path, 2, *run)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]


def test_a_table_that_names_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "executed"),)

    write(tmp_path, 1, *trained())
    path = tmp_path / "step-00000001"
    (path / sharded_table.METADATA).write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ValueError, match="which a table of tensors never needs"):
        sharded.load(path, *fresh())
    assert not (tmp_path / "executed").exists()


_COMMAND = """
import sys, torch
torch.set_num_threads(1)
from tests.train.test_parallel import runs
sys.exit(runs(sys.argv[1], [["--output", sys.argv[2], "--steps", "40", *sys.argv[3:]]])[0])
"""


@pytest.mark.parametrize("options", [[], ["--checkpoint-async", "true"]], ids=["whole", "sharded"])
def test_a_process_killed_by_the_system_resumes_bit_for_bit(
    shared_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    monkeypatch.setitem(configs.MODELS, "tiny", TINY)
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    command = [sys.executable, "-c", _COMMAND, str(shared_corpus), str(killed), *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while sum(1 for _ in read_log(killed / "log.jsonl")) < 18:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (killed / "summary.json").exists()
    commands = [["--output", str(output), "--steps", "40", *options] for output in (killed, straight)]
    assert runs(str(shared_corpus), commands) == [0, 0]
    results = [sorted((output / "checkpoints").glob("step-*"))[-1] for output in (killed, straight)]
    states = [json.loads((path / "state.json").read_text()) for path in results]
    assert [state["step"] for state in states] == [40, 40]
    files = [{p.name: p.read_bytes() for p in path.iterdir() if p.suffix in (".pt", ".distcp")} for path in results]
    assert len(files[0]) == (1 if options else 2)
    assert files[0] == files[1]
    losses = [[(row["step"], row["loss"]) for row in read_log(output / "log.jsonl")] for output in (killed, straight)]
    assert losses[0] == losses[1]


_LIMITED = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
"""


@pytest.mark.parametrize("options", [[], ["--checkpoint-async", "true"]], ids=["whole", "sharded"])
def test_a_disk_that_is_full_while_saving_loses_nothing(
    shared_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    """The system itself refuses to write files as large as a checkpoint's."""
    monkeypatch.setitem(configs.MODELS, "tiny", TINY)
    full, straight = tmp_path / "full", tmp_path / "straight"
    command = ["--output", str(full), "--steps", "12", *options]
    assert runs(str(shared_corpus), [[*command, "--stop-after", "4"]]) == [0]
    limited = [sys.executable, "-c", _LIMITED + _COMMAND, str(shared_corpus), str(full), "--steps", "12", *options]
    found = subprocess.run(limited, capture_output=True, text=True)
    assert found.returncode == 1, found.stderr
    assert "could not be written" in found.stderr
    assert "Traceback" not in found.stderr
    assert [path.name for path in (full / "checkpoints").iterdir()] == ["step-00000004"]
    assert runs(str(shared_corpus), [command, ["--output", str(straight), "--steps", "12", *options]]) == [0, 0]
    last = "checkpoints/step-00000012"
    for path in (straight / last).iterdir():
        if path.suffix in (".pt", ".distcp"):
            assert (full / last / path.name).read_bytes() == path.read_bytes()


def test_a_table_that_writes_far_into_its_memo_is_refused(tmp_path: Path) -> None:
    (tmp_path / sharded_table.METADATA).write_bytes(b"\x80\x04Nr\x00\x00\x00\x08.")
    with pytest.raises(ValueError, match="it writes to place 134217728 of its memo"):
        sharded_table.read(tmp_path)


def test_a_save_that_fails_is_told_at_the_next_step_and_done_again(
    shared_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(configs.MODELS, "tiny", TINY)
    seal, update, tried = checkpoint.seal, Display.update, []

    def fails_once(temporary: Path, final: Path, *more: Any) -> None:
        tried.append(final.name)
        if len(tried) == 1:
            raise OSError(28, "No space left on device")
        seal(temporary, final, *more)

    def settled(self: Display, row: dict[str, Any], steps: int) -> None:
        update(self, row, steps)
        print(f"after step {row['step']}")
        for thread in pools:
            thread.submit(lambda: None).result()  # what was being written is written, or has failed

    pools: list[Any] = []
    begin = Saver.__init__

    def begun(self: Saver, *inputs: Any) -> None:
        begin(self, *inputs)
        pools.append(self._pool)

    monkeypatch.setattr(checkpoint, "seal", fails_once)
    monkeypatch.setattr(Display, "update", settled)
    monkeypatch.setattr(Saver, "__init__", begun)
    more = ["--checkpoint-async", "true", "--stop-after", "7"]
    assert runs(str(shared_corpus), [["--output", str(tmp_path), *more]]) == [0]
    assert tried == ["step-00000004", "step-00000005", "step-00000007"]
    said = " ".join(capsys.readouterr().out.split())
    between = said.partition("after step 5")[2].partition("after step 6")[0]
    assert (
        "checkpoint of step 4 could not be written: [Errno 28] No space left on device; it will be saved again"
        in between
    )
    assert [path.name for path in sorted((tmp_path / "checkpoints").iterdir())] == ["step-00000005", "step-00000007"]


def test_the_last_save_is_done_again_too(
    shared_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(configs.MODELS, "tiny", TINY)
    seal, tried = checkpoint.seal, []

    def fails_once(temporary: Path, final: Path, *more: Any) -> None:
        tried.append(final.name)
        if len(tried) == 1:
            raise OSError(28, "No space left on device")
        seal(temporary, final, *more)

    monkeypatch.setattr(checkpoint, "seal", fails_once)
    more = ["--checkpoint-async", "true", "--stop-after", "2"]
    assert runs(str(shared_corpus), [["--output", str(tmp_path), *more]]) == [0]
    assert tried == ["step-00000002"] * 2
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000002"]
