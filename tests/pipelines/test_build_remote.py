"""Whole builds whose corpus directory is on object storage, over servers that fail now and then; byte for byte."""

from __future__ import annotations

import importlib.util
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines import cached, corpus, remote, report, storage, trace, verify
from tests.pipelines import servers, tiny

pytestmark = pytest.mark.full
needs_s3 = pytest.mark.skipif(
    not (importlib.util.find_spec("moto") and importlib.util.find_spec("boto3")), reason="moto is not installed"
)
SHARE = 0.01  # of the requests that fail, for each of five ways to fail


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return tiny.write(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, options: list[str]) -> dict[str, bytes]:
    output = str(tmp_path_factory.mktemp("built") / "corpus")
    assert corpus.main([*options, "--output", output, "--runner", "plain"]) == 0
    return contents(output)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, servers.s3(patch) as url:
        yield url


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cached.FOLDER, str(tmp_path / "cache"))


def contents(output: str) -> dict[str, bytes]:
    """Return every file that makes up a corpus: documents, drops, shards, models.

    Not what says how long it took, nor where the models that were given lie.
    """
    found = {path.removeprefix(f"{output}/"): path for path in storage.list_files(output)}
    wanted = {
        name: path
        for name, path in found.items()
        if name.split("/")[0] not in ("work", "manifest.json", "report.html", "summary.json")
        and not (name.endswith("/manifest.json") and name.split("/")[0] in corpus.SOURCES)
        and name != "models/manifest.json"
    }
    return dict(zip(wanted, storage.together(storage.read_bytes, list(wanted.values()), output), strict=True))


@needs_s3
@pytest.mark.parametrize("runner", ["plain", "local"])
def test_a_corpus_on_s3_is_that_of_a_local_build(
    endpoint: str, options: list[str], built: dict[str, bytes], runner: str, capsys: pytest.CaptureFixture[str]
) -> None:
    output = f"s3://corpus/{runner}"
    assert corpus.main([*options, "--output", output, "--runner", runner, "--workers", "2"]) == 0
    assert contents(output) == built
    assert list(verify.problems(output)) == []
    report.print_summary(output, 1.0)
    assert storage.exists(f"{output}/report.html")
    capsys.readouterr()
    assert trace.main([output, "--source", "wikipedia", "--token", "100"]) == 0
    assert "Article" in capsys.readouterr().out


@needs_s3
def test_a_server_that_fails_now_and_then_changes_nothing(
    endpoint: str, options: list[str], built: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "PAUSE_SECONDS", 0.02)
    with servers.Flaky(endpoint, SHARE).running() as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        assert corpus.main([*options, "--output", "s3://corpus/flaky", "--runner", "plain"]) == 0
        assert set(proxy.failed) == {"error", "slow down", "cut", "late", "hang up"}
        assert sum(proxy.failed.values()) > 20
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    assert contents("s3://corpus/flaky") == built


@needs_s3
def test_a_large_object_has_parts_and_a_broken_upload_is_sent_again(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "PAUSE_SECONDS", 0.02)
    logging.getLogger("root").setLevel(logging.CRITICAL)
    content = os.urandom(1 << 20) * 35
    with servers.Flaky(endpoint, 0.06, seed=3).running() as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        storage.write_bytes("s3://corpus/large.bin", content)
        assert storage.read_bytes("s3://corpus/large.bin") == content
        assert proxy.failed
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    import boto3

    assert boto3.client("s3").head_object(Bucket="corpus", Key="large.bin")["ETag"].endswith('-3"')


@needs_s3
def test_a_server_that_takes_no_writes_ends_the_build_by_name(
    endpoint: str, options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(remote, "PAUSE_SECONDS", 0.0)
    with servers.Flaky(endpoint, 0.0, refused="PUT").running() as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        assert corpus.main([*options, "--output", "s3://corpus/refused", "--runner", "plain"]) == 1
    said = capsys.readouterr().err
    assert "s3://corpus/refused/" in said
    assert f"cannot be written after {remote.ATTEMPTS} attempts" in said
    assert storage.list_files("s3://corpus/refused") == []


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


@pytest.fixture(scope="module")
def google() -> Iterator[str]:
    pytest.importorskip("gcp_storage_emulator", reason="gcp-storage-emulator is not installed")
    pytest.importorskip("google.cloud.storage", reason="apache-beam[gcp] is not installed")
    port = servers.free_port()
    command = [sys.executable, "-m", "gcp_storage_emulator", "start", "--in-memory", "--default-bucket", "corpus"]
    with pytest.MonkeyPatch.context() as patch, servers.server([*command, f"--port={port}"], port) as url:
        patch.setenv("STORAGE_EMULATOR_HOST", url)
        patch.setenv("NO_GCE_CHECK", "true")  # there is no metadata server to wait for
        yield "gs://corpus"


def test_files_on_gs(google: str) -> None:
    path = f"{google}/folder/a.bin"
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
    assert storage.list_files(f"{google}/folder") == [path]
    assert list(storage.stamps(f"{google}/folder")) == [path]
    storage.remove(path)
    storage.remove(path)
    assert not storage.exists(path)
    with pytest.raises(FileNotFoundError, match="there is no such object"):
        storage.read_bytes(path)


@pytest.mark.parametrize("runner", ["plain", "local"])
def test_a_corpus_on_gs_is_that_of_a_local_build(
    google: str, options: list[str], built: dict[str, bytes], runner: str
) -> None:
    output = f"{google}/{runner}"
    assert corpus.main([*options, "--output", output, "--runner", runner, "--workers", "2"]) == 0
    assert contents(output) == built
    assert list(verify.problems(output)) == []
