"""Every regular expression of the project, and what it matches in texts that tell one engine from another.

    modules -> patterns: kept in a module, written in a call, made in a function
            -> texts put together from each pattern's own parts, and fixed ones -> spans of all groups -> a digest each

`python -m tests.patterns` writes the digests to `tests/patterns.json`, which `tests/test_patterns.py` compares. Write
them on Python 3.11.5 or newer: older ones misread the constructs that `misread` names.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import json
import random
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from filters.code import boilerplate
from filters.code.languages import COMMENTS
from filters.latex import arguments, inputs, loops, names, published, tokens
from filters.web import c4
from pipelines.explore import words as explored

# The parser and its codes have no public name; a pattern's parts are in them only.
codes: Any = importlib.import_module("re._constants")
parser: Any = importlib.import_module("re._parser")

ROOT = Path(__file__).parent.parent
DIGESTS = Path(__file__).with_suffix(".json")
# Where the corpus side alone is installed, the patterns of the training side are not looked at.
TRAINING = ("model", "train")
IS_THERE = importlib.util.find_spec("torch") is not None
PACKAGES = ("filters", "pipelines", "tokenizer", *(TRAINING if IS_THERE else ()))
# Where the flags are among the arguments of `re`'s functions.
FLAGS = {
    "compile": 1,
    "search": 2,
    "match": 2,
    "fullmatch": 2,
    "findall": 2,
    "finditer": 2,
    "split": 3,
} | dict.fromkeys(("sub", "subn"), 4)
TEXTS_EACH = 200

Source = str | bytes


class Pattern(NamedTuple):
    """A regular expression as its source has it: text or bytes, and flags."""

    source: Source
    flags: int

    @property
    def compiled(self) -> re.Pattern[Any]:
        """The pattern, compiled by this Python."""
        return re.compile(self.source, self.flags)

    @property
    def name(self) -> str:
        """The pattern in one short line."""
        line = f"{self.source!r} {int(self.flags) & ~re.UNICODE.value}"
        return line if len(line) <= 200 else f"{line[:150]}... {hashlib.sha256(line.encode()).hexdigest()[:16]}"


class Recorder:
    """Stands for the module `re` in one of ours, and keeps the patterns that it is asked for."""

    def __init__(self) -> None:
        self.found: list[Pattern] = []

    def __getattr__(self, name: str) -> Any:
        function = getattr(re, name)
        if name not in FLAGS:
            return function

        def recorded(pattern: Any, *arguments: Any, **named: Any) -> Any:
            if isinstance(pattern, str | bytes):
                place = FLAGS[name] - 1
                flags = named.get("flags", arguments[place] if len(arguments) > place else 0)
                self.found.append(Pattern(pattern, re.compile(pattern, flags).flags))
            return function(pattern, *arguments, **named)

        return recorded


def asked_for(module: ModuleType, action: Callable[[], object]) -> list[Pattern]:
    """Return the patterns that a module asks `re` for while an action runs."""
    recorder = Recorder()
    vars(module)["re"] = recorder
    try:
        action()
    finally:
        vars(module)["re"] = re
    return recorder.found


def _bad_words() -> None:
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "words.txt"
        listed.write_text("word\ntwo words\n(odd) c++\n中文\n", encoding="utf-8")
        c4.BadWords(listed)


def _delimiters() -> None:
    for delimiter in (" ", r"\end", ". ", "[", "*x"):
        arguments.delimited(f"a {{b}} c {delimiter} d", 0, delimiter, long=True)


def _brackets() -> None:
    for closes in ("]", ")", ">"):
        arguments._punctuation.__wrapped__(closes)


def _scanners() -> None:
    for short in (frozenset[str](), frozenset("|!")):
        tokens._scanner.__wrapped__(tokens.Environments(short=short))


def _languages() -> None:
    for language in COMMENTS:
        boilerplate._patterns.__wrapped__(language)


def _last_comments() -> None:
    for comments in COMMENTS.values():
        boilerplate._last_comment("x\n# vim: ts=4\n", 14, 0, comments)


def _asked_words() -> None:
    for asked in explored.asked('word "two words" C++ 東京都'):
        explored.in_python(asked)


MADE: Mapping[str, tuple[ModuleType, Callable[[], object]]] = {
    "filters/code/boilerplate.py: _patterns": (boilerplate, _languages),
    "filters/code/boilerplate.py: _last_comment": (boilerplate, _last_comments),
    "filters/web/c4.py: __init__": (c4, _bad_words),
    "filters/latex/arguments.py: delimited": (arguments, _delimiters),
    "filters/latex/arguments.py: _punctuation": (arguments, _brackets),
    "filters/latex/loops.py: _turns": (loops, lambda: loops._turns(["\\x", "\\y"], ["a/b"], "\\x")),
    "filters/latex/inputs.py: _reading": (inputs, lambda: inputs._reading({"a": r"\def\sec#1{\input{#1}}"})),
    "filters/latex/inputs.py: _with_macros": (inputs, lambda: inputs._with_macros({"dir"}, {"sec"})),
    "filters/latex/names.py: families": (names, lambda: names.families(r"\expandafter\def\csname b#1\endcsname")),
    "filters/latex/published.py: _expand": (
        published,
        lambda: published._expand(r"\a{x} \b", {r"\a": "y", r"\b": "z"}, set()),
    ),
    "filters/latex/tokens.py: _scanner": (tokens, _scanners),
    "pipelines/explore/words.py: in_python": (explored, _asked_words),
}
"""What makes patterns of what it is given, and a call of it that has it make some."""

OTHERS: Mapping[str, str] = {"pipelines/files/remote.py: match": "Beam's translation of a user's glob"}
"""Where a pattern is made that is not ours, and whose it is."""


def collect() -> tuple[dict[str, list[Pattern]], set[str]]:
    """Return the patterns of each file, and the functions that make patterns which no one can read in their source."""
    found: dict[str, list[Pattern]] = {}
    makers: set[str] = set()
    for path in (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        name = path.relative_to(ROOT).as_posix()
        if not _imports_re(tree, name):
            continue
        module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        patterns = dict.fromkeys(_kept(vars(module)))
        for call, function in _calls(tree, None):
            try:
                patterns[_written(call, module)] = None
            except NameError:
                # In a comprehension at the top of a module: what comes of it is kept there.
                makers |= {f"{name}: {function}"} if function else set()
        for maker, (made_in, action) in MADE.items():
            if maker.startswith(f"{name}: "):
                patterns |= dict.fromkeys(asked_for(made_in, action))
        found[name] = list(patterns)
    return found, makers


def _imports_re(tree: ast.Module, name: str) -> bool:
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    for node in imports:
        names = {alias.name for alias in node.names}
        from_re = isinstance(node, ast.ImportFrom) and node.module == "re"
        renamed = any(alias.name == "re" and alias.asname for alias in node.names)
        assert not (from_re or renamed or "regex" in names), f"{name}: say `import re`, so that patterns are found"
    return any(isinstance(node, ast.Import) and any(alias.name == "re" for alias in node.names) for node in imports)


def _kept(value: Any) -> Iterator[Pattern]:
    if isinstance(value, re.Pattern):
        yield Pattern(value.pattern, value.flags)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if name != "__builtins__":
                yield from _kept(inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from _kept(inner)


def _calls(node: ast.AST, function: str | None) -> Iterator[tuple[ast.Call, str | None]]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        function = node.name
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "re":
        assert hasattr(re, node.attr)
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re"
        and node.func.attr in FLAGS
    ):
        yield node, function
    for child in ast.iter_child_nodes(node):
        yield from _calls(child, function)


def _written(call: ast.Call, module: ModuleType) -> Pattern:
    """Return the pattern of a call as its module's names make it; NameError if it needs those of a function."""
    assert isinstance(call.func, ast.Attribute)

    def value(node: ast.expr) -> Any:
        return eval(compile(ast.Expression(node), module.__name__, "eval"), dict(vars(module)))

    place = FLAGS[call.func.attr]
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    flags = named.get("flags", call.args[place] if len(call.args) > place else None)
    compiled = re.compile(value(call.args[0]), value(flags) if flags else 0)
    return Pattern(compiled.pattern, compiled.flags)


