"""A run's records as a page shows them: curves of bounded length, the ledger beside Table 1, texts by step.

RUN/log.jsonl          a row per step, read as a stream into at most 2 x BINS means
RUN/evaluations.jsonl  held-out scores, chosen benchmarks and a generated text, by step
RUN/benchmarks.jsonl   benchmarks that were scored afterwards, by step
RUN/summary.json       the ledger, the footprint and the last text of a finished run
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pipelines.card.shapes import Curves
from pipelines.files import storage
from pipelines.table1 import TABLE_1, TOTAL_PROPORTION

_TITLES = {row.name: row.title for row in TABLE_1}
LOG, EVALUATIONS, SUMMARY = "log.jsonl", "evaluations.jsonl", "summary.json"
BENCHMARKS, CHECKPOINTS = "benchmarks.jsonl", "checkpoints"
BINS = 120
TEXTS = 8
WHOLE = "whole mixture"
_OF_THE_STEP = ("learning_rate", "tokens_per_second", "gradient_norm", "memory_bytes")
_STATE = re.compile(r"/step-\d+/state\.json\Z")
T = TypeVar("T")
Json = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """A row of the log: the tokens seen at its end, and by name what was measured with its weight.

    `ledger` are the tokens seen of each source.
    """

    tokens: int
    measured: Mapping[str, tuple[float | None, float]]
    ledger: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """A row of the evaluations: bits per byte of each source's held-out documents, and a text; "" if there is none.

    `benchmarks` are the scores of tasks by their names.
    """

    step: int
    bits_per_byte: Mapping[str, float | None]
    text: str
    benchmarks: Mapping[str, float | None] = field(default_factory=dict)


@dataclass
class Bin:
    """Sums over some consecutive steps; `tokens` and `ledger` are those at the end of the last one."""

    rows: int = 0
    tokens: int = 0
    ledger: Mapping[str, int] = field(default_factory=dict)
    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, value: float | None, weight: float = 1.0) -> None:
        """Add a measurement; None is none."""
        if value is not None:
            self.sums[name] = self.sums.get(name, 0.0) + value * weight
            self.counts[name] = self.counts.get(name, 0.0) + weight

    def fill(self, step: Step) -> None:
        """Add a step of the log."""
        self.rows += 1
        self.tokens, self.ledger = step.tokens, step.ledger
        for name, (value, weight) in step.measured.items():
            self.add(name, value, weight)

    def merge(self, other: Bin) -> Bin:
        """Return both as one."""
        merged = Bin(self.rows + other.rows, other.tokens, other.ledger, dict(self.sums), dict(self.counts))
        for name, value in other.sums.items():
            merged.sums[name] = merged.sums.get(name, 0.0) + value
            merged.counts[name] = merged.counts.get(name, 0.0) + other.counts[name]
        return merged

    def mean(self, name: str) -> float | None:
        """Return the mean of a measurement, None if it was never taken."""
        return self.sums[name] / self.counts[name] if self.counts.get(name) else None


@dataclass(frozen=True)
class Seen:
    """One source of the ledger beside the paper's row, its share scaled by what other sources leave; if it has one.

    Epochs are known of a finished run.
    """

    title: str
    tokens: int
    share: float
    paper_share: float | None
    epochs: float | None
    paper_epochs: float | None
    bits_per_byte: float | None


@dataclass(frozen=True)
class Run:
    """What is shown of a run; `finished` tells whether it has a summary.

    `corpus` is what identifies each source's tokens that it reads, empty if neither summary nor checkpoint says so.
    """

    path: str
    steps: int
    tokens: int
    curves: Sequence[Curves]
    ledger: Sequence[Seen]
    texts: Sequence[tuple[int, str]]
    facts: Sequence[tuple[str, str]]
    finished: bool
    table_1_scale: float = 1.0
    corpus: Mapping[str, str] = field(default_factory=dict)
    corpus_path: str = ""


def load(path: str) -> Run | None:
    """Read a run's records; None if there is no log."""
    bins = compact(_rows(f"{path}/{LOG}", _step))
    if not bins:
        return None
    evaluations = list(_rows(f"{path}/{EVALUATIONS}", _evaluation))
    scored = [*evaluations, *_rows(f"{path}/{BENCHMARKS}", _afterwards)]
    curves = (*_curves(bins), _held_out(evaluations), _benchmarks(scored))
    steps, tokens = sum(found.rows for found in bins), bins[-1].tokens
    with _named(f"{path}/{SUMMARY}"):
        summary: Json = storage.read_json(f"{path}/{SUMMARY}") or {}
        return Run(
            path=path,
            steps=steps,
            tokens=tokens,
            curves=[found for curve in curves if (found := _drawn(curve)).series],
            ledger=_ledger(summary) or _ledger_so_far(bins[-1], evaluations),
            texts=_texts(evaluations, summary, steps),
            facts=_facts(bins, summary),
            finished=bool(summary),
            table_1_scale=float(summary.get("table_1_scale", 1.0)),
            corpus={str(name): str(digest) for name, digest in (summary.get("corpus") or _state(path)).items()},
            corpus_path=str(summary.get("config", {}).get("corpus", "")),
        )


