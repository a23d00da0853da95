"""What `make` says it would run for a build on an engine, and what it says is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from pipelines.files import ours

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


NAMES = ("my out", "o'ut", 'a "b" c', "données/コーパス", "x;touch pwned", "a`b`", "*", "-rf", "a\\b")


@pytest.fixture
def echo(tmp_path: Path) -> str:
    """Return the option for an environment whose Python prints its arguments, a line each."""
    python = tmp_path / "venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\" ===\n")
    python.chmod(0o755)
    return f"VENV={tmp_path}/venv"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("target", "old", "option"),
    [
        ("corpus", "setup-sample", "--output"),
        ("pretrain", "setup-train", "--corpus"),
        ("verify", "setup-corpus", "pipelines.verify"),
        ("report", "setup-corpus", "pipelines.report"),
        ("clean", "help", "pipelines.clean"),
    ],
)
def test_the_name_of_a_folder_is_one_argument_whatever_is_in_it(
    tmp_path: Path, echo: str, target: str, old: str, option: str, name: str
) -> None:
    output = f"{tmp_path}/{name}"
    said = make("-o", old, target, echo, OUTPUT=output, RUN=f"{output}/run", RAW=f"{output}/raw")
    assert said.returncode == 0, said.stderr
    words = said.stdout.splitlines()
    assert output in [following for word, following in pairwise(words) if word == option]
    if "$" not in name:
        assert make("-o", old, target, echo, f"OUTPUT={output}").stdout.splitlines().count(output) == 1
    assert not (REPOSITORY / "pwned").exists()


def test_clean_removes_no_folder_of_anybody_s(tmp_path: Path) -> None:
    options = [f"VENV={tmp_path}/none", f"PYTHON={sys.executable}"]
    for name in ("x/my/a", "x/my out/b", "x/out/c"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    for given, environment in (([f"OUTPUT={tmp_path}/x/my out"], {}), ([], {"OUTPUT": f"{tmp_path}/x/my out"})):
        done = make("clean", *options, *given, f"RUN={tmp_path}/none", **environment)
        assert done.returncode == 2
        assert "nothing was changed" in done.stderr
        assert sorted(tmp_path.rglob("*")) == before
    ours.claim(f"{tmp_path}/x/our out", ours.Kind.CORPUS)
    ours.write(f"{tmp_path}/x/our out", "summary.json", b"{}")
    assert make("clean", *options, f"OUTPUT={tmp_path}/x/our out/", f"RUN={tmp_path}/none").returncode == 0
    assert sorted(tmp_path.rglob("*")) == before
