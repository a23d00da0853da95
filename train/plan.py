"""The plan of a run before it starts: tokens and epochs of each source beside Table 1.

    python -m train.plan --corpus data/corpus --tokens 1.4T
    python -m train.plan --flops 5.76e23 --gpus 2048 [--corpus data/corpus]
    python -m train.plan --sizes common_crawl=878e9,c4=175e9,... --tokens 1T

The trainer prints the same table as its ledger when it is done: both are the mixture's exact counts at an integer k.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from pipelines.files import commands
from pipelines.quantities import UNITS, number
from pipelines.table1 import TABLE_1, TOTAL_PROPORTION
from train import command_lines, scaling
from train.corpus import mixture_of, open_corpus, proportions_of, rescaled, sequences_in
from train.energy import watts_of
from train.meters import PEAKS, peak_of
from train.mixture import Mixture, parse_proportions

# Muennighoff et al. 2023: up to four epochs, repeated data is worth nearly as much as new data.
MANY_EPOCHS = 4
LLAMA_PROPORTIONS = ",".join(f"{row.name}={row.proportion}" for row in TABLE_1)
_EXACT = 10**10  # counts from here on are shown with a unit, so that a table fits a terminal


@dataclass(frozen=True, slots=True)
class Entry:
    """One source in a plan or ledger.

    `share` is its part of the tokens seen, `available` its unique tokens, `tail` those after the last whole sequence,
    which no epoch predicts; `tokens` are the targets seen and `epochs` the fraction of its sequences.
    """

    source: str
    share: float
    available: int
    sequences: int
    tail: int
    tokens: int
    epochs: float

    @property
    def warning(self) -> str | None:
        """Return what to say if the source is repeated more than four times."""
        if self.epochs <= MANY_EPOCHS:
            return None
        return (
            f"{self.source} is repeated {self.epochs:.1f} times: it has {human(self.available)} tokens and the run "
            f"takes {human(self.tokens)} from it; beyond {MANY_EPOCHS} epochs repeated tokens teach less and less"
        )


def ledger(
    mixture: Mixture, sizes: Mapping[str, int], length: int, k: int, left_out: Sequence[tuple[int, int]] = ()
) -> tuple[Entry, ...]:
    """Return what the first k sequences take from each source; `sizes` are tokens, in the mixture's order.

    Sequences in the ranges [first, stop) of `left_out` are not counted.
    """
    counts = list(mixture.counts(k))
    for first, stop in left_out:
        ranges = zip(counts, mixture.counts(first), mixture.counts(stop), strict=True)
        counts = [count - (after - before) for count, before, after in ranges]
    k -= sum(stop - first for first, stop in left_out)
    entries = []
    for (name, available), sequences, count in zip(sizes.items(), mixture.sizes, counts, strict=True):
        tail = max(0, available - 1) - sequences_in(available, length) * length
        epochs = count / sequences if sequences else 0.0
        entries.append(Entry(name, count / max(k, 1), available, sequences, tail, count * length, epochs))
    return tuple(entries)


def scale_of(weights: Mapping[str, int]) -> float:
    """Return what is left to the sources of Table 1 where others are added to all seven of them, else 1."""
    paper = [weights[row.name] for row in TABLE_1 if row.name in weights]
    return sum(paper) / sum(weights.values()) if len(paper) == len(TABLE_1) else 1.0


def paper(scale: float) -> str:
    """Return what the columns "paper" are."""
    return (
        "paper: Table 1"
        if scale == 1
        else f"paper: Table 1, its shares times {scale:g} because other sources are added"
    )


def table(
    entries: Sequence[Entry], title: str, scale: float = 1.0, bits_per_byte: Mapping[str, float | None] | None = None
) -> Table:
    """Return a plan or ledger as a table beside Table 1, with held-out bits per byte where they are given.

    The paper's shares are multiplied by `scale`, see `scale_of`.
    """
    rows = {row.name: row for row in TABLE_1}
    result = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    result.add_column("\nsource", no_wrap=True)
    for heading in ("unique\ntokens", "tokens\nseen", "\nshare", "\nepochs", "paper\nshare", "paper\nepochs"):
        result.add_column(heading, justify="right", no_wrap=True)
    if bits_per_byte is not None:
        result.add_column("bits/\nbyte", justify="right", no_wrap=True)
    for entry in entries:
        row = rows.get(entry.source)
        cells = [entry.source, _count(entry.available), _count(entry.tokens), f"{entry.share:.2%}"]
        cells += [
            f"{entry.epochs:.2f}",
            *((f"{scale * row.proportion / TOTAL_PROPORTION:.1%}", f"{row.epochs:.2f}") if row else "  "),
        ]
        if bits_per_byte is not None:
            value = bits_per_byte.get(entry.source)
            cells.append("none" if value is None else f"{value:.3f}")
        result.add_row(*cells)
    result.add_section()
    available, seen = (sum(getattr(entry, name) for entry in entries) for name in ("available", "tokens"))
    result.add_row("all", _count(available), _count(seen))
    return result


def _count(count: int) -> str:
    return f"{count:,}" if count < _EXACT else human(count)


def show(console: Console, entries: Sequence[Entry], title: str, scale: float = 1.0) -> None:
    """Print a plan: the table, the tails that no sequence holds, and a warning for each source repeated too often."""
    console.print(table(entries, f"{title} ({paper(scale)}; its epochs at 1.4T tokens)", scale))
    tails = ", ".join(f"{entry.source} {entry.tail:,}" for entry in entries if entry.tail)
    if tails:
        console.print(f"tokens of an epoch left over after its last whole sequence: {tails}")
    for entry in entries:
        if entry.warning:
            console.print(f"[yellow]warning[/]: {entry.warning}")


def human(count: int) -> str:
    """Return a count with a unit, three digits."""
    for unit, power in reversed(UNITS.items()):
        if count >= 10**power:
            return f"{count / 10**power:.3g}{unit}"
    return str(count)


def parse_sizes(text: str) -> dict[str, int]:
    """Return tokens per source from "NAME=TOKENS,..."; raise ValueError for anything else."""
    pairs = [part.partition("=") for part in text.replace(" ", "").split(",") if part]
    return {name: number(value) for name, _, value in pairs}


def plan(sizes: Mapping[str, int], weights: Mapping[str, int], tokens: int, length: int) -> tuple[Entry, ...]:
    """Return the plan of a run over `tokens` tokens, rounded up to whole sequences; errors as `mixture_of`'s."""
    mixture = mixture_of(sizes, weights, length, seed=0)
    return ledger(mixture, {name: sizes[name] for name in weights}, length, -(-tokens // length))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser = command_lines.plan()
    options = parser.parse_args(arguments)
    try:
        if options.flops is not None:
            _show_budget(options)
            return 0
        if options.tokens is None:
            raise ValueError("give --tokens with --corpus or --sizes, or --flops")
        weights = _weights(options)
        sizes = _sizes(options.corpus, options.sizes, weights)
        entries = plan(sizes, weights, number(options.tokens), options.sequence_length)
    except ValueError as error:
        parser.error(str(error))
    console = Console()
    show(console, entries, f"A run over {human(number(options.tokens))} tokens", scale_of(weights))
    if options.corpus and (said := rescaled(options.corpus, weights)):
        console.print(said, highlight=False)
    worth = worth_of(entries)
    seen = sum(entry.tokens for entry in entries)
    console.print(
        f"repeated tokens teach less: {human(seen)} seen are worth {human(int(worth))} new ones "
        f"(Muennighoff et al. 2023, R_D* = {scaling.R_D})",
        highlight=False,
    )
    return 0


def worth_of(entries: Sequence[Entry]) -> float:
    """Return how many new tokens those of a plan are worth, each source's repetitions counted for less."""
    return sum(scaling.effective_tokens(max(1, entry.available), entry.tokens) for entry in entries)


def _show_budget(options: argparse.Namespace) -> None:
    peak = peak_of(options.gpu)
    if peak is None:
        raise ValueError(f"--gpu is {options.gpu!r}, peaks are known for {', '.join(PEAKS)}")
    for name, value in (("flops", options.flops), ("gpus", options.gpus), ("mfu", options.mfu)):
        if not 0 < value < float("inf"):
            raise ValueError(f"--{name} is {value}; it must be positive")
    plans = scaling.budgets(options.flops, options.gpus, peak, options.mfu)
    worth: list[float] = []
    if options.corpus is not None or options.sizes is not None:
        weights = _weights(options)
        sizes = _sizes(options.corpus, options.sizes, weights)
        worth = [worth_of(plan(sizes, weights, int(budget.tokens), options.sequence_length)) for budget in plans]
    scaling.show(Console(), plans, number(options.batch), watts_of(options.gpu), worth)


def _weights(options: argparse.Namespace) -> dict[str, int]:
    made_for = proportions_of(options.corpus) if options.corpus else LLAMA_PROPORTIONS
    return parse_proportions(options.proportions or made_for)


def _sizes(corpus: str | None, sizes: str | None, weights: Mapping[str, int]) -> dict[str, int]:
    if (corpus is None) == (sizes is None):
        raise ValueError("give either --corpus or --sizes")
    if corpus is not None:
        manifests = open_corpus(corpus, weights).manifests
        return {name: manifest.total("train", "tokens") for name, manifest in manifests.items()}
    given = parse_sizes(sizes or "")
    missing = [name for name in weights if name not in given]
    if missing:
        raise ValueError(f"--sizes gives no tokens of {', '.join(missing)}")
    return given


if __name__ == "__main__":
    commands.run(main)
