"""Which of Unicode's encodings bytes are in, as far as a mark or their NULs tell, and Python's names of encodings.

bytes -> byte order mark, else UTF-16 by the NULs in every other byte -> (encoding, length of the mark) | nothing
"""

from __future__ import annotations

import codecs

MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Of text in Latin letters more than this part of all bytes is NUL, all on one side, and on the other not this part.
LEAST_NULS, MOST_OTHERS = 5, 16
# Python's text codecs that no file's author means.
_NO_ENCODINGS = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape", "utf-7", "undefined"})


def by_mark(data: bytes) -> tuple[str, int] | None:
    """Return the encoding that a byte order mark tells and the mark's length, or None."""
    return next(((encoding, len(mark)) for mark, encoding in MARKS if data.startswith(mark)), None)


def utf_16_by_nuls(start: bytes) -> str | None:
    """Return which UTF-16 the beginning of a text is in that has no mark, or None: text in Latin letters tells it."""
    even, odd = start[::2].count(0), start[1::2].count(0)
    if max(even, odd) * LEAST_NULS <= len(start) or min(even, odd) * MOST_OTHERS >= len(start):
        return None
    return "utf-16-be" if even > odd else "utf-16-le"


def codec(name: str) -> str:
    """Return Python's name of an encoding of text, "" if it knows none of that name."""
    try:
        found = codecs.lookup(name).name
        "".encode(found)
    except (LookupError, ValueError):
        return ""
    return "" if found in _NO_ENCODINGS else found
