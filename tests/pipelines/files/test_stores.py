"""What object stores do and answer, by servers that nobody here wrote: versitygw and moto for S3, fake-gcs-server."""

from __future__ import annotations

import importlib.util
import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipelines import verify
from pipelines.files import lock, remote, remote_parts, remote_s3, storage
from tests.pipelines import servers

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(importlib.util.find_spec("boto3") is None, reason="boto3 is not installed"),
]
VERSITYGW, FAKE_GCS = servers.program("versitygw"), servers.program("fake-gcs-server")
needs_versitygw = pytest.mark.skipif(
    VERSITYGW is None, reason="versitygw is not there: make setup-full builds it with Go"
)
needs_gcs = pytest.mark.skipif(
    FAKE_GCS is None or importlib.util.find_spec("google.cloud.storage") is None,
    reason="fake-gcs-server is not there: make setup-full builds it with Go",
)
needs_moto = pytest.mark.skipif(importlib.util.find_spec("moto") is None, reason="moto is not installed")


# Each test sets the variables of its own server: those of several are up at once.
Variables = dict[str, str]


@pytest.fixture(scope="module")
def versitygw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Variables]:
    assert VERSITYGW is not None
    folder = tmp_path_factory.mktemp("versitygw")
    with servers.versitygw(VERSITYGW, folder / "store", folder / "log") as environment:
        yield environment


@pytest.fixture(scope="module")
def moto() -> Iterator[Variables]:
    with pytest.MonkeyPatch.context() as patch, servers.s3(patch) as endpoint:
        yield {**servers.CREDENTIALS, "AWS_ENDPOINT_URL": endpoint}


@pytest.fixture(scope="module")
def gcs() -> Iterator[Variables]:
    assert FAKE_GCS is not None
    with pytest.MonkeyPatch.context() as patch, servers.gs(patch, FAKE_GCS) as endpoint:
        yield {"STORAGE_EMULATOR_HOST": endpoint}


@pytest.fixture(
    params=[
        pytest.param("versitygw", marks=needs_versitygw),
        pytest.param("moto", marks=needs_moto),
        pytest.param("gcs", marks=needs_gcs),
    ]
)
def folder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in request.getfixturevalue(request.param).items():
        monkeypatch.setenv(name, value)
    return f"{'gs' if request.param == 'gcs' else 's3'}://corpus/{request.node.name.replace('[', '-').strip(']')}"


LARGE = remote_parts.PART + 12345


