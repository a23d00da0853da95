"""Model directories of other codes, read and written bit for bit.

python -m model.convert INPUT OUTPUT --to meta --parts 2
python -m model.convert INPUT OUTPUT --to hugging_face --shard-bytes 5000000000

Meta          params.json, consolidated.NN.pth                one file for each rank of model parallelism
Hugging Face  config.json, model.safetensors                  or several files and their index

What Meta's params.json has no place for (the context, ids of bos and eos) goes with it as hugging_face.json, which is
the config.json that it was made of.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from model import command_lines, tensor_files
from model.checkpoint import (
    State,
    from_hugging_face,
    from_hugging_face_config,
    hugging_face_config,
    merge,
    meta_config,
    meta_params,
    split,
    to_hugging_face,
)
from model.command_lines import SHARD_BYTES
from model.configs import ModelConfig
from pipelines.files import commands, ours

META_CONTEXT = 2048  # of LLaMA; Llama 2 has 4,096
PARAMS, CONFIG, SINGLE, INDEX = "params.json", "config.json", "model.safetensors", "model.safetensors.index.json"
ORIGIN = "hugging_face.json"
_SAFETENSORS = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*\.safetensors")
TOKENIZER = ("tokenizer.model", "tokenizer.json", "tokenizer_config.json")


def read(directory: Path, context: int | None = None) -> tuple[State, ModelConfig]:
    """Return our weights and shape from a directory of either kind; raise ValueError if it is neither.

    `context` is that of Meta's models, which their params.json does not say: by default that of the model of Hugging
    Face's that it was made of, else 2,048.
    """
    if (directory / PARAMS).exists():
        return read_meta(directory, context)
    if (directory / CONFIG).exists():
        return read_hugging_face(directory)
    raise ValueError(f"{directory}: has neither {PARAMS} (Meta's format) nor {CONFIG} (Hugging Face's)")


def read_meta(directory: Path, context: int | None = None) -> tuple[State, ModelConfig]:
    """Read a directory as Meta released it, executing no code from its files; `context` as for `read`.

    Older params.json say vocab_size -1; the embedding's rows are taken then. Raises ValueError naming what is missing.
    """
    paths = sorted(directory.glob("consolidated.*.pth"))
    if not paths or not (directory / PARAMS).exists():
        raise ValueError(f"{directory}: no {PARAMS} with consolidated.NN.pth beside it")
    parts = [_tensors(path) for path in paths]
    for path, part in zip(paths, parts, strict=True):
        if part.keys() != parts[0].keys():
            raise ValueError(f"{path}: its weights are not those of {paths[0].name}")
    params = _object(directory / PARAMS)
    with _described(directory / PARAMS):
        state = merge(parts)
        vocabulary = state["tok_embeddings.weight"].shape[0]
        config = meta_config(params, vocabulary, META_CONTEXT if context is None else context)
    origin = _origin(directory, config)
    return state, config if origin is None or context is not None else from_hugging_face_config(origin)


def _origin(directory: Path, config: ModelConfig) -> dict[str, Any] | None:
    """Return the config.json that a model of Meta's was made of; None without it, or if it is another model's."""
    if not (directory / ORIGIN).exists():
        return None
    found = _object(directory / ORIGIN)
    with _described(directory / ORIGIN):
        described = from_hugging_face_config(found)
    return found if replace(described, context=config.context) == config else None


def _tensors(path: Path) -> State:
    found = tensor_files.load(path, mmap=True)
    if not isinstance(found, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in found.items()
    ):
        raise ValueError(f"{path}: weights by name are expected, and nothing else")
    return found


def _object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not JSON: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path}: {type(found).__name__} where an object is expected")
    return found


@contextmanager
def _described(path: Path) -> Iterator[None]:
    """Make what a description lacks, or has of another kind, a ValueError that names its file."""
    try:
        yield
    except (KeyError, IndexError, TypeError, AttributeError, ZeroDivisionError, RuntimeError) as error:
        raise ValueError(f"{path}: does not describe these weights: {error!r}") from None


def write_meta(directory: Path, state: Mapping[str, Tensor], config: ModelConfig, parts: int = 1) -> list[Path]:
    """Write a directory as Meta does, cut for so many ranks; raise ValueError if a matrix does not divide."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = [directory / f"consolidated.{number:02d}.pth" for number in range(parts)]
    for path, shard in zip(paths, split(state, parts), strict=True):
        # A view would be written with all of the matrix that it is cut from.
        torch.save({name: weight.clone() for name, weight in shard.items()}, path)
    _json(directory / PARAMS, meta_params(config))
    return paths


