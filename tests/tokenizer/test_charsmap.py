"""A map of characters leads nowhere but into itself, and ends; else it is refused before SentencePiece sees it."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
from numpy.typing import NDArray

from filters.models.unigram import Unigram
from filters.native import binding
from tests.tokenizer.texts import corpus
from tokenizer import charsmap, loading
from tokenizer.encode import Tokenizer
from tokenizer.model_file import ModelFile
from tokenizer.training import train_model

LEAF = 1 << 31
FIRST, SECOND = 256, 512  # where the children of the root lie, and those of its child


def unit(label: int, offset: int, *, ends: bool = False) -> int:
    return offset << 10 | ends << 8 | label


def array(blocks: int = 3) -> NDArray[np.uint32]:
    """Return units that have no child but one: "a" becomes the first text."""
    units = np.full(256 * blocks, LEAF, np.uint32)
    units[0] = unit(0, FIRST)
    place = FIRST ^ ord("a")
    units[place] = unit(ord("a"), place ^ SECOND, ends=True)
    units[SECOND] = LEAF | 0
    return units


def packed(units: NDArray[np.uint32], texts: bytes = b"b\0") -> bytes:
    return struct.pack("<I", 4 * len(units)) + units.astype("<u4").tobytes() + texts


def chain(length: int) -> NDArray[np.uint32]:
    """Return units for a sequence of so many letters a."""
    units = np.full(256 * (length + 2), LEAF, np.uint32)
    units[0] = unit(0, FIRST)
    for number in range(1, length + 1):
        place = 256 * number ^ ord("a")
        units[place] = unit(ord("a"), place ^ 256 * (number + 1), ends=number == length)
    units[256 * (length + 1)] = LEAF | 0
    return units


def changed(place: int, value: int, blocks: int = 3) -> NDArray[np.uint32]:
    units = array(blocks)
    units[place] = value
    return units


A = FIRST ^ ord("a")
HOSTILE = {
    "a circle": (packed(changed(A, unit(ord("a"), ord("a"), ends=True))), "a sequence of over 32 bytes"),
    "a long sequence": (packed(chain(33)), "a sequence of over 32 bytes"),
    "NUL in a circle": (packed(np.zeros(256, np.uint32)), "a sequence of over 32 bytes"),
    "a root that leads out": (packed(changed(0, unit(0, 1 << 20))), "leads to unit 1048576; must be under 768"),
    "a far offset": (packed(changed(0, unit(0, 1 << 20) | 1 << 9)), "leads to unit 268435456"),
    "a child that leads out": (packed(changed(A, unit(ord("a"), A ^ 768))), r"leads to unit \d+; must be under 768"),
    "a value outside": (packed(changed(A, unit(ord("a"), 1 << 20, ends=True))), "leads to unit"),
    "a text outside": (packed(changed(SECOND, LEAF | 2)), "points to text 2; must be under 2"),
    "a far text": (packed(changed(SECOND, 2**32 - 1)), "points to text 2147483647; must be under 2"),
    "no text": (packed(array(), b""), "points to text 0; must be under 0"),
    "a long text": (packed(array(), b"b" * 129), "a text of 129 bytes; must be at most 128"),
    "what is no UTF-8": (packed(array(), b"b\xe6\x97\0"), "its texts are not UTF-8"),
    "half a character": (packed(changed(SECOND, LEAF | 1), "é\0".encode()), "points to text 1; must not be inside"),
    "half a block": (packed(array()[:700]), "an array of 2800 bytes; must be whole blocks of 1024"),
    "an array past the end": (packed(array())[:2_000], "an array of 3072 bytes"),
    "no array": (struct.pack("<I", 0) + b"b\0", "an array of 0 bytes"),
    "a byte": (b"\x01", "an array of 1 bytes"),
}


def with_map(model: bytes, content: bytes) -> bytes:
    """Return a model with another map of characters: of a field that comes twice the last counts."""
    field = b"\x12" + varint(len(content)) + content
    return model + b"\x1a" + varint(len(field)) + field


def varint(number: int) -> bytes:
    found = b""
    while number > 0x7F:
        found += bytes([number & 0x7F | 0x80])
        number >>= 7
    return found + bytes([number])


@pytest.fixture(scope="module")
def model() -> bytes:
    sentences = [line for text in corpus() for line in text.splitlines() if line.strip()]
    return train_model(sentences, model_type="unigram", vocab_size=300, hard_vocab_limit=False)


def test_a_map_is_split_into_its_parts() -> None:
    units, texts = charsmap.split(packed(chain(32)))
    assert (len(units), bytes(texts)) == (256 * 34, b"b\0\0")
    assert [part.size for part in charsmap.split(b"")] == [0, 0]


def test_the_map_that_comes_last_counts(model: bytes) -> None:
    """And what is taken for a map here is one for SentencePiece."""
    other = with_map(model, packed(array()))
    assert ModelFile.parse(other).charsmap == packed(array())
    theirs = sentencepiece.SentencePieceProcessor(model_proto=other)
    assert theirs.normalize("a cat") == "▁b▁cbt"
    if binding.library():
        pieces = theirs.encode("a cat", out_type=bytes)
        assert Unigram(other).joined(b"a cat") == (b" ".join(pieces), len(pieces))


@pytest.mark.parametrize("name", list(HOSTILE))
@pytest.mark.parametrize("field", [b"\x1a", b"\x2a"], ids=["normaliser", "denormaliser"])
def test_a_hostile_map_is_refused(name: str, field: bytes, model: bytes, tmp_path: Path) -> None:
    content, said = HOSTILE[name]
    with pytest.raises(ValueError, match=f"map of characters: .*{said}"):
        charsmap.split(content)
    path = tmp_path / "pieces.model"
    hostile = with_map(model, content)
    path.write_bytes(model + field + hostile[len(model) + 1 :])
    for load in (loading.load_engine, Tokenizer):
        with pytest.raises(
            ValueError, match=rf"pieces\.model is not a SentencePiece model: map of characters: .*{said}"
        ):
            load(path)
    if binding.library() and field == b"\x1a":
        with pytest.raises(ValueError, match=said):
            Unigram(path.read_bytes())


@pytest.mark.parametrize(
    ("field", "said"), [(b"\x1a\0", "add_dummy_prefix: text where"), (b"\x08\1", "a number where text")]
)
def test_a_field_of_another_kind_is_damage(field: bytes, said: str, model: bytes) -> None:
    """SentencePiece skips it; taken for "no", as it once was, it made other pieces."""
    damaged = model + b"\x1a" + varint(len(field)) + field
    with pytest.raises(ValueError, match=said):
        ModelFile.parse(damaged)


def test_many_parts_of_a_message_are_put_together_once(model: bytes) -> None:
    """400,000 parts: put together one by one they would take minutes."""
    part = b"\x12\x08" + b"\x20\x80\x80\x80\x80\x80\x80\x00"
    assert ModelFile.parse(model + part * 400_000).fields["vocab_size"] == 0
