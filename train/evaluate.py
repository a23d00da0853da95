"""Held-out bits per byte of each source: a measure that does not depend on the tokenizer.

    validation stream -> windows of T at stride T -> negative log-likelihood of every token but the first, in bits
                      -> divided by the UTF-8 bytes of the text that those tokens stand for

All tokens are paid for, bos and eos too (where a document ends is part of predicting it), but only text has bytes:
a piece as many as its characters with "▁" read as a space, a byte piece one, a control piece none, and the space that
SentencePiece puts before each document none either. Over a whole stream the bytes are the manifest's `text_bytes`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import sentencepiece
import torch
from torch.nn import functional as F  # noqa: N812

from model.llama import LLaMA
from train.corpus import Corpus, Stream
from train.loss import token_losses

SPACE = "▁"


@dataclass(frozen=True, slots=True)
class Score:
    """What was held out of a source and what it cost: `nats` over `tokens` targets that stand for `bytes` of text."""

    nats: float
    tokens: int
    bytes: int

    @property
    def bits_per_byte(self) -> float | None:
        """Return the cost in bits per byte of text, None if nothing was held out."""
        return self.nats / math.log(2) / self.bytes if self.bytes else None


@dataclass(frozen=True, slots=True)
class Pieces:
    """The UTF-8 bytes that each token id stands for, and those that SentencePiece itself puts before a document."""

    lengths: npt.NDArray[np.int64]
    prefix: int

    @classmethod
    def load(cls, path: Path) -> Pieces:
        """Read them from a SentencePiece model."""
        model = sentencepiece.SentencePieceProcessor(model_file=str(path))
        first = model.encode("a", out_type=str)[0]
        lengths = [_length(model, token) for token in range(model.get_piece_size())]
        return cls(np.array(lengths, np.int64), 1 if first.startswith(SPACE) else 0)

    def count(self, stream: Stream, stop: int) -> int:
        """Return the bytes of text that tokens 1 to `stop` (exclusive) of a stream stand for."""
        total = int(self.lengths[stream.read(min(1, stop), stop)].sum())
        ends = stream.document_ends()
        starts = np.concatenate([[0], ends[:-1]]) + (stream.manifest.bos_id is not None)
        texts_end = ends - (stream.manifest.eos_id is not None)
        prefixed = (starts >= 1) & (starts < stop) & (starts < texts_end)
        return total - self.prefix * int(prefixed.sum())


def _length(model: sentencepiece.SentencePieceProcessor, token: int) -> int:
    if model.is_control(token) or model.is_unknown(token) or model.is_unused(token):
        return 0
    if model.is_byte(token):
        return 1
    return len(model.id_to_piece(token).replace(SPACE, " ").encode())


@torch.no_grad()
def score(model: LLaMA, stream: Stream, pieces: Pieces, length: int, batch: int, limit: int, chunk: int = 0) -> Score:
    """Score the first `limit` targets of a held-out stream (its documents are in the order of a hash already).

    Each window of `length` positions is scored on its own; the last may be shorter.
    """
    targets = min(limit, max(0, len(stream) - 1))
    tokens = torch.from_numpy(stream.read(0, targets + 1 if targets else 0).astype(np.int64))
    device = model.output.weight.device
    nats = 0.0
    whole = targets // length
    rows = [tokens[n * length : n * length + length + 1] for n in range(whole)]
    for start in range(0, whole, batch):
        nats += float(token_losses(model, torch.stack(rows[start : start + batch]).to(device), chunk).double().sum())
    if rest := targets % length:  # filled up behind, where nothing before it looks
        row = F.pad(tokens[whole * length :], (0, length - rest))[None].to(device)
        nats += float(token_losses(model, row, chunk)[:, :rest].double().sum())
    return Score(nats, targets, pieces.count(stream, targets + 1) if targets else 0)


def evaluate(model: LLaMA, corpus: Corpus, length: int, batch: int, limit: int, chunk: int = 0) -> dict[str, Score]:
    """Score up to `limit` tokens of each source's validation split; `chunk` as `token_losses`'."""
    pieces = Pieces.load(corpus.tokenizer)
    return {
        name: score(model, corpus.stream(name, "validation"), pieces, length, batch, limit, chunk)
        for name in corpus.manifests
    }