@pytest.mark.parametrize("size", [0, 1, 300_000, LARGE])
def test_objects_are_whole_whatever_their_size(folder: str, size: int) -> None:
    content = os.urandom(1 << 10) * (size // (1 << 10)) + b"x" * (size % (1 << 10))
    path = f"{folder}/a b/é[1].bin"
    storage.write_bytes(path, content)
    assert storage.read_bytes(path) == content
    assert (storage.exists(path), storage.size(path)) == (True, size)
    assert list(storage.stamps(f"{folder}/a b")) == storage.files_in(folder) == [path]
    with storage.open_read(path) as stream:
        stream.seek(0, io.SEEK_END)
        assert stream.tell() == size
        stream.seek(max(0, size - 5))
        assert stream.read() == content[-5:]
        stream.seek(size // 2)
        assert stream.read(100) == content[size // 2 :][:100]
    storage.remove(path)
    storage.remove(path)
    assert not storage.exists(path)
    with pytest.raises(FileNotFoundError, match="there is no such object"):
        storage.read_bytes(path)


@pytest.mark.parametrize("size", [9, LARGE])
def test_what_another_wrote_is_replaced_only_while_the_lock_is_held(folder: str, size: int) -> None:
    if size == LARGE and "-moto-" in folder:
        pytest.skip("moto's uploads in parts know no conditions")
    path, asked = f"{folder}/shard.bin", []
    mine, theirs = b"m" * size, b"t" * size

    def lost() -> None:
        asked.append(storage.read_bytes(path)[:1])
        raise RuntimeError("lost")

    def late() -> None:
        if storage.read_bytes(path)[:1] == b"t":
            raise RuntimeError("lost")
        storage.write_bytes(path, theirs)

    remote.upload(io.BytesIO(mine), size, path, lost)
    assert (storage.read_bytes(path) == mine, asked) == (True, [])
    with pytest.raises(RuntimeError, match="lost"):
        remote.upload(io.BytesIO(theirs), size, path, lost)
    assert (storage.read_bytes(path) == mine, asked) == (True, [b"m"])
    with pytest.raises(RuntimeError, match="lost"):
        remote.upload(io.BytesIO(b"n" * size), size, path, late)
    assert storage.read_bytes(path) == theirs
    remote.upload(io.BytesIO(mine), size, path, lambda: None)
    assert storage.read_bytes(path) == mine


def test_of_many_writers_at_once_one_gets_the_lock_and_each_version_is_replaced_once(folder: str) -> None:
    def begin(number: int) -> str | None:
        return remote.swap(f"{folder}/lock.json", f"first {number}".encode(), None)

    with ThreadPoolExecutor(16) as pool:
        (first,) = [version for version in pool.map(begin, range(16)) if version is not None]

        def take_over(number: int) -> str | None:
            return remote.swap(f"{folder}/lock.json", f"second {number}".encode(), first)

        assert len([version for version in pool.map(take_over, range(16)) if version is not None]) == 1
    assert storage.read_bytes(f"{folder}/lock.json").startswith(b"second")


def test_how_old_a_lock_is_is_known_by_the_stores_clock(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time
    with lock.alone(folder):
        monkeypatch.setattr(time, "time", lambda: now() + 12 * 60)
        monkeypatch.setattr(lock, "_machine", lambda: "another")
        found = remote.read_version(f"{folder}/work/lock.json")
        assert found is not None
        assert -2.0 <= found.age < 60.0
        with pytest.raises(ValueError, match="another build is writing there"):
            lock.alone(folder).__enter__()
    assert storage.files_in(folder) == []


def test_a_bucket_that_is_not_there_is_said_at_once(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    scheme = folder.partition(":")[0]
    started = time.monotonic()
    with pytest.raises(OSError, match=f"{scheme}://none.*: there is no such bucket"):
        storage.write_bytes(f"{scheme}://none/a.bin", b"x")
    with pytest.raises(OSError, match=f"{scheme}://none.*: there is no such bucket"):
        storage.write_bytes(f"{scheme}://none/a.bin", b"x" * LARGE)
    with pytest.raises(OSError, match=f"{scheme}://none: there is no such bucket"), lock.alone(f"{scheme}://none/c"):
        pass
    with pytest.raises(OSError, match=f"{scheme}://none: there is no such bucket"):
        verify.main([f"{scheme}://none/corpus"])
    assert time.monotonic() - started < 20


COMMANDS = {"verify": ["pipelines.verify"], "report": ["pipelines.report"], "trace": ["pipelines.trace"]}
BUILD = ["pipelines.corpus", "--recipe", "paper", "--source", "books", "--runner", "plain"]


def said(command: list[str], environment: Variables, **changed: str) -> str:
    """Run a command that fails; return what it says."""
    environment = {**os.environ, **environment, **changed}
    done = subprocess.run([sys.executable, "-P", "-m", *command], env=environment, capture_output=True, text=True)
    assert done.returncode in (1, 2), done.stderr
    return done.stderr + done.stdout


SKEWED = """
import datetime, runpy, sys
import botocore.auth, botocore.compat
def ahead():
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) + datetime.timedelta(hours=1)
for module in (botocore.auth, botocore.compat):
    for name in ("get_current_datetime",):
        if hasattr(module, name):
            setattr(module, name, lambda *a, **k: ahead())
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


ANONYMOUS = """
import time
from pipelines.files import storage
begun = time.monotonic()
storage.write_bytes("gs://corpus/anonymous.bin", b"x")
assert storage.read_bytes("gs://corpus/anonymous.bin") == b"x"
assert time.monotonic() - begun < 20
"""


@needs_gcs
def test_an_emulator_is_asked_without_credentials_and_without_looking_for_them(gcs: Variables) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GOOGLE_", "NO_GCE"))}
    command = [sys.executable, "-P", "-c", ANONYMOUS]
    done = subprocess.run(command, env={**environment, **gcs}, capture_output=True, text=True, cwd=Path.cwd())
    assert (done.returncode, done.stderr) == (0, "")


@needs_versitygw
def test_a_client_has_a_connection_for_each_thread_and_leaves_it_to_us_to_ask_again(
    versitygw: Variables, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in versitygw.items():
        monkeypatch.setenv(name, value)
    assert remote_s3.has_credentials("")  # is asked before a client is made
    config = remote_s3.client().meta.config
    assert config.max_pool_connections == remote_parts.AT_ONCE
    assert config.retries["total_max_attempts"] == 1
    assert config.connect_timeout == remote_parts.CONNECT_SECONDS


@needs_versitygw
class TestErrors:
    @pytest.mark.parametrize("module", COMMANDS)
    def test_what_is_wrong_with_a_key_is_one_line(self, versitygw: Variables, module: str) -> None:
        command = [
            *COMMANDS[module],
            "s3://corpus/c",
            *(["--source", "c4", "--token", "1"] if module == "trace" else []),
        ]
        for changed, wanted in (
            ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "the secret key is wrong"),
            ({"AWS_ACCESS_KEY_ID": "nobody"}, "No user exists with the provided access key"),
        ):
            found = said(command, versitygw, **changed)
            assert wanted in found
            assert "Traceback" not in found
            assert len(found.splitlines()) == 1, found

    def test_so_it_is_for_a_build(self, versitygw: Variables, tmp_path: Path) -> None:
        (tmp_path / "1.txt").write_text("A book.")
        command = [*BUILD, "--input", f"books={tmp_path}/*.txt", "--output", "s3://corpus/keys"]
        assert "the secret key is wrong" in said(command, versitygw, AWS_SECRET_ACCESS_KEY="wrong")
        assert "s3://none: there is no such bucket" in said([*command[:-1], "s3://none/c"], versitygw)

    def test_a_clock_that_is_not_the_stores_is_named(self, versitygw: Variables) -> None:
        command = [sys.executable, "-P", "-c", SKEWED, "pipelines.verify", "s3://corpus/c"]
        done = subprocess.run(command, env={**os.environ, **versitygw}, capture_output=True, text=True)
        assert "this machine's clock is not the store's" in done.stderr
        assert "Traceback" not in done.stderr
