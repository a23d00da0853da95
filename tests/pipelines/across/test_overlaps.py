"""What follows of overlaps, against rules written down once more, by themselves."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.across import overlaps, signatures
from pipelines.across.overlaps import Overlaps
from pipelines.dedup import pairs
from pipelines.hashing import is_held_out, share
from pipelines.recipe_parts import Across
from pipelines.stages.kinds import Paths

# Documents are numbered; a pair of two that are near-duplicates.
EDGES = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)).filter(lambda edge: edge[0] != edge[1]), max_size=14)
MARKS = st.lists(st.integers(0, 3), min_size=12, max_size=12)


def records(edges: list[tuple[int, int]], marks: list[int], shares: list[float] | None = None) -> np.ndarray:
    found = np.zeros(len(edges), pairs.OVERLAP)
    for row, edge in enumerate(edges):
        for end, number in zip(("inner", "outer"), edge, strict=True):
            found[row][f"{end}_item"], found[row][f"{end}_doc"] = number // 3, number % 3
            found[row][f"{end}_rank"] = marks[number] << 60
        found[row]["share"] = shares[row] if shares else 0.9
    return found


@given(EDGES, MARKS)
def test_what_stays_held_out_has_no_near_duplicate_in_training(edges: list[tuple[int, int]], marks: list[int]) -> None:
    beside, gone = overlaps.leaving(records(edges, marks))
    held = {number for number, mark in enumerate(marks) if mark < 2}
    left = held - {item * 3 + row for item, row in gone}
    assert all((a in left) == (b in left) for a, b in edges)  # a cluster is on one side
    assert gone <= {(number // 3, number % 3) for number in held}
    training = set(range(12)) - held
    assert beside == {(a // 3, a % 3) for edge in edges for a, b in (edge, edge[::-1]) if a in held and b in training}
    # Nothing leaves without need: each one that does is linked to training through held-out ones.
    reached = set(training)
    while True:
        new = {a for edge in edges for a, b in (edge, edge[::-1]) if a in held and b in reached} - reached
        if not new:
            break
        reached |= new
    assert {(number // 3, number % 3) for number in reached & held} == gone


@given(EDGES, MARKS)
def test_what_another_source_has_is_counted_over_the_sample(edges: list[tuple[int, int]], marks: list[int]) -> None:
    shares = [1.0 if (a + b) % 2 else 0.9 for a, b in edges]
    # Items 0 and 1 are the first source's, 2 and 3 the second's: documents 0 to 5, and 6 to 11.
    task = Overlaps(overlaps.STAGE, Paths("", "across"), "", 4, 1, 0.8, (("one", 2), ("two", 2)))
    found = task.elsewhere(records(edges, marks, shares))
    sample = {number for number, mark in enumerate(marks) if mark in (0, 2)}
    for name, own in (("one", range(6)), ("two", range(6, 12))):
        near, same = set(), set()
        for edge, likeness in zip(edges, shares, strict=True):
            for a, b in (edge, edge[::-1]):
                if a in sample and a in own and b not in own:
                    near.add(a)
                    same |= {a} if likeness == 1.0 else set()
        counts = {"near_duplicates": len(near), "same_words": len(same)}
        other = "two" if name == "one" else "one"
        assert found.get(name, {}) == ({other: counts, "any": counts} if near else {})


@given(st.text(max_size=5), st.booleans())
def test_a_mark_says_what_it_is_for(name: str, apart: bool) -> None:
    recipe = Across(apart=apart, sample=0.5)
    mark = np.array([signatures.mark_of(name, recipe, 0.5)], np.uint64)
    assert signatures.held_out(mark).tolist() == [apart and is_held_out(name, 0.5)]
    assert signatures.sampled(mark).tolist() == [share("across", name) < 0.5]
    assert (mark[0] == signatures.UNMARKED) == (not signatures.held_out(mark)[0] and not signatures.sampled(mark)[0])
