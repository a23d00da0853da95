"""A run as one page: its loss, its measures, its ledger, and what it wrote at each evaluation.

python -m train.report data/run          also while the run goes

log.jsonl, evaluations.jsonl, summary.json (of a finished run), benchmarks.jsonl (of train.evaluation)
    -> loss.png, measures.png -> report.html
"""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from pipelines.files import commands, ours
from train import command_lines, curves
from train.evaluation.history import FILE as SCORES
from train.evaluation.history import Scored, latest, scored, with_scores
from train.evaluation.published import SIZES
from train.plan import human
from train.records import EVALUATIONS, LOG, Row, read_log

REPORT, LOSS, MEASURES, SUMMARY = "report.html", "loss.png", "measures.png", "summary.json"
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
img { width: 100%; } table { border-collapse: collapse; } th, td { padding: .15rem .8rem; text-align: right; }
th:first-child, td:first-child { text-align: left; } tr + tr { border-top: 1px solid #ddd; }
pre { white-space: pre-wrap; background: #f5f5f5; padding: .6rem; }
"""


def write(run: Path) -> list[Path]:
    """Write the page and pictures of a run; return them. Raises ValueError if nothing was recorded yet."""
    rows, evaluations = (list(read_log(run / name)) for name in (LOG, EVALUATIONS))
    if not rows:
        raise ValueError(f"{run}: no steps in {LOG}, so there is nothing to report")
    summary = json.loads((run / SUMMARY).read_text(encoding="utf-8")) if (run / SUMMARY).exists() else {}
    sources, title = list(rows[-1]["ledger"]), _title(rows, summary)
    scores = scored(evaluations, read_log(run / SCORES))
    tokens = {row["step"]: row["tokens"] for row in rows}
    with tempfile.TemporaryDirectory() as folder:
        drawn = [Path(folder, name) for name in (LOSS, MEASURES)]
        curves.draw(rows, sources, drawn[0], title)
        curves.draw_measures(rows, with_scores(evaluations, scores, tokens), drawn[1])
        pictures = {path.name: path.read_bytes() for path in drawn if path.exists()}
    contents = {REPORT: _page(title, rows, evaluations, scores, summary, pictures).encode(), **pictures}
    return [Path(ours.write(str(run), name, content)) for name, content in contents.items()]


def _title(rows: Sequence[Row], summary: Row) -> str:
    if not summary:
        return f"{rows[-1]['step']} steps, {human(rows[-1]['tokens'])} tokens so far"
    config = summary["config"]
    return (
        f"{config['model']}: {human(summary['parameters'])} parameters, {summary['steps']} steps of "
        f"{config['batch_sequences']} x {config['sequence_length']} tokens"
    )


def _page(
    title: str,
    rows: Sequence[Row],
    evaluations: Sequence[Row],
    scores: Sequence[Scored],
    summary: Row,
    pictures: Mapping[str, bytes],
) -> str:
    last = rows[-1]
    parts = [
        f"<!doctype html><meta charset=utf-8>{ours.GENERATOR.decode()}",
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f"<h1>{escape(title)}</h1>",
        *(
            f'<img alt="{Path(name).stem}" src="data:image/png;base64,{base64.b64encode(picture).decode()}">'
            for name, picture in pictures.items()
        ),
        *([] if LOSS in pictures else ["<p>One step makes no curve: the curves come with the second.</p>"]),
        "<h2>Ledger</h2>",
        _table(("source", "tokens seen", "share", "bits / byte"), _ledger(last, evaluations)),
        *_benchmarks(scores),
        "<h2>What it writes</h2>",
        *(f"<p>step {row['step']}</p><pre>{escape(row['text'])}</pre>" for row in reversed(evaluations)),
        "<h2>Measures</h2>",
        _table(("", ""), _facts(last)),
        *_configuration(summary.get("config", {})),
    ]
    return "\n".join(parts) + "\n"


def _benchmarks(scores: Sequence[Scored]) -> list[str]:
    if not scores:
        return []
    headings = ("benchmark", "step", "score", "±", *(f"LLaMA {size}" for size in SIZES))
    return ["<h2>Benchmarks</h2>", _table(headings, latest(scores))]


def _configuration(config: Row) -> list[str]:
    if not config:
        return []
    rows = [(name, str(value)) for name, value in config.items()]
    return [
        "<h2>Configuration</h2>",
        "<p>As given: --minutes may have ended the run before all its steps.</p>",
        _table(("", ""), rows),
    ]


def _facts(row: Row) -> list[tuple[str, str]]:
    facts = [
        ("tokens / s, in the last steps", f"{row['tokens_per_second']:,.0f}"),
        ("peak memory", f"{row['memory_bytes'] / 1e9:.2f} GB"),
        ("time", f"{row['seconds']:,.0f} s"),
    ]
    for name, share in (row["mfu"] or {}).items():
        facts.append((f"MFU, {name}", f"{share:.1%} of {human(int(row['peak_flops']))}FLOP/s"))
    if row["footprint"]:
        how = "measured by the GPUs" if row["footprint"]["measured"] else "estimated by the paper's formula"
        facts += [
            ("energy", f"{row['footprint']['mwh'] * 1e6:,.1f} Wh, {how}"),
            ("carbon", f"{row['footprint']['tco2eq'] * 1e6:,.1f} gCO2eq"),
        ]
    else:
        facts.append(("energy", "not measured"))
    return facts


def _ledger(row: Row, evaluations: Sequence[Row]) -> list[tuple[str, ...]]:
    total = max(1, sum(row["ledger"].values()))
    bits: Mapping[str, Any] = evaluations[-1]["bits_per_byte"] if evaluations else {}
    return [
        (name, f"{tokens:,}", f"{tokens / total:.2%}", "none" if bits.get(name) is None else f"{bits[name]:.3f}")
        for name, tokens in row["ledger"].items()
    ]


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in headings)
    body = "".join("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser = command_lines.report()
    options = parser.parse_args(arguments)
    try:
        print("written:", ", ".join(str(path) for path in write(options.run)))  # noqa: T201
    except (ValueError, OSError) as error:
        parser.end(error)
    return 0


if __name__ == "__main__":
    commands.run(main)
