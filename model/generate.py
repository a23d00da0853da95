"""Text from a model: temperature and nucleus sampling, one position at a time over cached keys and values.

python -m model.generate --run data/run --corpus data/corpus --prompt "The river"
python -m model.generate < prompt.txt                      a prompt from standard input

The text is printed as it comes, after its prompt. `--step` takes an earlier checkpoint of the run.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from model import command_lines
from model.batched import draw
from model.llama import Cache, LLaMA
from model.spoken import Spoken
from model.trained import Trained, open_trained
from pipelines.files import commands, storage
from pipelines.tokens import shards
from tokenizer.encode import Tokenizer


def as_text(content: bytes) -> str:
    """Return bytes as the corpus' text is read: UTF-8, with U+FFFD for what is none."""
    return content.decode("utf-8", "replace")


def sample(logits_v: Tensor, temperature: float, top_p: float, generator: torch.Generator | None = None) -> int:
    """Draw one token from logits of shape (V,) as `draw` does, by a number of the generator's; errors as its."""
    device = logits_v.device if generator is None else generator.device
    return int(draw(logits_v[None], temperature, top_p, torch.rand(1, generator=generator, device=device)))


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
    """Return all new tokens that `continued` yields; errors as its."""
    options = {"temperature": temperature, "top_p": top_p}
    return list(continued(model, prompt, length, stop=stop, generator=generator, cached=cached, **options))


def continued(
    model: LLaMA,
    prompt: Sequence[int],
    length: int,
    *,
    temperature: float = 0.8,
    top_p: float = 0.95,
    stop: Collection[int] = (),
    generator: torch.Generator | None = None,
    cached: bool = True,
) -> Iterator[int]:
    """Continue a prompt of token ids by at most `length` tokens, ending before a token of `stop`; yield each new one.

    Without a cache each token takes a whole pass over the same number of positions: for a compiled model, and for one
    that is spread over ranks, all of which call this with generators in the same state and get the same.

    Raises ValueError for an empty prompt, or when prompt and continuation together are longer than the model's context.
    """
    if not prompt:
        raise ValueError("the prompt is empty: give at least the bos token")
    if len(prompt) + length > model.config.context:
        raise ValueError(f"{len(prompt)} + {length} tokens do not fit the model's context of {model.config.context}")
    read = _cached(model, len(prompt) + length) if cached else _whole(model)
    new = list(prompt)
    for _ in range(length):
        with torch.no_grad():
            token = sample(read(new), temperature, top_p, generator)
        if token in stop:
            break
        yield token
        new = [token]


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


def _options(arguments: Sequence[str] | None) -> tuple[commands.Parser, argparse.Namespace]:
    parser = command_lines.generate()
    options = parser.parse_args(arguments)
    if options.words is not None and options.prompt is not None:
        parser.error("the prompt is given twice, as PROMPT and as --prompt")
    if options.tokens < 0:
        parser.error(f"--tokens is {options.tokens}; it must not be negative")
    return parser, options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser, options = _options(arguments)
    try:
        _print(options)
    except BrokenPipeError:  # whoever reads has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError) as error:
        parser.end(error)
    except KeyboardInterrupt:
        return 130
    return 0


def _print(options: argparse.Namespace) -> None:
    """Print a prompt and its continuation as they are decoded."""
    trained = open_trained(options.run, lambda message: print(message, file=sys.stderr), options.step)  # noqa: T201
    path, manifest = _tokenizer_of(options.corpus, trained)
    tokenizer = Tokenizer(path)
    ids = [token for token in (manifest.bos_id,) if token is not None] + tokenizer.encode(_prompt(options)).tolist()
    ids = ids or [manifest.eos_id or 0]
    room = trained.model.config.context - len(ids)
    if room < 0:
        raise ValueError(
            f"the prompt has {len(ids):,} tokens, but the model's context is {trained.model.config.context:,}"
        )
    generator = torch.Generator().manual_seed(options.seed)
    stop = [token for token in (manifest.eos_id,) if token is not None]
    how = {"temperature": options.temperature, "top_p": options.top_p}
    spoken = Spoken(tokenizer)
    _say(spoken.add(ids))
    for token in continued(trained.model, ids, min(options.tokens, room), stop=stop, generator=generator, **how):
        _say(spoken.add([token]))
    _say(spoken.end() + "\n")


def _say(text: str) -> None:
    # In UTF-8 whatever the locale: the text is nobody's choice.
    sys.stdout.buffer.write(text.encode("utf-8", "replace"))
    sys.stdout.buffer.flush()


def _prompt(options: argparse.Namespace) -> str:
    given = options.words if options.prompt is None else options.prompt
    if given is not None:
        return as_text(given.encode("utf-8", "surrogateescape"))
    if sys.stdin.isatty():
        print("the prompt, from standard input; its end is Ctrl-D:", file=sys.stderr)  # noqa: T201
    return as_text(sys.stdin.buffer.read().removesuffix(b"\n"))


def _tokenizer_of(corpus: Path, trained: Trained) -> tuple[Path, shards.Manifest]:
    """Return a corpus' tokenizer and a manifest of its tokens; ValueError if they are not those of the model."""
    path, names = shards.tokenizer_of(corpus), list(shards.sources(corpus / "tokens"))
    if not names:
        raise ValueError(f"{corpus}: there are no token shards (was the build finished?)")
    manifest = shards.Manifest.load(corpus / "tokens" / names[0])
    trained_with = trained.state.get("tokenizer", manifest.tokenizer_sha256)
    if storage.sha256(path) != trained_with or manifest.vocabulary != trained.model.config.vocabulary:
        raise ValueError(
            f"{path}: this is not the tokenizer that the run was trained with; name its corpus with --corpus"
        )
    return path, manifest


if __name__ == "__main__":
    commands.run(main)
