"""Counts as people write them, and what is none."""

import pytest

from pipelines.quantities import number


@pytest.mark.parametrize(("text", "count"), [("7", 7), ("1.4T", 14 * 10**11), ("1.4e12", 14 * 10**11), ("2k", 2_000)])
def test_a_count(text: str, count: int) -> None:
    assert number(text) == count


@pytest.mark.parametrize("text", ["", "T", "0", "-1", "1.5", "nan", "inf", "1e999999999", "1e-999999999", "9" * 5_000])
def test_no_count(text: str) -> None:
    with pytest.raises(ValueError, match="is not a positive whole number"):
        number(text)
