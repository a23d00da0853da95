"""Templates to the text they stand for: parser functions, signs, behaviours, and what nobody knows.

`behave(content, names, language)` takes what stands between `{{` and `}}`, nested markup being turned into text and its
`|` and `=` masked, and returns the text ("" for what only navigates, cites or decorates), or None for a template that
no table knows. Of those, `unknown` returns the readable arguments, marked: `settle` keeps them inside a sentence,
a heading or a list item, and lets them go where they stand alone on their line. Templates whose value is on other pages
(`DATA`) have none: their arguments are keys.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import NamedTuple

from filters.wikitext import behaviours
from filters.wikitext.behaviours import Arguments
from filters.wikitext.behaviours.numbers import format_number
from filters.wikitext.behaviours.places import FLAG_CLOSE, FLAG_OPEN
from filters.wikitext.behaviours.registry import gone
from filters.wikitext.behaviours.signs import SIGNS, SIGNS_WITH_ARGUMENTS
from filters.wikitext.behaviours.territories import is_territory, territory
from filters.wikitext.names import Names

BAR, EQUALS = "\x01", "\x05"
"""Masks of `|` and `=` in text that is no longer markup."""

UNKNOWN_OPEN, UNKNOWN_TEXT, UNKNOWN_CLOSE = "\x06", "\x07", "\x0e"
"""Around the name and the text of a template that nobody knows."""

MAX_NAME = 1_000
"""Characters of a template's name, or of a parser function's name and first argument."""

MAX_PLACES = 12
"""Arguments with a place of a template that nobody knows: more are data, as of a chess board or a tree."""

NAMED = re.compile(r"\s*([\w .\-/]{1,40}?)\s*=")
NAMED_BY_WORD = re.compile(r"\s*(?!\d{1,3}\s*=)[\w .\-/]{1,40}?\s*=")
TEMPLATE_NAMESPACES = frozenset(
    {
        *("template", "шаблон", "plantilla", "šablona", "skabelon", "vorlage", "modèle", "predložak", "sablon"),
        *("sjabloon", "szablon", "predefinição", "format", "predloga", "šablon", "mall"),
    }
)
UNKNOWN = re.compile(
    f"{UNKNOWN_OPEN}([^{UNKNOWN_OPEN}{UNKNOWN_TEXT}{UNKNOWN_CLOSE}]*){UNKNOWN_TEXT}"
    f"([^{UNKNOWN_OPEN}{UNKNOWN_TEXT}{UNKNOWN_CLOSE}]*){UNKNOWN_CLOSE}"
)
FLAG = re.compile(f"{FLAG_OPEN}([^{FLAG_OPEN}{FLAG_CLOSE}]*){FLAG_CLOSE}([ \xa0]*)")
MARKS = re.compile(f"[{UNKNOWN_OPEN}{UNKNOWN_TEXT}{UNKNOWN_CLOSE}{FLAG_OPEN}{FLAG_CLOSE}]")
EVERY_MARK = (UNKNOWN_OPEN, UNKNOWN_TEXT, UNKNOWN_CLOSE, FLAG_OPEN, FLAG_CLOSE)
WORD = re.compile(r"[^\W_]")
NOT_TEXT = re.compile(r"<[^<>]*>|\[(?:https?:)?//[^\s\]]*|&[a-z]{2,8};|^[\s*#:;]+")
# What arguments of templates say to the template and not to the reader.
OPTION = re.compile(
    r"[a-zA-Z]|yes|no|left|right|center|centre|none|on|off|true|false|oui|non|sí|ja|nein|"
    r"да|нет|так|ні|links|rechts|gauche|droite|izquierda|derecha|esquerda|direita|sinistra|destra|lewo|prawo|\d{0,4}px|"
    r"\d+(?:\.\d+)?(?:em|%)|#[0-9a-fA-F]{3,8}|https?://\S*|\S+\.(?:og[gv]|oga|wav|mp3|webm|svg|png|jpe?g|gif|pdf|mid)"
)


# Codes of languages; three letters are words, but for those that Wikipedia's articles use most.
CODE = re.compile(
    r"(?:[a-z]{2}|grc|ang|non|goh|gmh|ast|nds|hbo|arc|syc|akk|ota|peo|cop|roa|sco|tlh)(?:-[A-Za-z]{2,8})*"
)


# Names of templates that look a figure up on other pages, by keys: what they are given is none of it.
DATA = re.compile(
    r"statistiek .*|spfl[- ]stadiums|metadat[ae]n? .*|.*einwohnerzahl.*|ewz|ewr|un population|.* population wikidata|"
    r"population (?:commune|ville).*|dernière population.*|населення .*|население .*"
)


# Keys of pages elsewhere: "art-definition", "society/politics", "Ayn_Rand".
KEY = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)+|[^\s/_]*[/_][^\s]*|[A-Za-z]{0,4}\d{4,}[A-Za-z]?")
SEVERAL_WORDS = re.compile(r"[^\W\d_]{2,}[\s,;:'’-]+[^\W\d_]{2,}")


class Template(NamedTuple):
    """A template's name as names are compared, what it does, and the name of a parser function."""

    name: str
    does: behaviours.Behaviour | None
    function: str


