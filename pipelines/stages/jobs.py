"""The two shapes of work that a runner executes: each element by itself, or slices grouped by bucket.

Everything a job moves is small: work items and pointers into files. The functions are pure but for the files they write
under deterministic names, so that a plain loop over them is the oracle of every runner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from pipelines.files.current import not_current


@dataclass(frozen=True)
class Job:
    """Run `process` on each element.

    `outputs` are the manifests that exist when the job is done, one per element; `weights` how much work each element
    is, in any unit (empty: all alike); `identities` what the manifests will say, so that an element which was done in
    the meantime is not done again (empty: all are, whatever there is).
    """

    label: str
    process: Callable[[Any], None]
    elements: Sequence[Any]
    outputs: Sequence[str]
    weights: Sequence[float] = ()
    identities: Sequence[str] = ()


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
    identities: Sequence[str] = ()


class Task(Protocol):
    """A unit of work that leaves one manifest."""

    @property
    def manifest(self) -> str:
        """The path of the manifest."""
        ...

    @property
    def identity(self) -> str:
        """What identifies the result."""
        ...


T = TypeVar("T", bound=Task)


def pending(
    label: str,
    process: Callable[[Any], None],
    tasks: Sequence[T],
    weigh: Callable[[Sequence[T]], Sequence[float]] = lambda tasks: (),
) -> list[Job]:
    """Return the job of those tasks whose results are not there, none if all are; `weigh` says how much each is."""
    wanted = not_current(tasks, lambda task: (task.manifest, task.identity))
    if not wanted:
        return []
    identities = [task.identity for task in wanted]
    return [Job(label, process, wanted, [task.manifest for task in wanted], weigh(wanted), identities)]


def not_done(step: Job | Shuffle, identity: str) -> list[Job | Shuffle]:
    """Return what of a step is not there, of results that all have one identity; nothing if all of it is."""
    wanted = [number for number, _ in not_current(list(enumerate(step.outputs)), lambda row: (row[1], identity))]
    if not wanted:
        return []
    outputs, identities = [step.outputs[number] for number in wanted], [identity] * len(wanted)
    if isinstance(step, Shuffle):
        buckets = [step.buckets[number] for number in wanted]
        return [replace(step, buckets=buckets, outputs=outputs, identities=identities)]
    elements = [step.elements[number] for number in wanted]
    weights = [step.weights[number] for number in wanted] if step.weights else ()
    return [replace(step, elements=elements, outputs=outputs, weights=weights, identities=identities)]


def first_not_done(steps: Iterable[Job | Shuffle], identity: str) -> list[Job | Shuffle]:
    """Return what is left of the first of some steps that is not done."""
    for step in steps:
        if rest := not_done(step, identity):
            return rest
    return []
