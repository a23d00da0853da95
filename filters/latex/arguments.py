r"""How the arguments of a use are read: TeX's own, LaTeX's optional ones, those of xparse's and xargs' specifications.

text, position -> (argument, position after it), None if the text does not fit, `Incomplete` if it ends too early
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from filters.latex.tokens import WORD, ends_with_word, group_end

# An argument longer than this is a missing brace, not an argument. In characters.
ARGUMENT_LIMIT = 500_000

# What xparse hands over for an argument that is not there, and for a star that is there or not.
NO_VALUE = "-NoValue-"
TRUE, FALSE = r"\BooleanTrue", r"\BooleanFalse"

TOKEN = re.compile(rf"\\{WORD}[ \t]*|\\[^\x00]|\x00\d+\x00|[^{{}}\x00]", re.DOTALL)
_SPACE = re.compile(r"[ \t]*+(?:\n(?![ \t]*+\n)[ \t]*+)?")


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a specification.

    `kind` is "m", "mark" (there or not), "optional" (between `opens` and `closes`), "group" (in braces) or "after" (the
    mark `opens`). `default` is what a missing one gives.
    """

    kind: str
    opens: str = ""
    closes: str = ""
    default: str = NO_VALUE


class Incomplete(Exception):  # noqa: N818 - a signal, not an error: more text is needed
    """The text ends inside an argument."""


MANDATORY = Argument("m")
STAR = Argument("mark", "*")


def optional(default: str, opens: str = "[", closes: str = "]") -> Argument:
    """Return an optional argument with a default."""
    return Argument("optional", opens, closes, default)


def specification(text: str) -> tuple[Argument, ...] | None:
    """Return the arguments of an xparse specification ("s O{x} m"), or None if one of them is not known."""
    found: list[Argument] = []
    pieces = _pieces(text)
    for piece in pieces:
        if piece in {"+", "!"}:
            continue
        if piece == ">" and next(pieces, None) == "\\TrimSpaces":
            continue
        kind = _KINDS.get(piece)
        if kind is None:
            return None
        found += kind([next(pieces, "") for _ in range(_OPERANDS.get(piece, 0))])
    return tuple(found)


def _pieces(text: str) -> Iterator[str]:
    """Yield a specification's letters, commands and groups (without their braces)."""
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        end = group_end(text, position) if text[position] == "{" else -1
        if end > 0:
            yield text[position + 1 : end - 1].strip()
        else:
            token = TOKEN.match(text, position)
            end = token.end() if token else position + 1
            yield text[position:end].strip()
        position = end


# What a letter stands for, and how many tokens or groups follow it.
_OPERANDS = {"t": 1, "O": 1, "G": 1, "d": 2, "r": 2, "D": 3, "R": 3, "e": 1, "E": 2}
_KINDS: dict[str, Callable[[list[str]], list[Argument]]] = {
    "m": lambda _: [MANDATORY],
    "v": lambda _: [MANDATORY],
    "s": lambda _: [STAR],
    "t": lambda of: [Argument("mark", of[0])],
    "o": lambda _: [optional(NO_VALUE)],
    "O": lambda of: [optional(of[0])],
    "g": lambda _: [Argument("group")],
    "G": lambda of: [Argument("group", default=of[0])],
    "d": lambda of: [optional(NO_VALUE, of[0], of[1])],
    "r": lambda of: [optional(NO_VALUE, of[0], of[1])],
    "D": lambda of: [optional(of[2], of[0], of[1])],
    "R": lambda of: [optional(of[2], of[0], of[1])],
    "e": lambda of: [Argument("after", mark) for mark in _pieces(of[0])],
    "E": lambda of: _embellishments(of[0], of[1]),
}


def _embellishments(marks: str, defaults: str) -> list[Argument]:
    known = [*_pieces(defaults), *([NO_VALUE] * 9)]
    return [Argument("after", mark, default=default) for mark, default in zip(_pieces(marks), known, strict=False)]


