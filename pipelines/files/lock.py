"""One build at a time in a corpus directory: a lock that ends with its build, also where there are no file locks.

    local     a lock on the file OUTPUT/work/lock, which the kernel takes back however the build ends; it says whose
    remote    the object OUTPUT/work/lock.json, written only where there is none, and again by its owner now and then

A run's directory is held in the same way, by the file RUN/lock.

A build that is killed leaves its object behind. The next one takes it over: at once if the owner was a process of this
machine that is gone, otherwise when it was not renewed for LEASE_SECONDS. Whoever removes the object breaks the lock.
Every write is on the condition that the object is what its writer saw last, so that one of two succeeds, and a build
that was taken for dead (its machine slept, its network was gone) finds out at its next renewal, and ends. How long ago
it was renewed is known by the store's own clock: those of two machines may be hours apart.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from pipelines.files import remote, storage
from pipelines.files.fence import Fence

RUN_LOCK = "lock"
LEASE_SECONDS = 600.0
RENEWAL_SECONDS = 60.0
LEFT_BEHIND_SECONDS = 10.0
# A clock that nobody sets, and that goes on while the machine sleeps, where there is one.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


@dataclass(frozen=True)
class Held:
    """A directory that a build holds: `fence` is for its workers, `check` raises RuntimeError once it is lost."""

    fence: Fence
    check: Callable[[], None] = lambda: None


@contextmanager
def alone(output: str, build: str = "") -> Iterator[Held]:
    """Hold a corpus directory for this build; raise ValueError if another build holds it.

    `build` names the build of an earlier driver that this one goes on with, here on a local directory.
    """
    if storage.is_remote(output):
        lock = _RemoteLock(output)
        with lock.held():
            yield Held(lock.fence, lock.check)
        return
    path = Path(output, "work", "lock")
    build = build or _new_build()
    with held(path, f"--output {output}: another build is writing there", build):
        try:
            yield Held(Fence(str(path), build))
        finally:
            if path.exists() and [entry.name for entry in path.parent.iterdir()] == [path.name]:
                path.unlink()  # nothing was begun: no trace is left
                path.parent.rmdir()


@contextmanager
def alone_in_run(run: str) -> Iterator[None]:
    """Hold a run's directory, on this machine; raise ValueError naming who holds it if another process does."""
    with held(Path(run, RUN_LOCK), f"{run}: another process is training or cleaning there"):
        yield


def _new_build() -> str:
    return uuid.uuid4().hex[:16]


@contextmanager
def held(path: Path, refusal: str, build: str = "") -> Iterator[None]:
    """Hold a local file's lock; raise ValueError that begins with `refusal` and names the holder if another has it.

    What a process leaves behind (a loader's worker that still ends) may hold its lock for some seconds more.
    """
    deadline = time.monotonic() + LEFT_BEHIND_SECONDS
    while True:
        with _opened(path) as lock:
            taken = _taken(lock)
            if taken and _is_at(lock, path):
                _write_holder(lock, build)
                try:
                    yield
                finally:
                    lock.truncate(0)
                return
            holder = _parsed(lock.read().encode())
        gone = holder.get("machine") == _machine() and not is_running(holder.get("process"))
        if not (taken or gone) or time.monotonic() > deadline:
            raise ValueError(
                f"{refusal}: {holder.get('owner', 'a process')}, since {holder.get('started', 'just now')}"
            )
        time.sleep(0.2)


def _opened(path: Path) -> TextIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("a+", encoding="utf-8")


def _taken(lock: TextIO) -> bool:
    lock.seek(0)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(lock: TextIO, path: Path) -> bool:
    """Tell whether an open file is still the one of that name: its holder before may have removed it."""
    try:
        return os.path.samestat(os.fstat(lock.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _write_holder(lock: TextIO, build: str) -> None:
    lock.truncate(0)
    lock.write(json.dumps({**_holder(datetime.now(UTC)), "build": build}))
    lock.flush()


def _holder(since: datetime) -> dict[str, Any]:
    """Return who holds a lock: this process."""
    return {
        "owner": f"{platform.node()}, process {os.getpid()}",
        "machine": _machine(),
        "process": os.getpid(),
        "started": since.isoformat(timespec="seconds"),
        "renewed": time.time(),
    }


class _RemoteLock:
    """The lock of a directory on object storage, with a thread that renews it."""

    def __init__(self, output: str) -> None:
        self._path = f"{output}/work/lock.json"
        self._output = output
        self.fence = Fence(self._path, _new_build())
        self._started = datetime.now(UTC)
        self._content = b""
        self._version: str | None = None
        self._renewed = time.clock_gettime(_CLOCK)
        self._lost = ""
        self._ended = threading.Event()

    @contextmanager
    def held(self) -> Iterator[None]:
        found = remote.read_version(self._path)
        if found is not None:
            self._refuse_living(found)
        if not self._write(found.version if found is not None else None):
            raise ValueError(f"--output {self._output}: another build has just begun to write there")
        thread = threading.Thread(target=self._renew, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join(LEFT_BEHIND_SECONDS)  # a renewal may wait for a store that is away
            self._release()

    def check(self) -> None:
        """Raise RuntimeError if the lock was lost, or could not be renewed for so long that another may have it."""
        if not self._lost and time.clock_gettime(_CLOCK) - self._renewed > LEASE_SECONDS:
            self._lost = f"it could not be renewed for {LEASE_SECONDS:.0f} s"
        if self._lost:
            raise RuntimeError(f"{self._path}: this build no longer holds the lock: {self._lost}")

    def _refuse_living(self, there: remote.Version) -> None:
        found = _parsed(there.content)
        if found.get("machine") == _machine() and not is_running(found.get("process")):
            return
        if there.age > LEASE_SECONDS and "renewed" in found:
            return
        raise ValueError(
            f"--output {self._output}: another build is writing there: {found.get('owner')}, since "
            f"{found.get('started')}, last heard of {max(0.0, there.age):.0f} s ago. If it is gone, wait until that is "
            f"{LEASE_SECONDS:.0f} s, or remove {self._path}"
        )

    def _write(self, version: str | None) -> bool:
        row = {**_holder(self._started), "build": self.fence.build}
        content = json.dumps(row).encode()
        begun = time.clock_gettime(_CLOCK)
        written = remote.swap(self._path, content, version)
        if written is None:
            return False
        self._content, self._version, self._renewed = content, written, begun
        return True

    def _renew(self) -> None:
        while not self._ended.wait(RENEWAL_SECONDS):
            try:
                if not self._write(self._version):
                    self._lost = "another build took it over, or somebody removed it"
                    return
            except OSError:  # the store cannot be reached now; `check` says when that has been too long
                continue

    def _release(self) -> None:
        if self._lost:
            return
        with suppress(OSError):  # of a store that is gone, after whose error nothing else is to be said
            found = remote.read_version(self._path)
            if found is not None and found.content == self._content:
                remote.delete(self._path)


def _parsed(content: bytes) -> dict[str, Any]:
    """Return what a lock says; nothing of one that cannot be read."""
    try:
        found = json.loads(content)
        return {**found, "renewed": float(found["renewed"])}
    except (ValueError, TypeError, KeyError):
        return {}


def _machine() -> str:
    """Return what tells this machine's processes from those of any other, or of another container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{platform.node()} {boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # no Linux: a process is never said to be gone
        return uuid.uuid4().hex


def is_running(process: Any) -> bool:
    """Tell whether a process of this machine is running, also when that cannot be known."""
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except (OSError, ValueError, TypeError):
        return True
    return True
