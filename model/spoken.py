"""Text of token ids as they come: only what later ids cannot change is given out.

A piece alone is no text: the first one loses the space before its word, and a character may be several byte pieces. So
all ids so far are decoded, and held back is an incomplete character at the end, and spaces before the first word.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import Protocol

_LONGEST = 4  # bytes of a character in UTF-8


class Decoder(Protocol):
    """What is asked of a SentencePiece model."""

    def decode(self, ids: list[int]) -> str:
        """Return the text of ids."""

    def is_byte(self, id: int) -> bool:
        """Tell whether a piece is a byte."""

    def id_to_piece(self, id: int) -> str:
        """Return a piece, a byte's as "<0xE2>"."""


class Spoken:
    """The text of ids, given out bit by bit; together it is what the decoder makes of all of them."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._ids: list[int] = []
        self._given = ""

    def add(self, ids: Sequence[int]) -> str:
        """Take more ids; return what is certain by now and was not given out yet."""
        self._ids += ids
        whole = self._ids[: len(self._ids) - self._incomplete()]
        text = self._decoder.decode(whole)
        return self._give(text if text.strip(" ") else "")

    def end(self) -> str:
        """Return what was held back: nothing follows."""
        return self._give(self._decoder.decode(self._ids))

    def _give(self, text: str) -> str:
        new = text[len(self._given) :]
        self._given += new
        return new

    def _incomplete(self) -> int:
        """Return how many byte pieces at the end begin a character that may still be completed."""
        last = self._ids[-_LONGEST:]
        bytes_ = [int(self._decoder.id_to_piece(id_)[3:5], 16) if self._decoder.is_byte(id_) else 0 for id_ in last]
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        decoder.decode(bytes(bytes_))
        return len(decoder.getstate()[0])