def take(argument: Argument, text: str, position: int, *, final: bool) -> tuple[str, int] | None:
    """Return one argument of a specification and where it ends, None if it does not fit; `Incomplete` as it says."""
    if argument.kind == "m":
        return undelimited(text, position)
    if argument.kind == "optional":
        return in_brackets(text, position, argument, final=final)
    start = skip_space(text, position)
    if start >= len(text) and not final:
        raise Incomplete
    opens = argument.opens or "{"
    there = text.startswith(opens, start)
    if argument.kind == "mark":
        return (TRUE, start + len(opens)) if there else (FALSE, position)
    if not there:
        return argument.default, position
    return undelimited(text, start if argument.kind == "group" else start + len(opens))


def skip_space(text: str, position: int) -> int:
    """Return where the blanks end, of which at most one is a newline: an empty line is a paragraph, not a blank."""
    match = _SPACE.match(text, position)
    return match.end() if match else position


def expect(text: str, position: int, delimiter: str) -> int:
    """Return where the text goes on after a delimiter that must stand here, or -1."""
    start = skip_space(text, position) if delimiter[0].isalpha() or delimiter == " " else position
    if delimiter == " ":
        return start
    if len(text) - start < len(delimiter) and delimiter.startswith(text[start:]):
        raise Incomplete
    return start + len(delimiter) if text.startswith(delimiter, start) else -1


def undelimited(text: str, position: int) -> tuple[str, int] | None:
    """Read a group, whose braces go, or one token."""
    start = skip_space(text, position)
    if start >= len(text):
        raise Incomplete
    if text[start] == "{":
        end = group_end(text, start, start + ARGUMENT_LIMIT)
        if end < 0:
            raise Incomplete
        return text[start + 1 : end - 1], end
    token = TOKEN.match(text, start)
    return (token[0].rstrip(" \t") or token[0], token.end()) if token and token[0] != "\n" else None


def in_brackets(
    text: str, position: int, argument: Argument, *, final: bool = True, limit: int = ARGUMENT_LIMIT
) -> tuple[str, int]:
    """Read an argument between its two characters, or answer its default; braces hide what closes it."""
    start = skip_space(text, position)
    if start >= len(text) and not final:
        raise Incomplete
    if not text.startswith(argument.opens, start):
        return argument.default, position
    start += len(argument.opens)
    depth = 0
    for match in _punctuation(argument.closes).finditer(text, start, min(len(text), start + limit)):
        mark = match[0]
        if mark == argument.closes and depth == 0:
            return text[start : match.start()], match.end()
        if mark == "{":
            depth += 1
        elif mark == "}":
            depth -= 1
            if depth < 0:
                return argument.default, position
    raise Incomplete


def delimited(text: str, position: int, delimiter: str, long: bool) -> tuple[str, int] | None:
    """Find the delimiter outside of groups; an argument that is one group loses its braces, as in TeX."""
    blank = r"\s+" if delimiter == " " else re.escape(delimiter).replace(r"\ ", r"\s+")
    ahead = r"(?![A-Za-z\x01])" if ends_with_word(delimiter) else ""
    pattern = re.compile(rf"(?P<found>{blank}){ahead}|(?P<paragraph>\n[ \t]*\n)|\\.|[{{}}]", re.DOTALL)
    depth = 0
    for match in pattern.finditer(text, position, min(len(text), position + ARGUMENT_LIMIT)):
        if match["found"]:
            if depth == 0:
                return _without_braces(text[position : match.start()]), match.end()
        elif match["paragraph"]:
            if not long:
                return None
        elif match[0] == "{":
            depth += 1
        elif match[0] == "}":
            depth -= 1
            if depth < 0:
                return None
    raise Incomplete


@lru_cache(maxsize=64)
def _punctuation(closes: str) -> re.Pattern[str]:
    return re.compile(rf"{re.escape(closes)}|\\.|[{{}}]", re.DOTALL)


def _without_braces(argument: str) -> str:
    return argument[1:-1] if argument.startswith("{") and group_end(argument, 0) == len(argument) else argument
