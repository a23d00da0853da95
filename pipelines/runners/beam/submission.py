"""Jobs on an engine: a wave is submitted, watched, and on any error cancelled and waited for: nothing writes on.

    plan ─ graph ─ submit ─> the engine's job ─ watched ─> DONE
                                   └ error, deadline, Ctrl-C, SIGTERM ─> cancel ─ waited for ─> CANCELLED

The driver lives as long as its jobs. Flink and Spark are reached by Beam's portable runner through a job server
(`pipelines.runners.beam.job_servers`), Dataflow by its own client.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import DebugOptions, PipelineOptions, SetupOptions, StandardOptions
from apache_beam.runners.runner import PipelineState

from pipelines.files import storage, waits
from pipelines.runners import events, plans
from pipelines.runners.beam import lint, waves, worker
from pipelines.runners.beam.engines import Engine
from pipelines.runners.beam.hooks import Hook
from pipelines.runners.errors import reason
from pipelines.runners.plans import Worklist, stem
from pipelines.stages.jobs import Job, Shuffle

POLL_SECONDS = 0.25
# Between looks at what workers have left beside the plan, until one has begun and later: each may be a request.
LOOK_SECONDS, LATER_SECONDS = 2.0, 20.0
PATIENCE_SECONDS = 600.0
# How long a cancelled job may take until it has ended, and one that is being submitted until there is one to cancel.
CANCEL_SECONDS = 120.0
SUBMIT_SECONDS = 60.0
QUIET_SECONDS = 600.0  # between two lines which say that an engine does not answer
_RETRIES = "apache_beam.utils.retry"


@dataclass
class Submission:
    """One wave on its way through an engine; `pipeline` is compiled, its plan is the file `plan`.

    Workers are to begin within `patience` seconds.
    """

    engine: Engine
    pipeline: beam.Pipeline
    plan: str
    patience: float = PATIENCE_SECONDS
    _job: Any = None
    _error: BaseException | None = None
    _last: str = ""  # the state that was told last
    _submitted: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)

    def run(self, deadline: float | None, poll: Callable[[], None]) -> Any:
        """Wait until the job is done and return Beam's result of it; whatever ends the wait early cancels the job.

        Raises RuntimeError if the engine says that the job failed or a worker that it could not start, TimeoutError
        after `deadline` seconds, or if no worker has begun in time.
        """
        started = time.monotonic()
        threading.Thread(target=self._follow, daemon=True).start()
        try:
            with waits.Wait(f"a worker of {self.engine.runner}"):
                self._watch(started, deadline, poll, until_begun=True)
            self._watch(started, deadline, poll)
            if self._error is not None:
                raise RuntimeError(f"{self.engine.runner}: {reason(self._error)}") from self._error
        except BaseException:
            self.cancel()
            raise
        return self._job

    def _watch(
        self, started: float, deadline: float | None, poll: Callable[[], None], *, until_begun: bool = False
    ) -> None:
        """Watch the job until it has ended, or only until a worker has begun."""
        next_look = 0.0
        while not self._ended.wait(POLL_SECONDS):
            poll()
            now = time.monotonic()
            if deadline is not None and now - started > deadline:
                raise TimeoutError(f"the wave did not end within {deadline:.0f} s")
            if now < next_look:
                continue
            next_look = now + (LOOK_SECONDS if until_begun else LATER_SECONDS)
            there = [path for path in storage.stamps(self.plan.rpartition("/")[0]) if path.startswith(stem(self.plan))]
            for path in there:
                if path.endswith(".failed"):
                    raise RuntimeError(f"{self.engine.runner}: {_said_last(path)}")
            if until_begun and any(path.endswith(".begun") for path in there):
                return
            if until_begun and now - started > self.patience:
                raise TimeoutError(
                    f"no worker of {self.engine.runner} has begun within {self.patience:.0f} s: there may be no free "
                    "slot, or workers cannot start (the engine's own page or log says why); --patience SECONDS waits "
                    "longer"
                )

    def _follow(self) -> None:
        try:
            self._job = self.pipeline.run()
            self._submitted.set()
            state = self._job.wait_until_finish()
            if state not in (None, PipelineState.DONE):
                raise RuntimeError(f"the job ended with the state {state}")
        except AssertionError as error:  # Beam's, who waited for a thread that had ended with another error
            lost = Hook.installed().asking
            self._error = RuntimeError(f"the job is no longer answered for: {reason(lost)}") if lost else error
        except BaseException as error:
            self._error = error
        finally:
            self._submitted.set()
            self._ended.set()

    def cancel(self) -> None:
        """Cancel the job and wait until it has ended; say so if it has not, for it may still write."""
        if not self._submitted.wait(SUBMIT_SECONDS):
            events.warn(f"{self.engine.runner} did not answer in {SUBMIT_SECONDS:.0f} s: a job may still start")
            return
        if self._job is None:
            return
        # A client asks again for ten minutes where nobody answers.
        cancelling = threading.Thread(target=self._cancel, daemon=True)
        cancelling.start()
        cancelling.join(CANCEL_SECONDS)
        if cancelling.is_alive():
            events.warn(
                f"{self.engine.runner}: the job is still {self._last or 'there'} {CANCEL_SECONDS:.0f} s after it "
                "was cancelled; end it on the engine's own page. What it still writes is refused or the same"
            )

    def _cancel(self) -> None:
        if self._state() in _ENDED:
            return
        try:
            self._job.cancel()
        except Exception as error:
            events.warn(f"{self.engine.runner}: the job could not be cancelled: {reason(error)}")
        while self._state() not in _ENDED:
            time.sleep(POLL_SECONDS)

    def _state(self) -> str | None:
        """Return the job's state, None if the engine does not say."""
        try:
            self._last = str(self._job.state)
        except Exception:
            return None
        return self._last