def behave(content: str, names: Names, language: str, canonical: str = "") -> str | None:
    """Return the text of a template from what stands between its braces, None if no table knows it.

    `canonical` is the name that the dump's own redirects give it, where there are any.
    """
    raw_name, bar, rest = content.partition("|")
    if len(raw_name) > MAX_NAME:
        return ""
    name, does, function = _known(raw_name, language)
    if name in SIGNS and (not bar or name in SIGNS_WITH_ARGUMENTS):
        return SIGNS[name]
    if function:
        return _function(function, raw_name.partition(":")[2].strip(), rest, names)
    if not name or "\n" in raw_name.strip():
        return ""
    if does is None and canonical:
        name = folded(canonical)
        if name in SIGNS and not bar:
            return SIGNS[name]
        does = behaviours.find(name, language)
    if does is None:
        return _territory(raw_name.strip(), language)
    if does is gone:  # most boxes and notes: their arguments need not be read
        return ""
    return does(_arguments(name, rest.split("|") if bar else [], names, language))


def folded(name: str) -> str:
    """Return a template's name as names are compared: casefolded, spaces for underscores, without its namespace."""
    name = " ".join(name.replace("_", " ").split()).casefold()
    space, colon, rest = name.partition(":")
    return rest.strip() if colon and space.strip() in TEMPLATE_NAMESPACES else name


@lru_cache(maxsize=1 << 12)
def _known(raw_name: str, language: str) -> Template:
    """Return what a name means; the same few names are nearly all that articles use."""
    name = folded(raw_name)
    if ":" in name:
        return Template(name, None, name.partition(":")[0].strip() or ":")
    return Template(name, behaviours.find(name, language), "")


@lru_cache(maxsize=1 << 12)
def _territory(raw_name: str, language: str) -> str | None:
    """Return the country that a template is named by: {{ROU}}, {{DE}} in Dutch, {{Polen}} in German."""
    country = territory(raw_name, language, letters=(2, 3) if language == "nl" else (3,))
    if country is None and is_territory(raw_name, language):
        country = raw_name
    return f"{FLAG_OPEN}{country}{FLAG_CLOSE}" if country else None


def _arguments(name: str, parts: list[str], names: Names, language: str) -> Arguments:
    places: dict[int, str] = {}
    named: dict[str, str] = {}
    for part in parts:
        match = NAMED.match(part) if "=" in part else None
        if match is None:
            places[len(places) + 1] = part.strip()
        elif match[1].isdecimal():
            places[int(match[1])] = part[match.end() :].strip()
        else:
            named[match[1].casefold()] = part[match.end() :].strip()
    return Arguments(name, tuple(places[place] for place in sorted(places)), named, names, language)


