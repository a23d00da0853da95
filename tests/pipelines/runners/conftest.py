"""What the tests of runners share: the tiny dumps, the corpus of the plain runner, a Python with the wheel alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines import corpus
from tests.pipelines import tiny
from tests.pipelines.runners import wheel


@pytest.fixture(scope="session")
def options(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Write the tiny dumps; return the options of the corpus command that build them."""
    return tiny.write(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, options: list[str]) -> Path:
    """Build the tiny corpus by the plain runner."""
    output = tmp_path_factory.mktemp("built") / "corpus"
    assert corpus.main([*options, "--output", str(output), "--runner", "plain"]) == 0
    return output


@pytest.fixture(scope="session")
def wheel_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a Python that has the dependencies and the built wheel, and does not see this checkout."""
    return wheel.installed(tmp_path_factory.mktemp("wheel"))
