"""Our C as libFuzzer inside Atheris sees it: sanitized, with a counter for each part; and which lines inputs reach.

    sources + fuzz_coverage.c -> C compiler: sanitizers, a call for each part -> library -> libFuzzer's counters
    sources -> C compiler: gcov's counters -> library -> all inputs that were kept, once more -> lines

One compiler serves for all: gcc, with its runtimes; nothing is linked with libFuzzer, which Atheris brings.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.machinery
import json
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from filters.native import binding
from tests import sanitized

_SHIM: Final = Path(__file__).with_name("fuzz_coverage.c")
_COUNTED: Final = ("-fsanitize-coverage=trace-pc,trace-cmp",)
_LINES: Final = ("-O0", "-g", "--coverage", "-std=c11", "-ffp-contract=off", "-shared", "-fPIC", "-lm")
# In the order of `fuzz_coverage_start`.
_HOOKS: Final = tuple(
    f"__sanitizer_cov_{name}"
    for name in (
        *("8bit_counters_init", "pcs_init", "trace_cmp1", "trace_cmp2", "trace_cmp4", "trace_cmp8"),
        *("trace_const_cmp1", "trace_const_cmp2", "trace_const_cmp4", "trace_const_cmp8", "trace_switch"),
    )
)

Lines = dict[str, dict[int, tuple[str, bool]]]  # by file and line: its function, and whether it was reached


def missing() -> str | None:
    """Return why our C cannot be fuzzed here, None if it can."""
    found = sanitized.find()
    return found if isinstance(found, str) else None


def environment() -> dict[str, str]:
    """Return the environment of a process that fuzzes our C."""
    found = sanitized.find()
    assert not isinstance(found, str), found
    settings = sanitized.environment(found)
    # What was freed is kept for a while; memory counts against the limit of an input.
    settings["ASAN_OPTIONS"] += ":quarantine_size_mb=32:symbolize=1"
    return settings


def instrument(folder: Path, sources: Path | None = None) -> None:
    """Compile our C (or that in `sources`) into a folder with a counter for each part, and make this process use it."""
    found = sanitized.find()
    assert not isinstance(found, str), found
    sanitized.copy_sources(folder, sources)
    shim = folder / "coverage.o"
    _run([found.compiler, "-O2", "-fPIC", "-c", str(_SHIM), "-o", str(shim)])
    sanitized.use(folder, found.compiler, (*sanitized.OPTIONS, *_COUNTED, str(shim)))


def start() -> None:
    """Give libFuzzer the counters; Atheris is imported."""
    library = binding.library()
    assert library is not None
    engine = ctypes.CDLL(_engine())
    hooks = (ctypes.c_void_p * len(_HOOKS))(*(ctypes.cast(engine[name], ctypes.c_void_p).value for name in _HOOKS))
    library.fuzz_coverage_start(hooks)


def _engine() -> str:
    """Return the path of the module that has libFuzzer in it."""
    folder = Path(str(importlib.import_module("atheris").__file__)).parent
    (found,) = folder.glob(f"core_with_libfuzzer{importlib.machinery.EXTENSION_SUFFIXES[0]}")
    return str(found)


def count_lines(folder: Path, sources: Path | None = None) -> None:
    """Compile our C (or that in `sources`) into a folder so that it counts lines, and make this process use it."""
    found = sanitized.find()
    assert not isinstance(found, str), found
    sanitized.copy_sources(folder, sources)
    target = sanitized.point_to(folder, _LINES)
    for source in binding.SOURCES:
        # Object by object: gcov looks for its notes beside them.
        _run([found.compiler, *_LINES, "-c", str(source), "-o", str(source.with_suffix(".o"))])
    _run([found.compiler, *_LINES, *(str(source.with_suffix(".o")) for source in binding.SOURCES), "-o", str(target)])


def lines(folder: Path) -> Lines:
    """Return what was reached of the sources in a folder, by gcov; none where there is no gcov."""
    gcov = shutil.which("gcov")
    notes = sorted(folder.glob("*.gcno"))
    if gcov is None or not notes:
        return {}
    found: Lines = {}
    for note in notes:
        told = subprocess.run(
            [gcov, "--json-format", "--stdout", note.name], cwd=folder, capture_output=True, text=True, check=True
        )
        for row in map(json.loads, filter(None, told.stdout.splitlines())):
            for file in row["files"]:
                if Path(file["file"]).name in {source.name for source in binding.SOURCES}:
                    found[Path(file["file"]).name] = {
                        line["line_number"]: (line.get("function_name", ""), line["count"] > 0)
                        for line in file["lines"]
                    }
    return found


def covered(found: Lines) -> tuple[int, int]:
    """Return how many lines were reached, and how many there are in the functions of these."""
    rows = [(file, *row) for file, numbers in found.items() for row in numbers.values()]
    entered = {(file, function) for file, function, reached in rows if reached}
    return sum(reached for *_, reached in rows), sum((file, function) in entered for file, function, _ in rows)


def union(all_found: Iterable[Lines]) -> dict[str, Any]:
    """Return how many lines of each file any of these reached, and those that none did."""
    files: dict[str, dict[int, bool]] = {}
    for found in all_found:
        for file, numbers in found.items():
            known = files.setdefault(file, {})
            for number, (_, reached) in numbers.items():
                known[number] = known.get(number, False) or reached
    return {
        file: {
            "lines": len(known),
            "covered": sum(known.values()),
            "missed": sorted(number for number, reached in known.items() if not reached),
        }
        for file, known in sorted(files.items())
    }


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with exit code {done.returncode}: {done.stderr[-1_000:]}")
