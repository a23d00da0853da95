"""A run's model as a directory that Hugging Face's LlamaForCausalLM, and what is built on it, loads.

python -m train.export --run data/run --corpus data/corpus --output data/hugging_face

checkpoint -> ours -> to_hugging_face -> model.safetensors, or several and their index; config.json;
    tokenizer of the corpus -> tokenizer.json
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from model.checkpoint import hugging_face_config, to_hugging_face
from model.command_lines import SHARD_BYTES
from model.convert import write_hugging_face
from model.llama import LLaMA
from model.trained import open_trained
from pipelines.files import commands, ours
from tokenizer import exported
from tokenizer.encode import Tokenizer
from train import command_lines
from train.corpus import Corpus, check_digests, open_corpus
from train.mixture import parse_proportions

TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class Opened:
    """A run's model and the corpus that it was trained on, for who only reads."""

    model: LLaMA
    corpus: Corpus


def export(
    run: Opened, directory: Path, dtype: str = "float32", limit: int = SHARD_BYTES, *, tokenizer_json: bool = True
) -> list[Path]:
    """Write a run's model with its configuration and tokenizer; return the files of weights.

    Raises ValueError for a tokenizer of which no tokenizer.json gives the same ids, unless none is asked for.
    """
    config = run.model.config
    manifest = next(iter(run.corpus.manifests.values()))
    tokenizer = Tokenizer(run.corpus.tokenizer)
    described = _described(tokenizer, manifest.bos_id, manifest.eos_id, config.context) if tokenizer_json else {}
    state = {name: tensor.detach().to(TYPES[dtype]).cpu() for name, tensor in run.model.state_dict().items()}
    written = hugging_face_config(config, manifest.bos_id, manifest.eos_id, dtype)
    weights = write_hugging_face(directory, to_hugging_face(state, config), written, limit)
    for name, path in tokenizer.files.items():
        shutil.copyfile(path, directory / name)
    for name, content in described.items():
        _json(directory / name, content)
    return weights


def _described(tokenizer: Tokenizer, bos: int | None, eos: int | None, context: int) -> Mapping[str, exported.Json]:
    try:
        return exported.files(tokenizer, bos, eos, context)
    except ValueError as error:
        raise ValueError(
            f"{error}. With --without-tokenizer-json the model is exported with the tokenizer's own file alone: "
            "encode texts with its own library"
        ) from None


def _json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser = command_lines.export()
    options = parser.parse_args(arguments)
    console = Console()
    try:
        run = open_checkpoint(Path(options.run), options.corpus, console.print, options.step)
        with ours.replacing(options.output, ours.Kind.MODEL) as made:
            tokenizer_json = not options.without_tokenizer_json
            paths = export(run, made, options.dtype, options.shard_bytes, tokenizer_json=tokenizer_json)
            written = [options.output / path.name for path in paths]
    except (ValueError, OSError) as error:
        parser.end(error)
    console.print(f"written: {', '.join(map(str, written))}", highlight=False)
    return 0


def open_checkpoint(
    directory: Path,
    corpus: str,
    report: Callable[[str], None],
    step: int | None = None,
    device: torch.device | None = None,
) -> Opened:
    """Open the weights of a run's last whole checkpoint, or of a step's; errors as `open_trained`'s, `open_corpus`'s.

    Raises ValueError if the corpus is not the one that the run was trained on.
    """
    found = open_trained(directory, report, step, device)
    try:
        weights, digests = parse_proportions(found.config["proportions"]), dict(found.state["corpus"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"{directory}: no configuration of a run in step {found.step}: {error!r}") from None
    opened = open_corpus(corpus, weights)
    check_digests(opened, digests, directory)
    return Opened(found.model, opened)


if __name__ == "__main__":
    commands.run(main)
