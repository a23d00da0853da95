"""How fast the two web chains are, beside CCNet's own functions, datatrove and dolma, in one run on the same pages.

    packages -> WET ─┬─ our chains: in the plain loop, on Beam with one worker ─┬─ CPU seconds -> table, ratios
                     └─ documents ─ each peer, in an environment of its own ────┘

Usage: `python benchmarks/web.py [--cc-net CHECKOUT] [--html FOLDER ...] [--rounds N] [--cache DIR] [--raw DIR]`.

CPU seconds are user and system time of the process and its children; of several rounds, which take turns, the best one
counts. Imports and loading models are not counted on any side. Ours reads WET and writes Parquet through all stages;
cc_net's functions get bodies in memory and write nothing; datatrove and dolma get JSONL of the pages that C4's rule of
one page for each URL leaves. The language model scores English pages only, on both sides.

The last line is one JSON object {"name": {"ratio": x, "bar": y}}: larger ratios are better, but for "beam_vs_plain",
which is Beam's CPU over that of the plain loop and must not exceed its bar. What was not measured has no entry; with
cc_net, "different" counts the pages on which it decides otherwise than our published mode.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console
from rich.table import Table

from benchmarks import peers, web_chains, web_peers
from benchmarks.web_chains import Runner, Settings
from filters.native import binding
from filters.web import paragraphs, perplexity
from pipelines.document import Document
from pipelines.optional.personal_information import DEFAULT_SITES, SITES
from pipelines.readers import Dump, wet
from pipelines.sample.web import Capture, Crawl, Page, visible_text, write_wet

BARS = {"common_crawl_vs_cc_net": 3.0, "c4_vs_datatrove": 8.0, "c4_vs_dolma": 2.0, "beam_vs_plain": 1.2}
PAGES_IN_A_FILE = 2_000
HTML_CRAWL = Crawl("common_crawl", "CC-MAIN-2020-10", datetime(2020, 2, 16, tzinfo=UTC), 1, 1.0, 1, False)

Measure = Callable[[], Mapping[str, Any]]


def html_pages(folder: Path) -> Iterable[Page]:
    """Yield the HTML files of a folder as pages; their URLs are made of their paths."""
    for path in sorted(folder.rglob("*.html")):
        text = visible_text(path.read_bytes()) if path.is_file() else ""
        if text:
            yield Page(f"http://{folder.name}.example/{path.relative_to(folder)}", text)


def write_html(folder: Path, output: Path) -> list[Path]:
    """Lay the HTML files of a folder out as WET files, once, and return their paths."""
    done = output / folder.name / "complete"
    if not done.exists():
        done.parent.mkdir(parents=True, exist_ok=True)
        pages = list(html_pages(folder))
        for start in range(0, len(pages), PAGES_IN_A_FILE):
            path = done.parent / f"{start:07}.warc.wet.gz"
            captures = [Capture(HTML_CRAWL.start, 0, page) for page in pages[start : start + PAGES_IN_A_FILE]]
            with path.open("wb") as stream:
                write_wet(stream, path.name, HTML_CRAWL, captures)
        done.touch()
    return sorted(done.parent.glob("*.warc.wet.gz"))


def write_bodies(pages: Sequence[Path], output: Path) -> None:
    """Write what cc_net starts from: the id and the body of each page that is long enough."""
    with output.open("w", encoding="utf-8") as lines:
        for document in read(pages):
            body = paragraphs.body(document.text, remove_nul=False, add_last_line=True)
            if not paragraphs.too_short(len(body)):
                lines.write(json.dumps({"id": document.id, "raw_content": body}) + "\n")


def write_documents(pages: Sequence[Path], left_out: set[str], output: Path) -> None:
    """Write the pages that reach C4's rules for lines, as datatrove and dolma read them."""
    output.mkdir(parents=True, exist_ok=True)
    with gzip.open(output / "pages.jsonl.gz", "wt", encoding="utf-8", compresslevel=6) as lines:
        for document in read(pages):
            if document.id.replace("common_crawl/", "c4/", 1) not in left_out:
                row = {"id": document.id, "text": document.text, "source": "wet", "added": "2020-02-16T00:00:00Z"}
                lines.write(json.dumps(row) + "\n")


