"""A stand-in for Beam's job servers of Flink and Spark, called as `java`: it passes graphs to Beam's own local service.

That service cannot cancel: its `cancel` only writes the state. This one ends the workers, and says so some seconds
later, as a cluster does, or never. It starts workers as an engine does, by a command with an id and the address of a
provision service, and writes each call of the Job API as a line into $STAND_IN/calls.

    STAND_IN   a folder; STAND_IN_CANCELS: seconds until a cancelled job has ended, "never"; STAND_IN_SLOTS=0: no slot
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_job_api_pb2, beam_runner_api_pb2
from apache_beam.runners.portability import local_job_service
from apache_beam.runners.portability.fn_api_runner.worker_handlers import GrpcWorkerHandler, WorkerHandler

REPOSITORY = Path(__file__).parents[4]
VERSION = 'openjdk version "17.0.1" 2021-10-19'
STATES = beam_job_api_pb2.JobState
_workers: list[subprocess.Popen[bytes]] = []


def put_on_path(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """Let `java` be this module, for processes that this one starts; return the file of a job server."""
    java = folder / "bin/java"
    java.parent.mkdir()
    java.write_text(f'#!/bin/sh\nPYTHONPATH={REPOSITORY} exec {sys.executable} -m {__name__} "$@"\n')
    java.chmod(0o755)
    patch.setenv("PATH", f"{java.parent}:{os.environ['PATH']}")
    patch.setenv("STAND_IN", str(folder))
    jar = folder / "server.jar"
    jar.touch()
    return jar


def note(call: str) -> None:
    """Write down a call."""
    with Path(os.environ["STAND_IN"], "calls").open("a") as calls:
        calls.write(f"{call}\n")


@WorkerHandler.register_environment(common_urns.environments.PROCESS.urn, beam_runner_api_pb2.ProcessPayload)
class Process(GrpcWorkerHandler):
    """A worker that is started by its command."""

    def __init__(self, payload: Any, state: Any, provision_info: Any, grpc_server: Any) -> None:
        super().__init__(state, provision_info, grpc_server)
        self._payload = payload

    def start_worker(self) -> None:
        """Start it, as Prism does: with quotation marks around the id."""
        if os.environ.get("STAND_IN_SLOTS") == "0":
            time.sleep(3600)
        command = [self._payload.command, f"--id='{self.worker_id}'", f"--provision_endpoint={self.control_address}"]
        _workers.append(subprocess.Popen(command, env={**os.environ, **self._payload.env}))

    def stop_worker(self) -> None:
        """Wait until it has ended."""
        for worker in _workers:
            worker.wait()


class Job(local_job_service.BeamJob):
    """A job that ends when it is cancelled, as late as the environment says."""

    _cancelled = False

    def cancel(self) -> None:
        """End the workers, and say later that the job has ended."""
        self._cancelled = True
        self.set_state(STATES.CANCELLING)
        for worker in _workers:
            worker.kill()
        seconds = os.environ.get("STAND_IN_CANCELS", "1")
        if seconds != "never":
            threading.Timer(float(seconds), self._end).start()

    def _end(self) -> None:
        self._cancelled = False
        self.set_state(STATES.CANCELLED)

    def set_state(self, new_state: Any) -> None:
        """Take note of a state; what fails for its workers are gone is being cancelled."""
        if not (self._cancelled and new_state == STATES.FAILED) and self.state != STATES.CANCELLED:
            note(f"state {STATES.Enum.Name(new_state)}")
            super().set_state(new_state)  # type: ignore[no-untyped-call]


class Service(local_job_service.LocalJobServicer):
    """Beam's service, whose calls are written down."""

    def Prepare(self, request: Any, context: Any = None, timeout: Any = None) -> Any:  # noqa: N802
        """Take a graph."""
        note(f"prepare {request.pipeline_options['beam:option:job_name:v1']}")
        return super().Prepare(request, context, timeout)

    def Cancel(self, request: Any, context: Any = None, timeout: Any = None) -> Any:  # noqa: N802
        """Cancel a job."""
        note("cancel")
        return super().Cancel(request, context, timeout)


def main(arguments: Sequence[str]) -> None:
    """Be `java`."""
    if "-version" in arguments:
        sys.stderr.write(f"{VERSION}\n")
        return
    given = arguments[arguments.index("-jar") + 2 :]
    parser = argparse.ArgumentParser()
    parser.add_argument("--job-port", type=int)
    options, _ = parser.parse_known_args(given)
    note(f"started {' '.join(given[:2])}")
    signal.signal(signal.SIGTERM, _end)
    Service(beam_job_type=Job).start_grpc_server(options.job_port)  # type: ignore[no-untyped-call]
    threading.Event().wait()


def _end(*_: Any) -> None:
    note("ended")
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
