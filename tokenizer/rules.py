"""What in a SentencePiece model is not as LLaMA's specification says.

Every field of the `.model` file is compared with the specification, then the pieces themselves: which ids are special,
the 256 bytes in order, and what a normal piece may hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Final

from tokenizer.model_file import BYTE, CONTROL, NORMAL, UNKNOWN, ModelFile, Piece
from tokenizer.spec import BYTE_PIECES, LLAMA, META_PIECES, SPACES_SCORE, Spec

SPACE: Final = "\u2581"  # SentencePiece's mark for a space
_DIGIT: Final = re.compile("[0-9]")
_SPACE_INSIDE: Final = re.compile(f"[^{SPACE}]{SPACE}")
_SINGLE_PRECISION: Final = 1e-6


def violations(model_path: Path, spec: Spec = LLAMA) -> list[str]:
    """Return what in the model at `model_path` is not as `spec` says, a sentence each; nothing if it follows it.

    A file that is no SentencePiece model is a ValueError.
    """
    return model_violations(ModelFile.read(model_path), spec)


def model_violations(model: ModelFile, spec: Spec = LLAMA) -> list[str]:
    """Return what in a model is not as `spec` says, a sentence each."""
    return [*_field_violations(model, spec), *piece_violations(model.pieces, spec)]


def _field_violations(model: ModelFile, spec: Spec) -> Iterator[str]:
    for field in fields(spec):
        wanted, found = getattr(spec, field.name), model.fields[field.name]
        if found != wanted and not (isinstance(wanted, float) and abs(float(found) - wanted) < _SINGLE_PRECISION):
            yield f"{field.name} is {found!r}, not {wanted!r}"
    if model.fields["treat_whitespace_as_suffix"] or not model.fields["escape_whitespaces"]:
        yield "white space must be escaped, and lead its piece"
    if spec.normalization_rule_name == "identity" and model.charsmap:
        yield f"identity normalisation has a character map of {len(model.charsmap)} bytes"


def piece_violations(pieces: Sequence[Piece], spec: Spec = LLAMA) -> list[str]:
    """Return what in the composition of `pieces`, in the order of their ids, is not as `spec` says."""
    return [
        *_count_violations(pieces, spec),
        *_special_violations(pieces, spec),
        *(problem for piece in pieces if piece.kind == NORMAL for problem in _normal_violations(piece, spec)),
    ]


def _count_violations(pieces: Sequence[Piece], spec: Spec) -> Iterator[str]:
    if len(pieces) != spec.vocab_size:
        yield f"there are {len(pieces)} pieces, not {spec.vocab_size}"
    normal = sum(piece.kind == NORMAL for piece in pieces)
    if normal != spec.normal_pieces:
        yield f"there are {normal} normal pieces, not {spec.normal_pieces}"
    if len({piece.text for piece in pieces}) != len(pieces):
        yield "a piece occurs twice"


def _special_violations(pieces: Sequence[Piece], spec: Spec) -> Iterator[str]:
    wanted = {
        spec.unk_id: (spec.unk_piece, UNKNOWN),
        spec.bos_id: (spec.bos_piece, CONTROL),
        spec.eos_id: (spec.eos_piece, CONTROL),
    }
    if spec.byte_fallback:
        wanted |= {META_PIECES + byte: (f"<0x{byte:02X}>", BYTE) for byte in range(BYTE_PIECES)}
    for id_, (text, kind) in wanted.items():
        if id_ >= len(pieces) or (pieces[id_].text, pieces[id_].kind) != (text, kind):
            yield f"piece {id_} is not {text}"
    for id_, piece in enumerate(pieces):
        if piece.kind != NORMAL and id_ not in wanted:
            yield f"piece {id_}, {piece.text!r}, is neither special nor normal"


def _normal_violations(piece: Piece, spec: Spec) -> Iterator[str]:
    text = piece.text
    if not 0 < len(text) <= spec.max_sentencepiece_length:
        yield f"piece {text!r} has {len(text)} characters, not 1 to {spec.max_sentencepiece_length}"
    if spec.split_digits and len(text) > 1 and _DIGIT.search(text):
        yield f"piece {text!r} holds a digit with other characters"
    if spec.split_by_whitespace and _SPACE_INSIDE.search(text):
        yield f"piece {text!r} has a space after other characters"
    if not spec.allow_whitespace_only_pieces and len(text) > 1 and not text.strip(SPACE):
        yield f"piece {text!r} is only white space"
    if text and not text.strip(SPACE) and piece.score != SPACES_SCORE:
        yield f"piece {text!r} has the score {piece.score:.0f}, not {SPACES_SCORE:.0f}: it is not merged last"
