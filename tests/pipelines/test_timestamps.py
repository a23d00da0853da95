"""A time's text, read and written: precision, time zones, and what names no time."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import timestamps

NONE = [
    "",
    "0000",
    "2012-13",
    "2012-02-30",
    "2012-02-03T24:00",
    "2012-02-03T04",
    "yesterday",
    "٢٠١٢",
    "2012-W05",
    "1556000000",
]


@pytest.mark.parametrize(
    ("text", "canonical", "precision"),
    [
        ("2012", "2012", "year"),
        ("2012-02", "2012-02", "month"),
        ("2012-02-29", "2012-02-29", "day"),
        ("2012-02-03 04:05", "2012-02-03T04:05Z", "minute"),
        ("2012-02-03T04:05:06Z", "2012-02-03T04:05:06Z", "second"),
        ("2012-02-03T04:05:06+02:00", "2012-02-03T02:05:06Z", "second"),
        ("2012-02-03T04:05-0530", "2012-02-03T09:35Z", "minute"),
        ("2012-02-03T04:05:06.7", "2012-02-03T04:05:06.700Z", "millisecond"),
        ("2012-02-03T04:05:06.123456789Z", "2012-02-03T04:05:06.123456Z", "microsecond"),
    ],
)
def test_a_time_is_known_as_precisely_as_its_text_says(text: str, canonical: str, precision: str) -> None:
    found = timestamps.parse(text)
    assert found is not None
    assert (str(found), found.precision, found.at.tzinfo) == (canonical, precision, UTC)
    assert timestamps.parse(canonical) == found
    assert timestamps.canonical(f" {text}\n") == canonical


@pytest.mark.parametrize("text", NONE)
def test_what_names_no_time_is_none(text: str) -> None:
    assert timestamps.parse(text) is None
    assert timestamps.canonical(text) is None


@given(
    st.datetimes(datetime(2, 1, 1), datetime(9999, 12, 30)),
    st.sampled_from(["seconds", "milliseconds", "microseconds"]),
)
def test_every_moment_comes_back(at: datetime, precision: str) -> None:
    text = at.isoformat(timespec=precision) + "Z"
    assert timestamps.canonical(text) == text


@given(st.text(max_size=40))
def test_any_text_is_a_moment_or_none(text: str) -> None:
    found = timestamps.parse(text)
    assert found is None or timestamps.parse(str(found)) == found