# --- constructs that an admitted Python misreads ---------------------------------------------------------------------

BEFORE = (
    Pattern(
        r"\.\.[^\n\r]*+(?<!\\)(?:\r\n?|\n|\Z)(?:(?:[ \t]*+(?:\r\n?|\n))*+[ \t]++[^\s][^\n\r]*+(?:\r\n?|\n|\Z))*+",
        re.UNICODE,
    ),
    Pattern(r"(?:(?![ \t]*(?:/\*))(?:[ \t]*(?://))[^\n\r\u2028\u2029]*+(?<!\\)(?:\r\n?|\n|\Z))++", re.UNICODE),
    Pattern(
        r"[ \t]*[rRuU]?(?:\"\"\"(?:[^\"\\]++|\\.|\"(?!\"\"))*+\"\"\")[ \t]*;?[ \t]*(?:\n|\Z)", re.UNICODE | re.DOTALL
    ),
    Pattern(rb"(?:\xef\xbb\xbf)?(?:<\?xml[^>]*>|</?posts\s*/?>|\s)*+", 0),
)
"""Patterns that the project had, and that Python 3.11.0 to 3.11.4 misread in their texts."""
OLD = "the project's no more"

_ONE_CHARACTER = (codes.LITERAL, codes.NOT_LITERAL, codes.IN, codes.ANY)


