"""SentencePiece's own engine of a model from anywhere: its map of characters is checked first."""

from __future__ import annotations

from pathlib import Path

import sentencepiece

from tokenizer.model_file import check


def load_engine(path: Path, content: bytes | None = None) -> sentencepiece.SentencePieceProcessor:
    """Return the engine of the model at `path`, of its `content` if that is read; ValueError if it is none."""
    model = path.read_bytes() if content is None else content
    try:
        check(model)
        return sentencepiece.SentencePieceProcessor(model_proto=model)
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"{path} is not a SentencePiece model: {error}") from error
