"""A broken rule is its name, and has with it what decided."""

import pytest

from filters.broken import Broken


def test_it_is_its_name() -> None:
    found = Broken("too_short", 3, 5, detail="abc")
    assert found == "too_short"
    assert {"too_short": 1}[found] == 1
    assert type(str(found)) is str
    assert (found.value, found.limit, found.detail) == (3.0, 5.0, "abc")
    assert found.scores == {"value": 3.0, "limit": 5.0}


def test_without_a_number_nothing_was_measured() -> None:
    found = Broken("brace")
    assert (found.value, found.limit, found.detail, found.scores) == (None, None, None, {})
    assert Broken("few_letters", 0.0, 0.0).scores == {"value": 0.0, "limit": 0.0}


def test_a_value_has_a_limit() -> None:
    with pytest.raises(AssertionError):
        Broken("too_short", 3)
    with pytest.raises(AssertionError):
        Broken("too_short", limit=3)
