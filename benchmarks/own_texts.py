"""Deduplicating JSON lines by Jaccard, the whole command: speed, memory, recall and precision, beside two peers.

    words of a seeded generator ─ pages of 7 KB, one in ten an edited copy of another ─> JSON lines in eight files
        └ the Jaccard of each copy and its page, by sets of word tuples ─> the truth
    `python -m pipelines.corpus --recipe texts` │ datatrove's four stages │ text-dedup's minhash ─> the rows left

Usage: `python benchmarks/own_texts.py [--megabytes 1000] [--peer-megabytes 20] [--output DIR]`. CPU seconds (user and
system) and the memory of the largest process are those of the command with all that it starts; peers are far slower and
get a smaller corpus of the same kind. Of a pair at or above the threshold one has to go (recall); what goes has to have
such a partner (precision). The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.peers import NotMeasuredError, Peer, environment

DATATROVE = Peer(
    "datatrove", "own_texts_peers.py", ("datatrove[io,processing]==0.10.0", "spacy==3.8.7", "orjson==3.13.0")
)
TEXT_DEDUP = Peer("text-dedup", "", ("text-dedup==0.4.0",))
HERE = Path(__file__).resolve().parent
THRESHOLD = 0.8
FILES = 8
PAGE_WORDS = 1_250
VOCABULARY = 50_000
COPIES = 0.1
SHINGLE_WORDS = 5
BARS = {"recall": 0.99, "precision": 1.0}


@dataclass(frozen=True)
class Corpus:
    """Rows in a folder, and of each copy its page and their Jaccard."""

    folder: Path
    megabytes: float
    copies: Mapping[int, tuple[int, float]]


def write(folder: Path, megabytes: float) -> Corpus:
    """Write a corpus of so many megabytes of JSON lines, the same every time."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    draw = np.random.default_rng(7)
    letters = np.array(list("etaoinshrdlucmfwypvbgk"))
    words = np.array(["".join(draw.choice(letters, size)) for size in draw.integers(2, 10, VOCABULARY)])
    likelihood = 1 / np.arange(20, VOCABULARY + 20)
    likelihood /= likelihood.sum()
    streams = [(folder / f"{number}.jsonl").open("w", encoding="utf-8") for number in range(FILES)]
    copies: dict[int, tuple[int, float]] = {}
    pages: list[tuple[int, list[str]]] = []
    number = size = 0
    while size < megabytes * 1e6:
        if pages and draw.random() < COPIES:
            of, page = pages.pop(int(draw.integers(len(pages))))  # a page is copied once
            made = edited(draw, page, words)
            copies[number] = (of, jaccard(page, made))
        else:
            made = words[draw.choice(VOCABULARY, PAGE_WORDS, p=likelihood)].tolist()
            pages = [*pages[-500:], (number, made)]
        line = json.dumps({"n": number, "text": " ".join(made), "url": f"http://example.org/{number}"}) + "\n"
        streams[number % FILES].write(line)
        number, size = number + 1, size + len(line)
    for stream in streams:
        stream.close()
    return Corpus(folder, size / 1e6, copies)


def edited(draw: np.random.Generator, page: Sequence[str], words: NDArray[np.str_]) -> list[str]:
    """Return a page in which single words are replaced, so that its Jaccard lies between 0.5 and 1."""
    wanted = draw.uniform(0.5, 1.0)
    change = 1 - (2 * wanted / (1 + wanted)) ** (1 / SHINGLE_WORDS)
    marks = draw.random(len(page)) < change
    fresh = words[draw.integers(0, VOCABULARY, len(page))]
    return [str(other) if is_changed else word for word, other, is_changed in zip(page, fresh, marks, strict=True)]


def jaccard(first: Sequence[str], second: Sequence[str]) -> float:
    """Return the Jaccard of the word tuples of two pages."""
    one, other = (
        {tuple(page[i : i + SHINGLE_WORDS]) for i in range(len(page) - SHINGLE_WORDS + 1)} for page in (first, second)
    )
    return len(one & other) / len(one | other)


@dataclass(frozen=True)
class Measured:
    """What a command took, with all that it started, and the numbers of the rows that it left."""

    seconds: float
    memory: int
    left: frozenset[int]


