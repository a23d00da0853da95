"""Tasks on Slurm: a wave as arrays of jobs, by nothing but sbatch, squeue, scontrol, scancel and a shared folder.

    tasks ─ lists beside the plan ─ sbatch --array ─> jobs ─> OUTPUT/work/plan/PLAN-NUMBER.done
                     └ killed, or gone without an outcome: again, up to three times in all

A job whose node fails is put back by Slurm itself. OUTPUT/work/slurm.json names the jobs that may still run: they go on
if the driver is killed, and the next driver waits for them, as the same build, before it looks what is left to do.
"""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from pipelines.files import storage
from pipelines.hashing import digest_of
from pipelines.runners import events, plans
from pipelines.runners.needs import MORE_MEMORY
from pipelines.runners.plans import Worklist
from pipelines.runners.tasks import slurm_jobs, written
from pipelines.runners.tasks.pieces import Outcome, Piece
from pipelines.runners.tasks.protocol import ATTEMPTS, LINES, POLL_SECONDS, TaskError, packed
from pipelines.runners.tasks.slurm_jobs import AwayError, Record

COMMANDS = ("sbatch", "squeue", "scontrol", "scancel")
GONE_SECONDS = 10.0  # that a shared folder may take to show what an ended task left
AWAY_SECONDS = 600.0  # that the controller may be away
# A stage reads about a megabyte a second. A task is to take minutes, and at least longer than its own start.
TASK_BYTES, LEAST_BYTES = 100e6, 5e6
TASKS_OF_A_CPU = 4  # if there are items for so many: none waits long for the last one
UNKNOWN = 1.0  # the weight of an item that says nothing of how much work it is
MEGABYTE = 1 << 20


def check(output: str) -> None:
    """Raise ValueError if Slurm's commands are not there, or the output is no folder."""
    if missing := [name for name in COMMANDS if shutil.which(name) is None]:
        raise ValueError(f"--runner slurm: there is no {missing[0]} on the PATH; build on a login node of Slurm")
    if storage.is_remote(output):
        raise ValueError(f"--output {output}: --runner slurm needs a folder that all nodes share; inputs may be remote")


@dataclass(frozen=True)
class Site:
    """What a site allows, and what the user says: the largest array, CPUs, options of sbatch."""

    largest: int
    cpus: int
    arguments: tuple[str, ...]

    @classmethod
    def asked(cls, options: argparse.Namespace) -> Site:
        """Ask the controller; raise ValueError if it does not answer."""
        config, nodes = (
            slurm_jobs.said("scontrol", "show", "config"),
            slurm_jobs.said("scontrol", "show", "nodes", "--oneliner"),
        )
        largest = re.search(r"MaxArraySize\s*=\s*(\d+)", config)
        named = {"time": options.slurm_time, "partition": options.slurm_partition, "account": options.slurm_account}
        arguments = [f"--{name}={value}" for name, value in named.items() if value]
        return cls(
            largest=max(1, int(largest[1]) - 1) if largest else 1_000,
            cpus=max(1, sum(map(int, re.findall(r"CPUTot=(\d+)", nodes)))),
            arguments=(*arguments, *shlex.split(options.slurm_args or "")),
        )


@contextmanager
def connected(options: argparse.Namespace, work: Worklist) -> Iterator[Callable[[str], Slurm]]:
    """Ask what the site allows; give what makes a wave's own part of it.

    Raises ValueError if the controller does not answer, or a node does not see the output.
    """
    build = work.fence.build if work.fence else ""
    site, record = Site.asked(options), Record(f"{options.output}/work/slurm.json", build, digest_of(work.facts))
    if work.fence and (node := slurm_jobs.look(work.fence.lock, site.arguments, record)):
        record.change(remove=record.jobs)
        raise ValueError(
            f"--output {options.output}: {node} of Slurm does not see it, or another folder of that name: let it be a "
            "folder that all nodes share, by its absolute path"
        )
    yield lambda name: Slurm(site, record, name)
    # A controller that was killed may have forgotten that jobs are done, and begin with them again.
    with suppress(AwayError):
        if slurm_jobs.living(record.jobs):
            slurm_jobs.end(record.jobs)
    record.change(remove=record.jobs)


