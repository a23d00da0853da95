"""The rule of letters per token: the fast encoder counts the tokens."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.document import Document
from pipelines.recipes import GitHubTokens
from pipelines.sources import github
from pipelines.stages.kinds import Context
from pipelines.tokens import tokenizers
from tests.tokenizer import json_files

pytest.importorskip("gigatoken")


def test_letters_per_token_are_of_what_the_fast_encoder_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    json_files.llama3().save(str(tmp_path / "tokenizer.json"))
    path = str(tmp_path / "tokenizer.json")
    tokenizer = tokenizers.loaded(path)
    file = Document(id="1", source="github", text="def river(a, b):\n    return a + b\n", dump="d", offset=0)
    tokens = len(tokenizer.encode(file.text))
    letters = sum(map(str.isalpha, file.text)) / tokens
    assert tokenizer.fast is not None
    monkeypatch.setattr(tokenizer, "encode", lambda text: pytest.fail("ten times slower"))
    kept, dropped = (
        github.enough_letters(file, Context(GitHubTokens(min_letters_per_token=least), {"tokenizer": path}))
        for least in (letters, letters + 0.01)
    )
    assert kept is file
    assert dropped != file
