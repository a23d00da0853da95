"""What tokens cost: our encoder beside SentencePiece's, the loader and the mixture, on a finished corpus.

    documents of every source -> the same texts through both encoders -> CPU seconds, ids compared
    token shards -> mixture -> sequences

Usage: `python benchmarks/tokens.py [CORPUS] [--megabytes N]`. Both encoders run in this process, one after the other on
each part of the documents, so that both meet the same machine. Ours remembers words it has seen: a source of less than
a megabyte is over before it knows them, and its ratio is printed but says little. A sequence's cost is given in
microseconds: drawing its number from the mixture alone, and with reading its tokens; beside a step of training with
the model of `make pretrain` as a share. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import sentencepiece

from pipelines.files import storage, tables
from tokenizer.encode import Tokenizer, without_surrogates

ENCODING_BAR = 8.0  # times SentencePiece's CPU speed
MIXTURE_BAR = 2.0  # microseconds a sequence
STEP_BAR = 0.01  # of a step's time
ENOUGH = 1e6  # bytes from which on a source's ratio says something
PART = 64
SEQUENCE_LENGTH = 2048
DRAWS = 1 << 20
READS = 2000
STEPS = 10


def parts(corpus: Path, source: str, megabytes: float) -> Iterator[list[str]]:
    """Yield a source's texts in parts of some documents, up to about this many megabytes."""
    left = megabytes * 1e6
    part: list[str] = []
    for entry in storage.read_json(f"{corpus}/{source}/manifest.json")["documents"]["files"]:
        for row in tables.read_rows(f"{corpus}/{entry['path']}", ["text"]):
            if left <= 0:
                break
            left -= len(row["text"])
            part.append(row["text"])
            if len(part) == PART:
                yield part
                part = []
    if part:
        yield part


