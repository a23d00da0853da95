"""What an engine costs: how a wave scales on two nodes beside bare processes, and CPU seconds beside `local`.

    24 items of about 10 s of CPU ─> a wave on one node, on two        in turns with one bare process, and two
    24 items of nothing ─> a wave on two nodes: its fixed cost
    the sample ─> on two nodes, and by `--runner local`: CPU seconds of each stage, and of the machine

Usage: `python benchmarks/engines.py ENGINE [--items 24] [--seconds 10] [--rounds 3] [--raw data/raw]`, on a machine
where nothing else runs: each node has one CPU of it. Waves are timed from the build's own events, from the submission
of the wave to its end; Prism has no nodes, and no such waves. What an engine's own processes cost is in the machine's
seconds, which leave niced processes out, and in no stage's. The last line is one JSON object: the share of the bare
processes' speed-up (at least its bar), and CPU seconds over `local`'s (at most theirs).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pipelines.runners.tasks.protocol import packed  # noqa: E402
from tests.pipelines.runners import trying  # noqa: E402
from tests.pipelines.runners.tasks import ray_here, slurm_here  # noqa: E402

SPEED_UP_BAR = 0.9
# CPU seconds of the sample over `local`'s, in the stages and on the machine: the most that an engine should cost. Each
# task of Slurm starts a Python of its own, and Prism each wave's workers: of a small sample that is the larger part.
CPU_BARS = {"ray": (1.1, 1.2), "slurm": (2.0, 4.0), "prism": (1.1, 4.0)}
# As `tests.pipelines.runners.trying` works.
WORK = """
import sys, time
end = time.process_time() + float(sys.argv[1])
while time.process_time() < end:
    sum(range(10_000))
"""


@dataclass(frozen=True)
class Running:
    """A running engine: the options of a build on it, and the variables that it needs."""

    options: Sequence[str]
    environment: Mapping[str, str]


@contextmanager
def ray(nodes: int) -> Iterator[Running]:
    """Run a Ray of so many nodes of one CPU on this machine, whose workers are no nicer than bare processes."""
    environment = {"PYTHONPATH": str(ROOT), "RAY_worker_niceness": "0"}
    with ray_here.running(Path(sys.executable), nodes=["head", "other"][:nodes], environment=environment) as cluster:
        yield Running(["--runner", "ray", "--ray", cluster.address], {**cluster.environment, **environment})


@contextmanager
def slurm(nodes: int) -> Iterator[Running]:
    """Run a Slurm of so many nodes of one CPU on this machine."""
    if why := slurm_here.missing():
        raise SystemExit(why)
    with (
        tempfile.TemporaryDirectory() as folder,
        slurm_here.running(Path(folder, "slurm"), nodes=nodes, memory=8_000) as cluster,
    ):
        yield Running(["--runner", "slurm"], {**cluster.environment, "PYTHONPATH": str(ROOT)})


@contextmanager
def prism(nodes: int) -> Iterator[Running]:
    """Let each build run a Prism of its own, with so many workers."""
    yield Running(["--runner", "prism", "--workers", str(nodes)], os.environ)


ENGINES: Mapping[str, Callable[[int], AbstractContextManager[Running]]] = {"ray": ray, "slurm": slurm, "prism": prism}


def build(options: Sequence[str], environment: Mapping[str, str]) -> None:
    """Run a build; exit if it fails."""
    command = [sys.executable, "-P", "-m", "pipelines.corpus", *options]
    done = subprocess.run(
        command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with exit code {done.returncode}: {done.stderr[-2_000:]}")


def wave(engine: Running, seconds: Sequence[float]) -> float:
    """Return how long the first wave of a build takes, whose items take so many CPU seconds each."""
    with tempfile.TemporaryDirectory() as folder:
        # What an item weighs is the size of its file.
        items = [f"work {one}{' ' * int(100 * one)}" for one in seconds]
        log = Path(folder, "events.jsonl")
        options = [*trying.write(Path(folder, "dumps"), items), "--output", f"{folder}/corpus", "--log-json", str(log)]
        build([*options, *engine.options], engine.environment)
        rows = [json.loads(line) for line in log.read_text().splitlines()]
    begin, end = (next(row for row in rows if row["event"] == event) for event in ("job_submitted", "job_finished"))
    return (datetime.fromisoformat(end["time"]) - datetime.fromisoformat(begin["time"])).total_seconds()


def bare(processes: int, seconds: Sequence[float]) -> float:
    """Return how long so many processes take for the same work, dealt by weight beforehand."""
    begun = time.monotonic()
    loads = [sum(seconds[item] for item in items) for items in packed(seconds, processes)]
    for one in [subprocess.Popen([sys.executable, "-c", WORK, str(load)]) for load in loads]:
        one.wait()
    return time.monotonic() - begun


def scaling(engine: str, options: argparse.Namespace) -> float:
    """Time waves on one node and on two, in turns with bare processes; return the share of these' speed-up."""
    seconds = [
        round(options.seconds * (0.75 + 0.5 * item / max(1, options.items - 1)), 3) for item in range(options.items)
    ]
    found: dict[str, list[float]] = {
        "one node": [],
        "two nodes": [],
        "one process": [],
        "two processes": [],
        "fixed": [],
    }
    for turn in range(options.rounds):
        for nodes, word in ((1, "one"), (2, "two")):
            found[f"{word} process{'es' * (nodes - 1)}"].append(bare(nodes, seconds))
            with ENGINES[engine](nodes) as running:
                wave(running, [0.0] * 2)  # workers begin, and import
                found[f"{word} node{'s' * (nodes - 1)}"].append(wave(running, seconds))
                if nodes == 2:
                    found["fixed"].append(wave(running, [0.0] * options.items))
        print(
            f"round {turn + 1}: {', '.join(f'{name} {times[-1]:.1f} s' for name, times in found.items())}", flush=True
        )
    medians = {name: statistics.median(times) for name, times in found.items()}
    gained = medians["one node"] / medians["two nodes"], medians["one process"] / medians["two processes"]
    print(f"speed-up: two nodes {gained[0]:.3f}, two bare processes {gained[1]:.3f}, {gained[0] / gained[1]:.3f} of it")
    print(f"fixed cost of a wave of {options.items} items of nothing on two nodes: {medians['fixed']:.1f} s")
    return gained[0] / gained[1]


