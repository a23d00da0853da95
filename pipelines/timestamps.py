"""When a document was made: a moment in UTC, and how precisely it is known.

Its text is ISO 8601: "2012", "2012-02", "2012-02-03", "2012-02-03T04:05Z", "2012-02-03T04:05:06Z", with three or six
decimals of a second.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple

_DATE: Final = {4: "year", 7: "month", 10: "day"}  # by the length of the text
# What `datetime.fromisoformat` takes differs between versions of Python.
_FORM: Final = re.compile(
    r"[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2})?)?"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.([0-9]{1,9}))?)?"
    r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)
_FINER: Final = ("minute", "second", "millisecond", "microsecond")


class Moment(NamedTuple):
    """A moment in UTC; `precision` is year, month, day, minute, second, millisecond or microsecond."""

    at: datetime
    precision: str

    def __str__(self) -> str:
        if self.precision in _FINER:
            return self.at.isoformat(timespec=f"{self.precision}s").removesuffix("+00:00") + "Z"
        length = next(length for length, precision in _DATE.items() if precision == self.precision)
        return self.at.date().isoformat()[:length]


# A stage that reads a time also writes it, and pages fetched in the same second stand together.
@lru_cache(maxsize=1024)
def parse(text: str) -> Moment | None:
    """Return the moment that a text names, None if it names none; one that says no time zone is taken for UTC.

    Of finer decimals than microseconds the rest is left out.
    """
    form = _FORM.fullmatch(text)
    if form is None:
        return None
    try:
        if len(text) in _DATE:
            found = datetime.fromisoformat((text + "-01-01")[:10]).replace(tzinfo=UTC)
            return Moment(found, _DATE[len(text)])
        found = datetime.fromisoformat(text)
        found = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    if decimals := form[1]:
        return Moment(found, "millisecond" if len(decimals) <= 3 else "microsecond")
    return Moment(found, "second" if len(text) > 16 and text[16] == ":" else "minute")


def canonical(text: str | None) -> str | None:
    """Return a time's text in its one form, in UTC; None for what names no time."""
    found = parse(text.strip()) if text else None
    return str(found) if found else None