def run(command: Sequence[str], folder: Path) -> tuple[float, int]:
    """Run a command, its words in FOLDER/log.txt; return CPU seconds and the bytes of its largest process.

    GNU time forks it: a process has at least the memory that its parent had when it was made, and this one is large.
    Raises NotMeasuredError if it fails.
    """
    log, usage = folder / "log.txt", folder / "usage.txt"
    timed = ["time", "--format=%U %S %M", f"--output={usage}", *command]
    with log.open("w", encoding="utf-8") as stream:
        done = subprocess.run(timed, cwd=HERE.parent, stdout=stream, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise NotMeasuredError(f"{' '.join(command[:4])}: {log.read_text(encoding='utf-8')[-300:]}")
    user, system, kilobytes = map(float, usage.read_text(encoding="utf-8").split())
    return user + system, int(kilobytes * 1024)


def ours(corpus: Corpus, folder: Path) -> Measured:
    """Run our command and export the rows."""
    output, settings = folder / "ours", ("measure=jaccard", f"threshold={THRESHOLD}")
    shutil.rmtree(output, ignore_errors=True)
    # In one process: CPU seconds of workers that a fork server has are not those of any child's child.
    build = [sys.executable, "-m", "pipelines.corpus", "--recipe", "texts", "--runner", "plain"]
    build += ["--input", f"own={corpus.folder}/*.jsonl"]
    build += [word for setting in settings for word in ("--set", f"texts.own.near.{setting}")]
    export = [sys.executable, "-m", "pipelines.export", "parquet", str(output / "corpus"), str(output / "rows")]
    took = [run(command, folder) for command in ([*build, "--output", str(output / "corpus")], export)]
    import pyarrow.parquet as pq

    left: list[Any] = [
        n for path in sorted(output.glob("rows/own/*.parquet")) for n in pq.read_table(path)["n"].to_pylist()
    ]
    print(f"ours: deduplication {took[0][0]:.1f} CPU s, export of the rows {took[1][0]:.1f}")
    return Measured(sum(seconds for seconds, _ in took), max(memory for _, memory in took), frozenset(map(int, left)))


def datatrove(corpus: Corpus, folder: Path) -> Measured:
    """Run datatrove's signatures, buckets, clusters and filter, with FineWeb's 14 bands of 8."""
    python = environment(DATATROVE, folder)
    output = folder / "datatrove"
    shutil.rmtree(output, ignore_errors=True)
    seconds, memory = run([str(python), str(HERE / DATATROVE.script), str(corpus.folder), str(output)], folder)
    rows = [json.loads(line) for path in output.glob("rows/*.jsonl") for line in path.open(encoding="utf-8")]
    return Measured(seconds, memory, frozenset(row["metadata"]["n"] for row in rows))


def text_dedup(corpus: Corpus, folder: Path) -> Measured:
    """Run text-dedup's minhash with its own choice of bands for the threshold."""
    python = environment(TEXT_DEDUP, folder)
    output = folder / "text-dedup"
    shutil.rmtree(output, ignore_errors=True)
    options = {"path": "json", "data_dir": corpus.folder, "split": "train", "cache_dir": output / "cache"}
    options |= {"output": output / "rows", "column": "text", "ngram": SHINGLE_WORDS, "threshold": THRESHOLD}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    seconds, memory = run([str(python), "-m", "text_dedup.minhash", *words], folder)
    script = f"import datasets; print(*datasets.load_from_disk({str(output / 'rows')!r})['n'])"
    said = subprocess.run([str(python), "-c", script], capture_output=True, text=True, check=True).stdout
    return Measured(seconds, memory, frozenset(map(int, said.split())))


def judged(corpus: Corpus, left: frozenset[int]) -> tuple[float, float]:
    """Return recall and precision at the threshold."""
    alike = [{number, of} for number, (of, overlap) in corpus.copies.items() if overlap >= THRESHOLD]
    having = set().union(*alike)
    total = 1 + max(max(left), *corpus.copies)
    gone = set(range(total)) - left
    found = sum(1 for pair in alike if not pair <= left)
    return found / len(alike), len(gone & having) / max(1, len(gone))


def main() -> int:
    """Measure ours and the peers; print the figures and one JSON object."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--megabytes", type=float, default=1_000)
    parser.add_argument("--peer-megabytes", type=float, default=20)
    parser.add_argument("--output", type=Path, default=Path("data/benchmark-own-texts"))
    options = parser.parse_args()
    folder = options.output.resolve()
    large = write(folder / "large", options.megabytes)
    small = write(folder / "small", options.peer_megabytes)
    methods: dict[str, tuple[Corpus, Callable[[Corpus, Path], Measured]]] = {
        "ours": (large, ours),
        "ours, smaller corpus": (small, ours),
        "datatrove": (small, datatrove),
        "text-dedup": (small, text_dedup),
    }
    ratios: dict[str, dict[str, float]] = {}
    speeds: dict[str, float] = {}
    for name, (corpus, method) in methods.items():
        try:
            found = method(corpus, folder)
        except NotMeasuredError as error:
            print(f"{name}: not measured: {error}")
            continue
        recall, precision = judged(corpus, found.left)
        speeds[name] = corpus.megabytes / found.seconds
        said = (
            f"{corpus.megabytes:,.0f} MB in {found.seconds:,.1f} CPU s, {speeds[name]:.2f} MB/s",
            f"largest process {found.memory / 1e6:,.0f} MB",
            f"{len(found.left):,} rows left",
            f"recall {recall:.4f}, precision {precision:.4f}",
        )
        print(f"{name}: {', '.join(said)}")
        if name == "ours":
            ratios |= {f"ours_{what}": {"ratio": round(value, 4), "bar": BARS[what]} for what, value in
                       (("recall", recall), ("precision", precision))}  # fmt: skip
        elif name in ("datatrove", "text-dedup"):
            ratios[f"speed_{name}"] = {"ratio": round(speeds["ours, smaller corpus"] / speeds[name], 2), "bar": 1.0}
    print(json.dumps(ratios))
    return 0


if __name__ == "__main__":
    sys.exit(main())
