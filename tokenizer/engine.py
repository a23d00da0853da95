"""What a tokenizer does, whatever the format of its file: `Tokenizer` asks this, and nobody asks which it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from tokenizer.fast import FastEncoder


class Engine(Protocol):
    """One tokenizer's own encoder, by which all others are judged."""

    @property
    def format(self) -> str:
        """The name of its file's format, for people."""

    @property
    def library(self) -> str:
        """The name of the library that encodes, for people."""

    @property
    def files(self) -> Mapping[str, Path]:
        """The files that it is read from, its own first, by the names that they have in a model's folder."""

    @property
    def bos(self) -> int | None:
        """The id in front of a document; None if it has none."""

    @property
    def eos(self) -> int | None:
        """The id behind a document; None if it has none."""

    @property
    def assumed(self) -> str | None:
        """What was assumed of bos and eos because no file says it; None if nothing was."""

    @property
    def pieces(self) -> Sequence[str]:
        """Each id's piece as the file writes it, "" for an id that has none."""

    @property
    def contents(self) -> Sequence[bytes | None]:
        """The bytes of text that each id stands for; None for one that is no text."""

    @property
    def not_fast(self) -> Sequence[str]:
        """What the fast encoder does not encode: texts that hold one of these."""

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text without lone surrogates; names of special pieces in it are text."""

    def decode(self, ids: list[int]) -> str:
        """Return the text of ids, all of which are in the vocabulary; special pieces are no text."""

    def violations(self) -> list[str]:
        """Return what in it is not as LLaMA's specification says, if it is of the format that this is about."""

    def hugging_face(self) -> dict[str, Any]:
        """Return a tokenizer.json with the same ids, without a template; ValueError if there is none."""

    def fast(self) -> FastEncoder | str:
        """Return an encoder that gives the same ids sooner, or why there is none."""
