"""However a run is written, every command means the same one, and a stranger's file in it stays."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from model import configs, convert
from pipelines import clean
from tests.train.test_pretrain import TINY, arguments
from train import export, plan, report, trace
from train.evaluation.__main__ import main as evaluate
from train.pretrain import main as pretrain

NAME = "my données"
SPELLINGS = (
    *(f"{NAME}/", f".//{NAME}", f"x/../{NAME}", f"{{here}}//{NAME}/", f"~/{NAME}", "link/"),
    *(f"file://{{here}}/{NAME}", "file:{here}/my%20donn%C3%A9es/"),
)


@pytest.fixture(autouse=True)
def here(shared_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a working folder, the home folder too, with a corpus and a run of a step."""
    monkeypatch.setitem(configs.MODELS, "tiny", TINY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "corpus").symlink_to(shared_corpus)
    (tmp_path / "link").symlink_to(tmp_path / NAME)
    assert train(NAME, "1") == 0
    return tmp_path


def train(run: str, steps: str, corpus: str = "corpus") -> int:
    small = ["--sample-tokens", "2", "--evaluation-tokens", "60", "--stop-after", steps, "--checkpoint-every", "1"]
    return pretrain([*arguments(Path("ignored"), Path("ignored"), *small), "--corpus", corpus, "--output", run])


def traced(run: str) -> int:
    """Ask for a step that no run has: said of a run that was found, and of a corpus that fits it."""
    with pytest.raises(SystemExit), pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "error", says_that_steps_count_from_1)
        trace.main([run, "--step", "0", "--corpus", f"{Path.cwd()}/corpus/"])
    return 0


def says_that_steps_count_from_1(parser: argparse.ArgumentParser, message: str) -> None:
    assert "steps count from 1" in message
    raise SystemExit(2)


COMMANDS: dict[str, Callable[[str], int]] = {
    "resume": lambda run: train(run, "2", "./corpus//"),
    "report": lambda run: report.main([run]),
    "trace": lambda run: traced(run),
    "export": lambda run: export.main(["--run", run, "--corpus", "corpus/", "--output", "./made/"]),
    "evaluation": lambda run: evaluate(["--run", run, "--corpus", "~/corpus", f"boolq=file://{Path.cwd()}/q.jsonl"]),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_command_means_the_same_run(here: Path, spelling: str, command: str) -> None:
    (here / "q.jsonl").write_text(json.dumps({"question": "is it", "passage": "It is.", "answer": True}))
    before = sorted(path.name for path in here.iterdir())
    assert COMMANDS[command](spelling.format(here=here)) == 0
    made = {"made"} if command == "export" else set()
    assert (here / NAME / "benchmarks.jsonl").exists() == (command == "evaluation")
    assert {path.name for path in here.iterdir()} == {*before, *made}
    steps = [json.loads(line)["step"] for line in (here / NAME / "log.jsonl").read_text().splitlines()]
    assert steps == ([1, 2] if command == "resume" else [1])


def test_the_plan_of_a_corpus(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for corpus in ("corpus", "./corpus/", f"file://{here}/corpus", "~/corpus"):
        assert plan.main(["--corpus", corpus, "--tokens", "1M", "--sequence-length", "32"]) == 0


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_folder_of_somebody_is_no_run(here: Path, spelling: str, capsys: pytest.CaptureFixture[str]) -> None:
    (here / NAME / ".altiplano").unlink()
    before = {path: path.stat().st_mtime_ns for path in (here / NAME).rglob("*")}
    assert train(spelling.format(here=here), "2") == 2
    assert "and is not marked as our run" in " ".join(capsys.readouterr().err.split())
    assert {path: path.stat().st_mtime_ns for path in (here / NAME).rglob("*")} == before


def test_old_checkpoints_go_and_what_somebody_keeps_beside_them_stays(here: Path) -> None:
    steps = here / NAME / "checkpoints"
    kept = ["step-00000001/why.txt", "step-00000001-best/model.pt", "step-best/model.pt", ".step-mine/a", ".step-1.x/a"]
    for name in kept:
        (steps / name).parent.mkdir(exist_ok=True)
        (steps / name).write_text("mine")
    for name in (".step-00000009.77/model.pt", ".step-00000009.sharded/__0_0.distcp"):
        (steps / name).parent.mkdir()
        (steps / name).write_text("half")
    assert train(NAME, "4") == 0
    found = {path.relative_to(steps).as_posix() for path in steps.rglob("*") if path.is_file()}
    last = {
        f"step-0000000{n}/{name}"
        for n in (3, 4)
        for name in ("model.pt", "optimizer.pt", "state.json", "manifest.json")
    }
    assert found == {*kept, *last}
    assert train(NAME, "5") == 0


def test_what_somebody_puts_into_a_checkpoint_is_neither_read_nor_removed(here: Path) -> None:
    steps = here / NAME / "checkpoints"
    (steps / "step-00000001/ema.pt").write_text("mine")
    (steps / "step-00000007").mkdir()
    (steps / "step-00000007/model.pt").write_text("mine")
    (steps / "step-00000009").write_text("mine")
    shutil.copytree(steps / "step-00000001", steps / "step-00000008")
    copied = sorted(path.name for path in (steps / "step-00000008").iterdir())
    assert train(NAME, "4") == 0
    assert (steps / "step-00000001/ema.pt").read_text() == "mine"
    assert [path.name for path in (steps / "step-00000001").iterdir()] == ["ema.pt"]
    assert (steps / "step-00000007/model.pt").read_text() == "mine"
    assert sorted(path.name for path in (steps / "step-00000008").iterdir()) == copied
    assert export.main(["--run", NAME, "--corpus", "corpus", "--output", "made"]) == 0
    assert clean.main([NAME]) == 0
    left = {path.relative_to(steps).as_posix() for path in steps.rglob("*") if path.is_file()}
    assert left == {
        "step-00000001/ema.pt",
        "step-00000007/model.pt",
        "step-00000009",
        *(f"step-00000008/{n}" for n in copied),
    }


@pytest.mark.parametrize("strange", ["config.json", "model.safetensors"])
def test_a_model_is_not_written_over_anybodys(here: Path, strange: str, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "made").mkdir()
    (here / "made" / strange).write_text("mine")
    with pytest.raises(SystemExit):
        export.main(["--run", NAME, "--corpus", "corpus", "--output", "made"])
    assert "not empty" in capsys.readouterr().err
    assert [path.name for path in (here / "made").iterdir()] == [strange]
    assert export.main(["--run", NAME, "--corpus", "corpus", "--output", "other"]) == 0
    for target in ("made", "other", "./other/", f"{here}/other"):
        with pytest.raises(SystemExit):
            convert.main(["other", target, "--to", "meta"])
    assert convert.main(["other/", "~/meta", "--to", "meta"]) == 0
    (here / "meta/notes.txt").write_text("mine")
    assert convert.main(["other", "meta", "--to", "hugging_face"]) == 0
    names = {path.name for path in (here / "meta").iterdir()}
    assert {"notes.txt", "config.json", "model.safetensors"} <= names
    assert not [name for name in names if name.startswith("consolidated")]


@pytest.mark.parametrize("output", ["", "/", "s3://b/run", "file://host/x"])
def test_what_names_no_folder_here_is_refused(here: Path, output: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        export.main(["--run", NAME, "--corpus", "corpus", "--output", output])
    assert "argument --output" in capsys.readouterr().err
    assert list((here / NAME).iterdir())
