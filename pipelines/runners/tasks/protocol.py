"""A wave as tasks: splits and items first, a shuffle's buckets when its runs are split; on any engine for tasks.

    plan ─ pieces ─ submit ─> Cluster ─ ended ─> outcomes ─ all runs of a shuffle split ─ submit its buckets ─> ... done
                                └ error, deadline, Ctrl-C, SIGTERM ─> cancel: nothing of the wave runs on

An engine for tasks is a `Cluster`. It tries a piece again whose worker or machine was lost, up to ATTEMPTS times in
all, and never one whose outcome says what our own code raised. The driver holds no pointers: they are in files.
"""

from __future__ import annotations

import heapq
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import accumulate, islice, pairwise
from typing import Protocol

from pipelines.files import storage, waits
from pipelines.runners import events, plans
from pipelines.runners.needs import Needs
from pipelines.runners.plans import Plan, Row, Worklist
from pipelines.runners.tasks import pieces
from pipelines.runners.tasks.pieces import Outcome, Piece
from pipelines.stages.jobs import Job, Shuffle

Weighed = tuple[float, Row]

ATTEMPTS = 3
POLL_SECONDS = 0.25
LOOK_SECONDS = 2.0  # between looks whether a worker has begun
FILES = 512  # of pointers, of one shuffle
LINES = 5  # of what a lost task said last


class Cluster(Protocol):
    """An engine for tasks, as one wave uses it."""

    name: str  # as in `--runner`
    link: str  # where people see the tasks

    def deal(self, weights: list[float]) -> list[list[int]]:
        """Return which items are done by one task, of items by weight; the tasks in the order of their submission."""
        ...

    def submit(self, wanted: Sequence[Piece]) -> None:
        """Take on tasks, the first of them first; returns at once."""
        ...

    def ended(self) -> Iterable[tuple[Piece, Outcome]]:
        """Return the tasks that have ended since the last call; wait for POLL_SECONDS at most."""
        ...

    def cancel(self) -> None:
        """End all tasks, and return when none runs; called once, after an error."""
        ...

    def log(self, piece: Piece) -> Sequence[str]:
        """Return the last lines of what a task said whose worker was lost."""
        ...


class TaskError(RuntimeError):
    """What our own code raised in a task, or that its worker was lost too often; `trace` is its traceback there."""

    def __init__(self, said: str, trace: str = "") -> None:
        super().__init__(said)
        if trace:
            self.__cause__ = RuntimeError(trace)


def one_by_one(weights: Sequence[float]) -> list[list[int]]:
    """Deal out each item by itself, the heaviest first."""
    return [[number] for number in sorted(range(len(weights)), key=lambda number: -weights[number])]


def packed(weights: Sequence[float], tasks: int) -> list[list[int]]:
    """Deal out items to so many tasks at most, each of about the same weight, the heaviest items first."""
    heap: list[tuple[float, int, list[int]]] = [(0.0, task, []) for task in range(min(tasks, len(weights)))]
    for (number,) in one_by_one(weights):
        load, task, found = heapq.heappop(heap)
        found.append(number)
        heapq.heappush(heap, (load + weights[number], task, found))
    return [found for _, _, found in sorted(heap, key=lambda entry: (-entry[0], entry[1]))]


@dataclass(frozen=True)
class Buckets:
    """The tasks of a shuffle's buckets, which buckets each reduces, and which chunks of runs must be split before."""

    span: range
    tasks: Sequence[Piece]
    reduced: Sequence[Sequence[int]]

    def needing(self, records: Mapping[int, int], needs: Needs) -> list[Piece]:
        """Return the tasks with the memory that so many records of each bucket need."""
        most = [max(records.get(bucket, 0) for bucket in buckets) for buckets in self.reduced]
        return [replace(task, memory=needs.of_bucket(one)) for task, one in zip(self.tasks, most, strict=True)]


@dataclass(frozen=True)
class Wave:
    """A written wave: what can be done at once, and what of each shuffle when its runs are split."""

    first: Sequence[Piece]
    shuffles: Sequence[Buckets]

    @classmethod
    def planned(cls, path: str, jobs: Sequence[Job | Shuffle], work: Worklist, cluster: Cluster, needs: Needs) -> Wave:
        """Write the plan of a wave and cut it into tasks, as the cluster deals items."""
        shuffles = [job for job in jobs if isinstance(job, Shuffle)]
        weighed = [row for job in jobs if isinstance(job, Job) for row in plans.rows_of(job)]
        groups = [_dealt(cluster, weighed)]
        groups += [_dealt(cluster, [(1.0, row) for row in plans.buckets_of(job)]) for job in shuffles]
        rows = [row for group in groups for task in group for _, row in task]
        away = cluster.name != "plain"
        plan = plans.write(
            path, rows, shuffles, work, chunk=plans.CHUNK, run=_runs_of_a_task, of_engine=away, tell_begun=away
        )
        (items, *buckets), tasks = groups, _tasks(plan, [task for group in groups for task in group], needs)
        first = [
            piece
            for shuffle, span in zip(shuffles, plan.spans, strict=True)
            for piece in pieces.split_pieces(plan, shuffle.label, span)
        ] + list(islice(tasks, len(items)))
        return cls(
            first,
            [
                Buckets(span, list(islice(tasks, len(group))), [[row.element for _, row in task] for task in group])
                for span, group in zip(plan.spans, buckets, strict=True)
            ],
        )


