"""Numbers of `convert`: as they are written, and a result with as many digits as what was written has.

The rules are those of Module:Convert: the digits of the result follow from those of the number and from the factor, at
least two of them; of a temperature three in kelvin.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from filters.wikitext.behaviours.numbers import format_number
from filters.wikitext.behaviours.units import Unit
from filters.wikitext.names import Names
from filters.wikitext.tags import SUPERSCRIPTS

MINUS = "−"
MAX_LENGTH = 60
"""Characters of a number."""

NUMBER = re.compile(r"([-+−]?) ?(\d+(?:\.\d*)?|\.\d+)(?:[eE]([-+]?\d{1,3}))?")
FRACTION = re.compile(r"([-+−]?) ?(?:(\d+) ?[-+ ] ?)?(\d+) ?/{1,2} ?(\d+)")
GROUP = re.compile(r"(?<=\d)[ ,](?=\d{3}(?!\d))")
NUDGE = 2e-14
"""What the module adds before it rounds, so that halves that a float holds too low are rounded up."""

NEXT_POWER = 1e-14
"""What the module adds to a logarithm, so that of 1000 it is 3."""

POWER_FROM, POWER_BELOW = 10, 4
"""Digits before the mark, and zeros behind it, from which on a result is shown with a power of ten."""

WITH_POWER_FROM, WITH_POWER_BELOW = 4, 2
"""The same where what was written has one."""


class Value(NamedTuple):
    """A number as it was written: its value, its digits without sign and groups, and how it is shown.

    `denominator` is 0 but for a fraction; `one` tells whether its unit is in the singular.
    """

    number: float
    digits: str
    denominator: int
    shown: str
    one: bool


def read(text: str, names: Names) -> Value | None:
    """Return a number of `convert` ("1,234.5", "−3", "5e6", "3+1/2"), or None for anything else."""
    text = text.strip().replace("\xa0", " ").replace("\u202f", " ").replace("⁄", "/")
    if len(text) > MAX_LENGTH or (not text.isascii() and MINUS not in text):
        return None
    text = GROUP.sub("", text) if names.decimal == "." else GROUP.sub(_unless_decimal, text).replace(",", ".")
    if match := NUMBER.fullmatch(text):
        return _plain(match, names)
    match = FRACTION.fullmatch(text)
    return _fraction(match, names) if match and int(match[4]) else None


def _unless_decimal(group: re.Match[str]) -> str:
    return "" if group[0] == " " else group[0]


def _sign(sign: str) -> str:
    return MINUS if sign == "-" else sign


def _plain(match: re.Match[str], names: Names) -> Value:
    sign, digits, exponent = match[1], match[2], match[3]
    digits = "0" + digits if digits.startswith(".") else digits
    number = float(digits + (f"e{exponent}" if exponent else ""))
    shown = format_number(digits, names) + (power_of_ten(int(exponent)) if exponent else "")
    return Value(
        number=-number if sign in ("-", MINUS) else number,
        digits=digits + (f"e{exponent}" if exponent else ""),
        denominator=0,
        shown=_sign(sign) + shown,
        one=number == 1,
    )


def _fraction(match: re.Match[str], names: Names) -> Value:
    sign, whole, above, below = match[1], match[2] or "", match[3], int(match[4])
    number = float(whole or 0) + int(above) / below
    return Value(
        number=-number if sign in ("-", MINUS) else number,
        digits="",
        denominator=below,
        shown=f"{_sign(sign)}{format_number(whole, names)} {above}/{below}"
        if whole
        else f"{_sign(sign)}{above}/{below}",
        one=number <= 1,
    )


def power_of_ten(exponent: int) -> str:
    """Return a power of ten as it is shown after a number: "×10⁶"."""
    return "×10" + str(exponent).translate(SUPERSCRIPTS)


def decimals_of(value: Value, *, zeros_count: bool) -> float:
    """Return the decimals that a number is given with; zeros at the end of a whole number make it negative."""
    if value.denominator:
        return max(math.log10(value.denominator), 1)
    digits, _, exponent = value.digits.partition("e")
    whole, mark, behind = digits.partition(".")
    decimals = len(behind) if mark else (0 if zeros_count else len(whole.rstrip("0")) - len(whole))
    return decimals - int(exponent or 0)


class Given(NamedTuple):
    """What is converted: a number with its unit, or the sum of several in the smallest of their units."""

    value: Value
    number: float
    unit: Unit
    composite: bool
    change: bool = False


def converted(given: Given, to: Unit) -> float:
    """Return the number of a unit; NaN where there is none."""
    unit = given.unit
    if unit.inverted != to.inverted:
        product = given.number * unit.scale * to.scale
        return 1 / product if product else math.nan
    if unit.is_temperature and not given.change:
        return (given.number - unit.zero) * (unit.scale / to.scale) + to.zero
    return given.number * (unit.scale / to.scale)


def default_decimals(given: Given, result: float, to: Unit) -> int:
    """Return the decimals of a result where none are asked for; negative: digits before the mark that become zeros."""
    decimals = decimals_of(given.value, zeros_count=given.composite)
    if given.unit.is_temperature:
        kelvin = abs((given.number - given.unit.zero) * given.unit.scale)
        least = 2 if kelvin < 1e-8 else 2 - math.floor(math.log10(kelvin) + NEXT_POWER)
        return max(math.floor(decimals), least)
    result = abs(result)
    if not given.number or not result:
        return 0
    least = 1 - math.floor(math.log10(result) + NEXT_POWER)
    return max(math.floor(decimals + _decimals_more(given, result, to) + math.log10(2)), least)


def _decimals_more(given: Given, result: float, to: Unit) -> float:
    if to.more_digits and given.number == math.floor(given.number):
        return -math.log10(given.unit.scale)
    if given.composite and given.unit.code == "in":
        return math.log10(to.scale) + 2
    return math.log10(abs(given.number) / result)


class Rounded(NamedTuple):
    """A rounded result without its sign: as it is shown, whether it is one, and its value.

    `decimals` or `fraction` are what it has behind its whole part; `scientific`: it has a power of ten.
    """

    shown: str
    one: bool
    number: float
    decimals: int = 0
    fraction: str = ""
    scientific: bool = False


def to_decimals(number: float, decimals: int, names: Names, *, scientific: bool = False) -> Rounded:
    """Round a number from 0 to so many decimals, or to tens (-1), hundreds (-2)."""
    if decimals >= 0:
        return _shown(f"{number + (NUDGE if decimals <= 8 else 0):.{decimals}f}", names, scientific=scientific)
    digits = f"{number / 10.0**-decimals:.0f}"
    if digits == "0":
        return _shown("0", names, scientific=scientific)
    return _shown(digits + "0" * -decimals, names, significant=len(digits), scientific=scientific)


def to_digits(number: float, digits: int, names: Names, *, scientific: bool = False) -> Rounded:
    """Round a number from 0 to so many significant digits."""
    if not number:
        return _shown("0", names, scientific=scientific)
    decimals = digits - 1 - int(f"{number:.{digits - 1}e}".partition("e")[2])
    if decimals >= 0:
        return _shown(f"{number:.{decimals}f}", names, scientific=scientific)
    text = f"{number / 10.0**-decimals:.0f}" + "0" * -decimals
    return _shown(text, names, significant=digits, scientific=scientific)


def to_step(number: float, step: float, names: Names) -> Rounded:
    """Round a number from 0 to a multiple of a step: 5, 10, 25, 50 or 0.5."""
    rounded = math.floor(number / step + 0.5) * step
    return _shown(f"{rounded:.1f}" if rounded % 1 else f"{rounded:.0f}", names)


def to_fraction(number: float, denominator: int, names: Names) -> Rounded:
    """Round a number from 0 to a whole number and a fraction."""
    parts = math.floor(number * denominator + 0.5 + NUDGE)
    whole, above = divmod(parts, denominator)
    divisor = math.gcd(above, denominator)
    fraction = f"{above // divisor}/{denominator // divisor}" if above else ""
    rounded = Rounded("", one=parts <= denominator, number=parts / denominator, fraction=fraction)
    return rounded._replace(shown=as_rounded(whole, rounded, names))


def as_rounded(number: float, rounded: Rounded, names: Names) -> str:
    """Return a number with what a rounded result has behind its whole part."""
    if rounded.fraction:
        whole = math.floor(number)
        return f"{format_number(str(whole), names)} {rounded.fraction}" if whole else rounded.fraction
    return format_number(f"{number:.{rounded.decimals}f}", names) if number else "0"


def _shown(text: str, names: Names, *, significant: int = 0, scientific: bool = False) -> Rounded:
    """Return a result as it is shown, with a power of ten if it is very large or very small.

    `significant`: how many of the digits before the mark count, the others being zeros; 0: all. `scientific`: what was
    written has a power of ten, so that the result has it sooner.
    """
    whole, _, behind = text.partition(".")
    number = float(text)
    most, least = (WITH_POWER_FROM, WITH_POWER_BELOW) if scientific else (POWER_FROM, POWER_BELOW)
    zeros = len(behind) - len(behind.lstrip("0"))
    if whole == "0" and zeros >= least and behind.strip("0"):
        shown = _with_power(behind[zeros:], -zeros - 1, names)
    elif len(whole) >= most and text != "1" + "0" * (most - 1):
        shown = _with_power((whole + behind)[: significant or None], len(whole) - 1, names)
    else:
        return Rounded(format_number(text, names), one=number == 1, number=number, decimals=len(behind))
    return Rounded(shown, one=False, number=number, scientific=True)


def _with_power(digits: str, exponent: int, names: Names) -> str:
    return digits[0] + (names.decimal + digits[1:] if digits[1:] else "") + power_of_ten(exponent)
