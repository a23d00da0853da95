r"""What a project says of its files' licences by the REUSE Specification: REUSE.toml in any folder, .reuse/dep5.

    REUSE.toml   [[annotations]] path = "src/**", SPDX-License-Identifier = "MIT" ─┬─> rules of the folder that it is in
    .reuse/dep5  Files: src/*, License: MIT ───────────────────────────────────────┘
    path of a file -> the nearest folder with a rule for it -> of these rules the last -> expression

REUSE Specification 3.3, "REUSE.toml" and "DEP5"; the latter has the form of Debian's copyright files, version 1.0. In
REUSE.toml `*` stands for what has no "/" in it and `**` for anything; in dep5 `*` stands for anything, `?` for any one
character. Its `aggregate` is read as `closest`. Time is linear in a path's length for each rule.
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

TOML, DEP5 = "REUSE.toml", ".reuse/dep5"
# Of one folder. What has more is not read, and nothing below it is known.
MAX_RULES = 500
_WORD = "SPDX-License-Identifier"


class _Wild(Enum):
    """What stands for other characters in a pattern; those that stand for many are told by `_MANY`."""

    ONE = "?"
    IN_FOLDER = "*"
    ANY = "**"


_MANY = (_Wild.IN_FOLDER, _Wild.ANY)
_Token = str | _Wild


class Pattern:
    """A path's pattern: all places in it where a path's beginning may end are followed together, as bits."""

    def __init__(self, tokens: Sequence[_Token]) -> None:
        self._literals: dict[str, int] = defaultdict(int)
        self._one = self._in_folder = self._any = 0
        for place, token in enumerate(tokens):
            bit = 1 << place
            if isinstance(token, str):
                self._literals[token] |= bit
            self._one |= bit * (token is _Wild.ONE)
            self._in_folder |= bit * (token in _MANY)
            self._any |= bit * (token is _Wild.ANY)
        self._end = 1 << len(tokens)
        first_wild = next((place for place, token in enumerate(tokens) if not isinstance(token, str)), len(tokens))
        self._start = "".join(map(str, tokens[:first_wild]))

    def fits(self, path: str) -> bool:
        """Tell whether the whole path is one that the pattern stands for."""
        if not path.startswith(self._start):
            return False
        places = self._with_none(1)
        for character in path:
            stays = places & (self._any if character == "/" else self._in_folder)
            places = self._with_none(stays | (places & (self._literals.get(character, 0) | self._one)) << 1)
        return bool(places & self._end)

    def _with_none(self, places: int) -> int:
        # What stands for many may stand for none; two of them are never neighbours.
        return places | (places & self._in_folder) << 1


@dataclass(frozen=True, slots=True)
class Rule:
    """The licence of the files that a pattern stands for; `overrides` that of files and folders nearer to them."""

    pattern: Pattern
    expression: str
    overrides: bool = False


@dataclass(slots=True)
class Rules:
    """What all REUSE.toml and dep5 of an archive say; filled by `add`, asked by `of`."""

    _folders: dict[str, list[Rule]] = field(default_factory=dict)

    def add(self, folder: str, rules: Sequence[Rule]) -> None:
        """Take note of the rules of a folder, "" for the top, in their order."""
        if len(rules) > MAX_RULES:
            rules = [Rule(Pattern([_Wild.ANY]), "unknown")]
        self._folders.setdefault(folder, []).extend(rules)

    def of(self, path: str, *, overriding: bool) -> str | None:
        """Return the licence that is said of a file, or None; either by rules that override others, or by the others.

        Of rules that override the one farthest up decides, of others the nearest.
        """
        if not self._folders:
            return None
        folders = [folder for folder in _above(path) if folder in self._folders]
        for folder in reversed(folders) if overriding else folders:
            inner = path[len(folder) + 1 :] if folder else path
            fitting = [rule for rule in reversed(self._folders[folder]) if rule.overrides == overriding]
            if rule := next((rule for rule in fitting if rule.pattern.fits(inner)), None):
                return rule.expression
        return None


def _above(path: str) -> Iterator[str]:
    """Yield the folders that a path lies in, the nearest first, "" last."""
    while path:
        path = posixpath.dirname(path)
        yield path


def folder_of(path: str) -> str | None:
    """Return the folder whose rules a member holds, None for another member."""
    if posixpath.basename(path) == TOML:
        return posixpath.dirname(path)
    if path == DEP5 or path.endswith(f"/{DEP5}"):
        return path[: -len(DEP5)].rstrip("/")
    return None


def from_toml(content: dict[str, Any]) -> list[Rule]:
    """Return the rules of a REUSE.toml; those without a licence say nothing."""
    rules = []
    annotations = content.get("annotations")
    for row in annotations if isinstance(annotations, list) else []:
        if not isinstance(row, dict) or not (expression := _joined(_strings(row.get(_WORD)))):
            continue
        overrides = row.get("precedence") == "override"
        rules += [Rule(Pattern(_tokens_of_toml(path)), expression, overrides) for path in _strings(row.get("path"))]
    return rules


def from_dep5(text: str) -> list[Rule]:
    """Return the rules of a dep5; of a licence the first line, which names it."""
    rules = []
    for paragraph in re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n")):
        fields: dict[str, list[str]] = {}
        lines: list[str] = []
        for line in paragraph.split("\n"):
            if line[:1] in (" ", "\t"):
                lines.append(line)
            elif not line.startswith("#"):
                name, _, value = line.partition(":")
                lines = fields.setdefault(name.strip().lower(), [value])
        expression = fields.get("license", [""])[0].strip()
        if expression:
            rules += [
                Rule(Pattern(_tokens_of_dep5(one)), expression) for one in " ".join(fields.get("files", [])).split()
            ]
    return rules


def _strings(value: Any) -> list[str]:
    found = value if isinstance(value, list) else [value]
    return [one for one in found if isinstance(one, str) and one.strip()]


def _joined(expressions: Sequence[str]) -> str:
    return expressions[0] if len(expressions) == 1 else " AND ".join(f"({one})" for one in expressions)


def _tokens_of_toml(pattern: str) -> list[_Token]:
    found = re.findall(r"\\(.)|(\*+)|(.)", pattern, re.DOTALL)
    return [
        (_Wild.ANY if len(stars) > 1 else _Wild.IN_FOLDER) if stars else escaped or plain
        for escaped, stars, plain in found
    ]


def _tokens_of_dep5(pattern: str) -> list[_Token]:
    found = re.findall(r"\\(.)|(\*+)|(\?)|(.)", pattern, re.DOTALL)
    return [_Wild.ANY if stars else _Wild.ONE if one else escaped or plain for escaped, stars, one, plain in found]
