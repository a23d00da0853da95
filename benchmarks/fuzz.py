"""Coverage-guided fuzzing of every reader and of the cleaners that parse, by Atheris, which is libFuzzer for Python.

    target: seeds, tokens -> Atheris, our Python instrumented -> inputs that reach new branches are kept and changed
         -> an undocumented error, a broken promise, too much time or memory: the input is saved

Usage: `python benchmarks/fuzz.py [TARGET ...] [--seconds 60] [--runs 0] [--seed 1]`, or `make fuzz TARGETS="wet warc"`.
What is called with an input, and what must hold of every answer, is in `tests/hostile`: archives are changed both
outside and behind their checksums. Each target runs in a process of its own, with at most `SECONDS_EACH` and
`MEGABYTES` for one input; an error is saved once for each place that raises it, and fuzzing goes on. With a number of
runs the seed decides everything.

The last line is one JSON object; the exit code is 1 if anything was found.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import io
import json
import os
import re
import resource
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.hostile.targets import Target

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

SECONDS_EACH = 20  # of wall time, so that a busy machine is no finding
MEGABYTES = 2_048
MAX_BYTES = 1 << 14
INSTRUMENTED = ("filters", "pipelines", "tokenizer")
TARGETS = "tests.hostile.fuzzed"
_UNITS = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_EDGES = re.compile(r"cov: (\d+)")


def main() -> int:
    """Fuzz the targets one after the other and print what was tried and found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", help="of --module, all if none is named")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("--runs", type=int, default=0, help="inputs for each target, 0 for as many as there is time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--module", default=TARGETS, help="where the targets are defined")
    parser.add_argument("--output", type=Path, default=ROOT / "data" / "fuzz", help="where findings are saved")
    options = parser.parse_args()
    known = _instrumented(parser, options.module)
    if wrong := sorted(set(options.targets) - set(known)):
        parser.error(f"{', '.join(wrong)}: no target; there are {', '.join(known)}")
    told = {name: run(name, known[name], options) for name in options.targets or known}
    findings = sum(len(row["found"]) for row in told.values())
    inputs = sum(row["inputs"] for row in told.values())
    print(f"{inputs:,} inputs of {len(told)} targets, {findings} findings")
    print(json.dumps({"fuzz": {"inputs": inputs, "findings": findings, "seed": options.seed, "targets": told}}))
    return 1 if findings else 0


def _instrumented(parser: argparse.ArgumentParser, module: str) -> Mapping[str, Target]:
    """Return the targets, their code instrumented as it was imported."""
    try:
        import atheris
    except ImportError:
        parser.error("the engine is missing: pip install 'altiplano-corpus[fuzz]' (Linux on x86-64), or make fuzz")
    with contextlib.redirect_stderr(io.StringIO()), atheris.instrument_imports(include=[*INSTRUMENTED, module]):
        targets: Mapping[str, Target] = importlib.import_module(module).TARGETS
    return targets


def run(name: str, target: Target, options: argparse.Namespace) -> dict[str, Any]:
    """Fuzz one target in a process of its own; return inputs tried, edges reached, CPU seconds and what was found."""
    folder = options.output / re.sub(r"[^\w.-]", "_", name)
    folder.mkdir(parents=True, exist_ok=True)
    before, seconds = {path.name for path in folder.iterdir()}, _child_seconds()
    with tempfile.TemporaryDirectory() as scratch:
        process = get_context("fork").Process(target=fuzz, args=(target, options, folder, Path(scratch)))
        process.start()
        process.join()
        log = Path(scratch, "log").read_text(errors="replace")
    units, edges = _UNITS.search(log), _EDGES.findall(log)
    found = sorted({path.name for path in folder.iterdir()} - before)
    if not units or (process.exitcode and not found):
        raise RuntimeError(f"{name}: the engine failed with {process.exitcode}:\n{log[-2000:]}")
    row: dict[str, Any] = {
        "inputs": int(units[1]),
        "edges": int(edges[-1]) if edges else 0,
        "cpu_seconds": round(_child_seconds() - seconds, 1),
        "found": found,
    }
    print(f"{name:28} {row['inputs']:>9,} inputs {row['edges']:>6} edges {row['cpu_seconds']:>7} s", *found, flush=True)
    return row


def _child_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def fuzz(target: Target, options: argparse.Namespace, folder: Path, scratch: Path) -> None:
    """Fuzz a target in this process, which ends with it; the engine writes what it does to `scratch`/log."""
    import atheris

    corpus, words = scratch / "corpus", scratch / "words"
    corpus.mkdir()
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    words.write_text("".join(f'"{_escaped(token)}"\n' for token in dict.fromkeys(target.tokens) if token))
    limits = {
        "seed": options.seed,
        "runs": options.runs or -1,
        "max_total_time": options.seconds,
        "timeout": SECONDS_EACH,
        "rss_limit_mb": MEGABYTES,
        "max_len": MAX_BYTES,
        "dict": words,
        "artifact_prefix": f"{folder}/",
        "print_final_stats": 1,
    }
    with (scratch / "log").open("wb") as log:
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())
    target.run(b"")  # what is made once is not an input's cost
    engine = [sys.argv[0], *(f"-{name}={value}" for name, value in limits.items()), str(corpus)]
    atheris.Setup(engine, _saving(target.run, folder), enable_python_coverage=True)
    atheris.Fuzz()


def _escaped(token: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in token)


def _saving(function: Callable[[bytes], object], folder: Path) -> Callable[[bytes], None]:
    """Return a function that saves the first input for each place where an error is raised."""
    seen: set[tuple[str, str, int]] = set()

    def call(data: bytes) -> None:
        try:
            function(data)
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = (type(error).__name__, last.filename, last.lineno or 0)
            if place not in seen:
                seen.add(place)
                name = f"{place[0]}-{Path(place[1]).stem}-{place[2]}-{hashlib.sha256(data).hexdigest()[:8]}"
                (folder / name).write_bytes(data)

    return call


if __name__ == "__main__":
    sys.exit(main())
