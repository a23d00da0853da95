"""Ranks: the order in which documents are kept, and what can be read back from it."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.dedup import pairs
from pipelines.document import Document

WHERE = st.tuples(st.integers(0, 15), st.integers(0, 1 << 29), st.text(min_size=1, max_size=4))


def rank(place: int, shingles: int, name: str) -> int:
    return pairs.rank(Document(id=name, source="", text="", dump="", offset=0), shingles, place)


@given(WHERE, WHERE)
def test_a_rank_puts_the_place_first_then_the_most_shingles(
    one: tuple[int, int, str], other: tuple[int, int, str]
) -> None:
    capped = [(place, -min(shingles, (1 << 28) - 1)) for place, shingles, _ in (one, other)]
    if capped[0] != capped[1]:
        assert (rank(*one) < rank(*other)) == (capped[0] < capped[1])


@given(WHERE)
def test_place_and_shingles_are_read_back(one: tuple[int, int, str]) -> None:
    ranks = np.array([rank(*one)], np.uint64)
    assert pairs.place_of(ranks).tolist() == [one[0]]
    assert pairs.shingles_of(ranks).tolist() == [min(one[1], (1 << 28) - 1)]
