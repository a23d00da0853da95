"""A wiki's own templates, as its dump defines them: a model that is made of the pages of their namespace, and used.

pages (title, wikitext) ─ what is transcluded of each, boxes and Lua left out ─> one file, sorted by hash of the name
file, mapped into memory ─ name ─> redirect followed ─> tree ─ `filters.wikitext.expander` ─> wikitext

The file: `MAGIC`, the number of records (8 bytes), their hashes, then where each begins and the last ends (8 bytes
each), then the records: name, NUL, kind, text, in UTF-8. Workers share the memory that it is mapped to.
"""

from __future__ import annotations

import hashlib
import mmap
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from filters.wikitext import functions, tags
from filters.wikitext.expander import Expansion
from filters.wikitext.names import Names, names_of
from filters.wikitext.preprocessor import Call, Nodes, parse

MAGIC: Final = b"ALTDEFS1"
FILE: Final = "definitions.bin"
MAX_TEXT: Final = 1 << 16
"""Characters of a template; longer ones are tables of data and boxes, and none stands in a sentence."""

MAX_REDIRECTS: Final = 8
_WORD: Final = np.dtype("<u8")
_HEAD: Final = len(MAGIC) + 8
_KEPT_TREES: Final = 1 << 12

_COMMENT: Final = re.compile(r"(?:(?<=\n)[ \t]*)<!--(?:(?!-->).)*-->[ \t]*\n|<!--(?:(?!-->).)*(?:-->|\Z)", re.DOTALL)
_ONLY: Final = re.compile(r"<(onlyinclude)()\s*>", re.IGNORECASE)
_ONLY_END: Final = re.compile(r"</onlyinclude\s*>", re.IGNORECASE)
_NOT: Final = re.compile(
    r"<noinclude(?:\s[^<>]*)?>.*?(?:</noinclude\s*>|\Z)|</?noinclude\s*/?>", re.IGNORECASE | re.DOTALL
)
_INCLUDE_TAGS: Final = re.compile(r"</?(?:includeonly|onlyinclude)(?:\s[^<>]*)?>", re.IGNORECASE)
_GONE: Final = sorted(tags.REMOVED - {"includeonly", "table"})
_REMOVED: Final = re.compile(rf"<({'|'.join(_GONE)})(?=[\s/>])([^<>]*)>|<nowiki\s*/>", re.IGNORECASE)
_REDIRECT: Final = re.compile(r"\s*(#[^\s\[\]:]{1,40})\s*:?\s*\[\[\s*:?([^\[\]|#{}\n]{1,255})")
_CATEGORY: Final = re.compile(r"\[\[[^\[\]{}|:]*:[^\[\]{}]*\]\]")
_LITERAL: Final = re.compile(r"<(nowiki|pre|math|chem|ce|syntaxhighlight|source|poem)(?=[\s/>])", re.IGNORECASE)
_LUA: Final = re.compile(r"\{\{\s*(?:safesubst:)?\s*#(?:invoke|property|statements)\b", re.IGNORECASE)
_BOX: Final = re.compile(
    r"(?<!\{)\{\|(?!\})|<table\b|class\s*=\s*[\"'][^\"'<>]*\b(?:infobox|navbox|sidebar|[a-z]*mbox|metadata|toc|succession)",
    re.IGNORECASE,
)


class Kind(StrEnum):
    """What a page of templates is to the model; all but the first two leave only their names to be counted."""

    TEXT = "T"
    REDIRECT = "R"
    LUA = "lua"
    BOX = "box"
    LONG = "long"
    LITERAL = "literal"


class Record(NamedTuple):
    """A page of templates: the name of the template, and its text or where it redirects."""

    name: str
    kind: str
    text: str


# --- made ------------------------------------------------------------------------------------------------------------


def transcluded(text: str) -> str:
    """Return what of a template's page stands where it is used, without comments, notes and what is about the page."""
    text = _COMMENT.sub("", text) if "<!--" in text else text
    only = [inner for _, inner in _elements(_ONLY, text) if inner is not None]
    text = "".join(only) if only else text
    text = _INCLUDE_TAGS.sub("", _NOT.sub("", text))
    return "".join(before for before, _ in _elements(_REMOVED, text)) if _REMOVED.search(text) else text


