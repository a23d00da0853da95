"""One build at a time, also on object storage: who holds the lock, who takes it over, and who finds it lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import pytest

from pipelines.files import fence, lock, remote, storage, waits
from pipelines.files.lock import alone
from pipelines.files.remote_parts import ABSENT, PATIENCE

OUTPUT = "s3://bucket/corpus"
PATH = f"{OUTPUT}/work/lock.json"


class Precondition(Exception):  # noqa: N818
    code = 412


class Absent(Exception):  # noqa: N818
    code = 404


class Store:
    """An object store that writes on conditions; an answer can be lost, or every write fail. Its clock is its own."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, str]] = {}
        self.written = 0
        self.lose_answers = 0
        self.down = False
        self.age = 0.0  # of every object, in seconds
        self.gone = False
        self._guard = threading.Lock()

    def read_version(self, path: str) -> remote.Version:
        if self.gone:
            raise ConnectionError("gone")
        if path not in self.objects:
            raise Absent
        return remote.Version(*self.objects[path], self.age)

    def listed(self, prefix: str, *, count: int) -> Iterator[remote.Facts]:
        yield from ()

    def write(self, path: str, stream: BinaryIO, size: int, condition: str) -> str:
        if self.down:
            raise ConnectionError("down")
        with self._guard:
            found = self.objects.get(path)
            if (found[1] if found else ABSENT) != condition:
                raise Precondition
            self.written += 1
            self.objects[path] = (stream.read(size), f"v{self.written}")
        if self.lose_answers:
            self.lose_answers -= 1
            raise ConnectionError("the answer was lost")
        return f"v{self.written}"

    def delete(self, path: str) -> None:
        self.objects.pop(path, None)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    found = Store()
    monkeypatch.setattr(remote, "_store", lambda path: found)
    monkeypatch.setattr(remote, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(remote, "_answers", waits.Places())
    monkeypatch.setattr(lock, "RENEWAL_SECONDS", 0.01)
    return found


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def left_by(store: Store, **changed: object) -> None:
    """Leave the lock of a build that was killed."""
    with alone(OUTPUT):
        content, _ = store.objects[PATH]
    store.objects[PATH] = (json.dumps({**json.loads(content), **changed}).encode(), "left")


def test_a_lock_is_there_as_long_as_its_build(store: Store) -> None:
    with alone(OUTPUT) as held:
        assert json.loads(store.objects[PATH][0])["owner"].endswith(f"process {os.getpid()}")
        until(lambda: store.written > 3)  # it was renewed
        held.check()
        with pytest.raises(ValueError, match=rf"--output {OUTPUT}: another build is writing there: .*remove {PATH}"):
            alone(OUTPUT).__enter__()
    assert store.objects == {}


def test_it_is_given_back_after_an_error(store: Store) -> None:
    with pytest.raises(KeyError), alone(OUTPUT):
        raise KeyError
    assert store.objects == {}


def test_of_many_at_once_one_gets_it(store: Store) -> None:
    start, held = threading.Barrier(16), threading.Event()

    def attempt(_: int) -> bool:
        start.wait()
        try:
            with alone(OUTPUT):
                held.wait(20)
                return True
        except ValueError:
            return False
        finally:
            refused.release()

    refused = threading.Semaphore(0)
    with ThreadPoolExecutor(16) as pool:
        answers = [pool.submit(attempt, n) for n in range(16)]
        for _ in range(15):
            assert refused.acquire(timeout=20)
        held.set()
        assert sum(answer.result() for answer in answers) == 1


def test_a_lost_answer_is_no_lost_lock(store: Store) -> None:
    store.lose_answers = 2
    with alone(OUTPUT) as held:
        until(lambda: store.lose_answers == 0 and store.written > 4)
        held.check()


def test_the_lock_of_a_killed_process_of_this_machine_is_taken_over_at_once(store: Store) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left_by(store, process=gone.pid)
    with alone(OUTPUT) as held:
        held.check()
    left_by(store, process=gone.pid, machine="another")
    with pytest.raises(ValueError, match="another build is writing there"):
        alone(OUTPUT).__enter__()


def test_a_lock_that_was_not_renewed_is_taken_over(store: Store) -> None:
    left_by(store, machine="another")
    store.age = lock.LEASE_SECONDS + 1
    with alone(OUTPUT) as held:
        held.check()
    left_by(store, machine="another")
    store.age = lock.LEASE_SECONDS / 2
    with pytest.raises(ValueError, match="last heard of 300 s ago"):
        alone(OUTPUT).__enter__()


@pytest.mark.parametrize("ahead", [-720.0, 720.0])
def test_no_clock_but_the_stores_own_says_when_a_lock_was_renewed(
    store: Store, monkeypatch: pytest.MonkeyPatch, ahead: float
) -> None:
    left_by(store, machine="another")
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + ahead)
    store.age = 20.0
    with pytest.raises(ValueError, match="last heard of 20 s ago"):
        alone(OUTPUT).__enter__()
    store.age = lock.LEASE_SECONDS + 20.0
    with alone(OUTPUT) as held:
        monkeypatch.setattr(time, "time", lambda: now() - ahead)
        held.check()


