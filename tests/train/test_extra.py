"""The training side without what the extra `train` brings."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.files import commands

ROOT = Path(__file__).parents[2]
COMMANDS = (
    *("train.plan", "train.report", "train.pretrain", "train.trace", "train.export", "train.evaluation"),
    *("model.convert", "model.generate"),
)


@pytest.mark.parametrize("module", COMMANDS)
def test_a_command_names_the_extra_in_one_line(module: str) -> None:
    # Without `site` there are no installed packages.
    found = subprocess.run([sys.executable, "-S", "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 2
    assert found.stdout == ""
    (line,) = found.stderr.splitlines()
    assert "torch: not installed; this needs the extra 'train': make setup-train, or pip install" in line


def test_an_import_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["notebook"])
    commands.require("train", ["no_such_module"])
    monkeypatch.setattr(sys, "argv", ["-m"])
    with pytest.raises(SystemExit):
        commands.require("train", ["no_such_module"])
