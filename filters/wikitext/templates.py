"""Inline templates to the text they stand for: quantities, numbers, words of other languages, quotations.

`render(content, names, language)` takes what stands between `{{` and `}}`, with nested markup already turned into
text and its `|` and `=` masked, and returns the text, or "" for a template that only navigates, cites or decorates.
Quantities keep the unit they are written in: what `convert` computes is not in the dump.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from filters.wikitext.names import Names
from filters.wikitext.tags import SUBSCRIPTS, SUPERSCRIPTS
from filters.wikitext.template_names import BY_LANGUAGE, CONSTANTS, CURRENCY_SIGNS, KINDS, UNITS

BAR, EQUALS = "\x01", "\x05"
"""Masks of `|` and `=` in text that is no longer markup."""

MAX_NAME = 1_000
"""Characters of a template's name, or of a parser function's name and first argument."""

NAMED = re.compile(r"\s*([\w .\-/]{1,40}?)\s*=")
PLAIN_NUMBER = re.compile(r"([-+−]?)(\d+)(?:\.(\d+))?")
LANGUAGE_TEMPLATE = re.compile(r"(?:lang|langx|јез|jez|jezik|langue|llengua)[-x ]")
GERMAN_LANGUAGE_TEMPLATE = re.compile(r"[a-zäöü]{2,4}s", re.IGNORECASE)
FRENCH_ORDINAL = re.compile(r"[IVXLC\d]{1,7}(?:er|re|ère|ere|ers|e|ème|es|nd|nde)(?: siècle)?", re.IGNORECASE)
RANGES = MappingProxyType(
    {
        "-": "–", "–": "–", "—": "–", "to": " to ", "and": " and ", "or": " or ", "by": " by ", "x": " × ", "×": " × ",
        "*": " × ", "xx": " × ", "+/-": " ± ", "±": " ± ", "to(-)": "–", "and(-)": " and ", "–to": "–", "+": " + ",
    }
)  # fmt: skip
QUOTES = MappingProxyType(
    {
        "de": "„“",
        "fr": "«»",
        "es": "«»",
        "ca": "«»",
        "it": "«»",
        "ru": "«»",
        "uk": "«»",
        "pl": "„”",
        "cs": "„“",
        "bg": "„“",
    }
    | {"hr": "„”", "sl": "„“", "sr": "„”", "hu": "„”", "ro": "„”", "sv": "””", "da": "»«", "nl": "“”", "pt": "“”"}
)
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November")
ENGLISH_MONTHS = (*MONTHS, "December")
MONTH_NUMBER = re.compile(r"0{0,9}(?:[1-9]|1[0-2])")
QUOTATION_FIELDS = ("text", "quote", "quotation", "texte", "texto", "tekst", "testo", "szöveg", "текст", "content", "1")


@dataclass(frozen=True, slots=True)
class Arguments:
    """A template's arguments: those with a place, and those with a name (casefolded)."""

    name: str
    places: tuple[str, ...]
    named: Mapping[str, str]
    names: Names
    language: str

    def at(self, place: int) -> str:
        """Return the argument at a place, counted from 1, or ""."""
        return self.places[place - 1] if place <= len(self.places) else ""

    def get(self, *keys: str) -> str:
        """Return the first of these named arguments that is not empty, or ""."""
        return next((value for key in keys if (value := self.named.get(key, ""))), "")


def _arguments(name: str, parts: list[str], names: Names, language: str) -> Arguments:
    places: dict[int, str] = {}
    named: dict[str, str] = {}
    for part in parts:
        match = NAMED.match(part) if "=" in part else None
        if match is None:
            places[len(places) + 1] = part.strip()
        elif match[1].isdecimal():
            places[int(match[1])] = part[match.end() :].strip()
        else:
            named[match[1].casefold()] = part[match.end() :].strip()
    return Arguments(name, tuple(places[place] for place in sorted(places)), named, names, language)


def render(content: str, names: Names, language: str) -> str:
    """Return the text of a template or parser function from what stands between its braces."""
    raw_name, bar, rest = content.partition("|")
    if len(raw_name) > MAX_NAME:
        return ""
    name, kind = _known(raw_name, language)
    if not bar and name in CONSTANTS:
        return CONSTANTS[name]
    if kind == "function":
        return _function(name.partition(":")[0].strip(), raw_name.partition(":")[2].strip(), rest, names)
    if kind == "drop":
        return ""
    if kind == "itself":
        return " ".join(raw_name.split())
    if name == "spaces" or (name in CONSTANTS and kind == "constant"):
        return CONSTANTS[name]
    arguments = _arguments(name, rest.split("|") if bar else [], names, language)
    return RENDERERS[kind](arguments)