def read(pages: Sequence[Path]) -> Iterable[Document]:
    """Yield the pages of WET files, ids as the CommonCrawl chain has them."""
    for path in sorted(pages):
        digest = web_chains.sha256(str(path))
        with path.open("rb") as stream:
            for found in wet.read(stream, Dump(str(path), digest), Counter()):
                if isinstance(found, Document):
                    yield found


def ours(chain: str, runner: Runner, pages: Sequence[Path], models: Mapping[str, str], cache: Path) -> Measure:
    """Return the measurement of one of our chains."""
    settings = Settings(chain, runner, str(cache / "runs" / f"{chain}-{runner}"), tuple(map(str, pages)), dict(models))
    file = cache / f"{chain}-{runner}.json"
    web_chains.write_settings(settings, file)
    return lambda: peers.run_script(Path(sys.executable), "web_chains.py", file)


def best(measures: Mapping[str, Measure], rounds: int, console: Console) -> dict[str, dict[str, Any]]:
    """Return each measurement's best round, and what could not be measured with the reason ("failed")."""
    found: dict[str, dict[str, Any]] = {}
    for number in range(rounds):
        for name, measure in measures.items():
            if "failed" in found.get(name, {}):
                continue
            try:
                result = dict(measure())
            except peers.NotMeasuredError as error:
                result = {"failed": str(error)}
            seconds = result.get("cpu_seconds")
            shown = f"failed: {result['failed']}" if seconds is None else f"{seconds:.2f} CPU-s"
            console.print(f"round {number + 1}: {name}: {shown}", markup=False, soft_wrap=True)
            before = found.get(name)
            if before and before.get("digest") != result.get("digest"):
                raise SystemExit(f"{name}: two rounds decided differently")
            if not before or (seconds is not None and seconds < before["cpu_seconds"]):
                found[name] = result
    return found


def differences(settings: Settings, theirs: Path) -> int:
    """Return on how many pages cc_net keeps other lines, or gives another language, score, perplexity or bucket."""
    decided = json.loads(theirs.read_text(encoding="utf-8"))
    here = {}
    for document in web_chains.documents(web_chains.open_chain(settings), "quality"):
        value = document.attributes.get("perplexity", perplexity.NO_PERPLEXITY)
        here[document.id] = [
            web_chains.text_digest(document.text),
            document.language,
            float(document.attributes["language_score"]),
            value,
            perplexity.bucket(value, perplexity.CCNET_CUTOFFS.get(document.language or "")),
        ]
    return sum(here.get(key) != decided.get(key) for key in here.keys() | decided.keys())


