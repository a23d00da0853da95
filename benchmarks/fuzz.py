"""Coverage-guided fuzzing of our readers, of the cleaners that parse, and of each function of our C, by Atheris.

    target: seeds, tokens -> libFuzzer, our Python or C instrumented -> inputs that reach new branches are kept, changed
         -> an undocumented error, a broken promise, too much time or memory, a wrong access: the input is saved

Usage: `python benchmarks/fuzz.py [TARGET ...] [--seconds 60] [--runs 0] [--seed 1]`, or `make fuzz TARGETS="wet warc"`.
What is called with an input, and what must hold of every answer, is in `tests/hostile`: archives are changed both
outside and behind their checksums. Each target runs in a process of its own, with at most `SECONDS_EACH` and
`MEGABYTES` for one input; an error is saved once for each place that raises it, and fuzzing goes on. With a number of
runs the seed decides everything.

The targets of our C (native.*) run under AddressSanitizer and UndefinedBehaviorSanitizer, each beside what must give
the same answer; a wrong access ends its target. They need gcc with its sanitizers. How many lines of C a
target reached is counted by running the inputs that were kept once more.

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
import subprocess
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

from benchmarks import fuzz_native  # noqa: E402
from filters.native import binding  # noqa: E402

SECONDS_EACH = 20  # of wall time, so that a busy machine is no finding
MEGABYTES = 2_048
MAX_BYTES = 1 << 14
INSTRUMENTED = ("filters", "pipelines", "tokenizer")
TARGETS = "tests.hostile.fuzzed"
NATIVE = "tests.hostile.native_targets"
_UNITS = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_EDGES = re.compile(r"cov: (\d+)")


def main() -> int:
    """Fuzz the targets one after the other and print what was tried and found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", help="of --module, all if none is named")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("--runs", type=int, default=0, help="inputs for each target, 0 for as many as there is time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--module", default=TARGETS, help="where the targets are defined; by default those of C as well"
    )
    parser.add_argument("--output", type=Path, default=ROOT / "data" / "fuzz", help="where findings are saved")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--lines", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--sources", type=Path, help="a folder with our C (filters)")
    options = parser.parse_args()
    if options.inside:
        return inside(options)
    known = _instrumented(parser, options.module)
    compiled = _compiled(options)
    if wrong := sorted(set(options.targets) - {*known, *compiled}):
        parser.error(f"{', '.join(wrong)}: no such target; available: {', '.join([*known, *compiled])}")
    told = {name: run(name, known.get(name), options) for name in options.targets or [*known, *compiled]}
    findings = sum(len(row["found"]) for row in told.values())
    inputs = sum(row["inputs"] for row in told.values())
    reached = fuzz_native.union(row.pop("reached") for row in told.values() if "reached" in row)
    print(f"{inputs:,} inputs of {len(told)} targets, {findings} findings")
    for file, row in reached.items():
        print(f"{file:28} {row['covered']:>5} of {row['lines']} lines of C reached")
    result = {"inputs": inputs, "findings": findings, "seed": options.seed, "targets": told, "lines": reached}
    print(json.dumps({"fuzz": result}))
    return 1 if findings else 0


def _compiled(options: argparse.Namespace) -> list[str]:
    """Return the targets of our C, none where it cannot be fuzzed; then it is said why."""
    if options.module != TARGETS:
        return []
    if problem := fuzz_native.missing():
        print(f"OUR C IS NOT FUZZED: {problem}", file=sys.stderr, flush=True)
        return []
    return [f"native.{name}" for name in binding.FUNCTIONS]


def _instrumented(parser: argparse.ArgumentParser, module: str) -> Mapping[str, Target]:
    """Return the targets, their code instrumented as it was imported."""
    try:
        import atheris
    except ImportError:
        parser.error("the engine is missing: pip install 'altiplano-corpus[fuzz]' (Linux on x86-64), or make fuzz")
    with contextlib.redirect_stderr(io.StringIO()), atheris.instrument_imports(include=[*INSTRUMENTED, module]):
        targets: Mapping[str, Target] = importlib.import_module(module).TARGETS
    return targets


