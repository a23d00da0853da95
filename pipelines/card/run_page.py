"""A run's own page: what the corpus card shows of a run, and the tables that the trainer adds.

It needs nothing of the corpus, and nothing that only the corpus side installs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.card import plots, rendering, runs
from pipelines.card.shapes import Curves
from pipelines.card.training import Run

READ = 2_500  # characters of a text to be read


@dataclass(frozen=True)
class Table:
    """A table of the page under its title; `key` is its address, `words` says that its cells are no numbers."""

    key: str
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    words: bool = False


def figures(prefix: str, found: Sequence[Curves]) -> list[plots.Figure]:
    """Return the figures of curves, numbered under a prefix."""
    return [plots.figure(f"{prefix}-{number}", curves) for number, curves in enumerate(found)]


def render(run: Run, title: str, tables: Sequence[Table] = (), others: Sequence[Run] = ()) -> str:
    """Return the page of a run; `others` are laid over it."""
    return (
        rendering.environment()
        .get_template("run.html.j2")
        .render(
            run=run,
            title=title,
            tables=tables,
            run_figures=figures("curves", run.curves),
            runs_beside=runs.beside([run, *others]) if others else [],
            beside_figures=figures("beside", runs.over_each_other([run, *others])) if others else [],
            run_reads="",
            read=READ,
        )
    )