def test_a_build_that_cannot_give_its_lock_back_ends_with_its_own_error(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PATIENCE, "0")
    with pytest.raises(KeyError), alone(OUTPUT):
        store.gone = True
        raise KeyError


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"renewed": "x"}', b"\xff"])
def test_what_is_no_lock_is_refused_and_may_be_removed(store: Store, content: bytes) -> None:
    store.objects[PATH] = (content, "own")
    with pytest.raises(ValueError, match=f"remove {PATH}"):
        alone(OUTPUT).__enter__()
    remote.delete(PATH)
    with alone(OUTPUT) as held:
        held.check()


@pytest.mark.parametrize("content", [None, b"another's"])
def test_who_was_taken_for_dead_finds_out_and_leaves_the_others_lock(store: Store, content: bytes | None) -> None:
    def lost() -> bool:
        try:
            held.check()
        except RuntimeError as error:
            return "another build took it over, or somebody removed it" in str(error)
        return False

    with alone(OUTPUT) as held:
        store.objects.pop(PATH)
        if content is not None:
            store.objects[PATH] = (content, "another's")
        until(lost)
    assert store.objects.get(PATH, (None,))[0] == content


def test_a_store_that_cannot_be_reached_for_too_long_ends_the_build(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with alone(OUTPUT) as held:
        store.down = True
        held.check()
        monkeypatch.setenv(PATIENCE, "0")
        monkeypatch.setattr(lock, "LEASE_SECONDS", 0.0)
        with pytest.raises(RuntimeError, match=f"{PATH}: this build no longer holds the lock"):
            held.check()


def test_a_local_directory_needs_no_store(tmp_path: Path) -> None:
    with alone(str(tmp_path)) as held:
        held.check()
        with pytest.raises(ValueError, match="another build is writing there"):
            alone(str(tmp_path)).__enter__()
    with alone(str(tmp_path)):
        pass


def test_a_worker_that_wakes_up_late_writes_nothing(tmp_path: Path) -> None:
    output, path = str(tmp_path / "corpus"), str(tmp_path / "corpus/work/books/texts/item.json")
    with alone(output) as before, fence.fenced(before.fence):
        storage.write_bytes(path, b"of the first build")
    with alone(output):
        storage.write_bytes(path, b"of the second build")
        with fence.fenced(before.fence):
            with pytest.raises(fence.FencedError, match="another build writes there now"):
                storage.write_bytes(path, b"late")
            with pytest.raises(fence.FencedError, match="writes nothing more"):
                storage.remove(path)
    with fence.fenced(before.fence), pytest.raises(fence.FencedError, match="its build has ended"):
        storage.write_bytes(path, b"late")
    assert storage.read_bytes(path) == b"of the second build"
    assert [found.name for found in Path(path).parent.iterdir()] == ["item.json"]


def test_a_worker_that_sleeps_while_it_writes_is_late_too(tmp_path: Path) -> None:
    output, path = str(tmp_path / "corpus"), str(tmp_path / "corpus/work/item.json")
    with (
        alone(output) as before,
        fence.fenced(before.fence),
        pytest.raises(fence.FencedError),
        storage.write(path) as stream,
    ):
        stream.write(b"late")
        (temporary,) = Path(path).parent.glob(".item.json.*")
        assert before.fence.build in temporary.name
        assert storage.is_temporary(temporary.name)
        Path(before.fence.lock).write_text(json.dumps({"build": "of another"}))
    assert not Path(path).exists()


def test_a_worker_on_object_storage_is_fenced_by_the_lock_s_object(store: Store) -> None:
    with alone(OUTPUT) as held:
        held.fence.check()
        found = json.loads(store.objects[PATH][0])
        assert found["build"] == held.fence.build
        store.objects[PATH] = (b"{}", "v9")
        with pytest.raises(fence.FencedError):
            held.fence.check()
    store.objects.clear()
    with pytest.raises(fence.FencedError, match="its build has ended"):
        held.fence.check()
