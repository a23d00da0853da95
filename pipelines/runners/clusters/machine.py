"""What Flink and Spark share here: their archives, their processes, and the note of what runs.

    archive (SHA-256) ─ unpacked once, never installed ─> processes ─ wait for all workers ─> NOTE
                                          stop: NOTE ─ end all ─ no process, no port

Everything is under `$XDG_CACHE_HOME/altiplano/engines` (`~/.cache` without it).
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipelines.files import packages
from pipelines.files.packages import Package

START_SECONDS = 120.0
END_SECONDS = 20.0
POLL_SECONDS = 0.2
MOST_PORT = 65_535
# Leaves a command running, its output in a file; says the number of its group of processes, and its own.
_LEFT = '"$@" >"$0" 2>&1 </dev/null & echo $$ $!'
_LINES = 5  # of what a process says last
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy does not reach this machine


@dataclass(frozen=True)
class Program:
    """A process of a cluster: what people call it, its command, and what its environment has besides."""

    name: str
    command: Sequence[str]
    environment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Plan:
    """A cluster that is to be: its processes in their order, its page, and what a build is told of it."""

    programs: Sequence[Program]
    page: str
    ports: Sequence[int]
    told: str


@dataclass(frozen=True)
class Running:
    """A process that was started: `begun` tells it from a later one that got its number."""

    name: str
    pid: int
    group: int
    begun: str
    log: str

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.begun != "" and _begun(self.pid) == self.begun


@dataclass(frozen=True)
class Engine:
    """An engine that can be started here: its archive, what of it is unpacked, and how its cluster is made.

    `plan` gets the folder of the archive, a folder for what the cluster writes, the number of workers and the port;
    `workers` returns the names of those that have come, as its page tells.
    """

    name: str
    title: str
    package: Package
    unpacked: str
    worker: str
    port: int
    plan: Callable[[Path, Path, int, int], Plan]
    workers: Callable[[str], Sequence[str]]


def cache() -> Path:
    """Return the folder of archives and clusters."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "altiplano", "engines")


def unpacked(engine: Engine) -> Path:
    """Return where an engine's archive is unpacked, if it is."""
    return cache() / f"{engine.name}-{engine.package.version}"


def home(engine: Engine) -> Path:
    """Return the folder of an engine's archive, fetched and unpacked if it is not there.

    Raises ValueError naming the package if it cannot be had, or is another than the pinned one.
    """
    folder = unpacked(engine)
    if not folder.exists():
        archive = packages.fetch([engine.package], cache())[engine.package.name]
        with tempfile.TemporaryDirectory(dir=cache(), prefix=".part-") as part, tarfile.open(archive) as found:
            if hasattr(tarfile, "data_filter"):  # Python 3.11.2, which is Debian's, has none yet
                found.extraction_filter = tarfile.data_filter
            found.extractall(part, _below(found, engine.unpacked))
            next(Path(part).iterdir()).joinpath("deps").replace(folder)
    return folder


def _below(archive: tarfile.TarFile, folder: str) -> list[tarfile.TarInfo]:
    """Return the members of a source archive below a folder of its only one."""
    return [member for member in archive if f"/{member.name.partition('/')[2]}/".startswith(f"/{folder}/")]


def note_of(engine: Engine) -> Path:
    """Return the file that says what of an engine runs here."""
    return cache() / "running" / engine.name / "cluster.json"


def noted(engine: Engine) -> tuple[str, list[Running], list[int]] | None:
    """Return the page, processes and ports of a cluster that was started; None if there is none."""
    try:
        found: dict[str, Any] = json.loads(note_of(engine).read_bytes())
    except FileNotFoundError:
        return None
    return found["page"], [Running(**one) for one in found["processes"]], found["ports"]


