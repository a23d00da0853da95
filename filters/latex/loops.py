r"""Loops over lists, written out: `\foreach \x in {a,...,z}{BODY}`, `\@for\x:=a,b\do{BODY}`, `\@tfor`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from filters.latex.macros import read_body
from filters.latex.tokens import AT, ends_with_word

# What a loop may become, in characters, and how many items a list may stand for with an ellipsis.
LOOP_LIMIT = 50_000
RANGE_LIMIT = 200

_NAME = rf"\\[A-Za-z{AT}@]+"
_FOREACH = re.compile(rf"\s*(?P<names>{_NAME}(?:\s*/\s*{_NAME}){{0,8}})\s*(?:\[[^\]\n]{{0,500}}\])?\s*in\s*")
_FOR = re.compile(rf"\s*(?P<names>{_NAME})\s*:=")
_DO = re.compile(r"\\do(?![A-Za-z\x01@])")
_ELLIPSIS = re.compile(r"\\[lc]?dots|\.\.\.")
_NUMBER = re.compile(r"-?\d{1,6}")


def unrolled(
    command: str, text: str, position: int, full: Callable[[str], str | None], body_fits: re.Pattern[str] | None = None
) -> tuple[str, int] | None:
    """Return a loop's body for each item of its list and where the loop ends, or None where that is not known.

    `command` is its name, `position` follows it; `full` expands a list that is a macro; with `body_fits` only bodies in
    which that is found are written out.
    """
    head = (_FOREACH if command == "foreach" else _FOR).match(text, position)
    listed = _list(text, head.end(), command) if head else None
    body = read_body(text, listed[1]) if listed else None
    if head is None or listed is None or body is None or (body_fits and not body_fits.search(body[0])):
        return None
    known = full(listed[0])
    names = [part.strip() for part in head["names"].split("/")]
    turns = _turns(names, items(known, by_character=command.endswith("tfor")), body[0]) if known is not None else None
    return None if turns is None else (turns, body[1])


def items(listed: str, *, by_character: bool = False) -> list[str]:
    """Return the items of a list: parted by commas, those that an ellipsis stands for included, or its characters."""
    if by_character:
        return [character for character in listed if not character.isspace()]
    written = [item.strip() for item in listed.split(",")]
    found: list[str] = []
    for index, item in enumerate(written):
        if _ELLIPSIS.fullmatch(item) and 0 < index < len(written) - 1:
            found += _between(written[index - 2] if index > 1 else "", written[index - 1], written[index + 1])
        else:
            found.append(item)
    return [item for item in found if item]


def _list(text: str, position: int, command: str) -> tuple[str, int] | None:
    """Return a loop's list and where its body starts."""
    if command == "foreach":
        return read_body(text, position)
    do = _DO.search(text, position, position + LOOP_LIMIT)
    return (text[position : do.start()], do.end()) if do else None


def _between(before: str, first: str, last: str) -> Iterator[str]:
    """Yield what an ellipsis stands for: letters or whole numbers, by the step that the list begins with."""
    if len(first) == 1 and len(last) == 1 and (first + last).isascii() and (first + last).isalpha():
        yield from map(chr, range(ord(first) + 1, ord(last)))
    elif _NUMBER.fullmatch(first) and _NUMBER.fullmatch(last):
        step = int(first) - int(before) if _NUMBER.fullmatch(before) else 1
        numbers = range(int(first) + step, int(last), step) if step > 0 else range(0)
        yield from map(str, numbers[:RANGE_LIMIT])


def _turns(names: list[str], listed: list[str], body: str) -> str | None:
    """Return the body for each item, or None if that is too much."""
    if len(listed) * len(body) > LOOP_LIMIT:
        return None
    pattern = re.compile("|".join(rf"{re.escape(name)}(?![A-Za-z\x01@])[ ]?" for name in names))
    turns = []
    for item in listed:
        parts = item.split("/") if len(names) > 1 else [item]
        # A list with fewer parts than names repeats the last, as pgffor does.
        values = dict(zip(names, [*parts, *[parts[-1]] * len(names)], strict=False))
        turns.append(_filled(pattern, values, body))
    return "".join(turns)


def _filled(pattern: re.Pattern[str], values: dict[str, str], body: str) -> str:
    def value(match: re.Match[str]) -> str:
        item = values[match[0].strip()]
        # A letter must not lengthen the command before it.
        return f" {item}" if item[:1].isalpha() and ends_with_word(body[: match.start()]) else item

    return pattern.sub(value, body)