def misread(pattern: Pattern) -> list[str]:
    """Return what some admitted Python misreads: possessive marks on more than one character, and atomic groups."""
    return list(_misread(parser.parse(pattern.source, pattern.flags)))


def _misread(parsed: Any) -> Iterator[str]:
    for code, value in parsed:
        if code is codes.ATOMIC_GROUP:
            yield "an atomic group"
        if code is codes.POSSESSIVE_REPEAT and not _is_one_character(value[2]):
            yield "a possessive mark on more than one character"
        for inner in _inside(value):
            yield from _misread(inner)


def _is_one_character(parsed: Any) -> bool:
    if len(parsed) != 1:
        return False
    code, value = parsed[0]
    if code is codes.SUBPATTERN:
        return value[0] is None and _is_one_character(value[-1])
    return code in _ONE_CHARACTER


def _inside(value: Any) -> Iterator[Any]:
    if isinstance(value, parser.SubPattern):
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _inside(one)


# --- texts -----------------------------------------------------------------------------------------------------------

# Of Unicode versions that all admitted Pythons know.
PLAIN = "aZ_09 \t\n\r\f\\\"'<>=-*.,:;!?/&%#$@~^()[]{}|+éßſKİ²½\u00a0\u2028\u0301\ufeff中\U0001f600"
FIXED = (
    '#!/usr/bin/python3\n# Copyright (c) 2019 A. Author.\n# All rights reserved.\nr"""A "quoted" \\"word\\"."""\n',
    "/*\r\n * Licensed under the Apache License\r\n */\r\n#define A(x) \\\r\n  x \\\\\r\n#include <a.h>\r\n",
    ".. Copyright 2020\n\n   indented\n\n\t more\n.. note:: text\n-- x\n",
    "<!-- a -- b --><p class='a' id=\"b\" c=d e>T</p>\n<div\n/><svg><b a='x\">",
    "'''Article''' is a [[link|label]]s {{cite|a=b|c={{d}}}} <ref name=x>R</ref>\n== Head ==\n* one\n{| class=a\n|}\n",
    "\\documentclass[a4paper]{article}\n\\newcommand{\\x}[2][d]{#1 and #2}\n\\begin{document}% c\n$a_1$ \\verb|x|",
    "*** START OF THE PROJECT GUTENBERG EBOOK A BOOK ***\n\nProduced by A. Person\n\n[Transcriber's Note: some]\n***",
    "WARC/1.0\r\nWARC-Type: response\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 12\r\n\r\n",
    '<?xml version="1.0"?>\n<posts>\n  <row Id="1" Body="&lt;p&gt;A &amp; &#65; &#xFF;" />\n</posts>\n',
    "Write to some.one@example.org or call +1 (555) 010-9999, 192.168.0.1; https://www.example.com/a/b?c=d#e",
    "Lorem ipsum dolor; 3.14 and 1,000.50! Is it? “Yes.” … No: Dr. A. B. went (home).\n\n2019-04-20T01:02:03Z — x.\n",
)