def start(engine: Engine, workers: int, port: int | None = None) -> Plan:
    """Start a cluster and wait until all its workers have come.

    Raises ValueError if one runs already, a port is taken or the archive cannot be had, RuntimeError if a process ends
    or a worker does not come; then nothing is left running.
    """
    if workers < 1:
        raise ValueError(f"--workers {workers}: at least one is needed")
    if port is not None and not 0 < port <= MOST_PORT:
        raise ValueError(f"--port {port}: a port is a number from 1 to {MOST_PORT}")
    archive = home(engine)
    with _alone(engine):
        return _started_all(engine, archive, workers, port or engine.port)


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Let nobody else start or end a cluster meanwhile."""
    path = cache() / "running" / f"{engine.name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ValueError(f"another command starts or ends a cluster of {engine.title} just now") from None
        yield


def _started_all(engine: Engine, archive: Path, workers: int, port: int) -> Plan:
    if (there := noted(engine)) and any(process.alive for process in there[1]):
        raise ValueError(f"a cluster of {engine.title} runs already ({there[0]}); stop it first: make cluster-stop")
    folder = note_of(engine).parent
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    plan = engine.plan(archive, folder, workers, port)
    for one in plan.ports:
        _check_free(one)
    running: list[Running] = []
    try:
        for program in plan.programs:
            running.append(_started(program, folder))
            note_of(engine).write_text(
                json.dumps({"page": plan.page, "ports": plan.ports, "processes": [asdict(one) for one in running]})
            )
        _wait_for(engine, plan, running, workers)
    except BaseException:
        _ended_all(engine)
        raise
    return plan


def _started(program: Program, folder: Path) -> Running:
    log = folder / f"{program.name.replace(' ', '-')}.log"
    done = subprocess.run(
        ["sh", "-c", _LEFT, str(log), *program.command],
        cwd=folder,
        env={**os.environ, **dict(program.environment)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        start_new_session=True,  # it goes on after this command, and ends with all that it starts
    )
    group, pid = map(int, done.stdout.split())
    return Running(program.name, pid, group, _begun(pid), str(log))


def _wait_for(engine: Engine, plan: Plan, running: Sequence[Running], workers: int) -> None:
    limit = time.monotonic() + START_SECONDS
    there: Sequence[str] = []
    while len(there) < workers:
        if ended := [one for one in running if not one.alive]:
            raise RuntimeError(f"{engine.title}: {ended[0].name} has ended: {_last_lines(Path(ended[0].log))}")
        if time.monotonic() > limit:
            raise RuntimeError(
                f"{engine.title}: {len(there)} of {workers} workers have come within {START_SECONDS:.0f} s; "
                f"the logs are in {note_of(engine).parent}"
            )
        with suppress(OSError, ValueError, KeyError):
            there = engine.workers(plan.page)
        time.sleep(POLL_SECONDS)


def stop(engine: Engine) -> list[str]:
    """End the processes of a cluster, and all that they have started; return their names. Its logs stay.

    Raises RuntimeError naming a port that is still taken afterwards.
    """
    with _alone(engine):
        return _ended_all(engine)


def _ended_all(engine: Engine) -> list[str]:
    there = noted(engine)
    if there is None:
        return []
    _, running, ports = there
    alive = [one for one in running if one.alive]
    _end(running)
    if taken := [port for port in ports if _is_taken(port)]:
        raise RuntimeError(f"{engine.title}: port {taken[0]} is still taken, by a process that was not started here")
    note_of(engine).unlink()
    return [one.name for one in alive]


def _end(running: Sequence[Running]) -> None:
    """End processes, and what each has started, which may outlive it."""
    for one in reversed(running):
        if one.alive:
            os.killpg(one.group, signal.SIGTERM)
    limit = time.monotonic() + END_SECONDS
    while any(one.alive for one in running) and time.monotonic() < limit:
        time.sleep(POLL_SECONDS)
    for one in running:
        if not _begun(one.group):  # the group's first process ended at once: one with its number is somebody else's
            with suppress(ProcessLookupError):
                os.killpg(one.group, signal.SIGKILL)


def missing(engine: Engine) -> list[str]:
    """Return a sentence for each process of a cluster that has ended; raise ValueError if none was started."""
    there = noted(engine)
    if there is None:
        raise ValueError(f"no cluster of {engine.title} was started here: make cluster RUNNER={engine.name}")
    return [
        f"{one.name} (process {one.pid}) has ended: {_last_lines(Path(one.log))}" for one in there[1] if not one.alive
    ]


def asked(address: str) -> Any:
    """Return the JSON at an address of this machine; raise OSError or ValueError if there is none."""
    with _DIRECT.open(address, timeout=10) as answer:
        return json.load(answer)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _check_free(port: int) -> None:
    if _is_taken(port):
        raise ValueError(f"port {port} is taken by another program; end that, or name another port: PORT={port + 10}")


def _begun(pid: int) -> str:
    """Return when a process began, "" if it does not run; a number of a process is used again some day."""
    try:
        facts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        if Path("/proc/self").exists():
            return ""
        told = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return told.stdout.strip()
    return "" if facts[0] in "ZX" else facts[19]


def _last_lines(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").splitlines() if log.exists() else []
    return " | ".join(line.strip() for line in lines[-_LINES:] if line.strip()) or "it said nothing"