@lru_cache(maxsize=1 << 12)
def _known(raw_name: str, language: str) -> tuple[str, str]:
    """Return a name as names are compared, and what it does; the same few names are nearly all that articles use."""
    name = " ".join(raw_name.replace("_", " ").split()).casefold()
    if ":" in name:
        return name, "function"
    return name, "drop" if not name or "\n" in raw_name.strip() else kind_of(name, language)


def kind_of(name: str, language: str) -> str:
    """Return what a template (its name casefolded) does in the Wikipedia of `language`, "drop" if nothing is known."""
    local = BY_LANGUAGE.get(language, {}).get(name)
    if local is not None:
        return local
    if (kind := KINDS.get(name)) is not None:
        return kind
    if LANGUAGE_TEMPLATE.match(name) and len(name) < 16:
        return "first"
    if name.startswith("ipac-"):
        return "phonetic"
    if name.startswith(("ipa-", "ipa ")):
        return "brackets"
    if language == "de" and GERMAN_LANGUAGE_TEMPLATE.fullmatch(name):
        return "first"
    if language == "fr" and FRENCH_ORDINAL.fullmatch(name):
        return "itself"
    return "constant" if name in CONSTANTS else "drop"


def _function(name: str, first: str, rest: str, names: Names) -> str:
    """Return the value of `{{name:first|rest}}` for the parser functions that carry text."""
    if name in names.formatnum:
        return first if rest.strip().casefold() == "r" else format_number(first, names)
    if name in ("lc", "lcfirst", "uc", "ucfirst") or kind_of(name, "") in ("case_lower", "case_upper"):
        if name == "ucfirst":
            return first[:1].upper() + first[1:]
        return first.upper() if name == "uc" or kind_of(name, "") == "case_upper" else first.lower()
    if name in ("plural", "grammar", "множина", "падеж", "gender"):
        return rest.split("|")[-1].strip()
    return ""


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


def _first(a: Arguments) -> str:
    return a.at(1) or a.get("text", "content", "1", "texte", "текст", "lista", "list")


def _second(a: Arguments) -> str:
    return a.at(2) or a.get("text", "2", "texte", "текст") or ("" if len(a.places) < 2 else a.at(1))


def _last(a: Arguments) -> str:
    return a.places[-1] if a.places else ""


def _quotation(a: Arguments) -> str:
    text = a.get(*QUOTATION_FIELDS) or a.at(1)
    return f"\n\n{text}\n\n" if text else ""


def _quoted(a: Arguments) -> str:
    marks = QUOTES.get(a.language, "“”")
    space = " " if a.language == "fr" else ""
    text = a.get("text", "texte") or a.at(1)
    return f"{marks[0]}{space}{text}{space}{marks[1]}" if text else ""


def _number(a: Arguments) -> str:
    return format_number(a.at(1), a.names)


def _quantity(a: Arguments) -> str:
    """{{unité|1234|km|2}}: a number, then pairs of unit and exponent."""
    words = [format_number(a.at(1), a.names)]
    for word in a.places[1:]:
        if re.fullmatch(r"[-−]?\d", word):
            words[-1] += word.translate(SUPERSCRIPTS)
        elif word:
            words.append(word)
    return " ".join([*words, *([a.get("u", "unit", "ul")] if a.get("u", "unit", "ul") else [])])


def _convert(a: Arguments) -> str:
    """{{convert|5|to|10|km}}, {{convert|5|ft|10|in|m}}, {{convert|1300|mi|km}}: the part that was written."""
    symbols = a.name == "cvt" or a.language != "en" or a.get("abbr") in ("on", "in", "~") or a.get("adj") == "ri0"
    words = [_decimal(a.at(1), a.names)]
    places = list(a.places[1:])
    while len(places) > 1 and places[0].casefold() in RANGES:
        words += [RANGES[places[0].casefold()], _decimal(places[1], a.names)]
        places = places[2:]
    if not places:
        return "".join(words)
    hyphen = a.get("adj") in ("on", "mid") and not symbols
    text = _with_unit("".join(words), places[0], one=hyphen or words == ["1"], symbols=symbols, hyphen=hyphen)
    if len(places) > 2 and re.fullmatch(r"[\d./+]+", places[1]) and places[2].casefold() in UNITS:
        text += " " + _with_unit(_decimal(places[1], a.names), places[2], one=places[1] == "1", symbols=symbols)
    return text


