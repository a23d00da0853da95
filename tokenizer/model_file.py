"""A SentencePiece `.model` file, read field by field.

The file is a protocol buffer. The module that SentencePiece generates for it needs a newer protobuf runtime than
Beam's, and SentencePiece itself does not answer for its trainer's fields, so this reads the wire format: a sequence of
(field number and wire type, value), values being varints, little-endian 64 or 32 bits, or bytes with a length.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tokenizer import charsmap

Value = int | bytes

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# Numbers and defaults of sentencepiece_model.proto; a field that is absent has its default.
MODEL_TYPES: Final = {1: "unigram", 2: "bpe", 3: "word", 4: "char"}
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
_PIECES, _TRAINER, _NORMALIZER, _DENORMALIZER = 1, 2, 3, 5
_SCORE: Final = 2  # of a piece
_TRAINER_FIELDS: Final[Mapping[int, tuple[str, str | int | float | bool]]] = {
    3: ("model_type", "unigram"),
    4: ("vocab_size", 8000),
    10: ("character_coverage", 0.9995),
    11: ("input_sentence_size", 0),
    14: ("seed_sentencepiece_size", 1_000_000),
    18: ("max_sentence_length", 4192),
    19: ("shuffle_input_sentence", True),
    20: ("max_sentencepiece_length", 16),
    21: ("split_by_unicode_script", True),
    22: ("split_by_whitespace", True),
    23: ("split_by_number", True),
    24: ("treat_whitespace_as_suffix", False),
    25: ("split_digits", False),
    26: ("allow_whitespace_only_pieces", False),
    33: ("hard_vocab_limit", True),
    35: ("byte_fallback", False),
    40: ("unk_id", 0),
    41: ("bos_id", 1),
    42: ("eos_id", 2),
    43: ("pad_id", -1),
    44: ("unk_surface", " \u2047 "),
    45: ("unk_piece", "<unk>"),
    46: ("bos_piece", "<s>"),
    47: ("eos_piece", "</s>"),
}
_NORMALIZER_FIELDS: Final[Mapping[int, tuple[str, str | int | float | bool]]] = {
    1: ("normalization_rule_name", ""),
    3: ("add_dummy_prefix", True),
    4: ("remove_extra_whitespaces", True),
    5: ("escape_whitespaces", True),
}


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of the vocabulary; `kind` is NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED or BYTE."""

    text: str
    score: float
    kind: int


@dataclass(frozen=True, slots=True)
class ModelFile:
    """The pieces in the order of their ids, and the trainer's and normaliser's fields by SentencePiece's names."""

    pieces: tuple[Piece, ...]
    fields: Mapping[str, str | int | float | bool]
    charsmap: bytes

    @classmethod
    def read(cls, path: Path) -> ModelFile:
        """Read `path`; what is no SentencePiece model is a ValueError that names it."""
        return cls.named(path, path.read_bytes())

    @classmethod
    def named(cls, path: Path, content: bytes) -> ModelFile:
        """Parse the content of `path`; what is no SentencePiece model is a ValueError that names it."""
        try:
            return cls.parse(content)
        except (ValueError, IndexError, struct.error) as error:
            raise ValueError(f"{path} is not a SentencePiece model: {error}") from error

    @classmethod
    def parse(cls, data: bytes) -> ModelFile:
        """Parse the serialised model `data`; damage is a ValueError, IndexError or struct.error."""
        pieces, trainers, normalizers = [], [], []
        for number, value in _fields(data):
            if number == _PIECES:
                pieces.append(_piece(_bytes(value)))
            elif number == _TRAINER:
                trainers.append(_bytes(value))
            elif number == _NORMALIZER:
                normalizers.append(_bytes(value))
        if not pieces:
            raise ValueError("it has no pieces")
        # Parts of one message follow each other, and of a field that comes twice the last counts.
        trainer, normalizer = b"".join(trainers), b"".join(normalizers)
        fields = _named(trainer, _TRAINER_FIELDS) | _named(normalizer, _NORMALIZER_FIELDS)
        return cls(tuple(pieces), fields, _charsmap(normalizer))


