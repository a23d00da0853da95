"""What a command says when it cannot go on: one paragraph on the error stream, without what is secret in addresses."""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn

from pipelines.files import addresses

WRONG_USE = 2  # the exit code of argparse, and ours for what a command was given


class Parser(argparse.ArgumentParser):
    """The standard parser of a command line, whose errors show no user, password or signature of an address."""

    def error(self, message: str) -> NoReturn:
        """Print usage and message, and exit with 2."""
        super().error(addresses.hide(message))


def failed(error: Exception | str, word: str = "error", code: int = WRONG_USE) -> int:
    """Say why a command ends; return its exit code."""
    print(f"{word}: {addresses.hide(str(error))}", file=sys.stderr)  # noqa: T201
    return code
