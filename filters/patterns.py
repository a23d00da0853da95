"""Repeat a group without a possessive mark.

Some admitted Pythons misread a possessive mark on more than one character, and atomic groups with them: 3.11.0 to
3.11.4 match other texts (CPython's issues 100061 and 106052), and in 3.13.0 too a group captured inside can raise
SystemError (issue 101955). A greedy group reads the same on all of them, but costs hundreds of bytes for each turn, so
that what can turn millions of times is a pattern of one turn, or of a few, repeated by `skip_all`.
`tests/test_patterns.py` refuses the constructs and runs every pattern on texts that tell such engines apart.
"""

from __future__ import annotations

import re
from typing import AnyStr


def skip_all(pattern: re.Pattern[AnyStr], text: AnyStr, position: int) -> int:
    """Return where a pattern stops matching, one match after the other from `position`; the position if none does."""
    while (match := pattern.match(text, position)) and match.end() > position:
        position = match.end()
    return position