def _elements(opener: re.Pattern[str], text: str) -> Iterator[tuple[str, str | None]]:
    """Yield what comes before each element of an `opener` and what is in it, at last what comes behind them all.

    What is in an element is None if it ends itself or never; each kind of closing tag is searched for once.
    """
    position = 0
    ends: dict[str, re.Match[str] | None] = {}
    while found := opener.search(text, position):
        before, position = text[position : found.start()], found.end()
        name = (found[1] or "").lower()
        if not name or found[2].endswith("/"):
            yield before, None
            continue
        end = ends.get(name)
        if name not in ends or (end is not None and end.start() < position):
            end = ends[name] = (_ONLY_END if name == "onlyinclude" else tags.CLOSERS[name]).search(text, position)
        yield before, None if end is None else text[position : end.start()]
        position = position if end is None else end.end()
    yield text[position:], None


def record(title: str, text: str, language: str) -> Record | None:
    """Return what the model needs of a page, by its title with the namespace; None if it is no template's."""
    names = names_of(language)
    name = functions.template_name(title, names)
    if name is None:
        return None
    redirect = _REDIRECT.match(text)
    if redirect and redirect[1].casefold() in names.redirect:
        target = functions.template_name(redirect[2], names)
        return None if target is None or target == name else Record(name, Kind.REDIRECT, target)
    text = transcluded(text)
    kind = _kind(text)
    return Record(name, kind, text if kind is Kind.TEXT else "")


def write(records: Iterable[Record], path: Path) -> Counter[str]:
    """Write the model of a wiki's templates and return how many there are of each kind; of one name the last is taken.

    Templates that are nothing but calls of boxes are boxes too.
    """
    found = {one.name: one for one in records}
    boxes = {name for name, one in found.items() if one.kind == Kind.BOX}
    for name in _wrappers(found, boxes):
        found[name] = Record(name, Kind.BOX, "")
    _write([one for one in found.values() if one.kind in (Kind.TEXT, Kind.REDIRECT)], path)
    return Counter(Kind(one.kind).name.lower() for one in found.values())


def _kind(text: str) -> Kind:
    if len(text) > MAX_TEXT:
        return Kind.LONG
    if _LUA.search(text):
        return Kind.LUA
    if _BOX.search(text):
        return Kind.BOX
    return Kind.LITERAL if _LITERAL.search(text) else Kind.TEXT


def _wrappers(records: Mapping[str, Record], boxes: set[str]) -> list[str]:
    """Return the templates that are nothing but calls of boxes: navigation, infoboxes, notes to readers."""
    only = {one.name: called for one in records.values() if one.kind == Kind.TEXT and (called := _only_call(one.text))}
    found: list[str] = []
    while new := [name for name, called in only.items() if _followed(records, called) in boxes]:
        found += new
        boxes.update(new)
        for name in new:
            del only[name]
    return found


def _followed(records: Mapping[str, Record], name: str) -> str:
    for _ in range(MAX_REDIRECTS):
        one = records.get(name)
        if one is None or one.kind != Kind.REDIRECT:
            break
        name = one.text
    return name


def _only_call(text: str) -> str | None:
    """Return the name of the template that is all that a text has besides white space and categories."""
    stripped = _CATEGORY.sub("", text).strip()
    if not stripped.startswith("{{"):
        return None
    nodes = parse(stripped)
    if len(nodes) != 1 or not isinstance(nodes[0], Call) or len(nodes[0].name) != 1:
        return None
    name = nodes[0].name[0]
    named = " ".join(name.replace("_", " ").split()) if isinstance(name, str) else ""
    return named[:1].upper() + named[1:] or None


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(_bytes(name), digest_size=8).digest(), "little")


