"""Damaged files of a finished corpus are withdrawn, and the next build makes them again as they were."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines import corpus, verify, withdraw
from tests.pipelines import tiny


def build(folder: Path, output: Path) -> None:
    options = ["--input", f"arxiv={folder}/*.tar", "--input", f"books={folder}/*.txt", "--output", str(output)]
    for setting in ("tokenizer.vocabulary=500", "shards.shard_tokens=300", "buckets=2", "keep_staged=false"):
        options += ["--set", setting]
    assert corpus.main([*options, "--recipe", "paper", "--runner", "plain"]) == 0


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("dumps")
    tiny.arxiv(folder / "arXiv_src_1904_001.tar", 6)
    tiny.books(folder, 3)
    build(folder, folder / "corpus")
    yield folder


@pytest.mark.parametrize(
    "pattern",
    [
        "arxiv/documents/*",
        "books/documents/*",
        "books/drops/*",
        "books/copies/*",
        "tokens/arxiv/train-*",
        "models/tokenizer/tokenizer.model",
        "models/tokenizer/manifest.json",
        "models/manifest.json",
        "arxiv/manifest.json",
        "tokens/books/manifest.json",
        "manifest.json",
    ],
)
def test_what_is_damaged_is_made_again(dumps: Path, tmp_path: Path, pattern: str) -> None:
    output = tmp_path / "corpus"
    shutil.copytree(dumps / "corpus", output)
    draw = random.Random(pattern)
    paths = [path for path in sorted(output.glob(pattern)) if path.stat().st_size]
    assert paths
    for path in paths[1:]:
        content = bytearray(path.read_bytes())
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(7)
        path.write_bytes(content)
    paths[0].unlink()
    assert verify.main([str(output), "--withdraw"]) == 1
    build(dumps, output)
    assert list(verify.problems(str(output))) == []
    assert tiny.identity(output) == tiny.identity(dumps / "corpus")


def test_of_a_sound_corpus_nothing_is_withdrawn(dumps: Path) -> None:
    before = sorted((dumps / "corpus").rglob("*"))
    assert withdraw.withdraw(str(dumps / "corpus")) == []
    assert sorted((dumps / "corpus").rglob("*")) == before


def test_a_manifest_that_is_not_what_was_sealed_is_not_asked(dumps: Path, tmp_path: Path) -> None:
    output = tmp_path / "corpus"
    shutil.copytree(dumps / "corpus", output)
    for name in ("manifest.json", "arxiv/manifest.json"):
        path = output / name
        path.write_text(path.read_text().replace("books/", "arxiv/").replace("arxiv/documents/", "arxiv/../../"))
        assert withdraw.withdraw(str(output)) == []
        shutil.copy(dumps / "corpus" / name, path)
