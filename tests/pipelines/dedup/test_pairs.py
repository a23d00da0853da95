"""Ranks: the order in which documents are kept, and what can be read back from it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.dedup import pairs
from pipelines.document import Document

WHERE = st.tuples(st.integers(0, 15), st.integers(0, 1 << 29), st.text(min_size=1, max_size=4))
RELEASED = st.tuples(st.integers(pairs.NEWEST_FIRST, 15), st.integers(0, 1 << 20), st.integers(0, 99))


def most(place: int) -> int:
    return (1 << 28) - 1 if place <= pairs.LAST_PLACE else (1 << 20) - 1


def rank(place: int, shingles: int, name: str, attributes: Mapping[str, str] = MappingProxyType({})) -> int:
    document = Document(id=name, source="", text="", dump="", offset=0, attributes=attributes)
    return pairs.rank(document, shingles, place)


@given(WHERE, WHERE)
def test_a_rank_puts_the_place_first_then_the_most_shingles(
    one: tuple[int, int, str], other: tuple[int, int, str]
) -> None:
    capped = [(place, -min(shingles, most(place))) for place, shingles, _ in (one, other)]
    if capped[0] != capped[1]:
        assert (rank(*one) < rank(*other)) == (capped[0] < capped[1])


@given(WHERE)
def test_place_and_shingles_are_read_back(one: tuple[int, int, str]) -> None:
    ranks = np.array([rank(*one)], np.uint64)
    assert pairs.place_of(ranks).tolist() == [one[0]]
    assert pairs.shingles_of(ranks).tolist() == [min(one[1], most(one[0]))]


@given(RELEASED, RELEASED)
def test_of_files_the_newest_release_comes_before_the_most_shingles(
    one: tuple[int, int, int], other: tuple[int, int, int]
) -> None:
    found = [rank(place, size, "a", {"release": f"v1.{number}"}) for place, size, number in (one, other)]
    capped = [(place, -number, -min(size, most(place))) for place, size, number in (one, other)]
    assert (found[0] < found[1], found[0] == found[1]) == (capped[0] < capped[1], capped[0] == capped[1])
    assert pairs.shingles_of(np.array(found, np.uint64)).tolist() == [-capped[0][2], -capped[1][2]]
