"""What a run scored on benchmarks over its steps: at its evaluations, and afterwards on checkpoints that were kept.

evaluations.jsonl (chosen tasks, at intervals) + benchmarks.jsonl (train.evaluation) -> Scored, by step and task
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from train.evaluation.published import PRINTED, SIZES

FILE = "benchmarks.jsonl"
BENCHMARKS, ERRORS = "benchmarks", "benchmark_errors"  # in a row of evaluations.jsonl, by task
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Scored:
    """A task's score after a step; `name` says the format too where it is not the paper's."""

    step: int
    name: str
    value: float
    error: float


def scored(evaluations: Iterable[Row], afterwards: Iterable[Row]) -> list[Scored]:
    """Return all scores in the order of steps; of one step and task, what was scored afterwards, the last time."""
    found: dict[tuple[int, str], Scored] = {}
    for row in evaluations:
        for name, value in row.get(BENCHMARKS, {}).items():
            found[row["step"], name] = Scored(row["step"], name, value, row[ERRORS][name])
    for row in afterwards:
        if row["step"] is not None:
            name = row["task"] if row["format"] == "paper" else f"{row['task']} ({row['format']})"
            main, *_ = row["parts"].values()
            found[row["step"], name] = Scored(row["step"], name, main["value"], main["error"])
    return sorted(found.values(), key=lambda one: (one.step, one.name))


def with_scores(evaluations: Sequence[Row], scores: Sequence[Scored], tokens: Mapping[int, int]) -> list[Row]:
    """Return evaluations with all scores in them, and those of other steps whose tokens are known between them."""
    rows: dict[int, dict[str, Any]] = {row["step"]: {**row, BENCHMARKS: {}} for row in evaluations}
    for one in scores:
        if one.step not in rows and one.step in tokens:
            rows[one.step] = {"step": one.step, "tokens": tokens[one.step], "bits_per_byte": {}, BENCHMARKS: {}}
        if one.step in rows:
            rows[one.step][BENCHMARKS][one.name] = one.value
    return [rows[step] for step in sorted(rows)]


def latest(scores: Sequence[Scored]) -> list[tuple[str, ...]]:
    """Return a line for each task: its last score with step and error, and what LLaMA's paper prints of each size."""
    last = {one.name: one for one in scores}
    return [
        (name, f"{one.step:,}", f"{100 * one.value:.1f} %", f"{100 * one.error:.1f} %", *_printed(name.split(" ")[0]))
        for name, one in last.items()
    ]


def _printed(task: str) -> tuple[str, ...]:
    rows = [row for (name, _, part), row in PRINTED.items() if name == task and not part]
    values = rows[0].values if len(rows) == 1 else (None,) * len(SIZES)
    return tuple("" if value is None else f"{value:.1f} %" for value in values)
