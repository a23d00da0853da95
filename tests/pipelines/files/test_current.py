"""What work took is beside what it made: CPU seconds, and by how much the process' largest memory rose."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pipelines.files import storage
from pipelines.files.current import TOOK, is_current, measured, renewed


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_a_manifest_says_what_its_work_took(tmp_path: Path) -> None:
    path = str(tmp_path / "manifest.json")
    with renewed(path, "abc") as facts:
        burn(0.05)
        facts["kept"] = 1
    found = storage.read_json(path)
    assert is_current(path, "abc")
    assert found["kept"] == 1
    assert 0.05 <= found[TOOK]["cpu_seconds"] < 5
    assert found[TOOK]["memory_bytes"] > 10_000_000


def test_work_that_fails_leaves_no_manifest(tmp_path: Path) -> None:
    path = str(tmp_path / "manifest.json")
    storage.write_json(path, {"identity": "abc"})
    with pytest.raises(RuntimeError), renewed(path, "abc"):
        raise RuntimeError
    assert not storage.exists(path)


def test_memory_rises_by_what_the_work_takes_beyond_what_was_taken_before() -> None:
    with measured() as small:
        pass
    assert small["memory_rise_bytes"] < 10_000_000
    with measured() as large:
        assert len(bytearray(small["memory_bytes"].__ceil__() + 300_000_000)) > 0
    assert 200_000_000 < large["memory_rise_bytes"] == large["memory_bytes"] - small["memory_bytes"]
