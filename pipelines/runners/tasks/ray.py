"""Tasks on Ray: a cluster that runs already (`--ray`, RAY_ADDRESS), or one of this machine, which ends with the build.

    task ─ waits here, heaviest first ─ a few for each CPU ─> Ray ─ SPREAD ─> worker ─> outcome
                       └ its worker or node is lost: again, up to three times in all

Ray itself tries nothing again, so that each loss is seen, and what its memory monitor ends is not tried for ever. Its
client ends the process if the head is away for a minute: whether the head answers is therefore looked at before.
"""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import signal
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import chdir, contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pipelines.files.fence import Fence
from pipelines.runners import environment, events
from pipelines.runners.needs import GIB, MORE_MEMORY
from pipelines.runners.tasks import pieces, ray_checks
from pipelines.runners.tasks.pieces import Outcome, Piece
from pipelines.runners.tasks.protocol import ATTEMPTS, LINES, POLL_SECONDS, TaskError, one_by_one

ADDRESS, LOCAL = "RAY_ADDRESS", "local"
AWAY_SECONDS = 8.0  # that a head may be away
LOOK_SECONDS = 2.0
# That a task may take to end by itself and remove what it has half written, and that its worker takes to be killed.
END_SECONDS, CANCEL_SECONDS = 3.0, 60.0
# Tasks given to Ray for each of its CPUs: none waits for the driver, and a node that joins gets some.
AHEAD = 2
STORE_BYTES = 100 << 20  # of shared memory for objects: tasks have none
# Of the folder that Ray's is in: sockets, FOLDER/ray-XXXXXXXX/session_DATE_TIME_PID/sockets/plasma_store, have paths of
# 107 bytes at most.
LONGEST_FOLDER = 30
# Ray reports how it is used to its makers unless it is told not to, and prints what nodes say unless a pattern keeps
# such lines back; a client that is gone is waited for so long (seconds), and so is an answer of a machine that may have
# vanished with its connections open (milliseconds; Ray's own two minutes keep the other nodes from getting work).
_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
    "RAY_CLIENT_RECONNECT_GRACE_PERIOD": "10",
    "RAY_grpc_client_keepalive_timeout_ms": "30000",
}
_AGAIN = "what was done is kept, and a build that is started again goes on from there"


def check(output: str) -> None:
    """Raise ValueError if Ray is not installed."""
    try:
        version("ray")
    except PackageNotFoundError as error:
        raise ValueError("--runner ray: Ray is not installed; make setup-ray installs it") from error


@contextmanager
def connected(options: argparse.Namespace, fence: Fence | None) -> Iterator[Callable[[str], Ray]]:
    """Connect to a cluster, or start one here; give what makes a wave's own part of it.

    Raises ValueError if there is no cluster, or its nodes have another Ray, Python or package, or another output.
    """
    address = options.ray or os.environ.get(ADDRESS) or LOCAL
    named = f"--ray {address}" if options.ray else f"{ADDRESS}={address}"
    where = "--runner ray, on this machine" if address == LOCAL else named
    if address not in (LOCAL, "auto") and not ray_checks.answers(ray_checks.place(address, where)):
        raise ValueError(f"{where}: nothing answers there; is it the address of a head of Ray that runs?")
    # Nobody else's machine may send work to a cluster of this build; Ray itself listens on every interface.
    secret = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)} if address == LOCAL else {}
    with environment.told({**_SETTINGS, **secret}), _folder() as folder:
        import ray  # it reads the environment, once

        here = {"num_cpus": options.workers, "include_dashboard": False, "object_store_memory": STORE_BYTES}
        how: dict[str, Any] = {**here, "_temp_dir": folder} if address == LOCAL else {}
        how["runtime_env"] = {"env_vars": environment.of_workers()}
        try:
            # Workers get the folder that this begins in before all else to look for modules in.
            with _quietly(folder), chdir(folder):
                context = ray_checks.begin(address, **how)
        except (RuntimeError, OSError) as error:
            raise ValueError(f"{where}: {ray_checks.refusal(error)}") from error
        try:
            ray_checks.probe(fence)
            head = address.removeprefix("ray://") if "://" in address else ray.get_runtime_context().gcs_address
            link = getattr(context, "dashboard_url", "") or address
            yield lambda name: Ray(link, ray_checks.place(head, where))
        finally:
            with _quietly(folder):
                ray.shutdown()


def _folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder for Ray's files that goes with the build."""
    usual = tempfile.gettempdir()
    where = usual if len(usual) <= LONGEST_FOLDER else "/tmp"
    return tempfile.TemporaryDirectory(prefix="ray-", dir=where, ignore_cleanup_errors=True)


