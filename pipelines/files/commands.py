"""What a command says when it cannot go on: one paragraph on the error stream, without what is secret in addresses."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Iterable
from typing import NoReturn

from pipelines import problems
from pipelines.files import addresses

WRONG_USE = 2  # the exit code of argparse, and ours for what a command was given


class Parser(argparse.ArgumentParser):
    """The standard parser of a command line, whose errors show no user, password or signature of an address."""

    def error(self, message: str) -> NoReturn:
        """Print usage and message, and exit with 2."""
        super().error(addresses.hide(message))


def failed(error: BaseException | str, word: str = "error", code: int = WRONG_USE) -> int:
    """Say why a command ends, a line for each thing that is wrong; return its exit code."""
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
        raise SystemExit(
            failed(
                f"{', '.join(missing)}: not installed; this needs the extra {extra!r}: "
                f"make setup-{extra}, or pip install 'altiplano-corpus[{extra}]'"
            )
        )
