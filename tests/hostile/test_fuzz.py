"""The fuzzing command: it runs on every target, and finds a bug that chance would not."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.hostile import fuzzed

COMMAND = Path(__file__).parents[2] / "benchmarks" / "fuzz.py"
RUNS = 200

engine = pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="the extra 'fuzz' is not installed")


def fuzz(output: Path, *options: str) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, str(COMMAND), *options, "--output", str(output)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.stdout, process.stderr
    return process.returncode, json.loads(process.stdout.splitlines()[-1])["fuzz"]


@engine
def test_a_planted_bug_is_found_and_saved(tmp_path: Path) -> None:
    code, told = fuzz(tmp_path, "--module", "tests.hostile.planted", "--runs", "50000")
    assert (code, told["findings"]) == (1, 1)
    (name,) = told["targets"]["planted"]["found"]
    assert (tmp_path / "planted" / name).read_bytes()[:3] == b"\x4c\x9a\x21"


@engine
def test_every_target_is_fuzzed(tmp_path: Path) -> None:
    code, told = fuzz(tmp_path, "--runs", str(RUNS))
    assert (code, told["findings"]) == (0, 0)
    assert set(told["targets"]) == set(fuzzed.TARGETS)
    assert all(row["inputs"] >= RUNS and row["edges"] for row in told["targets"].values())


@engine
def test_an_unknown_target_is_refused(tmp_path: Path) -> None:
    process = subprocess.run([sys.executable, str(COMMAND), "nothing"], capture_output=True, text=True, check=False)
    assert process.returncode == 2
    assert "nothing: no target; there are wet, warc" in process.stderr
