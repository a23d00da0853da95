"""Object storage through Beam's filesystems, against a real local server that speaks S3's protocol."""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines import corpus, storage
from tests.pipelines import tiny

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(
        not (importlib.util.find_spec("moto") and importlib.util.find_spec("boto3")), reason="moto is not installed"
    ),
]


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    endpoint = f"http://127.0.0.1:{port}"
    settings = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        try:
            _create_bucket(endpoint)
            yield "s3://corpus"
        finally:
            server.kill()
            server.wait()


def _create_bucket(endpoint: str) -> None:
    import boto3

    deadline = time.monotonic() + 30
    while True:
        try:
            boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="corpus")
        except Exception:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        else:
            return


def test_files(bucket: str) -> None:
    path = f"{bucket}/folder/a.bin"
    assert not storage.exists(path)
    storage.write_bytes(path, b"x" * 100_000)
    assert storage.exists(path)
    assert storage.size(path) == 100_000
    assert storage.read_bytes(path) == b"x" * 100_000
    storage.write_bytes(path, b"y")
    assert storage.read_bytes(path) == b"y"
    storage.write_json(f"{bucket}/folder/b.json", {"a": [1]})
    assert storage.read_json(f"{bucket}/folder/b.json") == {"a": [1]}
    assert storage.read_json(f"{bucket}/folder/none.json") is None
    assert storage.list_files(f"{bucket}/folder/*") == [path, f"{bucket}/folder/b.json"]
    storage.remove(path)
    assert not storage.exists(path)
    storage.remove(path)


def test_a_write_that_fails_leaves_nothing(bucket: str) -> None:
    path = f"{bucket}/folder/half.bin"
    with pytest.raises(RuntimeError, match="stop"), storage.write(path) as stream:
        stream.write(b"half")
        raise RuntimeError("stop")
    assert not storage.exists(path)


def test_a_build_reads_from_object_storage(bucket: str, tmp_path: Path) -> None:
    options = tiny.write(tmp_path / "tiny")
    for path in sorted((tmp_path / "tiny" / "c4").iterdir()):
        storage.write_bytes(f"{bucket}/dumps/{path.name}", path.read_bytes())
    settings = options[options.index("--model") :]
    for output, source in (("local", str(tmp_path / "tiny" / "c4")), ("remote", f"{bucket}/dumps")):
        arguments = ["--source", "c4", "--input", f"c4={source}/*.gz", *settings]
        assert corpus.main([*arguments, "--output", str(tmp_path / output), "--runner", "plain"]) == 0
    manifests = [(tmp_path / output / "tokens/c4/manifest.json").read_bytes() for output in ("local", "remote")]
    assert manifests[0] == manifests[1]
