"""Near-duplicates: recall and precision against brute force, and speed, beside datasketch, datatrove and rensa.

    folder of texts ─ passages, and pairs made at overlaps of 0.5 to 1.0 ─ brute force over all pairs ─> the truth
                                └ ours and the peers' candidates, in CPU seconds ─> recall by overlap, precision, MB/s

Then 20,000 documents of 10 to 100 shingles in pairs that differ by nothing, by their ends, by a word, or by what is
around them; and long texts without words, spaces or letters, each size twice the one before.

Usage: `python benchmarks/dedup.py FOLDER [--output DIR] [--pairs N] [--picture docs/recall.png]`. The peers run in a
virtual environment of their own, made once under the output folder; where it cannot be made they are left out. Brute
force compares sets of word tuples, without hashes. `--picture` draws the curves. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.peers import NotMeasuredError, Peer, environment, run_script
from pipelines.dedup import near, pairs
from pipelines.document import Document
from pipelines.files import runs
from pipelines.readers.gutenberg import decode

PEERS = Peer(
    "dedup", "dedup_peers.py", ("datasketch==2.0.0", "datatrove[processing]==0.10.0", "rensa==0.5.0", "spacy==3.8.18")
)
# (bands, rows) as published, each with the threshold that its authors state (docs: near-duplicates elsewhere).
PUBLISHED = {
    "SlimPajama": (9, 13, 0.8),
    "RedPajama-V2": (5, 25, 0.9),
    "NeMo": (20, 13, 0.8),
    "FineWeb": (14, 8, 0.75),
}
THRESHOLD = 0.9
# What one stage promises, so that the measured recall is at least 0.99 whatever the sample of pairs.
WANTED = 0.999
SHORTEST = 10
ROUNDS = 3  # of the speeds
LEVELS = tuple(level / 100 for level in range(50, 101, 5))
PASSAGE_WORDS = 300
LONG_WORDS = 1_500
# Short documents: so many shingles, and what a part of them lies in.
SHORT = (10, 100)
SHORT_DOCUMENTS = 20_000
AROUND = (0, 60, 1_500)
# Texts that no splitter of words is made for, and by how much twice the size may multiply the time: twice, and what
# larger caches and pages cost.
ODD_TEXTS = {
    "symbols": "*-=+#/|<>~^",
    "wide symbols": "\u2605\u2606\u25cb\U0001f600",
    "digits": "0123456789",
    "digits and spaces": "0123456789 ",
    "Chinese": "\u5929\u5730\u7384\u9ec4\u5b87\u5b99\u6d2a\u8352",
    "combining marks": "\u0301\u0323\u0308\u0316",
    "letters and marks": "ae\u0301\u0323\u0308\u0316",
    "one huge word": "x",
    "spaces": " ",
}
ODD_SIZES = (1_125_000, 2_250_000, 4_500_000, 9_000_000)
MOST_GROWTH = 2.3
# Speed is measured on texts of a web page's size, 7 KB.
PAGE_WORDS = 1_250
LEAST = 0.45
BARS = {
    "datasketch_jaccard": ("datasketch, own choice", "Jaccard", 10.0),
    "datasketch_containment": ("datasketch, containment", "containment", 10.0),
    "datatrove_jaccard": ("datatrove 14 x 8", "Jaccard", 100.0),
    "rensa_jaccard": ("rensa", "Jaccard", 1.0),
}

Pair = tuple[int, int]


def passages(folder: Path, length: int) -> list[str]:
    """Return real texts cut into passages; editions of one book are cut at other places and overlap at any share."""
    found = []
    for number, path in enumerate(sorted(folder.rglob("*.txt"))):
        words = decode(path.read_bytes())[0].split()
        starts = range(37 * number % length, len(words), length)
        found += [" ".join(words[start : start + length]) for start in starts]
    return found


def edited(rng: random.Random, words: Sequence[str], shared: float, fresh: Sequence[str], scattered: bool) -> list[str]:
    """Return words of which about `shared` of the shingles survive: single words replaced, or the end of it."""
    if scattered:
        change = 1 - shared ** (1 / near.SHINGLE_WORDS)
        return [rng.choice(fresh) if rng.random() < change else word for word in words]
    keep = round(shared * len(words))
    return [*words[:keep], *rng.choices(fresh, k=len(words) - keep)]


def made_pairs(rng: random.Random, fresh: Sequence[str], per_level: int) -> list[str]:
    """Return pairs of texts at each level: half of them alike in size (Jaccard), half a short one in a long one."""
    found = []
    for level in LEVELS:
        for number in range(per_level):
            short = rng.choices(fresh, k=PASSAGE_WORDS)
            if number % 2:
                around = rng.choices(fresh, k=LONG_WORDS)
                place = rng.randrange(LONG_WORDS)
                inside = edited(rng, short, level, fresh, number % 4 == 1)
                other = [*around[:place], *inside, *around[place:]]
            else:
                other = edited(rng, short, 2 * level / (1 + level), fresh, number % 4 == 0)
            found += [" ".join(short), " ".join(other)]
    return found


def short_pairs(rng: random.Random, fresh: Sequence[str], count: int) -> list[str]:
    """Return so many short documents in pairs: copies, other ends, another word inside, parts, shifted ones."""
    found: list[str] = []
    while len(found) < count:
        words = rng.choices(fresh, k=rng.randint(*SHORT) + near.SHINGLE_WORDS - 1)
        end, place = rng.randint(1, max(1, len(words) // 10)), rng.randrange(len(words))
        before, after = (rng.choices(fresh, k=rng.randint(0, rng.choice(AROUND))) for _ in range(2))
        other = (
            list(words),
            [*words[:-end], *rng.choices(fresh, k=end)],
            [*words[:place], rng.choice(fresh), *words[place + 1 :]],
            [*before, *words, *after],
            [*rng.choices(fresh, k=end), *words[end // 2 :]],
        )[len(found) // 2 % 5]
        found += [" ".join(words), " ".join(other)]
    return found


def growth() -> float:
    """Print the CPU seconds of odd texts by size; return by how much twice the size multiplies them, at most."""
    print("\nCPU seconds of odd texts, shingles and anchors, " + ", ".join(f"{size:,}" for size in ODD_SIZES))
    worst = 0.0
    for name, alphabet in ODD_TEXTS.items():
        seconds = [_seconds("".join(random.Random(size).choices(alphabet, k=size))) for size in ODD_SIZES]
        # The mean over all doublings: a single one has the steps of caches in it.
        mean = (seconds[-1] / seconds[0]) ** (1 / (len(seconds) - 1))
        print(f"  {name:20}" + "".join(f"{found:8.3f}" for found in seconds) + f"   x {mean:.2f}")
        worst = max(worst, mean)
    return worst


def _seconds(text: str) -> float:
    """Return the least of three."""
    found = []
    for _ in range(3):
        began = time.process_time()
        near.anchors(near.in_order(text), near.window(THRESHOLD, SHORTEST))
        found.append(time.process_time() - began)
    return min(found)


def brute_force(texts: Sequence[str]) -> tuple[dict[Pair, float], dict[Pair, float]]:
    """Return the Jaccard and the containment (of the smaller in the larger) of every pair of at least `LEAST`."""
    n = near.SHINGLE_WORDS
    sets, index = [], defaultdict(list)
    for number, text in enumerate(texts):
        words = re.findall(r"[^\W_]+", unicodedata.normalize("NFC", text.lower()))
        grams = {tuple(words[i : i + n]) for i in range(max(1, len(words) - n + 1))} if words else set()
        sets.append(len(grams))
        for gram in grams:
            index[gram].append(number)
    shared: Counter[Pair] = Counter()
    for members in index.values():
        shared.update(combinations(members, 2))
    jaccard = {(a, b): count / (sets[a] + sets[b] - count) for (a, b), count in shared.items()}
    contained = {(a, b): count / min(sets[a], sets[b]) for (a, b), count in shared.items()}
    return _at_least(jaccard), _at_least(contained)


def _at_least(found: Mapping[Pair, float]) -> dict[Pair, float]:
    return {pair: overlap for pair, overlap in found.items() if overlap >= LEAST}


@dataclass
class Found:
    """What a method found, and in how many CPU seconds: candidate pairs, and those that were verified."""

    candidates: set[Pair]
    verified: set[Pair]
    seconds: float


def ours(texts: Sequence[str], measure: pairs.Measure) -> Found:
    """Run our chain on texts in memory: shingles, keys, candidates, verification on the texts, the decision."""
    began = time.process_time()
    cut = near.bands(THRESHOLD, WANTED)
    window = near.window(THRESHOLD, SHORTEST)
    found = []
    for number, text in enumerate(texts):
        document = Document(id=f"{number:09d}", source="", text=text, dump="", offset=0)
        by_share = measure == "containment"
        found.append(pairs.containment_keys(document, window) if by_share else pairs.jaccard_keys(document, cut))
    records = _records(found)
    candidates, _ = pairs.candidates(records, np.zeros(len(records), np.uint32))
    wanted = pairs.merged(candidates, measure, THRESHOLD)
    load: pairs.Load = lambda places: {place: near.shingles(texts[place[1]]) for place in places}  # noqa: E731
    overlaps = pairs.verified(wanted, load, measure, THRESHOLD)
    pairs.resolved(overlaps, measure)
    seconds = time.process_time() - began
    return Found(_pairs_of(wanted), _pairs_of(overlaps), seconds)


def _records(found: Sequence[pairs.RankedKeys]) -> runs.Records:
    """Return the keys of all documents as one array, field by field, as a stage does."""
    counts = [len(hashes) for hashes, _, _ in found]
    records = np.empty(sum(counts), runs.RANKED_KEY)
    for name, column in zip(("hash", "rank", "line"), zip(*found, strict=True), strict=True):
        records[name] = np.concatenate(column)
    records["doc"] = np.repeat(np.arange(len(counts)), counts)
    return records


def _pairs_of(found: runs.Records) -> set[Pair]:
    return {_pair(a, b) for a, b in zip(found["inner_doc"].tolist(), found["outer_doc"].tolist(), strict=True)}


def _pair(a: int, b: int) -> Pair:
    return (int(a), int(b)) if a < b else (int(b), int(a))


def peers(texts: Sequence[str], output: Path, settings: Mapping[str, Sequence[int]]) -> dict[str, Found]:
    """Run the peers in their own environment; an empty answer if it cannot be made."""
    try:
        python = environment(PEERS, output)
    except NotMeasuredError as error:
        print(f"the peers cannot be installed, and are left out: {error}")
        return {}
    path = output / "texts.json"
    path.write_text(json.dumps(list(texts)), encoding="utf-8")
    made = run_script(python, PEERS.script, path, json.dumps(settings), str(THRESHOLD))
    return {
        name: Found({_pair(*pair) for pair in found["pairs"]}, set(), found["seconds"]) for name, found in made.items()
    }


def curve(truth: Mapping[Pair, float], found: set[Pair]) -> list[tuple[float, float, int]]:
    """Return (overlap, share found, pairs) for each level, of the pairs nearest to it."""
    levels = defaultdict(list)
    for pair, overlap in truth.items():
        levels[round(overlap * 20) / 20].append(pair in found)
    return [(level, sum(hits) / len(hits), len(hits)) for level, hits in sorted(levels.items()) if level >= LEVELS[0]]


def recall_above(truth: Mapping[Pair, float], found: set[Pair]) -> tuple[float, int]:
    """Return the share found of the pairs above the threshold, and how many there are."""
    wanted = [pair for pair, overlap in truth.items() if overlap > THRESHOLD]
    return sum(pair in found for pair in wanted) / len(wanted), len(wanted)


def draw(curves: Mapping[str, Mapping[str, Sequence[tuple[float, float, int]]]], path: Path) -> None:
    """Draw the curves of all methods, one panel for each measure."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, len(curves), figsize=(13, 5), sharey=True, layout="constrained")
    for axes, (measure, methods) in zip(panels, curves.items(), strict=True):
        for name, points in methods.items():
            style, width = ("-", 3.0) if name == "ours" else ("--", 1.2)
            levels, shares = [point[0] for point in points], [point[1] for point in points]
            axes.plot(levels, shares, style, linewidth=width, marker="o", markersize=3, label=name)
        axes.axvline(THRESHOLD, color="gray", linewidth=0.8)
        axes.set(title=f"by {measure}", xlabel=f"true overlap ({measure}, by brute force)")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8, loc="upper left")
    panels[0].set_ylabel("share of the pairs found, before verification")
    figure.savefig(path, dpi=90, metadata={"Software": None})


