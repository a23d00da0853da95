"""What `make` says it would run for a build on an engine, and what it says is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def make(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    # What a make that runs these tests hands down is not for this one.
    inherited = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    return subprocess.run(
        ["make", *arguments], cwd=REPOSITORY, capture_output=True, text=True, env={**inherited, **environment}
    )


@pytest.mark.parametrize(
    ("runner", "given", "options"),
    [
        (
            "dataflow",
            ["PROJECT=p", "REGION=europe-west1", "TEMP=gs://b/tmp"],
            "--sdk_container_image=r/x:1 --project=p --region=europe-west1 --temp_location=gs://b/tmp",
        ),
        (
            "flink",
            ["FLINK_MASTER=host:8081"],
            "--environment_type=DOCKER --environment_config=r/x:1 --flink_master=host:8081",
        ),
        (
            "spark",
            ["SPARK_MASTER=spark://host:7077"],
            "--environment_type=DOCKER --environment_config=r/x:1 --spark_master_url=spark://host:7077",
        ),
    ],
)
def test_a_build_on_an_engine_makes_the_wheel_and_submits(runner: str, given: list[str], options: str) -> None:
    named = [f"RUNNER={runner}", "OUTPUT=gs://b/corpus", "IMAGE=r/x:1", "RECIPE=paper", "ARGS=--dry-run"]
    said = " ".join(make("--dry-run", "corpus", *named, *given).stdout.replace("\\", " ").split())
    said = said.replace('"$RAW"', "data/raw").replace('"$OUTPUT"', "gs://b/corpus")
    wheel, submission = said.index("-m hatchling build -t wheel -d dist"), said.index("-m pipelines.corpus")
    assert wheel < submission
    assert f"--recipe paper --runner {runner} --raw data/raw --output gs://b/corpus {options} --dry-run" in said


def test_what_is_missing_is_said_before_anything_is_set_up(tmp_path: Path) -> None:
    venv = f"VENV={tmp_path}/venv"
    for target in ("corpus", "image"):
        done = make(target, "RUNNER=dataflow", "OUTPUT=gs://b/corpus", venv)
        assert (done.returncode, done.stdout) == (2, "")
        assert "IMAGE is missing: make image IMAGE=REGISTRY/NAME:TAG" in done.stderr
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("make", "bash"):
        (tools / name).symlink_to(str(shutil.which(name)))
    done = make("image", "IMAGE=r/x:1", venv, PATH=str(tools))
    assert done.returncode == 2
    assert "docker is missing: build the image (Dockerfile) where it is" in done.stderr
    assert not (tmp_path / "venv").exists()
