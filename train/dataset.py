"""The mixture's k-th sequence from the mapped shards, and which k belongs to which rank and micro-batch.

    step -> Steps -> [k, ...] -> SequenceDataset -> Batch

A sequence is T tokens and the next one: sequence s of a source is tokens [sT, sT + T + 1) of its stream, across
documents and shards. Neighbours share one token, the last target of one being the first input of the next, so every
token but the stream's first is predicted once an epoch and none is cropped but the tail, which the plan counts.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from train import signals
from train.corpus import Stream
from train.mixture import Mixture

PATIENCE = 50.0  # seconds for a batch of a loader's process to come


class Batch(NamedTuple):
    """Sequences side by side: `tokens` of shape (n, T + 1) and the number of their `source`, shape (n,), both int64."""

    tokens: Tensor
    source: Tensor


class SequenceDataset(Dataset[Batch]):
    """Random access to the mixture by k; it holds the maps of the shards and nothing per sequence."""

    def __init__(self, mixture: Mixture, streams: Sequence[Stream], length: int) -> None:
        self.mixture = mixture
        self.streams = streams
        self.length = length

    def __getitem__(self, k: int) -> Batch:
        return self.__getitems__([k])

    def __getitems__(self, ks: Sequence[int]) -> Batch:
        """Return the sequences of these ks; raise ValueError for a token outside the vocabulary."""
        draw = self.mixture.at(ks)
        rows = np.empty((len(ks), self.length + 1), np.int64)
        for row, source, sequence in zip(rows, draw.source.tolist(), draw.sequence.tolist(), strict=True):
            start = sequence * self.length
            row[:] = self.streams[source].read(start, start + self.length + 1)
        vocabulary = self.streams[0].manifest.vocabulary
        if rows.max(initial=0) >= vocabulary:
            number = int(draw.source[np.argmax(rows.max(axis=1))])
            name = self.streams[number].manifest.source
            raise ValueError(f"{name}: its shards hold token {rows.max()}, but the vocabulary has {vocabulary}")
        return Batch(torch.from_numpy(rows), torch.from_numpy(draw.source))


@dataclass(frozen=True)
class Steps(Sampler[list[int]]):
    """The ks of a rank's micro-batches from step `first` up to `stop`.

    Step s of a global batch of B sequences is k in [sB, sB + B), whatever the number of ranks; rank r of w takes every
    w-th from the r-th, in micro-batches of `micro`. Raises ValueError if B does not divide into them.
    """

    first: int
    stop: int
    batch: int
    micro: int
    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        if self.micro < 1 or self.batch < 1 or self.batch % (self.world * self.micro):
            raise ValueError(
                f"batch_sequences is {self.batch}: it must be a multiple of {self.world} ranks x "
                f"{self.micro} sequences of a micro-batch"
            )

    def __len__(self) -> int:
        return (self.stop - self.first) * self.batch // (self.world * self.micro)

    def __iter__(self) -> MicroBatches:
        return MicroBatches(self)


class MicroBatches(Iterator[list[int]]):
    """The micro-batches of `Steps` from one k on; its state is that k alone.

    `state_dict` and `load_state_dict` are what torchdata's StatefulDataLoader asks of a batch sampler's iterator. A
    state that another number of ranks or another micro-batch left is taken up where those come to the end of theirs.
    """

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._k = steps.first * steps.batch

    def __next__(self) -> list[int]:
        steps = self._steps
        if self._k >= steps.stop * steps.batch:
            raise StopIteration
        start, self._k = self._k, self._k + steps.micro * steps.world
        return list(range(start + steps.rank, self._k, steps.world))

    def state_dict(self) -> dict[str, int]:
        """Return the state: how many sequences of the mixture all ranks together have taken."""
        return {"k": self._k}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from a state; raise ValueError for a k that is none of the ends of these micro-batches."""
        steps, k = self._steps, state["k"]
        if not steps.first * steps.batch <= k <= steps.stop * steps.batch or k % (steps.micro * steps.world):
            raise ValueError(
                f"k is {k}: steps {steps.first} to {steps.stop} of {steps.batch} sequences, in micro-batches of "
                f"{steps.micro} on {steps.world} ranks, have no micro-batch that begins there"
            )
        self._k = k


def loader(dataset: SequenceDataset, steps: Steps, workers: int = 0, pin: bool = False) -> Iterator[Batch]:
    """Return the micro-batches; the order is the same for any number of workers.

    What workers read comes through a pipe, by value: shared memory may be small or full. Raises ValueError if they
    cannot be started, and later if one ends, fails, or gives nothing for PATIENCE seconds.
    """
    if not workers:
        return (_pinned(batch, pin) for batch in DataLoader(dataset, batch_sampler=steps, collate_fn=_whole))
    try:
        multiprocessing.Lock()  # as each of its queues has: a loader that fails half made leaves a traceback behind
        arrays = iter(
            DataLoader(
                dataset,
                batch_sampler=steps,
                num_workers=workers,
                collate_fn=_by_value,
                timeout=PATIENCE,
                worker_init_fn=signals.leave_to_parent,
            )
        )
    except OSError as error:
        raise ValueError(
            f"the loader's processes cannot be started: {error}: is /dev/shm full? Free it, or give --workers 0"
        ) from None
    return _received(arrays, workers, pin)


def _received(arrays: Iterator[Any], workers: int, pin: bool) -> Iterator[Batch]:
    while True:
        try:
            found = next(arrays, None)
        except (RuntimeError, ValueError, OSError) as error:
            # What a worker raised comes with its traceback, of which the last line says what it was.
            said = (str(error).strip().splitlines() or ["no reason is known"])[-1]
            raise ValueError(f"the loader's processes ({workers}): {said} (--workers 0 does without them)") from None
        if found is None:
            return
        yield _pinned(Batch(*map(torch.from_numpy, found)), pin)


def _pinned(batch: Batch, pin: bool) -> Batch:
    return Batch(batch.tokens.pin_memory(), batch.source.pin_memory()) if pin else batch


def _whole(batch: Any) -> Any:
    return batch  # __getitems__ has stacked it already


def _by_value(batch: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    return batch.tokens.numpy(), batch.source.numpy()
