"""One machine, growing input: peak memory and CPU of a whole build of the web sources, and what a second worker buys.

    the sample's WET files ─ variants: new URLs, two lines of three changed ─> 0.2, 0.6 and 2 GB of text
    wikipedia, common_crawl, c4 ─> documents ─> tokenizer ─> token shards, with 2 workers, and the largest with 1

Usage: `python benchmarks/scale.py [--raw data/raw] [--gigabytes 0.2 0.6 2] [--workers 2] [--rounds 1] [--picture X]`.
Memory is the proportional set size of all processes together, looked at twice a second; CPU is that of all processes.
Of several rounds the shortest counts. Where others are at work a clock says little: "idle s" is how long the schedule
takes on as many idle cores as there are workers, computed from the CPU seconds of each work item (see `timeline.py`);
"items s" is what the same items take one after the other, with what the driver does alone.
What the machine itself allows is measured with processes that only compute. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import gzip
import json
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
from fastwarc import ArchiveIterator, WarcRecordType

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import timeline
from pipelines.hashing import share

ROOT = Path(__file__).resolve().parent.parent
GROWTH_BAR, WORKERS_BAR = 1.3, 1.7
SOURCES = ("common_crawl", "c4")
CHANGED = 2 / 3  # share of the lines that a variant changes: the others are duplicates of each other


@dataclass(frozen=True)
class Measured:
    """One build: text read, wall and CPU seconds, on idle cores and one item by one; bytes of memory."""

    gigabytes: float
    workers: int
    seconds: float
    cpu: float
    idle: float
    items: float
    peak: int


def pages(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (URL, text) of a WET file."""
    with path.open("rb") as stream:
        for record in ArchiveIterator(stream, record_types=WarcRecordType.conversion):
            yield record.headers["WARC-Target-URI"], record.reader.read().decode()


def variant(number: int, text: str) -> str:
    """Return the text with a word put into two thirds of its lines: of letters, as CCNet takes all digits for one."""
    word = "".join(chr(ord("a") + int(digit)) for digit in f"{number:04d}")
    lines = text.split("\n")
    return "\n".join(line.replace(" ", f" {word} ", 1) if share("scale", line) < CHANGED else line for line in lines)


