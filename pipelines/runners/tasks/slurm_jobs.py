"""Jobs of Slurm by its commands: what they say, which jobs have not ended, how they ended, and what a driver leaves."""

from __future__ import annotations

import re
import shlex
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from pipelines.files import storage
from pipelines.hashing import digest_of
from pipelines.runners import events
from pipelines.runners.needs import MORE_MEMORY
from pipelines.runners.plans import Worklist
from pipelines.runners.tasks.protocol import POLL_SECONDS

ASK_SECONDS = 5.0  # between questions to Slurm's controller
CANCEL_SECONDS = 90.0  # a job has 30 of them after its first signal
# That a node may take to see the lock, with what a shared folder remembers of what was not there; and to be free.
LOOK_SECONDS, FREE_SECONDS = 30.0, 8.0
UNSEEN = 3  # the exit code of a look that does not see it
_LIVING = ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "REQUEUED", "REQUEUE_HOLD", "SUSPENDED", "STOPPED")
# Why trying again is no use, by the state of a job that has ended, or its exit code and signal.
_FINAL = {
    "OUT_OF_MEMORY": f"it needs more memory than it asked for: {MORE_MEMORY}, or --slurm-args=--mem=SIZE",
    "TIMEOUT": "its time is over: --slurm-time gives more",
    "CANCELLED": "somebody cancelled it",
    "0:53": "its node could not open its log there: all nodes must share the folder of --output",
}


def said(*command: str, given: str | None = None) -> str:
    """Return what a command of Slurm prints; ValueError with its last line if it fails."""
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()
        raise ValueError(f"--runner slurm: {command[0]} says: {lines[-1].partition('error: ')[2] or lines[-1]}")
    return done.stdout


class AwayError(RuntimeError):
    """Slurm's controller does not answer."""


def living(jobs: Sequence[str]) -> set[str]:
    """Return the tasks of some jobs that have not ended, as JOB_PLACE; AwayError if it cannot be known."""
    found: set[str] = set()
    for job in jobs:  # of several at once, one that is known no more would hide the others
        command = ["squeue", "--noheader", "--array", f"--jobs={job}", "--format=%F_%K %T"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode and "Invalid job id" not in done.stderr:
            raise AwayError(done.stderr.strip().rpartition("\n")[2])
        rows = [line.split() for line in done.stdout.splitlines()]
        found |= {name for name, state in rows if state in _LIVING}
    return found


def end(jobs: Sequence[str]) -> None:
    """End jobs, and wait until none is there."""
    subprocess.run(["scancel", *jobs], capture_output=True, check=False)
    limit = time.monotonic() + CANCEL_SECONDS
    while time.monotonic() < limit:
        with suppress(AwayError):
            if not living(jobs):
                return
        time.sleep(POLL_SECONDS)
    events.warn(f"slurm: jobs {', '.join(jobs)} are not known to have ended; what they still write is refused")


@dataclass
class Record:
    """The jobs of a build that may still run, in a file for a driver that comes after this one."""

    path: str
    build: str  # as in the lock
    made_of: str  # what the build's tasks are made of
    jobs: list[str] = field(default_factory=list)

    @classmethod
    def left(cls, output: str) -> Record | None:
        """Return what an earlier driver left, with its jobs that are still there; ValueError if Slurm does not say."""
        found = storage.read_json(path := f"{output}/work/slurm.json")
        try:
            there = {name.partition("_")[0] for name in living(found["jobs"])} if found else set()
            return cls(path, **found | {"jobs": [job for job in found["jobs"] if job in there]}) if there else None
        except AwayError as error:
            raise ValueError(f"--runner slurm: jobs of an earlier build may run, and squeue says: {error}") from error

    def change(self, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        """Take note of jobs that were submitted, or have ended."""
        self.jobs = [job for job in [*self.jobs, *add] if job not in remove]
        content = {"build": self.build, "made_of": self.made_of, "jobs": self.jobs}
        storage.write_json(self.path, content) if self.jobs else storage.remove(self.path)

    def wait(self, work: Worklist, poll: Callable[[], None]) -> None:
        """Wait until the jobs have ended; end them first if the build that begins is of something else."""
        names = ", ".join(self.jobs)
        if self.made_of != digest_of(work.facts):
            events.say(f"slurm: jobs {names}, of another recipe or other sources, are ended")
            end(self.jobs)
        else:
            events.say(f"slurm: jobs {names} of an earlier start of this build go on, and are waited for")
        while living(self.jobs):
            poll()
            time.sleep(ASK_SECONDS)
        self.change(remove=self.jobs)


def look(lock: str, arguments: Sequence[str], record: Record) -> str:
    """Return the node that does not see the output's lock, "" if one sees it, or none is free to look at once.

    The job is noted: a controller that is killed may begin with it again.
    """
    seen = f"for second in 0 1 2 3 4 5 6 7 8 9; do test -e {shlex.quote(lock)} && exit 0; sleep 1; done; exit {UNSEEN}"
    options = ["--job-name=altiplano-look", "--output=/dev/null", "--mem=16M", *arguments]
    job = said("sbatch", "--parsable", *options, given=f"#!/bin/sh\n{seen}\n").strip().partition(";")[0]
    record.change(add=[job])
    begun = time.monotonic()
    while (took := time.monotonic() - begun) < LOOK_SECONDS:
        time.sleep(POLL_SECONDS)
        facts = _facts(job)
        if facts.get("JobState") not in _LIVING:
            return facts.get("NodeList", "a node") if facts.get("ExitCode") == f"{UNSEEN}:0" else ""
        if facts["JobState"] == "PENDING" and took > FREE_SECONDS:
            break
    end([job])
    return ""


def _facts(task: str) -> dict[str, str]:
    done = subprocess.run(["scontrol", "show", "job", task, "--oneliner"], capture_output=True, text=True, check=False)
    return dict(re.findall(r"(\w+)=(\S*)", done.stdout))


def end_of(task: str) -> tuple[str, str]:
    """Return why trying a task again is no use, or "", and how it ended; Slurm forgets it after some minutes."""
    found = _facts(task)
    state, code, node = (found.get(name, "unknown") for name in ("JobState", "ExitCode", "NodeList"))
    return _FINAL.get(state, _FINAL.get(code, "")), f"{state}, exit code and signal {code}, on {node}"
