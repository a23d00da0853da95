"""Deduplication decides the same, whatever order its records come in."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.dedup import exact, lines, near, pairs
from pipelines.document import Document
from pipelines.files import runs

Rule = Callable[[runs.Records, npt.NDArray[np.uint32], int], npt.NDArray[np.bool_]]

RULES: dict[str, Rule] = {
    "exact.not_owner": exact.not_owner,
    "exact.in_other_source": exact.in_other_source,
    "lines.seen_twice": lines.seen_twice,
}
# (hash, rank, item, document, line); a record's place is its own.
ROWS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 2), st.integers(0, 3), st.integers(0, 9), st.integers(0, 3)),
    max_size=30,
    unique_by=lambda row: row[2:],
)
PIECES = (
    "The herder carried the bridge over the river. ",
    "Every visitor counted three llamas in the morning. ",
    "a ",
    "b ",
)
TEXTS = st.lists(st.lists(st.sampled_from(PIECES), max_size=12).map("".join), max_size=8)


def records(rows: list[tuple[int, ...]]) -> tuple[runs.Records, npt.NDArray[np.uint32]]:
    made = np.zeros(len(rows), runs.RANKED_KEY)
    for name, column in zip(("hash", "rank", "doc", "line"), (0, 1, 3, 4), strict=True):
        made[name] = [row[column] for row in rows]
    return made, np.array([row[2] for row in rows], np.uint32)


def test_every_rule_is_tried() -> None:
    rules = {
        f"{module.__name__.rpartition('.')[2]}.{name}"
        for module in (exact, lines, near, pairs)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if list(inspect.signature(function).parameters) == ["records", "items", "own"]
    }
    assert rules == set(RULES)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_marks_the_same_records(name: str) -> None:
    @settings(deadline=None)
    @given(ROWS, st.randoms(use_true_random=False), st.integers(0, 4))
    def holds(rows: list[tuple[int, ...]], order: random.Random, own: int) -> None:
        def marked() -> set[tuple[int, ...]]:
            return {row for row, mark in zip(rows, RULES[name](*records(rows), own).tolist(), strict=True) if mark}

        before = marked()
        order.shuffle(rows)
        assert marked() == before

    holds()


def removed(documents: list[Document], cut: near.Bands) -> set[str]:
    """Return the ids of near-duplicates that must go, by the steps of the stage, in the order given."""
    keyed = [pairs.jaccard_keys(document, cut) for document in documents]
    found = np.zeros(sum(len(hashes) for hashes, _, _ in keyed), runs.RANKED_KEY)
    for place, column in enumerate(("hash", "rank", "line")):
        found[column] = np.concatenate([np.empty(0, np.uint64), *(keys[place] for keys in keyed)])
    found["doc"] = np.repeat(
        np.array([int(document.id) for document in documents], int), [len(keys[0]) for keys in keyed]
    )
    candidates, _ = pairs.candidates(found, np.zeros(len(found), np.uint32))
    shingles = {(0, int(document.id)): near.shingles(document.text) for document in documents}
    merged = pairs.merged(candidates, "jaccard", 0.5)
    overlaps = pairs.verified(merged, lambda places: {place: shingles[place] for place in places}, "jaccard", 0.5)
    return {str(row["doc"]) for row in pairs.resolved(overlaps, "jaccard")[1]}


@settings(deadline=None)
@given(TEXTS, st.randoms(use_true_random=False))
def test_near_duplicates_are_the_same(texts: list[str], order: random.Random) -> None:
    cut = near.bands(0.5, 0.9, 32)
    documents: list[Any] = [
        Document(id=str(number), source="books", text=text, dump="d", offset=0) for number, text in enumerate(texts)
    ]
    before = removed(documents, cut) if documents else set()
    order.shuffle(documents)
    assert (removed(documents, cut) if documents else set()) == before


def test_near_duplicates_are_found_at_all() -> None:
    documents = [
        Document(id=str(number), source="books", text=PIECES[0] * 3 + PIECES[1], dump="d", offset=0)
        for number in range(3)
    ]
    assert len(removed(documents, near.bands(0.5, 0.9, 32))) == 2
