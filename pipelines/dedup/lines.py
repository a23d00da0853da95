"""Line deduplication as CCNet has it: a line seen in two or more documents goes everywhere."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

from filters.native import binding
from filters.web import paragraphs
from pipelines.dedup import exact
from pipelines.files.runs import Lines, Records


def seen_twice(records: Records, items: npt.NDArray[np.uint32], own: int) -> npt.NDArray[np.bool_]:
    """Mark every record whose hash stands in two or more records.

    Each document brings each hash once (repeats inside a document are removed when its keys are made), so two records
    are two documents. Source: CCNet, section 3.1 of Wenzek et al. 2020, with all occurrences removed.
    """
    return exact.repeated(records["hash"])


def without(text: str, removed: Lines, counts: Counter[str]) -> str | None:
    """Return a document without the lines at the indices `removed`, or None if none is left.

    Lines and bytes (of UTF-8, line ends included), all and removed, are added to `counts`, for the stage's manifest.
    """
    left, before, after = paragraphs.without(text, removed)
    counts["lines"] += before
    counts["lines_removed"] += before - after
    size = binding.utf8_size(text) + 1
    counts["bytes"] += size
    counts["bytes_removed"] += size - (binding.utf8_size(left) + 1 if after else 0)
    return left if after else None
