"""Line deduplication at scale: millions of line keys through run files and reducers; CPU, memory, and a whole dump.

    keys like a crawl's ─ runs.write_keys ─> one run per file ─ Decide (plain or local runner) ─> removals ─ read back

Usage: `python benchmarks/lines.py [--large] [--output DIR]`. 10 million keys, with `--large` 100 million, a million in
each file as in a WET file; one line in three is seen elsewhere. Each measurement is a process of its own, so that its
peak memory (of its largest process) is its own. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import pickle
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipelines import plain, runners, runs
from pipelines.dedup import lines, near
from pipelines.jobs import Shuffle
from pipelines.stages import Decide, Paths, ReduceTask, reducer_name

PER_FILE = 1_000_000
LINES_OF_A_PAGE = 25
# 10^11 lines in about 10^5 files: the order of magnitude of one CommonCrawl dump.
DUMP_LINES, DUMP_FILES = 10**11, 10**5
WINDOW_FILES = 2_000  # CCNet's
MEMORY = 2 << 30
BASE_BUCKETS = (8, 64, 512)


def keys_of(file: int, files: int) -> runs.Records:
    """Return the keys of a file: two thirds of its lines are its own, a third is drawn from what all files share."""
    rng = np.random.default_rng(file)
    shared = rng.random(PER_FILE) < 1 / 3
    numbers = np.where(
        shared, rng.integers(0, files * PER_FILE // 12, PER_FILE), (file + 1) * (1 << 40) + np.arange(PER_FILE)
    )
    records = np.empty(PER_FILE, runs.KEY)
    records["hash"] = near.mix(numbers.astype(np.uint64))
    records["doc"], records["line"] = np.divmod(np.arange(PER_FILE), LINES_OF_A_PAGE)
    return records


def task_of(folder: Path, files: int, buckets: int) -> ReduceTask:
    """Return the decision over the runs of a folder."""
    stage = Decide("duplicate_lines", lines.seen_twice)
    return ReduceTask(stage, Paths(str(folder), "web"), f"{buckets}", items=files, buckets=buckets, window=0)


def write(folder: Path, files: int, buckets: int) -> None:
    """Write the runs of all files."""
    for file in range(files):
        runs.write_keys(str(folder / f"{file}.run"), keys_of(file, files), buckets)


def make(folder: Path, files: int, buckets: int) -> None:
    """Only make the keys."""
    for file in range(files):
        keys_of(file, files)


def decide(folder: Path, files: int, buckets: int, workers: int) -> None:
    """Decide over the runs, in the plain loop (0 workers) or on the local runner."""
    task = task_of(folder, files, buckets)
    elements = [(file, str(folder / f"{file}.run")) for file in range(files)]
    outputs = [task.paths.manifest(task.stage.name, reducer_name(bucket)) for bucket in range(buckets)]
    job = Shuffle("web/duplicate_lines", task.split, elements, task.reduce, range(buckets), outputs)
    if workers:
        runners.run_local([job], workers=workers)
    else:
        plain.run([job])


def read(folder: Path, files: int, buckets: int) -> int:
    """Read back what each file loses, and return how many lines."""
    task = task_of(folder, files, buckets)
    decided = [task.paths.work(task.stage.name, f"{reducer_name(bucket)}.removals") for bucket in range(buckets)]
    return sum(len(runs.read_removals(decided, file)) for file in range(files))


def check(folder: Path, files: int, buckets: int) -> None:
    """Compare with a count of all keys at once."""
    hashes = np.concatenate([keys_of(file, files)["hash"] for file in range(files)])
    _, counts = np.unique(hashes, return_counts=True)
    marked, duplicates = read(folder, files, buckets), int(counts[counts > 1].sum())
    assert marked == duplicates, f"the reducers marked {marked} lines, a count of all {duplicates}"


def measured(step: str, folder: Path, files: int, buckets: int, workers: int = 0) -> tuple[float, float]:
    """Run a step in a process of its own; return CPU seconds and the peak memory of its largest process in MB."""
    command = [sys.executable, __file__, "--step", step, "--output", str(folder), "--files", str(files)]
    command += ["--buckets", str(buckets), "--workers", str(workers)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    seconds, peak = json.loads(done.stdout.splitlines()[-1])
    return seconds, peak


def run_step(arguments: argparse.Namespace) -> None:
    """Run one step and print what it cost."""
    folder, files, buckets = arguments.output, arguments.files, arguments.buckets
    if arguments.step == "decide":
        decide(folder, files, buckets, arguments.workers)
    elif arguments.step != "nothing":
        {"write": write, "read": read, "make": make, "check": check}[arguments.step](folder, files, buckets)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    seconds = sum(found.ru_utime + found.ru_stime for found in used)
    print(json.dumps([seconds, max(found.ru_maxrss for found in used) / 1024]))


def table(folder: Path, files: int, base: tuple[float, float]) -> dict[int, tuple[float, float]]:
    """Print cost and memory by number of buckets; return CPU seconds and MB of the plain decisions."""
    million = files * PER_FILE / 1e6
    print(f"\n{million:.0f} million keys in {files} files; CPU seconds per million keys, peak MB of a process")
    print(f"{'buckets':>8}{'write':>8}{'decide':>8}{'MB':>7}{'local, 2 workers':>18}{'MB':>7}{'read':>7}")
    making, _ = measured("make", folder, files, 1)
    found = {}
    for buckets in BASE_BUCKETS:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        writing, _ = measured("write", folder, files, buckets)
        found[buckets] = measured("decide", folder, files, buckets)
        local, peak = measured("decide", folder, files, buckets, workers=2)
        reading, _ = measured("read", folder, files, buckets)
        writing -= making - base[0]
        costs = [(seconds - base[0]) / million for seconds in (writing, found[buckets][0], local, reading)]
        print(
            f"{buckets:8}{costs[0]:8.2f}{costs[1]:8.2f}{found[buckets][1]:7.0f}"
            f"{costs[2]:18.2f}{peak:7.0f}{costs[3]:7.2f}"
        )
        if buckets == BASE_BUCKETS[-1] and files <= 10:
            measured("check", folder, files, buckets)
            print("the lines marked are those that a count of all keys at once gives")
    shutil.rmtree(folder)
    return found


def extrapolate(found: dict[int, tuple[float, float]], files: int, base: tuple[float, float]) -> dict[str, float]:
    """Print what a window of CCNet's and a whole dump cost, from what a key, a slice and a bucket's keys cost."""
    keys = files * PER_FILE
    largest, few, many = sorted(found)
    # Keys are cheaper in buckets that fit the cache, so that slices are told from keys by the two smaller sizes.
    of_slice = max(0.0, (found[many][0] - found[few][0]) / (files * (many - few)))
    of_key = (found[largest][0] - base[0] - of_slice * files * largest) / keys
    bytes_of_key = (found[largest][1] - base[1]) * 1e6 / (keys / largest)
    print(
        f"\na key costs {of_key * 1e6:.2f} us and {bytes_of_key:.0f} B in its reducer, a slice {of_slice * 1e6:.0f} us"
    )
    result = {"us_per_key": of_key * 1e6, "us_per_slice": of_slice * 1e6, "bytes_per_key": bytes_of_key}
    for name, lines_, files_ in (
        ("window of CCNet's", WINDOW_FILES * PER_FILE, WINDOW_FILES),
        ("whole dump", DUMP_LINES, DUMP_FILES),
    ):
        buckets = 1 << max(0, int(np.ceil(np.log2(lines_ * bytes_of_key / MEMORY))))
        slices = files_ * buckets
        hours = (lines_ * of_key + slices * of_slice) / 3600
        pointers = slices * len(pickle.dumps(runs.Slice(1, "work/common_crawl/paragraphs/0123456789abcdef.run", 1, 1)))
        print(
            f"{name}: {lines_:.0e} lines in {files_:,} files; {buckets:,} buckets keep a reducer under "
            f"{MEMORY >> 30} GB: {slices:.1e} slices of {16 * lines_ / slices / 1e3:.1f} kB, {hours:,.1f} CPU hours, "
            f"{pointers / 1e9:,.2f} GB of pointers in the shuffle"
        )
        result[f"{name.split()[0]}_cpu_hours"] = hours
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true", help="100 million keys too")
    parser.add_argument("--output", type=Path, default=Path("data/benchmarks/lines"))
    parser.add_argument(
        "--step", choices=("nothing", "make", "write", "decide", "read", "check"), help=argparse.SUPPRESS
    )
    for name in ("--files", "--buckets", "--workers"):
        parser.add_argument(name, type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        run_step(arguments)
        return
    folder = arguments.output / "runs"
    base = measured("nothing", folder, 0, 0)
    print(f"importing everything: {base[0]:.1f} CPU-s, {base[1]:.0f} MB (taken off the costs, not off the memory)")
    result: dict[str, float] = {}
    for files in (10, 100) if arguments.large else (10,):
        found = table(folder, files, base)
        result = extrapolate(found, files, base)
    print(json.dumps({name: {"ratio": round(value, 3), "bar": 0} for name, value in result.items()}))


if __name__ == "__main__":
    main()