def _write(records: Sequence[Record], path: Path) -> None:
    ordered = sorted((_hash(one.name), one) for one in records)
    packed = [b"\0".join((_bytes(one.name), _bytes(one.kind + one.text))) for _, one in ordered]
    ends = np.cumsum([0, *map(len, packed)], dtype=_WORD)
    with path.open("wb") as stream:
        stream.write(MAGIC + len(packed).to_bytes(8, "little"))
        stream.write(np.array([key for key, _ in ordered], _WORD).tobytes())
        stream.write(ends.tobytes())
        for one in packed:
            stream.write(one)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")


# --- used ------------------------------------------------------------------------------------------------------------


class Definitions:
    """The templates of one wiki, by name."""

    def __init__(self, path: Path, language: str) -> None:
        """Map a model's file into memory; ValueError if it is none."""
        self._names, self._language = names_of(language), language
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
            if len(head) < _HEAD or not head.startswith(MAGIC):
                raise ValueError(f"{path}: this is no model of a wiki's templates")
            self._data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        number = int.from_bytes(head[len(MAGIC) :], "little")
        self._texts = _HEAD + 8 * (2 * number + 1)
        if self._texts > len(self._data):
            raise ValueError(f"{path}: the model is cut off")
        self._hashes = np.frombuffer(self._data, _WORD, number, _HEAD)
        self._ends = np.frombuffer(self._data, _WORD, number + 1, _HEAD + 8 * number)
        if not _rises(self._hashes) or not _rises(self._ends) or int(self._ends[-1]) != len(self._data) - self._texts:
            raise ValueError(f"{path}: the model is damaged")
        self.tree: Callable[[str], Nodes | None] = lru_cache(_KEPT_TREES)(self._tree)
        self.same: Callable[[str], str] = lru_cache(_KEPT_TREES)(self._same)

    def __len__(self) -> int:
        """Return how many redirects and templates there are."""
        return len(self._hashes)

    def canonical(self, name: str) -> str:
        """Return the name of the template that a name, as it is written, leads to: itself if it is no redirect."""
        found = functions.template_name(name, self._names)
        return name if found is None else self.same(found)

    def expand(self, content: str, known: Callable[[str], str | None], title: str = "") -> str | None:
        """Return the wikitext of a call from what stands between its braces; None if it is not defined, or not plain.

        The arguments are taken as text. Calls for whose names `known` has an answer are left as they are.
        """
        name, *parts = content.split("|")
        found = functions.template_name(name, self._names)
        if found is None:
            return None
        if (
            not parts
            and (value := functions.variable(name.strip(), _Wiki(self._language, self._names, title))) is not None
        ):
            return value
        arguments = [_argument(part) for part in parts]
        expansion = Expansion(self, known, self._language, self._names, title)
        return expansion.template(found, arguments)

    def _tree(self, name: str) -> Nodes | None:
        kind, text = self._record(self.same(name))
        return parse(text) if kind == Kind.TEXT else None

    def _same(self, name: str) -> str:
        for _ in range(MAX_REDIRECTS):
            kind, target = self._record(name)
            if kind != Kind.REDIRECT:
                break
            name = target
        return name

    def _record(self, name: str) -> tuple[str, str]:
        """Return kind and text of a template, ("", "") if there is none."""
        at = int(np.searchsorted(self._hashes, np.uint64(_hash(name))))
        while at < len(self._hashes) and int(self._hashes[at]) == _hash(name):
            start, end = (self._texts + int(place) for place in self._ends[at : at + 2])
            found, _, rest = self._data[start:end].partition(b"\0")
            if found == _bytes(name):
                text = rest.decode("utf-8", "replace")
                return text[:1], text[1:]
            at += 1
        return "", ""


@dataclass(frozen=True, slots=True)
class _Wiki:
    language: str
    names: Names
    title: str


def _argument(part: str) -> tuple[str | None, str]:
    name, equals, value = part.partition("=")
    return (name, value) if equals else (None, part)


def _rises(numbers: npt.NDArray[np.uint64]) -> bool:
    return bool((numbers[1:] >= numbers[:-1]).all())
