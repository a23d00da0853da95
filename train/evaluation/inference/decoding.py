"""Prompts continued by the model under evaluation: tokens, what does not fit, and ranks that share the prompts.

Prompt -> tokens, cut from the left to the room beside its continuation -> model.batched -> texts
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from model import batched
from model.batched import End, Sampling, Stop
from train.evaluation.inference.scoring import Scorer
from train.evaluation.tasks.kinds import Decoding, Prompt
from train.parallel import ALONE, World

BATCH = 16  # sequences computed at once


@runtime_checkable
class _Speaking(Protocol):
    """A tokenizer that knows the text of each id."""

    @property
    def contents(self) -> Sequence[bytes | None]:
        """The bytes of text that each id stands for."""


@dataclass(frozen=True, slots=True)
class Continued:
    """What the model says after a prompt, once for each sample; `cut` tokens of the prompt did not fit.

    `unfinished` samples were ended by their length, or by the model's context, before anything else ended them.
    """

    texts: tuple[str, ...]
    cut: int
    unfinished: int = 0


def continue_all(
    scorer: Scorer, prompts: Sequence[Prompt], decoding: Decoding, seed: int = 0, world: World = ALONE
) -> list[Continued]:
    """Continue all prompts as a format says, in their order; what is drawn depends on seed and prompt alone.

    A continuation takes at most half of the context. Ranks that each hold the whole model share the prompts; all of
    them return the same.
    """
    assert isinstance(scorer.tokenizer, _Speaking)
    context = scorer.model.config.context
    length = min(decoding.length, context // 2)
    whole = [_tokens(scorer, prompt.text) for prompt in prompts]
    kept = [tokens[-(context - length) :] for tokens in whole]
    mine = range(world.data_rank, len(prompts), world.data_size)
    sampling = Sampling(decoding.temperature, decoding.top_p, decoding.samples, seed)
    stop = Stop(scorer.eos, decoding.stop)
    found = batched.continue_all(
        scorer.model, scorer.tokenizer.contents, [kept[n] for n in mine], length, stop, sampling, BATCH
    )
    done: dict[int, Continued] = {}
    for place, samples in found:
        number = mine[place]
        unfinished = sum(sample.end is End.LENGTH for sample in samples)
        texts = tuple(sample.text for sample in samples)
        done[number] = Continued(texts, len(whole[number]) - len(kept[number]), unfinished)
    for other in world.all_of(done):
        done |= other
    return [done[number] for number in range(len(prompts))]


def _tokens(scorer: Scorer, text: str) -> list[int]:
    found = [*scorer.bos, *map(int, scorer.tokenizer.encode(text))]
    return found or [*scorer.eos] or [0]
