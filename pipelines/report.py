"""The corpus card: the funnel of each source and the mixture beside Table 1, on the terminal and as one HTML page.

    python -m pipelines.report data/corpus

Everything is read from manifests; the corpus itself is never loaded.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from rich.console import Console
from rich.table import Table

from pipelines import shards, storage
from pipelines.table1 import SOURCES, TABLE_1, TOTAL_PROPORTION, Row

PLAIN_WIDTH = 150  # columns where the output is no terminal
TEMPLATE = Path(__file__).with_name("report.html.j2")
NOTES = {
    "common_crawl": "the paper names none of its five dumps of 2017 to 2020",
    "books": "Books3 is no longer distributed: Project Gutenberg and given folders only",
}
MATCHES = {"url": "URL", "host": "host (a sample has too few pages that are cited by URL)"}


@dataclass(frozen=True)
class Mixed:
    """One source of the mixture: ours beside the paper's row. `run_tokens` is the length of the run for `epochs`."""

    row: Row
    documents: int
    size: int
    tokens: int
    run_tokens: int

    @property
    def bytes_per_token(self) -> float:
        """Bytes of text for each token of ours."""
        return self.size / self.tokens if self.tokens else 0.0

    @property
    def paper_bytes_per_token(self) -> float:
        """The same derived from Table 1: disk size over unique tokens."""
        return self.row.disk_bytes / self.row.unique_tokens

    @property
    def epochs(self) -> float:
        """Epochs of our tokens in a run of `run_tokens` at the paper's proportion."""
        return self.row.proportion / TOTAL_PROPORTION * self.run_tokens / self.tokens if self.tokens else 0.0


def load(output: str) -> dict[str, dict[str, Any]]:
    """Return the manifests of the sources that are there, in the order of Table 1; ValueError if there is none.

    Of a finished corpus, those that belong to it: another build may have left other sources in the directory.
    """
    found = {name: storage.read_json(f"{output}/{name}/manifest.json") for name in _sources(output)}
    present = {name: manifest for name, manifest in found.items() if manifest}
    if not present:
        raise ValueError(f"{output}: no corpus here (no source has a manifest)")
    return present


def _sources(output: str) -> list[str]:
    corpus = storage.read_json(f"{output}/manifest.json") or {}
    return [row.name for row in TABLE_1 if row.name in corpus.get("sources", SOURCES)]


def mixture(output: str) -> list[Mixed]:
    """Return the sources that have token shards beside their rows of Table 1."""
    found = []
    for row in (row for row in TABLE_1 if row.name in _sources(output)):
        directory = f"{output}/tokens/{row.name}"
        if storage.exists(f"{directory}/manifest.json"):
            found.append((row, shards.Manifest.load(directory)))
    run = sum(manifest.grand_total("tokens") for _, manifest in found)
    return [
        Mixed(
            row,
            manifest.grand_total("documents"),
            manifest.grand_total("text_bytes"),
            manifest.grand_total("tokens"),
            run,
        )
        for row, manifest in found
    ]


def funnel_table(manifests: dict[str, dict[str, Any]]) -> Table:
    """Return the funnel: for each source and stage what went in, what was kept, and why the rest left."""
    table = Table(title="What each stage kept and dropped (documents)", title_justify="left")
    for name, right in (("source", False), ("stage", False), ("in", True), ("kept", True), ("dropped because", False)):
        table.add_column(name, justify="right" if right else "left")
    for name, manifest in manifests.items():
        for number, account in enumerate(manifest["stages"]):
            stage = account["stage"].partition("/")[2]
            first = name if number == 0 else ""
            last = number == len(manifest["stages"]) - 1
            table.add_row(
                first, stage, f"{account['in']:,}", f"{account['kept']:,}", reasons(account), end_section=last
            )
    return table


def reasons(account: dict[str, Any]) -> str:
    """Return a stage's drop reasons, most frequent first."""
    found = [(documents, reason) for group in account["dropped"].values() for reason, (documents, _) in group.items()]
    texts = [f"{reason} {documents:,}" for documents, reason in sorted(found, key=lambda pair: (-pair[0], pair[1]))]
    if account["merged"]:
        texts.append(f"(merged into their question: {account['merged']:,})")
    return ", ".join(texts)