def check(data: bytes) -> None:
    """Raise ValueError for a model whose maps of characters SentencePiece would follow out of its memory, or for ever.

    What else may be wrong with it SentencePiece says itself.
    """
    try:
        for kind in (_NORMALIZER, _DENORMALIZER):
            charsmap.split(_charsmap(b"".join(_bytes(value) for number, value in _fields(data) if number == kind)))
    except IndexError as error:
        raise ValueError(f"a number is cut off at byte {len(data)}") from error


def has_settings(data: bytes) -> bool:
    """Tell whether a model says how it was trained and how it normalises, which stands behind its pieces."""
    return {_TRAINER, _NORMALIZER} <= {number for number, _ in _fields(data)}


def _charsmap(normalizer: bytes) -> bytes:
    return next((_bytes(value) for number, value in reversed([*_fields(normalizer)]) if number == 2), b"")


def rescored(data: bytes, scores: Mapping[str, float]) -> bytes:
    """Return a model whose pieces with these texts have these scores; all else stays byte for byte.

    A piece without a score of its own is a ValueError.
    """
    made = bytearray(data)
    for number, value, end in _placed(data):
        if number == _PIECES and (text := _piece(_bytes(value)).text) in scores:
            start = end - len(_bytes(value))
            at = next((start + end for number, _, end in _placed(_bytes(value)) if number == _SCORE), None)
            if at is None:
                raise ValueError(f"piece {text!r} has no score")
            struct.pack_into("<f", made, at - 4, scores[text])
    return bytes(made)


def _fields(data: bytes) -> Iterator[tuple[int, Value]]:
    return ((number, value) for number, value, _ in _placed(data))


def _placed(data: bytes) -> Iterator[tuple[int, Value, int]]:
    """Yield each field's number, its value, and where it ends."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        if not 8 <= tag < 1 << 32:  # others would take only its last 32 bits for the field's number
            raise ValueError(f"a field's number is {tag >> 3} before byte {at}")
        wire = tag & 7
        value: Value
        if wire == _VARINT:
            value, at = _varint(data, at)
        elif wire in (_FIXED64, _FIXED32, _BYTES):
            length, at = _varint(data, at) if wire == _BYTES else (8 if wire == _FIXED64 else 4, at)
            value = data[at : at + length]
            if len(value) < length:
                raise ValueError(f"a field of {length} bytes is cut off at byte {len(data)}")
            at += length
        else:
            raise ValueError(f"wire type {wire} at byte {at}")
        yield tag >> 3, value, at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError(f"a number of more than 64 bits at byte {at}")


def _bytes(value: Value) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number where text was expected")
    return value


def _piece(data: bytes) -> Piece:
    text, score, kind = "", 0.0, NORMAL
    for number, value in _fields(data):
        if number == 1:
            text = _bytes(value).decode()
        elif number == _SCORE:
            (score,) = struct.unpack("<f", _bytes(value))
        elif number == 3 and isinstance(value, int):
            kind = value
    return Piece(text, score, kind)


def _named(
    data: bytes, names: Mapping[int, tuple[str, str | int | float | bool]]
) -> dict[str, str | int | float | bool]:
    found = dict(names.values())
    for number, value in _fields(data):
        if number in names:
            name, default = names[number]
            found[name] = _typed(name, default, value)
    return found


def _typed(name: str, default: str | float | bool, value: Value) -> str | int | float | bool:
    if isinstance(default, float):
        return float(struct.unpack("<f", _bytes(value))[0])
    if isinstance(default, str) and name != "model_type":
        return _bytes(value).decode()
    if isinstance(value, bytes):
        # Protocol buffers skip such a field; a model that has one is damaged.
        raise ValueError(f"{name}: text where a number was expected")
    if name == "model_type":
        return MODEL_TYPES.get(value, f"unknown ({value})")
    if isinstance(default, bool):
        return bool(value)
    return value - (1 << 64) if value >> 63 else value
