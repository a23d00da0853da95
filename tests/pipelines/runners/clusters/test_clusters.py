"""Real clusters of Flink and Spark on this machine, from their archives; no build, for that needs a job server."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.files.packages import PackageError
from pipelines.runners.clusters import __main__ as command
from pipelines.runners.clusters import flink, machine, spark
from pipelines.runners.clusters.machine import Engine

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(
        shutil.which("java") is None, reason="there is no Java: no cluster of Flink or Spark is started"
    ),
]


@pytest.fixture(params=[flink.ENGINE, spark.ENGINE], ids=["flink", "spark"])
def engine(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """Return an engine whose archive is the user's, and whose cluster is the test's own."""
    found: Engine = request.param
    try:
        there = machine.home(found)
    except PackageError as error:
        pytest.skip(f"{found.title} cannot be had: {error}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    machine.cache().mkdir(parents=True)
    (machine.cache() / there.name).symlink_to(there)
    yield found
    machine.stop(found)


def javas(folder: Path) -> list[str]:
    """Return the processes whose command line names a folder."""
    said = subprocess.run(["ps", "-ewwo", "pid,args"], capture_output=True, text=True, check=True).stdout
    return [line for line in said.splitlines() if str(folder) in line]


def test_two_workers_come_up_one_is_killed_and_nothing_is_left(
    engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = machine.free_port()
    assert command.main(["start", engine.name, "--workers", "2", "--port", str(port)]) == 0
    there = machine.noted(engine)
    assert there is not None
    page, running, ports = there
    assert f"{engine.title}: 2 {engine.worker}s, {page}" in capsys.readouterr().out
    assert len(engine.workers(page)) == 2
    assert port in ports
    assert len(javas(tmp_path)) == 3
    os.kill(running[2].pid, signal.SIGKILL)
    limit = time.monotonic() + 10
    while running[2].alive and time.monotonic() < limit:
        time.sleep(0.1)
    assert command.main(["status", engine.name]) == 1
    assert f"{running[2].name} (process {running[2].pid}) has ended" in capsys.readouterr().out
    assert command.main(["stop", engine.name]) == 0
    assert javas(tmp_path) == []
    for one in ports:
        machine._check_free(one)
