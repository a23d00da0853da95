"""Objects by way of a store that a test holds in memory: what is asked, what is tried again, and what is said of it."""

from __future__ import annotations

import io
import itertools
import multiprocessing
import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any, BinaryIO

import pytest

from pipelines.files import remote, remote_parts, storage, waits
from pipelines.files.remote_parts import ABSENT, ALWAYS, PATIENCE, Facts, Opened

PATH = "s3://bucket/folder/a.bin"


class Answer(Exception):  # noqa: N818
    """An error that a store answers with."""

    def __init__(self, code: int, name: str = "") -> None:
        super().__init__(f"answer {code}")
        self.response = {"Error": {"Code": name or str(code)}, "ResponseMetadata": {"HTTPStatusCode": code}}


class OfRequests(Exception):  # noqa: N818
    """An error of the client of GCS, which has the answer itself."""

    def __init__(self, code: int) -> None:
        super().__init__("Request failed with status code", code)
        self.response = SimpleNamespace(status_code=code)


class Store:
    """A store of objects; `asked` has the kind of each request, and what each of `errors` answers comes first."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, str]] = {}
        self.asked: list[str] = []
        self.errors: list[Exception] = []
        self.listing_error: Exception | None = None
        self._versions = itertools.count(1)

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.errors:
            raise self.errors.pop(0)

    def _found(self, path: str) -> tuple[bytes, str]:
        if path not in self.objects:
            raise Answer(404)
        return self.objects[path]

    def put(self, content: bytes, path: str = PATH) -> None:
        self.objects[path] = (content, f"v{next(self._versions)}")

    def facts(self, path: str) -> Facts:
        self._ask("facts")
        content, version = self._found(path)
        return Facts(path, len(content), 0.0, version)

    def listed(self, prefix: str, *, deep: bool = True, count: int = 1000) -> Iterator[Facts]:
        self._ask("list")
        if self.listing_error is not None:
            raise self.listing_error
        for path, (content, version) in self.objects.items():
            if path.startswith(prefix) and (deep or "/" not in path.removeprefix(prefix)):
                yield Facts(path, len(content), 0.0, version)

    def open(self, path: str, wanted: str = "") -> Opened:
        self._ask(wanted or "open")
        content, version = self._found(path)
        first, last = wanted.removeprefix("bytes=").split("-") if wanted else ("0", "")
        start = int(first) if first else max(0, len(content) - int(last))
        if start >= len(content):
            raise Answer(416)
        part = content[start : int(last) + 1 if first and last else None]
        return Opened(io.BytesIO(part), start, len(part), len(content), version, version)

    def write(self, path: str, stream: BinaryIO, size: int, condition: str = ALWAYS) -> str:
        self._ask(f"write {condition}")
        found = self.objects.get(path)
        if condition != ALWAYS and condition != (found[1] if found else ABSENT):
            raise Answer(412)
        self.put(stream.read(), path)
        return self.objects[path][1]

    def delete(self, path: str) -> None:
        self._ask("delete")
        self.objects.pop(path, None)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    found = Store()
    monkeypatch.setattr(remote, "_store", lambda path: found)
    monkeypatch.setattr(remote, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(remote, "_answers", waits.Places())
    monkeypatch.setattr(remote, "_looked_at", set())
    return found


class TestReading:
    @pytest.mark.parametrize("size", [1, 1000, remote.READ_BLOCK])
    def test_a_small_object_is_one_request_wherever_it_is_read(self, store: Store, size: int) -> None:
        content = os.urandom(size)
        store.put(content)
        assert storage.read_bytes(PATH) == content
        with storage.open_read(PATH) as stream:
            assert stream.seek(-1, io.SEEK_END) == size - 1
            assert stream.read() == content[-1:]
            stream.seek(0)
            assert stream.read() == content
        assert store.asked == [f"bytes=0-{remote.READ_BLOCK * 4 - 1}", f"bytes=-{remote.READ_BLOCK}"]

    def test_what_is_read_in_a_row_is_two_requests(self, store: Store) -> None:
        content = os.urandom(5 << 20)
        store.put(content)
        with storage.open_read(PATH) as stream:
            assert b"".join(iter(lambda: stream.read(70_000), b"")) == content
        assert len(store.asked) == 2

    def test_any_place_is_what_a_local_file_has_there(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(remote, "READ_BLOCK", 16)
        rng = random.Random(0)
        for size in (0, 1, 15, 16, 17, 300):
            content = rng.randbytes(size)
            store.put(content)
            local = io.BytesIO(content)
            with storage.open_read(PATH) as stream:
                for _ in range(200):
                    whence = rng.choice([io.SEEK_SET, io.SEEK_END])
                    offset = rng.randint(0, size + 5) if whence == io.SEEK_SET else -rng.randint(0, size)
                    assert stream.seek(offset, whence) == local.seek(offset, whence)
                    count = rng.choice([0, 1, 5, 40, -1])
                    assert stream.read(count) == local.read(count)

    def test_nothing_is_read_of_what_is_not_there(self, store: Store) -> None:
        with pytest.raises(FileNotFoundError, match=PATH), storage.open_read(PATH) as stream:
            stream.read()
        assert storage.read_json(PATH) is None
        assert store.asked.count("list") == 1  # whether the bucket is there

    def test_an_object_that_is_replaced_while_it_is_read_is_an_error(self, store: Store) -> None:
        store.put(b"a" * (3 << 20))
        with storage.open_read(PATH) as stream:
            stream.read(10)
            store.put(b"b" * (3 << 20))
            with pytest.raises(OSError, match=f"{PATH}: it was replaced while it was read"):
                stream.read()

    def test_a_connection_that_breaks_is_opened_again_where_it_stopped(self, store: Store) -> None:
        content = os.urandom(3 << 20)
        store.put(content)
        with storage.open_read(PATH) as stream:
            begin = stream.read(remote.READ_BLOCK * 2)
            store.errors = [ConnectionError("broken"), Answer(503)]
            assert begin + stream.read() == content

    def test_a_bucket_that_is_not_there_is_no_missing_file(self, store: Store) -> None:
        store.listing_error = Answer(404, "NoSuchBucket")
        for ask in (storage.exists, storage.read_json, storage.read_bytes):
            with pytest.raises(OSError, match=r"s3://bucket: there is no such bucket") as caught:
                ask(PATH)
            assert not isinstance(caught.value, FileNotFoundError)


def test_small_files_of_a_version_are_read_once(store: Store) -> None:
    path = "s3://bucket/manifests/once.json"
    store.put(b'{"a": 1}', path)
    assert [storage.read_jsons([path, f"{path}.none"]) for _ in range(3)] == [[{"a": 1}, None]] * 3
    assert store.asked == ["list", f"bytes=0-{remote.READ_BLOCK * 4 - 1}", "list", "list"]
    store.put(b'{"a": 2}', path)
    assert storage.read_jsons([path]) == [{"a": 2}]


def test_many_waits_have_one_thread() -> None:
    before, watch = set(threading.enumerate()), waits.Watch()
    with ExitStack() as stack:
        for number in range(50):
            stack.enter_context(waits.Wait(f"s3://bucket/{number}", seconds=1000.0, watch=watch))
        assert len(set(threading.enumerate()) - before) == 1


def test_a_worker_leaves_it_to_the_command_to_say_what_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    waits.say("waiting for s3://bucket")
    monkeypatch.setattr(multiprocessing, "parent_process", object)
    waits.say("waiting for s3://another")
    assert capsys.readouterr().err == "waiting for s3://bucket\n"


class TestWaiting:
    def test_what_passes_is_tried_again_however_often(self, store: Store) -> None:
        store.errors = [Answer(503), ConnectionError("away"), Answer(429), Answer(400, "RequestTimeout")] * 10
        storage.write_bytes(PATH, b"x")
        assert store.objects[PATH][0] == b"x"

    @pytest.mark.parametrize(
        ("error", "said"),
        [
            (Answer(403, "InvalidAccessKeyId"), "the store does not know the access key"),
            (Answer(403, "SignatureDoesNotMatch"), "the secret key is wrong"),
            (Answer(403, "RequestTimeTooSkewed"), "this machine's clock is not the store's"),
            (Answer(403, "AccessDenied"), "these credentials do not allow it"),
            (Answer(404, "NoSuchBucket"), "there is no such bucket"),
            (OfRequests(404), "there is no such bucket"),
            (OfRequests(403), "the store answered 403"),
        ],
    )
    def test_what_cannot_pass_is_said_at_once(self, store: Store, error: Exception, said: str) -> None:
        store.errors = [error]
        with pytest.raises(OSError, match=f"{PATH}: {said}"):
            storage.write_bytes(PATH, b"x")
        assert store.asked == ["write *"]

    def test_an_answer_without_a_reason_is_asked_for_one(self, store: Store) -> None:
        store.errors = [Answer(403)]
        store.listing_error = Answer(403, "SignatureDoesNotMatch")
        with pytest.raises(PermissionError, match=f"{PATH}: the secret key is wrong"):
            storage.exists(PATH)
        assert store.asked == ["facts", "list"]

    def test_a_store_that_is_gone_is_given_up_once_for_all_that_follows(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock = itertools.count(0.0, 50.0)
        monkeypatch.setattr(time, "monotonic", lambda: next(clock))
        store.errors = [ConnectionError("gone")] * 100
        with pytest.raises(OSError, match=rf"{PATH}: cannot be written after \d attempts: ConnectionError: gone"):
            storage.write_bytes(PATH, b"x")
        assert 2 <= len(store.asked) <= 5
        before = len(store.asked)
        with pytest.raises(OSError, match="cannot be found after 1 attempts"):
            storage.exists("s3://bucket/another")
        assert len(store.asked) == before + 1
        store.errors = []
        assert not storage.exists(PATH)
        store.errors = [ConnectionError("away")]
        assert not storage.exists(PATH)  # it has answered since

    def test_how_long_is_a_variable_of_the_environment(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(PATIENCE, "0")
        store.errors = [ConnectionError("gone")]
        with pytest.raises(OSError, match="after 1 attempts"):
            storage.exists(PATH)
        for wrong in ("five", "-1", "nan", "inf"):
            monkeypatch.setenv(PATIENCE, wrong)
            with pytest.raises(ValueError, match=f"{PATIENCE}={wrong}: this must be a number of seconds, like 300"):
                remote_parts.patience()


class LostError(Exception):
    """A build no longer holds its lock."""


class TestReplacing:
    def upload(self, content: bytes, check: Any) -> None:
        remote.upload(io.BytesIO(content), len(content), PATH, check)

    def test_what_is_not_there_is_written_without_asking(self, store: Store) -> None:
        self.upload(b"mine", lambda: pytest.fail("asked"))
        assert store.asked == ["write "]

    def test_what_is_there_is_replaced_after_asking(self, store: Store) -> None:
        store.put(b"old")
        asked: list[bytes] = []
        self.upload(b"mine", lambda: asked.append(store.objects[PATH][0]))
        assert (asked, store.objects[PATH][0]) == ([b"old"], b"mine")
        assert store.asked == ["write ", "facts", "write v1"]

    def test_who_may_not_write_any_more_leaves_what_is_there(self, store: Store) -> None:
        def check() -> None:
            raise LostError

        store.put(b"theirs")
        with pytest.raises(LostError):
            self.upload(b"late", check)
        assert store.objects[PATH][0] == b"theirs"

    def test_what_another_writes_after_the_question_is_asked_about_again(self, store: Store) -> None:
        store.put(b"old")
        asked: list[bytes] = []

        def check() -> None:
            asked.append(store.objects[PATH][0])
            if asked == [b"old"]:
                store.put(b"theirs")
            elif asked[-1] == b"theirs":
                raise LostError

        with pytest.raises(LostError):
            self.upload(b"late", check)
        assert (asked, store.objects[PATH][0]) == ([b"old", b"theirs"], b"theirs")

    def test_what_another_removes_after_the_question_is_written(self, store: Store) -> None:
        store.put(b"old")
        asked: list[bytes] = []

        def check() -> None:
            asked.append(b"")
            store.objects.pop(PATH, None)

        self.upload(b"mine", check)
        assert store.objects[PATH][0] == b"mine"
        assert len(asked) == 2

    def test_it_ends_where_others_write_without_end(self, store: Store) -> None:
        store.put(b"old")
        with pytest.raises(OSError, match=rf"{PATH}: cannot be written: others wrote it 10 times"):
            self.upload(b"mine", lambda: store.put(b"again"))

    def test_a_bucket_that_is_not_there_is_no_other_version(self, store: Store) -> None:
        store.errors = [Answer(404, "NoSuchBucket")]
        with pytest.raises(OSError, match="there is no such bucket"):
            self.upload(b"mine", lambda: None)


def test_characters_of_globs_are_those_of_names_in_a_folder(store: Store) -> None:
    for name in ("x[1]/corpus/a.bin", "x[1]/corpus/b/c.bin", "x1/corpus/a.bin", "x*/d", "x?/d", "xy/d"):
        store.put(b"x", f"s3://bucket/{name}")
    folder = "s3://bucket/x[1]/corpus"
    assert list(storage.stamps(folder)) == [f"{folder}/a.bin"]
    assert storage.files_in(folder) == [f"{folder}/a.bin", f"{folder}/b/c.bin"]
    assert storage.files_in(f"{folder}/a.bin") == [f"{folder}/a.bin"]
    assert storage.files_in("s3://bucket/x*") == ["s3://bucket/x*/d"]
    assert storage.files_in("s3://bucket/x?") == ["s3://bucket/x?/d"]
    assert storage.list_files("s3://bucket/x*/d") == [f"s3://bucket/{name}/d" for name in ("x*", "x?", "xy")]