def _state(path: str) -> Json:
    """Return what identifies the tokens of a run by its newest checkpoint, nothing if it has none."""
    states = [name for name in storage.files_in(f"{path}/{CHECKPOINTS}") if _STATE.search(name)]
    found: Json = (storage.read_json(max(states)) or {}).get("corpus", {}) if states else {}
    return found


@contextmanager
def _named(place: str) -> Iterator[None]:
    """Say where it was if a record has another form than training writes: it may be somebody else's, or edited."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"{place}: not in the form that a run writes ({error!r:.200})") from None


def _rows(path: str, read: Callable[[Json], T]) -> Iterator[T]:
    """Yield what is read of a log's lines; a last one that was cut off while being written is left out."""
    if not storage.exists(path):
        return
    with storage.open_read(path) as stream:
        for number, line in enumerate(stream, 1):
            if line.endswith(b"\n"):
                with _named(f"{path}: line {number}"):
                    found = read(json.loads(line))
                yield found


def _finite(value: Any) -> float | None:
    """Return a number as it is shown: None for none, and for what is no number or infinite, which has no place."""
    found = None if value is None else float(value)
    return found if found is None or math.isfinite(found) else None


def _step(row: Json) -> Step:
    measured = {WHOLE: (_finite(row["loss"]), 1.0)}
    for name, (loss, tokens) in row["sources"].items():
        measured[f"source/{name}"] = (_finite(loss), float(int(tokens)))
    measured |= {name: (_finite(row.get(name)), 1.0) for name in _OF_THE_STEP}
    measured |= {f"mfu/{name}": (_finite(value), 1.0) for name, value in (row.get("mfu") or {}).items()}
    if footprint := row.get("footprint"):
        measured["energy"] = (_finite(footprint["mwh"]), 1.0)
    return Step(int(row["tokens"]), measured, {str(name): int(n) for name, n in (row.get("ledger") or {}).items()})


def _evaluation(row: Json) -> Evaluation:
    scores = {str(name): _finite(value) for name, value in row.get("bits_per_byte", {}).items()}
    benchmarks = {str(name): _finite(value) for name, value in row.get("benchmarks", {}).items()}
    return Evaluation(int(row["step"]), scores, str(row.get("text") or ""), benchmarks)


def _afterwards(row: Json) -> Evaluation:
    name = str(row["task"]) if row["format"] == "paper" else f"{row['task']} ({row['format']})"
    main, *_ = row["parts"].values()
    return Evaluation(int(row["step"]), {}, "", {name: _finite(main["value"])})


def compact(rows: Iterator[Step]) -> list[Bin]:
    """Return the rows' means over equally many steps, in at most 2 x BINS bins: a log may have a million rows."""
    bins: list[Bin] = []
    width, current = 1, Bin()
    for row in rows:
        current.fill(row)
        if current.rows == width:
            bins.append(current)
            current = Bin()
        if len(bins) == 2 * BINS:
            bins = [first.merge(second) for first, second in zip(bins[::2], bins[1::2], strict=True)]
            width *= 2
    return [*bins, current] if current.rows else bins


