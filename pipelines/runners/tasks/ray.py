"""Tasks on Ray: a cluster that runs already (`--ray`, RAY_ADDRESS), or one of this machine, which ends with the build.

    task ─ waits here, heaviest first ─ a few for each CPU ─> Ray ─ SPREAD ─> worker ─> outcome
                       └ its worker or node is lost: again, up to three times in all

Ray itself tries nothing again, so that each loss is seen, and what its memory monitor ends is not tried for ever.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pipelines.files.fence import Fence, FencedError
from pipelines.runners import environment, events, plans
from pipelines.runners.needs import GIB, MORE_MEMORY
from pipelines.runners.tasks import pieces
from pipelines.runners.tasks.pieces import Outcome, Piece
from pipelines.runners.tasks.protocol import ATTEMPTS, LINES, POLL_SECONDS, TaskError, one_by_one

ADDRESS = "RAY_ADDRESS"
PROBE_SECONDS = 60.0
CANCEL_SECONDS = 60.0
# Tasks given to Ray for each of its CPUs: none waits for the driver, and a node that joins gets some.
AHEAD = 2
# Of the folder of Ray's files: the sockets in it have paths of 107 bytes at most.
LONGEST_FOLDER = 40
# Ray reports how it is used to its makers, and prints what its nodes say, unless it is told not to.
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
}
_NO_PACKAGE = "No module named 'pipelines'"


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
    address = options.ray or os.environ.get(ADDRESS)
    # Nobody else's machine may send work to a cluster of this build; Ray itself listens on every interface.
    secret = {} if address else {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    os.environ.update({name: os.environ.get(name, value) for name, value in {**_QUIET, **secret}.items()})
    import ray  # it reads the environment, once

    with _folder() as folder:
        here: dict[str, Any] = {
            "address": "local",
            "num_cpus": options.workers,
            "include_dashboard": False,
            "_temp_dir": folder,
        }
        try:
            with _signals_kept():
                context = ray.init(
                    **({"address": address} if address else here),
                    runtime_env={"env_vars": environment.of_workers()},
                    log_to_driver=False,
                    configure_logging=False,
                )
        except (RuntimeError, ConnectionError, OSError) as error:
            where = f"--ray {address}" if address else "--runner ray: Ray does not start on this machine"
            raise ValueError(f"{where}: {' '.join(str(error).split())}") from error
        try:
            _probe(fence)
            link = getattr(context, "dashboard_url", "") or address or "this machine"
            yield lambda name: Ray(link)
        finally:
            with _signals_kept():
                ray.shutdown()


@contextmanager
def _folder() -> Iterator[str]:
    """Give a folder for Ray's files that goes with the build."""
    usual = tempfile.gettempdir()
    found = tempfile.mkdtemp(prefix="ray-", dir=usual if len(usual) < LONGEST_FOLDER else "/tmp")
    try:
        yield found
    finally:
        shutil.rmtree(found, ignore_errors=True)


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Leave the signals as they are, which Ray's driver takes for itself."""
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}
    yield
    for one, handler in before.items():
        signal.signal(one, handler)


def _probe(fence: Fence | None) -> None:
    """Raise ValueError naming a node that has not our package, or does not see this build's output."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    look = ray.remote(num_cpus=0, max_retries=0)(_look)
    asked = {}
    for node in nodes:
        there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        asked[look.options(name="look", scheduling_strategy=there).remote(fence, _versions())] = node
    done, late = ray.wait(list(asked), num_returns=len(asked), timeout=PROBE_SECONDS)
    for one in [*late, *done]:
        try:
            wrong = "it does not answer" if one in late else ray.get(one)
        except ray.exceptions.RayError as error:
            wrong = _reason(error)
        if wrong:
            raise ValueError(f"--runner ray: node {asked[one]['NodeManagerAddress']}: {wrong}")


def _versions() -> dict[str, str]:
    return {name: version(name) for name in (plans.PACKAGE,)}


def _look(fence: Fence | None, versions: Mapping[str, str]) -> str:
    """Return what is wrong with this node, for a build that holds its output's lock."""
    for name, wanted in versions.items():
        if (found := version(name)) != wanted:
            return f"it has {name} {found}, the build has {wanted}: install the driver's version there"
    try:
        environment.settle()
        if fence is not None:
            fence.check()
    except (OSError, FencedError):
        assert fence is not None
        folder = fence.lock.removesuffix("/work/lock").removesuffix("/work/lock.json")
        return (
            f"it does not see {folder}, or another folder of that name: let --output be a folder that all nodes "
            "share, by its absolute path, or a bucket"
        )
    return ""


