"""A link holds the whole question, and says what it cannot mean."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.explore import questions
from pipelines.explore.questions import Question, conditions, of_link

_WORDS = st.text(st.characters(codec="utf-8"), max_size=20).map(str.strip)
_NUMBERS = st.none() | st.integers(-(10**12), 10**12).map(float) | st.sampled_from([0.25, -1e-9, 1e15])


@given(
    st.builds(
        Question,
        words=_WORDS,
        pattern=_WORDS,
        source=_WORDS,
        state=st.sampled_from(["", "kept", "dropped"]),
        reason=_WORDS,
        language=_WORDS,
        place=_WORDS.map(questions.placed).map(str.strip).map(questions.placed),
        address=_WORDS.map(questions.plain_address).map(str.strip).map(questions.plain_address).map(str.strip),
        license=_WORDS,
        year_from=_NUMBERS,
        bytes_to=_NUMBERS,
        score=st.just("perplexity"),
        score_from=_NUMBERS,
    )
)
def test_a_link_leads_back_to_its_question(question: Question) -> None:
    assert of_link(dict(parse_qsl(question.link()))) == question
    of_a_year = replace(question, year="2019", year_from=None)
    assert of_link(dict(parse_qsl(of_a_year.link()))) == of_a_year


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"year_from": "x"}, "year_from: 'x' is not a number"),
        ({"bytes_to": "inf"}, "bytes_to: 'inf' is not a number that can be a limit"),
        ({"bytes_to": "nan"}, "not a number that can be a limit"),
        ({"state": "gone"}, "state: 'gone'; kept or dropped is expected"),
        ({"score_to": "3"}, "score: which one"),
        ({"sauce": "c4"}, "sauce: there is no such field; there are words, pattern, source"),
        ({"order": "prettiest"}, "order: 'prettiest'; shortest, longest"),
        ({"order": "lowest score"}, "order: which score is missing"),
        ({"year_from": "2020", "year_to": "2019"}, "year: nothing is at least 2020 and at most 2019"),
        ({"place": "="}, "place: '=' stands before a host"),
        ({"year": "MMXX"}, "year: 'MMXX' is not a year, nor years like 2010-2015, nor '-' for none"),
        ({"words": "a" * 1_001}, "words: 1,001 characters; 1,000 at most"),
    ],
)
def test_what_cannot_be_meant_is_named(parameters: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        of_link(parameters)


def test_a_score_that_the_corpus_does_not_have_is_named() -> None:
    with pytest.raises(ValueError, match="there is no 'beauty'; there are perplexity"):
        conditions(Question(score="beauty"), ["perplexity"])


def test_values_are_parameters_and_never_sql() -> None:
    evil = "'; DROP TABLE documents; --"
    found = conditions(Question(source=evil, reason=f"{evil}/{evil}", place=evil, language=evil), [])
    assert "DROP" not in found.sql
    assert found.sql.count("?") == len(found.parameters)


@pytest.mark.parametrize(
    ("typed", "place"),
    [
        ("bbc.co.uk", "bbc.co.uk"),
        ("www.bbc.co.uk", "bbc.co.uk"),
        ("github.com/pypa/pip", "pypa/pip"),
        ("https://user:word@bbc.co.uk:8080/", "bbc.co.uk"),
        ("https://github.com/pypa/pip/", "pypa/pip"),
        ("pypa/pip", "pypa/pip"),
        ("pypa/", "pypa"),
        ("=www.bbc.co.uk", "=bbc.co.uk"),
        ("-", "-"),
        (".gov", "gov"),
        ("=.gov", "=gov"),
        ("*.example.org", "*.example.org"),
    ],
)
def test_a_place_is_taken_as_people_type_it(typed: str, place: str) -> None:
    assert of_link({"place": typed}).place == place
    assert questions.placed(place) == place


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("http://www.bbc.co.uk/news", "bbc.co.uk/news"),
        ("https://user:word@BBC.co.uk:8080/News?x#y", "bbc.co.uk:8080/News?x"),
        ("bbc.co.uk/news/*", "bbc.co.uk/news/*"),
        ("https://github.com/pypa/pip/blob/main/README.rst", "github.com/pypa/pip/blob/main/README.rst"),
    ],
)
def test_the_address_of_a_page_is_one_wherever_it_is_typed(typed: str, address: str) -> None:
    for name in ("place", "address"):
        assert of_link({name: typed}) == Question(address=address)
    assert of_link({"place": "=" + typed}).place


def test_a_form_keeps_what_can_be_meant() -> None:
    given = {
        "words": "llama",
        "year_from": "x",
        "order": "lowest score",
        "bytes_from": "7",
        "sauce": "c4",
        "state": "kept",
    }
    assert questions.as_far_as_meant(given) == Question(words="llama", bytes_from=7.0, state="kept")


@pytest.mark.parametrize("typed", ["2010-2015", "2010 – 2015", "2010 to 2015", "2010..2015"])
def test_several_years_are_taken_as_people_type_them(typed: str) -> None:
    assert of_link({"year": typed}) == Question(year_from=2010.0, year_to=2015.0)


def test_years_may_be_open_at_one_end() -> None:
    assert of_link({"year": "2010-"}) == Question(year_from=2010.0)
    assert of_link({"year": "-2015"}) == Question(year_to=2015.0)
    assert of_link({"year": "-"}) == Question(year="-")


def test_years_with_those_of_none_that_is_known() -> None:
    asked = of_link({"year": "-", "year_from": "2010", "year_to": "2015"})
    assert asked == Question(year="-", year_from=2010.0, year_to=2015.0)
    assert conditions(asked, []).sql == "(year IS NULL OR (year >= ? AND year <= ?))"
    assert conditions(Question(year="-"), []).sql == "(year IS NULL)"


def test_unknown_is_null() -> None:
    assert conditions(Question(language=questions.UNKNOWN), []).sql == "(language IS NULL)"
