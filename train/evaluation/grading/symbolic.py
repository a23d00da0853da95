"""Whether two formulas in LaTeX are equal: as texts, or by SymPy, in a process of its own that is ended if it hangs.

    equal -> the same text, or
        -> a line to `python -m train.evaluation.grading.symbolic` -> SymPy simplifies the difference

A formula that a model wrote can take for ever, and any memory: 9^{9^{9^9}}. So the process has limits of both. SymPy
comes with torch; its reader of LaTeX is antlr4-python3-runtime 4.11, which is not among our packages, for others that
our tests use need a newer one. Without it only the same texts are equal.
"""

from __future__ import annotations

import atexit
import json
import resource
import selectors
import subprocess
import sys
from contextlib import suppress
from functools import cache
from typing import Final

SECONDS: Final = 5.0  # for a pair, as lm-evaluation-harness has it
_START_SECONDS: Final = 120.0
_MEMORY: Final = 2 << 30
_LONGEST: Final = 2_000  # characters of a formula: the parser's depth grows with them


def equal(one: str, other: str, seconds: float = SECONDS) -> bool:
    """Tell whether two formulas are the same text, or equal by SymPy; what it cannot read or decide in time is not."""
    if one and one == other:
        return True
    if max(len(one), len(other)) > _LONGEST or not one or not other:
        return False
    return _worker().ask(one, other, seconds)


def available() -> bool:
    """Tell whether SymPy and its reader of LaTeX are installed."""
    return _worker().ask("1", "1.0", _START_SECONDS)


class _Worker:
    """The process that compares, started when it is first needed and again after one was ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._missing = False

    def ask(self, one: str, other: str, seconds: float) -> bool:
        process = self._started()
        if process is None or process.stdin is None:
            return False
        try:
            process.stdin.write(json.dumps([one, other]) + "\n")
            process.stdin.flush()
        except OSError:
            self.end()
            return False
        return self._answer(seconds) == "true"

    def _started(self) -> subprocess.Popen[str] | None:
        if self._process is None and not self._missing:
            command = [sys.executable, "-P", "-m", "train.evaluation.grading.symbolic"]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            if self._answer(_START_SECONDS) != "ready":
                self._missing = True
                self.end()
        return self._process

    def _answer(self, seconds: float) -> str:
        """Return the process' next line; end it if there is none in time."""
        assert self._process is not None
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            line = self._process.stdout.readline() if selector.select(seconds) else ""
        if not line:
            self.end()
        return line.strip()

    def end(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.kill()
            with suppress(OSError), self._process:  # what it did not read any more cannot be sent
                self._process = None


@cache
def _worker() -> _Worker:
    worker = _Worker()
    atexit.register(worker.end)
    return worker


def main() -> int:
    """Answer lines of pairs with true or false."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    try:
        import sympy
        from sympy.parsing.latex import parse_latex

        parse_latex("1")  # needs its reader's exact version
    except ImportError as error:
        print(f"missing: {error}", flush=True)  # noqa: T201
        return 1
    print("ready", flush=True)  # noqa: T201
    for line in sys.stdin:
        one, other = json.loads(line)
        try:
            same = bool(sympy.simplify(parse_latex(one) - parse_latex(other)) == 0)
        except Exception:  # whatever SymPy raises on what a model wrote
            same = False
        print(json.dumps(same), flush=True)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
