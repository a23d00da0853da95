"""Whole builds whose corpus directory is on object storage, over servers that fail now and then; byte for byte."""

from __future__ import annotations

import gc
import importlib.util
import json
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from pipelines import build, clean, corpus, report, trace, verify
from pipelines.files import cached, lock, ours, remote, remote_parts, storage, waits
from pipelines.files.current import TOOK
from tests.pipelines import servers, tiny

# Google's client leaves a connection that broke to the collector.
pytestmark = [pytest.mark.full, pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")]
VERSITYGW, FAKE_GCS = servers.program("versitygw"), servers.program("fake-gcs-server")
needs_s3 = pytest.mark.skipif(
    VERSITYGW is None or importlib.util.find_spec("boto3") is None,
    reason="versitygw or boto3 is not there: make setup-full builds one with Go and installs the other",
)


@dataclass(frozen=True)
class Store:
    """A server that speaks an object store's protocol: its URL, and the variable that points clients at it."""

    scheme: str
    url: str
    variable: str
    share: float  # of the requests that fail in a test, for each of five ways to fail

    def path(self, name: str) -> str:
        return f"{self.scheme}://corpus/{name}"


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return tiny.write(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, options: list[str]) -> dict[str, bytes]:
    output = str(tmp_path_factory.mktemp("built") / "corpus")
    assert corpus.main([*options, "--output", output, "--runner", "plain"]) == 0
    return contents(output)


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    assert VERSITYGW is not None
    folder = tmp_path_factory.mktemp("versitygw")
    with (
        pytest.MonkeyPatch.context() as patch,
        servers.versitygw(VERSITYGW, folder / "store", folder / "log") as environment,
    ):
        for name, value in environment.items():
            patch.setenv(name, value)
        yield environment["AWS_ENDPOINT_URL"]


@pytest.fixture(scope="module")
def google() -> Iterator[str]:
    if FAKE_GCS is None:
        pytest.skip("fake-gcs-server is not there: make setup-full builds it with Go")
    pytest.importorskip("google.cloud.storage", reason="apache-beam[gcp] is not installed")
    with pytest.MonkeyPatch.context() as patch, servers.gs(patch, FAKE_GCS) as url:
        yield url
    gc.collect()


@pytest.fixture(scope="module", params=[pytest.param("s3", marks=needs_s3), "gs"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "s3":
        return Store("s3", request.getfixturevalue("endpoint"), "AWS_ENDPOINT_URL", 0.01)
    # Google's client waits for a second or more before it asks again.
    return Store("gs", request.getfixturevalue("google"), "STORAGE_EMULATOR_HOST", 0.003)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cached.FOLDER, str(tmp_path / "cache"))


def contents(output: str) -> dict[str, bytes]:
    """Return every file that makes up a corpus: documents, drops, shards, models.

    Not what says how long it took, nor where the models that were given lie.
    """
    found = {path.removeprefix(f"{output}/"): path for path in storage.files_in(output)}
    wanted = {
        name: path
        for name, path in found.items()
        if name.split("/")[0] not in ("work", "manifest.json", "report.html", "summary.json", ours.MARK)
        and not (name.endswith("/manifest.json") and name.split("/")[0] in build.SOURCES)
        and name != "models/manifest.json"
    }
    read = storage.together(storage.read_bytes, list(wanted.values()), output)
    return {name: _without_what_it_took(name, content) for name, content in zip(wanted, read, strict=True)}


def _without_what_it_took(name: str, content: bytes) -> bytes:
    if not name.endswith("/manifest.json"):
        return content
    return json.dumps({key: value for key, value in json.loads(content).items() if key != TOOK}).encode()


@pytest.mark.parametrize("runner", ["plain", "local"])
def test_a_remote_corpus_is_that_of_a_local_build(
    store: Store, options: list[str], built: dict[str, bytes], runner: str, capsys: pytest.CaptureFixture[str]
) -> None:
    output = store.path(runner)
    assert corpus.main([*options, "--output", output, "--runner", runner, "--workers", "2"]) == 0
    assert contents(output) == built
    assert list(verify.problems(output)) == []
    report.print_summary(output, 1.0)
    assert storage.exists(f"{output}/report.html")
    capsys.readouterr()
    assert trace.main([output, "--source", "wikipedia", "--token", "100"]) == 0
    assert "Article" in capsys.readouterr().out
    assert not storage.exists(f"{output}/work/lock.json")


@needs_s3
def test_a_store_that_is_away_for_a_while_is_waited_for_and_that_is_said_once(
    tmp_path: Path, options: list[str], built: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert VERSITYGW is not None
    up = partial(servers.versitygw, VERSITYGW, tmp_path / "store", tmp_path / "log", port=servers.free_port())
    output = "s3://corpus/away"
    command = [sys.executable, "-P", "-m", "pipelines.corpus", *options, "--output", output, "--workers", "2"]
    with up() as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        limit = time.monotonic() + 120
        while len(list(tmp_path.glob("store/corpus/away/work/*/*/*.json"))) < 4:
            assert time.monotonic() < limit and process.poll() is None
            time.sleep(0.1)
    time.sleep(50)
    with up():
        said = process.communicate(timeout=300)[1]
        assert process.returncode == 0, said
        assert contents(output) == built
    lines = [line for line in said.splitlines() if line.startswith(("waiting for ", "goes on: "))]
    assert len(lines) == 2, said
    assert re.match(r"waiting for s3://corpus/away/\S+", lines[0]) and re.search(r", after \d\d s$", lines[1]), lines


def test_a_server_that_fails_now_and_then_changes_nothing_and_manifests_come_last(
    store: Store, options: list[str], built: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "PAUSE_SECONDS", 0.02)
    with servers.Flaky(store.url, store.share).running() as proxy:
        monkeypatch.setenv(store.variable, proxy.url)
        assert corpus.main([*options, "--output", store.path("flaky"), "--runner", "plain"]) == 0
        assert set(proxy.failed) == {"error", "slow down", "cut", "late", "hang up"}
        assert sum(proxy.failed.values()) > 20
        proxy.share = 0.0  # still asked: an object of the emulator is read where it was written
        assert contents(store.path("flaky")) == built
    manifests_last(written(proxy), sorted(name for name in built if not name.startswith("models/")))


def written(proxy: servers.Flaky) -> dict[str, int]:
    """Return the names of what was written through a proxy, and when it was written last."""
    names = [
        name or path.partition("?")[0].removeprefix("/corpus/")
        for method, path, name in proxy.seen
        if name or (method == "PUT" and path.startswith("/corpus/"))
    ]
    return {name.removeprefix("flaky/"): place for place, name in enumerate(names)}


def manifests_last(when: dict[str, int], files: list[str]) -> None:
    """Assert that each file of a corpus was written before the manifests that it belongs to."""
    for name in files:
        folder = name.rpartition("/")[0].removesuffix("/documents").removesuffix("/drops")
        assert when[name] <= when[f"{folder}/manifest.json"] < when["manifest.json"], name
    assert len(files) > 50


def test_a_large_object_has_parts_and_a_broken_upload_is_sent_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "PAUSE_SECONDS", 0.02)
    logging.getLogger("root").setLevel(logging.CRITICAL)
    content = os.urandom(1 << 20) * 35
    with servers.Flaky(store.url, 0.06, seed=3).running() as proxy:
        monkeypatch.setenv(store.variable, proxy.url)
        storage.write_bytes(store.path("large.bin"), content)
        assert storage.read_bytes(store.path("large.bin")) == content
        assert proxy.failed
    sent = {path for method, path, _ in proxy.seen if method == "PUT"}
    if store.scheme == "s3":
        assert {f"partNumber={number}" in " ".join(sent) for number in (1, 2, 3)} == {True}
    else:
        puts = [path for method, path, _ in proxy.seen if method == "PUT" and "upload_id=" in path]
        assert len(puts) >= 3
    monkeypatch.setenv(store.variable, store.url)
    assert storage.size(store.path("large.bin")) == len(content)


def test_a_server_that_takes_no_writes_ends_the_build_by_name(
    store: Store, options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(remote, "PAUSE_SECONDS", 0.2)
    monkeypatch.setenv(remote_parts.PATIENCE, "3")
    with servers.Flaky(store.url, 0.0, refused=("PUT", "POST")).running() as proxy:
        monkeypatch.setenv(store.variable, proxy.url)
        assert corpus.main([*options, "--output", store.path("refused"), "--runner", "plain"]) == 1
    said = capsys.readouterr().err
    assert store.path("refused/") in said
    assert "cannot be written after" in said
    monkeypatch.setenv(store.variable, store.url)
    assert storage.files_in(store.path("refused")) == []


def test_a_second_build_is_refused_while_the_first_one_runs(
    store: Store, options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = store.path("held")
    with servers.Flaky(store.url, 0.0).running() as proxy:
        monkeypatch.setenv(store.variable, proxy.url)
        ours.claim(output, ours.Kind.CORPUS)
        with lock.alone(output) as held:
            held.check()
            assert corpus.main([*options, "--output", output, "--runner", "plain"]) == 2
            assert f"--output {output}: another build is writing there" in capsys.readouterr().err
            assert remote.swap(f"{output}/work/lock.json", b"mine", None) is None
        files = storage.files_in(output)
        assert [path for path in files if not path.startswith(f"{output}/work/inputs")] == [f"{output}/{ours.MARK}"]
        first = remote.swap(f"{output}/work/lock.json", b"first", None)
        assert first is not None
        assert remote.swap(f"{output}/work/lock.json", b"second", first) not in (None, first)
        assert remote.swap(f"{output}/work/lock.json", b"third", first) is None
        assert storage.read_bytes(f"{output}/work/lock.json") == b"second"


def books(folder: Path, output: str) -> list[str]:
    """Write three books; return the options that build a corpus of them."""
    tiny.books(folder, 3)
    options = ["--input", f"books={folder}/*.txt", "--recipe", "paper", "--runner", "plain", "--output", output]
    return options + [
        word for field in ("tokenizer.vocabulary=500", "buckets=2", "books.groups=2") for word in ("--set", field)
    ]


def test_of_two_builds_at_the_same_instant_one_begins(store: Store, tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "pipelines.corpus", *books(tmp_path, store.path("instant"))]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[1] for process in both]
    codes = [process.returncode for process in both]
    if codes != [0, 0]:  # where the first had not ended when the second began
        assert sorted(codes) == [0, 2], said
        (refused,) = [text for text, code in zip(said, codes, strict=True) if code]
        assert "another build" in refused
        assert "Traceback" not in refused
    assert list(verify.problems(store.path("instant"))) == []


def test_a_server_that_is_gone_in_the_middle_ends_the_build_by_name(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(remote_parts.PATIENCE, "2")
    monkeypatch.setattr(remote, "PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(waits, "SECONDS", 0.5)
    monkeypatch.setattr(remote, "_answers", waits.Places())
    monkeypatch.setattr(remote, "_say", waits.OncePerPlace())
    with servers.Flaky(store.url, 0.0).running() as proxy:
        monkeypatch.setenv(store.variable, proxy.url)
        write = storage.write_json

        def gone(path: str, content: object) -> None:
            if path.startswith(store.path("gone/work/books/")):
                proxy.refused = ("GET", "PUT", "POST", "HEAD", "DELETE")
            write(path, content)

        monkeypatch.setattr(storage, "write_json", gone)
        started = time.monotonic()
        assert corpus.main(books(tmp_path, store.path("gone"))) == 1
        assert time.monotonic() - started < 60
    said = [line for line in capsys.readouterr().err.splitlines() if line and "items" not in line]
    assert len(said) == 2, said
    waiting, failed = said
    assert waiting.startswith(f"waiting for {store.path('gone/')}")
    told = failed.partition(" (the traceback")[0]
    assert told.startswith(f"failed: {store.path('gone/')}")
    assert ": cannot be " in told
    assert ours.MARK not in told  # which is asked for on the way out


def test_names_may_hold_what_globs_do(store: Store, tmp_path: Path) -> None:
    output = store.path("x[1]*?/corpus")
    theirs = store.path("x1ab/corpus/work/notes.json")
    storage.write_bytes(theirs, b"mine")
    assert corpus.main(books(tmp_path, output)) == 0
    assert verify.main([output]) == 0
    assert corpus.main(books(tmp_path, output)) == 0
    assert storage.read_json(f"{output}/summary.json")["build"]["stages_run"] == []
    assert clean.main([output]) == 0
    assert storage.files_in(output) == []
    assert storage.exists(theirs)


@needs_s3
def test_a_store_that_is_only_read_is_said_in_a_line(tmp_path: Path) -> None:
    assert VERSITYGW is not None
    output = "s3://corpus/read"
    build = ["pipelines.corpus", *books(tmp_path, output)]
    with servers.versitygw(VERSITYGW, tmp_path / "store", tmp_path / "log") as variables:
        done = run(build, variables)
        assert done.returncode == 0, done.stderr
    with servers.versitygw(VERSITYGW, tmp_path / "store", tmp_path / "log", "--readonly") as variables:
        for command in (["pipelines.report", output], ["pipelines.clean", output], build):
            done = run(command, variables)
            assert done.returncode in (1, 2), done.stderr
            assert "these credentials do not allow it (AccessDenied)" in done.stderr
            assert f"{output}/" in done.stderr
            assert "Traceback" not in done.stderr


def run(command: list[str], variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    return subprocess.run([sys.executable, "-P", "-m", *command], env=environment, capture_output=True, text=True)


def test_every_spelling_is_one_folder_and_strangers_objects_stay(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.books(tmp_path, 3)
    options = ["--input", f"books={tmp_path}/*.txt", "--recipe", "paper"]
    options += [
        word for field in ("tokenizer.vocabulary=500", "buckets=2", "books.groups=2") for word in ("--set", field)
    ]
    scheme, output = store.scheme, store.path("my données")
    assert corpus.main([*options, "--output", output, "--runner", "plain"]) == 0
    before = contents(output)
    theirs = [f"{output}/{name}" for name in ("notes.txt", "work/notes.json", "books/documents/mine.parquet")]
    for path in theirs:
        storage.write_bytes(path, b"mine")
    spellings = [f"{scheme.upper()}://corpus//my données/", f"{scheme}://corpus/./my données//", output]
    for runner in ("plain", "local"):
        for spelling in spellings:
            assert corpus.main([*options, "--output", spelling, "--runner", runner, "--workers", "1"]) == 0
            assert storage.read_json(f"{output}/summary.json")["build"]["stages_run"] == []
            assert verify.main([spelling]) == 0
    (tmp_path / "0.txt").unlink()
    capsys.readouterr()
    assert corpus.main([*options, "--output", spellings[0], "--runner", "plain"]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert f"{output}/books/documents: mine.parquet not written by this corpus, and left there" in said
    assert contents(output).keys() != before.keys()
    assert corpus.main([*options, "--input", f"books={output}/books/*.json", "--output", store.path("b")]) == 2
    assert f"{output} was made here (corpus), and our own output is never an input" in capsys.readouterr().err
    assert clean.main([spellings[1]]) == 0
    assert set(storage.files_in(output)) == set(theirs)


def test_a_folder_of_somebody_is_refused(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny.books(tmp_path, 2)
    path = store.path("thesis/work/a.json")
    storage.write_bytes(path, b"{}")
    options = ["--input", f"books={tmp_path}/*.txt", "--recipe", "paper", "--runner", "plain"]
    assert corpus.main([*options, "--output", store.path("thesis/")]) == 2
    assert "not empty (it holds work/a.json) and is not marked as our corpus" in capsys.readouterr().err
    assert clean.main([store.path("thesis")]) == 2
    assert storage.files_in(store.path("thesis")) == [path]


@needs_s3
def test_a_damaged_model_is_refused(endpoint: str) -> None:
    storage.write_bytes("s3://corpus/models/m/a.bin", b"damaged")
    storage.write_json("s3://corpus/models/m/manifest.json", {"files": {"a.bin": "0" * 64}})
    for path in ("s3://corpus/models/m", "s3://corpus/models/m/a.bin"):
        with pytest.raises(RuntimeError, match=r"a\.bin: its SHA-256 is not the one that its manifest names"):
            cached.local(path)


@needs_s3
def test_a_model_is_fetched_once_for_each_content(endpoint: str, tmp_path: Path) -> None:
    storage.write_bytes("s3://corpus/models/n/a.bin", b"first")
    first = cached.local("s3://corpus/models/n/a.bin")
    assert Path(first).read_bytes() == b"first"
    assert cached.local("s3://corpus/models/n/a.bin") == first
    storage.write_bytes("s3://corpus/models/n/a.bin", b"second one")
    second = cached.local("s3://corpus/models/n/a.bin")
    assert second != first
    assert Path(second).read_bytes() == b"second one"
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        cached.local("s3://corpus/models/none")


@needs_s3
def test_without_credentials_a_build_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment["AWS_EC2_METADATA_DISABLED"] = "true"
    command = [sys.executable, "-m", "pipelines.verify", "s3://corpus/plain"]
    done = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert "there are no AWS credentials" in done.stderr


def test_files_on_gs(google: str) -> None:
    path = "gs://corpus/folder/a.bin"
    assert not storage.exists(path)
    content = os.urandom(1 << 20) * 35
    storage.write_bytes(path, content)
    assert storage.read_bytes(path) == content
    with storage.open_read(path) as stream:
        stream.seek(-7, 2)
        assert stream.read() == content[-7:]
        stream.seek(5 << 20)
        assert stream.read(3) == content[5 << 20 :][:3]
    storage.write_bytes(path, b"")
    assert (storage.size(path), storage.read_bytes(path)) == (0, b"")
    assert storage.files_in("gs://corpus/folder") == [path]
    assert list(storage.stamps("gs://corpus/folder")) == [path]
    storage.remove(path)
    storage.remove(path)
    assert not storage.exists(path)
    with pytest.raises(FileNotFoundError, match="there is no such object"):
        storage.read_bytes(path)
