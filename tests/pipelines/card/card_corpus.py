"""A small corpus for tests of its card, and the log of a run."""

from __future__ import annotations

import bz2
import json
import random
from pathlib import Path

from pipelines import corpus
from tests.pipelines import tiny


def build(folder: Path, *options: str) -> Path:
    """Build a corpus of papers and books in FOLDER/corpus; FOLDER is made with its dumps if it is not there."""
    if not folder.exists():
        folder.mkdir(parents=True)
        tiny.arxiv(folder / "arXiv_src_1904_001.tar", 6)
        tiny.books(folder, 4)
    output = folder / ("corpus" if not options else "other")
    given = ["--input", f"arxiv={folder}/*.tar", "--input", f"books={folder}/*.txt", "--recipe", "paper"]
    given += ["--set", "tokenizer.vocabulary=500", "--set", "buckets=2", "--set", "excerpts=1", "--runner", "plain"]
    assert corpus.main([*given, *options, "--output", str(output)]) == 0
    return output


def wiki(folder: Path, text: str, pages: int = 8) -> Path:
    """Build a corpus of a wiki whose pages all have this wikitext, and prose of their own, in FOLDER/wiki."""
    rng = random.Random(1)
    rows = [tiny.page(n, f"Article {n}", 0, f"{text} {tiny.prose(rng, 8)}") for n in range(1, pages + 1)]
    head = '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/" version="0.10" xml:lang="en"><siteinfo/>'
    dump = folder / "enwiki-20220601-pages-articles.xml.bz2"
    dump.write_bytes(bz2.compress("\n".join([head, *rows, "</mediawiki>", ""]).encode()))
    given = ["--recipe", "paper", "--source", "wikipedia", "--input", f"wikipedia={dump}", "--runner", "plain"]
    given += ["--set", "tokenizer.vocabulary=400", "--set", "buckets=2", "--output", str(folder / "wiki")]
    assert corpus.main(given) == 0
    return folder / "wiki"


def log_run(folder: Path, steps: int) -> Path:
    """Write the log of an unfinished run."""
    folder.mkdir()
    rows = [
        {
            "step": step,
            "tokens": step * 1_000,
            "loss": 9 / step,
            "learning_rate": 1e-3,
            "tokens_per_second": 5e3,
            "sources": {"books": [9 / step, 3], "arxiv": [8 / step, 1]},
        }
        for step in range(1, steps + 1)
    ]
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "evaluations.jsonl").write_text(json.dumps({"step": steps, "text": "Once there was a llama."}) + "\n")
    return folder
