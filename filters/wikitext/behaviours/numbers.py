"""Numbers, fractions, and quantities with their units."""

from __future__ import annotations

import re

from filters.wikitext.behaviours.registry import Arguments, behaviour
from filters.wikitext.names import Names
from filters.wikitext.tags import SUPERSCRIPTS

PLAIN_NUMBER = re.compile(r"([-+−]?)(\d+)(?:\.(\d+))?")
NUMBER_AND_WORDS = re.compile(r"([-+−]?\d[\d.,]*)[ \xa0\u202f]+(\D.*)", re.DOTALL)
UNIT_POWER = re.compile(r"(?<=[^\W\d])[ ]?([-−]?[23])(?![\d\w])")


def format_number(number: str, names: Names) -> str:
    """Return a number as `formatnum` shows it: "1234.5" as "1,234.5" in English, "1.234,5" in German.

    What is not a plain number (digits, perhaps a sign and decimals after a point, or after the language's own comma) is
    returned as it is.
    """
    match = PLAIN_NUMBER.fullmatch(number.strip().replace(",", "" if names.group == "," else "."))
    if match is None:
        return number.strip()
    digits = match[2]
    if len(digits) >= names.grouped_from:
        head = len(digits) % 3
        groups = ([digits[:head]] if head else []) + [digits[at : at + 3] for at in range(head, len(digits), 3)]
        digits = names.group.join(groups)
    return match[1] + digits + (names.decimal + match[3] if match[3] else "")


def decimal(value: str, names: Names) -> str:
    """Return a number as it is shown, "3+1/2" as "3 1/2"."""
    return format_number(value.replace("+", " ") if "/" in value else value, names)


def powers(unit: str) -> str:
    """Return a unit with its exponents raised: "hab./km 2" as "hab./km²"."""
    return UNIT_POWER.sub(lambda power: power[1].translate(SUPERSCRIPTS), unit)


@behaviour("nts|ntsh|num2|number|sorter", fr="format nombre", hu="szám", hr="broj", sr="broj")
def number(a: Arguments) -> str:
    """{{nts|1234}}: a number as the language groups it."""
    return format_number(a.at(1), a.names)


@behaviour(
    "unité|unite|nombre|unidad|unitats|unidade|unitate|enhet|einheit|fmtn|fmt num|unita|jednostka|tmp|quantité|unités|"
    "numero|número|größe|mértékegység|num|num1|число",
    fr="nb",
    ro="dim",
)
def quantity(a: Arguments) -> str:
    """{{unité|1234|km|2}}, {{unité|1234 km}}: a number, then pairs of unit and exponent."""
    single = NUMBER_AND_WORDS.fullmatch(a.at(1))
    found = [format_number(single[1] if single else a.at(1), a.names), *([powers(single[2])] if single else [])]
    for word in a.places[1:]:
        if re.fullmatch(r"[-−]?\d", word):
            found[-1] += word.translate(SUPERSCRIPTS)
        elif word:
            found.append(powers(word))
    unit = a.get("u", "unit", "ul", "um")
    return " ".join([*found, *([unit] if unit else [])]).strip()


@behaviour(it="m")
def measure(a: Arguments) -> str:
    """it {{M|12|u=km}}: numbers and a unit."""
    numbers = [format_number(place, a.names) for place in a.places[:3]]
    return " ".join([*numbers, powers(a.get("u", "ul", "um"))]).strip()


@behaviour("val")
def val(a: Arguments) -> str:
    """{{val|1.5|0.2|e=6|u=kg}}: a value, its uncertainties, its power of ten, its unit."""
    text = decimal(a.at(1), a.names)
    for place in a.places[1:]:
        text += place if place.startswith("(") else f" ± {place}"
    if exponent := a.get("e"):
        text += " × 10" + exponent.translate(SUPERSCRIPTS)
    prefix, suffix, unit = a.get("p"), a.get("s"), a.get("u", "ul")
    return prefix + text + suffix + (f" {unit}" if unit else "")


@behaviour(
    "frac|sfrac|fraction|bruch|dfrac|tfrac|дробь|дріб|fracción|fração|frazione|zlomek|breuk|br-frac",
    pl="ułamek",
)
def fraction(a: Arguments) -> str:
    """{{frac|3|1|2}}: "3 1/2"."""
    parts = a.given[:3]
    if len(parts) == 3:
        return f"{parts[0]} {parts[1]}/{parts[2]}"
    return f"1/{parts[0]}" if len(parts) == 1 else "/".join(parts)


@behaviour("e|10^|e-sp|x10^|esp|x10")
def power(a: Arguments) -> str:
    """{{e|6}}: "×10⁶"."""
    return "×10" + a.at(1).translate(SUPERSCRIPTS)


@behaviour("gaps")
def gaps(a: Arguments) -> str:
    """{{gaps|1|234|567}}: a number whose groups are set apart by its style alone."""
    return "".join(a.places)


@behaviour(de="höhe")
def elevation(a: Arguments) -> str:
    """de {{Höhe|115|DE-NHN}}: metres above the sea."""
    return f"{format_number(a.at(1), a.names)} m"


@behaviour("grado|grad|deg")
def degrees(a: Arguments) -> str:
    """{{grado|45}}: degrees."""
    return f"{a.at(1)}°"


@behaviour("bar percent")
def bar(a: Arguments) -> str:
    """{{bar percent|Name|red|5}}: a row of a drawn table."""
    return f"{a.at(1)}: {a.at(3)}%\n" if a.at(3) else ""


@behaviour("percentage|pct")
def percentage(a: Arguments) -> str:
    """{{percentage|25|200|1}}: a share of a whole, or a number that is one already."""
    try:
        part, whole = float(a.at(1).replace(",", "")), float(a.at(2).replace(",", ""))
        digits = int(a.at(3)) if a.at(3).isdecimal() and len(a.at(3)) == 1 else 0
        return f"{format_number(f'{100 * part / whole:.{digits}f}', a.names)}%"
    except (ValueError, ZeroDivisionError):
        return f"{a.at(1)}%" if a.at(1) else ""


@behaviour("ord|ordinal")
def ordinal(a: Arguments) -> str:
    """{{ord|21}}: "21st"; in other languages the number with their mark."""
    if a.language != "en":
        return a.at(1) + {"de": ".", "it": "º", "es": ".º", "pt": "º", "ca": "è", "fr": "e"}.get(a.language, ".")
    digits = a.at(1)
    teen = digits[-2:-1] == "1" and len(digits) > 1
    return digits + ("th" if teen else {"1": "st", "2": "nd", "3": "rd"}.get(digits[-1:], "th"))


@behaviour("±")
def plus_minus(a: Arguments) -> str:
    """{{±|5|3}}: "±5"; with two, "+5 −3"."""
    return f"+{a.at(1)} −{a.at(2)}" if a.at(2) else f"±{a.at(1)}"


@behaviour("su")
def raised_and_lowered(a: Arguments) -> str:
    """{{su|p=+|b=3}}: what is set above and below."""
    return a.get("p", "1").translate(SUPERSCRIPTS) + a.get("b", "2")


@behaviour("circa|c.|ca.|c", fr="vers")
def circa(a: Arguments) -> str:
    """{{circa|1809|1882}}: "c. 1809 – c. 1882"."""
    about = {"fr": "vers", "de": "ca.", "it": "circa"}.get(a.language, "c.")
    return " – ".join(f"{about} {place}" for place in a.places[:2] if place) or about
