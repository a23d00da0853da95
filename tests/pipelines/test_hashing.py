"""The keyed hash is uniform, independent for each purpose, and the same for ever; digests know every value."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.hashing import SCALE, digest_of, is_held_out, keyed, share


def test_values_that_corpora_are_keyed_by_stay() -> None:
    assert keyed("shard", "c4/0/1") == 0x4A39FEC67A1A9429
    assert digest_of("a", 1, [2.5, None]) == "93f17ca066394148"


@given(st.text(st.characters(codec=None)))
def test_any_text_has_a_hash(value: str) -> None:
    assert 0 <= keyed("split", value) < SCALE
    assert 0 <= share("split", value) < 1


def test_purposes_are_independent() -> None:
    values = [f"document {number}" for number in range(4000)]
    first = [share("split", value) < 0.5 for value in values]
    second = [share("shard", value) < 0.5 for value in values]
    both = sum(a and b for a, b in zip(first, second, strict=True))
    assert 1900 < sum(first) < 2100
    assert 900 < both < 1100


@dataclass(frozen=True)
class Part:
    """A group of fields."""

    name: str = "x"
    share: float = 0.1
    languages: tuple[str, ...] = ("en",)
    inner: "Part | None" = None


@pytest.mark.parametrize(
    "other",
    [
        replace(Part(), name="y"),
        replace(Part(), share=0.2),
        replace(Part(), languages=("en", "de")),
        replace(Part(), inner=Part()),
        replace(Part(), inner=Part(share=0.3)),
        None,
    ],
)
def test_a_digest_knows_every_field(other: Any) -> None:
    assert digest_of(Part()) != digest_of(other)
    assert digest_of("stage", other) == digest_of("stage", other)


def test_a_digest_knows_places_but_not_the_order_of_keys() -> None:
    assert digest_of("a", "b") != digest_of("b", "a") != digest_of("ab")
    assert digest_of(["a"], []) != digest_of([], ["a"])
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    assert len(digest_of("\ud800")) == 16


def test_what_is_no_configuration_is_refused() -> None:
    with pytest.raises(TypeError, match="is no configuration"):
        digest_of(object())
    with pytest.raises(TypeError, match="is no configuration"):
        digest_of(Part)


def test_what_is_held_out_stays_held_out() -> None:
    small = {f"c4/{n}" for n in range(3000) if is_held_out(f"c4/{n}", 0.01)}
    large = {f"c4/{n}" for n in range(3000) if is_held_out(f"c4/{n}", 0.1)}
    assert small < large
    assert 10 < len(small) < 60
    assert 230 < len(large) < 370
