"""A signal ends any wait: for the loader, in an evaluation, in a library that hears of no signal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from model import configs
from tests.train.test_pretrain import TINY, arguments, final, learnt, losses
from train import dataset, pretrain, signals
from train.dataset import SequenceDataset
from train.display import Display
from train.pretrain import main
from train.records import read_log

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def tiny_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(configs.MODELS, "tiny", TINY)


def after_step(patch: pytest.MonkeyPatch, step: int, action: Callable[[], None]) -> None:
    update = Display.update

    def told(self: Display, row: Mapping[str, Any], steps: int) -> None:
        update(self, row, steps)
        if row["step"] == step:
            action()

    patch.setattr(Display, "update", told)


def told_to_stop(*_: Any) -> Any:
    """Be what is interrupted: without an end of its own."""
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait()


def test_a_wait_for_a_batch_ends_and_what_is_done_is_saved(
    shared_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read = SequenceDataset.__getitems__
    with monkeypatch.context() as patch:
        after_step(patch, 7, lambda: patch.setattr(SequenceDataset, "__getitems__", told_to_stop))
        assert main(arguments(shared_corpus, tmp_path, "--micro-sequences", "2")) == 0
    assert SequenceDataset.__getitems__ is read
    assert "SIGTERM: saved at step 7; the same command resumes" in capsys.readouterr().out
    assert final(tmp_path)["state"]["step"] == 7
    assert main(arguments(shared_corpus, tmp_path, "--micro-sequences", "2", "--stop-after", "9")) == 0
    assert [step for step, _ in losses(tmp_path)] == list(range(1, 10))


def test_a_wait_for_a_worker_of_the_loader_ends(
    shared_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The worker is forked with the method that never returns."""

    def tells_and_waits(self: SequenceDataset, ks: object) -> None:
        os.kill(os.getppid(), signal.SIGINT)
        threading.Event().wait()

    monkeypatch.setattr(SequenceDataset, "__getitems__", tells_and_waits)
    assert main(arguments(shared_corpus, tmp_path, "--workers", "1")) == 0
    assert "SIGINT: saved at step 0" in capsys.readouterr().out


