"""Distributions as figures of a page: bars are a table, lines a plot whose texts are the page's own.

    Counts ─> a table with a bar under each name          Histogram, Curves ─> lines, ticks, names, and a table of them

Nothing that is read is part of a drawing: text keeps its size on any screen. What is drawn is told apart without
colour, by stripes, dashes, and letters at the lines' ends. A drawing of 1,000 units each way is stretched to its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from pipelines.card.axes import Axis, Tick, along, counting
from pipelines.card.shapes import Counts, Curves, Distribution, Histogram, apart, nice

KINDS = 8  # of strokes and stripes in the style sheet
HEIGHT = 220  # CSS pixels of a plot
_UNITS = 1000
_LEAST = 8 / _UNITS  # of the height: a bar of few documents beside one of many is still seen
_LINE = 17  # CSS pixels of a letter's line
_BESIDE = 10.0  # percent of the width: a letter with the room around it, on the narrowest screen
_ROWS = 12  # about so many of a table of curves


@dataclass(frozen=True)
class Line:
    """A line: the path of its drawing, its stroke, and its letter, "" if it is the only one.

    The letter stands at the line's end, `across` and `end` in percent of the width and the height.
    """

    path: str
    kind: int
    letter: str = ""
    end: float = 0.0
    across: float = 100.0


@dataclass(frozen=True)
class Mark:
    """A threshold, by its name: where it stands, in percent of the width."""

    at: float
    name: str


@dataclass(frozen=True)
class Plot:
    """Lines over two axes; the first of `filled` lines is an area. `height` is in CSS pixels, `digits` in letters."""

    x: Sequence[Tick]
    y: Sequence[Tick]
    x_title: str
    y_title: str
    lines: Sequence[Line]
    marks: Sequence[Mark] = ()
    filled: bool = False
    height: int = HEIGHT

    @property
    def digits(self) -> int:
        """The width of the upright axis' labels."""
        return max((len(tick.text) for tick in self.y), default=1)


@dataclass(frozen=True)
class Bar:
    """A row of a table with bars: a name, its bars of (percent, kind) parts, and its numbers."""

    name: str
    bars: Sequence[Sequence[tuple[float, int]]]
    cells: Sequence[str]


@dataclass(frozen=True)
class Key:
    """What a stroke or stripe stands for."""

    name: str
    kind: int
    letter: str = ""


@dataclass(frozen=True)
class Figure:
    """A plot and its numbers as a table, or a table with bars; `of` is the source that it shows, "" if none.

    `key` names it among all figures of a page, `unit` says what bars count.
    """

    key: str
    title: str
    of: str
    note: str
    header: Sequence[str]
    keys: Sequence[Key]
    plot: Plot | None = None
    rows: Sequence[Sequence[str]] = ()
    bars: Sequence[Bar] = ()
    unit: str = ""


def figure(key: str, distribution: Distribution, of: str = "") -> Figure:
    """Return the figure of a distribution under a name of its own on the page; `of` is the source that it shows."""
    if isinstance(distribution, Histogram):
        return _histogram(key, distribution, of)
    return _curves(key, distribution, of) if isinstance(distribution, Curves) else _counts(key, distribution, of)


def _kind(number: int) -> int:
    return number % KINDS + 1


def _histogram(key: str, found: Histogram, of: str) -> Figure:
    filled = {name: series for name, series in found.series.items() if any(series)}
    kinds = {name: _kind(number) for number, name in enumerate(found.series)}
    rows = [
        (f"{nice(low)} to {nice(high)}", *(f"{series[n]:,.0f}" for series in found.series.values()))
        for n, (low, high) in enumerate(zip(found.edges, found.edges[1:], strict=False))
        if any(series[n] for series in found.series.values())
    ]
    axis = along(found.edges[0], found.edges[-1], found.logarithmic)
    top = max((count for series in filled.values() for count in series), default=1)
    places = [axis.place(edge) for edge in found.edges]
    plot = Plot(
        x=axis.ticks(),
        y=counting(top)[1],
        x_title=found.what,
        y_title="documents",
        lines=[Line(_steps(places, series, top), kinds[name]) for name, series in filled.items()],
        marks=[Mark(axis.place(value), name) for name, value in sorted(found.marks.items(), key=lambda row: row[1])],
        filled=True,
    )
    keys = [Key(name, kinds[name]) for name in filled]
    return Figure(key, found.title, of, found.note, (found.what, *found.series), keys, plot, rows)


def _steps(places: Sequence[float], series: Sequence[float], top: float) -> str:
    """Return the outline of bars, in pieces where some are empty."""
    parts: list[str] = []
    before = 0.0
    for left, right, count in zip(places, places[1:], series, strict=False):
        height = max(_LEAST, count / top) if count else 0.0
        if count and not before:
            parts.append(f"M{_across(left)} {_UNITS}")
        if height != before:
            parts.append(f"V{_UNITS - round(_UNITS * height)}")
        if count:
            parts.append(f"H{_across(right)}")
        before = height
    return "".join([*parts, f"V{_UNITS}"])


