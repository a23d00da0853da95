"""Where the time of a build goes: every work item with its CPU seconds, and how long the build takes on idle cores.

    work items, waves and trainings of a build, as they end ─> a table by wave ─> the same schedule on idle cores

Usage: `python benchmarks/timeline.py FILE [OPTIONS OF pipelines.corpus]`; without options it looks at a FILE that is
there. An item takes a core for its CPU seconds, whatever else the machine did meanwhile: what is computed from them
moves less than a clock where others are at work. What starting a worker costs and what the driver does are counted;
waiting for disks is not. The last line is one JSON object.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipelines import corpus
from pipelines.runners import execution
from pipelines.runners.beam import fork_server, waves

FILE = "ALTIPLANO_TIMELINE"
SERVER = "fork server"
LEAST = 0.25  # of a core is left to workers, however many trainings there are
Row = dict[str, Any]


# --- what is written down while a build runs ------------------------------------------------------------------------

_process = waves._Run.process


def write(row: Row) -> None:
    """Append a row to the file that the environment names, in one piece."""
    with Path(os.environ[FILE]).open("a", encoding="utf-8", buffering=1 << 20) as stream:
        stream.write(json.dumps({**row, "process": os.getpid()}) + "\n")


def executed(self: waves._Run, group: Any) -> None:
    """Run one work item and write down what it took; `used` is what its process has used in all."""
    start, before = time.time(), time.process_time()
    _process(self, group)
    after = time.process_time()
    stage = group[0].decode().partition("#")[0]
    write({"kind": "item", "stage": stage, "start": start, "end": time.time(), "cpu": after - before, "used": after})


def watched(kind: str, method: Callable[..., Any], names: Callable[..., Sequence[str]]) -> Callable[..., Any]:
    """Return a method of the driver that writes down the driver's own CPU seconds before and after."""

    def call(self: Any, *arguments: Any) -> Any:
        start, before = time.time(), time.process_time()
        found = method(self, *arguments)
        row = {"start": start, "end": time.time(), "before": before, "after": time.process_time()}
        write({"kind": kind, "names": sorted(names(found, *arguments)), **row})
        return found

    return call


def build(file: Path, options: Sequence[str]) -> int:
    """Build a corpus in this process and write its timeline."""
    file.unlink(missing_ok=True)
    os.environ[FILE] = str(file.absolute())
    fork_server.PRELOADED.append("benchmarks.timeline")
    importlib.import_module("benchmarks.timeline")  # what is run by workers must not be part of `__main__`
    run, trainings = execution.Execution, execution.Trainings
    with (
        patch.object(run, "__init__", watched("begin", run.__init__, lambda *_: [SERVER])),
        patch.object(run, "run", watched("wave", run.run, lambda _, jobs: [job.label for job in jobs])),
        patch.object(trainings, "start", watched("train", trainings.start, lambda _, name, jobs: [name])),
        patch.object(trainings, "ended", watched("ended", trainings.ended, lambda found, _: found)),
    ):
        code = corpus.main(options)
    watched("exit", lambda _: None, lambda _: [])(None)
    return code


# --- what is made of it ----------------------------------------------------------------------------------------------


@dataclass
class Step:
    """What the driver did: `serial` seconds alone, then a wave (or it started trainings, or heard that they ended).

    `lanes` are the CPU seconds of each process, `items` those of each work item by stage.
    """

    kind: str
    names: list[str]
    serial: float
    lanes: list[float]
    items: dict[str, list[float]] = field(default_factory=dict)


def steps(rows: Sequence[Row]) -> list[Step]:
    """Return the steps of a build, in order."""
    items = [row for row in rows if row["kind"] == "item"]
    imported = {row["process"]: row["used"] for row in rows if row["kind"] == "imported"}
    found, before = [], 0.0
    for row in (row for row in rows if row["kind"] not in ("item", "imported")):
        lanes: dict[int, float] = {}
        stages: dict[str, list[float]] = defaultdict(list)
        last = row["end"] if row["kind"] == "wave" else float("inf")
        for item in items if row["kind"] in ("wave", "train") else ():
            if item["stage"] in row["names"] and row["start"] <= item["start"] <= last:
                stages[item["stage"]].append(item["cpu"])
                lanes[item["process"]] = max(lanes.get(item["process"], 0.0), item["used"])
        if row["kind"] == "begin":
            lanes = {process: used for process, used in imported.items() if process != row["process"]}
        if row["kind"] == "wave":
            lanes[row["process"]] = row["after"] - row["before"]
        own = row["before"] if row["kind"] == "wave" else row["after"]
        found.append(Step(row["kind"], row["names"], own - before, list(lanes.values()), dict(stages)))
        before = row["after"]
    return found


