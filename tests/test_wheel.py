"""The built wheel in an environment of its own, where pip finds what an extra needs, or where there is nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.full

ROOT = Path(__file__).parents[1]
Made = Callable[[str], Path]
TEXT = "The herders walk with their llamas over the high plain, and in the evening they tell of it. " * 9


def ran(*command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command without what would show it this checkout or this environment's options of pip."""
    handed = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_", "PYTEST_"))}
    return subprocess.run(list(map(str, command)), cwd=cwd, env=handed, capture_output=True, text=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return a maker of environments with the wheel and the given extras, which it returns the scripts' folder of."""
    folder = tmp_path_factory.mktemp("wheel")
    built = ran(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    packages = folder / "packages"
    packages.mkdir()
    for path in Path(np.__file__).parents[1].iterdir():
        if "altiplano" not in path.name and path.suffix != ".pth":
            (packages / path.name).symlink_to(path)

    def make(extras: str) -> Path:
        venv = folder / f"venv{extras}"
        done = ran(sys.executable, "-m", "venv", venv, cwd=folder)
        assert done.returncode == 0, done.stderr
        if extras:
            (site,) = venv.glob("lib/python*/site-packages")
            (site / "packages.pth").write_text(f"{packages}\n")
            # Python 3.11's venv brings an old one, which would stand before the one that is there.
            ran(venv / "bin/pip", "uninstall", "-y", "setuptools", cwd=folder)
        # Without an index pip takes what is there, if it is what the extra asks for.
        done = ran(venv / "bin/pip", "install", "--no-index", f"{wheel}{extras}", cwd=folder)
        assert done.returncode == 0, done.stderr
        return venv / "bin"

    return make


def test_an_extra_is_all_that_a_corpus_needs(made: Made, tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    for name in ("pipelines", "model", "train", "selectors"):
        (here / f"{name}.py").write_text("from pathlib import Path\nPath('taken').touch()")
    (here / "own.jsonl").write_text("".join(json.dumps({"text": f"{number}. {TEXT}"}) + "\n" for number in range(3)))
    altiplano = made("[corpus]") / "altiplano"
    for words, told in (["--help"], "commands:"), (["corpus", "--help"], "usage: altiplano corpus"):
        said = ran(altiplano, *words, cwd=here)
        assert (said.returncode, said.stderr) == (0, "")
        assert told in said.stdout
    build = ["corpus", "--recipe", "texts", "--input", "own=own.jsonl", "--set", "buckets=2", "--output", "corpus"]
    built = ran(altiplano, *build, cwd=here)
    assert built.returncode == 0, built.stderr
    assert (here / "corpus/report.html").exists()
    assert not (here / "taken").exists()
    verified = ran(altiplano, "verify", "corpus", cwd=here)
    assert (verified.returncode, verified.stderr) == (0, "")
    assert verified.stdout.startswith("corpus: sound, 1 sources verified, content ")
    (here / "corpus/own/manifest.json").unlink()
    assert ran(altiplano, "verify", "corpus", cwd=here).returncode == 1


def test_the_trainer_is_there_with_its_extra(made: Made, tmp_path: Path) -> None:
    altiplano = made("[train]") / "altiplano"
    planned = ran(altiplano, "plan", "--flops", "5.76e23", "--gpus", "2048", cwd=tmp_path)
    assert (planned.returncode, planned.stderr) == (0, "")
    refused = ran(altiplano, "pretrain", "--corpus", "none", "--output", "run", cwd=tmp_path)
    assert refused.returncode == 2
    assert "none" in refused.stderr


def test_without_extras_one_line_names_the_one_that_is_missing(made: Made, tmp_path: Path) -> None:
    scripts = made("")
    assert ran(scripts / "altiplano", "--help", cwd=tmp_path).returncode == 0
    for words, extra in ((["verify", "corpus"], "corpus"), (["pretrain"], "train"), (["sample", "--output", "x"], "")):
        for start in ([scripts / "altiplano"], [scripts / "python", "-P", "-m", "altiplano"]):
            said = ran(*start, *words, cwd=tmp_path)
            assert (said.returncode, said.stdout) == (2, "")
            (line,) = said.stderr.splitlines()
            assert f"pip install 'altiplano-corpus[{extra or 'corpus,sample'}]'" in line


SHELL = """
eval "$("$1" -m argcomplete.scripts.register_python_argcomplete altiplano)"
COMP_LINE="altiplano run ex" COMP_WORDS=(altiplano run ex) COMP_CWORD=2 COMP_POINT=16 COMP_TYPE=9
_python_argcomplete altiplano
echo "${COMPREPLY[@]}"
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not there")
def test_bash_completes(made: Made, tmp_path: Path) -> None:
    scripts = made("[corpus]")
    said = ran(
        "env", f"PATH={scripts}:{os.environ['PATH']}", "bash", "-c", SHELL, "bash", scripts / "python", cwd=tmp_path
    )
    assert (said.returncode, said.stdout.split()) == (0, ["export"]), said.stderr
