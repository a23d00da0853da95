"""How a build's jobs are executed: as pipelines of Beam, here or on an engine, or as independent tasks.

    waves      ─> one pipeline at a time, or one wave of tasks, with all workers
    trainings  ─> given several workers, or an engine: a wave of its own for each, beside the others

A training keeps one process busy for as long as it takes. Beside it there are on this machine as many workers as ever,
but they let it go first, so that no core is idle and what waits for the model waits no longer than it must.
"""

from __future__ import annotations

import argparse
import threading
import uuid
from collections.abc import Callable, Sequence, Set
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, nullcontext
from itertools import count
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pipelines.runners import choice, events, plans
from pipelines.runners.beam import fork_server
from pipelines.runners.needs import Needs
from pipelines.runners.plans import Worklist
from pipelines.stages.jobs import Job, Shuffle

if TYPE_CHECKING:
    from pipelines.runners.tasks.protocol import Cluster
    from pipelines.runners.tasks.slurm_jobs import Record

YIELDING = 5  # how much nicer workers are than a training that they run beside
POLL = 0.25  # seconds

Jobs = Sequence[Job | Shuffle]


def left(options: argparse.Namespace) -> Record | None:
    """Return the jobs that an earlier driver of a build left on Slurm, which go on without it; None if there are none.

    Raises ValueError if Slurm does not answer.
    """
    if options.runner != "slurm":
        return None
    from pipelines.runners.tasks.slurm_jobs import Record

    return Record.left(options.output)


