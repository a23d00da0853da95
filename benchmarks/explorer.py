"""The explorer on a corpus of some size, beside plain SQL in DuckDB over its files: seconds, memory, size of the index.

    python -m benchmarks.soak data/corpus /tmp/soak --gigabytes 20
    python -m benchmarks.explorer /tmp/soak [--index /tmp/soak-index] [--rounds 3]

Each question is asked in a process of its own (nothing remembered; files as warm as the first round left them), the
best of the rounds counts. Wall-clock seconds are those of the issue's limits, CPU seconds are what another machine can
compare. Memory is what a process holds for itself (Anonymous in /proc/self/smaps_rollup): pages of the index that the
system maps into it are the system's, and given back.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb

from benchmarks.soak import packed
from pipelines.explore import catalogue, compare, hints, histograms, index
from pipelines.explore.index import Index
from pipelines.explore.questions import Question
from pipelines.explore.search import BREAKDOWNS, SECONDS, Explorer
from pipelines.explore.words import terms
from pipelines.files import tables
from pipelines.hashing import keyed

FILTER_SECONDS: Final = 1.0
PHRASE_SECONDS: Final = 3.0
MEMORY: Final = 500e6
INDEX_SHARE: Final = 0.6
PHRASE_WORDS: Final = 4


def rare_phrase(corpus: str) -> str:
    """Return a few words that stand behind each other in the corpus, of a document by hash."""
    paths = sorted(str(path) for path in Path(corpus).glob("c4/documents/*.parquet")) or sorted(
        str(path) for path in Path(corpus).glob("*/documents/*.parquet")
    )
    path = min(paths, key=lambda path: keyed("phrase", path))
    texts = (row["text"] for row in tables.read_rows(path, ["text"]) if row["text"].isascii())
    words = next(found for text in texts if len(found := terms(text)) > 200)
    return " ".join(words[100 : 100 + PHRASE_WORDS])


@contextmanager
def watched() -> Iterator[dict[str, float]]:
    """Measure wall-clock and CPU seconds, and the most memory that the process held for itself."""
    found = {"memory": 0.0}
    over = threading.Event()

    def watch() -> None:
        while True:
            found["memory"] = max(found["memory"], _held())
            if over.wait(0.05):
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        yield found
    finally:
        found["seconds"], found["cpu"] = time.perf_counter() - wall, time.process_time() - cpu
        over.set()
        watcher.join()


def _held() -> float:
    text = Path("/proc/self/smaps_rollup").read_text(encoding="ascii")
    return 1024 * float(next(line.split()[1] for line in text.splitlines() if line.startswith("Anonymous:")))


def indexed(corpus: str, folder: str) -> dict[str, float]:
    """Index a corpus; return what it took."""
    with watched() as took:
        made = Index(Path(folder), with_words=True)
        made.bring_up_to_date(index.wanted(corpus), lambda line: None)
        made.catalogue.connection.close()
    return took


def asked(corpus: str, folder: str, question: Question) -> dict[str, Any]:
    """Ask a question as the page does: its counts, its list, what it is made up of."""
    explorer = Explorer(index.wanted(corpus), Index(Path(folder), with_words=True), 600.0)
    with watched() as took:
        answer = explorer.asked(question)
        counts = answer.counts()
        counted = time.perf_counter()
        answer.page(0)
        listed = time.perf_counter()
        for column in BREAKDOWNS:
            answer.breakdown(column)
        for name in ("bytes", "year"):
            histograms.of(answer, name)
        hints.of(answer, counts.documents)
    told = {"documents": counts.documents, "bytes": counts.bytes, "exact": counts.exact}
    return took | told | {"made of": time.perf_counter() - listed, "list": listed - counted}


def beside(corpus: str, folder: str) -> dict[str, Any]:
    """Compare a corpus with itself where some languages, scores and texts are others and some documents are gone."""
    with tempfile.TemporaryDirectory() as copies:
        explorers = []
        for name in ("first", "second"):
            shutil.copytree(folder, f"{copies}/{name}", ignore=shutil.ignore_patterns("words"))
            if name == "second":
                _change(f"{copies}/{name}/{catalogue.FILE}")
            made = Index(Path(copies, name), with_words=False)
            explorers.append(Explorer(index.wanted(corpus), made, 600.0))
        with watched() as took:
            both = [one.asked(Question()) for one in explorers]
            found = compare.differing(both)
            listed = {name: compare.listed(both, found, name).counts.documents for name in compare.LISTS}
    return took | {"documents": sum(listed.values()), "exact": found.exact}


def _change(path: str) -> None:
    with duckdb.connect(path) as connection:
        ((place,),) = connection.execute("SELECT place FROM scores WHERE name = 'perplexity'").fetchall() or ((0,),)
        for change in (
            "UPDATE documents SET language = 'xx' WHERE kept AND number % 1000 = 0",
            f"UPDATE documents SET s{place} = s{place} + 0.1 WHERE number % 7 = 0",
            "UPDATE documents SET content = content + 1 WHERE number % 9973 = 2",
            "DELETE FROM documents WHERE number % 5003 = 1",
            "CHECKPOINT",
        ):
            connection.execute(change)


def plainly(corpus: str, condition: str, parameters: Sequence[Any]) -> dict[str, Any]:
    """Ask DuckDB itself for documents and bytes of what is kept, over the Parquet files."""
    connection = duckdb.connect(config={"threads": 2})
    files = f"read_parquet('{corpus}/*/documents/*.parquet', union_by_name = true)"
    with watched() as took:
        sql = f"SELECT count(*), coalesce(sum(strlen(text)), 0) FROM {files} WHERE {condition}"
        ((documents, size),) = connection.execute(sql, parameters).fetchall()
    return took | {"documents": documents, "bytes": int(size)}


def questions(corpus: str) -> dict[str, tuple[Question, str, list[Any]]]:
    """Return the questions by name, each with plain SQL's condition for the same."""
    phrase = rare_phrase(corpus)
    spaced = r"(?i)\b" + r"\W+".join(phrase.split()) + r"\b"
    return {
        "a filter": (
            Question(state="kept", language="en", year_from=2019.0, year_to=2019.0),
            "language = 'en' AND year(timestamp) = 2019",
            [],
        ),
        "a rare phrase": (Question(words=f'"{phrase}"', state="kept"), "regexp_matches(text, ?)", [spaced]),
        "a common word": (
            Question(words="government", state="kept"),
            "regexp_matches(text, ?)",
            [r"(?i)\bgovernment\b"],
        ),
    }


