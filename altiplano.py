"""All commands as one: `altiplano NAME ...` is `python -m MODULE ...`, whatever lies in the working directory.

    altiplano corpus --recipe sample --raw data/raw --output data/corpus
    altiplano run report data/run

A command's module is imported when it is called; for its help and for completion only its command line is.
"""

# PYTHON_ARGCOMPLETE_OK

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import argparse


@dataclass(frozen=True, slots=True)
class Command:
    """The module that is run, MODULE:FUNCTION that makes its command line, the extras it needs, and what it does."""

    module: str
    line: str
    extras: str
    does: str


_PIPELINES, _TRAIN = "pipelines.command_lines", "train.command_lines"
COMMANDS: Final = {
    "sample": Command("pipelines.sample.__main__", f"{_PIPELINES}:sample", "corpus,sample", "lay the sample out"),
    "corpus": Command("pipelines.corpus", f"{_PIPELINES}:corpus", "corpus", "build a corpus"),
    "report": Command("pipelines.report", f"{_PIPELINES}:report", "corpus", "show a corpus' card"),
    "verify": Command("pipelines.verify", f"{_PIPELINES}:verify", "corpus", "check every file of a corpus"),
    "explore": Command(
        "pipelines.explore.__main__",
        f"{_PIPELINES}:explore",
        "corpus,explore",
        "search a corpus on a page of this machine",
    ),
    "trace": Command(
        "pipelines.trace",
        f"{_PIPELINES}:trace",
        "corpus",
        "find the records that tokens are from, or a document by its id",
    ),
    "export": Command("pipelines.export.__main__", f"{_PIPELINES}:export", "corpus", "write tokens for other trainers"),
    "contamination": Command(
        "pipelines.contamination", f"{_PIPELINES}:contamination", "corpus", "find benchmarks in a corpus"
    ),
    "tokenizer": Command("tokenizer.check", "tokenizer.check:command_line", "corpus", "check a tokenizer"),
    "clean": Command("pipelines.clean", f"{_PIPELINES}:clean", "corpus", "remove a corpus, a run or an export"),
    "plan": Command("train.plan", f"{_TRAIN}:plan", "train", "show tokens and epochs of a run before it starts"),
    "pretrain": Command("train.pretrain", "train.config:command_line", "train", "train a model on a corpus"),
    "generate": Command("model.generate", "model.command_lines:generate", "train", "continue a text with a model"),
    "run report": Command("train.report", f"{_TRAIN}:report", "train", "write a run's page"),
    "run trace": Command("train.trace", f"{_TRAIN}:trace", "train", "show what a step of a run read"),
    "run export": Command("train.export", f"{_TRAIN}:export", "train", "write a run's model for Hugging Face"),
    "run evaluate": Command(
        "train.evaluation.__main__", f"{_TRAIN}:evaluate", "train", "score a run's model on benchmarks"
    ),
}
OURS: Final = ("altiplano", "filters", "model", "pipelines", "tokenizer", "train")


def command_line(name: str) -> argparse.ArgumentParser:
    """Return the command line of a command."""
    module, _, function = COMMANDS[name].line.partition(":")
    made: argparse.ArgumentParser = getattr(importlib.import_module(module), function)()
    return made


def overview(group: str = "") -> argparse.ArgumentParser:
    """Return the command line of what comes before a command: its name, or what is left of it after `group`."""
    from pipelines.files import commands

    names = [name for name in COMMANDS if name.startswith(group)]
    listed = "\n".join(f"  {name:15} {COMMANDS[name].does}" for name in names)
    parser = commands.Parser(
        "altiplano",
        "report data/run" if group else "verify data/corpus",
        description=f"commands:\n{listed}",
        usage="%(prog)s COMMAND ...",
    )
    choices = dict.fromkeys(name.removeprefix(group).split()[0] for name in names)
    parser.add_argument("command", metavar="COMMAND", choices=list(choices), help="one of them; --help after it tells")
    return parser


def split(words: Sequence[str]) -> tuple[str, list[str]]:
    """Return the name of the command that words begin with, "" if they begin with none, and its arguments."""
    found = (size for size in (2, 1) if " ".join(words[:size]) in COMMANDS)
    size = next(found, 0)
    return " ".join(words[:size]), list(words[size:])


def main() -> None:
    """Run the command that sys.argv names and end with its exit code."""
    _leave_working_directory()
    from pipelines.files import commands

    commands.run(_complete if "_ARGCOMPLETE" in os.environ else _run)


def _leave_working_directory() -> None:
    """Take the working directory, which `python -m` puts first, off the path of modules unless we are there.

    Python's own variable does it for the processes that are started from here: workers and their server.
    """
    os.environ["PYTHONSAFEPATH"] = "1"
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
    first = os.path.abspath(sys.path[0])  # noqa: PTH100
    if first == os.getcwd() != here:  # noqa: PTH109
        del sys.path[0]


def _run() -> int:
    from pipelines.files import commands

    name, arguments = split(sys.argv[1:])
    if not name:
        return _explain(sys.argv[1:])
    # As `python -m` does with the module's own name.
    sys.argv[:] = [f"{commands.ONE} {name}", *arguments]
    try:
        if not {"-h", "--help"}.isdisjoint(arguments):
            command_line(name).parse_known_args(arguments)
        code: int = importlib.import_module(COMMANDS[name].module).main()
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if not missing or missing in OURS or missing in sys.stdlib_module_names:
            raise
        extras = COMMANDS[name].extras
        return commands.not_installed([missing], extras.split(",")[-1], extras)
    return code


def _explain(words: Sequence[str]) -> int:
    """Show what there is, or say what is wrong with words that name no command."""
    from pipelines.files import commands

    group = "run " if words[:1] == ["run"] else ""
    sys.argv[0] = f"{commands.ONE} {group}".strip()
    parser = overview(group)
    rest = words[1:] if group else words
    if rest:
        parser.parse_args(rest[:1])
    parser.print_help(sys.stderr)
    return commands.WRONG_USE


def _complete() -> int:
    """Answer the shell's question what may come next."""
    import argcomplete
    from argcomplete import lexers

    *_, words, _ = lexers.split_line(os.environ["COMP_LINE"], int(os.environ["COMP_POINT"]))
    skipped = int(os.environ["_ARGCOMPLETE"])
    name, _ = split(words[skipped:])
    group = "run " if not name and words[skipped : skipped + 1] == ["run"] else ""
    # Counted from 1, the last word before those that the parser knows.
    os.environ["_ARGCOMPLETE"] = str(skipped + len((name or group).split()))
    argcomplete.autocomplete(command_line(name) if name else overview(group))
    return 0


if __name__ == "__main__":
    main()
