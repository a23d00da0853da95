"""Prism, Beam's own engine in Go: the corpus of all seven sources on it is that of the plain runner."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipelines import servers
from tests.pipelines.runners.wheel import build, clean
from tests.pipelines.tiny import identity


@pytest.fixture(scope="module")
def prism() -> Iterator[str]:
    program = servers.program("prism")
    if program is None:
        pytest.skip("Prism is missing: `make setup-engines` builds it where Go is")
    job, web = servers.free_port(), servers.free_port()
    with servers.server([program, "--job_port", str(job), "--web_port", str(web)], job, clean(), "/"):
        yield f"localhost:{job}"


@pytest.mark.parametrize("runner", [pytest.param("portable", marks=pytest.mark.full), "prism"])
def test_prism_starts_workers_itself_and_leaves_what_the_plain_loop_leaves(
    tmp_path: Path, options: list[str], built: Path, prism: str, runner: str
) -> None:
    worker = Path(sys.executable).with_name("altiplano-worker")
    if not worker.exists():
        pytest.skip("the package is not installed: make setup")
    log = tmp_path / "events.jsonl"
    more = ["--runner", runner, "--log-json", str(log)]
    more += [f"--job_endpoint={prism}"] if runner == "portable" else []  # else the build's own is started, and ended
    done = build(Path(sys.executable), options, tmp_path / "corpus", *more)
    assert done.returncode == 0, done.stderr[-3000:]
    assert identity(tmp_path / "corpus") == identity(built)
    assert not (tmp_path / "corpus/work/plan").exists()
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    jobs = [row["job"] for row in rows if row["event"] == "job_submitted"]
    assert all(name.startswith("altiplano-sample-") for name in jobs)
    counted = sum(row["items"] for row in rows if row["event"] == "job_finished")
    wanted = sum(sum(row["stages"].values()) for row in rows if row["event"] == "wave_started")
    # Prism loses counts now and then, of items that were done: what is there was counted by the build itself.
    assert 0.9 * wanted <= counted <= wanted
    assert ("the engine counts" in done.stderr) == (counted < wanted)
