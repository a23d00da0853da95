"""Exact deduplication: of all records with one key, one owner keeps it; and the join of two sources' keys."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.files.runs import Records


def not_owner(records: Records, items: npt.NDArray[np.uint32], own: int) -> npt.NDArray[np.bool_]:
    """Mark every record but its key's owner: the one with the smallest rank, ties by item, document and line.

    Items are numbered by their content's digest, so the owner does not depend on any order of input.
    """
    marked = repeated(records["hash"])
    shared = np.flatnonzero(marked)  # only these have anything to compare
    some = records[shared]
    order = np.lexsort([some["line"], some["doc"], items[shared], some["rank"], some["hash"]])
    ordered = some["hash"][order]
    owners = np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(ordered)]
    marked[shared[order[owners]]] = False
    return marked


def repeated(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    """Mark every hash that stands in two or more places."""
    hashes = np.ascontiguousarray(hashes)
    order = np.argsort(hashes)
    same = hashes[order[1:]] == hashes[order[:-1]]
    marked = np.zeros(len(hashes), np.bool_)
    marked[order[1:]] = same
    marked[order[:-1]] |= same
    return marked


def in_other_source(records: Records, items: npt.NDArray[np.uint32], own: int) -> npt.NDArray[np.bool_]:
    """Mark this source's records whose key the other source has too (a join, not a removal)."""
    return (items < own) & np.isin(records["hash"], records["hash"][items >= own])
