r"""Conditionals of TeX that a text can decide: `\iffalse`, `\newif` switches, `\if0`, numbers, `\ifcase`, math mode.

A conditional that cannot be decided here is not touched: both of its branches stay, with its `\else` and `\fi`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from enum import Enum, auto

from filters.latex.arguments import skip_space
from filters.latex.macros import Macro
from filters.latex.tokens import AT, WORD, words

PRIMITIVE = words(
    """if ifcat ifx ifcase ifnum ifdim ifodd ifmmode ifvmode ifhmode ifinner ifvoid ifhbox ifvbox ifeof iftrue iffalse
    ifdefined ifcsname iffontchar"""
)
# What the engines' own switches say where arXiv compiles: pdfTeX.
STANDARD = {"ifpdf": True, "ifpdftex": True, "ifPDFTeX": True, "ifxetex": False, "ifluatex": False, "ifXeTeX": False}
STANDARD |= {"ifLuaTeX": False, "ifluatex": False, "iftrue": True, "iffalse": False, f"if{AT}twocolumn": False}

# How much of the output is looked at to tell math from text, in characters: a paragraph, or a display.
MATH_LOOKBACK = 4_000

_BRANCH = re.compile(rf"\\(?:(if{WORD}|if|or|else|fi)(?![A-Za-z\x01])|.)", re.DOTALL)
_TWO = re.compile(rf"(\\{WORD}[ ]?|[^\\{{}}\x00])(\\{WORD}|\s|[^\\{{}}\x00])", re.DOTALL)
_NUMBERS = re.compile(rf"\s*(\d+|\\{WORD})\s*([<=>])\s*(\d+|\\{WORD})(?:[ \n]|(?=\\))", re.DOTALL)
_CASE = re.compile(rf"\s*(?:(-?\d+)[ \n]?|(\\{WORD})[ ]?)(?:\\relax(?![A-Za-z\x01])\s*)?")
_NAME = re.compile(rf"\s*\\({WORD})[ ]?")
_CSNAME = re.compile(r"((?:(?!\\endcsname)[^{}\n]){1,200})\\endcsname[ ]?")
_COMMAND = re.compile(rf"\\({WORD})[ ]?")
_PAIR = re.compile(rf"\s*(\\{WORD}|\\.|[^\\{{}}\x00])[ ]?(\\{WORD}[ ]?|\\.|[^\\{{}}\x00])", re.DOTALL)
# Names that mean nothing, and those whose meaning is known without a definition.
UNDEFINED = frozenset({"undefined", f"{AT}undefined"})
_PLAIN_MEANINGS: Mapping[str, tuple[object, ...]] = {
    "relax": ("command", "\\relax"),
    "empty": ("macro", "", ("",), None, None),
    f"{AT}empty": ("macro", "", ("",), None, None),
}
# How often, and up to how many characters, a test's text is expanded.
FULL_ROUNDS = 20
FULL_LIMIT = 10_000
_MATH = re.compile(
    r"\\[()\[\]$]|\$\$?|\\(begin|end)\{(?:equation|align|eqnarray|gather|multline|displaymath|math|flalign|alignat)\*?\}"
)


class Open(Enum):
    r"""A conditional whose `\fi` is still to come: TeX's to decide, a branch that holds, or a case that does."""

    UNDECIDED = auto()
    BRANCH = auto()
    CASE = auto()


