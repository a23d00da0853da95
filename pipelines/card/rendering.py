"""The environment of the pages' templates: everything is escaped, and what is invisible is shown by its name."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import jinja2
from markupsafe import Markup

from pipelines.card import tongues, visible
from pipelines.card.shapes import nice

FOLDER = Path(__file__).parent
# Where a name may go on in the next line: before a dot or a slash inside it, before a capital behind a small letter.
_BREAKS: Final = re.compile(r"(?<=\w)(?=[./])|(?<=[a-z])(?=[A-Z])")
TITLE = 160  # characters of a title in a line; its list of facts has the whole


def environment() -> jinja2.Environment:
    """Return the environment of HTML pages."""
    found = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FileSystemLoader(FOLDER),
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=visible.shown,
    )
    filters: dict[str, Callable[..., Any]] = {
        "whole": lambda value: f"{value:,}",
        "counted": lambda number, noun: f"{number:,} {noun}{'' if number == 1 else 's'}",
        "mega": mega,
        "nice": nice,
        "short": short,
        "tag": tongues.tag,
        "direction": tongues.direction,
        "breakable": breakable,
    }
    found.filters |= filters
    return found


def breakable(text: str) -> Markup:
    """Return a name, escaped, that is broken between its parts where it does not fit its line."""
    return Markup("<wbr>").join(visible.named(part) for part in _BREAKS.split(text))


def mega(size: float) -> str:
    """Return a number of bytes in the unit that suits it, decimal."""
    for unit, power in (("TB", 12), ("GB", 9), ("MB", 6), ("kB", 3)):
        if size >= 10**power:
            return f"{size / 10**power:,.2f} {unit}"
    return f"{size:,.0f} B"


def short(text: str, most: int = TITLE) -> str:
    """Return the beginning of a text that is longer than so many characters, with a sign that it is one."""
    return text if len(text) <= most else f"{text[:most].rstrip()} …"
