"""The two shapes of work that a runner executes: each element by itself, or slices grouped by bucket.

Everything a job moves is small: work items and pointers into files. The functions are pure but for the files they write
under deterministic names, so that a plain loop (`plain.py`) is the oracle of every runner (`runners.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Job:
    """Run `process` on each element.

    `outputs` are the manifests that exist when the job is done, one per element; `weights` how much work each element
    is, in any unit (empty: all alike).
    """

    label: str
    process: Callable[[Any], None]
    elements: Sequence[Any]
    outputs: Sequence[str]
    weights: Sequence[float] = ()


@dataclass(frozen=True)
class Shuffle:
    """Split each element into (bucket, slice), group by bucket, and run `reduce` on each of `buckets`.

    Buckets that no slice falls into are reduced too, with no slices, so that each leaves its manifest.
    """

    label: str
    split: Callable[[Any], Iterable[tuple[int, Any]]]
    elements: Sequence[Any]
    reduce: Callable[[int, Sequence[Any]], None]
    buckets: Sequence[int]
    outputs: Sequence[str]