_ENDED = frozenset(state for state in vars(PipelineState).values() if PipelineState.is_terminal(state))


def _said_last(path: str) -> str:
    """Return the first line of what a worker left that could not start."""
    return storage.read_bytes(path).decode("utf-8", "replace").partition("\n")[0]


def run(
    jobs: Sequence[Job | Shuffle],
    work: Worklist,
    plan: str,
    *,
    engine: Engine,
    beam_arguments: Sequence[str],
    name: str,
    patience: float = PATIENCE_SECONDS,
    deadline: float | None = None,
    poll: Callable[[], None] = lambda: None,
) -> None:
    """Execute one wave on an engine, as a job of this name; its items are in the file `plan`, which workers reach.

    Errors are those of `Submission.run`.
    """
    worker.listen_on_loopback()
    Hook.installed()
    _keep_warnings()
    try:
        pipeline = compiled(jobs, work, plan, engine=engine, beam_arguments=[*beam_arguments, f"--job_name={name}"])
        events.tell("job_submitted", job=name, engine=engine.runner, link=engine.link(beam_arguments))
        job = Submission(engine, pipeline, plan, patience).run(deadline, poll)
        counted = counters(job)
        events.tell("job_finished", job=name, **counted)
        if told := difference(counted, jobs):
            events.warn(f"{name}: {told}")
    finally:
        plans.remove(plan)


def counters(job: Any) -> dict[str, int]:
    """Return what the engine counted of a job's items, by name; nothing of an engine that does not say."""
    try:
        found = job.metrics().query()["counters"]
    except Exception:
        return {}
    ours = [one for one in found if one.key.metric.namespace == waves.COUNTERS]
    totals: Counter[str] = Counter()
    for one in ours:
        totals[one.key.metric.name] += int(one.committed if one.committed is not None else one.attempted or 0)
    return dict(totals)


def difference(counted: Mapping[str, int], jobs: Sequence[Job | Shuffle]) -> str:
    """Return in what the engine's count of items differs from the build's, and why that may be; "" if it does not.

    The build's own is the truth: it is made of the manifests that are there.
    """
    done = counted.get("items", 0) + counted.get("items_done_before", 0)
    wanted = sum(len(job.elements) if isinstance(job, Job) else len(job.buckets) for job in jobs)
    if not counted or done == wanted:
        return ""
    why = "it repeated bundles whose workers were lost" if done > wanted else "it lost the counts of workers that ended"
    return f"the engine counts {done:,} items of {wanted:,}: {why}, as it seems; what is there was counted by itself"


class _Kept(logging.Handler):
    """Lets what Beam warns of be an event of the build; that an engine does not answer is also said, now and then."""

    _asked = -QUIET_SECONDS  # when a request was repeated last

    def emit(self, record: logging.LogRecord) -> None:
        """Tell of it."""
        events.tell("beam_warning", level=record.levelno, text=record.getMessage())
        if record.name == _RETRIES and isinstance(record.args, tuple):
            silent, self._asked = record.created - self._asked, record.created
            if silent > QUIET_SECONDS:
                why = " ".join(str(record.args[-2]).split())
                events.say(f"{waits.WAITING} the engine, which is asked again for some minutes ({why})")


def _keep_warnings() -> None:
    logger = logging.getLogger("apache_beam")
    logger.setLevel(logging.WARNING)
    if not any(isinstance(handler, _Kept) for handler in logger.handlers):
        logger.addHandler(_Kept())
        logger.propagate = False  # a terminal has no use for them


def compiled(
    jobs: Sequence[Job | Shuffle], work: Worklist, plan: str, *, engine: Engine, beam_arguments: Sequence[str]
) -> beam.Pipeline:
    """Write a wave's plan and return it as an engine's pipeline.

    Raises RuntimeError if text would cross a shuffle, a key has no deterministic coder or the graph is too large.
    """
    options = PipelineOptions(list(beam_arguments))
    options.view_as(StandardOptions).runner = "PortableRunner" if engine.served else engine.runner
    options.view_as(SetupOptions).save_main_session = False
    # Or Beam would have pip list this machine's packages for each wave, for a second. Only Dataflow's log tells of the
    # list, where workers have others; ours have those of the lock.
    options.view_as(DebugOptions).add_experiment("disable_logging_submission_environment")
    pipeline = beam.Pipeline(options=options)
    waves.build(pipeline, waves.planned(plan, jobs, work))
    if problems := list(lint.problems(pipeline)):
        raise RuntimeError(f"the graph of {jobs[0].label} is wrong: {'; '.join(problems)}")
    return pipeline
