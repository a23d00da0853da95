"""The loss curve as a picture: the whole mixture and each of its sources, over the tokens seen."""

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
_LABEL_GAP = 0.035  # of the axis' height, between the labels at the curves' ends


def draw(rows: Sequence[Mapping[str, Any]], names: Sequence[str], path: Path, title: str) -> None:
    """Draw a run's log to a PNG; a run without rows draws nothing."""
    rows = [row for row in rows if row["loss"] is not None]
    if not rows:
        return
    figure, axes = plt.subplots(figsize=(10, 5.6), dpi=150)
    tokens = np.array([row["tokens"] for row in rows]) / 1e6
    losses = np.array([row["loss"] for row in rows])
    constant = max(1.0, _SMOOTH * len(rows))
    axes.plot(tokens, losses, color="0.8", linewidth=0.8, zorder=1)
    ends = []
    for name, colour in zip(names, _palette(len(names)), strict=True):
        curve = _curve(rows, name, constant)
        if curve[0].size:
            axes.plot(*curve, color=colour, linewidth=1.2, alpha=0.9, zorder=2)
            ends.append((float(curve[1][-1]), _TITLES.get(name, name), colour))
    overall = _smooth(losses, np.ones(len(rows)), constant)
    axes.plot(tokens, overall, color="black", linewidth=2.4, zorder=3)
    ends.append((float(overall[-1]), "whole mixture", "black"))
    _dress(axes, title, float(tokens[-1]))
    _label(axes, ends)
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def _palette(count: int) -> list[str]:
    return [_COLOURS[number % len(_COLOURS)] for number in range(count)]


def _curve(rows: Sequence[Mapping[str, Any]], name: str, constant: float) -> Curve:
    seen = [(row["tokens"] / 1e6, *row["sources"][name]) for row in rows if name in row["sources"]]
    if not seen:
        return np.empty(0), np.empty(0)
    tokens, losses, counts = np.array(seen, np.float64).T
    # A source that is seldom seen is averaged over a longer time: single sequences of it differ by whole nats.
    return tokens, _smooth(losses, counts, max(_SEQUENCES, constant * float(counts.sum()) / len(rows)))


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
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel("million tokens seen")
    axes.set_ylabel("training loss, nats per token")
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
        )
