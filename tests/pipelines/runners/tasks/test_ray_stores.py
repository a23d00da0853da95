"""Ray with inputs, models and output on object storage: servers of S3 and GCS on this machine, nodes with the wheel."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipelines.files import cached, storage
from tests.pipelines import servers
from tests.pipelines.runners.tasks import ray_here
from tests.pipelines.runners.tasks.ray_builds import build, ended
from tests.pipelines.test_build_remote import contents, google, needs_s3

__all__ = ["google"]
pytestmark = [pytest.mark.full, pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")]
VERSITYGW = servers.program("versitygw")


def dumps_at(url: str, options: list[str]) -> list[str]:
    """Copy the tiny dumps to a store; return the options that build them from there."""
    here = Path(options[1].partition("=")[2]).parents[1]
    for path in here.rglob("*"):
        if path.is_file():
            storage.write_bytes(f"{url}/{path.relative_to(here)}", path.read_bytes())
    return [option.replace(str(here), url) for option in options]


@contextmanager
def two_nodes(python: Path, folder: Path, store: Mapping[str, str]) -> Iterator[ray_here.Ray]:
    """Run two nodes of two CPUs, as two machines would be: each has copies of models of its own."""
    with ray_here.running(python, nodes=()) as cluster:
        for name in ("head", "other"):
            cluster.start(name, cpus=2, environment={**store, cached.FOLDER: str(folder / name)})
        yield cluster


@needs_s3
def test_on_s3_it_leaves_what_the_plain_runner_leaves_and_each_node_fetches_a_model_once(
    tmp_path: Path, options: list[str], built: Path, wheel_python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert VERSITYGW is not None
    log = tmp_path / "access.log"
    with servers.versitygw(VERSITYGW, tmp_path / "store", log) as store:
        for name, value in store.items():
            monkeypatch.setenv(name, value)
        remote = dumps_at("s3://corpus/dumps", options)
        with two_nodes(wheel_python, tmp_path, store) as cluster:
            more = ["--ray", cluster.address, "--output", "s3://corpus/built"]
            ended(build(wheel_python, remote, tmp_path / "unused", {**cluster.environment, **store}, *more))
        assert contents("s3://corpus/built") == contents(str(built))
        assert not storage.files_in("s3://corpus/built/work/plan")
    fetched = re.findall(r"s3_GetObject built/work/given/(lid\S*\.bin) ", log.read_text())
    copies = [len(list((tmp_path / name).glob("*/lid.bin"))) for name in ("head", "other")]
    assert copies == [1, 1]
    assert len(fetched) == 2, fetched


def test_on_gcs_it_leaves_what_the_plain_runner_leaves(
    tmp_path: Path, options: list[str], built: Path, wheel_python: Path, google: str
) -> None:
    store = {"STORAGE_EMULATOR_HOST": google}
    remote = dumps_at("gs://corpus/dumps", options)
    with two_nodes(wheel_python, tmp_path, store) as cluster:
        more = ["--ray", cluster.client, "--output", "gs://corpus/built"]
        ended(build(wheel_python, remote, tmp_path / "unused", {**cluster.environment, **store}, *more))
    assert contents("gs://corpus/built") == contents(str(built))
    assert not storage.files_in("gs://corpus/built/work/plan")
