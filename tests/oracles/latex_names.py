r"""Which control sequences of a text a paper's own files define: read one character at a time, with no pattern of ours.

A slow reader by TeX's rules for tokens: a backslash and letters, or a backslash and one other character; comments,
`\verb` and verbatim environments passed over. A name is defined where a command of a defining kind stands before it: by
what such commands are called (`\new...`, `\renew...`, `\provide...`, `\Declare...`, `\...def`, `\let`), not by a list
of those that anything else here knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple


def words(text: str) -> frozenset[str]:
    """Return the words of a list written as text."""
    return frozenset(text.split())


VERBATIM = ("verbatim", "Verbatim", "BVerbatim", "LVerbatim", "lstlisting", "minted", "spverbatim", "comment")
NOT_DEFINING = words(
    """newline newpage newblock newtheorem newgeometry newrefcontext newrefsection newacronym newglossaryentry
    newcolumntype DeclareOption DeclareGraphicsExtensions DeclareGraphicsRule DeclareUnicodeCharacter"""
)
KINDS = ("new", "renew", "provide", "Declare", "New", "Renew", "Provide")
OTHERS = words(
    """let futurelet font chardef mathchardef countdef dimendef skipdef toksdef predefine define redefine
    pgfmathsetmacro pgfmathtruncatemacro pgfmathsetlengthmacro"""
)
BY_TEXT = ("@namedef", "csdef", "csgdef", "csedef", "csxdef", "cslet", "SetKwFunction", "SetKwInOut", "SetKwData")


class Token(NamedTuple):
    """A control sequence (its name, `command` true), or one other character."""

    text: str
    command: bool


def tokens(text: str, *, at_letter: bool = False) -> Iterator[Token]:
    """Yield a source's tokens; "@" is a letter after `\\makeatletter`, or from the start."""
    place = 0
    while place < len(text):
        character = text[place]
        place += 1
        if character == "%":
            while place < len(text) and text[place] != "\n":
                place += 1
        elif character != "\\" or place >= len(text):
            yield Token(character, False)
        else:
            end = place
            while end < len(text) and (
                (text[end].isascii() and text[end].isalpha()) or (at_letter and text[end] == "@")
            ):
                end += 1
            name = text[place : max(end, place + 1)]
            place += len(name)
            if name in ("makeatletter", "makeatother"):
                at_letter = name == "makeatletter"
            elif name in ("verb", "Verb", "lstinline"):
                place = _after_verb(text, place)
            elif name == "begin":
                place = _after_verbatim(text, place)
            yield Token(name, True)


def _after_verb(text: str, place: int) -> int:
    start = place + text.startswith("*", place)
    if start >= len(text) or text[start].isspace() or text[start] in "}[":
        return place
    closes = "}" if text[start] == "{" else text[start]
    end = text.find(closes, start + 1)
    return place if end < 0 or "\n" in text[start:end] else end + 1


def _after_verbatim(text: str, place: int) -> int:
    for name in VERBATIM:
        for starred in (name, name + "*"):
            opens, closes = "{" + starred + "}", "\\end{" + starred + "}"
            end = text.find(closes, place) if text.startswith(opens, place) else -1
            options = text[place + len(opens) : place + len(opens) + 300].split("]")[0]
            if end >= 0 and not (options.startswith("[") and "commandchars" in options):
                return end
    return place


def defines(name: str) -> bool:
    """Tell whether a command is of a kind that defines what stands after it."""
    if name in NOT_DEFINING:
        return False
    return name in OTHERS or name.startswith(KINDS) or (name.endswith("def") and len(name) <= 4)


def defined(source: str, *, at_letter: bool = False) -> set[str]:
    """Return the names of the control sequences that a file defines."""
    found: set[str] = set()
    row = list(tokens(source, at_letter=at_letter))
    for place, token in enumerate(row):
        if not token.command:
            continue
        if token.text in BY_TEXT:
            found.add(_group(row, place + 1))
        elif token.text in ("newcounter",):
            found.add("the" + _group(row, place + 1))
        elif defines(token.text):
            found.add(_named(row, place + 1))
    return found - {""}


def _named(row: Sequence[Token], place: int) -> str:
    """Return the control sequence that stands next, past a star, a bracket and an open brace."""
    place = _past(row, place, " \n\t*")
    if place < len(row) and row[place] == Token("[", False):
        while place < len(row) and row[place] != Token("]", False):
            place += 1
        place = _past(row, place + 1, " \n\t")
    place = _past(row, place, "{ ")
    while place < len(row) and row[place] == Token("expandafter", True):
        place = _past(row, place + 1, "{ ")
    if place >= len(row) or not row[place].command:
        return ""
    if row[place].text != "csname":
        return row[place].text
    letters: list[str] = []
    for token in row[place + 1 :]:
        if token.command:
            return "".join(letters).strip() if token.text == "endcsname" else ""
        letters.append(token.text)
    return ""


def _past(row: Sequence[Token], place: int, characters: str) -> int:
    while place < len(row) and not row[place].command and row[place].text in characters:
        place += 1
    return place


def _group(row: Sequence[Token], place: int) -> str:
    place = _past(row, place, " \n\t*")
    letters: list[str] = []
    if place < len(row) and row[place] == Token("{", False):
        for token in row[place + 1 :]:
            if token.command:
                return ""
            if token.text == "}":
                return "".join(letters).strip()
            letters.append(token.text)
    return ""


def left(output: str, files: Iterable[tuple[str, bool]]) -> set[str]:
    """Return the control sequences of an output that the files define; each file says if "@" is a letter in it."""
    names = set().union(*(defined(source, at_letter=at_letter) for source, at_letter in files))
    return {f"\\{token.text}" for token in tokens(output) if token.command} & {f"\\{name}" for name in names}
