"""Histograms of an answer: of the bytes of its documents, of their years, of a score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pipelines.explore.questions import score_column
from pipelines.explore.search import Asked

BINS: Final = 48


@dataclass(frozen=True)
class Bars:
    """A histogram: its limits, documents in each bin, all as wide; of a logarithm if so, of years as many each."""

    name: str
    low: float
    high: float
    counts: Sequence[int]
    logarithmic: bool

    def edge(self, place: float) -> float:
        """Return the value at a place from 0 to 1."""
        if self.logarithmic:
            return float(self.low * (self.high / self.low) ** place)
        return self.low + (self.high - self.low) * place


def of(asked: Asked, name: str) -> Bars | None:
    """Return the histogram of "bytes", "year" or a score over an answer, None if nothing has it."""
    if name == "year":
        return _years(asked)
    column = name if name == "bytes" else score_column(asked.explorer.scores.index(name))
    logarithmic = name == "bytes"
    there = f"{asked.answer()} AND isfinite({column}::DOUBLE) {f'AND {column} > 0' if logarithmic else ''}"
    ((low, high),) = asked.fetched(f"SELECT min({column})::DOUBLE, max({column})::DOUBLE FROM {there}")
    if low is None:
        return None
    value = f"ln({column}::DOUBLE)" if logarithmic else f"{column}::DOUBLE"
    first, last = (math.log(low), math.log(high)) if logarithmic else (low, high)
    width = (last - first) / BINS or 1.0
    place = f"least({BINS - 1}, greatest(0, floor(({value} - ?) / ?)))::INTEGER"
    counts = [0] * BINS
    for bin_, count in asked.fetched(f"SELECT {place}, count(*) FROM {there} GROUP BY 1", before=[first, width]):
        counts[bin_] = count
    return Bars(name, low, high, counts, logarithmic)


def _years(asked: Asked) -> Bars | None:
    """Return the histogram of years: one in each bin, or as many as let them fit."""
    counted = asked.fetched(f"SELECT year, count(*) FROM {asked.answer()} AND year IS NOT NULL GROUP BY 1")
    if not counted:
        return None
    low, high = min(year for year, _ in counted), max(year for year, _ in counted)
    width = -(-(high - low + 1) // BINS)
    counts = [0] * -(-(high - low + 1) // width)
    for year, count in counted:
        counts[(year - low) // width] += count
    return Bars("year", low, low + width * len(counts), counts, logarithmic=False)
