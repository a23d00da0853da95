"""Our C under AddressSanitizer and UndefinedBehaviorSanitizer, and a pytest plug-in that makes tests use it.

    sources -> a folder -> C compiler, -fsanitize -> library -> pytest -p tests.sanitized, the runtimes loaded first

Python itself is not instrumented, but takes its memory from the same guarded allocator (PYTHONMALLOC), so that a read
past the end of a str or an array is found as well. Leaks are not looked for: Python's own at its end would hide ours.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from filters.native import binding

FOLDER: Final = "ALTIPLANO_SANITIZED"
_COMPILER: Final = "ALTIPLANO_SANITIZED_COMPILER"
OPTIONS: Final = (
    *("-O1", "-g", "-fno-omit-frame-pointer", "-std=c11", "-ffp-contract=off", "-shared", "-fPIC", "-lm"),
    *("-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
)
# C++ of other modules throws: the runtime must know who catches.
_LIBRARIES: Final = ("libasan.so", "libubsan.so", "libstdc++.so.6")


@dataclass(frozen=True, slots=True)
class Sanitizers:
    """A compiler, and the libraries that must be loaded before all others."""

    compiler: str
    libraries: tuple[str, ...]


def find() -> Sanitizers | str:
    """Return gcc with its sanitizers, or why there is none."""
    tried = []
    for name in dict.fromkeys((os.environ.get("CC") or "cc", *binding.COMPILERS)):
        compiler = shutil.which(name)
        # clang finds gcc's runtimes, but its code needs its own.
        if compiler is None or "clang" in _said(compiler, "--version"):
            continue
        libraries = [Path(_said(compiler, f"-print-file-name={library}")) for library in _LIBRARIES]
        if all(library.is_absolute() and library.is_file() for library in libraries):
            return Sanitizers(compiler, tuple(str(library.resolve()) for library in libraries))
        tried.append(compiler)
    return f"no libasan and libubsan beside {', '.join(tried)}" if tried else "there is no gcc"


def _said(compiler: str, question: str) -> str:
    return subprocess.run([compiler, question], capture_output=True, text=True, check=False).stdout.strip()


def environment(found: Sanitizers, **changes: str) -> dict[str, str]:
    """Return the environment of a process in which the sanitizers work."""
    checks = "detect_leaks=0:abort_on_error=1:allocator_may_return_null=1:detect_stack_use_after_return=1"
    return {
        **os.environ,
        "LD_PRELOAD": " ".join(found.libraries),
        "PYTHONMALLOC": "malloc",
        "ASAN_OPTIONS": checks,
        "UBSAN_OPTIONS": "abort_on_error=1:print_stacktrace=1",
        **changes,
    }


def run_tests(found: Sanitizers, folder: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run pytest with these arguments and the sources that lie in `folder`."""
    settings = environment(found, **{FOLDER: str(folder), _COMPILER: found.compiler})
    # What the sanitizers write as they end the process is not captured with a test's output.
    command = [sys.executable, "-m", "pytest", "-p", "tests.sanitized", "--capture=sys", *arguments]
    root = Path(__file__).parent.parent
    return subprocess.run(command, cwd=root, env=settings, capture_output=True, text=True, check=False)


def copy_sources(folder: Path, sources: Path | None = None) -> None:
    """Copy our sources, or those of another folder, to a folder."""
    for source in binding.SOURCES:
        shutil.copy(sources / source.name if sources else source, folder)


def use(folder: Path, compiler: str, options: tuple[str, ...]) -> None:
    """Compile the sources in a folder, and make all of this process call them; a RuntimeError says why it cannot."""
    point_to(folder, options)
    before = os.environ.get("CC")
    os.environ["CC"] = compiler
    try:
        problem = binding.compile_library()
    finally:
        os.environ.pop("CC")
        if before is not None:
            os.environ["CC"] = before
    if problem or binding.library() is None:
        raise RuntimeError(problem or f"{binding.path()} cannot be loaded")


def point_to(folder: Path, options: tuple[str, ...]) -> Path:
    """Make this process take its library from a folder with our sources; return where it is to lie."""
    module: Any = binding
    module.SOURCES = tuple(folder / source.name for source in binding.SOURCES)
    module.OPTIONS = options
    binding.library.cache_clear()
    return binding.path()


def pytest_configure() -> None:
    """Make the tests of this process call the sanitized library."""
    found = find()
    if isinstance(found, str):
        raise RuntimeError(found)
    use(Path(os.environ[FOLDER]), os.environ[_COMPILER], OPTIONS)