def test_an_evaluation_ends_and_the_steps_before_it_are_saved(
    shared_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    straight = tmp_path / "straight"
    assert main(arguments(shared_corpus, straight)) == 0
    for step, more in ((15, []), (40, ["--evaluate-every", "0"])):
        output = tmp_path / f"stopped-{step}"
        with monkeypatch.context() as patch:
            patch.setattr(pretrain, "evaluate_run", told_to_stop)
            assert main(arguments(shared_corpus, output, *more)) == 0
        assert f"SIGTERM: saved at step {step}" in capsys.readouterr().out
        assert final(output)["state"]["step"] == step
        assert not (output / "summary.json").exists()
        assert main(arguments(shared_corpus, output, *more)) == 0
        assert (output / "summary.json").exists()
        assert all((learnt(output)["model"][name] == value).all() for name, value in learnt(straight)["model"].items())


def test_before_training_a_signal_ends_the_command(
    shared_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pretrain, "open_run", told_to_stop)
    before = signal.getsignal(signal.SIGINT)
    assert main(arguments(shared_corpus, tmp_path / "run")) == 128 + signal.SIGTERM
    assert capsys.readouterr().err == "SIGTERM: stopped\n"
    assert not (tmp_path / "run").exists()
    assert signal.getsignal(signal.SIGINT) is before


# A lock of the C library: Python's handlers do not run while it is waited for, as in a barrier or a store.
_DEAF = """
import ctypes, os, signal, sys, threading
import torch
torch.set_num_threads(1)
from tests.train.test_signals import TINY, arguments
from pathlib import Path
from model import configs
from train import parallel, pretrain, signals

configs.MODELS["tiny"] = TINY
signals.GRACE_SECONDS, signals.IDLE_SECONDS, signals.AGAIN_SECONDS = {grace}, 0.5, 0.2

def deaf(*_):
    library, lock = ctypes.CDLL(None), ctypes.create_string_buffer(64)
    library.pthread_mutex_init(lock, None)
    library.pthread_mutex_lock(lock)
    print("deaf", flush=True)
    library.pthread_mutex_lock(lock)

pretrain.{where} = deaf
sys.exit(pretrain.main(arguments(Path(sys.argv[1]), Path(sys.argv[2]))))
"""


def started(program: str, *options: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *options],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def await_sleep(process: subprocess.Popen[str]) -> None:
    """Return when the process' main thread waits."""
    deadline = time.monotonic() + 60
    while "State:\tS" not in Path(f"/proc/{process.pid}/task/{process.pid}/status").read_text():
        assert time.monotonic() < deadline


def read_until(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if word in line:
            return
    raise AssertionError(process.stderr.read() if process.stderr else "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(("where", "grace"), [("open_run", 600.0), ("train_step", 0.5)])
def test_a_wait_in_a_library_ends(
    shared_corpus: Path, tmp_path: Path, number: signal.Signals, where: str, grace: float
) -> None:
    process = started(_DEAF.format(where=where, grace=grace), str(shared_corpus), str(tmp_path / "run"))
    read_until(process, "deaf")
    await_sleep(process)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert said == f"{number.name}: this process waits for something that does not come; it ends without saving\n"


def test_a_second_signal_does_not_wait(shared_corpus: Path, tmp_path: Path) -> None:
    process = started(_DEAF.format(where="train_step", grace=600.0), str(shared_corpus), str(tmp_path / "run"))
    read_until(process, "deaf")
    await_sleep(process)
    process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
    assert process.returncode == 128 + signal.SIGTERM
    process.communicate()


def test_a_wait_for_ranks_that_do_not_come_ends(shared_corpus: Path, tmp_path: Path) -> None:
    """The store of a group of two, of which one never starts."""
    program = """
import sys
from pathlib import Path
from tests.train.test_signals import arguments
from train import parallel, pretrain, signals
signals.IDLE_SECONDS = 0.5
joined = parallel.dist.init_process_group
def told(*inputs, **more):
    print("joining", flush=True)
    return joined(*inputs, **more)
parallel.dist.init_process_group = told
sys.exit(pretrain.main(arguments(Path(sys.argv[1]), Path(sys.argv[2]), "--model", "cpu")))
"""
    group = {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    process = started(program, str(shared_corpus), str(tmp_path / "run"), **group)
    read_until(process, "joining")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT


def test_workers_need_no_shared_memory(
    shared_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing of a batch goes through it; where not even a lock has room there, the error comes at once."""

    def full(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        for name in ("_share_filename_cpu_", "_share_fd_cpu_", "_new_using_fd_cpu", "_new_using_filename_cpu"):
            patch.setattr(torch.UntypedStorage, name, full)
        assert main(arguments(shared_corpus, tmp_path / "run", "--workers", "2", "--stop-after", "3")) == 0
    assert len(losses(tmp_path / "run")) == 3
    monkeypatch.setattr("multiprocessing.synchronize.SemLock.__init__", full)
    assert main(arguments(shared_corpus, tmp_path / "run", "--workers", "2")) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "the loader's processes cannot be started: [Errno 28] No space left on device: is /dev/shm full?" in said


def test_a_worker_that_gives_nothing_dies_or_fails_is_an_error_in_one_line(
    shared_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dataset.PATIENCE < 60
    monkeypatch.setattr(dataset, "PATIENCE", 0.5)

    def fails(self: SequenceDataset, ks: object) -> None:
        raise ValueError("books: token 999 in its shards")

    cases: list[tuple[Callable[..., object], str]] = [
        (lambda self, ks: threading.Event().wait(), r"timed out after 0\.5 seconds"),
        (lambda self, ks: os.kill(os.getpid(), signal.SIGBUS), r"killed by signal: Bus error|exited unexpectedly"),
        (fails, r"books: token 999 in its shards"),
    ]
    for method, message in cases:
        monkeypatch.setattr(SequenceDataset, "__getitems__", method)
        assert main(arguments(shared_corpus, tmp_path, "--workers", "1")) == 2
        said = capsys.readouterr().err
        assert re.search(message, said), said
        assert len(said.splitlines()) == 1
    assert not list(read_log(tmp_path / "log.jsonl"))


def test_a_launcher_that_passes_a_signal_on_sends_no_second_one(
    shared_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)

    after_step(monkeypatch, 5, twice)
    assert main(arguments(shared_corpus, tmp_path)) == 0
    assert "saved at step 5" in capsys.readouterr().out
    assert signals.AGAIN_SECONDS > 0