def write_variant(source: Path, target: Path, number: int) -> int:
    """Write a WET file like `source`; return the bytes of its text."""
    size = 0
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as stream:
        for count, (url, text) in enumerate(pages(source)):
            body = variant(number, text).encode()
            size += len(body)
            identity = f"{number:08d}-0000-0000-0000-{count:012d}"
            head = (
                "WARC/1.0\r\nWARC-Type: conversion\r\n"
                f"WARC-Target-URI: {url}{'&' if '?' in url else '?'}v={number}\r\n"
                f"WARC-Date: 2019-04-20T00:00:00Z\r\nWARC-Record-ID: <urn:uuid:{identity}>\r\n"
                f"Content-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            stream.write(gzip.compress(head.encode() + body + b"\r\n\r\n", 1, mtime=0))
    return size


def write(raw: Path, folder: Path, gigabytes: Sequence[float]) -> list[tuple[float, list[Path]]]:
    """Write variants until the largest size is reached; return (gigabytes, files) for each size."""
    originals = [path for source in SOURCES for path in sorted((raw / source).glob("*.gz"))]
    found: list[tuple[float, list[Path]]] = []
    files: list[Path] = []
    size = number = 0
    for wanted in sorted(gigabytes):
        while size < wanted * 1e9:
            original = originals[number % len(originals)]
            round_ = number // len(originals)
            files.append(folder / original.parent.name / f"{round_:04d}-{original.name}")
            size += write_variant(original, files[-1], round_)
            number += 1
        found.append((size / 1e9, list(files)))
    return found


def measure(raw: Path, output: Path, gigabytes: float, files: Sequence[Path], workers: int) -> Measured:
    """Build the corpus of these files in a process of its own."""
    rows = output.with_name("timeline.jsonl")
    command = [sys.executable, str(ROOT / "benchmarks/timeline.py"), str(rows)]
    command += ["--output", str(output), "--workers", str(workers)]
    for path in files:
        command += ["--input", f"{path.parent.name}={path}"]
    command += ["--input", f"wikipedia={raw}/wikipedia/*.bz2", "--raw", str(raw)]
    for setting in ("keep_staged=false", "excerpts=0.01", "buckets=256"):
        command += ["--set", setting]
    before, started, peak = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic(), 0
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        while process.poll() is None:
            peak = max(peak, memory(process.pid))
            time.sleep(0.5)
        log.seek(0)
        assert process.returncode == 0, log.read()[-2000:]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    seconds = time.monotonic() - started
    shutil.rmtree(output)
    found = timeline.read(rows)
    idle, items = timeline.on_idle_cores(found, workers)[-1], timeline.one_by_one(found)
    return Measured(gigabytes, workers, seconds, cpu, idle, items, peak)


def best(rounds: Sequence[Measured]) -> Measured:
    """Return the least of each figure; of memory the most."""
    least = {name: min(getattr(row, name) for row in rounds) for name in ("seconds", "cpu", "idle", "items")}
    return replace(rounds[0], **least, peak=max(row.peak for row in rounds))


def compute(_: int) -> tuple[float, float]:
    """Count words for a second or so; return wall and CPU seconds."""
    started, before = time.monotonic(), time.process_time()
    counts: dict[int, int] = {}
    for number in range(4_000_000):
        word = number * 2_654_435_761 % 100_003
        counts[word] = counts.get(word, 0) + 1
    return time.monotonic() - started, time.process_time() - before


def ceiling(workers: int, rounds: int = 5) -> tuple[float, float]:
    """Return how much more processes that only compute get done than one does: by the clock, and by CPU seconds."""
    with multiprocessing.Pool(workers) as pool:
        alone = [pool.map(compute, range(1)) for _ in range(rounds)]
        together = [pool.map(compute, range(workers), chunksize=1) for _ in range(rounds)]
    clock, cpu = (
        workers
        * min(max(each[what] for each in one) for one in alone)
        / min(max(each[what] for each in many) for many in together)
        for what in (0, 1)
    )
    return clock, cpu


def memory(pid: int) -> int:
    """Return the bytes that a process and its descendants hold together, what they share counted once."""
    total = 0
    try:
        processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for process in processes:
        try:
            total += process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
            continue
    return total


def draw(rows: Sequence[Measured], path: Path) -> None:
    """Draw peak memory and CPU against input."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    sizes = [row.gigabytes for row in rows]
    axes[0].plot(sizes, [row.peak / 1e9 for row in rows], marker="o", color="#2a6f97")
    axes[0].set(xlabel="text read, GB", ylabel="GB", title="peak memory of all processes", ylim=0)
    axes[1].plot(sizes, [row.cpu / 60 for row in rows], marker="o", color="#bc6c25")
    axes[1].set(xlabel="text read, GB", ylabel="CPU minutes", title="CPU", ylim=0)
    for axis in axes:
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", type=Path, default=Path("data/raw"))
    parser.add_argument("--gigabytes", type=float, nargs="+", default=[0.2, 0.6, 2.0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--output", type=Path, default=Path("data/benchmarks/scale"))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=arguments.output))  # removed at the end: nothing that was there before
    sizes = write(arguments.raw, folder / "raw", arguments.gigabytes)
    head = ("GB", "files", "workers", "wall s", "CPU s", "idle s", "items s", "CPU s/GB", "peak MB")
    print("".join(f"{name:>9}" for name in head), flush=True)
    rows = []
    for gigabytes, files in sizes:
        for workers in sorted({arguments.workers, 1}, reverse=True) if files == sizes[-1][1] else [arguments.workers]:
            measured = (
                measure(arguments.raw, folder / "corpus", gigabytes, files, workers) for _ in range(arguments.rounds)
            )
            rows.append(row := best(list(measured)))
            figures = (row.seconds, row.cpu, row.idle, row.items, row.cpu / gigabytes, row.peak / 1e6)
            print(
                f"{gigabytes:9.2f}{len(files):9}{workers:9}" + "".join(f"{figure:9.0f}" for figure in figures),
                flush=True,
            )
    shutil.rmtree(folder)
    many, one = ([row for row in rows if row.workers == workers] for workers in (arguments.workers, 1))
    if arguments.picture:
        draw(many, arguments.picture)
    print(json.dumps(results(many, one)))


def results(many: Sequence[Measured], one: Sequence[Measured]) -> dict[str, dict[str, float]]:
    """Return the ratios: memory of the largest input beside the smallest, and workers beside one at the largest."""
    workers = many[0].workers
    growth = f"peak memory, {many[-1].gigabytes / many[0].gigabytes:.0f} times the input"
    clock, cpu = ceiling(workers)
    name = f"{workers} workers beside 1, {many[-1].gigabytes:.1f} GB"
    return {
        growth: {"ratio": round(many[-1].peak / many[0].peak, 2), "bar": GROWTH_BAR},
        name: {"ratio": round(one[-1].seconds / many[-1].seconds, 2), "bar": WORKERS_BAR},
        f"{name}, on idle cores": {"ratio": round(one[-1].idle / many[-1].idle, 2), "bar": WORKERS_BAR},
        f"{name}, of the same run": {"ratio": round(many[-1].items / many[-1].idle, 2)},
        f"{workers} processes that only compute beside 1": {"ratio": round(clock, 2)},
        f"{workers} processes that only compute beside 1, by CPU seconds": {"ratio": round(cpu, 2)},
    }


if __name__ == "__main__":
    main()
