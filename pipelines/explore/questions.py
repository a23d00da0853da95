"""What is asked of a corpus: words and filters, as a link holds them, as SQL conditions, and in words.

A question is made of a link's parameters and of nothing else; what cannot be meant is a ValueError that names it.
Values reach DuckDB as parameters; names in its SQL are ours.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from typing import Any, Final
from urllib.parse import urlencode

from pipelines.explore import words

# Orders of the list, and what of them goes before the columns; without one it is in the order of the corpus.
ORDERS: Final[Mapping[str, str]] = {
    "shortest": "bytes",
    "longest": "bytes DESC",
    "oldest": "year",
    "newest": "year DESC",
    "lowest score": "",
    "highest score": "DESC",
}
UNKNOWN: Final = "-"  # as the value of a filter: what has none
STATES: Final = ("kept", "dropped")
# What else a link may have, of the pages.
PAGES: Final = frozenset(
    {"corpus", "start", "seed", "id", "whole", "replay", "token", "column", "list", "here", "there", "rows"}
)
LONGEST: Final = 1_000  # characters of a value
# Fields of one value each, which are columns too. Case does not count.
_EQUAL: Final = ("source", "language", "license")
_YEAR: Final = re.compile("[0-9]{1,4}")
_YEARS: Final = re.compile(r"([0-9]{0,4})\s*(?:-|–|—|to|\.\.)\s*([0-9]{0,4})")  # as people type several
_SCHEME: Final = re.compile("[^:/]*://")
# As `plain_address` makes it of a page's.
_BARE: Final = "regexp_replace(split_part(url, '#', 1), '^(?:[^:/]*://)?(?:[^/]*@)?(?:(?i)www[.])?', '')"
_PLAIN_URL: Final = f"lower(split_part({_BARE}, '/', 1)) || regexp_extract({_BARE}, '(?s)/.*$')"


@dataclass(frozen=True)
class Question:
    """What documents and drops are asked for; "" and None ask for nothing.

    `words` are words and "phrases", all of which must be there, and -words that must not; `pattern` is a regular
    expression in RE2's syntax. In `source`, `language`, `license`, `place`, `address` and `reason` a `*` stands for any
    letters. `reason` is STAGE/REASON of a drop, or STAGE; `place` a host with all below it, a repository or its owner,
    or behind a = that alone; `address` that of a page, without its scheme; `title` words as `words` are. `year`
    is one year, or UNKNOWN: with limits of years what has none is taken too. `score` names what `score_from` and
    `score_to` are limits of. Limits are included. `order` is one of ORDERS: what the list begins with.
    """

    words: str = ""
    pattern: str = ""
    source: str = ""
    state: str = ""
    reason: str = ""
    language: str = ""
    place: str = ""
    address: str = ""
    title: str = ""
    license: str = ""
    year: str = ""
    year_from: float | None = None
    year_to: float | None = None
    bytes_from: float | None = None
    bytes_to: float | None = None
    score: str = ""
    score_from: float | None = None
    score_to: float | None = None
    order: str = ""

    def link(self) -> str:
        """Return the question as a link's parameters, without those that ask for nothing."""
        return urlencode(self.asked())

    def asked(self) -> list[tuple[str, str]]:
        """Return what is asked for, name and value."""
        values = [(one.name, getattr(self, one.name)) for one in fields(self)]
        return [(name, _text(value)) for name, value in values if value not in ("", None)]

    def without(self, *names: str) -> Question:
        """Return the question without some of its fields."""
        usual: dict[str, Any] = {one.name: one.default for one in fields(self)}
        return replace(self, **{name: usual[name] for name in names})

    def also(self, **values: Any) -> Question:
        """Return the question with some fields more."""
        return replace(self, **values)

    @property
    def of_text(self) -> bool:
        """Whether it asks for what only texts tell."""
        return bool(self.words or self.pattern)


def of_link(parameters: Mapping[str, str]) -> Question:
    """Return the question of a link; ValueError naming what cannot be meant, or what no field is called."""
    if unknown := sorted(set(parameters) - {one.name for one in fields(Question)} - PAGES):
        raise ValueError(
            f"{unknown[0]}: there is no such field; there are {', '.join(one.name for one in fields(Question))}"
        )
    return _checked(_settled(Question(**dict(_values(parameters)))))


