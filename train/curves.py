"""A run as pictures over the tokens seen: the loss of the mixture and of each source, and all else that is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")  # before pyplot: a trainer has no screen

import numpy as np
import numpy.typing as npt
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from pipelines.table1 import TABLE_1

Curve = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]

# Okabe and Ito's palette, which readers without full colour vision can tell apart.
_COLOURS = ("#0072B2", "#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#8C6D31")
_TITLES = {row.name: row.title for row in TABLE_1}
_SMOOTH = 0.015  # of the run's length, the time constant of the running mean
_SEQUENCES = 15.0  # the least time constant of a source's running mean, in its sequences
_LEAST = 2  # points of a curve: one alone shows no course, and is left to the tables
_LABEL_GAP = 0.035  # of the axis' height, between the labels at the curves' ends


def draw(rows: Sequence[Mapping[str, Any]], names: Sequence[str], path: Path, title: str) -> None:
    """Draw a run's log to a PNG; a run of fewer than two steps draws nothing."""
    rows = [row for row in rows if _known(row["loss"])]
    if len(rows) < _LEAST:
        return
    figure, axes = plt.subplots(figsize=(10, 5.6), dpi=150)
    tokens = np.array([row["tokens"] for row in rows]) / 1e6
    axes.plot(tokens, [row["loss"] for row in rows], color="0.8", linewidth=0.8, zorder=1)
    curves, overall = running_means(rows, names)
    ends = []
    for (name, curve), colour in zip(curves.items(), _palette(len(curves)), strict=True):
        if curve[0].size >= _LEAST:
            axes.plot(*curve, color=colour, linewidth=1.2, alpha=0.9, zorder=2)
            ends.append((float(curve[1][-1]), _TITLES.get(name, name), colour))
    axes.plot(*overall, color="black", linewidth=2.4, zorder=3)
    ends.append((float(overall[1][-1]), "whole mixture", "black"))
    _dress(axes, title, float(tokens[-1]))
    _label(axes, ends)
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def draw_measures(rows: Sequence[Mapping[str, Any]], evaluations: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw learning rate, gradient norm, speed, memory and what else was known twice, a panel each, to a PNG."""
    found = {
        title: {name: curve for name, curve in curves.items() if curve[0].size >= _LEAST}
        for title, curves in _panels(rows, evaluations).items()
    }
    panels = {title: curves for title, curves in found.items() if curves}
    if not panels:
        return
    lines = -(-len(panels) // 2)
    figure, grid = plt.subplots(lines, 2, figsize=(10, 2.6 * lines), dpi=150, squeeze=False)
    for axes, (title, curves) in zip(grid.flat, panels.items(), strict=False):
        for (name, curve), colour in zip(curves.items(), _palette(len(curves)), strict=True):
            axes.plot(*curve, color=colour, linewidth=1.2, marker="." if len(curve[0]) < 30 else "", label=name)
        if len(curves) > 1:
            axes.legend(fontsize=7, frameon=False, ncols=2)
        axes.set_title(title, loc="left", fontsize=10, parse_math=False)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="0.92")
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    figure.supxlabel("million tokens seen", fontsize=10)
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def _panels(rows: Sequence[Mapping[str, Any]], evaluations: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Curve]]:
    """Return the curves of each panel by what they are of."""
    sources, benchmarks = _names(evaluations, "bits_per_byte"), _names(evaluations, "benchmarks")
    alone = {
        "learning rate": _values(rows, "learning_rate"),
        "gradient norm": _values(rows, "gradient_norm"),
        "tokens per second": _values(rows, "tokens_per_second"),
        "memory, GB": _values(rows, "memory_bytes", scale=1e-9),
        "energy, Wh": _values(rows, "footprint", "mwh", scale=1e6),
    }
    return {title: {title: curve} for title, curve in alone.items()} | {
        "MFU": {name: _values(rows, "mfu", name) for name in ("6N", "full attention", "causal attention")},
        "held-out bits per byte": {
            _TITLES.get(name, name): _values(evaluations, "bits_per_byte", name) for name in sources
        },
        "benchmarks, share that is right": {name: _values(evaluations, "benchmarks", name) for name in benchmarks},
    }


def _names(evaluations: Sequence[Mapping[str, Any]], key: str) -> list[str]:
    """Return what any evaluation scored, in the order of their first."""
    return list(dict.fromkeys(name for row in evaluations for name in row.get(key, {})))


def _known(value: Any) -> bool:
    """Tell whether a measure is a finite number; older logs have NaN where newer ones have null."""
    return value is not None and bool(np.isfinite(value))


def _values(rows: Sequence[Mapping[str, Any]], *keys: str, scale: float = 1.0) -> Curve:
    """Return a measure over the tokens seen, where it is known."""
    points = []
    for row in rows:
        value: Any = row
        for key in keys:
            value = value.get(key) if value is not None else None
        if _known(value):
            points.append((row["tokens"] / 1e6, value * scale))
    found = np.array(points, np.float64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _palette(count: int) -> list[str]:
    return [_COLOURS[number % len(_COLOURS)] for number in range(count)]


def running_means(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> tuple[dict[str, Curve], Curve]:
    """Return the running mean of each source's loss where it was seen, and that of the mixture.

    The mixture's is the mean of the sources' means, each weighted by its sequences, so that it lies among them.
    """
    tokens = np.array([row["tokens"] for row in rows]) / 1e6
    total, mass = np.zeros((2, len(rows)))
    curves: dict[str, Curve] = {}
    for name in names:
        places, losses, counts = _seen(rows, name)
        # A source that is seldom seen is averaged over a longer time: single sequences of it differ by whole nats.
        constant = max(_SEQUENCES, float(counts.sum()) * max(_SMOOTH, 1 / len(rows)))
        curves[name] = places, _smooth(losses, counts, constant)
        last = np.searchsorted(places, tokens, "right")  # its mean then; 0: it was not seen yet
        mass += np.where(last > 0, counts.sum(), 0.0)
        total += counts.sum() * np.append(0.0, curves[name][1])[last]
    known = mass > 0
    return curves, (tokens[known], total[known] / mass[known])


def _seen(rows: Sequence[Mapping[str, Any]], name: str) -> npt.NDArray[np.float64]:
    """Return million tokens, loss and sequences of each step that saw a source, (3, n)."""
    known = [row for row in rows if name in row["sources"] and _known(row["sources"][name][0])]
    return np.array([(row["tokens"] / 1e6, *row["sources"][name]) for row in known], np.float64).reshape(-1, 3).T


def _smooth(
    values: npt.NDArray[np.float64], weights: npt.NDArray[np.float64], constant: float
) -> npt.NDArray[np.float64]:
    """Return the running mean with exponentially fading weights, unbiased at its start."""
    result = np.empty(len(values))
    total = mass = 0.0
    for number, (value, weight) in enumerate(zip(values, weights, strict=True)):
        fade = np.exp(-weight / constant)
        total, mass = total * fade + value * weight, mass * fade + weight
        result[number] = total / mass
    return result


def _dress(axes: Axes, title: str, end: float) -> None:
    axes.set_title(title, loc="left", fontsize=11, parse_math=False)
    axes.set_xlabel("million tokens seen")
    axes.set_ylabel("training loss, nats per token: running means; grey: each step")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="0.92")
    axes.set_axisbelow(True)
    axes.set_xlim(0, end)


def _label(axes: Axes, ends: Sequence[tuple[float, str, str]]) -> None:
    """Name each curve at its end, pushed apart where they would overlap."""
    bottom, top = axes.get_ylim()
    gap = _LABEL_GAP * (top - bottom)
    below = -np.inf
    for value, name, colour in sorted(ends):
        below = max(value, below + gap)
        weight = "bold" if name == "whole mixture" else "normal"
        axes.annotate(
            f"{name} {value:.2f}",
            (1.0, below),
            xycoords=("axes fraction", "data"),
            xytext=(6, 0),
            textcoords="offset points",
            color=colour,
            fontsize=9,
            fontweight=weight,
            va="center",
            parse_math=False,
        )
