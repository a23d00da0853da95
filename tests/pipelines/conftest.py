"""What the tests of pipelines share: the tiny dumps, and the corpus that the plain runner builds of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines import corpus
from tests.pipelines import tiny


@pytest.fixture(scope="session")
def dumps_and_options(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Write the tiny dumps, which stay as they are; return their folder and the options that build them."""
    folder = tmp_path_factory.mktemp("tiny")
    return folder, tiny.write(folder)


@pytest.fixture(scope="session")
def options(dumps_and_options: tuple[Path, list[str]]) -> list[str]:
    """Return the options of the corpus command that build the tiny dumps."""
    return dumps_and_options[1]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, options: list[str]) -> Path:
    """Build the tiny corpus by the plain runner; it stays as it is."""
    output = tmp_path_factory.mktemp("built") / "corpus"
    assert corpus.main([*options, "--output", str(output), "--runner", "plain"]) == 0
    return output