class Trainings:
    """Runs trainings in threads, which wait for worker processes; `kill` ends all workers after an error."""

    def __init__(
        self,
        execute: Callable[[Jobs], None],
        begin: Callable[[Jobs], None],
        kill: Callable[[], None],
        poll: Callable[[], None],
    ) -> None:
        self._execute, self._begin, self._kill, self._poll = execute, begin, kill, poll
        self._threads = ThreadPoolExecutor(thread_name_prefix="training")
        self._running: dict[str, Future[None]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while wait(self._running.values(), POLL if error else None).not_done:
            self._kill()  # again, for a training may just be starting a worker
        self._threads.shutdown()

    @property
    def busy(self) -> bool:
        """Whether a training is running."""
        return any(not future.done() for future in self._running.values())

    def start(self, name: str, jobs: Jobs) -> None:
        """Start the jobs of a training."""
        self._begin(jobs)
        self._running[name] = self._threads.submit(self._execute, jobs)

    def check(self) -> None:
        """Raise what a training raised; show how far the others are."""
        for future in self._running.values():
            if future.done():
                future.result()
        self._poll()

    def ended(self, wait_for_one: bool) -> Set[str]:
        """Return the trainings that have ended since the last call, at least one if wanted; raise what one raised."""
        while wait_for_one and not wait(self._running.values(), POLL, FIRST_COMPLETED).done:
            self._poll()
        self.check()
        ended = {name for name, future in self._running.items() if future.done()}
        self._running = {name: future for name, future in self._running.items() if name not in ended}
        return ended


class Execution:
    """Executes the waves of one build as its options say, and trainings beside them.

    `begin` is called with the jobs of each, `poll` a few times a second meanwhile; both by the thread of the build.
    """

    def __init__(
        self,
        options: argparse.Namespace,
        beam_arguments: Sequence[str],
        work: Worklist,
        needs: Needs,
        begin: Callable[[Jobs], None],
        poll: Callable[[], None],
    ) -> None:
        self._options, self._beam_arguments, self._work, self._needs = options, beam_arguments, work, needs
        self._tell, self._poll = begin, poll
        self._waves = count(1)
        self._name = uuid.uuid4().hex[:4]  # no two jobs of Dataflow that run at once may have one name
        self._open = ExitStack()  # what a build starts once: a job server, a connection to a cluster
        self._connected: Callable[[str], Cluster] | None = None
        self._starting = threading.Lock()
        self._ending = threading.Event()  # the build ends with an error, and its jobs with it
        self.beside: Trainings | None = None
        if options.runner == "local" and options.workers > 1:
            fork_server.start()  # it imports Beam while this process does
            from pipelines.runners.beam import worker

            self.beside = Trainings(self._train, begin, worker.kill_all, poll)
        elif not choice.on_this_machine(options.runner):
            self.beside = Trainings(self._train_elsewhere, self._begin, self._ending.set, poll)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._open:
            if self.beside is not None:
                self.beside.__exit__(kind, error, trace)
        plans.remove_left(self._options.output)

    def _begin(self, jobs: Jobs) -> None:
        """Begin with jobs, in the thread of the build: only there may a cluster's client look after signals."""
        if self._connected is None and not choice.on_beam(self._options.runner) and self._options.runner != "local":
            self._connected = self._open.enter_context(self._connection())
        self._tell(jobs)

    def run(self, jobs: Jobs) -> None:
        """Execute one wave."""
        self._begin(jobs)
        poll = self._poll if self.beside is None else self.beside.check
        if self._options.runner == "local":
            nice = YIELDING if self.beside is not None and self.beside.busy else 0
            self._run_local(jobs, nice=nice, poll=poll)
        else:
            self._run_elsewhere(jobs, poll)

    def _run_elsewhere(self, jobs: Jobs, poll: Callable[[], None]) -> None:
        if choice.on_beam(self._options.runner):
            self._run_on_engine(jobs, poll)
        else:
            self._run_tasks(jobs, poll)

    def _run_tasks(self, jobs: Jobs, poll: Callable[[], None]) -> None:
        from pipelines.runners.tasks import protocol

        assert self._connected is not None
        name = f"altiplano-{self._options.recipe}-{next(self._waves)}"
        protocol.run(
            jobs,
            self._work,
            self._plan(),
            cluster=self._connected(name),
            needs=self._needs,
            name=name,
            patience=self._options.patience,
            deadline=self._options.deadline,
            poll=poll,
        )

    def _connection(self) -> AbstractContextManager[Callable[[str], Cluster]]:
        """Return what opens the way to a cluster, once a build; it gives what makes each wave's own."""
        if self._options.runner == "ray":
            from pipelines.runners.tasks import ray

            return ray.connected(self._options, self._work.fence)
        if self._options.runner == "slurm":
            from pipelines.runners.tasks import slurm

            return slurm.connected(self._options, self._work)
        from pipelines.runners.tasks.plain import Plain

        return nullcontext(lambda name: Plain())

    def _run_on_engine(self, jobs: Jobs, poll: Callable[[], None]) -> None:
        from pipelines.runners.beam import job_servers, submission
        from pipelines.runners.beam.engines import engine_of, option_of, worker_arguments

        options, engine, plan = self._options, engine_of(self._options.runner), self._plan()
        with self._starting:
            if engine.served and option_of(self._beam_arguments, "job_endpoint") is None:
                master = option_of(self._beam_arguments, engine.master) or ""
                server = job_servers.running(engine.runner, master, options.job_server)
                self._beam_arguments = [*self._beam_arguments, f"--job_endpoint={self._open.enter_context(server)}"]
        number = next(self._waves)
        if number == 1:
            if endpoint := option_of(self._beam_arguments, "job_endpoint"):
                job_servers.check_endpoint(endpoint)
            events.say(f"{engine.runner}: jobs altiplano-{options.recipe}-N, {engine.link(self._beam_arguments)}")
        submission.run(
            jobs,
            self._work,
            plan,
            engine=engine,
            beam_arguments=[*self._beam_arguments, *worker_arguments(engine, self._beam_arguments, plan)],
            name=f"altiplano-{options.recipe}-{number}-{self._name}",
            patience=options.patience,
            deadline=options.deadline,
            poll=poll,
        )

    def _train_elsewhere(self, jobs: Jobs) -> None:
        self._run_elsewhere(jobs, self._unless_ending)

    def _unless_ending(self) -> None:
        if self._ending.is_set():
            raise RuntimeError("the build has ended")

    def _train(self, jobs: Jobs) -> None:
        self._run_local(jobs, apart=True)

    def _run_local(self, jobs: Jobs, **how: Any) -> None:
        from pipelines.runners.beam import local

        options = self._options
        local.run(jobs, self._work, self._plan(), workers=options.workers, deadline=options.deadline, **how)

    def _plan(self) -> str:
        return f"{self._options.output}/work/plan/{uuid.uuid4().hex[:16]}.plan"