@contextmanager
def _quietly(folder: str) -> Iterator[None]:
    """Leave the signals as they are, which Ray takes for itself, and keep what its client writes off the terminal."""
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}
    errors = os.dup(2)
    with Path(folder, "said").open("ab") as said:
        os.dup2(said.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(errors, 2)
        os.close(errors)
        logger = logging.getLogger("ray")
        logger.handlers[:], logger.propagate = [logging.NullHandler()], False
        for one, handler in before.items():
            signal.signal(one, handler)


def _do(piece: Piece) -> Outcome:
    """Do a piece, on a worker of Ray."""
    with suppress(OSError):  # a node need not have the driver's folder, if all paths are absolute
        environment.settle()
    return pieces.do(piece)


class Ray:
    """One wave's tasks on the cluster that this process is connected to, whose head is at a place."""

    name = "ray"

    def __init__(self, link: str, head: tuple[str, int]) -> None:
        import ray

        self.link, self._head = link, head
        self._do = ray.remote(num_cpus=1, max_retries=0, scheduling_strategy="SPREAD")(_do)
        self._waiting: deque[tuple[Piece, int]] = deque()  # and which attempt it is
        # Futures are waited for by Python itself: what a signal raises would come out of Ray as Ctrl-C.
        self._running: dict[Future[Outcome], tuple[Any, Piece, int]] = {}
        self._said: dict[int, list[str]] = {}
        self._answered, self._next_look, self._cpus = time.monotonic(), 0.0, 0

    def deal(self, weights: Sequence[float]) -> list[list[int]]:
        """Do each item as a task, the heaviest first."""
        return one_by_one(weights)

    def submit(self, wanted: Sequence[Piece]) -> None:
        """Take on tasks; raise TaskError for one that asks for more memory than any node has."""
        import ray

        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
        largest = max((node.get("memory", 0) for node in nodes), default=float("inf"))
        for piece in wanted:
            if piece.memory > largest:
                raise TaskError(_too_large(piece, largest))
        self._waiting.extend((piece, 1) for piece in wanted)

    def ended(self) -> Iterator[tuple[Piece, Outcome]]:
        """Give tasks to Ray, and yield those that have ended; ConnectionError if the head is away for long."""
        try:
            yield from self._ended()
        except ConnectionError as error:
            head = ":".join(map(str, self._head))
            raise ConnectionError(f"ray: the head at {head} answers no more; {_AGAIN}") from error

    def _ended(self) -> Iterator[tuple[Piece, Outcome]]:
        import ray

        self._look()
        self._give()
        if not self._running:
            time.sleep(POLL_SECONDS)
        for one in wait(self._running, POLL_SECONDS, FIRST_COMPLETED).done:
            _, piece, attempt = self._running.pop(one)
            try:
                yield piece, one.result()
            except ray.exceptions.RayError as error:
                if (outcome := self._lost(piece, attempt, error)) is not None:
                    yield piece, outcome

    def _look(self) -> None:
        """Ask for the CPUs that there are, now and then, if the head answers."""
        import ray

        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_SECONDS
        if ray_checks.answers(self._head):
            before, self._cpus = self._cpus, int(ray.cluster_resources().get("CPU", 0))
            self._answered = now
            if before and not self._cpus:
                events.warn("ray: no node is left; the build waits for one that joins (--deadline SECONDS ends it)")
        elif now - self._answered > AWAY_SECONDS:
            raise ConnectionError("it does not answer")

    def _give(self) -> None:
        for _ in range(min(max(1, self._cpus) * AHEAD - len(self._running), len(self._waiting))):
            piece, attempt = self._waiting.popleft()
            task = self._do.options(name=piece.name, memory=piece.memory).remote(piece)
            self._running[task.future()] = task, piece, attempt

    def _lost(self, piece: Piece, attempt: int, error: Exception) -> Outcome | None:
        """Let a task be tried again whose worker or node was lost; return its outcome if it is not."""
        import ray

        why = ray_checks.reason(error)
        if isinstance(error, ray.exceptions.OutOfMemoryError):
            why = f"its node's memory was full; {MORE_MEMORY}"
        self._said[piece.number] = str(error).splitlines()
        if isinstance(error, ray.exceptions.RayTaskError):
            return Outcome(item=piece.what, error=why)
        if attempt == ATTEMPTS:
            return Outcome(item=piece.what, error=f"its worker was lost {ATTEMPTS} times: {why}")
        events.warn(f"{piece.what}: its worker was lost ({why}); it is done again")
        self._waiting.appendleft((piece, attempt + 1))
        return None

    def cancel(self) -> None:
        """End the workers of all tasks, and wait until none runs; without a head, what they still write is refused."""
        import ray

        self._waiting.clear()
        if not self._running or not ray_checks.answers(self._head):
            return
        for force, seconds in ((False, END_SECONDS), (True, CANCEL_SECONDS)):
            for task, _, _ in self._running.values():
                ray.cancel(task, force=force)
            rest = wait(self._running, seconds).not_done
            if not rest:
                return
        events.warn(f"ray: {len(rest):,} tasks run still {CANCEL_SECONDS:.0f} s after they were cancelled")

    def log(self, piece: Piece) -> Sequence[str]:
        """Return what Ray said of a task that was lost."""
        return self._said.get(piece.number, [])[-LINES:]


def _too_large(piece: Piece, largest: float) -> str:
    return (
        f"{piece.what} needs {piece.memory / GIB:.1f} GiB of memory, and no node of Ray has more than "
        f"{largest / GIB:.1f}: {MORE_MEMORY}"
    )