def cpu(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the CPU seconds of some work, and its result."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def encoders(corpus: Path, source: str, megabytes: float, ours: Tokenizer, theirs: Any) -> tuple[float, float, int]:
    """Return the CPU seconds of both encoders over a source's documents, and its bytes; exit if the ids differ."""
    fast = slow = 0.0
    size = 0
    for texts in parts(corpus, source, megabytes):
        seconds, right = cpu(partial(list, map(theirs.encode, map(without_surrogates, texts))))
        slow += seconds
        seconds, found = cpu(partial(ours.encode_batch, texts, bos=False, eos=False))
        fast += seconds
        size += sum(len(text.encode()) for text in texts)
        if any(a.tolist() != b for a, b in zip(found, right, strict=True)):
            sys.exit(f"{source}: the ids are not SentencePiece's")
    return slow, fast, size


def encoding(corpus: Path, sources: Sequence[str], megabytes: float) -> dict[str, float]:
    """Print each source's speeds and return how many times faster ours is: of each, and over all of them ("all")."""
    path = corpus / "models" / "tokenizer" / "tokenizer.model"
    ours, theirs = Tokenizer(path), sentencepiece.SentencePieceProcessor(model_file=str(path))
    loading, fast = cpu(lambda: ours.fast)
    print(
        f"encoder: {'gigatoken' if fast else 'SentencePiece'}, {loading:.2f} s to load and check against SentencePiece"
    )
    print(f"{'source':16}{'MB':>8}{'SentencePiece MB/s':>20}{'ours MB/s':>12}{'ratio':>8}")
    total = [0.0, 0.0]
    ratios = {}
    for source in sources:
        slow, quick, size = encoders(corpus, source, megabytes, ours, theirs)
        total[0] += slow
        total[1] += quick
        mega = size / 1e6
        note = "" if size >= ENOUGH else "  (too little to tell)"
        print(f"{source:16}{mega:>8.1f}{mega / slow:>20.1f}{mega / quick:>12.1f}{slow / quick:>8.1f}{note}")
        ratios[source] = slow / quick
    ratios["all"] = total[0] / total[1]
    print(f"{'all':16}{'':>40}{ratios['all']:>8.1f}\n")
    return ratios


def sequences(corpus: Path, sources: Sequence[str], length: int) -> tuple[float, float] | None:
    """Return the microseconds of CPU that a sequence costs, drawn and read; None where torch is not installed."""
    try:
        from train.corpus import mixture_of, open_corpus
        from train.dataset import SequenceDataset
    except ImportError as error:
        print(f"the mixture and the loader are not measured: {error}")
        return None
    opened = open_corpus(corpus, sources)
    sizes = {name: manifest.total("train", "tokens") for name, manifest in opened.manifests.items()}
    usable = {name: 1 for name in sources if sizes[name] > length}
    mixture = mixture_of(sizes, {name: usable.get(name, 0) for name in sources}, length, 1)
    mixture.at(np.arange(1000))  # what is computed once
    drawn, _ = cpu(lambda: mixture.at(np.arange(DRAWS)))
    dataset = SequenceDataset(mixture, [opened.stream(name) for name in opened.manifests], length)
    batches = [list(range(start, start + 8)) for start in range(0, READS, 8)]
    read, _ = cpu(lambda: [dataset.__getitems__(batch) for batch in batches])
    return drawn / DRAWS * 1e6, read / READS * 1e6


def step_seconds(corpus: Path, sources: Sequence[str]) -> tuple[float, float] | None:
    """Return the CPU seconds of loading a step's sequences and of the whole step; None where there is no torch."""
    try:
        from train.config import CPU
        from train.run import open_run, train_step
    except ImportError:
        return None
    with tempfile.TemporaryDirectory() as output:
        proportions = ",".join(f"{name}=1" for name in sources)
        config = replace(CPU, corpus=str(corpus), output=output, device="cpu", proportions=proportions)
        run = open_run(config, print)
        train_step(run, run.batches(STEPS + 1))  # what is computed once
        batches = run.batches(STEPS + 1)
        load, _ = cpu(lambda: [next(batches) for _ in range(STEPS)])
        whole, _ = cpu(partial(_steps, run, run.batches(STEPS + 1), train_step))
    return load / STEPS, whole / STEPS


def _steps(run: Any, batches: Iterator[Any], step: Callable[[Any, Iterator[Any]], Any]) -> None:
    for _ in range(STEPS):
        step(run, batches)


def main() -> int:
    """Print all figures; return 1 if one is behind its bar."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", nargs="?", type=Path, default=Path("data/corpus"))
    parser.add_argument("--megabytes", type=float, default=16.0, help="of each source (default %(default)s)")
    parser.add_argument("--sequence-length", type=int, default=SEQUENCE_LENGTH)
    options = parser.parse_args()
    manifest = storage.read_json(f"{options.corpus}/manifest.json")
    if not manifest:
        parser.error(f"{options.corpus}/manifest.json: missing; build a corpus first")
    ratios = encoding(options.corpus, manifest["sources"], options.megabytes)
    results: dict[str, dict[str, float]] = {
        "encode_vs_sentencepiece": {"ratio": round(ratios["all"], 2), "bar": ENCODING_BAR}
    }
    results |= {
        f"encode_{name}": {"ratio": round(ratio, 2), "bar": ENCODING_BAR}
        for name, ratio in ratios.items()
        if name != "all"
    }
    good = ratios["all"] >= ENCODING_BAR
    if costs := sequences(options.corpus, manifest["sources"], options.sequence_length):
        drawn, read = costs
        print(f"mixture: {drawn:.2f} µs a sequence (bar {MIXTURE_BAR}), vectorised over {DRAWS:,}")
        print(f"loader:  {read:.1f} µs a sequence of {options.sequence_length:,} tokens, mixture included")
        # A ratio over its bar is good: so many times cheaper than the most it may cost.
        results["mixture_vs_limit"] = {"ratio": round(MIXTURE_BAR / drawn, 2), "bar": 1.0}
        good = good and drawn <= MIXTURE_BAR
    if seconds := step_seconds(options.corpus, manifest["sources"]):
        share = seconds[0] / seconds[1]
        print(f"loader:  {share:.3%} of a training step on this CPU (bar {STEP_BAR:.0%}): {seconds[0] * 1e3:.2f} ms")
        results["step_vs_loader"] = {"ratio": round(1 / share, 1), "bar": 1 / STEP_BAR}
        good = good and share <= STEP_BAR
    print(json.dumps(results))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
