"""The fuzzing command: it runs on every target, and finds a bug that chance would not."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from filters.native import binding
from tests import sanitized
from tests.hostile import fuzzed

COMMAND = Path(__file__).parents[2] / "benchmarks" / "fuzz.py"
RUNS = 200
COMPILED = {f"native.{name}" for name in binding.FUNCTIONS}

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


# Wrong accesses, each behind three bytes in branches of their own; 0 is what the function gives if it goes on.
PLANTED = {
    "a byte read past the text": "text[size + 1]",
    "a byte of what is freed": 'free(strcpy(malloc(9), "gone")), *(char *)malloc(0)',
    "a shift too far": "1 << (size + 40)",
}


@engine
@pytest.mark.parametrize("name", list(PLANTED))
def test_a_bug_that_is_planted_in_c_is_found_and_saved(name: str, tmp_path: Path) -> None:
    """Only the counters of its parts lead to it: no seed and no token is near."""
    if isinstance(found := sanitized.find(), str):
        pytest.skip(f"OUR C IS NOT FUZZED HERE: {found}")
    sources = tmp_path / "sources"
    sources.mkdir()
    sanitized.copy_sources(sources)
    start = "uint64_t altiplano_hash(const uint8_t *text, int64_t size, int kind) {"
    branches = "if (size > 2 && text[0] == 0x4C) if (text[1] == 0x9A) if (text[2] == 0x21)"
    content = (sources / "web.c").read_text(encoding="utf-8")
    assert start in content
    planted = f"{start} {branches} return (uint64_t)({PLANTED[name]});"
    (sources / "web.c").write_text(content.replace(start, planted), encoding="utf-8")
    code, told = fuzz(tmp_path / "found", "native.hash", "--sources", str(sources), "--runs", "2000000")
    assert (code, told["findings"]) == (1, 1)
    (saved,) = told["targets"]["native.hash"]["found"]
    assert (tmp_path / "found" / "native.hash" / saved).read_bytes()[:3] == b"\x4c\x9a\x21"
    assert "altiplano_hash" in (tmp_path / "found" / "native.hash.log").read_text(encoding="utf-8")


@engine
def test_every_target_is_fuzzed(tmp_path: Path) -> None:
    code, told = fuzz(tmp_path, "--runs", str(RUNS))
    assert (code, told["findings"]) == (0, 0)
    compiled = set() if isinstance(sanitized.find(), str) else COMPILED
    assert set(told["targets"]) == {*fuzzed.TARGETS, *compiled}
    assert all(row["inputs"] >= RUNS and row["edges"] for row in told["targets"].values())
    for name in compiled:
        covered, lines = told["targets"][name]["lines"]
        assert 0 < covered <= lines
    if compiled:
        assert set(told["lines"]) == {source.name for source in binding.SOURCES}


@engine
def test_where_c_cannot_be_fuzzed_it_is_said(tmp_path: Path) -> None:
    """The rest is fuzzed."""
    process = subprocess.run(
        [sys.executable, str(COMMAND), "wet", "--runs", "20", "--output", str(tmp_path)],
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0
    assert "OUR C IS NOT FUZZED: there is no gcc" in process.stderr
    assert json.loads(process.stdout.splitlines()[-1])["fuzz"]["targets"]["wet"]["inputs"] >= 20


@engine
def test_an_unknown_target_is_refused(tmp_path: Path) -> None:
    process = subprocess.run([sys.executable, str(COMMAND), "nothing"], capture_output=True, text=True, check=False)
    assert process.returncode == 2
    assert "nothing: no such target; available: wet, warc" in process.stderr
