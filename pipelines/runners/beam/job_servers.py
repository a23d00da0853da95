"""Job servers: Beam's Java program between its portable runner and a cluster of Flink or Spark; Prism is both in one.

    java -jar JAR --flink-master HOST:8081 --job-port PORT ...  ─ listens ─> waves of the build ─ build ends ─> ended

Beam starts one itself, but only in a main thread, which a build that watches its job has not to spare.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from apache_beam.utils.subprocess_server import JavaJarServer
from apache_beam.version import __version__ as beam_version

from pipelines.runners import java
from pipelines.runners.beam.engines import PRISM, prism

START_SECONDS = 120.0
END_SECONDS = 20.0
ANSWER_SECONDS = 10.0
# Runs a command until it ends or the standard input does, which is the driver's: however that ends, no server is left.
_WITH_ITS_DRIVER = (
    'exec 3<&0; "$@" 3<&- </dev/null & server=$!; { cat <&3; kill $server; } >/dev/null 2>&1 & wait $server'
)
_LINES = 5  # of what a server says last


@dataclass(frozen=True)
class Program:
    """A job server: what Beam calls it where it publishes it, and the option that says where the cluster is."""

    target: str
    jar: re.Pattern[str]
    master: str


PROGRAMS = {
    "FlinkRunner": Program(
        ":runners:flink:1.20:job-server:shadowJar",
        re.compile(r"beam-runners-flink-[\d.]+-job-server-(\d[\w.]*)\.jar"),
        "--flink-master",
    ),
    "SparkRunner": Program(
        ":runners:spark:3:job-server:shadowJar",
        re.compile(r"beam-runners-spark-3-job-server-(\d[\w.]*)\.jar"),
        "--spark-master-url",
    ),
}


@contextmanager
def running(runner: str, master: str, jar: str | None) -> Iterator[str]:
    """Run a job server for a cluster; give its endpoint, HOST:PORT.

    `jar` is the file of Flink's or Spark's, None: Beam's own, fetched from Maven Central. Raises ValueError if Java or
    the file is missing or is of another version, RuntimeError with the server's last lines if it does not start.
    """
    begun = [prism()] if runner == PRISM else _of_java(PROGRAMS[runner], master, jar)
    with tempfile.TemporaryDirectory(prefix="altiplano-job-server-") as folder:
        port, log = _free_port(), Path(folder, "log")
        command = [*begun, *(_prism_ports(port) if runner == PRISM else _places(folder, port))]
        with log.open("wb") as said:
            process = subprocess.Popen(
                ["sh", "-c", _WITH_ITS_DRIVER, "sh", *command],
                stdout=said,
                stderr=subprocess.STDOUT,
                stdin=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the driver, who cancels the job first
            )
        try:
            _wait_for(process, port, lambda: _last_lines(log))
            yield f"localhost:{port}"
        finally:
            _end(process)


def _of_java(program: Program, master: str, jar: str | None) -> list[str]:
    path = java.found("the job server of Flink and Spark")
    file = _checked(jar, program) if jar else _fetched(program)
    return [path, *java.opened(), "-jar", file, program.master, master]


def _places(folder: str, port: int) -> list[str]:
    places = ["--artifacts-dir", f"{folder}/artifacts", "--job-host", "localhost", "--job-port", str(port)]
    return [*places, "--artifact-port", "0", "--expansion-port", "-1"]


def _prism_ports(port: int) -> list[str]:
    return ["--job_port", str(port), "--web_port", str(_free_port()), "--log_kind", "text"]


def check_endpoint(endpoint: str) -> None:
    """Raise ValueError if nothing answers at HOST:PORT: Beam would wait for a minute, and say nothing."""
    host, _, port = endpoint.rpartition(":")
    try:
        socket.create_connection((host or "localhost", int(port)), ANSWER_SECONDS).close()
    except (OSError, ValueError, OverflowError) as error:
        raise ValueError(f"--job_endpoint {endpoint}: no job server answers there ({error})") from error


def _checked(jar: str, program: Program) -> str:
    if not Path(jar).is_file():
        raise ValueError(f"--job-server {jar}: there is no such file")
    version = program.jar.fullmatch(Path(jar).name)
    if version and version[1] != beam_version:
        raise ValueError(f"--job-server {jar}: it is of Beam {version[1]}, this is Beam {beam_version}")
    return jar


def _fetched(program: Program) -> str:
    address = JavaJarServer.path_to_beam_jar(program.target)
    try:
        return str(JavaJarServer.local_jar(address))
    except Exception as error:
        raise ValueError(
            f"the job server cannot be fetched from {address} ({error}); give its file: --job-server JAR"
        ) from error


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])


def _wait_for(process: subprocess.Popen[bytes], port: int, said: Callable[[], str]) -> None:
    limit = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("localhost", port), 1).close()
            return
        except OSError:
            if process.poll() is not None:
                raise RuntimeError(f"the job server ended with exit code {process.returncode}: {said()}") from None
            if time.monotonic() > limit:
                raise RuntimeError(f"the job server did not listen within {START_SECONDS:.0f} s: {said()}") from None
        time.sleep(0.1)


def _last_lines(log: Path) -> str:
    return " | ".join(log.read_text("utf-8", "replace").split("\n")[-_LINES - 1 :]).strip(" |") or "it said nothing"


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