class Texts:
    """Makes texts of a pattern's parts, the same ones on every Python: only `Random.random` is used."""

    def __init__(self, pattern: Pattern) -> None:
        self.parsed = parser.parse(pattern.source, pattern.flags)
        self.is_bytes = isinstance(pattern.source, bytes)
        self.folds = bool(pattern.flags & re.IGNORECASE)
        self.random = random.Random(pattern.name)
        own = "".join(dict.fromkeys(self._literals(self.parsed)))
        self.alphabet = "".join(dict.fromkeys(own + "".join(c for c in PLAIN if not self.is_bytes or ord(c) < 128)))
        self.groups: dict[int, str] = {}
        self.characters: dict[int, list[str]] = {}

    def made(self) -> Iterator[Source]:
        """Yield the texts: matches, runs of them, matches with something changed, and the fixed texts."""
        for number in range(TEXTS_EACH):
            text = "".join(self._piece() for _ in range(1 + number % 4))
            for _ in range(number % 3):
                text = self._changed(text)
            yield self._as_source(text)
        yield from map(self._as_source, FIXED)

    def _as_source(self, text: str) -> Source:
        return text.encode("utf-8" if text in FIXED else "latin-1", "replace") if self.is_bytes else text

    def _below(self, number: int) -> int:
        return int(self.random.random() * number)

    def _one(self, among: Any) -> Any:
        return among[self._below(len(among))]

    def _piece(self) -> str:
        self.groups = {}
        return self._text(self.parsed)

    def _changed(self, text: str) -> str:
        at, until = sorted((self._below(len(text) + 1), self._below(len(text) + 1)))
        ways = ("", text[at:until] * 2, self._one(self.alphabet), text[at:until] + self._one(self.alphabet))
        return text[:at] + str(self._one(ways)) + text[until:]

    def _literals(self, parsed: Any) -> Iterator[str]:
        for code, value in parsed:
            if code in (codes.LITERAL, codes.NOT_LITERAL):
                yield chr(value)
            elif code is codes.IN:
                yield from (chr(inner) for kind, inner in value if kind is codes.LITERAL)
                yield from (chr(end) for kind, inner in value if kind is codes.RANGE for end in inner if end < 0xD800)
            for inner in _inside(value):
                yield from self._literals(inner)

    def _text(self, parsed: Any) -> str:
        return "".join(self._of(code, value) for code, value in parsed)

    def _of(self, code: Any, value: Any) -> str:
        if code is codes.LITERAL:
            return self._cased(chr(value))
        if code in (codes.ANY, codes.NOT_LITERAL):
            return str(self._one(self.alphabet))
        if code is codes.IN:
            return self._in(value)
        if code is codes.BRANCH:
            return self._text(self._one(value[1]))
        if code is codes.SUBPATTERN:
            text = self._text(value[-1])
            self.groups[value[0]] = text
            return text
        if code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            most = min(int(value[1]), int(value[0]) + self._one((1, 3, 6)))
            return "".join(self._text(value[2]) for _ in range(int(value[0]) + self._below(most - int(value[0]) + 1)))
        if code is codes.ATOMIC_GROUP:
            return self._text(value)
        if code is codes.GROUPREF:
            return self.groups.get(value, "")
        if code in (codes.ASSERT, codes.ASSERT_NOT):
            # Of what never matches, "(?!)", some parsers make an assertion of nothing, others a part of its own.
            return self._text(value[1]) if value[1] and self._below(4) == 0 else ""
        if code is codes.AT:
            return "\n" if self._below(4) == 0 else ""
        assert code in (codes.GROUPREF_EXISTS, codes.FAILURE), f"a new kind of part: {code}"
        return ""

    def _cased(self, character: str) -> str:
        other = character.swapcase()
        return other if self.folds and len(other) == 1 and self._below(2) else character

    def _in(self, items: Any) -> str:
        code, value = self._one(items)
        if items[0][0] is codes.NEGATE or code is codes.CATEGORY:
            return str(self._one(self._of_alphabet(items)))
        if code is codes.RANGE:
            value = value[0] + self._below(min(value[1] - value[0], 40) + 1)
        return self._cased(chr(value))

    def _of_alphabet(self, items: Any) -> list[str]:
        """Return the alphabet's characters that a set holds; of none, the empty text."""
        if id(items) not in self.characters:
            negated = items[0][0] is codes.NEGATE
            held = [one for one in self.alphabet if _holds(items[negated:], one) != negated]
            self.characters[id(items)] = held or [""]
        return self.characters[id(items)]