def measured(arguments: Sequence[str]) -> dict[str, Any]:
    """Measure one thing in a process of its own."""
    command = [sys.executable, "-P", "-m", "benchmarks.explorer", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    """Measure all and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("--index")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs=2, metavar=("HOW", "QUESTION"), help="one measurement, as JSON")
    options = parser.parse_args()
    folder = options.index or f"{options.corpus}-index"
    if options.only:
        print(json.dumps(_one(options.corpus, folder, *options.only)))
        return
    if options.index is None:
        shutil.rmtree(folder, ignore_errors=True)
    _report(options.corpus, folder, options.rounds, new=options.index is None)


def _one(corpus: str, folder: str, how: str, name: str) -> dict[str, Any]:
    if how in ("index", "beside"):
        return (indexed if how == "index" else beside)(corpus, folder)
    question, condition, parameters = questions(corpus)[name]
    return asked(corpus, folder, question) if how == "explorer" else plainly(corpus, condition, parameters)


def _report(corpus: str, folder: str, rounds: int, *, new: bool) -> None:
    documents = [str(path) for path in Path(corpus).glob("*/documents/*.parquet")]
    size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    bars = {}
    if new:
        took = measured([corpus, "--index", folder, "--only", "index", "-"])
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
        print(
            f"indexed in {took['seconds']:,.0f} s, {took['cpu']:,.0f} CPU s, {took['memory'] / 1e6:,.0f} MB of memory"
        )
        bars["memory while indexing"] = {"ratio": round(took["memory"] / MEMORY, 2), "bar": 1.0}
    share = size / packed(documents)
    print(f"the index has {size / 1e6:,.0f} MB, {share:.2f} of the texts as the corpus has them packed")
    bars["size of the index"] = {"ratio": round(share, 3), "bar": INDEX_SHARE}
    print("| question | documents | explorer: counts, list and all | CPU s | MB | plain SQL | CPU s | MB |")
    memory = 0.0
    for name in questions(corpus):
        both = {}
        for how in ("explorer", "sql"):
            found = [measured([corpus, "--index", folder, "--only", how, name]) for _ in range(rounds)]
            both[how] = min(found, key=lambda one: float(one["seconds"]))
        own, sql = both["explorer"], both["sql"]
        memory = max(memory, own["memory"])
        counted = f"{own['documents']:,} ({sql['documents']:,} by SQL)"
        print(f"| {name} | {counted} | {_cells(own)} | {_cells(sql)} |")
        limit = FILTER_SECONDS if name == "a filter" else PHRASE_SECONDS
        bars[name] = {"ratio": round(own["seconds"] / limit, 2), "bar": 1.0}
        bars[f"{name}, CPU beside SQL"] = {"ratio": round(sql["cpu"] / max(1e-3, own["cpu"]), 1), "bar": 1.0}
    found = [measured([corpus, "--index", folder, "--only", "beside", "-"]) for _ in range(rounds)]
    own = min(found, key=lambda one: float(one["seconds"]))
    print(f"| two corpora beside each other | {own['documents']:,} that differ | {_cells(own)} | | | |")
    bars["two corpora, of the time limit"] = {"ratio": round(own["seconds"] / SECONDS, 2), "bar": 1.0}
    bars["memory while answering"] = {"ratio": round(memory / MEMORY, 2), "bar": 1.0}
    print(json.dumps(bars))


def _cells(took: dict[str, Any]) -> str:
    return f"{took['seconds']:.2f} s | {took['cpu']:.2f} | {took['memory'] / 1e6:,.0f}"


if __name__ == "__main__":
    main()
