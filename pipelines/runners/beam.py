"""Jobs on Beam: the local default with a watchdog, or any engine that Beam's options name.

A wave of jobs is one pipeline (`pipelines.runners.waves`). Findings behind the choices are in docs/runners.md.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar, cast

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, SetupOptions, StandardOptions
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.transforms.environments import python_sdk_capabilities

from pipelines.files import storage
from pipelines.runners import lint, waves, worker
from pipelines.stages.jobs import Job, Shuffle

V = TypeVar("V", bound=PipelineOptions)

REFUSED = {
    "DirectRunner": "it is another engine online (Prism, downloaded) than offline; use --runner local",
    "SwitchingDirectRunner": "it is another engine online than offline; use --runner local",
    "BundleBasedDirectRunner": "it keeps everything in memory; use --runner local",
    "DaskRunner": "it gives wrong results: only the last sink runs and tagged outputs mix; use --runner local",
    "InteractiveRunner": "it caches every collection; use --runner local",
}


@dataclass(frozen=True)
class Engine:
    """An engine by Beam's name: the options that it cannot do without, and the schemes of paths that it reaches."""

    runner: str
    needs: tuple[str, ...] = ()
    schemes: tuple[str, ...] = ()


# By the names of `--runner`; Beam's own names are taken too.
ENGINES: Mapping[str, Engine] = {
    "dataflow": Engine("DataflowRunner", ("project", "region", "temp_location"), ("gs",)),
    "flink": Engine("FlinkRunner", ("flink_master",), ("s3", "gs")),
    "spark": Engine("SparkRunner", ("spark_master_url",), ("s3", "gs")),
    "portable": Engine("PortableRunner", ("job_endpoint",)),
}


class WorkerDiedError(RuntimeError):
    """A worker process ended before its work (killed, or out of memory)."""


def engine_of(runner: str) -> Engine:
    """Return the engine that a name or Beam's name stands for; raise ValueError naming those there are."""
    for name, engine in ENGINES.items():
        if runner.lower() in (name, engine.runner.lower()):
            return engine
    raise ValueError(f"--runner {runner}: there is no such runner; available: local, plain, {', '.join(ENGINES)}")


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


def check_engine(runner: str, beam_arguments: Sequence[str], output: str) -> Engine:
    """Return the engine; raise ValueError naming an option that is missing, or an output that it does not reach."""
    check(runner, beam_arguments)
    engine = engine_of(runner)
    given = {argument.partition("=")[0].removeprefix("--") for argument in beam_arguments}
    if missing := [f"--{name}" for name in engine.needs if name not in given]:
        raise ValueError(f"--runner {runner} needs {', '.join(missing)} (see docs/runners.md)")
    check_reached(runner, [output], "--output")
    return engine


def check_reached(runner: str, paths: Sequence[str], option: str = "--input") -> None:
    """Raise ValueError naming the first path that the workers of an engine do not reach."""
    schemes = engine_of(runner).schemes
    for path in paths:
        if schemes and path.partition("://")[0] not in schemes:
            right = " or ".join(f"{scheme}://" for scheme in schemes)
            raise ValueError(f"{option} {path}: the workers of {runner} cannot reach it; it must be on {right}")


def run_local(
    jobs: Sequence[Job | Shuffle],
    *,
    workers: int,
    apart: bool = False,
    nice: int = 0,
    deadline: float | None = None,
    poll: Callable[[], None] = lambda: None,
) -> None:
    """Execute one wave on this machine, one process per worker; `poll` is called a few times a second meanwhile.

    A wave of one task runs in this process, unless it is to run `apart`, beside another wave. Workers yield to other
    processes by `nice` steps. Raises WorkerDiedError if a worker process dies (Beam itself would wait for ever),
    TimeoutError after `deadline` seconds, and whatever a task raises, as RuntimeError.
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
    runner = FnApiRunner(default_environment=environment)
    _Watchdog(deadline, poll).run(lambda: _run(jobs, runner, options, workers))


def run_engine(
    jobs: Sequence[Job | Shuffle],
    *,
    engine: Engine,
    beam_arguments: Sequence[str],
    folder: str,
    deadline: float | None = None,
    poll: Callable[[], None] = lambda: None,
) -> None:
    """Execute one wave on an engine; its items are listed in a file under `folder`, which its workers reach.

    Raises RuntimeError if the engine says that the pipeline failed, TimeoutError after `deadline` seconds.
    """
    worker.listen_on_loopback()
    pipeline, files = compiled(jobs, engine=engine, beam_arguments=beam_arguments, folder=folder)

    def run() -> None:
        state = pipeline.run().wait_until_finish()
        if state not in (None, "DONE"):
            raise RuntimeError(f"{engine.runner} ended with the state {state}")

    _Watchdog(deadline, poll).run(run)
    for path in files:
        storage.remove(path)


def compiled(
    jobs: Sequence[Job | Shuffle], *, engine: Engine, beam_arguments: Sequence[str], folder: str
) -> tuple[beam.Pipeline, list[str]]:
    """Return one wave as an engine's pipeline, and its plan files.

    Raises RuntimeError if text would cross a shuffle, a key has no deterministic coder or the graph is too large.
    """
    options = PipelineOptions(list(beam_arguments))
    options.view_as(StandardOptions).runner = engine.runner
    options.view_as(SetupOptions).save_main_session = False
    pipeline = beam.Pipeline(options=options)
    files = waves.build_engine(pipeline, jobs, folder)
    if problems := list(lint.problems(pipeline)):
        raise RuntimeError(f"the graph of {jobs[0].label} is wrong: {'; '.join(problems)}")
    return pipeline, files


def _run(jobs: Sequence[Job | Shuffle], runner: FnApiRunner, options: PipelineOptions, lanes: int) -> None:
    pipeline = beam.Pipeline(runner=runner, options=options)
    waves.build_local(pipeline, jobs, lanes)
    pipeline.run().wait_until_finish()


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
        _Hook.install()
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
            raise RuntimeError(_reason(self._error)) from self._error

    def _target(self, pipeline: Callable[[], None]) -> None:
        try:
            pipeline()
        except BaseException as error:
            self._error = error
        finally:
            self._done.set()


class _Hook:
    """Hears of errors in threads: watchdogs are told of workers that died, and nobody of what ends with them.

    It stays when a pipeline is over, for some threads miss their worker late.
    """

    def __init__(self, hook: Callable[[threading.ExceptHookArgs], object]) -> None:
        self._hook = hook

    @classmethod
    def install(cls) -> None:
        """Put a hook before the one that there is, once."""
        if not isinstance(threading.excepthook, cls):
            threading.excepthook = cls(threading.excepthook)

    def __call__(self, arguments: threading.ExceptHookArgs) -> None:
        name = arguments.thread.name if arguments.thread else ""
        if name == worker.THREAD:
            for watchdog in list(_Watchdog.running):
                watchdog.death = str(arguments.exc_value)
        elif name not in worker.THREADS:
            self._hook(arguments)


def _reason(error: BaseException) -> str:
    """Return the line of a worker's traceback that says what happened."""
    lines = [line for line in str(error).splitlines() if line and not line.startswith((" ", "Traceback", "During"))]
    reasons = [line for line in lines if "Error: " in line or "Exception: " in line]
    kind = "" if isinstance(error, RuntimeError) else f"{type(error).__name__}: "
    text = reasons[-1] if reasons else kind + (lines[-1] if lines else repr(error))
    return text.partition(" [while running")[0].removeprefix("RuntimeError: ")
