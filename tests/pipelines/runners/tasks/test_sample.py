"""The real sample on Ray and on Slurm, two nodes each that know the wheel alone: its token shards are `local`'s."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.pipelines.runners.tasks import ray_here, slurm_here
from tests.pipelines.runners.wheel import REPOSITORY, clean

RAW = REPOSITORY / "data/raw"
pytestmark = [pytest.mark.full, pytest.mark.skipif(not RAW.is_dir(), reason="`make corpus` lays the sample out")]
Running = tuple[Sequence[str], Mapping[str, str]]  # options of a build, variables of its environment


@contextmanager
def ray(python: Path, folder: Path) -> Iterator[Running]:
    with ray_here.running(python) as cluster:
        yield ["--ray", cluster.address], cluster.environment


@contextmanager
def slurm(python: Path, folder: Path) -> Iterator[Running]:
    if why := slurm_here.missing():
        pytest.skip(why)
    with slurm_here.running(folder, memory=8_000) as cluster:
        yield [], cluster.environment


def shards(python: Path, output: Path, runner: str, options: Sequence[str], told: Mapping[str, str]) -> dict[str, str]:
    """Build the sample; return the SHA-256 of all of its token shards."""
    command = [str(python), "-m", "pipelines.corpus", "--recipe", "sample", "--raw", str(RAW), "--output", str(output)]
    done = subprocess.run(
        [*command, "--runner", runner, *options], env={**clean(), **told}, cwd="/", stderr=subprocess.PIPE, text=True
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    found = {
        path.relative_to(output): path for suffix in ("bin", "index") for path in output.glob(f"tokens/*/*.{suffix}")
    }
    return {str(name): hashlib.sha256(path.read_bytes()).hexdigest() for name, path in found.items()}


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, wheel_python: Path) -> dict[str, str]:
    return shards(wheel_python, tmp_path_factory.mktemp("local") / "corpus", "local", ["--workers", "2"], {})


@pytest.mark.parametrize("name", ["ray", "slurm"])
def test_its_shards_are_those_of_the_local_runner(
    tmp_path: Path, wheel_python: Path, local: dict[str, str], name: str
) -> None:
    with {"ray": ray, "slurm": slurm}[name](wheel_python, tmp_path / "engine") as (options, told):
        assert shards(wheel_python, tmp_path / "corpus", name, options, told) == local
    assert len(local) > 14
