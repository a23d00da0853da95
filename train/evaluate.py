"""Held-out bits per byte of each source, a measure that does not depend on the tokenizer, and generated text.

    validation stream -> windows of T at stride T -> negative log-likelihood of every token but the first, in bits
                      -> divided by the UTF-8 bytes of the text that those tokens stand for

All tokens are paid for, bos and eos too (where a document ends is part of predicting it), but only text has bytes:
a piece as many as it stands for, a control piece none, and the space that SentencePiece puts before each document none
either. Over a whole stream the bytes are the manifest's `text_bytes`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F  # noqa: N812

from model.generate import generate
from tokenizer.encode import Tokenizer
from train.corpus import Corpus, Stream
from train.evaluation import during
from train.evaluation.inference.scoring import Scorer
from train.evaluation.tasks.asking import Asking
from train.parallel import ALONE, World, reshard
from train.run import Run, token_losses


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
    """The UTF-8 bytes that each token id stands for, and those that the tokenizer itself puts before a document."""

    lengths: npt.NDArray[np.int64]
    prefix: int

    @classmethod
    def load(cls, path: Path) -> Pieces:
        """Read them from a tokenizer's file."""
        tokenizer = Tokenizer(path)
        return cls(np.array([len(content or b"") for content in tokenizer.contents], np.int64), tokenizer.prefix)

    def count(self, stream: Stream, stop: int) -> int:
        """Return the bytes of text that tokens 1 to `stop` (exclusive) of a stream stand for."""
        total = int(self.lengths[stream.read(min(1, stop), stop)].sum())
        ends = stream.document_ends()
        starts = np.concatenate([[0], ends[:-1]]) + (stream.manifest.bos_id is not None)
        texts_end = ends - (stream.manifest.eos_id is not None)
        prefixed = (starts >= 1) & (starts < stop) & (starts < texts_end)
        return total - self.prefix * int(prefixed.sum())


Losses = Callable[[torch.Tensor], torch.Tensor]  # of tokens (n, T + 1), the losses (n, T) of all but the first


@torch.no_grad()
def score(losses: Losses, stream: Stream, pieces: Pieces, length: int, batch: int, limit: int, world: World) -> Score:
    """Score the first `limit` targets of a held-out stream (its documents are in the order of a hash already).

    Each window of `length` positions is scored on its own, the last filled up behind, where nothing before it looks.
    The ranks share the windows.
    """
    targets = min(limit, max(0, len(stream) - 1))
    if not targets:
        return Score(0.0, 0, 0)
    tokens = torch.from_numpy(stream.read(0, targets + 1).astype(np.int64))
    windows = F.pad(tokens, (0, -targets % length)).unfold(0, length + 1, length)
    counted = (torch.arange(len(windows) * length) < targets).view(-1, length)
    nats = 0.0
    # Every rank takes the same number, since all of them gather weights together; what is left over counts nothing.
    for mine in torch.split(_shared(len(windows), world), batch):
        found = losses(windows[mine.clamp(max=len(windows) - 1)]).double().cpu()
        known = counted[mine.clamp(max=len(windows) - 1)] & (mine < len(windows))[:, None]
        nats += float(found[known].sum())
    return Score(world.sum(nats) / world.tensor, targets, pieces.count(stream, targets + 1))


def _shared(count: int, world: World) -> torch.Tensor:
    """Return the numbers of a rank's windows, as many on each, those from `count` on being none."""
    return torch.arange(world.data_rank, -(-count // world.data_size) * world.data_size, world.data_size)


def evaluate(
    losses: Losses, corpus: Corpus, length: int, batch: int, limit: int, world: World = ALONE
) -> dict[str, Score]:
    """Score up to `limit` tokens of each source's validation split, `batch` windows of `length` at once."""
    pieces = Pieces.load(corpus.tokenizer)
    return {
        name: score(losses, corpus.stream(name, "validation"), pieces, length, batch, limit, world)
        for name in corpus.manifests
    }


def check_held_out(run: Run) -> list[str]:
    """Return the sources of which nothing is held out; raise ValueError if nothing is held out at all."""
    missing = [name for name in run.sources if not run.corpus.manifests[name].total("validation", "tokens")]
    if run.config.evaluation_tokens and len(missing) == len(run.sources):
        raise ValueError(
            f"{run.config.corpus}: no source has validation tokens: build the corpus with a validation split, "
            "or give --evaluation-tokens 0"
        )
    return missing


def benchmarks_of(run: Run) -> tuple[Asking, ...]:
    """Return what the run's benchmarks ask; raise ValueError for a file that is not as it should be."""
    config = run.config
    return during.chosen(config.benchmarks, config.benchmark_limit, config.benchmark_format)


def _benchmarks(run: Run) -> Mapping[str, Any]:
    asked = benchmarks_of(run)
    if not asked:
        return {}
    manifest, tokenizer = next(iter(run.corpus.manifests.values())), Tokenizer(run.corpus.tokenizer)
    bos, eos = (() if one is None else (one,) for one in (manifest.bos_id, manifest.eos_id))
    with run.precision():
        return during.scores(asked, Scorer(run.model, tokenizer, bos, eos, cached=run.world.size == 1))


@torch.no_grad()
def evaluate_run(run: Run) -> tuple[dict[str, Score], dict[str, Any]]:
    """Score a run's held-out tokens and let it write; return the scores and their row of evaluations.jsonl."""
    config = run.config
    scores = evaluate(
        lambda tokens: token_losses(run, tokens.to(run.device)),
        run.corpus,
        config.sequence_length,
        config.micro_sequences,
        config.evaluation_tokens,
        run.world,
    )
    benchmarks = _benchmarks(run)
    text = continue_text(run)
    reshard(run.model)
    return scores, {
        "step": run.step,
        "tokens": run.step * config.batch_sequences * config.sequence_length,
        "bits_per_byte": {name: score.bits_per_byte for name, score in scores.items()},
        **benchmarks,
        "text": text,
    }


def continue_text(run: Run) -> str:
    """Return the prompt and what the model continues it with, drawn with the run's seed."""
    config = run.config
    tokenizer = Tokenizer(run.corpus.tokenizer)
    manifest = next(iter(run.corpus.manifests.values()))
    prompt = [token for token in (manifest.bos_id,) if token is not None] + tokenizer.encode(config.prompt).tolist()
    prompt = (prompt or [manifest.eos_id or 0])[: run.model.config.context]
    length = min(config.sample_tokens, run.model.config.context - len(prompt))
    generator = torch.Generator(run.device).manual_seed(config.seed)
    stop = [token for token in (manifest.eos_id,) if token is not None]
    # A cache grows by a position at a time, for each of which a compiled layer would be compiled again.
    cached = run.world.size == 1 and not config.compile
    with run.precision():
        new = generate(run.model, prompt, length, stop=stop, generator=generator, cached=cached)
    return tokenizer.decode(prompt + new)
