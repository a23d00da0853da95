"""The corpus side on Debian 12's own `python3` (3.11.2): its tests pass there, and dumps become the same corpus.

A virtual environment of that Python, with the locked packages, is made for this; `$ALTIPLANO_DEBIAN_PYTHON` names
another Python to try. Where there is none that can do it the tests are skipped, and `make test-full` prints why.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipelines import tiny

pytestmark = pytest.mark.full

ROOT = Path(__file__).parents[1]
PYTHON = os.environ.get("ALTIPLANO_DEBIAN_PYTHON", "/usr/bin/python3")
LOCKS = ("build", "corpus", "sample", "ray", "test")
# What runs without torch and without the packages of the long tests.
TESTS = ("tests/filters", "tests/pipelines", "tests/tokenizer", "tests/test_patterns.py")


def ran(*command: object, seconds: int = 3600) -> str:
    """Run a command in the checkout; return what it printed, fail with its end if it fails."""
    # What a `make` or a pytest that runs these tests hands down is not for these ones.
    handed = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "PYTEST_"))}
    found = subprocess.run(
        list(map(str, command)), cwd=ROOT, env=handed, capture_output=True, text=True, timeout=seconds
    )
    assert found.returncode == 0, f"{command}: {found.stdout[-6000:]}\n{found.stderr[-6000:]}"
    return found.stdout


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of a virtual environment with what the corpus side and its tests need."""
    if lack := lacks():
        pytest.skip(lack)
    folder = tmp_path_factory.mktemp("debian") / "venv"
    ran(PYTHON, "-m", "venv", folder)
    made = folder / "bin" / "python"
    for lock in LOCKS:
        ran(made, "-m", "pip", "install", "-qq", "--no-deps", "--require-hashes", "-r", f"requirements/{lock}.txt")
    ran(made, "-m", "pip", "install", "-qq", "--no-deps", "--no-build-isolation", "--editable", ".")
    return made


def lacks() -> str:
    """Return why Debian's Python cannot be tried here, or nothing."""
    if not Path(PYTHON).exists():
        return f"{PYTHON} is not there: what Debian 12's own Python makes of the corpus is NOT tested"
    told = subprocess.run(
        [PYTHON, "-c", "import ensurepip, sys, venv; print(*sys.version_info[:2])"], capture_output=True, text=True
    )
    if told.returncode:
        return f"{PYTHON} has no venv or ensurepip (apt-get install python3-venv): it is NOT tested"
    major, minor = map(int, told.stdout.split())
    if not (3, 11) <= (major, minor) < (3, 14):
        return f"{PYTHON} is {major}.{minor}, which is not admitted: it is NOT tested"
    return ""


def test_the_corpus_sides_tests_pass(python: Path) -> None:
    ran(python, "-m", "pytest", "-m", "not full", *TESTS)


def test_tiny_dumps_become_the_same_corpus(python: Path, tmp_path: Path) -> None:
    options = tiny.write(tmp_path / "raw")
    for number, which in enumerate((python, sys.executable)):
        ran(which, "-m", "pipelines.corpus", *options, "--output", tmp_path / str(number))
    assert tiny.identity(tmp_path / "0") == tiny.identity(tmp_path / "1")


def test_the_sample_becomes_the_same_corpus(python: Path, tmp_path: Path) -> None:
    raw = ROOT / "data" / "raw"
    if not (raw / "manifest.json").exists():
        pytest.skip("data/raw is not there: `make corpus` lays the sample out")
    found = []
    for number, which in enumerate((python, sys.executable)):
        output = tmp_path / f"corpus{number}"
        ran(which, "-m", "pipelines.corpus", "--recipe", "sample", "--raw", raw, "--output", output)
        found.append(digests(output))
    assert found[0] == found[1]
    assert len(found[0]) == 14


def digests(output: Path) -> dict[str, object]:
    """Return the digests of the documents and drops of each source, and its token shards."""
    found: dict[str, object] = {}
    for path in sorted(output.glob("*/manifest.json")):
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if "drops" in manifest:
            found[path.parent.name] = manifest["documents"], manifest["drops"]
    for path in sorted((output / "tokens").glob("*/manifest.json")):
        found[f"tokens/{path.parent.name}"] = json.loads(path.read_text(encoding="utf-8"))["splits"]
    return found
