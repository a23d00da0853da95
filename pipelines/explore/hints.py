"""What a reader may have meant, and what an answer leaves out.

a value that nothing has ─> those like it        an address among the words ─> the question for its pages
a language, licence, place or year that is asked for ─> how many have none that is known
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pipelines import languages
from pipelines.explore import words
from pipelines.explore.questions import UNKNOWN, Question, conditions, page_of, placed
from pipelines.explore.search import Asked

NAMES: Final = 20_000  # of a column, among which one like that of a question is looked for
CLOSE: Final = 6
# Fields of values that a document may lack, as they are called in a sentence.
_LACKED: Final = {
    "language": "language",
    "license": "licence",
    "place": "host, repository or site",
    "address": "address",
    "year": "year",
}
_YEARS: Final = ("year", "year_from", "year_to")
# Fields that are left out together, by the name of the whole.
_PARTS: Final = {
    "year": _YEARS,
    "bytes": ("bytes_from", "bytes_to"),
    "score": ("score", "score_from", "score_to", "order"),
}
_WHOLE: Final = {part: whole for whole, parts in _PARTS.items() for part in parts}


@dataclass(frozen=True)
class Hint:
    """A sentence, and the question or the document that it leads to, with what its link says."""

    text: str
    question: Question | None = None
    document: str = ""
    link: str = ""


def of(asked: Asked, documents: int) -> list[Hint]:
    """Return what is to be said of a question whose answer has so many documents."""
    found = [*_addresses(asked), *_signs(asked.question)]
    if asked.question.place.removeprefix("=") == "github.com":
        everything = asked.question.also(place="", source="github")
        found.append(Hint("Files of GitHub are known by their repositories", everything, link="all of them"))
    if not documents:
        missing = list(_not_there(asked))
        found += missing or _left_out(asked)
    return found + list(_lacking(asked))


def _signs(question: Question) -> Iterator[Hint]:
    """Yield that signs and operators among the words mean nothing there."""
    for one in words.asked(question.words):
        if one.has_signs and not words.addresses(one.text):
            said = f"“{one.text}” is looked for as “{' '.join(one.words)}”: signs are no part of words"
            yield Hint(
                said, question.also(words="", pattern=re.escape(one.text)), link="texts that have them, by a pattern"
            )
    for name in ("OR", "AND", "NOT"):
        if name in question.words.split():
            yield Hint(
                f"“{name}” is a word like others: all words must be there; a pattern takes one or another: dog|cat"
            )


def _addresses(asked: Asked) -> Iterator[Hint]:
    """Yield that addresses among the words, of hosts that are there, are looked for in texts."""
    for address in words.addresses(asked.question.words):
        place, page = placed(address), page_of(address)
        if _is_there(asked, "place", place):
            said = f"“{address}” is looked for in the texts, where pages seldom name themselves"
            meant = Question(address=page) if page else Question(place=place)
            yield Hint(said, meant, link="the page of this address" if page else f"all that is of {place}")
    if "/" in asked.question.words and (row := asked.explorer.by_id(asked.question.words.strip('"'))):
        yield Hint("This is the id of a document", document=row.id, link=row.title or row.id)


def _not_there(asked: Asked) -> Iterator[Hint]:
    """Yield the values of a question that no row has, and those like them."""
    for name in ("source", "reason", "language", "place", "license"):
        value = getattr(asked.question, name)
        if value in ("", UNKNOWN) or _is_there(asked, name, value):
            continue
        if name == "language" and (code := languages.code(value)):
            yield Hint(f"language: {value} is {code}", asked.question.also(language=code), link=f"ask for {code}")
            continue
        if "*" in value:
            yield Hint(f"{name}: no document or drop of this corpus has one like {value!r}")
            continue
        of = "stage || '/' || reason" if name == "reason" else name
        sql = f"SELECT {of}, count(*) FROM documents WHERE {of} IS NOT NULL GROUP BY 1 ORDER BY 2 DESC LIMIT {NAMES}"
        yield Hint(_meant(name, value.removeprefix("="), [str(found) for found, _ in asked.plain(sql)]))
    if (title := asked.question.title) not in ("", UNKNOWN) and not _is_there(asked, "title", title):
        meant = asked.question.without("title").also(words=f"{asked.question.words} {title}".strip())
        yield Hint(f"title: no document or drop of this corpus has {title!r} in its title", meant, link="look in texts")
    address = asked.question.address
    if address not in ("", UNKNOWN) and "*" not in address and not _is_there(asked, "address", address):
        place = placed(address)
        there = _is_there(asked, "place", place)
        what = f"address: no document or drop of this corpus has {address!r}, nor any other of {place}"
        yield Hint(
            what.replace("nor any", "but") if there else what, Question(place=place) if there else None, link=place
        )


def _left_out(asked: Asked) -> Iterator[Hint]:
    """Yield, of values that are there but not together, how many rows there are without each."""
    given = {_WHOLE.get(name, name) for name, _ in asked.question.asked() if name != "order"}
    if len(given) < 2 or asked.scans:  # texts are not read again for this
        return
    for name in sorted(given):
        fields = _PARTS.get(name, (name,))
        if asked.left <= 0:
            return
        wider = asked.question.without(*fields)
        counts = asked.alike(wider).counts()
        if counts.documents:
            least = "" if counts.exact else "at least "
            yield Hint(f"Without {name} it takes {least}{counts.documents:,}", wider, link="ask so")


def _is_there(asked: Asked, name: str, value: str) -> bool:
    """Tell whether any row has a value, asked for alone."""
    alone = conditions(Question().also(**{name: value}), ())
    return bool(asked.plain(f"SELECT 1 FROM documents WHERE {alone.sql} LIMIT 1", alone.parameters))


def _meant(field: str, asked: str, names: Sequence[str]) -> str:
    """Return that nothing is called so, with names that are like it, or the most frequent ones."""
    low = {name.lower(): name for name in reversed(names)}
    like = [name for name in names if asked.lower() in name.lower()][:CLOSE]
    close = like or [low[name] for name in difflib.get_close_matches(asked.lower(), list(low), CLOSE, 0.75)]
    what = f"{field}: no document or drop of this corpus has {asked!r}"
    if close:
        return f"{what}; there is {', '.join(close)}"
    return f"{what}; the most frequent are {', '.join(names[:CLOSE])}" if names else what


def _lacking(asked: Asked) -> Iterator[Hint]:
    """Yield how many are like the question but for a value of which they have none."""
    question = asked.question
    for name, called in _LACKED.items():
        names = _YEARS if name == "year" else (name,)
        given = [value for one in names if (value := getattr(question, one)) not in ("", None)]
        if not given or UNKNOWN in given:
            continue
        other = question.without(*names).also(**{name: UNKNOWN})
        # Texts are not read again for this: then it counts those that may have what is asked of them.
        counted = other.without("words", "pattern") if asked.scans else other
        found = asked.alike(counted).counts()
        if found.documents and (found.exact or not asked.scans):
            more = "up to " if asked.scans else "" if found.exact else "at least "
            said = f"Not in this answer: {more}{found.documents:,} documents and drops of which no {called} is known"
            yield Hint(said, other, link="show them")
