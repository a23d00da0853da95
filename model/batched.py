"""Many prompts continued at once, greedily or drawn, each as if it were alone.

    prompts -> groups of like length, padded on the left -> one pass over each prompt, shared by its samples
        -> a token of every row at a time -> rows that have ended leave -> ids and text of each sample

A row is turned by its own positions, and a mask hides what is before its first one, so padding changes nothing. What is
drawn depends on the seed, the prompt and the sample's number, never on the other rows.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.llama import Cache, LLaMA


def check_range(temperature: float, top_p: float) -> None:
    """Raise ValueError for values outside their range."""
    if not 0 <= temperature < math.inf or not 0 < top_p <= 1:
        raise ValueError(
            f"temperature is {temperature} and top_p {top_p}; temperature must be finite and at least 0, top_p above 0 "
            "and at most 1"
        )


class End(StrEnum):
    """Why a continuation ends."""

    TOKEN = "token"
    TEXT = "text"
    LENGTH = "length"


@dataclass(frozen=True, slots=True)
class Continuation:
    """What follows a prompt: the ids, their text up to where it was stopped, and why it ends."""

    ids: tuple[int, ...]
    text: str
    end: End


@dataclass(frozen=True, slots=True)
class Stop:
    """What ends a continuation and is no part of its text: a token of `ids`, or the first whole one of `texts`."""

    ids: Collection[int] = ()
    texts: Sequence[str] = ()

    def __post_init__(self) -> None:
        if isinstance(self.texts, str) or "" in self.texts:
            raise ValueError(f"stop texts are {self.texts!r}; must be a list of texts, none of them empty")

    @property
    def encoded(self) -> list[bytes]:
        """Return the texts in UTF-8, where what is found is the same."""
        return [text.encode() for text in self.texts]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are taken: the likeliest at temperature 0, else drawn from the nucleus `top_p`.

    `samples` continuations of each prompt; `seed` and a sample's number decide what is drawn.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    samples: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        check_range(self.temperature, self.top_p)
        if self.samples < 1 or self.seed < 0:
            raise ValueError(f"samples is {self.samples} and seed {self.seed}; must be at least 1 and 0")
        if self.samples > 1 and self.temperature == 0:
            raise ValueError(f"samples is {self.samples}; at temperature 0 all of them are the same")


NOTHING, GREEDY = Stop(), Sampling()


def draw(logits_bv: Tensor, temperature: float, top_p: float, uniform_b: Tensor) -> Tensor:
    """Return one token (B,) of each row of logits (B, V): where the cumulated probability passes `uniform_b`.

    Temperature 0 takes the most likely token. Of the tokens sorted by probability, the smallest set that reaches
    `top_p` is kept (the token that crosses it included). Raises ValueError for values outside their range.
    """
    check_range(temperature, top_p)
    if temperature == 0:
        return logits_bv.argmax(-1)
    probabilities, order = torch.softmax(logits_bv.double() / temperature, dim=-1), None
    if top_p < 1:
        probabilities, order = probabilities.sort(descending=True, stable=True)
        before = probabilities.cumsum(-1) - probabilities
        probabilities = probabilities.masked_fill(before >= top_p, 0.0)
    sums = probabilities.cumsum(-1)
    place = torch.searchsorted(sums, uniform_b.to(sums)[:, None] * sums[:, -1:], right=True)
    return (place if order is None else order.gather(-1, place))[:, 0]


@dataclass(slots=True)
class _Row:
    """A sample in the making; `uniform` (length,) are the numbers that its tokens are drawn with."""

    uniform: npt.NDArray[np.float32]
    ids: list[int] = field(default_factory=list)
    text: bytearray = field(default_factory=bytearray)
    end: End | None = None

    def add(self, token: int, content: bytes, stop: Stop) -> None:
        """Take the next token and its text; notice whether it ends the continuation."""
        if token in stop.ids:
            self.end = End.TOKEN
            return
        before = len(self.text)
        self.ids.append(token)
        self.text += content
        # A stop may begin in the text before and be completed by this token.
        places = [self.text.find(text, max(0, before - len(text) + 1)) for text in stop.encoded]
        if reached := [place for place in places if place >= 0]:
            del self.text[min(reached) :]
            self.end = End.TEXT
        elif len(self.ids) == len(self.uniform):
            self.end = End.LENGTH

    def finished(self) -> Continuation:
        """Return what it has come to; a character that is cut in two is U+FFFD."""
        assert self.end is not None
        return Continuation(tuple(self.ids), self.text.decode("utf-8", "replace"), self.end)


@torch.no_grad()
def continue_all(
    model: LLaMA,
    contents: Sequence[bytes | None],
    prompts: Sequence[Sequence[int]],
    length: int,
    stop: Stop = NOTHING,
    sampling: Sampling = GREEDY,
    batch: int = 16,
) -> Iterator[tuple[int, list[Continuation]]]:
    """Yield each prompt's number, the longest first, and its continuations of at most `length` tokens.

    `contents` is the text of each id (`Tokenizer.contents`); at most `batch` rows are computed at once. Raises
    ValueError for an empty prompt, and for one that does not fit the model's context with its continuation.
    """
    if length < 1 or batch < 1:
        raise ValueError(f"length is {length} and batch {batch}; must be at least 1")
    for number, prompt in enumerate(prompts):
        if not 0 < len(prompt) <= model.config.context - length:
            raise ValueError(
                f"prompt {number} has {len(prompt)} tokens; must have at least 1, and leave room for {length} more in "
                f"the model's context of {model.config.context}"
            )
    order = sorted(range(len(prompts)), key=lambda number: -len(prompts[number]))
    together = max(1, batch // sampling.samples)
    for first in range(0, len(order), together):
        group = order[first : first + together]
        rows = _group(model, contents, [prompts[number] for number in group], length, stop, sampling, batch)
        for number, start in zip(group, range(0, len(rows), sampling.samples), strict=True):
            yield number, [row.finished() for row in rows[start : start + sampling.samples]]


def _group(
    model: LLaMA,
    contents: Sequence[bytes | None],
    prompts: Sequence[Sequence[int]],
    length: int,
    stop: Stop,
    sampling: Sampling,
    batch: int,
) -> list[_Row]:
    """Return the finished rows of some prompts, the samples of each side by side; each prompt is read once."""
    rows = [_Row(_uniform(prompt, k, length, sampling)) for prompt in prompts for k in range(sampling.samples)]
    cache, logits = _read(model, prompts)
    for first in range(0, len(rows), batch):
        part = rows[first : first + batch]
        index = torch.arange(first, first + len(part), device=logits.device) // sampling.samples
        _finish(model, contents, cache.rows(index, cache.length + length), logits[index], part, stop, sampling)
    return rows


def _uniform(prompt: Sequence[int], sample: int, length: int, sampling: Sampling) -> npt.NDArray[np.float32]:
    """Return numbers in [0, 1) that depend on the seed, the prompt and the sample's number alone."""
    return np.random.default_rng([sampling.seed, sample, *prompt]).random(length, dtype=np.float32)


