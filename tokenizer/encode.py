"""Text to token ids and back, exactly as SentencePiece does it, through Gigatoken where that gives the same ids.

decode(encode(text)) == text for every text with two exceptions. U+2581, the mark SentencePiece writes for a space,
comes back as a space. A lone surrogate, which UTF-8 cannot hold, is encoded as U+FFFD and comes back as that.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tokenizer.fast import FastEncoder, fast_encoder
from tokenizer.loading import load_engine
from tokenizer.model_file import ModelFile
from tokenizer.spec import LARGEST_VOCABULARY

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def without_surrogates(text: str) -> str:
    """Return `text` with each lone surrogate replaced by U+FFFD, so that it can be written as UTF-8."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", text)
    return text


class Tokenizer:
    """A SentencePiece model given by path, its token ids as uint16.

    `sha256` names the model, `vocabulary` is its number of pieces, `bos` and `eos` are the ids around a document. A
    file that is no model, has no bos or eos, or has more pieces than uint16 can hold (65,535) is a ValueError.
    """

    def __init__(self, path: Path) -> None:
        model = path.read_bytes()
        self._path = path
        self._engine = load_engine(path, model)
        self.sha256: str = hashlib.sha256(model).hexdigest()
        self.vocabulary: int = self._engine.piece_size()
        self.bos: int = self._engine.bos_id()
        self.eos: int = self._engine.eos_id()
        if not 0 < self.vocabulary <= LARGEST_VOCABULARY:
            raise ValueError(f"{path} has {self.vocabulary} pieces, must be from 1 to {LARGEST_VOCABULARY}")
        if min(self.bos, self.eos) < 0:
            raise ValueError(f"{path} has no bos or no eos piece (ids {self.bos}, {self.eos})")

    def __reduce__(self) -> tuple[type[Tokenizer], tuple[Path]]:
        return Tokenizer, (self._path,)

    @cached_property
    def fast(self) -> FastEncoder | None:
        """What batches are encoded with: Gigatoken, checked against SentencePiece when first used, or None.

        Where it is missing or does not agree, a RuntimeWarning says so, and SentencePiece takes its place.
        """
        return fast_encoder(ModelFile.read(self._path), self._engine.encode)

    def encode(self, text: str) -> NDArray[np.uint16]:
        """Return the token ids of `text`, without bos and eos."""
        return np.array(self._engine.encode(without_surrogates(text)), dtype=np.uint16)

    def encode_batch(self, texts: Iterable[str], *, bos: bool, eos: bool) -> list[NDArray[np.uint16]]:
        """Return the token ids of each text, with the document's bos and eos as asked."""
        encode = self.fast.encode if self.fast else self.encode
        before = np.full(int(bos), self.bos, np.uint16)
        after = np.full(int(eos), self.eos, np.uint16)
        return [np.concatenate((before, encode(without_surrogates(text)), after)) for text in texts]

    def decode(self, ids: Sequence[int] | NDArray[np.integer]) -> str:
        """Return the text of `ids`; bos and eos are not text, unk is " \u2047 ", broken UTF-8 becomes U+FFFD.

        An id outside the vocabulary is a ValueError.
        """
        numbers = np.asarray(ids, dtype=np.int64)
        if numbers.size and not 0 <= numbers.min() <= numbers.max() < self.vocabulary:
            raise ValueError(f"token ids are {numbers.min()} to {numbers.max()}, the vocabulary has {self.vocabulary}")
        return str(self._engine.decode(numbers.tolist()))

    def piece(self, id_: int) -> str:
        """Return the piece with this id as the model writes it; an id outside the vocabulary is a ValueError."""
        if not 0 <= id_ < self.vocabulary:
            raise ValueError(f"token id is {id_}, the vocabulary has {self.vocabulary}")
        return str(self._engine.id_to_piece(id_))