class Cores:
    """A number of idle cores: what has been going on for how long."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.clock = 0.0
        self.trainings: dict[str, list[float]] = {}

    def work(self, lanes: Sequence[float]) -> None:
        """Let lanes run to their end beside the trainings, which go first."""
        left = [seconds for seconds in lanes if seconds > 0]
        while left:
            elapsed, speed = self._pass(min(left), len(left))
            left = [seconds - elapsed * speed for seconds in left if seconds - elapsed * speed > 1e-9]

    def wait(self, name: str) -> None:
        """Wait for a training."""
        while self.trainings[name]:
            self._pass(float("inf"), 0)
        del self.trainings[name]

    def _pass(self, shortest: float, lanes: int) -> tuple[float, float]:
        """Let time pass until something ends; return how much, and how fast lanes were."""
        busy = [seconds for training in self.trainings.values() for seconds in training]
        first = min(1.0, (self._count - LEAST * (lanes > 0)) / len(busy)) if busy else 1.0
        speed = min(1.0, (self._count - first * len(busy)) / lanes) if lanes else 1.0
        elapsed = min([shortest / speed, *(seconds / first for seconds in busy)])
        for name, training in self.trainings.items():
            self.trainings[name] = [s - elapsed * first for s in training if s - elapsed * first > 1e-9]
        self.clock += elapsed
        return elapsed, speed


def on_idle_cores(found: Sequence[Step], count: int) -> list[float]:
    """Return when each step ends on so many idle cores."""
    cores, ends = Cores(count), []
    for step in found:
        cores.work([step.serial])
        if step.kind in ("begin", "train"):
            cores.trainings[step.names[0]] = list(step.lanes)
        elif step.kind == "ended":
            for name in step.names:
                cores.wait(name)
        else:
            if step.kind == "wave" and len(step.lanes) > 1 and SERVER in cores.trainings:
                cores.wait(SERVER)
            cores.work(step.lanes)
        ends.append(cores.clock)
    return ends


def one_by_one(found: Sequence[Step]) -> float:
    """Return the seconds that the same items take one after the other, and the driver between them."""
    return sum(step.serial + sum(sum(cpu) for cpu in step.items.values()) for step in found)


def read(file: Path) -> list[Step]:
    """Return the steps that a file holds."""
    return steps([json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()])


def show(found: Sequence[Step], count: int) -> float:
    """Print the steps; return how long the build takes on idle cores."""
    ends = on_idle_cores(found, count)
    print(f"{'ends at':>8}{'driver':>8}  {'CPU s':>7}{'longest':>8}  what, on {count} idle cores")
    for step, end in zip(found, ends, strict=True):
        lanes = ", ".join(f"{seconds:.1f}" for seconds in sorted(step.lanes, reverse=True))
        print(f"{end:8.1f}{step.serial:8.2f}  {'':15}  {step.kind} {', '.join(step.names[:1])} [{lanes}]")
        for stage, cpu in sorted(step.items.items(), key=lambda entry: -sum(entry[1])):
            print(f"{'':16}  {sum(cpu):7.2f}{max(cpu):8.2f}  {'':4}{stage} ({len(cpu)})")
    return ends[-1]


def main() -> None:
    file, options = Path(sys.argv[1]), sys.argv[2:]
    if options and (code := build(file, options)):
        sys.exit(code)
    found = read(file)
    seconds = show(found, 2)
    print(f"{seconds:.1f} s on 2 idle cores; the same items one after the other {one_by_one(found):.1f} s")
    print(json.dumps({"items one by one beside 2 idle cores": {"ratio": round(one_by_one(found) / seconds, 2)}}))


if __name__ == "__main__":
    main()
elif FILE in os.environ and __name__ == "benchmarks.timeline":
    # Imported by the driver, and by the fork server, all of whose own work is to import.
    waves._Run.process = executed  # type: ignore[method-assign]
    write({"kind": "imported", "used": time.process_time()})