def run(name: str, target: Target | None, options: argparse.Namespace) -> dict[str, Any]:
    """Fuzz one target in a process of its own, one of our C if there is no `target` here.

    Return inputs tried, edges reached, CPU seconds and what was found; of our C also the lines reached.
    """
    folder = options.output / re.sub(r"[^\w.-]", "_", name)
    folder.mkdir(parents=True, exist_ok=True)
    before, seconds = {path.name for path in folder.iterdir()}, _child_seconds()
    with tempfile.TemporaryDirectory() as made:
        scratch = Path(made)
        if target is None:
            code = _in_sanitized_process(name, options, scratch)
        else:
            process = get_context("fork").Process(target=fuzz, args=(target, options, folder, scratch))
            process.start()
            process.join()
            code = process.exitcode or 0
        log, spent = Path(scratch, "log").read_text(errors="replace"), _child_seconds() - seconds
        reached = _lines_reached(name, options, scratch) if target is None else None
    units, edges = _UNITS.search(log), _EDGES.findall(log)
    found = sorted({path.name for path in folder.iterdir()} - before)
    if (not units and not found) or (code and not found):
        raise RuntimeError(f"{name}: the engine failed with {code}:\n{log[-2000:]}")
    if target is None and found:
        Path(options.output, f"{folder.name}.log").write_text(log[-100_000:])
    row: dict[str, Any] = {
        "inputs": int(units[1]) if units else 0,
        "edges": int(edges[-1]) if edges else 0,
        "cpu_seconds": round(spent, 1),
        "found": found,
    }
    if reached is not None:
        row |= {"lines": fuzz_native.covered(reached), "reached": reached}
    print(f"{name:28} {row['inputs']:>9,} inputs {row['edges']:>6} edges {row['cpu_seconds']:>7} s", *found, flush=True)
    return row


def _in_sanitized_process(name: str, options: argparse.Namespace, scratch: Path) -> int:
    """Fuzz a target of our C in a process that has the runtimes of the sanitizers; return its exit code."""
    command = [*_command(name, options), "--inside", str(scratch)]
    with Path(scratch, "log").open("wb") as log:
        settings = fuzz_native.environment()
        return subprocess.run(command, env=settings, stdout=log, stderr=log, check=False).returncode


def _lines_reached(name: str, options: argparse.Namespace, scratch: Path) -> fuzz_native.Lines:
    """Run the inputs that were kept once more, and return which lines of C they reach."""
    with tempfile.TemporaryDirectory(prefix="lines-") as made:
        command = [*_command(name, options), "--inside", str(scratch), "--lines", made]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{name}: the inputs that were kept cannot be run again:\n{done.stderr[-2000:]}")
        return fuzz_native.lines(Path(made))


def _command(name: str, options: argparse.Namespace) -> list[str]:
    sources = [f"--sources={options.sources}"] if options.sources else []
    limits = [f"--seconds={options.seconds}", f"--runs={options.runs}", f"--seed={options.seed}"]
    return [sys.executable, str(Path(__file__).resolve()), name, *limits, f"--output={options.output}", *sources]


def inside(options: argparse.Namespace) -> int:
    """Fuzz one target of our C in this process, or with a folder for lines, run what was kept once more."""
    (name,) = options.targets
    with tempfile.TemporaryDirectory(prefix="native-") as made:
        # Before what calls C is imported.
        if options.lines:
            fuzz_native.count_lines(options.lines, options.sources)
        else:
            fuzz_native.instrument(Path(made), options.sources)
        target: Target = importlib.import_module(NATIVE).TARGETS[name]
        if options.lines:
            for path in sorted(Path(options.inside, "corpus").iterdir()):
                with contextlib.suppress(Exception):  # it is told of already
                    target.run(path.read_bytes())
            return 0
        folder = options.output / re.sub(r"[^\w.-]", "_", name)
        fuzz(target, options, folder, options.inside, compiled=True)
    return 0


def _child_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def fuzz(target: Target, options: argparse.Namespace, folder: Path, scratch: Path, *, compiled: bool = False) -> None:
    """Fuzz a target in this process, which ends with it; the engine writes what it does to `scratch`/log.

    Our C has counters of its own, if it is `compiled` for that; then Python has none.
    """
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
    with (scratch / "log").open("ab") as log:
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())
    target.run(b"")  # what is made once is not an input's cost
    engine = [sys.argv[0], *(f"-{name}={value}" for name, value in limits.items()), str(corpus)]
    atheris.Setup(engine, _saving(target.run, folder), enable_python_coverage=not compiled)
    if compiled:
        fuzz_native.start()
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
