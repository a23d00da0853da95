"""Text to token ids and back, exactly as the tokenizer's own library does it, through Gigatoken where ids are the same.

With LLaMA's specification decode(encode(text)) == text for every text with two exceptions. U+2581, the mark
SentencePiece writes for a space, comes back as a space. A lone surrogate, which UTF-8 cannot hold, is encoded as U+FFFD
and comes back as that.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tokenizer.fast import FastEncoder
from tokenizer.opening import open_engine
from tokenizer.probes import SAMPLES
from tokenizer.spec import LARGEST_VOCABULARY

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
Ids = NDArray[np.unsignedinteger[Any]]


def without_surrogates(text: str) -> str:
    """Return `text` with each lone surrogate replaced by U+FFFD, so that it can be written as UTF-8."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", text)
    return text


def token_type(vocabulary: int) -> np.dtype[Any]:
    """Return how the ids of a vocabulary are stored: as uint16 where they fit, else as uint32."""
    return np.dtype("<u2" if vocabulary <= 1 << 16 else "<u4")


class Tokenizer:
    """A tokenizer given by the path of its file: a SentencePiece model, or a tokenizer.json of Hugging Face.

    `sha256` names the file, `vocabulary` is the number of ids, `dtype` that of arrays of them, `bos` and `eos` are the
    ids around a document, None where it has none. Anything else is a ValueError that names the file and what it is.
    """

    def __init__(self, path: Path) -> None:
        content = path.read_bytes()
        self._path = path
        self._engine = open_engine(path, content)
        self.sha256: str = hashlib.sha256(content).hexdigest()
        self.vocabulary: int = len(self._engine.pieces)
        self.dtype: np.dtype[Any] = token_type(self.vocabulary)
        self.bos: int | None = self._engine.bos
        self.eos: int | None = self._engine.eos
        if not 0 < self.vocabulary <= LARGEST_VOCABULARY:
            raise ValueError(f"{path} has {self.vocabulary:,} pieces; must be from 1 to {LARGEST_VOCABULARY:,}")

    def __reduce__(self) -> tuple[type[Tokenizer], tuple[Path]]:
        return Tokenizer, (self._path,)

    @property
    def format(self) -> str:
        """The name of the file's format, for people."""
        return self._engine.format

    @property
    def files(self) -> Mapping[str, Path]:
        """The files that it is read from, its own first, by the names that they have in a model's folder."""
        return self._engine.files

    @property
    def assumed(self) -> str | None:
        """What was assumed of bos and eos because no file says it; None if nothing was."""
        return self._engine.assumed

    @cached_property
    def _fast(self) -> FastEncoder | str:
        return self._engine.fast()

    @property
    def slow(self) -> str | None:
        """Why batches are not encoded with Gigatoken, which is checked against the tokenizer's own library; or None."""
        return f"{self._fast}; texts are encoded with {self._engine.library}" if isinstance(self._fast, str) else None

    @cached_property
    def fast(self) -> FastEncoder | None:
        """What batches are encoded with, or None: a RuntimeWarning says why, and that it takes ten times as long."""
        if isinstance(self._fast, FastEncoder):
            return self._fast
        warnings.warn(f"{self._path}: {self.slow}, about ten times slower", RuntimeWarning, stacklevel=2)
        return None

    def encode(self, text: str) -> Ids:
        """Return the token ids of `text`, without bos and eos."""
        return np.array(self._engine.encode(without_surrogates(text)), dtype=self.dtype)

    def encode_batch(self, texts: Iterable[str], *, bos: bool, eos: bool) -> list[Ids]:
        """Return the token ids of each text, with the document's bos and eos as asked, if the tokenizer has them."""
        before = np.array([self.bos] if bos and self.bos is not None else [], self.dtype)
        after = np.array([self.eos] if eos and self.eos is not None else [], self.dtype)
        return [np.concatenate((before, self._quickly(without_surrogates(text)), after)) for text in texts]

    def _quickly(self, text: str) -> Ids:
        if self.fast is None or any(piece in text for piece in self._engine.not_fast):
            return self.encode(text)
        return self.fast.encode(text).astype(self.dtype)

    def decode(self, ids: Sequence[int] | NDArray[np.integer]) -> str:
        """Return the text of `ids`; bos and eos are not text, broken UTF-8 becomes U+FFFD.

        An id outside the vocabulary is a ValueError.
        """
        numbers = np.asarray(ids, dtype=np.int64)
        if numbers.size and not 0 <= numbers.min() <= numbers.max() < self.vocabulary:
            raise ValueError(f"token ids are {numbers.min()} to {numbers.max()}, the vocabulary has {self.vocabulary}")
        return self._engine.decode(numbers.tolist())

    def piece(self, id_: int) -> str:
        """Return the piece with this id as the file writes it; an id outside the vocabulary is a ValueError."""
        if not 0 <= id_ < self.vocabulary:
            raise ValueError(f"token id is {id_}, the vocabulary has {self.vocabulary}")
        return self._engine.pieces[id_]

    def lost(self) -> str | None:
        """Return the first sample text that does not come back as it was, and how it does; None if all do.

        A text that it cannot encode at all is a ValueError.
        """
        for text in SAMPLES:
            if (back := self.decode(self.encode(text))) != text:
                at = next((n for n, (one, other) in enumerate(zip(text, back, strict=False)) if one != other), 0)
                start = max(0, at - 10)
                return f"it loses text: {text[start:][:30]!a} comes back as {back[start:][:30]!a}"
        return None

    def remarks(self) -> Iterator[str]:
        """Yield what its user should know: why it is slow, what was assumed, text that is lost, what is not as LLaMA's.

        A text that it cannot encode at all is a ValueError.
        """
        if self.slow:
            yield f"{self.slow}, about ten times slower"
        yield from filter(None, (self.assumed, self.lost()))
        if found := self._engine.violations():
            more = f"; and {len(found) - 3:,} more, which python -m tokenizer.check lists" if len(found) > 3 else ""
            yield f"it differs from LLaMA's: {'; '.join(found[:3])}{more}"

    def hugging_face(self) -> dict[str, Any]:
        """Return a tokenizer.json with the same ids, without bos and eos; ValueError if there is none."""
        return self._engine.hugging_face()

    @cached_property
    def contents(self) -> Sequence[bytes | None]:
        """The bytes of text that each id stands for; None for one that is no text, such as bos."""
        return self._engine.contents

    @cached_property
    def prefix(self) -> int:
        """The bytes of the space that is put in front of every text and is none of it: 1 or 0."""
        first = self._engine.encode("a")[:1]
        return int(any((self.contents[id_] or b"").startswith(b" ") for id_ in first))
