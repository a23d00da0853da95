"""Jobs on this machine: Beam's local runner, which is never told that a worker died, and a watchdog that tells it.

True of Beam 2.77's FnApiRunner: it waits for ever for a worker process that is gone (`tests/pipelines/runners/
test_local.py` fails when it does not), and parses its options dozens of times a wave.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import ClassVar, TypeVar, cast

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, SetupOptions
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.transforms.environments import python_sdk_capabilities

from pipelines.files import storage
from pipelines.runners.beam import waves, worker
from pipelines.runners.beam.hooks import Hook
from pipelines.runners.errors import reason
from pipelines.runners.plans import Worklist
from pipelines.stages.jobs import Job, Shuffle

V = TypeVar("V", bound=PipelineOptions)


class WorkerDiedError(RuntimeError):
    """A worker process ended before its work (killed, or out of memory)."""


def run(
    jobs: Sequence[Job | Shuffle],
    work: Worklist,
    plan: str,
    *,
    workers: int,
    apart: bool = False,
    nice: int = 0,
    deadline: float | None = None,
    poll: Callable[[], None] = lambda: None,
) -> None:
    """Execute one wave on this machine, one process per worker; `poll` is called a few times a second meanwhile.

    Its plan is the file `plan` while it runs. A wave of one task runs in this process, unless it is to run `apart`,
    beside another wave. Workers yield to other processes by `nice` steps. Raises WorkerDiedError if a worker process
    dies (Beam itself would wait for ever), TimeoutError after `deadline` seconds, and whatever a task raises, as
    RuntimeError.
    """
    tasks = sum(len(job.elements) if isinstance(job, Job) else len(job.buckets) for job in jobs)
    workers = min(workers, tasks)
    options = _Options(["--direct_running_mode", "in_memory", "--direct_num_workers", str(workers)])
    options.view_as(SetupOptions).save_main_session = False
    environment = None
    if workers > 1 or apart:
        # What `--direct_running_mode multi_processing` does, with our own worker processes.
        environment = worker.Forked(nice, capabilities=python_sdk_capabilities())
    worker.listen_on_loopback()
    worker.print_no_tracebacks()
    planned = waves.planned(plan, jobs, work, lanes=workers)

    def execute() -> None:
        pipeline = beam.Pipeline(runner=FnApiRunner(default_environment=environment), options=options)
        # One worker has all of it anyway, and Beam much less to compile.
        waves.build(pipeline, planned, spread=workers > 1)
        pipeline.run().wait_until_finish()

    try:
        _Watchdog(deadline, poll).run(execute)
    finally:
        storage.remove(plan)


class _Options(PipelineOptions):
    """Options with views that are made once: Beam asks dozens of times a wave, and parses them all each time."""

    def __init__(self, flags: Sequence[str]) -> None:
        super().__init__(list(flags))
        object.__setattr__(self, "_views", {})  # PipelineOptions takes other attributes for options

    def view_as(self, cls: type[V]) -> V:
        """Return the view; all views share the options' values."""
        if cls not in self._views:
            self._views[cls] = super().view_as(cls)
        return cast(V, self._views[cls])


class _Watchdog:
    """Runs a pipeline in a thread and ends it when a worker process dies, which Beam's local runner never notices.

    Of pipelines that run beside each other, all end when a worker of one dies.
    """

    running: ClassVar[list[_Watchdog]] = []

    def __init__(self, deadline: float | None, poll: Callable[[], None]) -> None:
        self._deadline = deadline
        self._poll = poll
        self._done = threading.Event()
        self._error: BaseException | None = None
        self.death: str | None = None

    def run(self, pipeline: Callable[[], None]) -> None:
        Hook.installed().told[worker.THREAD] = _tell
        # What a task raises comes back as this process' exception; Beam's logs would say it several times more.
        logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
        started = time.monotonic()
        thread = threading.Thread(target=self._target, args=(pipeline,), daemon=True)
        self.running.append(self)
        try:
            thread.start()
            while not self._done.wait(0.25):
                self._poll()
                if self.death is not None:
                    raise WorkerDiedError(
                        f"a worker process died: {self.death}; run again to continue where it stopped"
                    )
                if self._deadline is not None and time.monotonic() - started > self._deadline:
                    raise TimeoutError(f"the wave did not end within {self._deadline:.0f} s")
        except BaseException:
            worker.kill_all()
            for found in threading.enumerate():
                if found.name == worker.THREAD:
                    found.join(5)  # so that what it says of its killed worker is heard here
            raise
        finally:
            self.running.remove(self)
        if self._error is not None:
            raise RuntimeError(reason(self._error)) from self._error

    def _target(self, pipeline: Callable[[], None]) -> None:
        try:
            pipeline()
        except BaseException as error:
            self._error = error
        finally:
            self._done.set()


def _tell(death: str) -> None:
    for watchdog in list(_Watchdog.running):
        watchdog.death = death