def _reason(error: Exception) -> str:
    """Return why a worker was lost, or could not do anything, in a sentence."""
    text = str(error).strip()
    if _NO_PACKAGE in text:
        return f"its workers do not have the package {plans.PACKAGE}: install it there"
    return " ".join(text.partition("\n")[0].split())


def _do(piece: Piece) -> Outcome:
    """Do a piece, on a worker of Ray."""
    with suppress(OSError):  # a node need not have the driver's folder, if all paths are absolute
        environment.settle()
    return pieces.do(piece)


class Ray:
    """One wave's tasks on the cluster that this process is connected to."""

    name = "ray"

    def __init__(self, link: str) -> None:
        self.link = link
        self._waiting: deque[tuple[Piece, int]] = deque()  # and which attempt it is
        self._running: dict[Any, tuple[Piece, int]] = {}
        self._said: dict[int, list[str]] = {}

    def deal(self, weights: Sequence[float]) -> list[list[int]]:
        """Do each item as a task, the heaviest first."""
        return one_by_one(weights)

    def submit(self, wanted: Sequence[Piece]) -> None:
        """Take on tasks; raise TaskError for one that asks for more memory than any node has."""
        import ray

        largest = max((node["Resources"].get("memory", 0) for node in ray.nodes() if node["Alive"]), default=0)
        for piece in wanted:
            if piece.memory > largest:
                raise TaskError(_too_large(piece, largest))
        self._waiting.extend((piece, 1) for piece in wanted)

    def ended(self) -> Iterator[tuple[Piece, Outcome]]:
        """Give tasks to Ray, and yield those that have ended; what was lost is given again."""
        import ray

        self._give()
        if not self._running:
            return
        done, rest = ray.wait(list(self._running), timeout=POLL_SECONDS)
        if done and rest:
            done += ray.wait(rest, num_returns=len(rest), timeout=0)[0]
        for one in done:
            piece, attempt = self._running.pop(one)
            try:
                yield piece, ray.get(one)
            except ray.exceptions.RayError as error:
                if (outcome := self._lost(piece, attempt, error)) is not None:
                    yield piece, outcome

    def _give(self) -> None:
        import ray

        if not self._waiting:
            return
        room = int(ray.cluster_resources().get("CPU", 0)) * AHEAD - len(self._running)
        do = ray.remote(num_cpus=1, max_retries=0, scheduling_strategy="SPREAD")(_do)
        for _ in range(min(room, len(self._waiting))):
            piece, attempt = self._waiting.popleft()
            self._running[do.options(name=piece.name, memory=piece.memory).remote(piece)] = piece, attempt

    def _lost(self, piece: Piece, attempt: int, error: Exception) -> Outcome | None:
        """Let a task be tried again whose worker or node was lost; return its outcome if it is not."""
        import ray

        why = _reason(error)
        self._said[piece.number] = str(error).splitlines()
        if isinstance(error, ray.exceptions.RayTaskError):
            return Outcome(item=piece.name, error=why)
        if isinstance(error, ray.exceptions.OutOfMemoryError):
            return Outcome(item=piece.name, error=f"it needs more memory than its node has: {MORE_MEMORY}")
        if attempt == ATTEMPTS:
            return Outcome(item=piece.name, error=f"its worker was lost {ATTEMPTS} times: {why}")
        events.warn(f"{piece.name}: its worker was lost ({why}); it is done again")
        self._waiting.appendleft((piece, attempt + 1))
        return None

    def cancel(self) -> None:
        """End the workers of all tasks, and wait until none runs."""
        import ray

        self._waiting.clear()
        for one in self._running:
            ray.cancel(one, force=True)
        _, rest = ray.wait(list(self._running), num_returns=len(self._running), timeout=CANCEL_SECONDS)
        if rest:
            events.warn(f"ray: {len(rest):,} tasks run still {CANCEL_SECONDS:.0f} s after they were cancelled")

    def log(self, piece: Piece) -> Sequence[str]:
        """Return what Ray said of a task that was lost."""
        return self._said.get(piece.number, [])[-LINES:]


def _too_large(piece: Piece, largest: float) -> str:
    return (
        f"{piece.name} needs {piece.memory / GIB:.1f} GiB of memory, and no node of Ray has more than "
        f"{largest / GIB:.1f}: {MORE_MEMORY}"
    )
