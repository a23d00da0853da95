"""The model that is evaluated: a run's, or others' weights in Hugging Face's or Meta's format, with their tokenizer.

RUN with checkpoints                         the step, the corpus that it was trained on and its tokenizer
FOLDER with config.json or params.json       the weights, and tokenizer.model or tokenizer.json in it or beside it
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from model.configs import ModelConfig
from model.convert import CONFIG, PARAMS, read
from model.llama import LLaMA, rotary_table
from model.saved import directory_of
from model.trained import open_trained
from tokenizer.encode import Tokenizer
from train.corpus import check_digests, open_corpus
from train.evaluation.inference.scoring import Scorer
from train.mixture import parse_proportions

TOKENIZERS = ("tokenizer.model", "tokenizer.json")


@dataclass(frozen=True, slots=True)
class Opened:
    """A model to evaluate: of a run its step, its corpus and that corpus' sources; of others' weights nothing of it."""

    scorer: Scorer
    step: int | None = None
    corpus: str | None = None
    sources: tuple[str, ...] = ()


def open_model(options: argparse.Namespace, report: Callable[[str], None], device: torch.device) -> Opened:
    """Open what a command line names with `--run`, `--corpus`, `--step` and `--context`.

    Raises ValueError saying what is missing, or that the corpus is not the one the run was trained on.
    """
    path = Path(options.run)
    if not directory_of(str(path)).exists() and any((path / name).exists() for name in (CONFIG, PARAMS)):
        if options.step is not None:
            raise ValueError(f"{path}: a model without a run has no steps: leave out --step")
        return Opened(_others(path, options.context, device))
    trained = open_trained(path, report, options.step, device)
    try:
        weights, digests = parse_proportions(trained.config["proportions"]), dict(trained.state["corpus"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: no configuration of a run in step {trained.step}: {error!r}") from None
    corpus = open_corpus(options.corpus, weights)
    check_digests(corpus, digests, path)
    manifest = next(iter(corpus.manifests.values()))
    bos, eos = (() if one is None else (one,) for one in (manifest.bos_id, manifest.eos_id))
    scorer = Scorer(trained.model, Tokenizer(corpus.tokenizer), bos, eos)
    return Opened(scorer, trained.step, str(options.corpus), tuple(corpus.manifests))


def _others(path: Path, context: int | None, device: torch.device) -> Scorer:
    state, config = read(path, context)
    tokenizer = Tokenizer(_tokenizer_of(path))
    if tokenizer.vocabulary > config.vocabulary:
        raise ValueError(
            f"{path}: the model has {config.vocabulary:,} pieces, its tokenizer {tokenizer.vocabulary:,}: another's?"
        )
    bos, eos = (() if one is None else (one,) for one in (tokenizer.bos, tokenizer.eos))
    return Scorer(_model(state, config, device), tokenizer, bos, eos)


def _tokenizer_of(path: Path) -> Path:
    """Return a model's tokenizer: LLaMA's release has one beside the folders of its models."""
    found = [folder / name for folder in (path, path.resolve().parent) for name in TOKENIZERS]
    for file in found:
        if file.is_file():
            return file
    raise ValueError(f"{path}: no {' or '.join(TOKENIZERS)} in it or beside it")


def _model(state: Mapping[str, Tensor], config: ModelConfig, device: torch.device) -> LLaMA:
    with torch.device("meta"):
        model = LLaMA(config)
    # A CPU has few products in half precision, and slow ones; sums of logarithms want the rest.
    kind = torch.float32 if device.type == "cpu" else None
    model.load_state_dict({name: weight.to(device, kind) for name, weight in state.items()}, assign=True)
    model.rotary = rotary_table(config, device)
    return model.requires_grad_(False)
