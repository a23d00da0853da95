"""What is looked at before the first wave of a build on Ray: the address, and each node of the cluster.

HOST:PORT ─ answers? ─> cluster ─ a look on each node ─> our version? the same output? may it write there?
"""

from __future__ import annotations

import socket
import uuid
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from pipelines.files import storage
from pipelines.files.fence import Fence, FencedError, fenced
from pipelines.runners import environment, plans

ANSWER_SECONDS = 3.0  # that a head has to answer
PROBE_SECONDS = 60.0  # that a node has to begin with a worker, and look
CLIENT = "ray://"
_NO_PACKAGE = "No module named 'pipelines"
_SHARED = "let --output be a folder that all nodes share, by its absolute path, or a bucket"


def place(address: str, where: str) -> tuple[str, int]:
    """Return host and port of an address; raise ValueError for what is none."""
    try:
        found = urlsplit(f"//{address.removeprefix(CLIENT)}")
        if found.hostname and found.port:
            return found.hostname, found.port
    except ValueError:
        pass
    raise ValueError(f"{where}: HOST:PORT is expected, or ray://HOST:PORT")


def answers(place: tuple[str, int]) -> bool:
    """Tell whether something listens at a place."""
    with suppress(OSError), socket.create_connection(place, ANSWER_SECONDS):
        return True
    return False


def begin(address: str, **how: Any) -> Any:
    """Connect to a cluster, or start one here; return Ray's context.

    The head starts a server for each client, by a fork that now and then fails: it is asked twice.
    """
    import ray

    init = partial(ray.init, address, log_to_driver=False, configure_logging=False, **how)
    try:
        return init()
    except ConnectionAbortedError:
        return init()


def refusal(error: BaseException) -> str:
    """Return why there is no connection, in a sentence."""
    told = str(error)
    while error.__cause__ is not None:
        error = error.__cause__
        told += f" {error}"
    if "AuthToken" in told or "authentication token" in told:
        return "this Ray wants its token: set RAY_AUTH_TOKEN, or RAY_AUTH_TOKEN_PATH, to that of the cluster"
    if "connection timeout" in told:
        return "no server of Ray's clients answers there, or it wants its token: set RAY_AUTH_TOKEN to the cluster's"
    text = str(error).strip()
    if "Traceback" in text:
        text = text.rpartition("Error: " if "Error: " in text else "\n")[2]
    return " ".join(text.split())


def probe(fence: Fence | None) -> None:
    """Raise ValueError naming a node that has not our package, or does not see this build's output."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    look = ray.remote(num_cpus=0, max_retries=0)(_look)
    asked = {}
    for node in nodes:
        there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        try:
            task = look.options(name="look", scheduling_strategy=there).remote(fence, plans.package_version())
        except ImportError as error:  # the server of a client makes tasks itself
            raise ValueError(f"--runner ray: the head: {reason(error)}") from error
        asked[task] = node
    done, late = ray.wait(list(asked), num_returns=len(asked), timeout=PROBE_SECONDS) if asked else ([], [])
    for one in [*late, *done]:
        try:
            wrong = (
                f"it has not looked at {_output(fence)} within {PROBE_SECONDS:.0f} s" if one in late else ray.get(one)
            )
        except ray.exceptions.RayError as error:
            wrong = reason(error)
        if wrong:
            raise ValueError(f"--runner ray: node {asked[one]['NodeManagerAddress']}: {wrong}")


def _look(fence: Fence | None, wanted: str) -> str:
    """Return what is wrong with this node, for a build that holds its output's lock."""
    if (found := plans.package_version()) != wanted:
        return f"it has {plans.PACKAGE} {found}, the build has {wanted}: install the driver's version there"
    with suppress(OSError):
        environment.settle()
    try:
        if fence is not None:
            fence.check()  # before anything is written: where the folder is none, none is made
            with fenced(fence):
                storage.write_bytes(path := f"{_output(fence)}/work/plan/{uuid.uuid4().hex[:16]}.plan", b"")
                storage.remove(path)
    except FencedError:
        return f"it does not see {_output(fence)}, or another folder of that name: {_SHARED}"
    except OSError as error:
        return f"it cannot write to {_output(fence)} ({error}): {_SHARED}"
    return ""


def _output(fence: Fence | None) -> str:
    return fence.lock.rpartition("/work/")[0] if fence else "the output"


def reason(error: Exception) -> str:
    """Return why a worker was lost, or could not do anything, in a sentence."""
    text = str(error).strip()
    if _NO_PACKAGE in text:
        return f"its workers do not have the package {plans.PACKAGE}, or not the driver's version: install it there"
    return " ".join(text.partition("\n")[0].split()).partition(". ")[0]
