"""The process that workers are forked from: it imports Beam and the pipelines once, while the driver does the same."""

from __future__ import annotations

import atexit
import multiprocessing
import multiprocessing.forkserver
import multiprocessing.resource_tracker
import signal
import sys
from functools import cache
from multiprocessing.context import ForkServerContext

PRELOADED = ["pipelines.runners.beam.worker", "pipelines.build"]
# Of the clients of object stores, those that this process uses: each worker would spend a third of a second on one.
CLIENTS = {"boto3": "pipelines.files.remote_ready", "google.cloud.storage": "google.cloud.storage"}


@cache
def context() -> ForkServerContext:
    """Return what makes processes of the server; it ends with this process."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload([*PRELOADED, *(name for used, name in CLIENTS.items() if used in sys.modules)])
    atexit.register(end)
    return found


def start() -> None:
    """Start the server, if it is not running, and do not wait for what it imports."""
    context()
    # Started by itself, for it lets the signals through again that are held back below.
    multiprocessing.resource_tracker.ensure_running()
    # Ctrl-C goes to all processes of a terminal; this one and the workers are ended by the driver, who says so once.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        multiprocessing.forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end() -> None:
    """End the server, so that what its workers used counts as used by this process' children."""
    multiprocessing.forkserver._forkserver._stop()  # type: ignore[attr-defined]
