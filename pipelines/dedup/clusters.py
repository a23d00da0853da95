"""How large the clusters of copies are: keys of one hash, counted in a bounded share of all hashes.

Runs are sorted by hash with a table of buckets, so that the first buckets of every run hold all copies of a fair sample
of the keys, and a few reads of each file are enough.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np

from pipelines.files import runs

KEYS: Final = 4_000_000  # read at most
FILES: Final = 4_096  # runs looked at


def of_runs(paths: Sequence[str], dtype: np.dtype[Any]) -> dict[str, Any]:
    """Return `cluster_sizes` of the runs' keys, and in what share of the keys of how many files they were counted."""
    looked = paths[:FILES]
    starts = [runs.bucket_starts(path) for path in looked]
    if not starts or not sum(int(table[-1]) for table in starts):
        return {"cluster_sizes": {}}
    buckets = len(starts[0]) - 1
    # A bucket's keys are in all runs together.
    totals = np.sum([table[1:] for table in starts], axis=0)
    wanted = max(1, int(np.searchsorted(totals, KEYS, side="right")))
    slices = [
        runs.Slice(item, path, 0, int(table[wanted]))
        for item, (path, table) in enumerate(zip(looked, starts, strict=True))
    ]
    records = runs.gather(slices, dtype)[0]
    _, counts = np.unique(records["hash"], return_counts=True)
    return {
        "cluster_sizes": by_size(counts.tolist()),
        "clusters_of": {"share": wanted / buckets, "files": len(looked), "of_files": len(paths)},
    }


def by_size(sizes: Iterable[int]) -> dict[str, int]:
    """Return how many clusters there are by size, from 3 on in powers of two: "1", "2", "3 to 4", "5 to 8" ..."""
    found = Counter(max(0, (size - 1).bit_length()) for size in sizes)
    return {_name(power): found[power] for power in sorted(found)}


def _name(power: int) -> str:
    return str(1 << power) if power < 2 else f"{(1 << power - 1) + 1} to {1 << power}"