def _across(place: float) -> int:
    return round(_UNITS * place / 100)


def _counts(key: str, found: Counts, of: str) -> Figure:
    series = list(found.series.values())
    values = list(dict.fromkeys(value for one in series for value in one))
    together = sum if found.stacked else max
    top = max((together(one.get(value, 0) for one in series) for value in values), default=1) or 1
    keys = [Key(name, _kind(number)) for number, name in enumerate(found.series)]
    bars = []
    for value in values:
        parts = [(_width(one.get(value, 0) / top), _kind(number)) for number, one in enumerate(series)]
        drawn = [parts] if found.stacked else [[part] for part in parts]
        bars.append(Bar(value, drawn, [_number(one.get(value, 0)) for one in series]))
    return Figure(key, found.title, of, found.note, (found.what, *found.series), keys, bars=bars, unit=found.unit)


def _width(share: float) -> float:
    """Return the width of a bar in percent: of few beside many, still something."""
    return max(0.1, round(100 * share, 1)) if share else 0.0


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) or value >= 100 else f"{value:,.1f}"


def _curves(key: str, found: Curves, of: str) -> Figure:
    points = [point for series in found.series.values() for point in series]
    across = along(min(x for x, _ in points), max(x for x, _ in points), found.logarithmic_x)
    up = along(min(y for _, y in points), max(y for _, y in points), found.logarithmic_y)
    height, lines_of = max(HEIGHT, _LINE * len(found.series)), list(found.series.values())
    ends = _letters_places(
        [(across.place(series[-1][0]), up.place(series[-1][1])) if series else (100.0, 0.0) for series in lines_of],
        100 * _LINE / height,
    )
    letters = [_letter(number) if len(found.series) > 1 else "" for number in range(len(found.series))]
    lines = [
        Line(_path(across, up, series), _kind(number), letters[number], ends[number][1], ends[number][0])
        for number, series in enumerate(lines_of)
    ]
    plot = Plot(across.ticks(), up.ticks(upright=True), found.x, found.y, lines, height=height)
    keys = [Key(name, line.kind, line.letter) for name, line in zip(found.series, lines, strict=True)]
    return Figure(key, found.title, of, found.note, (found.x, *found.series), keys, plot, _table(found))


def _letter(number: int) -> str:
    """Return a, b ... z, aa, ab ..."""
    first, last = divmod(number, 26)
    return (_letter(first - 1) if first else "") + chr(ord("a") + last)


def _path(across: Axis, up: Axis, series: Sequence[tuple[float, float]]) -> str:
    points = (f"{_across(across.place(x))} {_UNITS - _across(up.place(y))}" for x, y in series)
    return "M" + "L".join(dict.fromkeys(points))


def _letters_places(ends: Sequence[tuple[float, float]], gap: float) -> list[tuple[float, float]]:
    """Return where the lines' letters stand: those of lines that end near each other are put above each other."""
    order = sorted(range(len(ends)), key=lambda number: (-ends[number][0], number))
    columns: list[list[int]] = []
    for number in order:
        if columns and ends[columns[-1][0]][0] - ends[number][0] < _BESIDE:
            columns[-1].append(number)
        else:
            columns.append([number])
    found: dict[int, tuple[float, float]] = {}
    for column in columns:
        at = ends[column[0]][0]  # where the longest of them ends, so that none stands on the line of another
        heights = _dodged([ends[number][1] for number in column], gap)
        found |= {number: (at, height) for number, height in zip(column, heights, strict=True)}
    return [found[number] for number in range(len(ends))]


def _dodged(ends: Sequence[float], gap: float) -> list[float]:
    """Return the heights of the lines' letters: near their ends, none nearer than `gap` to another, all inside."""
    order = sorted(range(len(ends)), key=lambda number: (ends[number], number))
    found, below = dict.fromkeys(order, 0.0), -gap
    for number in order:
        below = found[number] = max(ends[number], below + gap)
    above = 100.0 + gap
    for number in reversed(order):
        above = found[number] = min(found[number], above - gap)
    return [found[number] for number in range(len(ends))]


def _table(found: Curves) -> list[tuple[str, ...]]:
    """Return a few rows of the lines: each series at the nearest of its points."""
    xs = sorted({x for series in found.series.values() for x, _ in series})
    chosen = xs[:: max(1, len(xs) // _ROWS)]
    shown, nearest = apart(chosen), partial(_nearest, found.series)
    return [(shown(x), *(nearest(name, x) for name in found.series)) for x in chosen]


def _nearest(series: Mapping[str, Sequence[tuple[float, float]]], name: str, x: float) -> str:
    if not series[name] or not series[name][0][0] <= x <= series[name][-1][0]:
        return ""
    return nice(min(series[name], key=lambda point: abs(point[0] - x))[1])