def _function(name: str, first: str, rest: str, names: Names) -> str:
    """Return the value of `{{name:first|rest}}` for the parser functions that carry text."""
    if name in names.formatnum:
        return first if rest.strip().casefold() == "r" else format_number(first, names)
    if name in ("uc", "lc", "lcfirst", "ucfirst"):
        if name == "ucfirst":
            return first[:1].upper() + first[1:]
        return first.upper() if name == "uc" else first.lower()
    if name in ("plural", "grammar", "множина", "падеж", "gender"):
        return rest.split("|")[-1].strip()
    return ""


def unknown(content: str, names: Names, language: str) -> str:
    """Return the readable arguments of a template that nobody knows, marked with its name for `settle`."""
    raw_name, bar, rest = content.partition("|")
    name = folded(raw_name)
    text = ""
    if bar:
        parts = [part for part in rest.split("|") if "=" not in part or not NAMED_BY_WORD.match(part)]
        if 0 < len(parts) <= MAX_PLACES and not DATA.fullmatch(name):
            arguments = _arguments(name, parts, names, language)
            text = MARKS.sub("", " ".join(readable(arguments).split()))
    return f"{UNKNOWN_OPEN}{MARKS.sub('', name)}{UNKNOWN_TEXT}{text}{UNKNOWN_CLOSE}"


def readable(a: Arguments) -> str:
    """Return what of a template's arguments with a place is text: no options, codes, files, addresses, repetitions."""
    shown: list[str] = []
    for place in a.given:
        text = UNKNOWN.sub(r"\2", place)
        number_before = bool(shown) and shown[-1][-1:].isdigit()  # then two letters are a unit
        if OPTION.fullmatch(text) or (CODE.fullmatch(text) and not number_before):
            continue
        if any(text.casefold() in before.casefold() for before in shown):
            continue
        if KEY.fullmatch(text) and not number_before and len(a.given) > 1 and not text.isdigit():
            continue
        # {{name|Name|de|Name (Politiker)}}: what is only longer is the target of a link.
        if not any(before.casefold() in text.casefold() and WORD.search(before) for before in shown):
            shown.append(text)
    return " ".join(shown)


class Unknown(NamedTuple):
    """A template that nobody knows: its name, whether it stood inside a sentence, the characters of its text."""

    name: str
    inside: bool
    characters: int


def settle(text: str, found: Counter[Unknown]) -> str:
    """Return the text without marks: unknown templates decided line by line and counted, flags beside names gone."""
    if UNKNOWN_OPEN in text:
        text = _lines_decided(text, found)
    if FLAG_OPEN in text:
        text = FLAG.sub(_flag, text)
    return MARKS.sub("", text) if any(map(text.__contains__, EVERY_MARK)) else text


def _lines_decided(text: str, found: Counter[Unknown]) -> str:
    """Return the text with the lines decided that hold a mark; the others are not looked at."""
    pieces, position = [], 0
    while (at := text.find(UNKNOWN_OPEN, position)) >= 0:
        start = max(position, text.rfind("\n", position, at) + 1)
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        pieces += [text[position:start], _decided(text[start:end], found)]
        position = end
    return "".join([*pieces, text[position:]])


def _decided(line: str, found: Counter[Unknown]) -> str:
    outside = UNKNOWN.sub("", line)
    inside = bool(WORD.search(NOT_TEXT.sub("", outside)))
    if not inside and line.lstrip()[:1] in ("*", "#"):  # an item of words stays, a key of a page elsewhere does not
        texts = [text for _, text in UNKNOWN.findall(line)]
        inside = any(SEVERAL_WORDS.search(text) and not KEY.fullmatch(text) for text in texts)
    for name, text in UNKNOWN.findall(line):
        found[Unknown(name.replace(BAR, "|").replace(EQUALS, "="), inside, len(text))] += 1
    return UNKNOWN.sub(r"\2" if inside else "", line)


def _flag(match: re.Match[str]) -> str:
    """Return a flag's country, or nothing where the text goes on with it."""
    country, after = match[1], match.end()
    while match.string[after : after + 1] in ("'", "[", FLAG_OPEN):
        after += 1
    if match.string[after : after + len(country)].casefold() == country.casefold():
        return ""
    following = match.string[match.end() : match.end() + 1]
    return country + (match[2] or (" " if following.isalnum() else ""))
