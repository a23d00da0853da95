"""What an archive of a repository says of its licences: by folder, and of single files.

    members -> licence texts and package metadata -> the licence of each folder
            -> REUSE's FILE.license                -> the licence of one file
            -> REUSE.toml, .reuse/dep5             -> that of all files of a pattern (`github_reuse`)

A folder's licence is what its package metadata declare, else its main licence file, else all of its licence files
together; a condition that a licence file adds binds in any case. Source and data files are no licence texts, whatever
their names.
"""

from __future__ import annotations

import json
import posixpath
import re
import tomllib
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Any

from filters.code import license_text
from filters.code.languages import language_of
from filters.code.license import MAX_EXPRESSION_CHARACTERS, stated
from filters.code.license_text import RESTRICTED
from pipelines.readers import github_reuse
from pipelines.readers.github import decode

# tomllib keeps each beginning of a dotted key. Manifests with many features reach 100 KB; no line of one has more dots.
MAX_TOML_BYTES = 1 << 18
MAX_TOML_DOTS = 200
# REUSE Specification 3.3: a file's own licence beside it, all licence texts in one folder at the top.
SIDECAR = ".license"
REUSE_FOLDER = "LICENSES"

_NAMES = r"(?:un)?licen[sc]es?|copying"
_KINDS = r"mit|bsd|apache|isc|[al]?gpl|mpl|zlib|boost"
_LICENCE_FILE = re.compile(rf"(?:{_NAMES})(?:[._-].*)?|(?:{_KINDS})[\w.]*[._-]licen[sc]e(?:\.\w+)?", re.IGNORECASE)
_PRIMARY_FILE = re.compile(rf"(?:{_NAMES})(?:\.(?:txt|md|rst))?", re.IGNORECASE)
_PROSE = frozenset({"", ".txt", ".text", ".md", ".markdown", ".rst", ".adoc", ".html", ".htm"})
_LEGAL = re.compile(r"licen[sc]e|copyright|permission|rights reserved", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Text:
    """A licence file: its expression, "unknown" for a text that is none, and its words where it is not recognised."""

    expression: str
    words: str = ""


@dataclass(slots=True)
class Licences:
    """What the members of an archive say; filled by `add`, asked by `of`."""

    metadata: dict[str, str] = field(default_factory=dict)
    texts: dict[str, dict[str, _Text]] = field(default_factory=lambda: defaultdict(dict))
    files: dict[str, str] = field(default_factory=dict)
    reuse: github_reuse.Rules = field(default_factory=github_reuse.Rules)
    _folders: dict[str, str | None] = field(default_factory=dict)

    def add(self, path: str, data: bytes) -> None:
        """Take note of a member by its path, "/" between its parts and no "." among them."""
        folder, name = posixpath.split(path)
        if expression := _from_metadata(name, data):
            self.metadata.setdefault(folder, expression)
        elif name.lower().endswith(SIDECAR) and len(name) > len(SIDECAR):
            if expression := stated(decode(data) or ""):
                self.files[path[: -len(SIDECAR)]] = expression
        elif (ruled := github_reuse.folder_of(path)) is not None:
            self.reuse.add(ruled, _rules(name, data))
        elif text := _licence_text(name, posixpath.basename(folder), data):
            self.texts[folder][name] = text

    def of(self, path: str, top: str) -> str:
        """Return the licence of a file: its own, else that of the nearest folder that has one; else "unknown".

        `top` is the repository's top folder, "" if the archive has none.
        """
        own = self.reuse.of(path, overriding=True) or self.files.get(path) or self.reuse.of(path, overriding=False)
        if own:
            return own
        folder = path
        while folder:
            folder = posixpath.dirname(folder)
            if expression := self._of_folder(folder, top):
                return expression
        return "unknown"

    def _of_folder(self, folder: str, top: str) -> str | None:
        said_for = folder if folder in self.texts or folder != top else posixpath.join(folder, REUSE_FOLDER)
        if folder not in self.metadata and said_for not in self.texts:
            return None
        if folder not in self._folders:
            self._folders[folder] = _of_folder(self.metadata.get(folder), self.texts.get(said_for, {}))
        return self._folders[folder]


def _of_folder(declared: str | None, texts: dict[str, _Text]) -> str | None:
    binding = [text.expression for text in texts.values() if _binds(text.expression)]
    if declared is not None:
        return _joined([declared, *binding], "AND")
    return _of_texts(texts) if texts else None


def _of_texts(texts: dict[str, _Text]) -> str:
    primary = {name: text for name, text in texts.items() if _PRIMARY_FILE.fullmatch(name)}
    known = sorted(text.expression for text in primary.values() if text.expression != "unknown")
    others = [texts[name] for name in sorted(texts) if name not in primary]
    conditions = [text.expression for text in others if text.expression == RESTRICTED]
    if known:
        return _joined([*known, *conditions], "AND")
    pointing = next((text.words for text in primary.values() if _points_to(text.words, texts)), None)
    chosen = others if pointing is not None else [*primary.values(), *others]
    expressions = sorted(text.expression for text in chosen)
    if "unknown" in expressions:
        return "unknown"
    choice = pointing is not None and not conditions and license_text.offers_choice(pointing)
    return _joined(expressions, "OR" if choice else "AND")


def _points_to(words: str, texts: dict[str, _Text]) -> bool:
    """Return whether a text that is no licence names one of the files beside it that are."""
    lowered = words.lower()
    return any(name.lower() in lowered for name in texts if not _PRIMARY_FILE.fullmatch(name))


def _binds(expression: str) -> bool:
    """Return whether a licence text has a condition that metadata do not show."""
    return RESTRICTED in expression or expression == "JSON"


def _joined(expressions: list[str], operator: str) -> str:
    distinct = list(dict.fromkeys(expressions))
    if "unknown" in distinct:
        return "unknown"
    return distinct[0] if len(distinct) == 1 else f" {operator} ".join(f"({expression})" for expression in distinct)


def _licence_text(name: str, folder: str, data: bytes) -> _Text | None:
    """Return the licence text that a file is, or None if it is none by its name, or by what it says."""
    stem, ending = posixpath.splitext(name)
    ending = ending.lower()
    # Other endings name a licence or its owner (COPYING.LESSER, LICENSE.jquery); license.kt is a program's.
    if ending not in _PROSE and (language_of(name) or not stem.isupper()):
        return None
    if not _LICENCE_FILE.fullmatch(name) and folder != REUSE_FOLDER:
        return None
    text = decode(data)
    if text is None or text.startswith("#!"):
        return None
    if expression := license_text.identify(text):
        return _Text(expression)
    is_one = _PRIMARY_FILE.fullmatch(name) or (ending in _PROSE and _LEGAL.search(text))
    return _Text("unknown", text if len(text) <= license_text.MAX_OFFER else "") if is_one else None


def _from_metadata(name: str, data: bytes) -> str | None:
    """Return the SPDX expression that a package's metadata declares, or None."""
    try:
        declared: Any = None
        if name in {"PKG-INFO", "METADATA"}:
            match = re.search(r"^License-Expression:[ \t]*(\S[^\r\n]*)", data.decode("utf-8"), re.MULTILINE)
            declared = match[1].strip() if match else None
        elif name == "package.json":
            declared = json.loads(data).get("license")
        elif name == "Cargo.toml":
            declared = _toml(data).get("package", {}).get("license")
        elif name == "pyproject.toml":
            declared = _toml(data).get("project", {}).get("license")
        # npm's way to say that a file beside has it.
        elsewhere = isinstance(declared, str) and declared.upper().startswith("SEE LICEN")
        return _usable(declared) if isinstance(declared, str) and not elsewhere else None
    except (ValueError, AttributeError, RecursionError):
        return None


def _rules(name: str, data: bytes) -> list[github_reuse.Rule]:
    """Return the rules of a REUSE.toml or a dep5; none of one that cannot be read."""
    try:
        if name == github_reuse.TOML:
            found = github_reuse.from_toml(_toml(data))
        else:
            found = github_reuse.from_dep5(decode(data) or "")
    except (ValueError, RecursionError):
        return []
    return [replace(rule, expression=_usable(rule.expression)) for rule in found]


def _toml(data: bytes) -> dict[str, Any]:
    """Return what a TOML says; ValueError if it is none, or longer or deeper than any manifest."""
    if len(data) > MAX_TOML_BYTES or any(line.count(b".") > MAX_TOML_DOTS for line in data.split(b"\n")):
        raise ValueError("longer or deeper than any manifest")
    return tomllib.loads(data.decode("utf-8"))


def _usable(expression: str) -> str:
    """Return an expression, "unknown" for what is none: too long, or with a lone surrogate, which JSON can write."""
    long = len(expression) > MAX_EXPRESSION_CHARACTERS
    return "unknown" if long or any("\ud800" <= character <= "\udfff" for character in expression) else expression
