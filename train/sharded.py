"""Checkpoints that every rank writes its own part of, and that any other number of ranks reads.

    tensors of each rank -> copied to the CPU -> written by a thread (DCP's files) -> digests of each rank's files
        -> gathered -> manifest, rename, by the first rank

The directory and its guarantees are `checkpoint`'s: whole or not there, checksums of every file, no code executed on
loading. All ranks see one file system.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.checkpoint.staging import DefaultStager, StagingOptions
from torch.distributed.checkpoint.state_dict_saver import save as save_now
from torch.distributed.tensor import DTensor, distribute_tensor

from model import saved, sharded_files
from model.sharded_files import MODEL, OPTIMIZER, alone
from model.sharded_table import METADATA
from train import checkpoint
from train.parallel import World


def tensors_of(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return every tensor of a run by name, as this rank holds it; an optimiser's state that is not there is made."""
    names = {id(weight): name for name, weight in model.named_parameters()}
    state = {MODEL + name: weight for name, weight in model.state_dict().items()}
    for group in optimizer.param_groups:
        for weight in group["params"]:
            if weight not in optimizer.state:
                optimizer.state[weight] = {
                    "step": torch.zeros((), dtype=torch.float32, device=weight.device if group["fused"] else "cpu"),
                    "exp_avg": torch.zeros_like(weight),
                    "exp_avg_sq": torch.zeros_like(weight),
                }
            for key, value in optimizer.state[weight].items():
                state[f"{OPTIMIZER}{names[id(weight)]}.{key}"] = value
    return state


T = TypeVar("T")


class Saver:
    """Writes the checkpoints of a run into a directory, one at a time."""

    def __init__(self, directory: Path, keep: int, world: World) -> None:
        self._directory, self._keep, self._world = directory, keep, world
        self._group = None if world.mesh is None else dist.new_group(backend="gloo")
        self._pool = ThreadPoolExecutor(1, "checkpoint")
        self._pending: Future[None] | None = None

    def save(self, step: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Start to write a checkpoint, once the one before is done; the tensors may change when this returns.

        Raises OSError if the one before could not be written.
        """
        self.wait()
        temporary = self._directory / f".{saved.name(step)}.sharded"
        if self._world.first:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
        self._barrier()
        copies = DefaultStager(StagingOptions(False, False, False, False)).stage(dict(tensors))
        assert isinstance(copies, dict)
        self._pending = self._pool.submit(self._write, copies, temporary, step, dict(state))

    @property
    def has_failed(self) -> bool:
        """Tell whether what was being written could not be: `wait` will raise it."""
        return self._pending is not None and self._pending.done() and self._pending.exception() is not None

    def wait(self) -> None:
        """Return when nothing is being written; raise OSError if what was could not be."""
        if self._pending is not None:
            pending, self._pending = self._pending, None
            pending.result()

    def close(self) -> None:
        """Wait, and end the thread."""
        try:
            self.wait()
        finally:
            self._pool.shutdown()

    def _write(self, copies: dict[str, Tensor], temporary: Path, step: int, state: Mapping[str, Any]) -> None:
        writer = FileSystemWriter(temporary, single_file_per_rank=True, sync_files=True)
        rank = 0 if self._group is None else dist.get_rank()
        try:
            with alone():
                save_now(copies, storage_writer=writer, process_group=self._group, no_dist=self._group is None)
            written = self._gathered(lambda: dict(checkpoint.digests(temporary, f"__{rank}_*")))
            files = {name: digest for mine in written for name, digest in mine.items()}
            self._gathered(lambda: self._seal(temporary, step, files, state))
        except BaseException as error:
            if self._world.first:
                shutil.rmtree(temporary, ignore_errors=True)
            raise OSError(f"checkpoint of step {step} could not be written: {_cause(error)}") from error

    def _seal(self, temporary: Path, step: int, files: checkpoint.Digests, state: Mapping[str, Any]) -> None:
        if self._world.first:
            table = checkpoint.digests(temporary, METADATA)
            checkpoint.seal(temporary, self._directory / saved.name(step), {**files, **table}, state, self._keep)

    def _gathered(self, work: Callable[[], T]) -> list[T]:
        """Return what the work gave on every rank; raise OSError on all of them if it failed on one."""
        if self._group is None:
            return [work()]
        mine: tuple[T | None, str | None]
        try:
            mine = work(), None
        except (OSError, ValueError, RuntimeError) as error:
            mine = None, str(error)
        everyone: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(everyone, mine, group=self._group)
        for _, failure in everyone:
            if failure is not None:
                raise OSError(failure)
        return [found for found, _ in everyone]

    def _barrier(self) -> None:
        if self._group is not None:
            dist.barrier(self._group)


def load(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Fill this rank's parts of a run from a checkpoint of any number of ranks; errors as `sharded_files.fill`'s."""
    sharded_files.fill(path, tensors_of(model, optimizer))


@torch.no_grad()
def fill(model: nn.Module, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Any]) -> None:
    """Fill this rank's parts of a run from the whole tensors that a single process has saved."""
    mine = tensors_of(model, optimizer)
    whole = {MODEL + name: value for name, value in tensors["model"].items()}
    names = {id(weight): name for name, weight in model.named_parameters()}
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    for number, weight in enumerate(weights):
        for key, value in tensors["optimizer"]["state"].get(number, {}).items():
            whole[f"{OPTIMIZER}{names[id(weight)]}.{key}"] = value
    for name, value in mine.items():
        if name in whole:
            _copy(value, whole[name])


def _copy(part: Tensor, whole: Tensor) -> None:
    if isinstance(part, DTensor):
        whole = whole.to(part.device_mesh.device_type)
        cut = distribute_tensor(whole, part.device_mesh, part.placements, src_data_rank=None)
        part.to_local().copy_(cut.to_local())
    else:
        part.copy_(whole)


def _cause(error: BaseException) -> BaseException:
    """Return what failed on the first rank that failed: the text of PyTorch's exception holds each rank's traceback."""
    failures = list(error.failures.values()) if isinstance(error, CheckpointException) else []
    return failures[0][0] if failures else error
