"""Two texts side by side with what differs marked: by lines, and inside of changed lines by words (difflib)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from markupsafe import Markup, escape

from pipelines.card.visible import named

CONTEXT = 2  # unchanged lines shown on each side of a change
_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
_MOST_WORDS = 600  # of a block that is compared word by word; longer blocks are marked whole
_MOST_LINES = 400


@dataclass(frozen=True)
class Row:
    """A block of lines on both sides; `kind` is "equal", "skip" (unchanged lines left out) or "change"."""

    kind: str
    before: Markup
    after: Markup


def side_by_side(before: str, after: str, cut: int) -> list[Row]:
    """Return the rows; texts of `cut` characters are beginnings, so that what follows the last match is left open."""
    old, new = (named(text).splitlines()[:_MOST_LINES] for text in (before, after))
    codes = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    open_end = len(before) >= cut or len(after) >= cut
    rows = []
    for number, (kind, a, b, c, d) in enumerate(codes):
        last = number == len(codes) - 1
        if kind == "equal":
            rows += _equal(old[a:b], number == 0, last)
        elif not (last and open_end and number):
            rows.append(_changed("\n".join(old[a:b]), "\n".join(new[c:d])))
    return rows


def _equal(lines: Sequence[str], first: bool, last: bool) -> list[Row]:
    head = [] if first else list(lines[:CONTEXT])
    tail = [] if last else list(lines[-CONTEXT:])
    skipped = len(lines) - len(head) - len(tail)
    if skipped < 1:
        return [_same(lines)]
    note = escape(f"{skipped:,} lines unchanged")
    return [*([_same(head)] if head else []), Row("skip", note, note), *([_same(tail)] if tail else [])]


def _same(lines: Sequence[str]) -> Row:
    text = escape("\n".join(lines))
    return Row("equal", text, text)


def _changed(before: str, after: str) -> Row:
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    if not old or not new or len(old) > _MOST_WORDS or len(new) > _MOST_WORDS:
        return Row("change", _mark("del", before), _mark("ins", after))
    left, right = [], []
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        gone, come = "".join(old[a:b]), "".join(new[c:d])
        left.append(escape(gone) if kind == "equal" else _mark("del", gone))
        right.append(escape(come) if kind == "equal" else _mark("ins", come))
    return Row("change", Markup().join(left), Markup().join(right))


def _mark(tag: str, text: str) -> Markup:
    return Markup("<{0}>{1}</{0}>").format(Markup(tag), text) if text else Markup()
