"""What `make` says it would run for a build on an engine, and what it says is missing."""

from __future__ import annotations

import os
import re
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


def test_a_build_on_ray_sets_it_up_before(echo: str) -> None:
    named = ["corpus", echo, "RUNNER=ray", "RAY=ray://host:10001", "RECIPE=paper"]
    words = make("-o", "setup-corpus", "-o", "setup-ray", *named, OUTPUT="/a b").stdout.splitlines()
    assert words[words.index("--runner") + 1] == "ray"
    assert words[words.index("--output") + 1] == "/a b"
    assert "--ray=ray://host:10001" in words
    said = make("--dry-run", *named).stdout
    assert said.index("-r requirements/ray.txt") < said.index("-m pipelines.corpus")


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
    for asked in (["engines"], ["corpus", "RUNNER=prism"]):
        done = make(*asked, venv, PATH=str(tools))
        assert done.returncode == 2
        assert "Go is missing, which Prism is built with" in done.stderr
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


VERSIONS = "sys.version_info"
FAKE = """#!/bin/bash
# A Python whose environments are copies of itself; FAKE_PIP says whether they have pip.
case "$*" in
  *print*{versions}*) echo "${{FAKE_VERSION:-3.12}}" ;;
  *"-m venv"*) test -z "$FAKE_NO_VENV" || exit 1
    mkdir -p "{venv}/bin"; cp "$0" "{venv}/bin/python"; touch "{venv}/pyvenv.cfg" "{venv}/pip"; echo made >> "{log}" ;;
  *"-m pip --version"*) test -e "{venv}/pip" ;;
  *ensurepip*) exit 1 ;;
  *"-m pip"*) echo "PYTHONPATH=$PYTHONPATH" >> "{log}" ;;
  *filters.native*) echo compiling >> "{log}"; exit "${{FAKE_COMPILER:-0}}" ;;
esac
"""


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    """Return a Python that only says what it is asked."""
    python = tmp_path / "python"
    python.write_text(FAKE.format(versions=VERSIONS, venv=tmp_path / "venv", log=tmp_path / "log"))
    python.chmod(0o755)
    return python


def set_up(fake: Path, target: str = "build.stamp", **environment: str) -> subprocess.CompletedProcess[str]:
    venv = fake.with_name("venv")
    return make(f"{venv}/{target}", f"VENV={venv}", f"PYTHON={fake}", **environment)


def test_an_environment_without_pip_is_made_again(fake: Path) -> None:
    venv = fake.with_name("venv")
    (venv / "bin").mkdir(parents=True)
    shutil.copy(fake, venv / "bin/python")
    (venv / "pyvenv.cfg").touch()
    done = set_up(fake)
    assert done.returncode == 0, done.stderr
    assert fake.with_name("log").read_text().splitlines()[0] == "made"


def test_what_debian_needs_is_said(fake: Path) -> None:
    done = set_up(fake, FAKE_NO_VENV="1")
    assert done.returncode == 2
    assert "apt-get install python3-venv" in done.stderr
    assert set_up(fake).returncode == 0


def test_a_folder_that_is_no_environment_is_left_alone(fake: Path) -> None:
    venv = fake.with_name("venv")
    venv.mkdir()
    (venv / "mine").touch()
    assert set_up(fake).returncode == 2
    assert [path.name for path in venv.iterdir()] == ["mine"]


def test_another_python_than_the_environment_s_is_noticed(fake: Path) -> None:
    assert set_up(fake).returncode == 0
    other = fake.with_name("other")
    other.write_text("#!/bin/sh\necho 3.13\n")
    other.chmod(0o755)
    venv = fake.with_name("venv")
    done = make(f"{venv}/build.stamp", f"VENV={venv}", f"PYTHON={other}")
    assert done.returncode == 2
    assert f"{venv} is of Python 3.12, and PYTHON={other} is 3.13: remove {venv}, or name another" in done.stderr
    assert set_up(fake).returncode == 0


def test_a_compiler_that_comes_later_is_noticed(fake: Path) -> None:
    assert set_up(fake, "native.stamp", FAKE_COMPILER="1").returncode == 0
    assert set_up(fake, "native.stamp").returncode == 0
    assert set_up(fake, "native.stamp").returncode == 0
    assert fake.with_name("log").read_text().count("compiling") == 2


def test_pip_does_not_see_what_lies_on_the_python_path(fake: Path) -> None:
    assert set_up(fake, PYTHONPATH="/somewhere").returncode == 0
    asked = [line for line in fake.with_name("log").read_text().splitlines() if line.startswith("PYTHONPATH")]
    assert asked == ["PYTHONPATH=", "PYTHONPATH="]


def test_a_c_locale_becomes_one_that_has_all_letters(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text(f"include {REPOSITORY}/Makefile\nlocale:\n\t@echo $$LC_ALL\n")
    for given, expected in (("C", "C.UTF-8"), ("POSIX", "C.UTF-8"), ("de_DE.UTF-8", "de_DE.UTF-8")):
        assert make("-f", str(tmp_path / "Makefile"), "locale", LC_ALL=given).stdout.split() == [expected]


def test_a_cluster_has_so_many_workers(echo: str) -> None:
    said = make("-o", "setup-sample", "cluster", echo, "RUNNER=flink").stdout.split()
    assert said[:8] == ["-P", "-m", "pipelines.runners.clusters", "start", "flink", "--workers", "2", "==="]
    said = make("-o", "setup-sample", "cluster", echo, "RUNNER=spark", "WORKERS=3", "PORT=7000").stdout.split()
    assert said[3:9] == ["start", "spark", "--workers", "3", "--port", "7000"]


def test_prism_is_of_the_sdk_s_version() -> None:
    pinned = re.search(r"apache-beam==([\d.]+)", (REPOSITORY / "pyproject.toml").read_text())
    assert pinned
    assert f"/cmd/prism@v{pinned[1]}" in (REPOSITORY / "Makefile").read_text()
