"""Jobs on Beam: the local default with a watchdog, or any engine that Beam's options name.

One wave of jobs is one pipeline with one GroupByKey: what a job only distributes and what it shuffles share it.

    Create(elements) ──────────────────────────────┐
    Create(elements to split) ─ Reshuffle ─ split ─┴─ Flatten ─ GroupByKey ─ process / reduce (they write files)

Only pickled work items and pointers travel. Findings behind the choices are in docs/runners.md.
"""

from __future__ import annotations

import heapq
import logging
import pickle
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, SetupOptions, StandardOptions
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.transforms.environments import python_sdk_capabilities

from pipelines import worker
from pipelines.jobs import Job, Shuffle

REFUSED = {
    "DirectRunner": "it is another engine online (Prism, downloaded) than offline; use --runner local",
    "SwitchingDirectRunner": "it is another engine online than offline; use --runner local",
    "BundleBasedDirectRunner": "it keeps everything in memory; use --runner local",
    "DaskRunner": "it gives wrong results: only the last sink runs and tagged outputs mix; use --runner local",
    "InteractiveRunner": "it caches every collection; use --runner local",
}


class WorkerDiedError(RuntimeError):
    """A worker process ended before its work (killed, or out of memory)."""


def check(runner: str, beam_arguments: Sequence[str]) -> None:
    """Raise ValueError naming the reason if a runner, or a mode of it, is known to be wrong."""
    for name, reason in REFUSED.items():
        if runner.lower() in (name.lower(), name.lower().removesuffix("runner")):
            raise ValueError(f"--runner {runner} is refused: {reason}")
    text = " ".join(beam_arguments)
    if "multi_threading" in text or "data_buffer_time_limit_ms" in text:
        raise ValueError(
            "--direct_running_mode multi_threading and data_buffer_time_limit_ms are refused: "
            "they lose elements silently; use --runner local"
        )


def run_local(
    jobs: Sequence[Job | Shuffle],
    *,
    workers: int,
    deadline: float | None = None,
    poll: Callable[[], None] = lambda: None,
) -> None:
    """Execute one wave on this machine, one process per worker; `poll` is called a few times a second meanwhile.

    A wave of one task runs in this process. Raises WorkerDiedError if a worker process dies (Beam itself would wait for
    ever), TimeoutError after `deadline` seconds, and whatever a task raises, as RuntimeError.
    """
    tasks = sum(len(job.elements) if isinstance(job, Job) else len(job.buckets) for job in jobs)
    workers = min(workers, tasks)
    options = PipelineOptions(["--direct_running_mode", "in_memory", "--direct_num_workers", str(workers)])
    options.view_as(SetupOptions).save_main_session = False
    environment = None
    if workers > 1:
        # What `--direct_running_mode multi_processing` does, with our own worker processes.
        environment = worker.Forked(capabilities=python_sdk_capabilities())
    runner = FnApiRunner(default_environment=environment)
    _Watchdog(deadline, poll).run(lambda: _run(jobs, runner, options, workers))


def run_engine(jobs: Sequence[Job | Shuffle], *, runner: str, beam_arguments: Sequence[str]) -> None:
    """Execute one wave on the engine that Beam knows as `runner`."""
    options = PipelineOptions(list(beam_arguments))
    options.view_as(StandardOptions).runner = runner
    _run(jobs, None, options, lanes=1)


def _run(jobs: Sequence[Job | Shuffle], runner: FnApiRunner | None, options: PipelineOptions, lanes: int) -> None:
    pipeline = beam.Pipeline(runner=runner, options=options)
    build(pipeline, jobs, lanes)
    pipeline.run().wait_until_finish()


def build(pipeline: beam.Pipeline, jobs: Sequence[Job | Shuffle], lanes: int = 1) -> None:
    """Add one wave of jobs to a pipeline."""
    elements = _balanced([task for job in jobs if isinstance(job, Job) for task in _tasks(job)], lanes)
    groups = [pipeline | "work items" >> beam.Create(elements)] if elements else []
    for job in jobs:
        if isinstance(job, Shuffle):
            groups += _shuffled(pipeline, job)
    (groups | beam.Flatten() | "by bucket" >> beam.GroupByKey() | "run" >> beam.Map(_execute))


def _tasks(job: Job) -> Iterator[tuple[float, str, bytes]]:
    weights = job.weights or [1.0] * len(job.elements)
    for number, (element, weight) in enumerate(zip(job.elements, weights, strict=True)):
        yield weight, f"{job.label}#{number:08d}", pickle.dumps((job.process, element, False))


