"""Text from a model: temperature and nucleus sampling, one position at a time over cached keys and values."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence

import torch
from torch import Tensor

from model.llama import Cache, LLaMA


def as_text(content: bytes) -> str:
    """Return bytes as the corpus' text is read: UTF-8, with U+FFFD for what is none."""
    return content.decode("utf-8", "replace")


def sample(logits_v: Tensor, temperature: float, top_p: float, generator: torch.Generator | None = None) -> int:
    """Draw one token from logits of shape (V,).

    Temperature 0 takes the most likely token. Of the tokens sorted by probability, the smallest set that reaches
    `top_p` is kept (the token that crosses it included). Raises ValueError for values outside their range.
    """
    if not 0 <= temperature < math.inf or not 0 < top_p <= 1:
        raise ValueError(f"temperature is {temperature}, top_p {top_p}: they must be >= 0 and in (0, 1]")
    if temperature == 0:
        return int(logits_v.argmax())
    probabilities, order = torch.softmax(logits_v.float() / temperature, dim=-1).sort(descending=True)
    before = probabilities.cumsum(-1) - probabilities
    probabilities[before >= top_p] = 0.0
    return int(order[torch.multinomial(probabilities, 1, generator=generator)])


@torch.no_grad()
def generate(
    model: LLaMA,
    prompt: Sequence[int],
    length: int,
    *,
    temperature: float = 0.8,
    top_p: float = 0.95,
    stop: Collection[int] = (),
    generator: torch.Generator | None = None,
    cached: bool = True,
) -> list[int]:
    """Continue a prompt of token ids by at most `length` tokens, ending before a token of `stop`.

    Without a cache each token takes a whole pass over the same number of positions: for a compiled model, and for one
    that is spread over ranks, all of which call this with generators in the same state and return the same.

    Returns the new tokens only. Raises ValueError for an empty prompt, or when prompt and continuation together are
    longer than the model's context.
    """
    if not prompt:
        raise ValueError("the prompt is empty: give at least the bos token")
    if len(prompt) + length > model.config.context:
        raise ValueError(f"{len(prompt)} + {length} tokens do not fit the model's context of {model.config.context}")
    read = _cached(model, len(prompt) + length) if cached else _whole(model)
    answer: list[int] = []
    new = list(prompt)
    for _ in range(length):
        token = sample(read(new), temperature, top_p, generator)
        if token in stop:
            break
        answer.append(token)
        new = [token]
    return answer


def _cached(model: LLaMA, capacity: int) -> Callable[[list[int]], Tensor]:
    """Return what reads more tokens and returns the logits behind them."""
    cache = Cache.empty(model, 1, capacity)
    device = model.output.weight.device
    return lambda new: model(torch.tensor([new], device=device), cache)[0, -1]


def _whole(model: LLaMA) -> Callable[[list[int]], Tensor]:
    tokens = torch.zeros(1, model.config.context, dtype=torch.long, device=model.rotary.device)
    length = 0

    def read(new: list[int]) -> Tensor:
        nonlocal length
        tokens[0, length : length + len(new)] = torch.tensor(new)
        length += len(new)
        logits: Tensor = model(tokens)[0, length - 1]
        return logits

    return read