def used() -> float:
    """Return the CPU seconds that this machine has spent, but for niced processes'."""
    times = psutil.cpu_times()
    return float(times.user + times.system)


def sample(engine: str, raw: Path) -> dict[str, dict[str, float]]:
    """Build the sample on two nodes and by `local`; print the CPU seconds of both, and return ratios and their bars."""
    stages: dict[str, dict[str, float]] = {}
    machine: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder, ENGINES[engine](2) as running:
        for name, options in ((engine, running.options), ("local", ["--workers", "2"])):
            output, before = f"{folder}/{name}", used()
            build(
                ["--recipe", "sample", "--raw", str(raw.absolute()), "--output", output, *options], running.environment
            )
            machine[name] = used() - before
            sources = json.loads(Path(output, "summary.json").read_text())["sources"]
            stages[name] = {
                f"{source}/{stage['stage']}": stage["cpu_seconds"]
                for source, one in sources.items()
                for stage in one["stages"]
            }
    totals = {name: sum(one.values()) for name, one in stages.items()}
    print(f"{'CPU seconds':36} {engine:>8} {'local':>8}")
    for stage, seconds in sorted(stages["local"].items(), key=lambda row: -row[1]):
        print(f"{stage:36} {stages[engine].get(stage, 0.0):8.2f} {seconds:8.2f}")
    for what, both in (("all stages", totals), ("the machine", machine)):
        print(f"{what:36} {both[engine]:8.2f} {both['local']:8.2f}")
    stages_bar, machine_bar = CPU_BARS[engine]
    return {
        f"{engine}, CPU of the stages beside local": _ratio(totals[engine] / totals["local"], stages_bar),
        f"{engine}, CPU of the machine beside local": _ratio(machine[engine] / machine["local"], machine_bar),
    }


def _ratio(found: float, bar: float) -> dict[str, float]:
    return {"ratio": round(found, 3), "bar": bar}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("--items", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=10.0, help="of CPU of an item, on average")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--raw", type=Path, default=ROOT / "data/raw")
    options = parser.parse_args()
    found = {}
    if options.engine != "prism":
        share = scaling(options.engine, options)
        found[f"{options.engine}, share of the bare processes' speed-up"] = _ratio(share, SPEED_UP_BAR)
    if options.raw.is_dir():
        found |= sample(options.engine, options.raw)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
