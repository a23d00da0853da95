"""The build as a graph: nodes that become ready as others finish, run together wave by wave.

    source node    one stage of one source        identities <- content of the inputs, recipe part, models, version
    other nodes    models, tokenizer, tokens      the same rule over what they read

Each work item of a node leaves a manifest with its identity; an item whose manifest is there with the same identity is
not run again. Between waves there is a barrier: only files and manifests go from one to the next. A training, which
keeps one process busy however many there are, can run beside the waves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from typing import Protocol

from pipelines.stages.jobs import Job, Shuffle


@dataclass(frozen=True)
class Node:
    """One step of the build: `plan()` answers the jobs that are still to be run, once all `needs` are done.

    A `training` is long work of one process, which gains nothing from more workers.
    """

    name: str
    needs: tuple[str, ...]
    plan: Callable[[], Sequence[Job | Shuffle]]
    training: bool = False


class Beside(Protocol):
    """What runs trainings beside the waves: see `pipelines.runners.execution`."""

    def start(self, name: str, jobs: Sequence[Job | Shuffle]) -> None:
        """Start the jobs of a training."""
        ...

    def ended(self, wait_for_one: bool) -> Set[str]:
        """Return the trainings that have ended since the last call, at least one if wanted; raise what one raised."""
        ...


def needed(nodes: Sequence[Node], names: Iterable[str]) -> list[Node]:
    """Return the nodes with these names, as far as they exist, and all that they need, in the same order."""
    needs = {node.name: node.needs for node in nodes}
    wanted: set[str] = set()
    left = [name for name in names if name in needs]
    while left:
        name = left.pop()
        if name not in wanted:
            wanted.add(name)
            left += needs[name]
    return [node for node in nodes if node.name in wanted]


def run_waves(
    nodes: Sequence[Node],
    execute: Callable[[Sequence[Job | Shuffle]], None],
    finished: Callable[[Node], None] = lambda node: None,
    beside: Beside | None = None,
) -> None:
    """Run all nodes: in each wave the jobs of every node whose needs are done, together.

    Given something that runs trainings `beside` the waves, those nodes go first that most trainings wait for, so that
    the others are left to fill the time of the trainings. A node that plans other work than it had after a wave (first
    what its work needs, then the work) has another turn. Raises ValueError if a node needs one that does not exist or
    the needs form a cycle, RuntimeError if work left no result.
    """
    run = _Run(nodes, execute, finished, beside)
    while run.turn():
        pass


class _Run:
    """The nodes that are done and not, and the trainings that run beside the waves."""

    def __init__(
        self,
        nodes: Sequence[Node],
        execute: Callable[[Sequence[Job | Shuffle]], None],
        finished: Callable[[Node], None],
        beside: Beside | None,
    ) -> None:
        self._execute, self._finished, self._beside = execute, finished, beside
        self._waiting = {node.name: node for node in nodes}
        self._done: set[str] = set()
        self._beside_plans: dict[str, Sequence[Job | Shuffle]] = {}
        self._trainings: dict[str, set[str]] = {node.name: set() for node in nodes}  # that wait for a node
        for training in nodes if beside is not None else ():
            for node in needed(nodes, training.needs) if training.training else ():
                self._trainings[node.name].add(training.name)

    def turn(self) -> bool:
        """Start the trainings that can start, run a wave or wait for a training; tell whether anything is left."""
        if not self._waiting:
            return False
        ready = [
            node
            for node in self._waiting.values()
            if self._done.issuperset(node.needs) and node.name not in self._beside_plans
        ]
        if not ready and not self._beside_plans:
            needs = ", ".join(f"{node.name} needs {node.needs}" for node in self._waiting.values())
            raise ValueError(f"nothing can run: {needs}")
        trainings = [node for node in ready if self._beside is not None and node.training]
        for node in trainings:
            self._start(node)
        wave = self._foremost([node for node in ready if node not in trainings])
        self._run(wave)
        if self._beside is not None and self._beside_plans:
            for name in sorted(self._beside.ended(not wave and not trainings)):
                self._settle(self._waiting[name], self._beside_plans.pop(name))
        return True

    def _start(self, training: Node) -> None:
        assert self._beside is not None
        plan = training.plan()
        if plan:
            self._beside_plans[training.name] = plan
            self._beside.start(training.name, plan)
        else:
            self._settle(training, plan)

    def _foremost(self, ready: Sequence[Node]) -> list[Node]:
        """Return the nodes that most of the trainings wait for that have not begun."""
        begun = self._done | self._beside_plans.keys()
        waiting = [len(self._trainings[node.name] - begun) for node in ready]
        return [node for node, count in zip(ready, waiting, strict=True) if count == max(waiting)]

    def _run(self, wave: Sequence[Node]) -> None:
        plans = [node.plan() for node in wave]
        jobs = [job for plan in plans for job in plan]
        if jobs:
            self._execute(jobs)
        for node, plan in zip(wave, plans, strict=True):
            self._settle(node, plan)

    def _settle(self, node: Node, plan: Sequence[Job | Shuffle]) -> None:
        """Take a node off the list, unless it now plans other work than what was run."""
        left = _outputs(node.plan()) if plan else set()
        if left & _outputs(plan):
            raise RuntimeError(f"{node.name}: the runner came back, but {len(left)} results are missing")
        if not left:
            del self._waiting[node.name]
            self._done.add(node.name)
            self._finished(node)


def _outputs(jobs: Sequence[Job | Shuffle]) -> set[str]:
    return {path for job in jobs for path in job.outputs}