def ratios(found: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Return the ratios of what was measured."""
    seconds = {name: row["cpu_seconds"] for name, row in found.items() if "failed" not in row}
    chains = [name for name in ("common_crawl", "c4") if {f"{name}, plain", f"{name}, Beam"} <= seconds.keys()]
    pairs = {
        "common_crawl_vs_cc_net": ("cc_net", "common_crawl, Beam"),
        "c4_vs_datatrove": ("datatrove", "c4, Beam"),
        "c4_vs_dolma": ("dolma", "c4, Beam"),
    }
    known = {key: seconds[a] / seconds[b] for key, (a, b) in pairs.items() if a in seconds and b in seconds}
    if chains:
        beam, plain = (sum(seconds[f"{name}, {runner}"] for name in chains) for runner in ("Beam", "plain"))
        known["beam_vs_plain"] = beam / plain
    return known


def table(found: Mapping[str, Mapping[str, Any]], megabytes: float) -> Table:
    """Return the table of what was measured."""
    shown = Table("work", title=f"{megabytes:.1f} MB of text")
    for column in ("CPU-s", "MB/s", "documents kept"):
        shown.add_column(column, justify="right")
    for name, row in found.items():
        if "failed" in row:
            shown.add_row(name, "not measured", "", "")
        else:
            kept = f"{row['kept']:,}" if "kept" in row else ""
            shown.add_row(name, f"{row['cpu_seconds']:.2f}", f"{megabytes / row['cpu_seconds']:.2f}", kept)
    return shown


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cc-net", type=Path, metavar="DIR", help="a checkout of cc_net; without it, not measured")
    parser.add_argument("--html", type=Path, nargs="*", default=[], metavar="DIR", help="HTML files as more pages")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--raw", type=Path, default=Path("data/raw"), help="folder of the sample (data/raw)")
    parser.add_argument("--cache", type=Path, default=Path("data/cache/web"), help="environments, WET and outputs")
    parser.add_argument("--language-models", type=Path, help="folder of en/ (made of the sample's Wikipedia)")
    parser.add_argument("--only", nargs="*", help="only these measurements")
    return parser.parse_args(arguments)


def measures(options: argparse.Namespace, pages: Sequence[Path], models: Mapping[str, str]) -> dict[str, Measure]:
    """Return all measurements by name, in the order of a round: each peer after the chain that it stands beside."""
    cache = options.cache
    shared = {**models, "bodies": str(cache / "bodies.jsonl"), "documents": str(cache / "documents")}

    def chain(name: str, *wanted: str) -> dict[str, Measure]:
        given = {key: models[key] for key in wanted}
        runners: tuple[tuple[Runner, str], ...] = (("plain", "plain"), ("beam", "Beam"))
        return {f"{name}, {shown}": ours(name, runner, pages, given, cache) for runner, shown in runners}

    found = chain("common_crawl", "lid", "language_models", SITES)
    if options.cc_net:
        settings = {**shared, "output": str(cache / "cc_net-decided.json")}
        checkout = str(options.cc_net.resolve())
        found["cc_net"] = lambda: peers.run_peer(web_peers.CC_NET, cache, settings, checkout)
    found |= chain("c4", "bad_words", SITES)
    found["dolma"] = lambda: peers.run_peer(web_peers.DOLMA, cache, shared)
    found["datatrove"] = lambda: peers.run_peer(web_peers.DATATROVE, cache, shared)
    return {name: measure for name, measure in found.items() if not options.only or name in options.only}


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the pages, measure everything, print the table and the ratios."""
    options, console = parse(arguments), Console(stderr=True)
    if problem := binding.compile_library():
        raise SystemExit(f"our C cannot be compiled, and without it nothing here is measured: {problem}")
    options.cache = options.cache.resolve()
    (options.cache / "runs").mkdir(parents=True, exist_ok=True)
    raw = options.raw.resolve()
    pages = web_chains.lay_out(raw)
    for folder in options.html:
        pages += write_html(folder.resolve(), options.cache / "wet")
    language_models = options.language_models or web_chains.make_language_model(raw, options.cache / "models")
    models = {
        "lid": str(raw / "models/lid.176.ftz"),
        "bad_words": str(raw / "models/bad_words_en.txt"),
        "language_models": str(language_models.resolve()),
        SITES: str(DEFAULT_SITES),
    }
    settings = Settings("c4", "plain", str(options.cache / "runs/c4-first"), tuple(map(str, pages)), models)
    web_chains.run(settings)
    dropped = web_chains.drops(web_chains.open_chain(settings))
    left_out = {row["id"] for row in dropped if row["reason"] in ("duplicate_url", "page_too_long")}
    write_bodies(pages, options.cache / "bodies.jsonl")
    write_documents(pages, left_out, options.cache / "documents")
    found = best(measures(options, pages, models), options.rounds, console)
    megabytes = sum(len(document.text.encode()) for document in read(pages)) / 1e6
    Console(width=100).print(table(found, megabytes))
    report: dict[str, dict[str, float]] = {
        name: {"ratio": round(ratio, 2), "bar": BARS[name]} for name, ratio in ratios(found).items()
    }
    if "common_crawl_vs_cc_net" in report:
        chain = Settings("common_crawl", "beam", str(options.cache / "runs/common_crawl-beam"), settings.wet, models)
        report["common_crawl_vs_cc_net"]["different"] = differences(chain, options.cache / "cc_net-decided.json")
    for name in BARS:
        row = report.get(name)
        better = "lower" if name == "beam_vs_plain" else "higher"
        print(f"{name}: {'not measured' if row is None else row['ratio']} (bar {BARS[name]}, {better} is better)")
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
