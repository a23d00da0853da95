"""Dates, ages, centuries and times, as each language writes them.

The names of months and the order of a date are those of Unicode's CLDR (format, wide; pattern `long`).
"""

from __future__ import annotations

import re
from types import MappingProxyType

from filters.wikitext.behaviours.registry import Arguments, behaviour, family

_MONTHS = MappingProxyType(
    {
        "bg": "януари февруари март април май юни юли август септември октомври ноември декември",
        "ca": "gener febrer març abril maig juny juliol agost setembre octubre novembre desembre",
        "cs": "ledna února března dubna května června července srpna září října listopadu prosince",
        "da": "januar februar marts april maj juni juli august september oktober november december",
        "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
        "en": "January February March April May June July August September October November December",
        "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "hr": "siječnja veljače ožujka travnja svibnja lipnja srpnja kolovoza rujna listopada studenoga prosinca",
        "hu": "január február március április május június július augusztus szeptember október november december",
        "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
        "nl": "januari februari maart april mei juni juli augustus september oktober november december",
        "pl": "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia",
        "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
        "ro": "ianuarie februarie martie aprilie mai iunie iulie august septembrie octombrie noiembrie decembrie",
        "ru": "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
        "sl": "januar februar marec april maj junij julij avgust september oktober november december",
        "sr": "јануар фебруар март април мај јун јул август септембар октобар новембар децембар",
        "sv": "januari februari mars april maj juni juli augusti september oktober november december",
        "uk": "січня лютого березня квітня травня червня липня серпня вересня жовтня листопада грудня",
    }
)
MONTHS = MappingProxyType({language: tuple(names.split()) for language, names in _MONTHS.items()})
"""The months of each language, in the form that a date has them in."""

PATTERNS = MappingProxyType(
    {
        "bg": "{d} {m} {y} г.", "ca": "{d} {m} de {y}", "cs": "{d}. {m} {y}", "da": "{d}. {m} {y}",
        "de": "{d}. {m} {y}", "es": "{d} de {m} de {y}", "hr": "{d}. {m} {y}.", "hu": "{y}. {m} {d}.",
        "pt": "{d} de {m} de {y}", "sl": "{d}. {m} {y}", "sr": "{d}. {m} {y}.", "uk": "{d} {m} {y}",
    }
)  # fmt: skip
"""Where it is not `day month year`."""

ROMAN_OR_DIGITS = re.compile(r"[ivxlc]+(?=er|re|ère|ere|e|ème|nd)|\d+")
MONTH_NUMBER = re.compile(r"0{0,9}(?:[1-9]|1[0-2])")
DAY = re.compile(r"0?[1-9]|[12]\d|3[01]")
YEAR_PLACE = re.compile(r"(?: de)? \{y\}|\{y\}\. ")
YEAR = re.compile(r"\d{3,4}")
NOT_OF_A_DATE = re.compile(r"(?:df|mf|dmy|mdy)(?:=y(?:es)?)?|y|yes|oui|sí|si|so|so-so|en .*|dans .*|au .*|à .*", re.I)
FRENCH_FIRST = re.compile(r"1(?= [a-zéû]{3,9}\b)")
ROMAN = re.compile(r"[IVXLCivxlc]+")


def month(number: str, language: str) -> str:
    """Return the name of a month by its number; what is no number of a month as it is."""
    return MONTHS[language][int(number) - 1] if MONTH_NUMBER.fullmatch(number) else number


def written(year: str, month_: str, day: str, language: str, *, month_first: bool = False) -> str:
    """Return a date as its language writes it; the month by number or name, any part may be missing."""
    name = month(month_, language)
    day = day.lstrip("0")
    if not day or not name:
        return " ".join(part for part in (name, year) if part)
    if language == "fr" and day == "1":
        day = "1er"
    if month_first:
        return f"{name} {day}, {year}" if year else f"{name} {day}"
    pattern = PATTERNS.get(language, "{d} {m} {y}")
    if not year:
        pattern = next(part for part in YEAR_PLACE.split(pattern) if "{d}" in part)
    return pattern.format(d=day, m=name, y=year)


