"""What is started, watched and ended of a cluster, with small Python programs in the place of Flink's and Spark's."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.files import packages, storage
from pipelines.files.packages import Package
from pipelines.runners import java
from pipelines.runners.clusters import __main__ as command
from pipelines.runners.clusters import flink, machine, spark
from pipelines.runners.clusters.machine import Engine, Plan, Program, Running

MEMBERS = {"deps/lib/engine.jar": b"jar", "deps/opt/other.jar": b"not wanted", "setup.py": b"raise SystemExit(1)"}
# A manager that tells which workers have come, by the files that they leave; and a worker, with a child of its own.
MANAGER = """
import http.server, json, pathlib, sys
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
        self.wfile.write(json.dumps([path.name for path in pathlib.Path(".").glob("came-*")]).encode())
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Page).serve_forever()
"""
WORKER = """
import pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path("child-" + sys.argv[1]).write_text(str(child.pid))
pathlib.Path("came-" + sys.argv[1]).touch()
print("worker", sys.argv[1], "works", flush=True)
time.sleep(600)
"""


def planned(archive: Path, folder: Path, workers: int, port: int) -> Plan:
    assert (archive / "lib/engine.jar").read_bytes() == b"jar"
    manager = Program("manager", [sys.executable, "-c", MANAGER, str(port)])
    found = [Program(f"worker {n}", [sys.executable, "-c", WORKER, str(n)]) for n in range(1, workers + 1)]
    return Plan([manager, *found], f"http://localhost:{port}", [port], "make corpus")


def come(page: str) -> Sequence[str]:
    found: list[str] = machine.asked(page)
    return found


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Return an engine whose archive is in the cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(machine, "END_SECONDS", 3.0)
    path = machine.cache() / "engine-1.0.tar.gz"
    path.parent.mkdir(parents=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, content in MEMBERS.items():
            info = tarfile.TarInfo(f"engine-1.0/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    facts = (path.stat().st_size, storage.sha256(path), "Apache-2.0", "a test")
    package = Package("engine", "1.0", path.name, *facts)
    found = Engine("engine", "Engine 1.0", package, "deps/lib", "worker", machine.free_port(), planned, come)
    monkeypatch.setattr(command, "ENGINES", {"engine": found})
    return found


def alive(pid: int) -> bool:
    return machine._begun(pid) != ""


def ended(pids: Sequence[int]) -> bool:
    limit = time.monotonic() + 10
    while any(alive(pid) for pid in pids) and time.monotonic() < limit:
        time.sleep(0.05)
    return not any(alive(pid) for pid in pids)


def processes(engine: Engine) -> list[Running]:
    there = machine.noted(engine)
    assert there is not None
    return there[1]


def test_a_cluster_comes_up_and_goes_without_a_trace(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["start", "engine", "--workers", "2"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"Engine 1.0: fetching 0 MB to {machine.cache()}\n")
    assert f"Engine 1.0: 2 workers, http://localhost:{engine.port}" in said
    folder = machine.note_of(engine).parent
    pids = [one.pid for one in processes(engine)]
    pids += [int(path.read_text()) for path in folder.glob("child-*")]
    assert len(pids) == 5
    assert all(alive(pid) for pid in pids)
    assert command.main(["status"]) == 0
    assert "3 of 3 processes run" in capsys.readouterr().out
    assert command.main(["stop"]) == 0
    assert capsys.readouterr().out == "Engine 1.0: ended manager, worker 1, worker 2\n"
    assert ended(pids)
    socket.create_server(("127.0.0.1", engine.port)).close()
    assert command.main(["stop"]) == 0
    assert command.main(["status"]) == 0
    assert capsys.readouterr().out == "Engine 1.0: not started\n"
    assert not list(machine.home(engine).rglob("other.jar"))  # only what a cluster needs is unpacked


def test_a_worker_that_was_killed_is_reported(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.start(engine, 2)
    killed = processes(engine)[2]
    os.kill(killed.pid, signal.SIGKILL)
    assert ended([killed.pid])
    assert command.main(["status"]) == 1
    said = capsys.readouterr().out
    assert "2 of 3 processes run" in said
    assert f"worker 2 (process {killed.pid}) has ended: worker 2 works" in said
    assert "make cluster-stop, then make cluster" in said
    children = [int(path.read_text()) for path in machine.note_of(engine).parent.glob("child-*")]
    machine.stop(engine)
    assert ended(children)  # that of the killed one too


def test_a_second_start_is_refused(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.start(engine, 1)
    assert command.main(["start", "engine"]) == 2
    assert "a cluster of Engine 1.0 runs already" in capsys.readouterr().err
    assert len(processes(engine)) == 2
    machine.stop(engine)
    machine.start(engine, 1)
    machine.stop(engine)


def test_a_note_of_processes_that_are_others_now_ends_nobody(engine: Engine) -> None:
    machine.start(engine, 1)
    note = machine.note_of(engine)
    found = json.loads(note.read_bytes())
    machine.stop(engine)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True) as other:
        found["processes"][0] |= {"pid": other.pid, "group": other.pid}
        note.write_text(json.dumps(found))
        assert machine.stop(engine) == []
        assert other.poll() is None
        other.kill()


def test_a_port_that_is_taken_is_named(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", engine.port)):
        assert command.main(["start", "engine"]) == 2
    assert f"port {engine.port} is taken by another program" in capsys.readouterr().err
    assert machine.noted(engine) is None


def test_an_archive_that_is_another_is_refused(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = machine.cache() / engine.package.filename
    index = path.parents[3] / "index"
    index.mkdir()
    path.rename(index / path.name)
    found = packages.Index((), (), "", (), (index.as_uri(),), no_index=True)
    monkeypatch.setattr(packages, "pip_index", lambda: found)
    other = replace(engine, package=replace(engine.package, sha256="0" * 64))
    monkeypatch.setattr(command, "ENGINES", {"engine": other})
    assert command.main(["start", "engine"]) == 2
    assert "engine==1.0: refused engine-1.0.tar.gz: its SHA-256 is" in capsys.readouterr().err
    assert not list(machine.cache().glob("engine-1.0*"))


def test_a_process_that_ends_is_named_and_nothing_is_left(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = [Program("worker 1", [sys.executable, "-c", "raise SystemExit('no memory')"])]

    def plan(archive: Path, folder: Path, workers: int, port: int) -> Plan:
        whole = planned(archive, folder, 0, port)
        return replace(whole, programs=[*whole.programs, *broken])

    monkeypatch.setattr(command, "ENGINES", {"engine": replace(engine, plan=plan)})
    assert command.main(["start", "engine", "--workers", "1"]) == 1
    assert "Engine 1.0: worker 1 has ended: no memory" in capsys.readouterr().err
    assert machine.noted(engine) is None
    machine._check_free(engine.port)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("--workers=0", "--workers 0: at least one is needed"),
        ("--workers=-1", "--workers -1: at least one is needed"),
        ("--port=99999", "--port 99999: a port is a number from 1 to 65535"),
        ("--port=0", "--port 0: a port is a number from 1 to 65535"),
    ],
)
def test_what_is_no_number_of_workers_or_port_is_said(
    engine: Engine, given: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["start", "engine", given]) == 2
    assert told in capsys.readouterr().err


def test_of_two_commands_at_once_one_is_refused(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    with machine._alone(engine):
        for asked in (["start", "engine"], ["stop"]):
            assert command.main(asked) == 2
            assert "another command starts or ends a cluster of Engine 1.0 just now" in capsys.readouterr().err
    assert machine.noted(engine) is None


@pytest.mark.parametrize("real", [flink.ENGINE, spark.ENGINE], ids=["flink", "spark"])
@pytest.mark.parametrize(("version", "told"), [("1.8.0_402", "Java 8"), ("21.0.1", "Java 21"), ("x", "no Java that")])
def test_another_java_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real: Engine, version: str, told: str
) -> None:
    program = tmp_path / "java"
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(ValueError, match=f"{program} is {told}.*; {real.title} needs 11 to 17"):
        real.plan(tmp_path, tmp_path, 1, 1)


def test_without_java_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match=r"Flink 1\.20\.5 needs Java 11 or 17, and there is no `java` on the PATH"):
        java.found(flink.TITLE, java.MOST)
