"""Gopher's and FineWeb's rules on every row beside datatrove's own filters: how many rows are decided otherwise.

    WARC and WET files ─ web pages ─┬─ ours, on datatrove's words and on our own ─┬─> the same? and CPU seconds
                                    └─ datatrove's three filters ────────────────┘

Usage: `python benchmarks/quality.py FILE... [--rows N] [--output DIR]`, for example on the sample's pages in
data/raw/common_crawl. datatrove runs in an environment of its own, and gives the words that its tokenizer found. On
these words the only difference has to be that a run of words which comes once is no repetition here. The last line is
one JSON object: shares of the rows that are decided alike, on the same words but for that difference.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.peers import Peer, run_job
from filters.web import fineweb, gopher
from filters.web.words import words
from pipelines.document import Document
from pipelines.readers import Dump, warc

DATATROVE = Peer(
    "datatrove", "quality_peers.py", ("datatrove[io,processing]==0.10.0", "spacy==3.8.7", "orjson==3.13.0")
)
RULES = ("gopher quality", "gopher repetition", "fineweb")
BARS = {"same words": 1.0, "own words": 0.97}


def pages(files: Sequence[Path], most: int) -> Iterator[str]:
    """Yield the texts of web pages, at most so many."""
    for file in files:
        with file.open("rb") as stream:
            for found in warc.read(stream, Dump(file.name, file.name), Counter()):
                if isinstance(found, Document):
                    yield found.text
                    most -= 1
                if not most:
                    return


def judged(text: str, found: Sequence[str]) -> list[str | None]:
    """Return what each of our rules says."""
    return [gopher.quality(text, found), gopher.repetition(text, found), fineweb.quality(text, found)]


def is_once(theirs: str | None, text: str, found: Sequence[str]) -> bool:
    """Tell whether they dropped a text for its most frequent run, which comes once."""
    length = int(theirs.split("_")[1]) if theirs and theirs.startswith("top_") else 0
    runs = Counter(zip(*(found[start:] for start in range(length)), strict=False)) if length else Counter()
    return bool(runs) and max(runs.values()) == 1


def main() -> int:
    """Compare the rules row by row; print the differences and one JSON object."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--output", type=Path, default=Path("data/benchmark-quality"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    texts = list(pages(options.files, options.rows))
    peer: dict[str, Any] = run_job(DATATROVE, options.output.resolve(), "quality", texts)
    began = time.process_time()
    own = [judged(text, words(text)) for text in texts]
    seconds = time.process_time() - began
    same = [judged(text, found) for text, found in zip(texts, peer["words"], strict=True)]
    once = [
        [is_once(theirs, text, found) for theirs in row]
        for row, text, found in zip(peer["verdicts"], texts, peer["words"], strict=True)
    ]
    ratios = {"speed": {"ratio": round(peer["seconds"] / seconds, 2), "bar": 1.0}}
    for name, verdicts in (("same words", same), ("own words", own)):
        for number, rule in enumerate(RULES):
            pairs = [(row[number], theirs[number]) for row, theirs in zip(verdicts, peer["verdicts"], strict=True)]
            other = Counter(pair for pair in pairs if bool(pair[0]) != bool(pair[1]))
            alone = sum(row[number] for row in once)
            share = 1 - (other.total() - (alone if name == "same words" else 0)) / len(texts)
            print(
                f"{rule}, {name}: {other.total():,} of {len(texts):,} rows otherwise; by runs that come once {alone:,}"
            )
            for (mine, theirs), rows in other.most_common(5):
                print(f"    {rows:5,}  ours {mine or 'kept'}, theirs {theirs or 'kept'}")
            ratios[f"{rule}, {name}"] = {"ratio": round(share, 4), "bar": BARS[name]}
    print(json.dumps(ratios))
    return 0


if __name__ == "__main__":
    sys.exit(main())