def _holds(items: Any, character: str) -> bool:
    return any(
        (code is codes.LITERAL and ord(character) == value)
        or (code is codes.RANGE and value[0] <= ord(character) <= value[1])
        or (code is codes.CATEGORY and bool(re.fullmatch(_CATEGORIES[value], character)))
        for code, value in items
    )


_CATEGORIES = {
    codes.CATEGORY_DIGIT: r"\d",
    codes.CATEGORY_NOT_DIGIT: r"\D",
    codes.CATEGORY_SPACE: r"\s",
    codes.CATEGORY_NOT_SPACE: r"\S",
    codes.CATEGORY_WORD: r"\w",
    codes.CATEGORY_NOT_WORD: r"\W",
}


# --- digests ---------------------------------------------------------------------------------------------------------


def digest(pattern: Pattern, compiled: re.Pattern[Any] | None = None) -> str:
    """Return the digest of all that a pattern matches in its texts; `compiled` stands for it, to compare another."""
    compiled = compiled or pattern.compiled
    found = hashlib.sha256()
    for text in Texts(pattern).made():
        found.update(repr((text, _spans(compiled, text))).encode("utf-8", "surrogatepass"))
    return found.hexdigest()[:16]


def _spans(compiled: re.Pattern[Any], text: Source) -> list[Any]:
    try:
        whole = [match and match.regs for match in (compiled.match(text), compiled.fullmatch(text))]
        return [*whole, *(match.regs for match in compiled.finditer(text))]
    except SystemError as error:  # what CPython's issue 101955 raises
        return [type(error).__name__]


def digests(found: Mapping[str, Iterable[Pattern]]) -> dict[str, dict[str, str]]:
    """Return the digest of each pattern of each file, by the pattern's name."""
    return {name: {one.name: digest(one) for one in patterns} for name, patterns in found.items() if patterns}


def main() -> None:
    """Write the digests of all patterns."""
    if sys.version_info < (3, 11, 5):
        raise SystemExit("write the digests on Python 3.11.5 or newer: this one misreads possessive groups")
    DIGESTS.write_text(
        json.dumps(digests({**collect()[0], OLD: BEFORE}), indent=1, ensure_ascii=True) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