def speed(texts: Sequence[str], output: Path) -> dict[str, dict[str, float]]:
    """Print MB/s of CPU of all methods, each in its best round, and return the ratios of our measures to the peers."""
    size = sum(len(text.encode()) for text in texts) / 1e6
    print(f"\nMB/s of CPU on {len(texts):,} texts, {size:.1f} MB, with shingling; ours with verification")
    found: dict[str, float] = {}
    for _ in range(ROUNDS):
        done = {"ours, Jaccard": ours(texts, "jaccard"), "ours, containment": ours(texts, "containment")}
        done |= peers(texts, output, {})
        found |= {name: min(one.seconds, found.get(name, one.seconds)) for name, one in done.items()}
    for name, seconds in found.items():
        print(f"  {name:26} {size / seconds:7.2f}")
    return {
        f"speed_{name}": {"ratio": round(found[peer] / found[f"ours, {measure}"], 1), "bar": bar}
        for name, (peer, measure, bar) in BARS.items()
        if peer in found
    }


def report(name: str, truth: Mapping[Pair, float], found: Found) -> list[tuple[float, float, int]]:
    """Print a method's recall by level and return it."""
    points = curve(truth, found.candidates)
    print(f"{name:26}" + "".join(f"{share:6.2f}" for _, share, _ in points) + f"  {found.seconds:7.1f} CPU-s")
    return points


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of .txt files (books)")
    parser.add_argument("--output", type=Path, default=Path("data/benchmarks/dedup"))
    parser.add_argument("--pairs", type=int, default=400, help="pairs made at each overlap")
    parser.add_argument("--picture", type=Path, help="where to draw recall by overlap (needs matplotlib)")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    real = passages(arguments.folder, PASSAGE_WORDS)
    rng = random.Random(0)
    fresh = sorted({word for text in real for word in text.split()})
    texts = [*real, *made_pairs(rng, fresh, arguments.pairs)]
    size = sum(len(text.encode()) for text in texts) / 1e6
    print(f"{len(texts):,} texts, {size:.1f} MB: {len(real):,} real passages, {arguments.pairs} pairs at each overlap")
    measures: tuple[pairs.Measure, ...] = ("jaccard", "containment")
    truth = dict(zip(measures, brute_force(texts), strict=True))
    near.minhash(near.shingles("the tables are made é"))
    found = {measure: ours(texts, measure) for measure in measures}
    others = peers(texts, arguments.output, {name: cut[:2] for name, cut in PUBLISHED.items()})
    result: dict[str, dict[str, float]] = {}
    curves: dict[str, dict[str, list[tuple[float, float, int]]]] = {}
    for measure, known in truth.items():
        print(f"\n{measure}: {len(known):,} pairs of at least {LEAST}\n{'overlap':26}", end="")
        print("".join(f"{level:6.2f}" for level, _, _ in curve(known, set())))
        curves[measure] = {"ours": report("ours", known, found[measure])}
        for name, other in others.items():
            if ("containment" in name) == (measure == "containment"):
                curves[measure][name] = report(name, known, other)
        above = {pair for pair, overlap in known.items() if overlap > THRESHOLD}
        recall, count = recall_above(known, found[measure].verified)
        precision = len(found[measure].verified & above) / max(1, len(found[measure].verified))
        print(f"ours, verified: recall {recall:.4f} of {count:,} pairs above {THRESHOLD}, precision {precision:.4f}")
        result[f"recall_{measure.lower()}"] = {"ratio": round(recall, 5), "bar": 0.99}
        result[f"precision_{measure.lower()}"] = {"ratio": round(precision, 5), "bar": 1.0}
    texts = short_pairs(rng, fresh, SHORT_DOCUMENTS)
    print(f"\n{len(texts):,} short documents")
    for measure, known in zip(measures, brute_force(texts), strict=True):
        short = ours(texts, measure)
        recall, count = recall_above(known, short.verified)
        wrong = len(short.verified - {pair for pair, overlap in known.items() if overlap > THRESHOLD})
        print(f"{measure}: recall {recall:.4f} of {count:,} pairs above {THRESHOLD}, {wrong} others")
        result[f"recall_short_{measure}"] = {"ratio": round(recall, 5), "bar": 0.99}
    result["growth_of_odd_texts"] = {"ratio": round(MOST_GROWTH / growth(), 2), "bar": 1.0}
    print("\nsettings elsewhere, computed at the threshold that they state:")
    for name, (bands, rows, stated) in PUBLISHED.items():
        print(f"  {name:14} {bands:2} x {rows:2} finds {near.Bands(bands, rows).recall(stated):.2f} at {stated}")
    if arguments.picture:
        draw(curves, arguments.picture)
    result |= speed(passages(arguments.folder, PAGE_WORDS), arguments.output)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
