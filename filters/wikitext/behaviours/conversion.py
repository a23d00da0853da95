"""Quantities that a template converts, as Module:Convert prints them: "386 kilometres (240 mi)".

    {{convert|5|to|10|km|mi|1|abbr=on}} ─> numbers, ranges ─> units ─> targets, decimals ─> "5 to 10 km (3.1 to 6.2 mi)"

What was written is kept alone where the unit is not known, or cannot be converted to what is asked for. Other
languages than English show symbols, for the names of units in them are not here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import NamedTuple

from filters.wikitext.behaviours import rounding
from filters.wikitext.behaviours.numbers import decimal, format_number, powers
from filters.wikitext.behaviours.registry import Arguments, behaviour
from filters.wikitext.behaviours.rounding import MINUS, Given, Rounded, Value
from filters.wikitext.behaviours.units import THOUSANDS, Unit, find_unit
from filters.wikitext.names import Names


class Range(NamedTuple):
    """What stands between two numbers: beside names, beside symbols, and on the side of the result if it is another.

    `each`: each number has the symbol. `change`: what follows is a difference.
    """

    names: str
    symbols: str
    result: str = ""
    each: bool = False
    change: bool = False


def _same(text: str) -> Range:
    return Range(text, text)


RANGES = MappingProxyType(
    {
        "-": _same("–"), "–": _same("–"), "—": _same("–"), "to": _same(" to "), "and": _same(" and "),
        "or": _same(" or "), "by": _same(" by "), "to about": _same(" to about "), "+": _same(" + "),
        ",": _same(", "), ", and": _same(", and "), ", or": _same(", or "), "/": _same(" / "), "*": _same("×"),
        "xx": _same(" × "), "x": Range(" by ", " × ", each=True), "×": Range(" by ", " × ", each=True),
        "by(x)": Range(" by ", " by ", " × "), "to(-)": Range(" to ", " to ", "–"),
        "and(-)": Range(" and ", " and ", "–"),
        "+/-": Range(" ± ", " ± ", change=True), "±": Range(" ± ", " ± ", change=True),
    }
)  # fmt: skip
"""By what is written between two numbers."""

RANGES_ELSEWHERE = frozenset(
    {
        *("a", "до", "bis", "till", "til", "do", "tot", "à", "e", "és", "en", "et", "y", "und", "och", "og"),
        *("и", "і", "та", "–to"),
    }
)
"""Words of other languages between two numbers; they become a dash."""

UNPACKED = re.compile(r"([-+−]?[\d.,]+)\s*(–|-|x|×|\*|\+/-|±|\b(?:to|and|or|by)\b)\s*([-+−]?[\d.,]+)")
SEVERAL = MappingProxyType(
    {
        "ftin": ("ft", "in"), "ft in": ("ft", "in"), "ydft": ("yd", "ft"), "ydftin": ("yd", "ft", "in"),
        "stlb": ("st", "lb"), "st lb": ("st", "lb"), "lboz": ("lb", "oz"), "lb oz": ("lb", "oz"),
        "miydftin": ("mi", "yd", "ft", "in"), "miyd": ("mi", "yd"), "mift": ("mi", "ft"), "LTlb": ("LT", "lb"),
    }
)  # fmt: skip
"""Targets that are shown in several units, the largest first."""

SUM_DEFAULTS = MappingProxyType({"ft": "m", "yd": "m", "mi": "km", "st": "kg", "lb": "kg", "LT": "t"})
"""What a sum of several units is converted to, by the first of them."""

JOINTS = MappingProxyType(
    {
        "b": (" (", ")", "; "), "or": (" or ", "", " or "), "(or)": (" (", ")", " or "), "comma": (", ", "", ", "),
        "semicolon": ("; ", "", "; "), "sqbr": (" [", "]", "; "), "slash": (" / ", "", " / "), "br": (" ", "", "; "),
    }
)  # fmt: skip
"""Before the result, after it, and between several, by `disp`."""

NUMBERS_ALONE = frozenset({"number", "output number only"})
RESULT_ALONE = frozenset({"out", "output only", *NUMBERS_ALONE})
NAMED_WITHOUT_ABBR = frozenset({"or", "slash"})
ALIASES = MappingProxyType({"s": "slash", "/": "slash", ";": "semicolon"})
"""Other values of `disp`."""

CONDITION = re.compile(r"v < ([\d.]+) \? (.+) : (.+)")
WHOLE = re.compile(r"[-−]?\d{1,3}")
STEPS = MappingProxyType({"0.5": 0.5, "5": 5.0, "10": 10.0, "25": 25.0, "50": 50.0})
HEIGHTS = MappingProxyType(
    {
        "m": ("m", "metre", "meter", "metres", "meters"), "cm": ("cm", "centimetre", "centimeter"),
        "ft": ("ft", "foot", "feet"), "in": ("in", "inch", "inches"),
    }
)  # fmt: skip
"""What `height` calls its units."""

MAX_NUMBERS = 10
"""Numbers of a range."""

MAX_DECIMALS = 30


@dataclass(frozen=True, slots=True)
class Style:
    """How a call wants numbers and units to look."""

    english: bool
    names: Names
    abbr: str
    disp: str
    flipped: bool
    adjective: bool  # before what is measured: "a 5-mile road"
    american: bool

    def has_name(self, of: Unit, *, result: bool) -> bool:
        """Return whether a unit is shown by its name, on the side of the result or of what was written."""
        if not self.english:
            return False
        if not self.abbr and (of.is_temperature or self.disp in NAMED_WITHOUT_ABBR):
            return not of.is_temperature
        by_abbr = {"on": False, "unit": False, "h": False, "hh": False, "off": True, "none": True}
        first = result == self.flipped
        return by_abbr.get(self.abbr, not first if self.abbr == "in" else first)

    def label(self, of: Unit, *, one: bool, result: bool) -> str:
        """Return what a unit is shown by."""
        if self.has_name(of, result=result):
            return of.name(one=(one or self.adjective) and not of.thousands, american=self.american)
        return of.shown_symbol(one=one)

    def with_unit(self, numbers: str, of: Unit, *, one: bool, result: bool, before: str = "") -> str:
        """Return numbers with their unit, hyphenated before what is measured."""
        if self.abbr == "values" or (result and self.disp in NUMBERS_ALONE):
            return numbers
        label, named = self.label(of, one=one, result=result), self.has_name(of, result=result)
        if of.thousands and (named or self.abbr == "unit"):
            label = f"{THOUSANDS[of.thousands]} {label}"
        elif of.thousands:
            numbers += rounding.power_of_ten(of.thousands)
        if label.startswith("/"):
            return numbers + label
        return f"{numbers}-{label.replace(' ', '-')}" if self.adjective and named else f"{numbers} {before}{label}"


def _style(a: Arguments) -> Style:
    english, names, comma = a.language == "en", a.names, a.get("comma")
    if comma in ("off", "gaps", "gap"):
        names = replace(names, group="" if comma == "off" else " ")
    return Style(
        english=english,
        names=replace(names, grouped_from=5) if comma == "5" else names,
        abbr=a.get("abbr") or ("on" if a.name == "cvt" else ""),
        disp=ALIASES.get(a.get("disp"), a.get("disp")),
        flipped="flip" in (a.get("order"), a.get("disp"), a.get("adj")),
        adjective=a.get("adj", "sing") in ("on", "mid"),
        american=a.get("sp").casefold() == "us",
    )


@dataclass(slots=True)
class Call:
    """A call of the template, taken apart."""

    a: Arguments
    style: Style
    values: list[Value] = field(default_factory=list)
    ranges: list[Range] = field(default_factory=list)
    units: list[Unit] = field(default_factory=list)  # several for a sum: 5 ft 10 in
    parts: list[Value] = field(default_factory=list)  # the numbers of a sum
    targets: list[tuple[Unit, ...]] = field(default_factory=list)  # several units each for "ftin"
    decimals: int | None = None
    middle: str = ""  # words behind the first unit
    before: str = ""  # words before the first unit

    @property
    def is_sum(self) -> bool:
        """Whether what was written has several units."""
        return len(self.units) > 1


@behaviour(
    "convert|cvt|convertir|converti|converter|konwertuj|converteren|umrechnen|převeď|преобразовать|конвертор|convertit|"
    "pretvori|претвори|átszámít|konvertera|omregn|convertire",
    ro="conversie",
)
def convert(a: Arguments) -> str:
    """{{convert|5|to|10|km}}, {{convert|5|ft|10|in|m}}, {{cvt|1300|mi|km}}: what was written, and its conversion."""
    call = Call(a, _style(a))
    rest = _numbers(call, list(a.places))
    known = find_unit(rest[0]) if rest else None
    if not rest or known is None:
        return _as_written(a, call.style)
    call.units.append(known)
    _ask_for_result(call, _sum(call, rest[1:]))
    return _shown(call)


def _numbers(call: Call, places: list[str]) -> list[str] | None:
    """Read the numbers and what stands between them; returns the other arguments, None if there is no number."""
    while places and len(call.values) < MAX_NUMBERS:
        value = rounding.read(places[0], call.style.names)
        if value is None:
            match = UNPACKED.fullmatch(places[0])
            if match is None:
                return None
            places[:1] = match.groups()
            continue
        call.values.append(value)
        between = _range(places[1], english=call.style.english) if len(places) > 2 else None
        if between is None:
            return places[1:]
        call.ranges.append(between)
        places = places[2:]
    return None


def _range(word: str, *, english: bool) -> Range | None:
    word = word.casefold()
    return RANGES["-"] if not english and word in RANGES_ELSEWHERE else RANGES.get(word)


def _sum(call: Call, rest: list[str]) -> list[str]:
    """Read the further numbers and units of a sum ("5 ft 10 in"); returns the other arguments."""
    call.parts = call.values[:1]
    while len(call.values) == 1 and len(rest) > 1:
        smaller, value = find_unit(rest[1]), rounding.read(rest[0], call.style.names)
        if smaller is None or value is None or not _divides(smaller, call.units[-1]):
            break
        call.units.append(smaller)
        call.parts.append(value)
        rest = rest[2:]
    return rest


def _divides(smaller: Unit, larger: Unit) -> bool:
    """Return whether a unit is one of those that a larger one is divided into, as feet into inches."""
    if smaller.kind != larger.kind or smaller.is_temperature or smaller.inverted:
        return False
    ratio = larger.scale / smaller.scale
    return 1.5 < ratio < 1e6 and abs(ratio - round(ratio)) < 1e-6 and str(round(ratio)).rstrip("0") != "1"


def _ask_for_result(call: Call, rest: list[str]) -> None:
    """Read the target and the decimals, and words beside the first unit."""
    target = rest.pop(0) if rest and not WHOLE.fullmatch(rest[0]) else ""
    if rest and WHOLE.fullmatch(rest[0]):
        call.decimals = _whole(rest.pop(0))
    if rest and call.a.get("adj") == "mid":
        words = rest.pop(0)
        call.middle = words if words.startswith("-") else f" {words}"
    elif rest and call.a.get("adj") == "pre":
        call.before = f"{rest.pop(0)} "
    call.targets = _targets(target or _default(call), call.units[0])


def _whole(digits: str) -> int:
    return max(-MAX_DECIMALS, min(MAX_DECIMALS, int(digits.replace(MINUS, "-"))))


def _default(call: Call) -> str:
    """Return what the unit is converted to where nothing is asked for."""
    first = call.units[0]
    default = SUM_DEFAULTS.get(first.code, first.default) if call.is_sum else first.default
    if match := CONDITION.fullmatch(default):
        default = match[2] if 0 < call.values[0].number < float(match[1]) else match[3]
    return f"e{first.thousands}{default}" if first.thousands else default


def _targets(code: str, given: Unit) -> list[tuple[Unit, ...]]:
    """Return the units of a target: "mi", "ftin" (in several), "km mi" (each by itself); none if one is not known."""
    words, found = code.split("+") if "+" in code else code.split(), []
    while words:
        # "L/100 km mpgus": the longest code that is known.
        length = next((n for n in range(min(len(words), 4), 0, -1) if _target(" ".join(words[:n]))), 1)
        units = _target(" ".join(words[:length]))
        if not units or units[0].kind != given.kind:
            return []
        found.append(units)
        words = words[length:]
    return found


def _target(code: str) -> tuple[Unit, ...]:
    return tuple(known for name in SEVERAL.get(code, (code,)) if (known := find_unit(name)))


def _shown(call: Call) -> str:
    style = call.style
    if style.disp == "unit":
        return style.label(call.units[-1], one=call.values[-1].one, result=False)
    if style.disp == "unit2" and call.targets:
        return style.label(call.targets[0][-1], one=False, result=True)
    results = [_result(call, target) for target in call.targets]
    if not results or not all(results):
        return _written(call) + call.middle
    if call.a.get("order") == "out" and len(results) > 1:
        toggled = replace(call, style=replace(style, abbr=style.abbr or "in"))
        return f"{_result(toggled, call.targets[0])} ({'; '.join(results[1:])})"
    before, after, between = JOINTS.get(style.disp, JOINTS["b"])
    result, written = between.join(results), _written(call)
    if style.disp in RESULT_ALONE:
        return result
    if style.flipped:
        return f"{result}{call.middle}{before}{written}{after}"
    symbol = f" [{call.units[0].shown_symbol(one=True)}]" if style.abbr == "~" else ""
    return f"{written}{call.middle}{symbol}{before}{result}{after}"


def _written(call: Call) -> str:
    """Return what was written."""
    style = call.style
    if not call.is_sum:
        return _in_a_row(call, [(value.shown, value.one) for value in call.values], call.units[0], result=False)
    parts = zip(call.parts, call.units, strict=True)
    shown = [style.with_unit(value.shown, of, one=value.one, result=False) for value, of in parts]
    return _joint(style, call.units[0], result=False).join(shown)


def _joint(style: Style, of: Unit, *, result: bool) -> str:
    return "-" if style.adjective and style.has_name(of, result=result) else " "


def _in_a_row(call: Call, numbers: Sequence[tuple[str, bool]], of: Unit, *, result: bool) -> str:
    """Return numbers, what stands between them, and their unit; with symbols some ranges repeat it."""
    style, before = call.style, "" if result else call.before
    each = any(between.each for between in call.ranges) and not style.has_name(of, result=result)
    shown = [
        style.with_unit(number, of, one=one, result=result, before=before) if each else number
        for number, one in numbers
    ]
    text = _with_ranges(call, shown, of, result=result)
    return text if each else style.with_unit(text, of, one=numbers[-1][1], result=result, before=before)


def _with_ranges(call: Call, shown: Sequence[str], of: Unit, *, result: bool, apart: bool = False) -> str:
    """Return numbers with what stands between them; a dash before a minus has spaces around it, if `apart` each has."""
    named = call.style.has_name(of, result=result)
    text = shown[0]
    for between, number in zip(call.ranges, shown[1:], strict=True):
        words = between.names if named else between.symbols
        if between.result and result != call.style.flipped:
            words = between.result
        if call.style.adjective and named and words.strip().isalpha():
            words = words.replace(" ", "-")
        text += (" – " if words == "–" and (apart or number.startswith(MINUS)) else words) + number
    return text


def _result(call: Call, target: tuple[Unit, ...]) -> str:
    """Return the result in one target, "" where there is none."""
    given = _given(call)
    found = [rounding.converted(one, target[-1]) for one in given]
    if not all(map(math.isfinite, found)):
        return ""
    rounded = _rounded(call, given, found, target[-1])
    signs = [MINUS if number < 0 and one.number else "" for number, one in zip(found, rounded, strict=True)]
    if len(target) == 1:
        numbers = [(sign + one.shown, one.one) for sign, one in zip(signs, rounded, strict=True)]
        return _in_a_row(call, numbers, target[0], result=True)
    results = zip(signs, found, rounded, strict=True)
    shown = [sign + _in_several(call, target, abs(number), one) for sign, number, one in results]
    return _with_ranges(call, shown, target[0], result=True, apart=True)


def _given(call: Call) -> list[Given]:
    """Return the numbers that are converted: those of a range, or the one sum in its smallest unit."""
    of = call.units[-1]
    if call.is_sum:
        parts = zip(call.parts, call.units, strict=True)
        total = sum(part.number * round(larger.scale / of.scale, 9) for part, larger in parts)
        return [Given(call.parts[-1], total, of, composite=True)]
    changes = [False, *(between.change for between in call.ranges)]
    values = zip(call.values, changes, strict=True)
    return [Given(value, value.number, of, composite=False, change=change) for value, change in values]


def _rounded(call: Call, given: Sequence[Given], found: Sequence[float], to: Unit) -> list[Rounded]:
    """Round the results as is asked for, or all of a range to the decimals of the finest."""
    names, sizes = call.style.names, [abs(number) for number in found]
    scientific = any("e" in value.digits for value in call.values)
    digits, step, parts = call.a.get("sigfig"), STEPS.get(call.a.get("round")), call.a.get("frac")
    if re.fullmatch(r"-?\d{1,3}", parts) and abs(int(parts)) > 1:
        return [rounding.to_fraction(size, abs(int(parts)), names) for size in sizes]
    if call.decimals is not None:
        return [rounding.to_decimals(size, call.decimals, names, scientific=scientific) for size in sizes]
    if re.fullmatch(r"[1-9]\d?", digits):
        count = min(int(digits), MAX_DECIMALS)
        return [rounding.to_digits(size, count, names, scientific=scientific) for size in sizes]
    if step or call.style.disp == "5":
        return [rounding.to_step(size, step or 5.0, names) for size in sizes]
    decimals = [rounding.default_decimals(one, number, to) for one, number in zip(given, found, strict=True)]
    if call.a.get("round") != "each":
        decimals = [max(decimals)] * len(decimals)
    each = zip(sizes, decimals, strict=True)
    return [rounding.to_decimals(size, count, names, scientific=scientific) for size, count in each]


def _in_several(call: Call, target: tuple[Unit, ...], exact: float, rounded: Rounded) -> str:
    """Return a result in several units, all but the smallest whole: "6 ft 1 in"."""
    style = replace(call.style, abbr="on") if call.style.abbr == "values" else call.style
    if rounded.scientific:
        return style.with_unit(rounded.shown, target[-1], one=False, result=True)
    whole = float(math.floor(exact + 0.5))
    left = rounded.number if rounded.decimals or rounded.fraction else whole
    shown: list[str] = []
    for at in reversed(range(len(target))):
        here = left
        if at:
            left, here = divmod(left, round(target[at - 1].scale / target[at].scale))
        number = (
            rounding.as_rounded(here, rounded, style.names)
            if at == len(target) - 1
            else format_number(f"{here:.0f}", style.names)
        )
        shown.insert(0, style.with_unit(number, target[at], one=here == 1, result=True))
        if not left:
            break
    return _joint(style, target[0], result=True).join(shown)


def _as_written(a: Arguments, style: Style) -> str:
    """Return numbers and unit as they are written, where one of them is not known."""
    shown = [decimal(a.at(1), a.names)]
    places = list(a.places[1:])
    while len(places) > 1 and (between := _range(places[0], english=style.english)):
        shown += [between.symbols, decimal(places[1], a.names)]
        places = places[2:]
    numbers, known = "".join(shown), find_unit(places[0]) if places else None
    if not numbers or not places or not places[0]:
        return numbers
    if known is None:
        return f"{numbers} {powers(places[0])}"
    return style.with_unit(numbers, known, one=shown == ["1"], result=False)


@behaviour("pop density|population density")
def density(a: Arguments) -> str:
    """{{pop density|population|area|km2|sqmi|prec=1}}: people for each unit of an area, and for each of another."""
    people, area = rounding.read(a.at(1), a.names), rounding.read(a.at(2), a.names)
    if people is None or area is None or not area.number:
        return ""
    asked = a.get("prec") if WHOLE.fullmatch(a.get("prec")) else ""
    decimals = max(_whole(asked), 0) if asked else 0
    targets = [f"/{a.at(4)}"] if a.at(4) else [""]
    places = (f"{people.number / area.number:.{decimals}f}", f"/{a.at(3)}", *targets, *([asked] if asked else []))
    return convert(replace(a, places=places, named={"abbr": "on"}))


@behaviour("height")
def height(a: Arguments) -> str:
    """{{height|ft=6|in=1}}, {{height|m=1.85}}: what is given, with its units, and its conversion."""
    given = {code: a.get(*names) for code, names in HEIGHTS.items()}
    named = [(value, code) for code, value in given.items() if value]
    if not named:
        return " ".join(a.places[:4])
    places = [place for pair in named for place in pair]
    target = ["m", "2"] if named[0][1] in ("ft", "in") else ["ftin"]
    return convert(replace(a, places=(*places, *target), named={**a.named, "abbr": "on"}))
