"""The corpus card: a short summary on the terminal, the whole as one HTML page, and the data cards that people publish.

    python -m pipelines.report data/corpus
    python -m pipelines.report data/corpus --run data/run --tokens 1.4T --compare data/before --publish

Everything is read from manifests, bounded samples and the run's log (`pipelines.card`); the corpus itself is never
loaded, and a remote corpus is read where it is.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from pipelines import command_lines
from pipelines.card import facts
from pipelines.card.facts import Corpus, Mixed
from pipelines.files import commands
from pipelines.quantities import number

PLAIN_WIDTH = 150  # columns where the output is no terminal
MOST_REASONS = 4  # named of each stage on the terminal; the page has all


def funnel_table(corpus: Corpus) -> Table:
    """Return the funnel: for each source and stage what went in, what was kept, and why the rest left."""
    table = Table(title="What each stage kept and dropped (documents)", title_justify="left")
    for name, right in (("source", False), ("stage", False), ("in", True), ("kept", True), ("dropped because", False)):
        table.add_column(name, justify="right" if right else "left")
    for name, manifest in corpus.manifests.items():
        for position, account in enumerate(manifest["stages"]):
            stage = account["stage"].partition("/")[2]
            first = name if position == 0 else ""
            last = position == len(manifest["stages"]) - 1
            table.add_row(
                first, stage, f"{account['in']:,}", f"{account['kept']:,}", reasons(account), end_section=last
            )
    return table


def reasons(account: dict[str, Any]) -> str:
    """Return a stage's most frequent drop reasons, and how many documents left for others."""
    found = facts.reasons(account)
    texts = [f"{reason} {documents:,}" for _, reason, documents, _ in found[:MOST_REASONS]]
    if left := found[MOST_REASONS:]:
        texts.append(f"{len(left)} other reasons {sum(row[2] for row in left):,}")
    if account["merged"]:
        texts.append(f"(merged into their question: {account['merged']:,})")
    return ", ".join(texts)


def mixture_table(mixed: Sequence[Mixed]) -> Table:
    """Return our Table 1 beside the paper's; the mixture alone, where none of its sources is there."""
    run, paper = mixed[0].run_tokens, any(found.row for found in mixed)
    title = "Our Table 1 beside the paper's" if paper else "The mixture"
    table = Table(title=f"{title} (epochs for a run of {run:,} tokens)", title_justify="left")
    ours = ("source", "documents", "MB", "tokens", "bytes/token", "proportion", "epochs")
    for name in (*ours, "paper's bytes/token", "paper's epochs") if paper else ours:
        table.add_column(name, justify="left" if name == "source" else "right")
    for found in mixed:
        table.add_row(
            found.title,
            f"{found.documents:,}",
            f"{found.size / 1e6:,.2f}",
            f"{found.tokens:,}",
            f"{found.bytes_per_token:.2f}",
            f"{found.share:.1%}".replace("%", " %"),
            f"{found.epochs:.2f}",
            *((f"{found.paper_bytes_per_token:.2f}", f"{found.row.epochs:.2f}") if found.row else ()),
        )
    documents, size, tokens = (facts.total(mixed, what) for what in ("documents", "size", "tokens"))
    share = sum(found.share for found in mixed)
    table.add_section()
    table.add_row("all", f"{documents:,}", f"{size / 1e6:,.2f}", f"{tokens:,}", "", f"{share:.1%}".replace("%", " %"))
    return table


class _Console(Console):
    """Rich's console, which ends the process without a word when its reader has gone."""

    def on_broken_pipe(self) -> None:
        """Raise what was caught: the command says it."""
        raise BrokenPipeError


def print_summary(output: str, seconds: float | None = None, **options: Any) -> None:
    """Print the funnel and the mixture, and write the page; `options` are those of `write_page`."""
    console = _Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    corpus = facts.load(output)
    console.print(funnel_table(corpus))
    if mixed := facts.mixture(corpus, options.get("run_tokens")):
        console.print(mixture_table(mixed))
    for line in facts.shared_lines(corpus):
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    for warning in facts.warnings(corpus):
        console.print(f"warning: {warning}", style="bold", highlight=False, soft_wrap=True, markup=False)
    for name in corpus.manifests:
        for check in facts.checks(corpus, name):
            if not check.holds:
                console.print(f"{name} does not add up: {check.text}", style="bold red", soft_wrap=True)
    path = write_page(corpus, **options)
    took = f" in {seconds:.0f} s" if seconds is not None else ""
    console.print(
        f"corpus: {output}{took}; what is different and why, examples, plots: {path}", soft_wrap=True, markup=False
    )


def write_page(
    corpus: Corpus,
    run: str | None = None,
    run_tokens: int | None = None,
    compare: str | None = None,
    others: Sequence[str] = (),
) -> str:
    """Write CORPUS/report.html and return its path.

    `run` is a training run's directory, `others` those of runs that are laid over it, `run_tokens` the length of
    the run that epochs are for (the corpus' own), and `compare` another corpus directory. Raises ValueError for a run
    without a log and a directory without a corpus.
    """
    # Plots and templates are for this page only: who only asks for the tables, or builds, does not load them.
    from pipelines.card import compare as comparing
    from pipelines.card import page, training

    runs = {path: training.load(path) for path in ([run] if run else []) + list(others)}
    for path, one in runs.items():
        if one is None:
            raise ValueError(f"--run {path}: no run here (no row in {path}/{training.LOG})")
    found = [one for one in runs.values() if one]
    other = comparing.compare(corpus, facts.load(compare)) if compare else None
    rendered = page.render(
        corpus, run=found[0] if found else None, others=found[1:], run_tokens=run_tokens, comparison=other
    )
    return page.write(corpus, rendered)


# What numbers and shapes that nobody would write make of code that reads them.
_STRANGE = (KeyError, TypeError, AttributeError, ArithmeticError, RecursionError, MemoryError, StopIteration)


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the card of a corpus directory; return the exit code."""
    parser = command_lines.report()
    options = parser.parse_args(arguments)
    try:
        run_tokens = number(options.tokens) if options.tokens else None
        first, *others = options.run or [None]
        print_summary(options.corpus, run=first, others=others, run_tokens=run_tokens, compare=options.compare)
        if options.publish:
            from pipelines.card import publish

            for path in publish.write(facts.load(options.corpus)):
                print(f"written: {path}")  # noqa: T201
    except BrokenPipeError:
        raise
    except (ValueError, OSError) as error:
        return commands.failed(error, code=commands.code_of(error))
    except _STRANGE as error:  # manifests of a corpus from elsewhere
        what = f"{options.corpus}: its manifests are not in the form that a build writes ({error!r:.200})"
        return commands.failed(f"{what}; python -m pipelines.verify names the file")
    return 0


if __name__ == "__main__":
    commands.run(main)
