"""The processes of the local runner: Beam's own worker, forked from a process that has imported everything already.

    driver ─ starts once ─> fork server (imports Beam and the pipelines) ─ forks for each wave ─> workers

A wave of a small corpus is over in less time than importing Beam takes, and a build has a dozen waves. The server is
that of Python's `multiprocessing`, which ends with the driver; a worker ends with it too, wherever it is in its work.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import tempfile
import threading
import time
from multiprocessing.connection import wait
from types import ModuleType
from typing import Any

import grpc
from apache_beam.portability.api import endpoints_pb2
from apache_beam.runners.portability.fn_api_runner import worker_handlers
from apache_beam.runners.portability.fn_api_runner.worker_handlers import GrpcWorkerHandler, WorkerHandler
from apache_beam.runners.worker import sdk_worker, sdk_worker_main, worker_pool_main
from apache_beam.transforms.environments import Environment
from google.protobuf import json_format, text_format

from pipelines.runners.beam import fork_server

# Where Beam 2.77 binds its local services (control, data, state, logs, loopback workers), which ask for no credentials.
_EVERYWHERE, _LOOPBACK = "[::]:", "localhost:"

URN = "altiplano:env:forked_python:v1"
# Beam's name for the thread that waits for a worker process.
THREAD = "run_worker"
# Python asks after all processes whenever one starts, and of two threads that ask for one exit code only one gets it.
_ASKING = threading.Lock()


@Environment.register_urn(URN, None)
class Forked(Environment):
    """Beam's environment in which workers are forked on this machine, `nice` steps behind other processes."""

    def __init__(self, nice: int = 0, **facts: Any) -> None:
        super().__init__(**facts)
        self._nice = nice

    def to_runner_api_parameter(self, context: Any) -> tuple[str, bytes]:
        """Return the name by which the runner finds `ForkedHandler`, and what it is given."""
        return URN, str(self._nice).encode()

    @staticmethod
    def from_runner_api_parameter(payload: Any, capabilities: Any, artifacts: Any, context: Any) -> Forked:
        """Return the environment again."""
        return Forked(int(payload), capabilities=capabilities, artifacts=artifacts)


@WorkerHandler.register_environment(URN, None)
class ForkedHandler(GrpcWorkerHandler):
    """Starts one worker and waits for it in a thread, which raises RuntimeError if the worker dies."""

    def __init__(self, payload: Any, state: Any, provision_info: Any, grpc_server: Any) -> None:
        super().__init__(state, provision_info, grpc_server)
        self._nice = int(payload)
        self._thread = threading.Thread(name=THREAD, target=self._run)

    def start_worker(self) -> None:
        """Start the worker."""
        self._thread.start()

    def stop_worker(self) -> None:
        """Wait until the worker has ended; the runner has closed what it listens to."""
        self._thread.join()

    def _run(self) -> None:
        address = endpoints_pb2.ApiServiceDescriptor(url=self.control_address)
        environment = {
            **os.environ,  # of now: the fork server has that of when it started
            "CONTROL_API_SERVICE_DESCRIPTOR": text_format.MessageToString(address),
            "PIPELINE_OPTIONS": json_format.MessageToJson(self.provision_info.provision_info.pipeline_options),
            "WORKER_ID": self.worker_id,
        }
        process = fork_server.context().Process(target=serve, args=(environment, os.getpid(), self._nice))
        with _ASKING:
            process.start()
        wait([process.sentinel])
        with _ASKING:
            process.join()
        if process.exitcode:
            raise RuntimeError(f"worker process {process.pid} ended with exit code {process.exitcode}")


def serve(environment: dict[str, str], driver: int, nice: int) -> None:
    """Run Beam's worker with its logs silenced: what a task raises reaches the driver by itself."""
    os.nice(nice)
    logging.basicConfig(level=logging.CRITICAL, handlers=[logging.NullHandler()], force=True)
    print_no_tracebacks()
    threading.Thread(target=_end_with, args=(driver,), daemon=True).start()
    os.environ.update(environment)
    tempfile.tempdir = None  # looked up again: the build has a folder of its own
    sdk_worker_main.main([])


def _end_with(driver: int) -> None:
    while True:
        try:
            os.kill(driver, 0)
        except ProcessLookupError:
            os._exit(1)
        time.sleep(1)


class _Loopback(ModuleType):
    """Beam's `grpc`, but for servers that were to listen on all interfaces: nobody else's machine may send us work."""

    def __getattr__(self, name: str) -> Any:
        return getattr(grpc, name)

    @staticmethod
    def server(*arguments: Any, **options: Any) -> grpc.Server:
        """Return a server whose ports are those of this machine's loopback alone."""
        server = grpc.server(*arguments, **options)
        bind = server.add_insecure_port
        server.add_insecure_port = lambda address: bind(address.replace(_EVERYWHERE, _LOOPBACK))
        return server


def listen_on_loopback() -> None:
    """Let what this process starts of Beam offer its services to this machine alone: local runner, loopback workers."""
    for module in (worker_handlers, worker_pool_main):
        vars(module)["grpc"] = _Loopback("grpc")


def print_no_tracebacks() -> None:
    """Let Beam's worker print none of what a task raises: it comes back to the driver, which writes it to its log."""
    vars(sdk_worker)["print"] = lambda *values, **options: None


def kill_all() -> None:
    """Kill every worker of this process."""
    with _ASKING:
        for process in multiprocessing.active_children():
            process.kill()
