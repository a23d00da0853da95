"""A Python that has the project's wheel and not this checkout: what the workers of an engine have."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]


def installed(folder: Path) -> Path:
    """Return a Python, in a folder, that has the dependencies and the built wheel, and does not see this checkout."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=REPOSITORY, check=True
    )
    (wheel,) = folder.glob("*.whl")
    python = bare(folder)
    packages = _packages(python)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    assert Path(said(python, "import pipelines; print(pipelines.__file__)")).is_relative_to(packages)
    return python


def bare(folder: Path) -> Path:
    """Return a Python, in a folder, that has the dependencies alone."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    python = folder / "venv/bin/python"
    packages = _packages(python)
    # A path in a .pth file brings the packages that are there, not what their own .pth files would add: the checkout.
    dependencies = said(Path(sys.executable), "import numpy, pathlib; print(pathlib.Path(numpy.__file__).parents[1])")
    (packages / "dependencies.pth").write_text(f"{dependencies}\n")
    return python


def _packages(python: Path) -> Path:
    return Path(said(python, "import sysconfig; print(sysconfig.get_path('purelib'))"))


def said(python: Path, code: str) -> str:
    """Return what a line of code prints."""
    done = subprocess.run([python, "-c", code], env=clean(), cwd="/", stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


def clean() -> dict[str, str]:
    """Return this process' environment without what would show the checkout, or send local requests elsewhere."""
    left = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    left.pop("PYTHONPATH", None)
    return left


def build(python: Path, options: list[str], output: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Build a corpus by a Python of its own, away from this checkout."""
    command = [str(python), "-m", "pipelines.corpus", *options, "--output", str(output), "--deadline", "900", *more]
    return subprocess.run(command, env=clean(), cwd="/", stderr=subprocess.PIPE, text=True)
