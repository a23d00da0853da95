"""Units of `convert`: their codes, sizes, symbols, names in English, and what each is converted to by default.

`units.tsv` has a row for each: its codes, the kind of what it measures, its size in the kind's first unit, its symbol
("-": it has none and shows its name), its name for one and for many, and its default targets. The codes and defaults
are those of English Wikipedia's Module:Convert, the sizes those of the units' definitions (NIST SP 811, appendix B).
"%" in a row stands for a prefix of SI. What no row has may be a quotient of two rows ("t/ha"), or a unit counted in
thousands or millions ("e6km2").
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

TABLE = Path(__file__).with_name("units.tsv")
PREFIXES = MappingProxyType(
    {
        "": (0, ""), "Y": (24, "yotta"), "Z": (21, "zetta"), "E": (18, "exa"), "P": (15, "peta"), "T": (12, "tera"),
        "G": (9, "giga"), "M": (6, "mega"), "k": (3, "kilo"), "h": (2, "hecto"), "da": (1, "deca"), "d": (-1, "deci"),
        "c": (-2, "centi"), "m": (-3, "milli"), "μ": (-6, "micro"), "n": (-9, "nano"), "p": (-12, "pico"),
        "f": (-15, "femto"), "a": (-18, "atto"),
    }
)  # fmt: skip
MICRO = ("u", "µ")
"""What else is written for the prefix of a millionth."""

OFFSETS = MappingProxyType({"C": -273.15, "F": -459.67})
"""The absolute zero of scales of temperature."""

THOUSANDS = MappingProxyType(
    {3: "thousand", 6: "million", 9: "billion", 12: "trillion", 15: "quadrillion", 18: "quintillion"}
)
COUNTED = re.compile(r"e(\d{1,2})(\D.*)", re.DOTALL)
POWERS = MappingProxyType({"2": 2, "²": 2, "3": 3, "³": 3})
AMERICAN = (("metre", "meter"), ("litre", "liter"), ("deca", "deka"), ("tonne", "metric ton"))
MAX_CODE = 40
"""Characters of a unit's code."""

MORE_DIGITS_FROM_WHOLE = frozenset({"ft", "lb"})
"""Targets that a whole number is converted to with the digits of its kind's first unit."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: what it measures and how much of it, and how it is called.

    `inverted`: it counts what the kind's first unit counts in reverse (litres for 100 km). `thousands`: the power of
    ten of the word before its name ("million").
    """

    code: str
    kind: str
    scale: float
    symbol: str
    one: str
    many: str
    default: str
    inverted: bool = False
    thousands: int = 0

    @property
    def is_temperature(self) -> bool:
        """Whether it is a scale with a zero of its own."""
        return self.kind == "temperature"

    @property
    def zero(self) -> float:
        """Its value at the absolute zero."""
        return OFFSETS.get(self.code, 0.0)

    @property
    def more_digits(self) -> bool:
        """Whether a whole number is converted to it with more digits."""
        return self.code in MORE_DIGITS_FROM_WHOLE

    def name(self, *, one: bool, american: bool = False) -> str:
        """Return its name, in the spelling of the United States if wanted."""
        word = self.one if one else self.many
        if american:
            for british, other in AMERICAN:
                word = word.replace(british, other)
        return word

    def shown_symbol(self, *, one: bool) -> str:
        """Return its symbol, or its name where it has none."""
        return self.name(one=one) if self.symbol == "-" else self.symbol


@lru_cache(maxsize=1)
def _tables() -> tuple[dict[str, Unit], dict[str, Unit]]:
    """Return the units by each of their codes: those with a prefix of SI put in, and those with a row of their own."""
    _, *rows = (line.split("\t") for line in TABLE.read_text(encoding="utf-8").splitlines())
    codes = [(code, row) for row in rows for code in row[0].split("|")]
    prefixed = {written: unit for code, row in codes if "%" in code for written, unit in _with_prefixes(code, row)}
    return prefixed, {code: _of_row(row[0], row) for code, row in codes if "%" not in code}


def _row(code: str) -> Unit | None:
    prefixed, own = _tables()
    return own.get(code) or prefixed.get(code)


def _of_row(codes: str, row: list[str]) -> Unit:
    _, kind, scale, symbol, one, many, default = row
    inverted = scale.startswith("/")
    return Unit(
        code=codes.split("|")[0],
        kind=kind,
        scale=float(scale.removeprefix("/")),
        symbol=symbol,
        one=one,
        many=many or one + "s",
        default=default,
        inverted=inverted,
    )


def _with_prefixes(code: str, row: list[str]) -> list[tuple[str, Unit]]:
    power = POWERS.get(code[-1:], 1)
    found = []
    for prefix, (exponent, word) in PREFIXES.items():
        put_in = [*row[:3], row[3].replace("%", prefix), row[4].replace("%", word), row[5].replace("%", word), row[6]]
        unit = _of_row(code.replace("%", prefix), put_in)
        unit = replace(unit, scale=unit.scale * 10.0 ** (exponent * power))
        found += [(code.replace("%", written), unit) for written in ((prefix, *MICRO) if prefix == "μ" else (prefix,))]
    return found


@lru_cache(maxsize=1)
def _folded() -> dict[str, Unit]:
    """Return the units by their codes casefolded; a row of its own wins, and of prefixes the larger."""
    return {code.casefold(): unit for table in _tables() for code, unit in reversed(list(table.items()))}


def find_unit(code: str) -> Unit | None:
    """Return the unit of a code as `convert` is given it ("km", "t/ha", "e6km2"), or None if it is not known."""
    return _unit(" ".join(code.replace("\xa0", " ").split())) if len(code) <= MAX_CODE else None


@lru_cache(maxsize=1 << 10)
def _unit(code: str) -> Unit | None:
    return _row(code) or _counted(code) or _quotient(code) or _folded().get(code.casefold())


def _counted(code: str) -> Unit | None:
    match = COUNTED.fullmatch(code)
    counted = _unit(match[2]) if match and int(match[1]) in THOUSANDS else None
    if match is None or counted is None or counted.thousands:
        return None
    exponent = int(match[1])
    return replace(counted, code=code, scale=counted.scale * 10.0**exponent, thousands=exponent)


def _quotient(code: str) -> Unit | None:
    above, slash, below = code.partition("/")
    if not slash or not above or "/" in below:
        return None
    over, under = _row(above) or _counted(above), _row(below)
    if over is None or under is None or over.is_temperature or under.is_temperature or over.inverted:
        return None
    return Unit(
        code=code,
        kind=f"{over.kind}/{under.kind}",
        scale=over.scale / under.scale,
        symbol=f"{over.shown_symbol(one=True)}/{under.shown_symbol(one=True)}",
        one=f"{over.one} per {under.one}",
        many=f"{over.many} per {under.one}",
        default="",
        thousands=over.thousands,
    )
