"""Several runs over each other: the same measure of each as a line, and whether they read the same tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipelines.card.shapes import Curves
from pipelines.card.training import Run

_LEAST = 2  # lines of a figure: one alone is in the run's own


@dataclass(frozen=True)
class Beside:
    """A run beside another: its name in the figures, where it is, and what it reads."""

    name: str
    path: str
    steps: int
    tokens: int
    reads: str


def beside(runs: Sequence[Run]) -> list[Beside]:
    """Return what is said of each run, the first being the one that the others are compared with."""
    first = runs[0]
    said = ["the run of this page", *(compared(first.corpus, run.corpus, run.corpus_path) for run in runs[1:])]
    return [
        Beside(name, run.path, run.steps, run.tokens, reads)
        for name, run, reads in zip(names([run.path for run in runs]), runs, said, strict=True)
    ]


def names(paths: Sequence[str]) -> list[str]:
    """Return short names of runs: the last part of each path, the whole of those whose last parts are alike."""
    last = [path.rstrip("/").rpartition("/")[2] for path in paths]
    return [path if last.count(name) > 1 else name for path, name in zip(paths, last, strict=True)]


def compared(first: Mapping[str, str], other: Mapping[str, str], path: str = "") -> str:
    """Return in words whether two runs read the same tokens; `path` is where the other's corpus lay.

    A run notes one digest of all tokens of a source: where two differ, one document or all may.
    """
    if not first or not other:
        return "not known which tokens it reads: neither a summary nor a checkpoint says so"
    if first == other:
        return "the same tokens"
    alike = [name for name in other if other[name] == first.get(name)]
    where = f" ({path})" if path else ""
    return f"another corpus{where}: " + (
        f"all tokens are the same of {', '.join(alike)} only" if alike else "of no source are all tokens the same"
    )


def over_each_other(runs: Sequence[Run]) -> list[Curves]:
    """Return the measures that two runs or more have, a line of each run: those of the whole first, then by source."""
    labels = names([run.path for run in runs])
    found = list(_measures(runs, labels))
    return [curves for whole in (True, False) for is_whole, curves in found if is_whole is whole]


def _measures(runs: Sequence[Run], labels: Sequence[str]) -> Iterator[tuple[bool, Curves]]:
    own = [{curves.title: curves for curves in run.curves} for run in runs]
    for title in dict.fromkeys(title for curves in own for title in curves):
        shape = next(curves[title] for curves in own if title in curves)
        lines = [curves[title].series if title in curves else {} for curves in own]
        for number, name in enumerate(dict.fromkeys(name for series in lines for name in series)):
            series = {label: line[name] for label, line in zip(labels, lines, strict=True) if name in line}
            if len(series) >= _LEAST:
                alone = all(len(line) <= 1 for line in lines)
                yield (
                    number == 0,
                    Curves(f"{title if alone else f'{title}: {name}'} of each run", shape.x, shape.y, series),
                )
