"""Forecasts beside the truth: the whole of a sample built once, and trials of a share of it by different seeds.

Usage: `python benchmarks/forecast.py [--raw data/raw] [--share 0.1] [--draws 10] [ARGUMENT ...]`: further arguments go
to the build (`--recipe`, `--input`, `--set`). Each build is a process of its own with one worker in it
(`--runner plain`), so that the kernel says what it took: user and system time, and its largest memory. The disk is
looked at while it builds. The last line is one JSON object: the worst errors (at most their bar), and the
shares of draws whose interval holds the truth (at least their bar).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
KIBIBYTE = 1024
EVERY = 0.25  # seconds
BAR, HELD_BAR = 0.25, 0.9
QUANTITIES = ("cpu_seconds", "disk_bytes", "memory_bytes")


def disk(folder: Path) -> int:
    """Return the bytes of a folder's files now."""
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(where, name).stat().st_size
            except FileNotFoundError:  # removed meanwhile
                continue
    return total


def built(arguments: Sequence[str], output: Path) -> dict[str, float]:
    """Run a build; return its CPU seconds, largest memory and most bytes on disk."""
    command = [sys.executable, "-m", "pipelines.corpus", *arguments, "--runner", "plain"]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    stream, told, most = process.stderr, [""], 0
    reader = threading.Thread(target=lambda: told.append(stream.read()))
    reader.start()
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        most = max(most, disk(output))
        if pid:
            break
        threading.Event().wait(EVERY)
    reader.join()
    if status:
        raise SystemExit(f"the build failed: {' '.join(command)}\n{told[-1]}")
    seconds = usage.ru_utime + usage.ru_stime
    return {"cpu_seconds": seconds, "disk_bytes": most, "memory_bytes": usage.ru_maxrss * KIBIBYTE}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", default="data/raw")
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--draws", type=int, default=10)
    options, further = parser.parse_known_args()
    arguments = ["--raw", str(Path(options.raw).absolute()), *further]
    errors: dict[str, list[float]] = {name: [] for name in QUANTITIES}
    held: dict[str, list[bool]] = {name: [] for name in QUANTITIES}
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "corpus")
        truth = built([*arguments, "--output", str(output)], output)
        print("whole: " + ", ".join(f"{name} {truth[name]:,.0f}" for name in QUANTITIES), flush=True)
        shutil.rmtree(output)
        for seed in range(options.draws):
            chosen = ["--trial", str(options.share), "--trial-seed", str(seed)]
            there = Path(f"{output}-trial")
            took = built([*arguments, "--output", str(output), *chosen], there)
            found: dict[str, Any] = json.loads((there / "forecast.json").read_text())
            shutil.rmtree(there)
            for name in QUANTITIES:
                errors[name].append(found[name]["value"] / truth[name] - 1)
                held[name].append(found[name]["low"] <= truth[name] <= found[name]["high"])
            shown = (
                f"{name} {found[name]['value']:,.0f} ({errors[name][-1]:+.0%}, {'in' if held[name][-1] else 'out'})"
                for name in QUANTITIES
            )
            print(f"seed {seed}: {took['cpu_seconds']:,.1f} CPU seconds; " + "; ".join(shown), flush=True)
    rows = {
        f"{name}_worst_error": {"ratio": round(max(map(abs, found)), 3), "bar": BAR} for name, found in errors.items()
    }
    rows |= {
        f"{name}_held": {"ratio": round(sum(found) / len(found), 3), "bar": HELD_BAR} for name, found in held.items()
    }
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
