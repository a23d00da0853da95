"""A corpus of all seven sources, made once for the trainer's tests."""

import shutil
from pathlib import Path

import pytest
import torch

from pipelines.table1 import SOURCES
from tests.train.synthetic import texts, write_corpus


@pytest.fixture(scope="session")
def shared_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a corpus that no test may change."""
    directory = tmp_path_factory.mktemp("corpus")
    write_corpus(directory, texts(dict.fromkeys(SOURCES, 30) | {"common_crawl": 120, "stack_exchange": 9}))
    return directory


@pytest.fixture
def corpus(shared_corpus: Path, tmp_path: Path) -> Path:
    """Return a copy of it that a test may damage."""
    return Path(shutil.copytree(shared_corpus, tmp_path / "corpus"))


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Small products gain nothing from threads, and lose much where other processes want the same cores."""
    torch.set_num_threads(1)
