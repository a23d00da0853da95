"""Line deduplication as CCNet has it: a line seen in two or more documents goes everywhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipelines.runs import Records


def seen_twice(records: Records, items: npt.NDArray[np.uint32], own: int) -> npt.NDArray[np.bool_]:
    """Mark every record whose hash stands in two or more records.

    Each document brings each hash once (repeats inside a document are removed when its keys are made), so two records
    are two documents. Source: CCNet, section 3.1 of Wenzek et al. 2020, with all occurrences removed.
    """
    _, inverse, counts = np.unique(records["hash"], return_inverse=True, return_counts=True)
    return counts[inverse] > 1


def count_removed(counts: Counter[str], lines: Sequence[str], gone: Sequence[int]) -> None:
    """Add a document's lines and those that go to what a stage's manifest says; bytes are those of UTF-8, with ends."""
    counts["lines"] += len(lines)
    counts["bytes"] += sum(map(_size, lines))
    counts["lines_removed"] += len(gone)
    counts["bytes_removed"] += sum(_size(lines[number]) for number in gone)


def _size(line: str) -> int:
    return 1 + (len(line) if line.isascii() else len(line.encode(errors="replace")))
