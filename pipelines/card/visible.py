"""What a reader would not see, or what would turn a line around: controls and invisible characters, by their names.

"a\\u202eb" becomes "a‹U+202E RIGHT-TO-LEFT OVERRIDE›b". A joiner or a variation selector that shapes what stands before
it (Persian, Devanagari, emoji) does its work and stays.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any, Final

from markupsafe import Markup

# Controls but tab and line ends, formats that have no shape, fillers and the blank of Braille: Unicode 15.1,
# Default_Ignorable_Code_Point, general categories Cc, Cf, Zl and Zp.
_HIDDEN: Final = re.compile(
    "([\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\xad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f"
    "\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u2800\\u3164\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff0-\\ufffb"
    "\\U00013430-\\U0001343f\\U0001bca0-\\U0001bca3\\U0001d173-\\U0001d17a\\U000e0000-\\U000e0fff])\\1*"
)
_JOINERS: Final = frozenset("\u200c\u200d\u180b\u180c\u180d\u180f")
_SELECTORS: Final = frozenset(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
_JOINED: Final = frozenset({"Lo", "Mn", "Mc", "So", "Sk"})
_SELECTED: Final = frozenset({"Lo", "So", "Sm", "Po", "Nd"})


def named(text: str) -> str:
    """Return a text with its invisible and bidirectional controls as their names, a run of one of them once."""
    return _HIDDEN.sub(_name, text)


def _name(match: re.Match[str]) -> str:
    character, times = match[1], len(match[0])
    if times == 1 and _shapes(character, match.string[: match.start()][-1:]):
        return character
    name = unicodedata.name(character, "CONTROL")
    return f"‹U+{ord(character):04X} {name}{f' × {times:,}' if times > 1 else ''}›"


def _shapes(character: str, before: str) -> bool:
    """Tell whether a character changes the shape of the one before it, as it is meant to."""
    kind = unicodedata.category(before) if before else ""
    if character in _JOINERS:
        return kind in _JOINED
    return character in _SELECTORS and kind in _SELECTED


def shown(value: Any) -> Any:
    """Return a value of a template as it is printed: of a text, what is invisible by its name."""
    return named(value) if isinstance(value, str) and not isinstance(value, Markup) else value
