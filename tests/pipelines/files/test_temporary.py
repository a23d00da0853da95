"""A build that ends, however it ends, leaves nothing in the system's temporary folder; of one that is killed the next
build removes what is left."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pipelines.files import cached, temporary

REPOSITORY = Path(__file__).parents[3]
# A build whose first wave leaves what Beam leaves, and then gets a signal, or fails.
BUILD = """
import os, signal, sys, tempfile, time
from pipelines import corpus
from pipelines.files import commands
from pipelines.runners.tasks import protocol

def wave(*jobs, **how):
    tempfile.mkdtemp(prefix="beam-pipeline-temp")
    if sys.argv[1] == "error":
        raise RuntimeError("a mistake")
    os.kill(os.getpid(), int(sys.argv[1]))
    time.sleep(60)

protocol.run = wave
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background ignores it
commands.run(lambda: corpus.main(sys.argv[2:]))
"""


def build(tmp_path: Path, how: str) -> tuple[int, str]:
    """Run the build, its temporary files in `tmp_path`/system; return its exit code and its last line."""
    (tmp_path / "own.jsonl").write_text(json.dumps({"text": "The herders are with the llamas of the valley."}))
    (tmp_path / "system").mkdir(exist_ok=True)
    given = ["--recipe", "texts", "--input", f"own={tmp_path}/own.jsonl", "--output", str(tmp_path / "corpus")]
    done = subprocess.run(
        [sys.executable, "-P", "-c", BUILD, how, *given, "--runner", "plain"],
        cwd=REPOSITORY,
        env={**os.environ, "TMPDIR": str(tmp_path / "system"), "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    return done.returncode, (done.stderr.splitlines() or [""])[-1]


def left(tmp_path: Path) -> list[str]:
    """Return what is left, but for the folder of Python's own server of processes, which a kill leaves."""
    return sorted(path.name for path in (tmp_path / "system").iterdir() if not path.name.startswith("pymp-"))


@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        (f"{signal.SIGTERM:d}", 143, "stopped: terminated; run again to continue where it stopped"),
        (f"{signal.SIGINT:d}", 130, "stopped: interrupted; run again to continue where it stopped"),
        ("error", 1, "failed: a mistake (the traceback is in "),
    ],
)
def test_a_build_that_is_stopped_leaves_nothing_and_says_so_in_a_line(
    tmp_path: Path, how: str, code: int, said: str
) -> None:
    found, line = build(tmp_path, how)
    assert (found, left(tmp_path)) == (code, [])
    assert line.startswith(said)


def test_the_next_build_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    assert build(tmp_path, f"{signal.SIGKILL:d}")[0] == -signal.SIGKILL
    (folder,) = left(tmp_path)
    assert folder.startswith(temporary.PREFIX)
    (tmp_path / "system/altiplano-build-mine").mkdir()  # without a lock it is nobody's that we know
    (tmp_path / "system/tmpsomebody").mkdir()
    assert build(tmp_path, "error")[0] == 1
    assert left(tmp_path) == ["altiplano-build-mine", "tmpsomebody"]


def test_the_folder_of_a_build_that_goes_on_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.delenv(cached.FOLDER, raising=False)
    other = tmp_path / f"{temporary.PREFIX}another1"
    other.mkdir()
    with (other / temporary.LOCK).open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with temporary.own():
            assert Path(tempfile.mkdtemp()).parent.parent == tmp_path
            assert Path(os.environ["TMPDIR"]).name.startswith(temporary.PREFIX)
            # Copies of models are kept from one build to the next.
            assert os.environ[cached.FOLDER] == str(tmp_path / f"altiplano-{os.getuid()}")
        assert other.exists()
    assert os.environ["TMPDIR"] == str(tmp_path)
    assert cached.FOLDER not in os.environ
    with temporary.own():
        assert not other.exists()
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith("pymp-")] == []