class Slurm:
    """One wave's tasks as arrays of jobs."""

    name = "slurm"

    def __init__(self, site: Site, record: Record, wave: str) -> None:
        self._site, self._record, self._wave = site, record, wave
        self.link = f"squeue --name={wave}"
        self._arrays = count()
        self._jobs: list[str] = []
        self._running: dict[str, tuple[Piece, int]] = {}  # by JOB_PLACE, and which attempt it is
        self._logs: dict[int, str] = {}
        self._missing: dict[str, float] = {}  # since when a task is not there, nor its outcome
        self._next_question = self._answered = time.monotonic()

    def deal(self, weights: list[float]) -> list[list[int]]:
        """Pack items so that a task takes minutes, but each CPU gets some and no array is larger than it may be."""
        size = sum(weight for weight in weights if weight > UNKNOWN)
        some = weights.count(UNKNOWN) + int(size / LEAST_BYTES)
        cpus = self._site.cpus
        wanted = max(cpus, min(cpus * TASKS_OF_A_CPU, some), int(size / TASK_BYTES))
        return packed(weights, min(wanted, self._site.largest))

    def submit(self, wanted: Sequence[Piece], attempt: int = 1) -> None:
        """Submit tasks as arrays, those that need as much memory together; TaskError if the site refuses them."""
        by_memory: dict[int, list[Piece]] = defaultdict(list)
        for piece in wanted:
            by_memory[-(-piece.memory // MEGABYTE)].append(piece)
        for megabytes, found in by_memory.items():
            for start in range(0, len(found), self._site.largest):
                self._submit(found[start : start + self._site.largest], megabytes, attempt)

    def _submit(self, wanted: Sequence[Piece], megabytes: int, attempt: int) -> None:
        number = next(self._arrays)
        listed = written.write(number, wanted)
        log = f"{plans.stem(wanted[0].header.path)}-{number:02x}"
        command = [sys.executable, "-P", "-m", "pipelines.runners.tasks.written", listed.path, listed.sha256.hex()]
        script = f'#!/bin/sh\nexec {shlex.join(command)} "$SLURM_ARRAY_TASK_ID"\n'
        options = [f"--array=0-{len(wanted) - 1}", f"--job-name={self._wave}", f"--mem={megabytes or 1}M"]
        options += ["--cpus-per-task=1", "--requeue", "--open-mode=append", f"--output={log.replace('%', '%%')}%6a.log"]
        try:
            said = slurm_jobs.said("sbatch", "--parsable", *options, *self._site.arguments, given=script)
        except ValueError as error:
            asked = f"{wanted[0].what}, which asks for {megabytes:,} MB of memory: {error}"
            raise TaskError(f"{asked}; if it is too much: {MORE_MEMORY}") from error
        job = said.strip().partition(";")[0]
        self._jobs.append(job)
        self._record.change(add=[job])
        for place, piece in enumerate(wanted):
            self._running[f"{job}_{place}"] = piece, attempt
            self._logs[piece.number] = f"{log}{place:06d}.log"

    def ended(self) -> Iterator[tuple[Piece, Outcome]]:
        """Yield the tasks that have left an outcome, or were lost too often; others that were lost are tried again."""
        time.sleep(POLL_SECONDS)
        if not self._running:
            return
        folder = next(iter(self._running.values()))[0].header.path.rpartition("/")[0]
        there = storage.stamps(folder)
        for name, (piece, _) in list(self._running.items()):
            path = plans.beside(piece.header.path, piece.number, "done")
            if path in there:
                del self._running[name]
                yield piece, written.outcome(path)
        if self._running and time.monotonic() >= self._next_question:
            self._next_question = time.monotonic() + slurm_jobs.ASK_SECONDS
            yield from self._lost()

    def _lost(self) -> Iterator[tuple[Piece, Outcome]]:
        now = time.monotonic()
        try:
            living = slurm_jobs.living(self._jobs)
        except AwayError as error:
            if now - self._answered > AWAY_SECONDS:
                raise TimeoutError(f"slurm: the controller is away since {AWAY_SECONDS:.0f} s: {error}") from error
            return  # jobs go on without it
        self._answered = now
        self._missing = {name: self._missing.get(name, now) for name in self._running if name not in living}
        for name in [name for name, since in self._missing.items() if now - since > GONE_SECONDS]:
            piece, attempt = self._running.pop(name)
            final, why = slurm_jobs.end_of(name)
            said = self.log(piece)
            item = written.begun(said) or piece.what
            if final or attempt == ATTEMPTS:
                last = f"; it said last: {said[-1]}" if said else ""
                yield piece, Outcome(item=item, error=(final or f"it was lost {ATTEMPTS} times: {why}") + last)
            else:
                events.warn(f"{item}: its task was lost ({why}); it is done again")
                self.submit([piece], attempt + 1)

    def cancel(self) -> None:
        """End all jobs of the wave, and wait until none is there."""
        if self._jobs:
            slurm_jobs.end(self._jobs)
            self._record.change(remove=self._jobs)

    def log(self, piece: Piece) -> Sequence[str]:
        """Return the last lines of a task's log."""
        path = Path(self._logs.get(piece.number, ""))
        return path.read_text(errors="replace").splitlines()[-LINES:] if path.is_file() else []