def _date(a: Arguments, places: list[str], *, month_first: bool) -> str:
    places = [place for place in places if not NOT_OF_A_DATE.fullmatch(place)]
    if len(places) >= 3 and YEAR.fullmatch(places[0]) and places[1].isdecimal() and places[2].isdecimal():
        return written(places[0], places[1], places[2], a.language, month_first=month_first)
    if len(places) >= 2 and YEAR.fullmatch(places[0]) and MONTH_NUMBER.fullmatch(places[1]):
        return written(places[0], places[1], "", a.language)
    if len(places) >= 2 and DAY.fullmatch(places[0]) and (MONTH_NUMBER.fullmatch(places[1]) or places[1].isalpha()):
        return written(places[2] if len(places) > 2 else "", places[1], places[0], a.language)
    return _first_of_month(" ".join(places[:3]), a.language)


def _first_of_month(date: str, language: str) -> str:
    """Return a date of words; French writes the first day of a month as an ordinal."""
    return FRENCH_FIRST.sub("1er", date) if language == "fr" and date.startswith("1 ") else date


@behaviour(
    "date|date-|date républicaine|fecha|datum|dato|data|дата|dtlink|dts|birth date|death date|date de naissance|"
    "date de décès|date de naissance-|date de décès-|date table sorting|film date|birth date and age|"
    "birth-date and age|birth-date|death-date|bda|dob|birth year and age|birth year",
    fr="date sport|date rapide",
    es="fecha de nacimiento|fecha de inicio",
    pt="dni|dnibr|nascimento|data de nascimento",
    it="data nascita",
    ca="data naixement|data naixement i edat",
    ru="дата рождения|возраст|дата смерти",
    uk="дата народження|дата смерті|дата народження і вік",
    pl="data urodzenia",
    ro="data nașterii|data nașterii și vârsta|data naşterii și vârsta|dn",
    sv="födelsedatum och ålder|åldersdatum|födelsedatum|startdatum",
    da="dato og alder|fødselsdato og alder",
    nl="geboortedatum en leeftijd",
    cs="datum narození|datum narození a věk",
    hu="születési dátum|szd",
    hr="datum rođenja|datum rođenja i dob",
    sr="датум рођења|датум рођења и године",
    sl="datum rojstva|datum rojstva in starost",
    bg="дата на раждане|дата на раждане и възраст|дата и възраст",
)
def date(a: Arguments) -> str:
    """{{date|1990|1|2}}, {{date|2|janvier|1990}}: a date; of dates of birth the day alone, as ages change."""
    american = a.language == "en" and not a.get("df", "dmy") and "df=y" not in a.places
    return _date(a, a.given, month_first=american)


@behaviour(uk="дн|дн2|дс|дс2")
def in_both_calendars(a: Arguments) -> str:
    """uk {{ДН|25|2|1871|13}}, {{ДН|8|1|1901|26|12|1900}}: a day, after what it was in the Julian calendar."""
    day, month_, year, old_day, old_month, old_year = (a.at(place) for place in range(1, 7))
    new = written(year, month_, day, a.language)
    if not old_day:
        return new
    if not old_month:
        return f"{old_day} ({day}) {written(year, month_, '', a.language)}"
    if not old_year or old_year == year:
        return f"{written('', old_month, old_day, a.language)} ({written('', month_, day, a.language)}) {year}"
    return f"{written(old_year, old_month, old_day, a.language)} ({new})"


@behaviour("start date|end date|start date and age|end date and age|start date and years ago")
def lasting(a: Arguments) -> str:
    """{{start date and age|1928|9|25}}: a date, the day first."""
    return _date(a, a.given, month_first=bool(a.get("mf")) and a.language == "en")


@behaviour(
    "death date and age|dda",
    ro="data decesului și vârsta",
    sv="dödsdatum och ålder",
    nl="overlijdensdatum en leeftijd",
    cs="datum úmrtí a věk",
    uk="дата смерті і вік",
)
def death(a: Arguments) -> str:
    """{{death date and age|1999|5|6|1920|1|2}}: the day of death, and in English the age."""
    american = a.language == "en" and not a.get("df")
    given = a.given
    shown = _date(a, given[:3], month_first=american)
    years = age(Arguments(a.name, tuple(given[3:6] + given[:3]), {}, a.names, a.language))
    return f"{shown} (aged {years})" if years and a.language == "en" else shown


@behaviour("age|age in years and days|ayd")
def age(a: Arguments) -> str:
    """{{age|1920|1|2|1999|5|6}}: whole years between two days; nothing where the second is today."""
    numbers = [int(place) for place in a.given[:6] if place.isdecimal() and len(place) <= 4]
    if len(numbers) != 6:
        return ""
    return str(numbers[3] - numbers[0] - (tuple(numbers[4:]) < tuple(numbers[1:3])))


