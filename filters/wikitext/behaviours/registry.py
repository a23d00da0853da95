"""What templates do, by name and wiki: a behaviour is a small function of a template's arguments.

    @behaviour("convert|cvt", ro="conversie", it="converti")
    def convert(a: Arguments) -> str: ...

The first names hold in every wiki (most wikis keep English's names beside their own), the others in one. Names are
casefolded, with spaces instead of underscores, separated by `|`. A wiki's own meaning of a name wins over the common
one. `family` gives a behaviour to all names that a pattern matches and no table has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from filters.wikitext.names import LANGUAGES, Names


@dataclass(frozen=True, slots=True)
class Arguments:
    """A template's arguments: those with a place, and those with a name (casefolded)."""

    name: str
    places: tuple[str, ...]
    named: Mapping[str, str]
    names: Names
    language: str

    def at(self, place: int) -> str:
        """Return the argument at a place, counted from 1, or ""."""
        return self.places[place - 1] if place <= len(self.places) else ""

    def get(self, *keys: str) -> str:
        """Return the first of these named arguments that is not empty, or ""."""
        return next((value for key in keys if (value := self.named.get(key, ""))), "")

    @property
    def given(self) -> list[str]:
        """The arguments with a place that are not empty."""
        return [place for place in self.places if place]


Behaviour = Callable[[Arguments], str]

EVERYWHERE: dict[str, Behaviour] = {}
"""Behaviours by names that hold in every wiki."""

OWN: dict[str, dict[str, Behaviour]] = {language: {} for language in LANGUAGES}
"""Behaviours by the names of one wiki."""

FAMILIES: list[tuple[re.Pattern[str], frozenset[str], Behaviour]] = []
"""Patterns of names, the wikis where they hold, and what those templates do; the first that matches counts."""


def behaviour(names: str = "", **wikis: str) -> Callable[[Behaviour], Behaviour]:
    """Register a function under names that hold everywhere and names of single wikis; ValueError for a name twice."""

    def register(function: Behaviour) -> Behaviour:
        for table, listed in [(EVERYWHERE, names), *((OWN[wiki], own) for wiki, own in wikis.items())]:
            for name in filter(None, listed.casefold().split("|")):
                if name in table:
                    raise ValueError(f"template {name!r} has two behaviours")
                table[name] = function
        return function

    return register


def family(pattern: re.Pattern[str], *wikis: str) -> Callable[[Behaviour], Behaviour]:
    """Register a function for the names that a pattern matches as a whole, in some wikis or in all."""

    def register(function: Behaviour) -> Behaviour:
        FAMILIES.append((pattern, frozenset(wikis or LANGUAGES), function))
        return function

    return register


def gone(a: Arguments) -> str:
    """Return nothing: what only navigates, cites, decorates or asks for work."""
    return ""


def first(a: Arguments) -> str:
    """Return the first argument: {{nowrap|5 km}}."""
    return a.at(1) or a.get("text", "content", "1", "texte", "texto", "testo", "текст", "lista", "list")


def second(a: Arguments) -> str:
    """Return the second argument, the first being a language or a colour: {{lang|la|homo}}."""
    return a.at(2) or a.get("text", "2", "texte", "texto", "testo", "текст") or (a.at(1) if len(a.places) > 1 else "")


def last(a: Arguments) -> str:
    """Return the last argument: {{transl|ru|ISO|chelovek}}."""
    return a.places[-1] if a.places else ""


def words(a: Arguments) -> str:
    """Return the arguments as words: {{sortname|Ada|Marlow}}."""
    return " ".join(a.given)
