"""What a command says when it cannot go on: one paragraph on the error stream, without what is secret in addresses.

Tracebacks of what may be expected go to a file, never to the terminal: `log`. An output that is closed or full is one
line too, and so is Ctrl-C: every command ends through `run`.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NoReturn

from pipelines import problems
from pipelines.files import addresses, storage

# Exit codes (docs/commands.md); that of wrong use is argparse's own, that of an interruption what shells make of it.
FAILED, WRONG_USE, INTERRUPTED, TERMINATED = 1, 2, 130, 143
LOG_BYTES = 1 << 20  # of earlier errors that a log keeps
ONE = "altiplano"  # the first word of the name of a command that was called by it


class Parser(argparse.ArgumentParser):
    """The standard parser of a command line, whose errors show no user, password or signature of an address.

    `module` is what `python -m` runs, `example` are arguments that it may be given. The name of the program is the one
    that it was called by, which the standard library reads from sys.argv[0] too.
    """

    def __init__(self, module: str, example: str, **options: Any) -> None:
        program = sys.argv[0] if sys.argv[0].partition(" ")[0] == ONE else f"python -m {module}"
        options = {"formatter_class": argparse.RawDescriptionHelpFormatter, **options}
        super().__init__(prog=program, epilog=f"example: {program} {example}", **options)
        self.example = example

    def error(self, message: str) -> NoReturn:
        """Print the message, one line as every error, and exit with 2; `--help` has the usage."""
        self.exit(WRONG_USE, f"{self.prog}: error: {addresses.hide(' '.join(message.splitlines()))}\n")

    def end(self, error: ValueError | OSError) -> NoReturn:
        """Print what went wrong, one line as every error, and exit with its code."""
        if isinstance(error, BrokenPipeError):  # of the output: `run` says so
            raise error
        self.exit(code_of(error), f"{self.prog}: error: {addresses.hide(' '.join(str(error).splitlines()))}\n")


def code_of(error: BaseException) -> int:
    """Return the exit code for an error: of wrong use where what was given is wrong, or a file of it is not there."""
    wrong = isinstance(error, ValueError | FileNotFoundError | NotADirectoryError | IsADirectoryError)
    return WRONG_USE if wrong else FAILED


def failed(error: BaseException | str, word: str = "error", code: int = WRONG_USE) -> int:
    """Say why a command ends, a line for each thing that is wrong; return its exit code."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        error = f"{error.filename}: {error.strerror}"
    for told in (error,) if isinstance(error, str) else problems.of(error):
        print(f"{word}: {addresses.hide(told)}", file=sys.stderr)  # noqa: T201
    return code


def require(extra: str, modules: Iterable[str]) -> None:
    """End a command in one line, which names the extra, if modules that an extra brings are missing.

    For the first lines of a package whose modules are commands: while `python -m` looks for one, the arguments begin
    with "-m". Whoever imports the package otherwise is left alone: some of its modules need less.
    """
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing and sys.argv[:1] == ["-m"]:
        raise SystemExit(not_installed(missing, extra))


def not_installed(missing: Iterable[str], extra: str, needed: str = "") -> int:
    """Say that modules of an extra are missing, which may itself need others; return the exit code."""
    return failed(
        f"{', '.join(missing)}: not installed; this needs the extra {extra!r}: "
        f"make setup-{extra}, or pip install 'altiplano-corpus[{needed or extra}]'"
    )


def log(error: BaseException, path: str) -> None:
    """Add an error's traceback, with those of workers that it came from, to a log file, without secrets."""
    time = datetime.now(UTC).isoformat(timespec="seconds")
    told = f"{time}\n{addresses.hide(''.join(traceback.format_exception(error)))}\n"
    before = storage.read_bytes(path) if storage.exists(path) else b""
    storage.write_bytes(path, before[-LOG_BYTES:] + told.encode("utf-8", "backslashreplace"))


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends what it is raised in as Ctrl-C does."""


@contextmanager
def heeding_sigterm() -> Iterator[None]:
    """Raise `Terminated` on SIGTERM, so that what was begun is cleaned up; a second one ends the process at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def terminate(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def stopped(error: KeyboardInterrupt, remedy: str = "") -> int:
    """Say that a command was stopped from outside; return its exit code."""
    by_signal = isinstance(error, Terminated)
    return failed(
        f"{'terminated' if by_signal else 'interrupted'}{remedy}", "stopped", TERMINATED if by_signal else INTERRUPTED
    )


def run(main: Callable[[], int]) -> NoReturn:
    """Run a command and end with its exit code; Ctrl-C and an output that cannot be written are one line each."""
    if sys.stdout is None:  # closed by `>&-`: the next file that is opened would take its number
        os.open(os.devnull, os.O_WRONLY)
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    code = 0
    try:
        code = main()
        sys.stdout.flush()
    except KeyboardInterrupt as error:
        code = stopped(error)
    except BrokenPipeError:
        code = failed("the standard output was closed by whoever read it", "stopped", FAILED)
        discard_output()
    except OSError as error:
        code = code or failed(error, "failed", FAILED)  # a command that ended with an error has said what it is
        discard_output()
    sys.exit(code)


def discard_output() -> None:
    """Let what is still to be written to the standard output go nowhere, so that Python's end says nothing of it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
