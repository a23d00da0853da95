"""Numbers as people write them on a command line; imports no Beam and no torch: both sides read with it."""

from __future__ import annotations

from decimal import Decimal

MOST = 10**18
UNITS = {"K": 3, "M": 6, "B": 9, "T": 12}


def number(text: str) -> int:
    """Return a count written as 1400000000, 1.4e12 or 1.4T; raise ValueError if it is no whole positive number."""
    digits, unit = (text[:-1], UNITS[text[-1].upper()]) if text[-1:].upper() in UNITS else (text, 0)
    try:
        value = Decimal(digits).scaleb(unit)
    except ArithmeticError:  # no number, or one whose exponent is beyond all
        value = Decimal(0)
    if not value.is_finite() or not 1 <= value <= MOST or value != int(value):
        raise ValueError(f"{text!r} is not a positive whole number such as 1400000000, 1.4e12 or 1.4T")
    return int(value)
