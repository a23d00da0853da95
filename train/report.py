"""A run as one page: its loss, its measures, its ledger, and what it wrote at each evaluation.

python -m train.report data/run                 also while the run goes
python -m train.report data/run data/other      the page of the first, with both runs over each other

log.jsonl, evaluations.jsonl, summary.json (of a finished run), benchmarks.jsonl (of train.evaluation)
    -> loss.png, measures.png (pictures for elsewhere), report.html (drawn by itself, as the corpus card is)
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipelines.card import run_page, training
from pipelines.card.run_page import Table
from pipelines.files import commands, ours
from train import command_lines, curves
from train.evaluation.history import FILE as SCORES
from train.evaluation.history import Scored, latest, scored, with_scores
from train.evaluation.published import SIZES
from train.plan import human
from train.records import EVALUATIONS, LOG, Row, read_log

REPORT, LOSS, MEASURES, SUMMARY = "report.html", "loss.png", "measures.png", "summary.json"


def write(run: Path, others: Sequence[Path] = ()) -> list[Path]:
    """Write the page and pictures of a run; return them.

    `others` are runs to be laid over it on its page. Raises ValueError for a run of which nothing was recorded yet.
    """
    found, *beside = (_loaded(path) for path in (run, *others))
    rows, evaluations = (list(read_log(run / name)) for name in (LOG, EVALUATIONS))
    summary = json.loads((run / SUMMARY).read_text(encoding="utf-8")) if (run / SUMMARY).exists() else {}
    title = _title(rows, summary)
    scores = scored(evaluations, read_log(run / SCORES))
    tokens = {row["step"]: row["tokens"] for row in rows}
    with tempfile.TemporaryDirectory() as folder:
        drawn = [Path(folder, name) for name in (LOSS, MEASURES)]
        curves.draw(rows, list(rows[-1]["ledger"]), drawn[0], title)
        curves.draw_measures(rows, with_scores(evaluations, scores, tokens), drawn[1])
        pictures = {path.name: path.read_bytes() for path in drawn if path.exists()}
    page = run_page.render(found, title, list(_tables(rows[-1], scores, summary.get("config", {}))), beside)
    contents = {REPORT: page.encode("utf-8", "replace"), **pictures}
    return [Path(ours.write(str(run), name, content)) for name, content in contents.items()]


def _loaded(run: Path) -> training.Run:
    found = training.load(str(run))
    if found is None:
        raise ValueError(f"{run}: no steps in {LOG}, so there is nothing to report")
    return found


def _title(rows: Sequence[Row], summary: Row) -> str:
    if not summary:
        return f"{rows[-1]['step']} steps, {human(rows[-1]['tokens'])} tokens so far"
    config = summary["config"]
    return (
        f"{config['model']}: {human(summary['parameters'])} parameters, {summary['steps']} steps of "
        f"{config['batch_sequences']} x {config['sequence_length']} tokens"
    )


def _tables(last: Row, scores: Sequence[Scored], config: Row) -> Iterator[Table]:
    """Yield the tables that the page has besides what the card shows of a run."""
    if scores:
        header = ("benchmark", "step", "score", "±", *(f"LLaMA {size}" for size in SIZES))
        yield Table("benchmarks", "Benchmarks", header, latest(scores))
    yield Table("measures", "Measures", ("measure", "value"), _facts(last), words=True)
    if config:
        note = "As given: --minutes may have ended the run before all its steps."
        rows = [(name, str(value)) for name, value in config.items()]
        yield Table("configuration", "Configuration", ("field", "value"), rows, note, words=True)


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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser = command_lines.report()
    options = parser.parse_args(arguments)
    try:
        print("written:", ", ".join(str(path) for path in write(options.run[0], options.run[1:])))  # noqa: T201
    except (ValueError, OSError) as error:
        parser.end(error)
    return 0


if __name__ == "__main__":
    commands.run(main)
