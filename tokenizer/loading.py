"""SentencePiece's own engine of a model from anywhere: its map of characters is checked first."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import sentencepiece

from tokenizer.fast import FastEncoder, definition, fast_encoder, unsuitable, user_defined
from tokenizer.model_file import BYTE, NORMAL, USER_DEFINED, ModelFile, Piece, check
from tokenizer.probes import SPACE
from tokenizer.rules import model_violations
from tokenizer.spec import LLAMA, MODEL, SMALLEST


def load_engine(path: Path, content: bytes | None = None) -> sentencepiece.SentencePieceProcessor:
    """Return the engine of the model at `path`, of its `content` if that is read; ValueError if it is none."""
    model = path.read_bytes() if content is None else content
    try:
        check(model)
        return sentencepiece.SentencePieceProcessor(model_proto=model)
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"{path} is not a SentencePiece model: {error}") from error


class SentencePieceEngine:
    """A SentencePiece model as an `Engine`."""

    format = "a SentencePiece model"
    library = "SentencePiece"
    assumed = None

    def __init__(self, path: Path, content: bytes) -> None:
        self._path = path
        self.files = {MODEL: path}
        self._content = content
        self._processor = load_engine(path, content)
        self.bos: int | None = _there(self._processor.bos_id())
        self.eos: int | None = _there(self._processor.eos_id())

    @cached_property
    def pieces(self) -> tuple[str, ...]:
        """Each id's piece."""
        return tuple(map(self._processor.id_to_piece, range(self._processor.piece_size())))

    @cached_property
    def _file(self) -> ModelFile:
        return ModelFile.named(self._path, self._content)

    @property
    def contents(self) -> list[bytes | None]:
        """The bytes of each id; control pieces, unknown and unused ones are no text."""
        return [_content(piece) for piece in self._file.pieces]

    @cached_property
    def not_fast(self) -> list[str]:
        """User-defined pieces."""
        return user_defined(self._file)

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text."""
        ids: list[int] = self._processor.encode(text)
        return ids

    def decode(self, ids: list[int]) -> str:
        """Return the text of ids; unk is " \u2047 ", broken UTF-8 becomes U+FFFD."""
        return str(self._processor.decode(ids))

    def violations(self) -> list[str]:
        """Return what is not as LLaMA's specification says, but for the number of pieces."""
        return model_violations(self._file, replace(LLAMA, vocab_size=max(SMALLEST, len(self.pieces))))

    def hugging_face(self) -> dict[str, Any]:
        """Return a tokenizer.json; what Gigatoken cannot do, it cannot, and texts with user-defined pieces neither.

        SentencePiece puts a space in front of a whole text; `tokenizers` first cuts such pieces out of it, and then
        puts one in front of every part, or of none if the text begins with such a piece.
        """
        piece = next((piece.text for piece in self._file.pieces if piece.kind == USER_DEFINED), None)
        if reason := unsuitable(self._file) or (piece and f"piece {piece!r} is user-defined"):
            raise ValueError(f"{self._path}: no tokenizer.json gives this model's ids: {reason}")
        return {**json.loads(definition(self._file)), "decoder": self._decoder()}

    def _decoder(self) -> dict[str, Any]:
        steps: list[dict[str, Any]] = [
            {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
            {"type": "ByteFallback"},
            {"type": "Fuse"},
        ]
        if self._file.fields["add_dummy_prefix"]:
            steps.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
        return {"type": "Sequence", "decoders": steps}

    def fast(self) -> FastEncoder | str:
        """Return Gigatoken where it gives the same ids, or why it does not."""
        return fast_encoder(self._file, self.encode)


def _there(id_: int) -> int | None:
    return id_ if id_ >= 0 else None


def _content(piece: Piece) -> bytes | None:
    if piece.kind == BYTE:
        return bytes([int(piece.text[1:-1], 16)])
    return piece.text.replace(SPACE, " ").encode() if piece.kind in (NORMAL, USER_DEFINED) else None
