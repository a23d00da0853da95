"""A run's model for who only reads: the weights of a checkpoint, nothing else of it, and no file is written.

    RUN, step -> checkpoint whose weights are whole -> LLaMA without gradients

The trainer may go on meanwhile: a checkpoint that it removes while it is read is passed over for a newer one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from model import saved, sharded_files, sharded_table, tensor_files
from model.configs import ModelConfig, named
from model.llama import LLaMA, rotary_table

WEIGHTS = "model.pt"
_EMBEDDING = "tok_embeddings.weight"
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Trained:
    """A model as a run had it after `step` steps; `state` is what the checkpoint says beside its tensors."""

    model: LLaMA
    step: int
    state: Mapping[str, Any]

    @property
    def config(self) -> Mapping[str, Any]:
        """Return those fields of the run's configuration that it must keep."""
        found: Mapping[str, Any] = self.state["config"]
        return found


def open_trained(
    run: Path, report: Callable[[str], None], step: int | None = None, device: torch.device | None = None
) -> Trained:
    """Open the checkpoint of a step, or the newest whole one; each damaged one that is passed over is told to `report`.

    Raises ValueError if there is none, naming the steps there are, or if it holds no model of a run.
    """
    directory = saved.directory_of(str(run))
    for attempt in range(_ATTEMPTS):
        before = saved.steps(directory)
        told: list[str] = []
        try:
            found = _read(_found(run, directory, told.append, step), device or torch.device("cpu"))
        except (ValueError, OSError):
            if saved.steps(directory) == before or attempt == _ATTEMPTS - 1:
                raise
        else:
            for message in told:
                report(message)
            return found
    raise AssertionError


def _found(run: Path, directory: Path, report: Callable[[str], None], step: int | None) -> Path:
    path = (
        saved.find_latest(directory, report, files={WEIGHTS})
        if step is None
        else saved.find_step(directory, step, {WEIGHTS})
    )
    if path is None:
        raise ValueError(f"{run}: no checkpoint")
    return path


@torch.no_grad()
def _read(path: Path, device: torch.device) -> Trained:
    try:
        state = saved.state(path)
        shape, step = named(state["config"]["model"]), int(state["step"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path / saved.STATE}: no configuration of a run: {error!r}") from None
    if sharded_files.is_sharded(path):
        table = sharded_table.read(path).state_dict_metadata
        model = _empty(shape, path, table.get(sharded_files.MODEL + _EMBEDDING), device)
        weights = {sharded_files.MODEL + name: weight for name, weight in model.state_dict().items()}
        sharded_files.fill(path, weights)
    else:
        tensors = tensor_files.load(path / WEIGHTS, mmap=True)
        found = tensors if isinstance(tensors, dict) else {}
        model = _empty(shape, path, found.get(_EMBEDDING), device)
        try:
            model.load_state_dict(found)
        except (RuntimeError, TypeError, AttributeError) as error:
            raise ValueError(f"{path / WEIGHTS}: no weights of {state['config']['model']}: {error}") from None
    return Trained(model.requires_grad_(False), step, state)


def _empty(shape: ModelConfig, path: Path, embedding: Any, device: torch.device) -> LLaMA:
    """Return a model without values, its vocabulary that of the saved embedding."""
    size = getattr(embedding, "size", None)
    size = size() if callable(size) and not isinstance(size, torch.Size) else size
    if not isinstance(size, torch.Size) or len(size) != 2:
        raise ValueError(f"{path}: its weights have no {_EMBEDDING}, so they are not those of a model")
    shape = replace(shape, vocabulary=size[0])
    with torch.device("meta"):
        model = LLaMA(shape)
    model.to_empty(device=device)
    model.rotary = rotary_table(shape, device)
    return model
