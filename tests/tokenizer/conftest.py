"""One small tokenizer for all tests of this folder."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.tokenizer.texts import corpus
from tokenizer.encode import Tokenizer
from tokenizer.spec import LLAMA, Spec
from tokenizer.training import train

SMALL = replace(LLAMA, vocab_size=900)


@pytest.fixture(scope="session")
def small_spec() -> Spec:
    return SMALL


@pytest.fixture(scope="session")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer") / "small.model"
    train(corpus(), path, SMALL)
    return path


@pytest.fixture(scope="session")
def tokenizer(model_path: Path) -> Tokenizer:
    return Tokenizer(model_path)
