"""What can be drawn: counts by range, counts by value, and lines; and numbers as an axis shows them.

This file imports nothing of ours: a corpus' card and a run's page both draw these.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

_MOST_DIGITS = 15  # that a number has


@dataclass(frozen=True)
class Histogram:
    """Counts by range: `series[name][n]` lie in [edges[n], edges[n + 1]); `marks` are thresholds, by name."""

    title: str
    what: str
    edges: Sequence[float]
    series: Mapping[str, Sequence[float]]
    marks: Mapping[str, float] = field(default_factory=dict)
    logarithmic: bool = False
    note: str = ""


@dataclass(frozen=True)
class Counts:
    """Counts by value, the largest first; series are drawn as parts of one bar, or side by side."""

    title: str
    what: str
    series: Mapping[str, Mapping[str, float]]
    unit: str = "documents"
    note: str = ""
    stacked: bool = True


@dataclass(frozen=True)
class Curves:
    """Lines over a common axis: `series[name]` are (x, y)."""

    title: str
    x: str
    y: str
    series: Mapping[str, Sequence[tuple[float, float]]]
    logarithmic_x: bool = False
    logarithmic_y: bool = False
    note: str = ""


Distribution = Histogram | Counts | Curves


def nice(value: float, digits: int = 3) -> str:
    """Return a number short enough for an axis, with about so many digits."""
    if value and (abs(value) >= 1e4 or abs(value) < 1e-3):
        power = math.floor(math.log10(abs(value)) + 1e-9)
        units = {3: "k", 6: "M", 9: "G", 12: "T"}
        base = 3 * (power // 3)
        return f"{value / 10.0**base:.{digits}g}{units[base]}" if base in units else f"{value:.{digits}g}"
    return f"{value:.{digits + 1}g}"


def apart(values: Sequence[float]) -> Callable[[float], str]:
    """Return `nice` with as many digits as it takes to tell different values of an axis apart."""
    different = len(set(values))
    wanted = (digits for digits in range(3, _MOST_DIGITS) if len({nice(one, digits) for one in values}) == different)
    return partial(nice, digits=next(wanted, _MOST_DIGITS))
