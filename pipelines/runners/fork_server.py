"""The process that workers are forked from: it imports Beam and the pipelines once, while the driver does the same."""

from __future__ import annotations

import atexit
import multiprocessing
import multiprocessing.forkserver
from functools import cache
from multiprocessing.context import ForkServerContext

PRELOADED = ["pipelines.runners.worker", "pipelines.build"]


@cache
def context() -> ForkServerContext:
    """Return what makes processes of the server; it ends with this process."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(PRELOADED)
    atexit.register(end)
    return found


def start() -> None:
    """Start the server, if it is not running, and do not wait for what it imports."""
    context()
    multiprocessing.forkserver.ensure_running()


def end() -> None:
    """End the server, so that what its workers used counts as used by this process' children."""
    multiprocessing.forkserver._forkserver._stop()  # type: ignore[attr-defined]
