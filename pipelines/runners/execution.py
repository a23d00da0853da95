"""How a build's jobs are executed: by the plain loop, by workers of this machine, or by an engine.

    waves      ─> one pipeline at a time, with all workers
    trainings  ─> given several workers, or an engine: a pipeline of its own for each, beside the waves

A training keeps one process busy for as long as it takes. Beside it there are on this machine as many workers as ever,
but they let it go first, so that no core is idle and what waits for the model waits no longer than it must.
"""

from __future__ import annotations

import argparse
import threading
import uuid
from collections.abc import Callable, Sequence, Set
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from itertools import count
from types import TracebackType
from typing import Any, Self

from pipelines.runners import events, fork_server
from pipelines.runners.plans import Worklist
from pipelines.stages.jobs import Job, Shuffle

YIELDING = 5  # how much nicer workers are than a training that they run beside
POLL = 0.25  # seconds

Jobs = Sequence[Job | Shuffle]


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
        begin: Callable[[Jobs], None],
        poll: Callable[[], None],
    ) -> None:
        self._options, self._beam_arguments, self._work = options, beam_arguments, work
        self._begin, self._poll = begin, poll
        self._waves = count(1)
        self._open = ExitStack()  # what a build starts once: a job server
        self._starting = threading.Lock()
        self._ending = threading.Event()  # the build ends with an error, and its jobs with it
        self.beside: Trainings | None = None
        if options.runner == "local" and options.workers > 1:
            fork_server.start()  # it imports Beam while this process does
            from pipelines.runners import worker

            self.beside = Trainings(self._train, begin, worker.kill_all, poll)
        elif options.runner not in ("local", "plain"):
            self.beside = Trainings(self._train_on_engine, begin, self._ending.set, poll)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._open:
            if self.beside is not None:
                self.beside.__exit__(kind, error, trace)

    def run(self, jobs: Jobs) -> None:
        """Execute one wave."""
        self._begin(jobs)
        options = self._options
        if options.runner == "plain":
            from pipelines.runners import plain

            plain.run(jobs)
            return
        poll = self._poll if self.beside is None else self.beside.check
        if options.runner == "local":
            nice = YIELDING if self.beside is not None and self.beside.busy else 0
            self._run_local(jobs, nice=nice, poll=poll)
            return
        self._run_on_engine(jobs, poll)

    def _run_on_engine(self, jobs: Jobs, poll: Callable[[], None]) -> None:
        from pipelines.runners import job_servers, submission
        from pipelines.runners.engines import engine_of, option_of, worker_arguments

        options, engine, plan = self._options, engine_of(self._options.runner), self._plan()
        with self._starting:
            if engine.master and option_of(self._beam_arguments, "job_endpoint") is None:
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
            name=f"altiplano-{options.recipe}-{number}",
            patience=options.patience,
            deadline=options.deadline,
            poll=poll,
        )

    def _train_on_engine(self, jobs: Jobs) -> None:
        self._run_on_engine(jobs, self._unless_ending)

    def _unless_ending(self) -> None:
        if self._ending.is_set():
            raise RuntimeError("the build has ended")

    def _train(self, jobs: Jobs) -> None:
        self._run_local(jobs, apart=True)

    def _run_local(self, jobs: Jobs, **how: Any) -> None:
        from pipelines.runners import local

        options = self._options
        local.run(jobs, self._work, self._plan(), workers=options.workers, deadline=options.deadline, **how)

    def _plan(self) -> str:
        return f"{self._options.output}/work/plan/{uuid.uuid4().hex[:16]}.plan"
