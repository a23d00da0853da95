"""A run's records as a page shows them: curves of bounded length, the ledger beside Table 1, texts by step.

RUN/log.jsonl          a row per step, read as a stream into at most 2 x BINS means
RUN/evaluations.jsonl  held-out scores and a generated text, by step
RUN/summary.json       the ledger, the footprint and the last text of a finished run
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.card.distributions import Curves
from pipelines.card.facts import Json
from pipelines.files import storage
from pipelines.table1 import TABLE_1, TOTAL_PROPORTION

_TITLES = {row.name: row.title for row in TABLE_1}
LOG, EVALUATIONS, SUMMARY = "log.jsonl", "evaluations.jsonl", "summary.json"
BINS = 120
TEXTS = 8
WHOLE = "whole mixture"


@dataclass
class Bin:
    """Sums over some consecutive steps; `tokens` is where the last one ended."""

    rows: int = 0
    tokens: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, value: float | None, weight: float = 1.0) -> None:
        """Add a measurement; None is none."""
        if value is not None:
            self.sums[name] = self.sums.get(name, 0.0) + value * weight
            self.counts[name] = self.counts.get(name, 0.0) + weight

    def merge(self, other: Bin) -> Bin:
        """Return both as one."""
        merged = Bin(self.rows + other.rows, other.tokens, dict(self.sums), dict(self.counts))
        for name, value in other.sums.items():
            merged.sums[name] = merged.sums.get(name, 0.0) + value
            merged.counts[name] = merged.counts.get(name, 0.0) + other.counts[name]
        return merged

    def mean(self, name: str) -> float | None:
        """Return the mean of a measurement, None if it was never taken."""
        return self.sums[name] / self.counts[name] if self.counts.get(name) else None


@dataclass(frozen=True)
class Seen:
    """One source of the ledger beside the paper's row, its share scaled by what other sources leave; if it has one."""

    title: str
    tokens: int
    share: float
    paper_share: float | None
    epochs: float
    paper_epochs: float | None
    bits_per_byte: float | None


@dataclass(frozen=True)
class Run:
    """What is shown of a run; `finished` tells whether it has a summary."""

    path: str
    steps: int
    tokens: int
    curves: Sequence[Curves]
    ledger: Sequence[Seen]
    texts: Sequence[tuple[int, str]]
    facts: Sequence[tuple[str, str]]
    finished: bool
    table_1_scale: float = 1.0


def load(path: str) -> Run | None:
    """Read a run's records; None if there is no log."""
    bins = compact(_rows(f"{path}/{LOG}"))
    if not bins:
        return None
    summary: Json = storage.read_json(f"{path}/{SUMMARY}") or {}
    evaluations = list(_rows(f"{path}/{EVALUATIONS}"))
    steps, tokens = sum(found.rows for found in bins), bins[-1].tokens
    return Run(
        path=path,
        steps=steps,
        tokens=tokens,
        curves=[curve for curve in (*_curves(bins), _held_out(evaluations)) if any(curve.series.values())],
        ledger=_ledger(summary),
        texts=_texts(evaluations, summary, steps),
        facts=_facts(bins, summary),
        finished=bool(summary),
        table_1_scale=summary.get("table_1_scale", 1.0),
    )


def _rows(path: str) -> Iterator[Json]:
    """Yield a log's rows; a last line that was cut off while being written is left out."""
    if not storage.exists(path):
        return
    with storage.open_read(path) as stream:
        for line in stream:
            if line.endswith(b"\n"):
                yield json.loads(line)


def compact(rows: Iterator[Json]) -> list[Bin]:
    """Return the rows' means over equally many steps, in at most 2 x BINS bins: a log may have a million rows."""
    bins: list[Bin] = []
    width, current = 1, Bin()
    for row in rows:
        _fill(current, row)
        if current.rows == width:
            bins.append(current)
            current = Bin()
        if len(bins) == 2 * BINS:
            bins = [first.merge(second) for first, second in zip(bins[::2], bins[1::2], strict=True)]
            width *= 2
    return [*bins, current] if current.rows else bins


def _fill(found: Bin, row: Json) -> None:
    found.rows += 1
    found.tokens = int(row["tokens"])
    found.add(WHOLE, row["loss"])
    for name, (loss, count) in row["sources"].items():
        found.add(f"source/{name}", loss, count)
    for name in ("learning_rate", "tokens_per_second", "gradient_norm"):
        found.add(name, row.get(name))
    for convention, value in (row.get("mfu") or {}).items():
        found.add(f"mfu/{convention}", value)