def _curves(bins: Sequence[Bin]) -> list[Curves]:
    names = sorted({name for found in bins for name in found.sums if name.startswith("source/")}, key=_order)
    losses = {WHOLE: _series(bins, WHOLE)}
    losses |= {_TITLES.get(name[7:], name[7:]): _series(bins, name) for name in names}
    mfu = sorted({name for found in bins for name in found.sums if name.startswith("mfu/")})
    seen = "tokens seen"
    return [
        Curves("Training loss, whole and by source", seen, "nats per token", losses),
        Curves("Learning rate", seen, "learning rate", {"learning rate": _series(bins, "learning_rate")}),
        Curves("Gradient norm", seen, "norm", {"gradient norm": _series(bins, "gradient_norm")}),
        Curves("Throughput", seen, "tokens per second", {"tokens per second": _series(bins, "tokens_per_second")}),
        Curves("Memory", seen, "GB", {"peak memory": _series(bins, "memory_bytes", 1e-9)}),
        Curves("Energy", seen, "Wh", {"energy": _series(bins, "energy", 1e6)}),
        Curves("Model FLOPs utilisation", seen, "share", {name[4:]: _series(bins, name) for name in mfu}),
    ]


def _drawn(curves: Curves) -> Curves:
    """Return the lines of at least two points: one alone shows no course."""
    return replace(curves, series={name: points for name, points in curves.series.items() if len(points) > 1})


def _held_out(evaluations: Sequence[Evaluation]) -> Curves:
    series: dict[str, list[tuple[float, float]]] = {}
    for row in evaluations:
        for name, value in row.bits_per_byte.items():
            if value is not None:
                series.setdefault(_TITLES.get(name, name), []).append((float(row.step), value))
    return Curves("Held-out documents", "step", "bits per byte", series)


def _benchmarks(scored: Sequence[Evaluation]) -> Curves:
    """Return the benchmarks over the steps; of two scores of one step the later, as it was scored afterwards."""
    series: dict[str, dict[float, float]] = {}
    for row in scored:
        for name, value in row.benchmarks.items():
            if value is not None:
                series.setdefault(name, {})[float(row.step)] = value
    return Curves("Benchmarks", "step", "score", {name: sorted(points.items()) for name, points in series.items()})


def _order(name: str) -> int:
    sources = [f"source/{row.name}" for row in TABLE_1]
    return sources.index(name) if name in sources else len(sources)


def _series(bins: Sequence[Bin], name: str, scale: float = 1.0) -> list[tuple[float, float]]:
    means = [(float(found.tokens), _finite(found.mean(name))) for found in bins]
    return [(tokens, mean * scale) for tokens, mean in means if mean is not None]


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


def _ledger_so_far(last: Bin, evaluations: Sequence[Evaluation]) -> list[Seen]:
    """Return the ledger of a run that goes on: what its log says of the tokens, and its last evaluation."""
    total = max(1, sum(last.ledger.values()))
    bits = evaluations[-1].bits_per_byte if evaluations else {}
    return [
        Seen(_TITLES.get(name, name), tokens, tokens / total, None, None, None, bits.get(name))
        for name, tokens in last.ledger.items()
    ]


def _texts(evaluations: Sequence[Evaluation], summary: Json, steps: int) -> list[tuple[int, str]]:
    """Return (step, text) of some evaluations, evenly spread, and of the end."""
    found = [(row.step, row.text) for row in evaluations if row.text]
    if summary.get("text") and (not found or found[-1][1] != summary["text"]):
        found.append((steps, str(summary["text"])))
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
        found.append(
            ("energy", _energy(footprint) if footprint else "not measured: no GPU with a counter or a known rating")
        )
    return found


def _energy(footprint: Mapping[str, Any]) -> str:
    how = "measured" if footprint["measured"] else "estimated from the GPU's rating"
    return f"{footprint['mwh']:.3g} MWh, {footprint['tco2eq']:.3g} t CO2eq ({how})"
