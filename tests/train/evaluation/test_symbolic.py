import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from train.evaluation.grading import symbolic

READER = "antlr4-python3-runtime==4.11.1"


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    symbolic._worker.cache_clear()
    yield
    symbolic._worker().end()
    symbolic._worker.cache_clear()


def test_the_same_text_is_equal_without_sympy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert symbolic.equal("(1,2)", "(1,2)")
    assert not symbolic.equal("1", "1.0")
    assert not symbolic.equal("", "")
    assert not symbolic.available()


def test_without_its_reader_sympy_is_asked_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\necho >> {tmp_path}/started\necho 'missing: no reader'\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    assert not any(symbolic.equal("1", f"{n}.0") for n in range(5))
    assert (tmp_path / "started").read_text() == "\n"


def test_a_process_that_hangs_or_dies_is_ended_and_started_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "python"
    script.write_text(
        """#!/bin/sh
echo ready
while read line; do
    case "$line" in *hang*) sleep 100;; *die*) exit 1;; *) echo true;; esac
done
"""
    )
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    began = time.monotonic()
    found = [symbolic.equal("1", text, seconds=0.5) for text in ("2", "hang", "3", "die", "4")]
    assert found == [True, False, True, False, True]
    assert time.monotonic() - began < 20


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the reader of LaTeX that SymPy wants."""
    folder = tmp_path_factory.mktemp("reader")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder), READER]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{READER} cannot be installed: {done.stderr[-200:]}")
    return folder


@pytest.mark.full
def test_formulas_are_equal_that_sympy_finds_equal(reader: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(reader), str(Path(__file__).parents[3])]))
    assert symbolic.available()
    for one, other, same in (
        (r"\frac{1}{2}", "0.5", True),
        ("x^2+2x+1", "(x+1)^2", True),
        (r"\sqrt{8}", r"2\sqrt{2}", True),
        ("2", "3", False),
        ("[2,5)", "(2,5]", False),
        (r"\frac{", "1", False),
        ("x" * 2_001, "1", False),
        ("(" * 1_500, "1", False),
        ("\ud800", "1", False),
        ("1\n2", "1", False),
    ):
        assert symbolic.equal(one, other, seconds=60) is same, one
    began = time.monotonic()
    assert not symbolic.equal("9^{9^{9^{9}}}", "1", seconds=2)
    assert time.monotonic() - began < 30
    assert symbolic.equal("0.50", r"\frac12", seconds=60) is symbolic.equal("0.5", r"\frac{1}{2}", seconds=60)
