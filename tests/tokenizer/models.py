"""`.model` files written field by field: LLaMA's settings, any of them changed, with any pieces."""

from __future__ import annotations

import json
import os
import struct
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tokenizer.model_file import _NORMALIZER_FIELDS, _TRAINER_FIELDS, BYTE, CONTROL, MODEL_TYPES, NORMAL, UNKNOWN
from tokenizer.spec import LLAMA

# A package of the sample that carries LLaMA's vocabulary, and where in it.
PACKAGE = Path(__file__).parent.parent.parent / "data" / "cache" / "dolma-1.2.1.tar.gz"
MEMBER = "dolma-1.2.1/tests/data/tokenizer/llama-test-tokenizer.json"
KINDS = (UNKNOWN, CONTROL, CONTROL, *[BYTE] * 256, *[NORMAL] * 31_741)


def llama_pieces() -> list[str]:
    """Return LLaMA's 32,000 pieces in the order of their ids, or skip where they are not to be had."""
    path = os.environ.get("ALTIPLANO_LLAMA_TOKENIZER_JSON")
    if path is not None:
        content = Path(path).read_bytes()
    elif PACKAGE.exists():
        with tarfile.open(PACKAGE) as archive:
            member = archive.extractfile(MEMBER)
            assert member is not None
            content = member.read()
    else:
        pytest.skip("LLaMA's vocabulary: neither $ALTIPLANO_LLAMA_TOKENIZER_JSON nor the sample's downloads are there")
    vocabulary: dict[str, int] = json.loads(content)["model"]["vocab"]
    return sorted(vocabulary, key=vocabulary.__getitem__)[:32_000]


def serialized(texts: Sequence[str], kinds: Sequence[int], **changes: Any) -> bytes:
    """Return a `.model` of LLaMA's settings with these pieces, normal ones in the order of their scores.

    Pieces of spaces alone have the lowest, all the same, as in LLaMA's own.
    `changes` are fields by SentencePiece's names; `charsmap` is the normaliser's.
    """
    pieces = [
        _message(1, _message(1, text.encode()) + b"\x15" + struct.pack("<f", _score(id_, text)) + _integer(3, kind))
        for id_, (text, kind) in enumerate(zip(texts, kinds, strict=True))
    ]
    values = {**LLAMA.to_trainer_arguments(), **changes}
    trainer, normalizer = (
        b"".join(_field(number, values.get(name, default)) for number, (name, default) in names.items())
        for names in (_TRAINER_FIELDS, _NORMALIZER_FIELDS)
    )
    normalizer += _message(2, changes.get("charsmap", b""))
    return b"".join(pieces) + _message(2, trainer) + _message(3, normalizer)


def _score(id_: int, text: str) -> float:
    return -1e9 if text and not text.strip("\u2581") else -float(id_)


def _field(number: int, value: str | float | bool) -> bytes:
    if isinstance(value, str):
        codes = {name: code for code, name in MODEL_TYPES.items()}
        return _integer(number, codes[value]) if value in codes else _message(number, value.encode())
    if isinstance(value, float):
        return _varint(number << 3 | 5) + struct.pack("<f", value)
    return _integer(number, int(value) % (1 << 64))


def _varint(value: int) -> bytes:
    return bytes([value]) if value < 0x80 else bytes([value & 0x7F | 0x80]) + _varint(value >> 7)


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _integer(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)
