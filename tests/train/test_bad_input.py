"""Each mistake in a corpus or a mixture ends the trainer with a message before it trains."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.train.synthetic import edit_manifest
from train.pretrain import main

SMALL = ["--model", "cpu", "--device", "cpu", "--sequence-length", "16", "--batch-sequences", "2", "--steps", "2"]


def nothing(corpus: Path) -> None:
    """Leave the corpus as it is."""


def without_tokens(corpus: Path) -> None:
    edit_manifest(corpus / "tokens" / "books", splits={"train": (), "validation": ()})


def too_many_pieces(corpus: Path) -> None:
    edit_manifest(corpus / "tokens" / "c4", vocabulary=65_537)


def other_pieces(corpus: Path) -> None:
    edit_manifest(corpus / "tokens" / "c4", vocabulary=321)


def another_tokenizer(corpus: Path) -> None:
    edit_manifest(corpus / "tokens" / "c4", tokenizer_sha256="1" * 64)


def shorter_shard(corpus: Path) -> None:
    path = corpus / "tokens" / "c4" / "train-00000.bin"
    path.write_bytes(path.read_bytes()[:-2])


@pytest.mark.parametrize(
    ("damage", "proportions", "message"),
    [
        (nothing, "c4=0.5,books=0.4", "proportions add up to 0.9; they must add up to exactly 1"),
        (nothing, "c4=0.3333333,books=0.6666667", "proportion '0.3333333' has more than 6 decimals"),
        (nothing, "c4=1,news=1", "no tokens of news; available: arxiv, books"),
        (without_tokens, "c4=1,books=1", "books has no tokens: build it, or set its proportion to 0"),
        (other_pieces, "books=1,c4=1", "c4/manifest.json: vocabulary is 321, but other sources have 320"),
        (too_many_pieces, "c4=1", "vocabulary is 65537, 1 to 65,536 is expected of uint16"),
        (another_tokenizer, "c4=1,books=1", "c4/manifest.json: tokenizer_sha256 is 111111111111"),
        (shorter_shard, "c4=1,books=1", "train-00000.bin: "),
    ],
)
def test_it_is_named_before_training(
    corpus: Path,
    tmp_path: Path,
    damage: Callable[[Path], None],
    proportions: str,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    damage(corpus)
    run = tmp_path / "run"
    assert main([*SMALL, "--corpus", str(corpus), "--output", str(run), "--proportions", proportions]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (run / "log.jsonl").exists() or not (run / "log.jsonl").read_text()