def _shuffled(pipeline: beam.Pipeline, job: Shuffle) -> list[Any]:
    buckets = [(_key(job.label, bucket), pickle.dumps((job.reduce, bucket, True))) for bucket in job.buckets]
    split = (
        pipeline
        | f"{job.label}: runs" >> beam.Create([pickle.dumps(element) for element in job.elements])
        | f"{job.label}: spread" >> beam.Reshuffle()
        | f"{job.label}: slices"
        >> beam.FlatMap(_split, job.label, job.split, frozenset(job.buckets)).with_output_types(tuple[bytes, bytes])
    )
    return [pipeline | f"{job.label}: buckets" >> beam.Create(buckets), split]


def _key(label: str, bucket: int) -> bytes:
    return f"{label}#{bucket:08d}".encode()


def _split(
    element: bytes, label: str, split: Callable[[Any], Iterable[tuple[int, Any]]], wanted: frozenset[int]
) -> Iterator[tuple[bytes, bytes]]:
    for bucket, found in split(pickle.loads(element)):
        if bucket in wanted:
            yield _key(label, bucket), b"slice" + pickle.dumps(found)


def _execute(group: tuple[bytes, Iterable[bytes]]) -> None:
    """Run one task: the value that is no slice says what to call, the slices are what it is called with."""
    _, values = group
    call, slices = None, []
    for value in values:
        if value.startswith(b"slice"):
            slices.append(pickle.loads(value[5:]))
        elif value:
            call = pickle.loads(value)
    if call is None:  # a filler of `_balanced`
        return
    function, argument, shuffled = call
    if shuffled:
        function(argument, slices)
    else:
        function(argument)


def _balanced(tasks: Sequence[tuple[float, str, bytes]], lanes: int) -> list[tuple[bytes, bytes]]:
    """Order tasks so that dealing them out round robin, as the local runner does, gives each lane the same work.

    The heaviest task goes to the emptiest lane; lanes are made equally long with empty fillers.
    """
    heap: list[tuple[float, int, list[tuple[bytes, bytes]]]] = [(0.0, lane, []) for lane in range(lanes)]
    for weight, key, value in sorted(tasks, key=lambda task: (-task[0], task[1])):
        load, lane, found = heapq.heappop(heap)
        found.append((key.encode(), value))
        heapq.heappush(heap, (load + weight, lane, found))
    columns = [found for _, _, found in sorted(heap, key=lambda entry: entry[1])]
    height = max(len(column) for column in columns)
    ordered = []
    for row in range(height):
        for lane, column in enumerate(columns):
            ordered.append(column[row] if row < len(column) else (f"filler#{row}-{lane}".encode(), b""))
    return ordered


class _Watchdog:
    """Runs a pipeline in a thread and ends it when a worker process dies, which Beam's local runner never notices."""

    def __init__(self, deadline: float | None, poll: Callable[[], None]) -> None:
        self._deadline = deadline
        self._poll = poll
        self._done = threading.Event()
        self._error: BaseException | None = None
        self._death: str | None = None

    def run(self, pipeline: Callable[[], None]) -> None:
        before = threading.excepthook
        threading.excepthook = self._on_thread_error
        # What a task raises comes back as this process' exception; Beam's logs would say it several times more.
        logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
        started = time.monotonic()
        thread = threading.Thread(target=self._target, args=(pipeline,), daemon=True)
        try:
            thread.start()
            while not self._done.wait(0.25):
                self._poll()
                if self._death is not None:
                    raise WorkerDiedError(f"a worker process died: {self._death}; run again to go on where it stopped")
                if self._deadline is not None and time.monotonic() - started > self._deadline:
                    raise TimeoutError(f"the wave did not end within {self._deadline:.0f} s")
        except BaseException:
            worker.kill_all()
            for found in threading.enumerate():
                if found.name == worker.THREAD:
                    found.join(5)  # so that what it says of its killed worker is heard here
            raise
        finally:
            threading.excepthook = before
        if self._error is not None:
            raise RuntimeError(_reason(self._error)) from None

    def _target(self, pipeline: Callable[[], None]) -> None:
        try:
            pipeline()
        except BaseException as error:
            self._error = error
        finally:
            self._done.set()

    def _on_thread_error(self, arguments: threading.ExceptHookArgs) -> None:
        if arguments.thread is not None and arguments.thread.name == worker.THREAD:
            self._death = str(arguments.exc_value)


def _reason(error: BaseException) -> str:
    """Return the line of a worker's traceback that says what happened."""
    lines = [line for line in str(error).splitlines() if line and not line.startswith((" ", "Traceback", "During"))]
    reasons = [line for line in lines if "Error: " in line or "Exception: " in line]
    kind = "" if isinstance(error, RuntimeError) else f"{type(error).__name__}: "
    text = reasons[-1] if reasons else kind + (lines[-1] if lines else repr(error))
    return text.partition(" [while running")[0]
