"""Log-likelihoods of completions after their contexts, and what a question scores by them.

The tokens of a pair are those of its context, and those that the text of both has behind as many: as
lm-evaluation-harness takes them. A space at the end of a context goes to its completion.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from model.llama import Cache, LLaMA
from tokenizer import encode
from train.evaluation.inference.packing import Ids, Pack, packs
from train.evaluation.tasks.kinds import Likelihood, Metric, Normalisation, Question

PACK = 512  # tokens that are computed at once: on a CPU twice as many take a fifth longer, for their attention
WIDE_PACK = 2048  # on a GPU, where few would leave most of it idle; not measured


class Tokenizer(Protocol):
    """What turns text into token ids."""

    def encode(self, text: str) -> list[int] | encode.Ids:
        """Return the ids of a text."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A completion's log-likelihood in nats, its tokens, and how many tokens before it did not fit the context."""

    value: float
    tokens: int
    cut: int


@dataclass(frozen=True, slots=True)
class Scorer:
    """A model with its tokenizer: `bos` are the tokens before every text, `eos` what stands before one without them.

    A model that ranks share has no whole weight to make a cache like: it is scored without one (`cached`).
    """

    model: LLaMA
    tokenizer: Tokenizer
    bos: tuple[int, ...] = ()
    eos: tuple[int, ...] = ()
    cached: bool = True

    def pair(self, context: str, completion: str) -> tuple[list[int], int]:
        """Return the tokens of both, and how many at their end are the completion's."""
        bare = context.rstrip()
        completion, context = context[len(bare) :] + completion, bare
        if not context:
            before = list(self.bos or self.eos)
            whole = [*before, *map(int, self.tokenizer.encode(completion))]
        else:
            before = [*self.bos, *map(int, self.tokenizer.encode(context))]
            whole = [*self.bos, *map(int, self.tokenizer.encode(context + completion))]
        tokens = before + whole[len(before) :]
        if len(tokens) < 2:
            raise ValueError(f"{(context + completion)[:40]!r} is one token, and nothing says what comes before it")
        # Where a completion has no token of its own, the last one is scored, and without bos all but the first are.
        return tokens, max(1, min(len(whole) - len(before), len(tokens) - 1))

    @torch.no_grad()
    def likelihoods(self, pairs: Sequence[tuple[str, str]]) -> list[Scored]:
        """Return what each completion scores after its context; what does not fit is cut from the left."""
        room = self.model.config.context
        encoded = [self.pair(*pair) for pair in pairs]
        kept = [tokens[-(room + 1) :] for tokens, _ in encoded]
        scored = [min(count, room) for _, count in encoded]
        values = [0.0] * len(kept)
        cache: Cache | None = None
        before: Ids = []
        for pack in packs([tokens[:-1] for tokens in kept], scored, self._size(), self.cached):
            if pack.prefix and (cache is None or pack.prefix != before):
                cache, before = self._begun(pack.prefix), pack.prefix
            targets = [kept[number][-scored[number] :] for number in pack.numbers]
            for number, value in zip(pack.numbers, self._scored(pack, targets, cache), strict=True):
                values[number] = value
        cut = [len(tokens) - len(rest) for (tokens, _), rest in zip(encoded, kept, strict=True)]
        return [Scored(*of) for of in zip(values, scored, cut, strict=True)]

    def _size(self) -> int:
        return PACK if self.model.rotary.device.type == "cpu" else WIDE_PACK

    def _begun(self, prefix: Ids) -> Cache:
        """Return the keys and values of a beginning, with room for a pack behind it."""
        cache = Cache.empty(self.model, 1, len(prefix) + max(self._size(), self.model.config.context))
        self.model.hidden(self._tensor([prefix]), cache)
        return cache

    def _tensor(self, values: Sequence[Ids] | NDArray[Any]) -> torch.Tensor:
        return torch.as_tensor(values, device=self.model.rotary.device)

    def _scored(self, pack: Pack, targets: Sequence[Ids], cache: Cache | None) -> list[float]:
        """Return the sum of the log-likelihoods of each text's last tokens, which are `targets`."""
        mask = self._tensor(pack.seen)
        if pack.prefix:
            assert cache is not None
            cache.length = len(pack.prefix)
            mask = torch.cat([mask.new_ones(len(mask), len(pack.prefix)), mask], 1)
        positions = self._tensor(pack.positions)
        states = self.model.hidden(
            self._tensor(pack.tokens[None]), cache if pack.prefix else None, mask[None, None], positions
        )
        # Only where a token is scored are there logits, and where several choices go on, once.
        ends = [path[len(path) - len(target) :] for path, target in zip(pack.paths, targets, strict=True)]
        nodes, index = np.unique(np.concatenate(ends), return_inverse=True)
        logits = self.model.output(states[0, self._tensor(nodes)]).float()
        wanted = np.array([token for target in targets for token in target])
        chosen = logits[self._tensor(index), self._tensor(wanted)]
        logs = (chosen - logits.logsumexp(-1)[self._tensor(index)]).double().cpu()
        return [float(part.sum()) for part in logs.split([len(target) for target in targets])]


@dataclass(frozen=True, slots=True)
class Answered:
    """A question's choices as scored: raw, and as the format compares them."""

    raw: tuple[float, ...]
    compared: tuple[float, ...]
    cut: int

    def score(self, question: Question, metric: Metric) -> float:
        """Return what the question scores by the compared values."""
        return _score(self.compared, question, metric)

    def plain(self, question: Question, metric: Metric) -> float:
        """Return what it scores by the log-likelihoods themselves."""
        return _score(self.raw, question, metric)


def _score(values: Sequence[float], question: Question, metric: Metric) -> float:
    if metric is Metric.MASS:
        top = max(values)
        weights = [math.exp(value - top) for value in values]
        return sum(weights[number] for number in question.answers) / sum(weights)
    best = max(range(len(values)), key=values.__getitem__)
    if metric is Metric.PREFERENCE:
        return float(values[0] > max(values[1:]))
    return float(best in question.answers)


def answer(scorer: Scorer, questions: Sequence[Question], form: Likelihood) -> list[Answered]:
    """Score every choice of all questions, normalised as the format says."""
    pairs = [
        (context, question.delimiter + choice)
        for question in questions
        for context, choice in zip(question.contexts, question.choices, strict=True)
    ]
    found = scorer.likelihoods(pairs)
    compared = _normalised(scorer, pairs, found, questions, form)
    answered, start = [], 0
    for question in questions:
        mine = slice(start, start + len(question.choices))
        raw = tuple(one.value for one in found[mine])
        answered.append(Answered(raw, tuple(compared[mine]), max(one.cut for one in found[mine])))
        start = mine.stop
    return answered


def _normalised(
    scorer: Scorer,
    pairs: Sequence[tuple[str, str]],
    found: Sequence[Scored],
    questions: Sequence[Question],
    form: Likelihood,
) -> list[float]:
    values = [one.value for one in found]
    if form.normalisation is Normalisation.UNCONDITIONAL:
        alone = scorer.likelihoods([(form.unconditional, completion) for _, completion in pairs])
        return [value - other.value for value, other in zip(values, alone, strict=True)]
    if form.normalisation is Normalisation.CHARACTERS:
        lengths = [len(choice) for question in questions for choice in question.choices]
        return [value / max(1, length) for value, length in zip(values, lengths, strict=True)]
    if form.normalisation is Normalisation.TOKENS:
        return [one.value / one.tokens for one in found]
    return values


def chance(questions: Sequence[Question]) -> float:
    """Return what guessing scores on average."""
    return sum(len(question.answers) / len(question.choices) for question in questions) / max(1, len(questions))