class Conditionals:
    r"""The switches that `\newif` and its kin made, and the conditionals that are open at a point of the text."""

    def __init__(self, macros: Mapping[str, Macro]) -> None:
        self.macros = macros
        self.flags: dict[str, bool] = dict(STANDARD)
        self.setters: dict[str, tuple[str, bool]] = {}
        self.toggles: dict[str, bool] = {}
        self.open: list[Open] = []
        self.forgotten: set[str] = set()

    def declare(self, name: str) -> None:
        r"""Take in `\newif\ifNAME`: the switch is off, `\NAMEtrue` and `\NAMEfalse` set it."""
        self.flags[name] = False
        word = name.removeprefix("if")
        self.setters[f"{word}true"] = (name, True)
        self.setters[f"{word}false"] = (name, False)

    def is_conditional(self, name: str) -> bool:
        r"""Return whether the command opens a conditional that a `\fi` closes."""
        return name in PRIMITIVE or name in self.flags

    def decide(self, name: str, text: str, position: int, before: str) -> tuple[bool, int] | None:
        """Return which branch holds and where it starts, or None if only TeX can tell.

        `position` is after the command's name, `before` the end of the text written so far.
        """
        if name in self.flags:
            return self.flags[name], skip_space(text, position)
        if name == "ifmmode":
            return _in_math(before), skip_space(text, position)
        if name == "if":
            return self._equal_characters(text, skip_space(text, position))
        if name == "ifnum":
            return self._compare(text, position)
        if name == "ifx":
            return self._same_meaning(text, position)
        if name == "ifdefined" and (match := _NAME.match(text, position)):
            known = self.is_defined(match[1])
            return None if known is None else (known, match.end())
        if name == "ifcsname" and (match := _CSNAME.match(text, position)):
            full = self.full(match[1])
            known = self.is_defined(full.strip()) if full is not None else None
            return None if known is None else (known, match.end())
        return None

    def operands(self, name: str, text: str, position: int) -> int:
        """Return where the tokens end that a conditional looks at without expanding them."""
        match = _PAIR.match(text, position) if name == "ifx" else _NAME.match(text, position)
        return match.end() if match and name in {"ifx", "ifdefined"} else position

    def is_defined(self, name: str) -> bool | None:
        """Return whether a name means something, or None if it may be LaTeX's or a package's."""
        if name in self.macros:
            return True
        return False if name in self.forgotten else None

    def body(self, name: str) -> str | None:
        """Return what a macro without arguments stands for."""
        macro = self.macros.get(name)
        return macro.body if macro and macro.stands_alone and not macro.alias else None

    def full(self, text: str) -> str | None:
        """Return the text with the macros in it expanded, or None if something else than characters is left."""
        for _ in range(FULL_ROUNDS):
            if "\\" not in text:
                return text
            text = _COMMAND.sub(self._body_or_itself, text)
            if len(text) > FULL_LIMIT:
                return None
        return None

    def _body_or_itself(self, match: re.Match[str]) -> str:
        body = self.body(match[1])
        return match[0] if body is None else body

    def equal(self, first: str, second: str) -> bool | None:
        """Return whether two texts are the same once expanded, or None if only TeX can tell."""
        left, right = self.full(first), self.full(second)
        if left is None or right is None:
            return True if first.strip() == second.strip() else None
        return left.strip() == right.strip()

    def number(self, text: str) -> int | None:
        """Return the number that a text stands for."""
        digits = (self.full(text) or "").strip()
        return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else None

    def _same_meaning(self, text: str, position: int) -> tuple[bool, int] | None:
        match = _PAIR.match(text, position)
        if match is None:
            return None
        first, second = match[1].strip() or " ", match[2].strip() or " "
        if first == second:
            return True, match.end()
        left, right = self._meaning(first), self._meaning(second)
        if left is None or right is None:
            # What is no character's name is no character.
            known = left or right
            return (False, match.end()) if known is not None and known[0] == "character" else None
        return left == right, match.end()

    def _meaning(self, token: str) -> tuple[object, ...] | None:
        """Return what a token means, None if that is LaTeX's or a package's business."""
        if not token.startswith("\\"):
            return ("character", token)
        name = token[1:]
        macro = self.macros.get(name)
        if macro is None:
            return ("undefined",) if name in UNDEFINED or name in self.forgotten else _PLAIN_MEANINGS.get(name)
        if macro.alias:
            return ("character", macro.body) if not macro.body.startswith("\\") else ("command", macro.body)
        return ("macro", macro.body, macro.delimiters, macro.default, macro.signature)

    def case(self, text: str, position: int) -> tuple[int, int] | None:
        r"""Return which of the cases of an `\ifcase` holds, from 0, and where the first starts, or None."""
        match = _CASE.match(text, position)
        number = (int(match[1]) if match[1] and len(match[1]) < 10 else self.number(match[2] or "")) if match else None
        return None if match is None or number is None else (number, match.end())

    def skip(self, text: str, position: int, stops: Set[str]) -> tuple[str, int] | None:
        r"""Return the `\fi`, or one of `stops` (`\else`, `\or`), that ends this branch and where it ends, or None."""
        depth = 0
        for match in _BRANCH.finditer(text, position):
            word = match[1]
            if word is None:
                continue
            if word == "fi":
                if depth == 0:
                    return word, skip_space(text, match.end())
                depth -= 1
            elif word in {"else", "or"}:
                if depth == 0 and word in stops:
                    return word, skip_space(text, match.end())
            elif self.is_conditional(word):
                depth += 1
        return None

    def _equal_characters(self, text: str, position: int) -> tuple[bool, int] | None:
        match = _TWO.match(text, position)
        if match is None:
            return None
        first, second = self._character(match[1]), self._character(match[2])
        if first is None and second is None:
            return None
        return first == second, match.end()

    def _character(self, token: str) -> str | None:
        if not token.startswith("\\"):
            return " " if token.isspace() else token
        macro = self.macros.get(token[1:].strip())
        body = macro.body.strip() if macro and not macro.parameters else ""
        return body if len(body) == 1 else None

    def _compare(self, text: str, position: int) -> tuple[bool, int] | None:
        match = _NUMBERS.match(text, position)
        left, right = (self.number(match[1]), self.number(match[3])) if match else (None, None)
        if match is None or left is None or right is None:
            return None
        holds = {"<": left < right, "=": left == right, ">": left > right}[match[2]]
        return holds, match.end()


def _in_math(before: str) -> bool:
    """Return whether the text ends in math mode, as far as its last paragraph and displays tell."""
    tail = before[-MATH_LOOKBACK:]
    tail = tail[max(tail.rfind("\n\n"), 0) :]
    inside = False
    for match in _MATH.finditer(tail):
        mark = match[0]
        if mark in {"$", "$$"}:
            inside = not inside
        elif mark in {"\\(", "\\["} or match[1] == "begin":
            inside = True
        elif mark in {"\\)", "\\]"} or match[1] == "end":
            inside = False
    return inside
