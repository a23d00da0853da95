"""Search a corpus on a page of this machine: `python -m pipelines.explore CORPUS [CORPUS]`, see docs/explore.md."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from pipelines import command_lines
from pipelines.explore import index, server
from pipelines.explore.index import Index, Wanted
from pipelines.explore.runs import StepsOfRun
from pipelines.explore.search import Explorer
from pipelines.files import addresses, commands, storage


def main(arguments: Sequence[str] | None = None) -> int:
    """Bring the index of one corpus or two up to date and serve the page until it is stopped."""
    parser = command_lines.explore()
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        try:
            if len(options.corpus) > 2 or (options.index and len(options.corpus) > 1):
                raise ValueError("one corpus, or two beside each other with their indexes where they usually are")
            opened = stack.enter_context(server.listening(options.port))
            explorers = [
                _explorer(corpus, options.index, options.words, options.seconds, stack) for corpus in options.corpus
            ]
            steps = [StepsOfRun(options.run, corpus) for corpus in options.corpus] if options.run else []
        except ValueError as error:
            parser.error(str(error))
        names = [addresses.hide(corpus) for corpus in options.corpus]
        if options.only_index:
            return 0
        server.serve(server.Site(explorers, names, steps), opened, _print)
    return 0


def _explorer(corpus: str, folder: str | None, words: bool | None, seconds: float, stack: ExitStack) -> Explorer:
    """Return a corpus that can be asked; what is remote, and has no folder given, is indexed for this time alone."""
    storage.check(corpus)
    wanted: Wanted = index.wanted(corpus)
    remote = storage.is_remote(corpus)
    if folder is None and remote:
        folder = f"{stack.enter_context(tempfile.TemporaryDirectory())}/index"
        words = False
    made = Index(Path(folder or f"{corpus}{index.SUFFIX}"), with_words=words is not False)
    made.bring_up_to_date(wanted, _tell)
    return Explorer(wanted, made, seconds)


def _tell(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    commands.run(main)