def _curves(bins: Sequence[Bin]) -> list[Curves]:
    names = sorted({name for found in bins for name in found.sums if name.startswith("source/")}, key=_order)
    losses = {WHOLE: _series(bins, WHOLE)}
    losses |= {_TITLES.get(name[7:], name[7:]): _series(bins, name) for name in names}
    mfu = sorted({name for found in bins for name in found.sums if name.startswith("mfu/")})
    seen = "tokens seen"
    return [
        Curves("Training loss, whole and by source", seen, "nats per token", losses),
        Curves("Learning rate", seen, "learning rate", {"learning rate": _series(bins, "learning_rate")}),
        Curves("Throughput", seen, "tokens per second", {"tokens per second": _series(bins, "tokens_per_second")}),
        Curves("Model FLOPs utilisation", seen, "share", {name[4:]: _series(bins, name) for name in mfu}),
    ]


def _held_out(evaluations: Sequence[Json]) -> Curves:
    series: dict[str, list[tuple[float, float]]] = {}
    for row in evaluations:
        for name, value in row.get("bits_per_byte", {}).items():
            if value is not None:
                series.setdefault(_TITLES.get(name, name), []).append((float(row["step"]), value))
    return Curves("Held-out documents", "step", "bits per byte", series if len(evaluations) > 1 else {})


def _order(name: str) -> int:
    sources = [f"source/{row.name}" for row in TABLE_1]
    return sources.index(name) if name in sources else len(sources)


def _series(bins: Sequence[Bin], name: str) -> list[tuple[float, float]]:
    means = [(float(found.tokens), found.mean(name)) for found in bins]
    return [(tokens, mean) for tokens, mean in means if mean is not None]


def _ledger(summary: Mapping[str, Any]) -> list[Seen]:
    sources = summary.get("sources", {})
    paper = {row.name: row for row in TABLE_1}
    scale = summary.get("table_1_scale", 1.0)
    return [
        Seen(
            _TITLES.get(name, name),
            sources[name]["tokens"],
            sources[name]["share"],
            paper[name].proportion / TOTAL_PROPORTION * scale if name in paper else None,
            sources[name]["epochs"],
            paper[name].epochs if name in paper else None,
            sources[name].get("bits_per_byte"),
        )
        for name in sorted(sources, key=lambda name: _order(f"source/{name}"))
    ]


def _texts(evaluations: Sequence[Json], summary: Json, steps: int) -> list[tuple[int, str]]:
    """Return (step, text) of some evaluations, evenly spread, and of the end."""
    found = [(int(row["step"]), str(row["text"])) for row in evaluations if row.get("text")]
    if summary.get("text") and (not found or found[-1][1] != summary["text"]):
        found.append((steps, summary["text"]))
    if len(found) <= TEXTS:
        return found
    return [found[round(number * (len(found) - 1) / (TEXTS - 1))] for number in range(TEXTS)]


def _facts(bins: Sequence[Bin], summary: Json) -> list[tuple[str, str]]:
    found = [("steps", f"{sum(one.rows for one in bins):,}"), ("tokens seen", f"{bins[-1].tokens:,}")]
    first, last = bins[0].mean(WHOLE), bins[-1].mean(WHOLE)
    if summary.get("loss"):
        first, last = summary["loss"]["first"], summary["loss"]["last"]
    if first is not None and last is not None:
        found.append(("loss, first and last step", f"{first:.3f} → {last:.3f}"))
    speed = bins[-1].mean("tokens_per_second")
    if speed:
        found.append(("tokens per second", f"{speed:,.0f}"))
    mfu = bins[-1].mean("mfu/causal attention")
    device = summary.get("device", "")
    found.append(("MFU", f"{mfu:.1%}" if mfu else f"not known: no peak is published for {device or 'this device'}"))
    if summary:
        found += [("model", f"{summary['parameters']:,} parameters, on {device}")]
        footprint = summary.get("footprint")
        found.append(("energy", _energy(footprint) if footprint else "not measured: no GPU's counter or rating"))
    return found


def _energy(footprint: Mapping[str, Any]) -> str:
    how = "measured" if footprint["measured"] else "estimated from the GPU's rating"
    return f"{footprint['mwh']:.3g} MWh, {footprint['tco2eq']:.3g} t CO2eq ({how})"
