r"""Conditionals of TeX that a text can decide: `\iffalse`, `\newif` switches, `\if0`, numbers, math mode.

A conditional that cannot be decided here is not touched: both of its branches stay, with its `\else` and `\fi`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from filters.latex.macros import Macro, skip_space
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

_BRANCH = re.compile(rf"\\(?:(if{WORD}|if|else|fi)(?![A-Za-z\x01])|.)", re.DOTALL)
_TWO = re.compile(rf"(\\{WORD}[ ]?|[^\\{{}}\x00])(\\{WORD}|\s|[^\\{{}}\x00])", re.DOTALL)
_NUMBERS = re.compile(rf"\s*(\d+|\\{WORD})\s*([<=>])\s*(\d+|\\{WORD})(?:[ \n]|(?=\\))", re.DOTALL)
_NAME = re.compile(rf"\s*\\({WORD})[ ]?")
_MATH = re.compile(
    r"\\[()\[\]$]|\$\$?|\\(begin|end)\{(?:equation|align|eqnarray|gather|multline|displaymath|math|flalign|alignat)\*?\}"
)


class Conditionals:
    r"""The switches that `\newif` and its kin made, and the conditionals that are open at a point of the text."""

    def __init__(self, macros: Mapping[str, Macro]) -> None:
        self.macros = macros
        self.flags: dict[str, bool] = dict(STANDARD)
        self.setters: dict[str, tuple[str, bool]] = {}
        self.toggles: dict[str, bool] = {}
        self.open: list[bool] = []

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
        if name == "ifdefined" and (match := _NAME.match(text, position)) and match[1] in self.macros:
            return True, match.end()
        return None

    def skip(self, text: str, position: int, *, stop_at_else: bool) -> tuple[str, int] | None:
        r"""Return the `\else` or `\fi` that ends this branch and where it ends, or None if the text has none."""
        depth = 0
        for match in _BRANCH.finditer(text, position):
            word = match[1]
            if word is None:
                continue
            if word == "fi":
                if depth == 0:
                    return word, skip_space(text, match.end())
                depth -= 1
            elif word == "else":
                if depth == 0 and stop_at_else:
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
        left, right = (self._number(match[1]), self._number(match[3])) if match else (None, None)
        if match is None or left is None or right is None:
            return None
        holds = {"<": left < right, "=": left == right, ">": left > right}[match[2]]
        return holds, match.end()

    def _number(self, token: str) -> int | None:
        macro = self.macros.get(token[1:]) if token.startswith("\\") else None
        digits = macro.body.strip() if macro else token
        return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else None


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