def _read(model: LLaMA, prompts: Sequence[Sequence[int]]) -> tuple[Cache, Tensor]:
    """Return a full cache of the prompts and the logits (B, V) behind them."""
    device, width = model.output.weight.device, max(map(len, prompts))
    padded = torch.tensor([[0] * (width - len(prompt)) + list(prompt) for prompt in prompts], device=device)
    cache = Cache.empty(model, len(prompts), width)
    cache.starts = torch.tensor([width - len(prompt) for prompt in prompts], device=device)
    last: Tensor = model.output(model.hidden(padded, cache)[:, -1])
    return cache, last.float()


def _finish(
    model: LLaMA,
    contents: Sequence[bytes | None],
    cache: Cache,
    logits: Tensor,
    rows: list[_Row],
    stop: Stop,
    sampling: Sampling,
) -> None:
    """Add tokens to rows until all have ended; once half of a batch has, the other half goes on alone."""
    for position in itertools.count():
        uniform = torch.tensor([float(row.uniform[position]) for row in rows], device=logits.device)
        tokens = draw(logits, sampling.temperature, sampling.top_p, uniform)
        for row, token in zip(rows, tokens.tolist(), strict=True):
            if row.end is None:
                row.add(token, contents[token] or b"", stop)
        left = [number for number, row in enumerate(rows) if row.end is None]
        if not left:
            return
        if 2 * len(left) <= len(rows):
            index = torch.tensor(left, device=logits.device)
            rows, tokens, cache = [rows[number] for number in left], tokens[index], cache.rows(index)
        logits = model(tokens[:, None], cache)[:, -1]
