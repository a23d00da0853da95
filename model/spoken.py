"""Text of token ids as they come: only what later ids cannot change is given out.

A piece alone is no text: the first one loses the space before its word, and a character may be of several pieces. So
all ids so far are decoded, and held back is an incomplete character at the end, and spaces before the first word.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import Protocol

_LONGEST = 4  # bytes of a character in UTF-8


class Decoder(Protocol):
    """What is asked of a tokenizer."""

    @property
    def contents(self) -> Sequence[bytes | None]:
        """The bytes of text that each id stands for."""

    def decode(self, ids: list[int]) -> str:
        """Return the text of ids."""


class Spoken:
    """The text of ids, given out bit by bit; together it is what the decoder makes of all of them."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._ids: list[int] = []
        self._given = ""

    def add(self, ids: Sequence[int]) -> str:
        """Take more ids; return what is certain by now and was not given out yet."""
        self._ids += ids
        text = self._decoder.decode(self._ids)
        if self._is_incomplete():
            text = text.rstrip("\ufffd")
        return self._give(text if text.strip(" ") else "")

    def end(self) -> str:
        """Return what was held back: nothing follows."""
        return self._give(self._decoder.decode(self._ids))

    def _give(self, text: str) -> str:
        new = text[len(self._given) :]
        self._given += new
        return new

    def _is_incomplete(self) -> bool:
        """Tell whether the last bytes begin a character that may still be completed."""
        last = b"".join(self._decoder.contents[id_] or b" " for id_ in self._ids[-_LONGEST:])
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        decoder.decode(last)
        return bool(decoder.getstate()[0])
