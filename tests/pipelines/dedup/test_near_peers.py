"""Our exact Jaccard and our signatures beside datasketch's, on the same words."""

import random

import numpy as np
import pytest

from pipelines.dedup import near

pytestmark = pytest.mark.full
PERMUTATIONS = 256


@pytest.mark.parametrize("changed", [0, 3, 10, 40, 150])
def test_signatures_estimate_what_datasketch_estimates(changed: int) -> None:
    datasketch = pytest.importorskip("datasketch")
    rng = random.Random(changed)
    words = [f"w{rng.randrange(10_000)}" for _ in range(600)]
    other = list(words)
    for place in rng.sample(range(600), changed):
        other[place] = f"x{place}"
    found = [near.shingles(" ".join(text)) for text in (words, other)]
    exact = near.jaccard(*found)
    theirs = [datasketch.MinHash(num_perm=PERMUTATIONS) for _ in found]
    for signature, hashes in zip(theirs, found, strict=True):
        signature.update_batch([value.tobytes() for value in hashes])
    ours = [near.minhash(hashes, PERMUTATIONS) for hashes in found]
    # Five standard errors of an estimate from 256 permutations.
    allowed = 5 * (exact * (1 - exact) / PERMUTATIONS) ** 0.5 + 1e-9
    assert abs(theirs[0].jaccard(theirs[1]) - exact) <= allowed
    assert abs(float(np.mean(ours[0] == ours[1])) - exact) <= allowed