def _decimal(value: str, names: Names) -> str:
    return format_number(value.replace("+", " ") if "/" in value else value, names)


def _with_unit(number: str, unit: str, *, one: bool, symbols: bool, hyphen: bool = False) -> str:
    forms = UNITS.get(unit.casefold(), (unit, unit, unit))
    word = forms[2] if symbols else forms[0] if one else forms[1]
    if word.startswith("/"):
        return number + word
    return f"{number}-{word.replace(' ', '-')}" if hyphen and not word.startswith("°") else f"{number} {word}"


def _val(a: Arguments) -> str:
    text = _decimal(a.at(1), a.names)
    for place in a.places[1:]:
        text += place if place.startswith("(") else f" ± {place}"
    if exponent := a.get("e"):
        text += " × 10" + exponent.translate(SUPERSCRIPTS)
    prefix, suffix, unit = a.get("p"), a.get("s"), a.get("u", "ul")
    return prefix + text + suffix + (f" {unit}" if unit else "")


def _fraction(a: Arguments) -> str:
    parts = [part for part in a.places if part][:3]
    if len(parts) == 3:
        return f"{parts[0]} {parts[1]}/{parts[2]}"
    return f"1/{parts[0]}" if len(parts) == 1 else "/".join(parts)


def _date(a: Arguments) -> str:
    places = [place for place in a.places if place and place.casefold() not in ("df=y", "mf=y")]
    if a.language == "en" and len(places) >= 3 and all(place.isdecimal() for place in places[:3]):
        return f"{_month(places[1])} {int(places[2][:2])}, {places[0]}"
    return " ".join(places[:3])


def _month(number: str) -> str:
    return ENGLISH_MONTHS[int(number) - 1] if MONTH_NUMBER.fullmatch(number) else number


def _as_of(a: Arguments) -> str:
    day = f"{a.at(3)} " if a.at(3) else ""
    month = f"{_month(a.at(2))} " if a.at(2) else ""
    opening = "since" if a.get("since") else "as of"
    return a.get("alt") or f"{opening if a.get('lc') else opening.capitalize()} {day}{month}{a.at(1)}"


def _circa(a: Arguments) -> str:
    return " – ".join(f"c. {place}" for place in a.places[:2] if place) or "c."


def _phonetic(a: Arguments) -> str:
    sounds = [
        place for place in a.places if place not in ("lang", "pron", "also", "local", "icon", "us", "uk", "US", "UK")
    ]
    return f"/{''.join(sounds)}/" if sounds else ""


def _nihongo(a: Arguments) -> str:
    inside = ", ".join(place for place in a.places[1:3] if place)
    return (f"{a.at(1)} ({inside})" if inside else a.at(1)).strip()


def _interwiki(a: Arguments) -> str:
    text = a.get("lt", "texte", "text", "tekst", "текст", "texto", "4")
    if not text and a.name.startswith(("нп", "iw", "не пер")):
        text = a.at(2)
    return text or a.get("fr", "trad", "display") or a.at(1)


def _chemistry(a: Arguments) -> str:
    scripts = (
        p.translate(SUBSCRIPTS) if p.isdigit() else p.translate(SUPERSCRIPTS) if re.fullmatch(r"\d*[-+−]", p) else p
        for p in a.places
    )
    return "".join(scripts)


def _density(a: Arguments) -> str:
    """{{pop density|population|area|km2|sqmi|prec=1}}: a quotient of what it is given."""
    try:
        value = float(a.at(1).replace(",", "")) / float(a.at(2).replace(",", ""))
    except (ValueError, ZeroDivisionError):
        return ""
    digits = int(a.get("prec")) if a.get("prec").isdecimal() and len(a.get("prec")) == 1 else 0
    return _with_unit(format_number(f"{value:.{digits}f}", a.names), "/" + a.at(3), one=False, symbols=True)


def _height(a: Arguments) -> str:
    named = [f"{a.named[unit]} {unit}" for unit in ("m", "cm", "ft", "in") if a.named.get(unit)]
    return " ".join(named) or " ".join(a.places[:4])


def _ship(a: Arguments) -> str:
    return f"{a.name.upper()} {a.at(1)}" + (f" ({a.at(2)})" if a.at(2) else "")


