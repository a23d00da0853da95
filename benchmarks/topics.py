"""How many documents keep their topic on the card's map when an input leaves, or comes.

Usage: `python benchmarks/topics.py CORPUS [--pairs N]`, a finished corpus. Inputs are those that are LEAST to MOST of
the documents that are read; of books, a collection is one. Each is left out of the corpus in turn; then, for pairs of
them drawn by hash, the second of a corpus that lacks the first. The topics of two maps are matched one to one as fits
best, and documents of both maps counted. Trials are in two halves by hash: the numbers in `pipelines/card/topics.py`
were chosen by the first half alone. Printed besides are the topics of the whole corpus, and how well they tell hosts of
pages and languages of code apart (normalised mutual information). The last line is one JSON object:
name -> {ratio, bar}, the worst share of all trials, at least the bar; and the largest topic's share, at most.

On the sample the worst of 60 trials is 0.943 (of the 38 of the second half; 0.955 of the other 22). With the same
weight for each document and all words it is 0.58. The 19 single inputs alone: worst 0.957; with 12, 14, 18 and 20
topics 0.784, 0.898, 0.932 and 0.923, with weights that are even from 150, 200, 400 and 600 documents on 0.871, 0.879,
0.925 and 0.922. A map takes a CPU second.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from statistics import quantiles
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import normalized_mutual_info_score

from pipelines.card import counted, facts, samples, topics
from pipelines.card.samples import Sample
from pipelines.document import Document

BAR, LARGEST = 0.9, 0.35
LEAST, MOST = 0.002, 0.15
Trial = tuple[tuple[str, ...], tuple[str, ...]]  # the inputs that are not there before, and after


def input_of(document: Document) -> str:
    """Return what a document was read from: its id without the last part."""
    return document.id.rpartition("/")[0]


def trials_of(whole: Sequence[topics.Placed], pairs: int) -> list[Trial]:
    """Return an input left out of the whole corpus, for each; then pairs of them, by hash."""
    taken = Counter(input_of(one.document) for one in whole)
    inputs = sorted(name for name, count in taken.items() if LEAST <= count / len(whole) <= MOST)
    both = sorted(((one, two) for one in inputs for two in inputs if one != two), key=_hash)
    return [((), (one,)) for one in inputs] + [((one,), (one, two)) for one, two in both[:pairs]]


def _hash(names: tuple[str, ...]) -> bytes:
    return hashlib.sha256("|".join(names).encode()).digest()


def without(drawn: Mapping[str, Sample], inputs: tuple[str, ...]) -> list[topics.Placed]:
    """Return the map of a corpus that lacks some inputs."""
    left = {title: [one for one in sample.documents if input_of(one) not in inputs] for title, sample in drawn.items()}
    return topics.placed({title: samples.by_hash(found, topics.DOCUMENTS) for title, found in left.items()})


def kept(before: Mapping[str, int], after: Mapping[str, int]) -> float:
    """Return the share of documents of both maps that keep their topic."""
    both = before.keys() & after.keys()
    table = np.zeros((topics.TOPICS, topics.TOPICS))
    for one in both:
        table[before[one], after[one]] += 1
    return float(table[linear_sum_assignment(-table)].sum() / len(both))


def told(whole: Sequence[topics.Placed]) -> dict[str, float]:
    """Return how well topics tell apart what is known of documents."""
    hosts = [(urlsplit(one.document.url or "").netloc, one) for one in whole if not _is_code(one)]
    languages = [(one.document.attributes["code_language"], one) for one in whole if _is_code(one)]
    return {
        name: float(normalized_mutual_info_score([label or "" for label, _ in found], [one.topic for _, one in found]))
        for name, found in (("hosts", hosts), ("languages of code", languages))
        if found
    }


def _is_code(one: topics.Placed) -> bool:
    return "code_language" in one.document.attributes


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("corpus")
    parser.add_argument("--pairs", type=int, default=41)
    options = parser.parse_args()
    corpus = facts.load(options.corpus)
    drawn = {
        corpus.titles[name]: samples.read(corpus.path, manifest, counted.load(corpus, name).strata())
        for name, manifest in corpus.manifests.items()
    }
    started = time.process_time()
    whole = without(drawn, ())
    seconds = time.process_time() - started
    found = topics.read(drawn)
    assert found is not None, "too few documents for a map"
    for topic in found.topics:
        print(f"{topic.documents.value:8,.0f}  {' '.join(topic.words)}")
    largest = max(Counter(one.topic for one in whole).values()) / len(whole)
    print(f"{len(whole):,} documents read, {seconds:.1f} CPU seconds a map; largest topic {largest:.1%}; {told(whole)}")

    @cache
    def by_id(inputs: tuple[str, ...]) -> dict[str, int]:
        return {one.document.id: one.topic for one in without(drawn, inputs)}

    shares: dict[int, list[float]] = {0: [], 1: []}
    for before, after in trials_of(whole, options.pairs):
        half = _hash(("half", *after))[0] % 2
        shares[half].append(kept(by_id(tuple(sorted(before))), by_id(tuple(sorted(after)))))
        print(f"{shares[half][-1]:.3f}  half {half + 1}  {' then '.join(after)}", flush=True)
    for half, one in shares.items():
        print(
            f"half {half + 1}: {len(one)} trials, worst {min(one):.3f}, quartiles",
            *(f"{q:.3f}" for q in quantiles(one)),
        )
    worst = min(min(one) for one in shares.values())
    rows = {"documents that keep their topic": (worst, BAR), "largest topic, at most": (largest, LARGEST)}
    print(json.dumps({name: {"ratio": round(ratio, 3), "bar": bar} for name, (ratio, bar) in rows.items()}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