def read_hugging_face(directory: Path) -> tuple[State, ModelConfig]:
    """Read a LlamaForCausalLM in one safetensors file or several; raise ValueError naming what is missing."""
    description = _object(directory / CONFIG)
    with _described(directory / CONFIG):
        config = from_hugging_face_config(description)
    state: State = {}
    for name in _files(directory):
        if not (directory / name).exists():
            raise ValueError(f"{directory}: {name} is missing")
        try:
            state |= load_file(directory / name)
        except SafetensorError as error:
            raise ValueError(f"{directory / name}: not a safetensors file: {error}") from None
    with _described(directory / CONFIG):
        return from_hugging_face(state, config), config


def _files(directory: Path) -> list[str]:
    """Return the names of a model's files; raise ValueError for an index that names any outside of its folder."""
    index = directory / INDEX
    if not index.exists():
        return [SINGLE]
    listed = _object(index).get("weight_map")
    names = set(map(str, listed.values())) if isinstance(listed, dict) else set()
    strange = sorted(name for name in names if not _SAFETENSORS.fullmatch(name))
    if strange or not names:
        raise ValueError(f"{index}: weight_map names {strange[:1] or 'nothing'}; files beside it are expected")
    return sorted(names)


def write_hugging_face(
    directory: Path, state: Mapping[str, Tensor], config: Mapping[str, Any], limit: int = SHARD_BYTES
) -> list[Path]:
    """Write weights under Hugging Face's names and their config.json, in files of at most `limit` bytes."""
    directory.mkdir(parents=True, exist_ok=True)
    _json(directory / CONFIG, config)
    groups = shards(state, limit)
    paths: list[Path] = []
    owner: dict[str, str] = {}
    for number, group in enumerate(groups, 1):
        name = SINGLE if len(groups) == 1 else f"model-{number:05d}-of-{len(groups):05d}.safetensors"
        save_file({key: tensor.contiguous() for key, tensor in group.items()}, directory / name, {"format": "pt"})
        shutil.copymode(directory / CONFIG, directory / name)  # safetensors makes a file for its owner alone
        paths.append(directory / name)
        owner |= dict.fromkeys(group, name)
    if len(groups) > 1:
        total = sum(tensor.nbytes for tensor in state.values())
        _json(directory / INDEX, {"metadata": {"total_size": total}, "weight_map": owner})
    return paths


def shards(tensors: Mapping[str, Tensor], limit: int) -> list[dict[str, Tensor]]:
    """Return the tensors in their order, in groups of at most `limit` bytes (or one larger tensor)."""
    groups: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, tensor in tensors.items():
        if groups[-1] and size + tensor.nbytes > limit:
            groups.append({})
            size = 0
        groups[-1][name] = tensor
        size += tensor.nbytes
    return groups


def convert(
    source: Path, target: Path, to: str, parts: int = 1, limit: int = SHARD_BYTES, context: int | None = None
) -> None:
    """Write a directory of either kind as one of kind `to`, its tokenizer beside it; errors as `read`'s."""
    state, config = read(source, context)
    described = _object(source / CONFIG) if (source / CONFIG).exists() else _origin(source, config)
    if to == "meta":
        write_meta(target, state, config, parts)
        if described is not None:
            _json(target / ORIGIN, described)
    else:
        dtype = str(next(iter(state.values())).dtype).removeprefix("torch.")
        written = described or hugging_face_config(config, 1, 2, dtype)  # LLaMA's bos and eos
        written = written | {"max_position_embeddings": config.context}
        write_hugging_face(target, to_hugging_face(state, config), written, limit)
    for name in TOKENIZER:
        if (source / name).exists():
            shutil.copyfile(source / name, target / name)


def _json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser = command_lines.convert()
    options = parser.parse_args(arguments)
    try:
        if options.source.resolve() == options.target.resolve():
            raise ValueError(f"{options.target}: this folder holds the model to convert; name another folder")
        with ours.replacing(options.target, ours.Kind.MODEL) as made:
            convert(options.source, made, options.to, options.parts, options.shard_bytes, options.context)
    except (ValueError, OSError) as error:
        parser.end(error)
    return 0


if __name__ == "__main__":
    commands.run(main)
