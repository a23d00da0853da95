"""Line deduplication at scale: millions of line keys through run files and reducers; CPU, memory, and a whole dump.

    keys like a crawl's ─ runs.write_keys ─> one run per file ─ Decision (plain or local runner) ─> removals ─ read back

Usage: `python benchmarks/lines.py [--large] [--output DIR]`. 10 million keys, with `--large` 100 million, a million in
each file as in a WET file; one line in three is seen elsewhere. Files are compared one by one and in groups (`fan_in`).
Each measurement is a process of its own, so that its peak memory (of its largest process) is its own. The last line is
one JSON object.
"""

from __future__ import annotations

import argparse
import json
import pickle
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipelines import work
from pipelines.build import SOURCES, source_of
from pipelines.dedup import near
from pipelines.files import runs
from pipelines.recipes import SAMPLE
from pipelines.runners.beam import fork_server, local
from pipelines.stages.decisions import Cut, Decision, reducers_for
from pipelines.stages.kinds import Decide, Paths
from tests.pipelines import loop

WEB = source_of(SOURCES["common_crawl"], SAMPLE)
PER_FILE = 1_000_000
LINES_OF_A_PAGE = 25
# 10^11 lines in about 10^5 files: the order of magnitude of one CommonCrawl dump.
DUMP_LINES, DUMP_FILES = 10**11, 10**5
WINDOW_FILES = 2_000  # CCNet's
FAN_IN, MOST_REDUCERS, REDUCER_KEYS = 64, 4_096, 16_000_000  # of the recipe `paper`
REDUCERS = (8, 64, 512)


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


def decision_of(folder: Path, files: int, reducers: int, fan_in: int) -> Decision:
    """Return the decision over the runs of a folder."""
    stage = next(stage for stage in WEB.stages if isinstance(stage, Decide))
    paths = Paths(str(folder), f"web{reducers}_{fan_in}")
    return Decision(stage, paths, "lines", Cut(files, 0, fan_in=fan_in), max(REDUCERS), reducers, REDUCER_KEYS)


def run_files(folder: Path, files: int) -> list[str]:
    return [str(folder / f"{file}.run") for file in range(files)]


def write(folder: Path, files: int, reducers: int, fan_in: int) -> None:
    """Write the runs of all files."""
    for file, path in enumerate(run_files(folder, files)):
        runs.write_keys(path, keys_of(file, files), max(REDUCERS))


def make(folder: Path, files: int, reducers: int, fan_in: int) -> None:
    """Only make the keys."""
    for file in range(files):
        keys_of(file, files)


def decide(folder: Path, files: int, reducers: int, fan_in: int, workers: int) -> None:
    """Decide over the runs, in the plain loop (0 workers) or on the local runner."""
    for step in decision_of(folder, files, reducers, fan_in).steps("web/duplicate_lines", run_files(folder, files)):
        if workers:
            local.run([step], work.of_sources([WEB], SAMPLE), str(folder / "plan"), workers=workers)
        else:
            loop.run([step])


def read(folder: Path, files: int, reducers: int, fan_in: int) -> int:
    """Read back what each file loses, and return how many lines."""
    decision = decision_of(folder, files, reducers, fan_in)
    return sum(len(decision.removals_of(file).read(decision.paths)) for file in range(files))


def check(folder: Path, files: int, reducers: int, fan_in: int) -> None:
    """Compare with a count of all keys at once."""
    hashes = np.concatenate([keys_of(file, files)["hash"] for file in range(files)])
    _, counts = np.unique(hashes, return_counts=True)
    marked, duplicates = read(folder, files, reducers, fan_in), int(counts[counts > 1].sum())
    assert marked == duplicates, f"the reducers marked {marked} lines, a count of all {duplicates}"


