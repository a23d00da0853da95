"""Texts of a corpus in Markdown: what they say, never a link, an emphasis, a tag or a cell of their own.

"a|b *c*" becomes "a\\|b \\*c\\*". What is meant as Markdown is passed on as `Markup`.
"""

from __future__ import annotations

import re
from typing import Any, Final

from markupsafe import Markup

from pipelines.card import visible

# What begins something anywhere in a line: CommonMark 0.31, sections 2.4 and 6; GitHub's tables, strikethrough, and
# addresses that become links.
_MEANT: Final = re.compile(r"[\\`*\[\]<>&|~@]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.", re.IGNORECASE)
_LINES: Final = re.compile(r"[\r\n]+")
_TICKS: Final = re.compile("`+")


def plain(value: Any) -> Any:
    """Return a template's text so that Markdown shows its letters, on one line; `Markup` and other values stay."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return Markup(_MEANT.sub(r"\\\g<0>", visible.named(_LINES.sub(" ", value))))


def code(text: str) -> Markup:
    """Return a text as a span of code, also inside a table, with more ticks around it than it has in a row."""
    shown = visible.named(_LINES.sub(" ", text)).replace("|", r"\|")
    ticks = "`" * (max(map(len, _TICKS.findall(shown)), default=0) + 1)
    blank = " " if shown.startswith("`") or shown.endswith("`") else ""
    return Markup(f"{ticks}{blank}{shown}{blank}{ticks}")