def _runs_of_a_task(job: Shuffle) -> int:
    """Return how many runs a task splits: with many, each bucket's task reads at most FILES files of pointers."""
    return max(plans.CHUNK, -(-len(job.elements) // FILES))


def _dealt(cluster: Cluster, weighed: Sequence[Weighed]) -> list[list[Weighed]]:
    return [[weighed[place] for place in places] for places in cluster.deal([weight for weight, _ in weighed])]


def _tasks(plan: Plan, dealt: Sequence[Sequence[Weighed]], needs: Needs) -> Iterator[Piece]:
    """Yield the task of each group of rows, as they follow each other in the plan."""
    ends = [0, *accumulate(len(rows) for rows in dealt)]
    for number, ((first, last), rows) in enumerate(zip(pairwise(ends), dealt, strict=True), len(plan.runs)):
        more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
        yield pieces.item_piece(
            plan,
            number,
            first,
            last,
            rows[0][1].key.decode() + more,
            of="" if more else pieces.file_of(rows[0][1].element),
            memory=max(needs.of_item(row.element) for _, row in rows),
            weight=sum(weight for weight, _ in rows),
        )


@dataclass
class WaveState:
    """How far a wave is: tasks that have not ended, buckets that wait for runs, and what was counted."""

    cluster: Cluster
    needs: Needs
    waiting: list[Buckets]
    left: int = 0
    split: set[int] = field(default_factory=set)
    records: dict[int, Counter[int]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def submit(self, wanted: Sequence[Piece]) -> None:
        """Give tasks to the cluster."""
        self.left += len(wanted)
        self.cluster.submit(wanted)

    def submit_ready(self) -> None:
        """Give those buckets to the cluster whose runs are all split."""
        ready = [one for one in self.waiting if self.split.issuperset(one.span)]
        self.waiting = [one for one in self.waiting if one not in ready]
        for one in ready:
            records: Counter[int] = Counter()
            for number in one.span:
                records.update(self.records.pop(number))
            self.submit(one.needing(records, self.needs))

    def take(self, piece: Piece, outcome: Outcome) -> None:
        """Take note of a task that has ended; raise TaskError if it failed."""
        if outcome.error:
            said = outcome.trace or "\n".join(self.cluster.log(piece))
            item = piece.what if outcome.item in ("", piece.name) else outcome.item
            raise TaskError(f"{item}: {outcome.error}", said)
        self.left -= 1
        self.counts.update(outcome.counts)
        if piece.splits:
            self.split.add(piece.number)
            self.records[piece.number] = Counter(outcome.records)

    def look(self) -> bool:
        """Take note of all tasks that have ended since the last look; tell whether there was one."""
        ended = list(self.cluster.ended())
        for piece, outcome in ended:
            self.take(piece, outcome)
        return bool(ended)


def run(
    jobs: Sequence[Job | Shuffle],
    work: Worklist,
    plan: str,
    *,
    cluster: Cluster,
    needs: Needs,
    name: str,
    patience: float | None = None,
    deadline: float | None = None,
    poll: Callable[[], None] = lambda: None,
) -> None:
    """Execute one wave as tasks; its items are in the file `plan`, which workers reach.

    Raises TaskError if a task fails, TimeoutError after `deadline` seconds, or if no task has begun within `patience`.
    """
    try:
        wave = Wave.planned(plan, jobs, work, cluster, needs)
        events.tell("job_submitted", job=name, engine=cluster.name, link=cluster.link)
        state = WaveState(cluster, needs, list(wave.shuffles))
        state.submit(wave.first)
        _watch(state, plan, patience, deadline, poll)
        events.tell("job_finished", job=name, **state.counts)
    except BaseException:
        cluster.cancel()
        raise
    finally:
        plans.remove(plan)


def _watch(
    state: WaveState, plan: str, patience: float | None, deadline: float | None, poll: Callable[[], None]
) -> None:
    started, name = time.monotonic(), state.cluster.name
    begun = name == "plain"  # this process is a free worker
    next_look = started + LOOK_SECONDS
    with ExitStack() as until_begun:
        if not begun:
            until_begun.enter_context(waits.Wait(f"a free worker of {name}"))
        while state.left or state.waiting:
            state.submit_ready()
            begun = state.look() or begun
            poll()
            now = time.monotonic()
            took = now - started
            if not begun and now >= next_look:
                begun, next_look = _any_begun(plan), now + LOOK_SECONDS
            if begun:
                until_begun.close()
            elif patience is not None and took > patience:
                raise TimeoutError(
                    f"no task of {name} has begun within {patience:.0f} s: there may be nothing free, or no machine "
                    "has what tasks ask for; --patience SECONDS waits longer"
                )
            if deadline is not None and took > deadline:
                raise TimeoutError(f"the wave did not end within {deadline:.0f} s")


def _any_begun(plan: str) -> bool:
    there = storage.stamps(plan.rpartition("/")[0])
    return any(path.startswith(plans.stem(plan)) and path.endswith(".begun") for path in there)
