"""Object storage through Beam's filesystems, against a real local server that speaks S3's protocol."""

from __future__ import annotations

import gzip
import importlib.util
import io
import json
import os
import random
import subprocess
import sys
import tarfile
import tempfile
import tracemalloc
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.files import remote_s3, storage
from pipelines.inputs import inputs, listings
from pipelines.readers import Dump, arxiv
from pipelines.sources import c4
from tests.pipelines import servers, tiny

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(
        not (importlib.util.find_spec("moto") and importlib.util.find_spec("boto3")), reason="moto is not installed"
    ),
]


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOTO_RECORDER_FILEPATH", str(tmp_path_factory.mktemp("recorded") / "requests"))
        with servers.s3(patch):
            yield "s3://corpus"


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


def recorded(action: str) -> bytes:
    """Ask the server's recorder of requests for something."""
    url = f"{os.environ['AWS_ENDPOINT_URL']}/moto-api/recorder/{action}-recording"
    method = "GET" if action == "download" else "POST"
    with urllib.request.urlopen(urllib.request.Request(url, method=method)) as answer:
        return bytes(answer.read())


def test_a_listing_in_object_storage_names_files_that_are_read_where_they_lie(bucket: str, tmp_path: Path) -> None:
    crawl, paths = f"{bucket}/crawl-data/CC-MAIN-2019-18", []
    for number in range(4):
        tiny.wet(tmp_path / "page.wet.gz", number, 20)
        paths.append(f"crawl-data/CC-MAIN-2019-18/segments/{number}/wet/{number}.warc.wet.gz")
        storage.write_bytes(f"{bucket}/{paths[-1]}", (tmp_path / "page.wet.gz").read_bytes())
    listing = f"{crawl}/wet.paths.gz"
    storage.write_bytes(listing, gzip.compress("\n".join(paths).encode()))
    wanted = sorted(f"{bucket}/{path}" for path in listings.choose(paths, 2, listing))
    cache = str(tmp_path / "corpus/work/inputs.json")
    assert sorted(found.path for found in inputs.find(c4.SOURCE, [({"files": "2"}, listing)], cache)) == wanted
    (tmp_path / "wet.paths").write_text("\n".join(paths))
    attributes = {"files": "2", "base": bucket}
    found = inputs.find(c4.SOURCE, [(attributes, str(tmp_path / "wet.paths"))], cache)
    assert sorted(one.path for one in found) == wanted
    assert not (tmp_path / "corpus/work/downloads").exists()
    storage.write_bytes(listing, gzip.compress(f"{paths[0]}\ncrawl-data/none.warc.wet.gz\n".encode()))
    with pytest.raises(OSError, match=r"none\.warc\.wet\.gz"):
        inputs.find(c4.SOURCE, [({}, listing)], cache)


READS = """
import sys
from pipelines.files import storage
(path,) = storage.list_files(sys.argv[1])
assert storage.exists(path) and storage.stamp(path)[0] == len(storage.read_bytes(path))
"""


@pytest.mark.parametrize("payer", ["", "requester"])
def test_who_reads_from_a_requester_pays_bucket_says_so(
    bucket: str, monkeypatch: pytest.MonkeyPatch, payer: str
) -> None:
    storage.write_bytes(f"{bucket}/src/arXiv_src_2301_001.tar", b"x" * 1_000)
    monkeypatch.setenv(remote_s3.PAYER, payer)
    recorded("reset")
    recorded("start")
    subprocess.run([sys.executable, "-c", READS, f"{bucket}/src/arXiv_src_*.tar"], check=True)
    recorded("stop")
    requests = [json.loads(line) for line in recorded("download").decode().splitlines()]
    assert {request["method"] for request in requests} == {"GET", "HEAD"}
    assert len(requests) >= 4
    payers = {
        {name.lower(): value for name, value in request["headers"].items()}.get("x-amz-request-payer")
        for request in requests
    }
    assert payers == {payer or None}


def test_a_payer_that_s3_does_not_know_is_refused(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(remote_s3.PAYER, "owner")
    done = subprocess.run([sys.executable, "-c", READS, f"{bucket}/x"], stderr=subprocess.PIPE, text=True)
    assert "AWS_REQUEST_PAYER=owner: S3 accepts only 'requester'" in done.stderr


def test_a_monthly_tar_is_streamed_and_never_held(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(0)
    path = tmp_path / "arXiv_src_2301_001.tar"
    with tarfile.open(path, "w") as archive:
        for number in range(24):
            member = tarfile.TarInfo(f"2301/2301.{number:05d}.pdf")
            member.size = 4 << 20
            archive.addfile(member, io.BytesIO(rng.randbytes(member.size)))
    remote = f"{bucket}/streamed/arXiv_src_2301_001.tar"
    with storage.write(remote) as target:
        target.write(path.read_bytes())
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nothing may be written here"))
    counts: Counter[str] = Counter()
    tracemalloc.start()
    with storage.open_read(remote) as stream:
        found = list(arxiv.read(stream, Dump(name=remote, digest="d"), counts))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [record.id for record in found] == [f"arxiv/d/2301.{number:05d}" for number in range(24)]
    assert peak < 64 << 20 < path.stat().st_size