def mixture_table(mixed: Sequence[Mixed]) -> Table:
    """Return our Table 1 beside the paper's."""
    run = mixed[0].run_tokens if mixed else 0
    table = Table(title=f"Our Table 1 beside the paper's (epochs for a run of {run:,} tokens)", title_justify="left")
    for name in ("source", "documents", "MB", "tokens", "bytes/token", "paper's", "proportion", "epochs", "at 1.4T"):
        table.add_column(name, justify="left" if name == "source" else "right")
    for found in mixed:
        table.add_row(
            found.row.title,
            f"{found.documents:,}",
            f"{found.size / 1e6:,.2f}",
            f"{found.tokens:,}",
            f"{found.bytes_per_token:.2f}",
            f"{found.paper_bytes_per_token:.2f}",
            f"{found.row.proportion / 10:.1f} %",
            f"{found.epochs:.2f}",
            f"{found.row.epochs:.2f}",
        )
    documents, size, tokens = (sum(getattr(m, what) for m in mixed) for what in ("documents", "size", "tokens"))
    proportion = sum(m.row.proportion for m in mixed) / 10
    table.add_section()
    table.add_row("all", f"{documents:,}", f"{size / 1e6:,.2f}", f"{tokens:,}", "", "", f"{proportion:.1f} %", "", "")
    return table


def notes(output: str, manifests: dict[str, dict[str, Any]]) -> list[str]:
    """Return what a reader must know besides the numbers: windows, the classifier, what is different and why."""
    found = []
    for name, manifest in manifests.items():
        for decision in manifest["decisions"]:
            if decision["stage"] == "duplicate_lines":
                window = manifest["recipe"]["window"] or decision["items"]
                share = decision["marked"] / decision["keys"] if decision["keys"] else 0.0
                found.append(
                    f"{name}: lines were compared within windows of {min(window, decision['items'])} of "
                    f"{decision['items']} files; {decision['marked']:,} of {decision['keys']:,} lines ({share:.1%}) "
                    "stood in two pages or more and were removed"
                )
    reference = storage.read_json(f"{output}/models/reference/manifest.json")
    if reference:
        found.append(
            f"reference classifier: positives are {reference['pages']['positive']:,} pages that Wikipedia cites by "
            f"{MATCHES[reference['match']]}; threshold {reference['threshold']}, on held-out pages precision "
            f"{reference['precision']:.2f}, recall {reference['recall']:.2f}, area under the ROC "
            f"{reference['area_under_roc']:.2f}"
        )
    if "stack_exchange" in manifests and manifests["stack_exchange"]["recipe"]["name"] == "sample":
        found.append("stack_exchange: the sample's questions and answers are our own, as no package carries a dump")
    return found + [f"{name}: {note}" for name, note in NOTES.items() if name in manifests]


def print_summary(output: str, seconds: float | None = None) -> None:
    """Print the funnel and the mixture, and write the page."""
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    manifests = load(output)
    console.print(funnel_table(manifests))
    console.print(mixture_table(mixture(output)))
    for warning in warnings(manifests):
        console.print(f"warning: {warning}", style="bold", highlight=False, soft_wrap=True)
    for note in notes(output, manifests):
        console.print(f"- {note}", highlight=False)
    path = write_page(output)
    took = f" in {seconds:.0f} s" if seconds is not None else ""
    console.print(f"corpus: {output}{took}; the card: {path}", highlight=False, soft_wrap=True)


def warnings(manifests: dict[str, dict[str, Any]]) -> list[str]:
    """Return what the sources' manifests warn of."""
    return [warning for manifest in manifests.values() for warning in manifest.get("warnings", ())]


def write_page(output: str) -> str:
    """Write OUTPUT/report.html, one file that opens no connection, and return its path."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    manifests = load(output)
    page = template.render(
        manifests=manifests,
        mixed=mixture(output),
        reasons=reasons,
        warnings=warnings(manifests),
        notes=notes(output, manifests),
        recipe=next(iter(manifests.values()))["recipe"]["name"],
    )
    path = f"{output}/report.html"
    storage.write_bytes(path, page.encode())
    return path


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the card of a corpus directory; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.report", description="Show a corpus' card.")
    parser.add_argument("corpus", help="corpus directory")
    options = parser.parse_args(arguments)
    try:
        print_summary(options.corpus)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
