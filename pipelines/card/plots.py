"""Distributions as SVG by pygal: static, no script, coloured by the page's own CSS variables (light, dark and print).

Every figure comes with a table of the same numbers; a reader of the page needs neither colours nor a mouse.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from types import ModuleType
from typing import Any

from markupsafe import Markup

from filters import packages
from pipelines.card.distributions import Counts, Curves, Distribution, Histogram, apart, nice

WIDTH, HEIGHT = 560, 260
_ROW = 21  # of a bar, with what is around it
# What pygal writes besides the drawing: comments with a date, the configuration of its script, which is not there.
_BESIDES = re.compile(r"<!--.*?-->|<script.*?</script>", re.DOTALL)
_COLOURS = tuple(f"var(--c{number})" for number in range(1, 9))
_MARK = len(_COLOURS) - 1
_TICKS = 5


@dataclass(frozen=True)
class Figure:
    """A drawing with its title, its legend (name, number of the colour), a note, and its numbers as a table."""

    key: str
    title: str
    svg: Markup
    legend: Sequence[tuple[str, int]]
    note: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def figure(key: str, distribution: Distribution) -> Figure:
    """Draw a distribution; `key` names it among all figures of a page."""
    if isinstance(distribution, Histogram):
        return _histogram(key, distribution)
    return _curves(key, distribution) if isinstance(distribution, Curves) else _counts(key, distribution)


@cache
def _style() -> Any:
    return packages.PYGAL.load("pygal.style").Style(
        background="transparent",
        plot_background="transparent",
        foreground="var(--ink)",
        foreground_strong="var(--ink)",
        foreground_subtle="var(--line)",
        guide_stroke_color="var(--line)",
        major_guide_stroke_color="var(--line)",
        guide_stroke_dasharray="0",
        major_guide_stroke_dasharray="0",
        colors=_COLOURS * 8,
        opacity=".72",
        opacity_hover="1",
        transition="0s",
        font_family="inherit",
        label_font_size=12,
        major_label_font_size=12,
        title_font_size=12,
        value_font_size=11,
        legend_font_size=12,
    )


def _drawn(chart_of: Callable[[ModuleType, Any], Any], key: str, found: Distribution) -> Markup:
    """Return the drawing of a distribution, none where pygal is not installed."""
    if not packages.PYGAL.is_there():
        return Markup("")
    chart = chart_of(packages.PYGAL.load(), found)
    chart.uuid = key
    text = _BESIDES.sub("", chart.render(is_unicode=True))
    label = Markup('<svg role="img" aria-label="{}" focusable="false" ').format(found.title)
    # The chart's own addresses are names of namespaces; inside a page HTML needs neither.
    text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", text)
    # pygal escapes what it is given.
    return Markup(text.replace("<svg ", label, 1))


def _options(height: int = HEIGHT) -> dict[str, object]:
    return {
        "style": _style(),
        "js": [],
        "width": WIDTH,
        "height": height,
        "disable_xml_declaration": True,
        "show_legend": False,
        "margin": 6,
        "spacing": 8,
        "pretty_print": False,
        "print_values": False,
    }


def _histogram(key: str, found: Histogram) -> Figure:
    filled = [(name, number + 1) for number, (name, series) in enumerate(found.series.items()) if any(series)]
    legend = filled + [(name, _MARK + 1) for name in found.marks]
    names = list(found.series)
    rows = [
        (f"{nice(low)} to {nice(high)}", *(f"{found.series[name][n]:,.0f}" for name in names))
        for n, (low, high) in enumerate(zip(found.edges, found.edges[1:], strict=False))
        if any(found.series[name][n] for name in names)
    ]
    svg = _drawn(_histogram_chart, key, found)
    return Figure(key, found.title, svg, legend, found.note, (found.what, *names), rows)


def _histogram_chart(pygal: ModuleType, found: Histogram) -> Any:
    scale = math.log10 if found.logarithmic else float
    unscale = _power if found.logarithmic else float
    edges = [scale(edge) for edge in found.edges]
    top = max((count for series in found.series.values() for count in series), default=1) or 1
    chart = pygal.Histogram(
        **_options(),
        x_title=found.what,
        y_title="documents",
        x_value_formatter=lambda value: nice(unscale(value)),
        value_formatter=nice,
        range=(0, top),
        x_labels=_ticks(edges[0], edges[-1], found.logarithmic),
    )
    chart.y_labels = _whole_ticks(top)
    for name, series in found.series.items():
        bars = [(count, low, high) for count, low, high in zip(series, edges, edges[1:], strict=False) if count]
        chart.add(name, bars)
    while len(chart.raw_series) < _MARK:
        chart.add("", [])
    width = (edges[-1] - edges[0]) / 250
    chart.add("thresholds", [(top, scale(mark) - width / 2, scale(mark) + width / 2) for mark in found.marks.values()])
    return chart


def _power(value: float) -> float:
    """Return 10 to this power; pygal asks for the formats of heights on this scale too, which no one sees."""
    return math.pow(10.0, min(value, 300.0))


def _ticks(low: float, high: float, logarithmic: bool) -> list[float]:
    if logarithmic and high - low >= 2:
        return [float(power) for power in range(math.ceil(low), math.floor(high) + 1)]
    if logarithmic and high - low >= 0.7:
        powers = range(math.floor(low), math.ceil(high) + 1)
        found = [power + math.log10(factor) for power in powers for factor in (1, 2, 5)]
        return [value for value in found if low <= value <= high]
    if logarithmic:
        low, high = 10**low, 10**high
    step = _step((high - low) / _TICKS)
    # A little more on both sides: 1e-4 / 1e-5 is not quite 10.
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    found = [step * number for number in range(first, last + 1)]
    if logarithmic:
        return [math.log10(value) for value in found if value > 0]
    return [float(f"{value:.12g}") for value in found]


def _whole_ticks(top: float) -> list[float]:
    step = max(1.0, _step(top / 4))
    return [step * number for number in range(int(top / step) + 1)]


def _step(rough: float) -> float:
    base = 10.0 ** math.floor(math.log10(rough)) if rough > 0 else 1.0
    return next(base * factor for factor in (1, 2, 2.5, 5, 10) if base * factor >= rough * 0.999)


def _counts(key: str, found: Counts) -> Figure:
    names = enumerate(found.series)
    legend = [(name, number % len(_COLOURS) + 1) for number, name in names] if len(found.series) > 1 else []
    rows = [(value, *(_number(series.get(value, 0)) for series in found.series.values())) for value in _values(found)]
    svg = _drawn(_counts_chart, key, found)
    return Figure(key, found.title, svg, legend, found.note, (found.what, *found.series), rows)


def _values(found: Counts) -> list[str]:
    """Return all values of all series, each once, those of the first series first."""
    return list(dict.fromkeys(value for series in found.series.values() for value in series))


def _counts_chart(pygal: ModuleType, found: Counts) -> Any:
    values = _values(found)
    kind, lines = (pygal.HorizontalStackedBar, 1.0) if found.stacked else (pygal.HorizontalBar, len(found.series) / 1.5)
    height = int(len(values) * _ROW * lines) + 62
    chart = kind(**_options(height), value_formatter=nice, x_title=found.unit, truncate_label=26)
    chart.x_labels = values[::-1]
    together = sum if found.stacked else max
    top = max(together(series.get(value, 0) for series in found.series.values()) for value in values)
    chart.y_labels = _whole_ticks(top)
    for name, series in found.series.items():
        chart.add(name, [series.get(value, 0) or None for value in values[::-1]])
    return chart


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) or value >= 100 else f"{value:,.1f}"


def _curves(key: str, found: Curves) -> Figure:
    legend = [(name, number % len(_COLOURS) + 1) for number, name in enumerate(found.series)]
    svg = _drawn(_curves_chart, key, found)
    return Figure(key, found.title, svg, legend, found.note, (found.x, *found.series), _table(found))


def _curves_chart(pygal: ModuleType, found: Curves) -> Any:
    x_scale = math.log10 if found.logarithmic_x else float
    y_scale = math.log10 if found.logarithmic_y else float
    x_unscale = _power if found.logarithmic_x else float
    y_unscale = _power if found.logarithmic_y else float
    points = [point for series in found.series.values() for point in series]
    xs, ys = [x_scale(x) for x, _ in points], [y_scale(y) for _, y in points]
    x_ticks, y_ticks = _ticks(min(xs), max(xs), found.logarithmic_x), _ticks(min(ys), max(ys), found.logarithmic_y)
    x_label, y_label = apart([*map(x_unscale, x_ticks)]), apart([*map(y_unscale, y_ticks)])
    chart = pygal.XY(
        **_options(HEIGHT + 40),
        x_title=found.x,
        y_title=found.y,
        dots_size=0,
        show_dots=False,
        stroke_style={"width": 2},
        x_value_formatter=lambda value: x_label(x_unscale(value)),
        value_formatter=lambda value: y_label(y_unscale(value)),
        x_labels=x_ticks,
    )
    chart.y_labels = y_ticks
    for name, series in found.series.items():
        chart.add(name, [(x_scale(x), y_scale(y)) for x, y in series])
    return chart


def _table(found: Curves) -> list[tuple[str, ...]]:
    """Return a few rows of the lines: each series at the nearest of its points."""
    xs = sorted({x for series in found.series.values() for x, _ in series})
    chosen = xs[:: max(1, len(xs) // 12)]
    nearest = partial(_nearest, found.series)
    return [(nice(x), *(nearest(name, x) for name in found.series)) for x in chosen]


def _nearest(series: Mapping[str, Sequence[tuple[float, float]]], name: str, x: float) -> str:
    if not series[name] or not series[name][0][0] <= x <= series[name][-1][0]:
        return ""
    return nice(min(series[name], key=lambda point: abs(point[0] - x))[1])