@behaviour("as of|asof|as-of")
def as_of(a: Arguments) -> str:
    """{{As of|2010|3}}: "As of March 2010"."""
    opening = "since" if a.get("since") else "as of"
    opening = opening if a.get("lc") or a.name == "as-of" else opening.capitalize()
    day = f"{a.at(3)} " if a.at(3) else ""
    named = f"{month(a.at(2), 'en')} " if a.at(2) else ""
    return a.get("alt") or f"{opening} {day}{named}{a.at(1)}"


@behaviour("oldstyledate|old style date|oldstyledatedy", uk="дата старого стилю")
def old_style(a: Arguments) -> str:
    """{{OldStyleDate|1 May|1870|19 April}}: the new style's day, the old one's in brackets, the year."""
    mark = {"ru": "", "uk": "", "bg": ""}.get(a.language, "O.S. ")
    brackets = f"({a.at(3)})" if not mark else f"[{mark}{a.at(3)}]"
    return f"{a.at(1)} {brackets} {a.at(2)}".strip() if a.at(3) else f"{a.at(1)} {a.at(2)}".strip()


@behaviour(fr="s|siècle|siècles|s-|s2|s2-|-s|-s-|sp|sp-|s mini|s mini-|sap|sav|-s2|-s2-")
def french_century(a: Arguments) -> str:
    """fr {{s|XX}}: "XXe siècle"; a name that ends in "-" leaves the word out, one that begins so is before Christ."""
    centuries = [
        place + ("er" if place == "I" else "e") for place in a.places if ROMAN.fullmatch(place) and place != "e"
    ]
    word = "" if a.name.endswith("-") else " siècle" if len(centuries) < 2 else " siècles"
    era = " av. J.-C." if a.name.startswith("-") or a.name == "sav" else ""
    return " et ".join(centuries) + word + era if centuries else ""


@behaviour(es="siglo", ca="segle", pt="séc|século")
def century(a: Arguments) -> str:
    """es {{siglo|XX|a}}, pt {{séc|XX}}: "siglo XX a. C."."""
    word = {"ca": "segle", "pt": "século"}.get(a.language, "siglo")
    era = {"a": " a. C.", "d": " d. C."}.get(a.at(2), "")
    return f"{word} {a.at(1)}{era}" if a.at(1) else ""


@behaviour("heure|h")
def hour(a: Arguments) -> str:
    """fr {{heure|4|30}}: "4 h 30"."""
    return f"{a.at(1)} h {a.at(2)}".strip()


@behaviour("duration|durée")
def duration(a: Arguments) -> str:
    """{{duration|1|2|3}}, {{duration|m=4|s=5}}: hours, minutes and seconds with colons."""
    parts = [a.get("h", "hours"), a.get("m", "min", "minutes"), a.get("s", "sec", "seconds")] if a.named else a.given
    parts = [part for part in parts if part.isdecimal()]
    return ":".join([parts[0], *(part.zfill(2) for part in parts[1:])]) if parts else ""


@behaviour("dash year")
def years(a: Arguments) -> str:
    """{{dash year|1943|1945}}: "1943–1945"."""
    return "–".join(a.given[:2])


@behaviour("floruit|fl.|reign|r.|died-in|b.|d.")
def lived(a: Arguments) -> str:
    """{{floruit|1200|1250}}: "fl. 1200–1250"; {{reign|1200|1250}}, {{b.|1200}}, {{d.|1250}} likewise."""
    mark = {"floruit": "fl.", "reign": "r.", "died-in": "d."}
    return f"{mark.get(a.name, a.name)} {'–'.join(a.given[:2])}" if a.at(1) else ""


@family(
    re.compile(
        r"(?!(?:le|ce|les|ces)(?: |\Z))(?:1er|2d|2nde?|[ivxlc\d]{1,7}(?:er|re|ère|ere|ers|e|ème|es|nd|nde))"
        r"(?: (?:siècle|millénaire))?(?: av\. j\.-c\.)?"
    ),
    "fr",
)
def french_ordinal(a: Arguments) -> str:
    """fr {{XIXe siècle}}, {{Ier}}, {{84e|congrès}}: the template's own name, and what follows."""
    number, space, rest = a.name.partition(" ")
    digits = ROMAN_OR_DIGITS.match(number)
    shown = number[: digits.end()].upper() + number[digits.end() :] if digits else number
    return " ".join([shown + space + rest.replace("j.-c.", "J.-C."), *a.given])
