"""A Ray of several nodes on this machine, for tests: a head and others that join it, each at an address of its own."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.pipelines import servers
from tests.pipelines.runners import wheel

START_SECONDS = 60.0
STORE_BYTES = 80_000_000  # of shared memory for Ray's objects, about the least that it takes


def clean(**more: str) -> dict[str, str]:
    """Return this process' environment without what shows the checkout, is Ray's, or sends local requests elsewhere."""
    left = {name: value for name, value in wheel.clean().items() if not name.startswith("RAY_")}
    return {**left, "RAY_USAGE_STATS_ENABLED": "0", **more}


@dataclass
class Ray:
    """A running cluster: where it is, what its clients need, and its nodes' processes by name."""

    python: Path
    folder: Path
    host: str = "127.0.0.1"  # the head's address
    port: int = field(default_factory=servers.free_port)
    client_port: int = field(default_factory=servers.free_port)
    token: str = field(default_factory=lambda: secrets.token_hex(32))
    nodes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Where drivers on this machine connect."""
        return f"{self.host}:{self.port}"

    @property
    def client(self) -> str:
        """Where clients from anywhere connect."""
        return f"ray://127.0.0.1:{self.client_port}"

    @property
    def environment(self) -> dict[str, str]:
        """What whoever connects needs."""
        return clean(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=self.token)

    def start(
        self,
        name: str,
        *more: str,
        cpus: int = 1,
        environment: Mapping[str, str] | None = None,
        python: Path | None = None,
        before: Sequence[str] = (),
        host: str = "",
    ) -> None:
        """Start the `head`, or another node, with an address of its own; returns when it has joined."""
        common = [f"--num-cpus={cpus}", "--min-worker-port=0", "--max-worker-port=0", "--disable-usage-stats"]
        common += [f"--object-store-memory={STORE_BYTES}", "--block", *more]
        if name == "head":
            which = ["--head", f"--port={self.port}", f"--ray-client-server-port={self.client_port}"]
            which += ["--include-dashboard=false", f"--temp-dir={self.folder}"]
        else:
            which = [f"--address={self.address}"]
        own = self.host if name == "head" else f"127.0.0.{len(self.nodes) + 1}"
        which.append(f"--node-ip-address={host or own}")
        command = [*before, str(python or self.python), "-m", "ray.scripts.scripts", "start", *which, *common]
        log = self.folder / f"{name}.log"
        with log.open("wb") as said:
            self.nodes[name] = subprocess.Popen(
                command,
                stdout=said,
                stderr=said,
                cwd="/",
                env={**self.environment, **(environment or {})},
                start_new_session=True,
            )
        limit = time.monotonic() + START_SECONDS
        while b"Ray runtime started" not in log.read_bytes() or not self._takes_clients():
            assert self.nodes[name].poll() is None and time.monotonic() < limit, log.read_text()[-3_000:]
            time.sleep(0.1)

    def _takes_clients(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.client_port), 1):
            return True
        return False

    def processes(self, name: str) -> list[psutil.Process]:
        """Return all processes of a node, the one that watches over the others first."""
        node = psutil.Process(self.nodes[name].pid)
        return [node, *node.children(recursive=True)]

    def workers(self, name: str) -> list[psutil.Process]:
        """Return the processes of a node that do a task."""
        return [one for one in self.processes(name) if _title(one).startswith("ray::") and "/" in _title(one)]

    def kill(self, name: str) -> None:
        """Kill all processes of a node at once."""
        found = self.processes(name)
        for one in found:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        self.nodes.pop(name).wait()

    def drain(self, node: str, seconds: int) -> None:
        """Let a node take no more tasks, and end in so many seconds."""
        command = [str(self.python), "-m", "ray.scripts.scripts", "drain-node", f"--address={self.address}"]
        command += [f"--node-id={node}", "--reason=DRAIN_NODE_REASON_PREEMPTION", "--reason-message=test"]
        command += [f"--deadline-remaining-seconds={seconds}"]
        subprocess.run(command, env=self.environment, cwd="/", check=True, capture_output=True)

    def ask(self, code: str) -> object:
        """Return what code prints as JSON that is run on the cluster, of which `ray` is connected."""
        connect = f"import json, ray\nray.init({self.address!r}, log_to_driver=False, configure_logging=False)\n"
        done = subprocess.run(
            [sys.executable, "-c", connect + code], env=self.environment, cwd="/", capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def alive(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Return those that run; what is dead and was not asked for is none."""
    found = []
    for one in processes:
        with suppress(psutil.NoSuchProcess):
            if one.is_running() and one.status() != psutil.STATUS_ZOMBIE:
                found.append(one)
    return found


def of_session(leader: int) -> list[psutil.Process]:
    """Return the processes of a session that run: a driver that was started as a leader, and what it has started."""
    found = []
    for one in psutil.process_iter():
        with suppress(ProcessLookupError):
            if os.getsid(one.pid) == leader:
                found.append(one)
    return alive(found)


def _title(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return " ".join(process.cmdline()[:1])
    return ""


@contextmanager
def running(
    python: Path,
    *,
    nodes: Sequence[str] = ("head", "other"),
    environment: Mapping[str, str] | None = None,
    host: str = "127.0.0.1",
) -> Iterator[Ray]:
    """Run a cluster of a head and others until the end of the block; nothing of it is left."""
    with tempfile.TemporaryDirectory(prefix="r", dir="/tmp", ignore_cleanup_errors=True) as folder:
        cluster = Ray(python, Path(folder), host)
        try:
            for name in nodes:
                cluster.start(name, environment=environment)
            yield cluster
        finally:
            for name, node in list(cluster.nodes.items()):
                node.send_signal(signal.SIGTERM)
                with suppress(psutil.NoSuchProcess):
                    cluster.kill(name)
                node.wait()
