"""Exact deduplication: of all records with one key, one owner keeps it; and the join of two sources' keys."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.runs import Records


def not_owner(records: Records, items: npt.NDArray[np.uint32], own: int) -> npt.NDArray[np.bool_]:
    """Mark every record but its key's owner: the one with the smallest rank, ties by item, document and line.

    Items are numbered by their content's digest, so the owner does not depend on any order of input.
    """
    order = np.lexsort([records["line"], records["doc"], items, records["rank"], records["hash"]])
    ordered = records["hash"][order]
    marked = np.zeros(len(records), np.bool_)
    marked[order[1:]] = ordered[1:] == ordered[:-1]
    return marked


def in_other_source(records: Records, items: npt.NDArray[np.uint32], own: int) -> npt.NDArray[np.bool_]:
    """Mark this source's records whose key the other source has too (a join, not a removal)."""
    return (items < own) & np.isin(records["hash"], records["hash"][items >= own])