def measured(
    step: str, folder: Path, files: int, reducers: int = 1, fan_in: int = 2, workers: int = 0
) -> tuple[float, float]:
    """Run a step in a process of its own; return CPU seconds and the peak memory of its largest process in MB."""
    command = [sys.executable, __file__, "--step", step, "--output", str(folder), "--files", str(files)]
    command += ["--reducers", str(reducers), "--fan-in", str(fan_in), "--workers", str(workers)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    seconds, peak = json.loads(done.stdout.splitlines()[-1])
    return seconds, peak


def run_step(arguments: argparse.Namespace) -> None:
    """Run one step and print what it cost."""
    folder, files, cut = arguments.output, arguments.files, (arguments.reducers, arguments.fan_in)
    if arguments.step == "decide":
        decide(folder, files, *cut, arguments.workers)
    elif arguments.step != "nothing":
        {"write": write, "read": read, "make": make, "check": check}[arguments.step](folder, files, *cut)
    fork_server.end()
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    seconds = sum(found.ru_utime + found.ru_stime for found in used)
    print(json.dumps([seconds, max(found.ru_maxrss for found in used) / 1024]))


def table(folder: Path, files: int, base: tuple[float, float]) -> dict[int, float]:
    """Print cost and memory by number of reducers, file by file and in groups; return CPU seconds of the groups."""
    million = files * PER_FILE / 1e6
    folder.mkdir()
    writing = measured("write", folder, files)[0] - measured("make", folder, files)[0]
    print(f"\n{million:.0f} million keys in {files} files; writing the runs {writing / million:.2f} CPU-s a million")
    print("CPU seconds per million keys, peak MB of a process")
    print(f"{'reducers':>9}{'fan-in':>8}{'decide':>8}{'MB':>7}{'local, 2 workers':>18}{'MB':>7}{'read':>7}")
    grouped = {}
    for reducers in REDUCERS:
        for fan_in in (files, max(2, files // 10)):
            plainly = measured("decide", folder, files, reducers, fan_in)
            if files <= 10:
                measured("check", folder, files, reducers, fan_in)
            local = measured("decide", folder, files, reducers, fan_in, workers=2)
            reading, _ = measured("read", folder, files, reducers, fan_in)
            costs = [(seconds - base[0]) / million for seconds in (plainly[0], local[0], reading)]
            print(
                f"{reducers:9}{fan_in if fan_in < files else '-':>8}{costs[0]:8.2f}{plainly[1]:7.0f}{costs[1]:18.2f}"
                f"{local[1]:7.0f}{costs[2]:7.2f}"
            )
            shutil.rmtree(folder / "work")
        grouped[reducers] = plainly[0]
    if files <= 10:
        print("each time the lines marked are those that a count of all keys at once gives")
    shutil.rmtree(folder)
    return grouped


def extrapolate(found: dict[int, float], files: int, base: tuple[float, float]) -> dict[str, float]:
    """Print what a window of CCNet's and a whole dump cost, from what a key and a slice cost with groups."""
    _, few, many = sorted(found)
    groups = -(-files // max(2, files // 10))
    of_slice = max(0.0, (found[many] - found[few]) / (groups * (many - few)))
    of_key = (found[few] - base[0] - of_slice * groups * few) / (files * PER_FILE)
    print(f"\na key costs {of_key * 1e6:.2f} us, a slice of a group {of_slice * 1e6:.0f} us")
    result = {"us_per_key": of_key * 1e6, "us_per_slice": of_slice * 1e6}
    for name, lines_, files_ in (
        ("window of CCNet's", WINDOW_FILES * PER_FILE, WINDOW_FILES),
        ("whole dump", DUMP_LINES, DUMP_FILES),
    ):
        reducers = reducers_for(lines_, MOST_REDUCERS, REDUCER_KEYS)
        slices = -(-files_ // FAN_IN) * reducers
        hours = (lines_ * of_key + slices * of_slice) / 3600
        pointers = slices * len(pickle.dumps(runs.Slice(1, "work/web/duplicate_lines_merge/group-000001.run", 1, 1)))
        print(
            f"{name}: {lines_:.0e} lines in {files_:,} files, {reducers:,} reducers: {slices:.1e} slices of "
            f"{24 * lines_ / slices / 1e3:.0f} kB at most, {hours:,.1f} CPU hours, {pointers / 1e9:,.2f} GB of "
            "pointers in the shuffle"
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
    for name in ("--files", "--reducers", "--fan-in", "--workers"):
        parser.add_argument(name, type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        run_step(arguments)
        return
    arguments.output.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=arguments.output), "runs")  # removed at the end: nothing that was there before
    base = measured("nothing", folder, 0)
    print(f"importing everything: {base[0]:.1f} CPU-s, {base[1]:.0f} MB (taken off the costs, not off the memory)")
    result: dict[str, float] = {}
    for files in (10, 100) if arguments.large else (10,):
        found = table(folder, files, base)
        result = extrapolate(found, files, base)
    folder.parent.rmdir()
    print(json.dumps({name: {"ratio": round(value, 3), "bar": 0} for name, value in result.items()}))


if __name__ == "__main__":
    main()
