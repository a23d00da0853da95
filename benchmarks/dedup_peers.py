"""The peers of `dedup.py`, run in an environment that has them: candidate pairs and CPU seconds of each.

Usage: `python dedup_peers.py TEXTS.json SETTINGS.json THRESHOLD`. Shingles are words of five for all; datasketch and
rensa get the obvious Python shingling, datatrove has its own. Nothing is verified, as by default in each of them.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib import import_module
from itertools import combinations
from pathlib import Path
from typing import Any

WORDS = 5
PERMUTATIONS = 128
# As many as the largest of the published settings needs (RedPajama-V2's 5 x 25, NeMo's 20 x 13).
ALL_PERMUTATIONS = 260

Pairs = list[tuple[int, int]]


def shingles(text: str) -> set[str]:
    """Return the word 5-grams of a text, as one does it."""
    words = re.findall(r"\w+", text.lower())
    return {" ".join(words[i : i + WORDS]) for i in range(max(1, len(words) - WORDS + 1))}


def timed(run: Callable[[], Iterable[tuple[int, int]]]) -> dict[str, Any]:
    """Return pairs and CPU seconds of a method."""
    began = time.process_time()
    pairs = sorted({(min(pair), max(pair)) for pair in run() if pair[0] != pair[1]})
    return {"pairs": pairs, "seconds": time.process_time() - began}


def sketches(texts: Sequence[str], permutations: int) -> list[Any]:
    """Return datasketch's signatures."""
    minhash = import_module("datasketch").MinHash
    found = []
    for text in texts:
        sketch = minhash(num_perm=permutations)
        sketch.update_batch([shingle.encode() for shingle in shingles(text)])
        found.append(sketch)
    return found


def datasketch(texts: Sequence[str], threshold: float) -> Pairs:
    """Find pairs by datasketch's LSH with the bands that it chooses for the threshold."""
    return lookup(sketches(texts, PERMUTATIONS), threshold=threshold, num_perm=PERMUTATIONS)


def lookup(sketched: Sequence[Any], **options: Any) -> Pairs:
    """Find pairs of signatures by datasketch's LSH."""
    index = import_module("datasketch").MinHashLSH(**options)
    pairs = []
    for number, sketch in enumerate(sketched):
        pairs += [(other, number) for other in index.query(sketch)]
        index.insert(number, sketch)
    return pairs


def ensemble(texts: Sequence[str], threshold: float) -> Pairs:
    """Find containments by datasketch's LSH Ensemble."""
    sizes = [len(shingles(text)) for text in texts]
    sketched = sketches(texts, PERMUTATIONS)
    index = import_module("datasketch").MinHashLSHEnsemble(threshold=threshold, num_perm=PERMUTATIONS, num_part=16)
    index.index([(number, sketch, size) for number, (sketch, size) in enumerate(zip(sketched, sizes, strict=True))])
    return [(n, other) for n, sketch in enumerate(sketched) for other in index.query(sketch, sizes[n])]


def datatrove(texts: Sequence[str], bands: int, rows: int) -> Pairs:
    """Find pairs by datatrove's signatures; only this first stage of its four is timed and used."""
    minhash, data = import_module("datatrove.pipeline.dedup.minhash"), import_module("datatrove.data")
    config = minhash.MinhashConfig(num_buckets=bands, hashes_per_bucket=rows)
    with tempfile.TemporaryDirectory() as folder:
        step = minhash.MinhashDedupSignature(folder, config)
        step.run([data.Document(text=text, id=str(number)) for number, text in enumerate(texts)])
        return signed(Path(folder), rows * config.hash_config.precision // 8)


def signed(folder: Path, width: int) -> Pairs:
    """Return the pairs of documents with the same key in a band."""
    pairs = []
    for path in sorted(folder.glob("bucket_*/*.minhash.sig")):
        groups = defaultdict(list)
        content = path.read_bytes()
        for start in range(0, len(content), width + 4):
            document = int.from_bytes(content[start + width : start + width + 4], "little")
            groups[content[start : start + width]].append(document)
        for members in groups.values():
            pairs += list(combinations(members, 2))
    return pairs


def rensa(texts: Sequence[str], threshold: float) -> Pairs:
    """Find pairs by rensa's signatures and LSH."""
    module = import_module("rensa")
    index = module.RMinHashLSH(threshold, PERMUTATIONS, 16)
    pairs = []
    for number, sketch in enumerate(module.RMinHash.from_token_sets(map(shingles, texts), PERMUTATIONS, 1)):
        pairs += [(other, number) for other in index.query(sketch)]
        index.insert(number, sketch)
    return pairs


def main() -> None:
    texts = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    settings, threshold = json.loads(sys.argv[2]), float(sys.argv[3])
    found = {"datasketch, own choice": timed(lambda: datasketch(texts, threshold))}
    found["datasketch, containment"] = timed(lambda: ensemble(texts, threshold))
    found["rensa"] = timed(lambda: rensa(texts, threshold))
    sketched = sketches(texts, ALL_PERMUTATIONS)
    for name, (bands, rows) in settings.items():
        cut = partial(lookup, sketched, num_perm=ALL_PERMUTATIONS, params=(bands, rows))
        found[f"{name} {bands} x {rows}"] = timed(cut)
    found["datatrove 14 x 8"] = timed(lambda: datatrove(texts, 14, 8))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