def _century(a: Arguments) -> str:
    """{{s|XX}}: "XXe siècle"; a name that ends in "-" leaves the word out, one that begins so is before Christ."""
    centuries = [place + ("er" if place == "I" else "e") for place in a.places if re.fullmatch("[IVXLCivxlc]+", place)]
    word = "" if a.name.endswith("-") else " siècle" if len(centuries) < 2 else " siècles"
    return " et ".join(centuries) + word + (" av. J.-C." if a.name.startswith("-") else "") if centuries else ""


def _siglo(a: Arguments) -> str:
    word = {"ca": "segle", "pt": "século"}.get(a.language, "siglo")
    era = {"a": " a. C.", "d": " d. C."}.get(a.at(2), "")
    return f"{word} {a.at(1)}{era}"


def _twinned(a: Arguments) -> str:
    place = f"{a.at(1)} ({a.at(2)})" if a.at(2) else a.at(1)
    year = a.get("rok", "année", "año", "any")
    return f"{place}, {year}" if year else place


def _bar(a: Arguments) -> str:
    return f"{a.at(1)}: {a.at(3)}%\n" if a.at(3) else ""


def _currency(a: Arguments) -> str:
    amount, sign = format_number(a.at(1), a.names), CURRENCY_SIGNS[a.name]
    return f"{sign}{amount}" if a.language == "en" else f"{amount} {sign.strip()}"


def _abbreviated(a: Arguments) -> str:
    word = {"floruit": "fl.", "reign": "r.", "numéro": "nº", "no": "nº", "n°": "nº"}.get(a.name, a.name.capitalize())
    if a.name in ("p.", "pp.", "vol.", "chap.", "n.", "fig.", "b.", "d.", "fl.", "r."):
        word = a.name
    return f"{word} {'–'.join(place for place in a.places[:2] if place)}" if a.at(1) else ""


def _hour(a: Arguments) -> str:
    return f"{a.at(1)} h {a.at(2)}".strip()


def _old_style(a: Arguments) -> str:
    return f"{a.at(1)} [O.S. {a.at(3)}] {a.at(2)}"


def _bullets(a: Arguments) -> str:
    return "".join(f"\n* {place}" for place in a.places if place) + "\n"


Renderer = Callable[[Arguments], str]
RENDERERS: Mapping[str, Renderer] = MappingProxyType(
    {
        "abbreviated": _abbreviated,
        "angles": lambda a: f"⟨{a.at(1)}⟩",
        "as_of": _as_of,
        "aside": lambda a: f"– {a.at(1)} –" if a.at(1) else "",
        "bar": _bar,
        "brackets": lambda a: f"[{a.at(1)}]" if a.at(1) else "",
        "bullets": _bullets,
        "case_lower": lambda a: a.at(1).lower(),
        "case_upper": lambda a: a.at(1).upper(),
        "century": _century,
        "chemistry": _chemistry,
        "circa": _circa,
        "commas": lambda a: ", ".join(place for place in a.places if place),
        "constant": lambda a: CONSTANTS[a.name],
        "convert": _convert,
        "currency": _currency,
        "date": _date,
        "degrees": lambda a: f"{a.at(1)}°",
        "elevation": lambda a: f"{format_number(a.at(1), a.names)} m",
        "first": _first,
        "fraction": _fraction,
        "gaps": lambda a: "".join(a.places),
        "density": _density,
        "height": _height,
        "hour": _hour,
        "interwiki": _interwiki,
        "last": _last,
        "measure": lambda a: " ".join(
            [*(format_number(p, a.names) for p in a.places[:3]), a.get("u", "ul", "um")]
        ).strip(),
        "nihongo": _nihongo,
        "nuclide": lambda a: "-".join(a.places[:2]),
        "number": _number,
        "old_style": _old_style,
        "phonetic": _phonetic,
        "power": lambda a: "×10" + a.at(1).translate(SUPERSCRIPTS),
        "quantity": _quantity,
        "quotation": _quotation,
        "quoted": _quoted,
        "respell": lambda a: "-".join(place for place in a.places if place and place != "'"),
        "second": _second,
        "ship": _ship,
        "siglo": _siglo,
        "title": lambda a: a.at(1).partition(" (")[0],
        "twinned": _twinned,
        "val": _val,
        "words": lambda a: " ".join(place for place in a.places if place),
    }
)
"""One function for each kind of `KINDS` and `BY_LANGUAGE`."""
