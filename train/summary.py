"""What a finished run leaves: its tables on the terminal, summary.json, loss.png and report.html."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from pipelines.files import storage
from train import meters, report
from train.energy import used
from train.evaluate import Score
from train.mixture import parse_proportions
from train.plan import Entry, paper, scale_of, table
from train.records import LOG, as_json, read_log
from train.report import SUMMARY
from train.run import Run


def finish(run: Run, scores: dict[str, Score], text: str, console: Console) -> None:
    """Print a finished run's tables and text, and write its files."""
    output, entries = Path(run.config.output), run.ledger(run.steps)
    _write(output / SUMMARY, summary(run, entries, scores, text))
    written = [output / SUMMARY, *report.write(output)]
    bits = {name: score.bits_per_byte for name, score in scores.items()}
    scale = scale_of(parse_proportions(run.config.proportions))
    title = f"Ledger: what the run has seen ({paper(scale)}; bits/byte: held out)"
    console.print(table(entries, title, scale, bits))
    console.print(f"\n{text}\n", markup=False, highlight=False)
    console.print(f"written: {', '.join(str(path) for path in written)}", highlight=False)


def summary(run: Run, entries: tuple[Entry, ...], scores: dict[str, Score], text: str) -> dict[str, Any]:
    """Return all that is known of a finished run."""
    config, device = run.config, meters.name_of(run.device)
    rows = list(read_log(Path(config.output) / LOG))
    footprint = used(run.seconds, run.world.size, device, run.watt_hours)
    return {
        "config": asdict(config),
        "parameters": run.model.config.parameters,
        "device": device,
        "ranks": run.world.size,
        "corpus": run.corpus.digests(),
        "peak_flops": meters.peak_of(device),
        "steps": run.steps,
        "tokens": run.step * config.batch_sequences * config.sequence_length,
        "seconds": run.seconds,
        "left_out": run.left_out,
        "loss": {"first": rows[0]["loss"], "last": rows[-1]["loss"]} if rows else None,
        "tokens_per_second": rows[-1]["tokens_per_second"] if rows else None,
        "mfu": rows[-1]["mfu"] if rows else None,
        "footprint": asdict(footprint) if footprint else None,
        "table_1_scale": scale_of(parse_proportions(config.proportions)),
        "sources": {
            entry.source: {
                **asdict(entry),
                "held_out": asdict(scores[entry.source]),
                "bits_per_byte": scores[entry.source].bits_per_byte,
            }
            for entry in entries
        },
        "text": text,
    }


def _write(path: Path, value: dict[str, Any]) -> None:
    storage.write_bytes(str(path), (as_json(value, indent=1) + "\n").encode())