def as_far_as_meant(parameters: Mapping[str, str]) -> Question:
    """Return the question of a link without the fields that cannot be meant, to be put right by its reader."""
    meant: dict[str, str] = {}
    for name in (one.name for one in fields(Question)):
        with suppress(ValueError):
            if value := parameters.get(name):
                of_link(meant | {name: value})
                meant[name] = value
    return of_link(meant)


def _values(parameters: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    for one in fields(Question):
        value = parameters.get(one.name, "").strip()
        if len(value) > LONGEST:
            raise ValueError(f"{one.name}: {len(value):,} characters; {LONGEST:,} at most")
        if value:
            yield one.name, _number(one.name, value) if one.default is None else _plain(one.name, value)


def _plain(name: str, value: str) -> str:
    return value.lower() if name == "state" else value


def _settled(question: Question) -> Question:
    """Return a question whose place, address and years are as the catalogue has them, of what people type."""
    several = _YEARS.fullmatch(question.year)
    if several and any(several.groups()) and (question.year_from, question.year_to) == (None, None):
        first, last = (float(one) if one else None for one in several.groups())
        question = replace(question, year="", year_from=first, year_to=last)
    if not question.address and (address := page_of(question.place)):
        return replace(question, place="", address=address)
    return replace(question, place=placed(question.place), address=plain_address(question.address))


def _checked(question: Question) -> Question:
    if question.state not in ("", *STATES):
        raise ValueError(f"state: {question.state!r}; {' or '.join(STATES)} is expected")
    if question.place == "=":
        raise ValueError("place: '=' stands before a host, a repository or a site")
    if question.year not in ("", UNKNOWN) and not _YEAR.fullmatch(question.year):
        what = f"is not a year, nor years like 2010-2015, nor {UNKNOWN!r} for none that is known"
        raise ValueError(f"year: {question.year!r} {what}")
    if question.year not in ("", UNKNOWN) and (question.year_from, question.year_to) != (None, None):
        raise ValueError("year: one is asked for, and limits too")
    if not question.score and (question.score_from, question.score_to) != (None, None):
        raise ValueError("score: which one the limits are of is missing")
    for name in ("year", "bytes", "score"):
        least, most = getattr(question, f"{name}_from"), getattr(question, f"{name}_to")
        if least is not None and most is not None and least > most:
            raise ValueError(f"{name}: nothing is at least {least:g} and at most {most:g}")
    if question.order not in ("", *ORDERS):
        raise ValueError(f"order: {question.order!r}; {', '.join(ORDERS)} or nothing is expected")
    if question.order.endswith("score") and not question.score:
        raise ValueError("order: which score is missing")
    return question


def plain_address(text: str) -> str:
    """Return an address without its scheme, user, `www.`, and place in the page; its host in small letters."""
    scheme = _SCHEME.match(text)
    plain = text[scheme.end() :] if scheme else text
    host, stroke, rest = plain.partition("/")
    host = host.rpartition("@")[2].lower().removeprefix("www.")
    return f"{host}{stroke}{rest}".partition("#")[0]


def page_of(text: str) -> str:
    """Return the plain address of the page that a text names, "" of a host, a repository or an owner."""
    address = plain_address(text)
    host, _, rest = address.partition("/")
    repository = host == "github.com" and rest.strip("/").count("/") < 2
    named = "." in host and rest.strip("/") and not text.startswith("=")
    return address if named and not repository else ""


def placed(text: str) -> str:
    """Return a host, repository or owner as the catalogue has it, of what people type: an address, `www.` before it."""
    equals, text = ("=", text[1:]) if text.startswith("=") else ("", text)
    text = text.lstrip(".") or text  # .gov: all hosts below it
    if "." not in text.partition("://")[2].partition("/")[0] and "." not in text.partition("/")[0]:
        return equals + text.rstrip("/")  # an owner's name has no dot
    host, _, rest = plain_address(text).partition("/")
    if host == "github.com" and rest:
        return equals + "/".join(rest.split("/")[:2]).rstrip("/")
    return equals + host.partition(":")[0]


def _number(name: str, value: str) -> float:
    try:
        found = float(value.replace(",", ""))
    except ValueError:
        raise ValueError(f"{name}: {value!r} is not a number") from None
    if not math.isfinite(found):
        raise ValueError(f"{name}: {value!r} is not a number that can be a limit")
    return found


def _text(value: Any) -> str:
    return f"{value:.15g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Conditions:
    """Conditions over the catalogue's columns, all of which must hold, and the parameters that they name in order."""

    sql: str
    parameters: Sequence[Any]


def conditions(question: Question, scores: Sequence[str]) -> Conditions:
    """Return a question's conditions but those on texts; `scores` are the names of the catalogue's columns of scores.

    Raises ValueError for a score that the corpus does not have.
    """
    found = list(_conditions(question, scores))
    sql = " AND ".join(f"({text})" for text, _ in found)
    return Conditions(sql or "true", [value for _, values in found for value in values])


def _conditions(question: Question, scores: Sequence[str]) -> Iterator[tuple[str, list[Any]]]:
    for name in _EQUAL:
        if value := getattr(question, name):
            yield _matches(name, value)
    if question.title == UNKNOWN:
        yield _matches("title", UNKNOWN)
    elif question.title:
        for one in words.asked(question.title, "title"):
            found = "coalesce(regexp_matches(title, ?, 'i'), false)"  # what has no title has no word of one
            yield f"{'' if one.there else 'NOT '}{found}", [words.in_re2(one)]
    if question.state:
        yield "kept = ?", [question.state == "kept"]
    if question.reason:
        whole = "/" in question.reason or "*" in question.reason
        yield _matches("stage || '/' || reason" if whole else "stage", question.reason)
    if question.place:
        yield _place(question.place)
    if question.address:
        yield _address(question.address)
    yield from _years(question)
    yield from _limits("bytes", question.bytes_from, question.bytes_to)
    if question.score:
        if question.score not in scores:
            raise ValueError(f"score: there is no {question.score!r}; there are {', '.join(scores) or 'none'}")
        column = score_column(scores.index(question.score))
        yield f"{column} IS NOT NULL", []
        yield from _limits(column, question.score_from, question.score_to)


def _matches(column: str, value: str) -> tuple[str, list[Any]]:
    """Return that a column has a value, none for UNKNOWN, or one that `*` stands in for any letters of."""
    if value == UNKNOWN:
        return f"{column} IS NULL", []
    if "*" not in value:
        return f"lower({column}) = ?", [value.lower()]
    plain = re.sub(r"([\\%_])", r"\\\1", value.lower())
    return f"lower({column}) LIKE ? ESCAPE '\\'", [plain.replace("*", "%")]


def _place(place: str) -> tuple[str, list[Any]]:
    if place == UNKNOWN or "*" in place:
        return _matches("place", place)
    only = place.startswith("=")
    known = place.removeprefix("=").lower()
    if only:
        return _matches("place", known)
    there = "lower(place) = ? OR ends_with(lower(place), ?) OR starts_with(lower(place), ?)"
    return there, [known, f".{known}", f"{known}/"]


def _address(address: str) -> tuple[str, list[Any]]:
    """Return that a page has an address, under any scheme, with a stroke at its end or without, at any place in it."""
    if address == UNKNOWN:
        return _matches("url", address)
    if "*" not in address:
        plain = address.rstrip("/")
        host, stroke, rest = plain.partition("/")
        # Few have both in them, and only of those it is taken apart.
        return (
            f"contains(lower(url), ?) AND contains(url, ?) AND rtrim({_PLAIN_URL}, '/') = ?",
            [host, f"{stroke}{rest}", plain],
        )
    return _matches(_PLAIN_URL, address)


def _years(question: Question) -> Iterator[tuple[str, list[Any]]]:
    """Yield that a document is of some years; where UNKNOWN is asked for beside them, or of none that is known."""
    within = list(_limits("year", question.year_from, question.year_to))
    if question.year == UNKNOWN:
        inside = " AND ".join(sql for sql, _ in within)
        yield (
            f"year IS NULL OR ({inside})" if within else "year IS NULL",
            [one for _, values in within for one in values],
        )
        return
    if question.year:
        yield "year = ?", [int(question.year)]
    yield from within


def _limits(column: str, low: float | None, high: float | None) -> Iterator[tuple[str, list[Any]]]:
    if low is not None:
        yield f"{column} >= ?", [low]
    if high is not None:
        yield f"{column} <= ?", [high]


def ordered(question: Question, scores: Sequence[str]) -> str:
    """Return the columns that a question's list is ordered by."""
    by = ORDERS.get(question.order, "")
    if question.order.endswith("score"):
        by = f"{score_column(scores.index(question.score))} {by}"
    return f"{by} NULLS LAST, number" if by else "number"


def score_column(place: int) -> str:
    """Return the name of the catalogue's column of the score at a place."""
    return f"s{place}"
