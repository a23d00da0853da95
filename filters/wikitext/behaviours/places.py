"""Places: coordinates, countries and their flags, twinned towns, national teams."""

from __future__ import annotations

import re

from filters.wikitext.behaviours.numbers import decimal
from filters.wikitext.behaviours.registry import Arguments, behaviour
from filters.wikitext.behaviours.territories import shown

FLAG_OPEN, FLAG_CLOSE = "\x10", "\x11"
"""Around the country that a flag stands for: it leaves where the text names the country itself (`brackets`)."""

DIRECTION = re.compile(r"[NSEWOnsewo]")
DEGREES = re.compile(r"[-−]?\d+(?:\.\d+)?")
OPTION = re.compile(r"(?:nome|name|nom|nombre|23px|\d+px|sz?|t|x\d+px|border|bez|dopełniacz|variant)", re.IGNORECASE)


@behaviour("coord|coor|coor d|coor dm|coor dms|coor title dms|coords|coordinate", de="koordinate", es="coordenadas")
def coordinates(a: Arguments) -> str:
    """{{coord|39|11|19|N|120|6|32|W}}: "39°11′19″N 120°6′32″W"; nothing where it stands beside the title alone."""
    if a.get("display") in ("title", "t") or a.name == "coor title dms" or (a.get("article") and not a.get("text")):
        return ""
    if a.language == "de" and (a.get("ns") or a.get("ew")):
        given = [*a.get("ns").split("/"), *a.get("ew").split("/")] if a.get("text") else []
    else:
        given = a.given
    sides: list[str] = []
    numbers: list[str] = []
    for place in given:
        if DIRECTION.fullmatch(place):
            sides.append(_angle(numbers, a) + place.upper())
            numbers = []
        elif DEGREES.fullmatch(place):
            numbers.append(place)
        else:
            break
        if len(sides) == 2:
            break
    if not sides and len(numbers) >= 2:  # signed degrees
        pairs = zip(numbers[:2], ("NS", "EW"), strict=True)
        sides = [_angle([number.lstrip("-−")], a) + side[number[0] in "-−"] for number, side in pairs]
    return " ".join(sides)


def _angle(numbers: list[str], a: Arguments) -> str:
    return "".join(decimal(number, a.names) + mark for number, mark in zip(numbers[:3], "°′″", strict=False))


@behaviour(
    "flag|flagicon|flagcountry|flagu|flag country|flagteam|flagdeco|flagg|flaglink|flag icon|flagmain|flagicon2|"
    "bandera|bandera2|drapeau|drapeau2|bandiera|флаг|флаг2|флагификация|flaga|flaga2|flagicon image|noflag",
    en="fb|fbw|fbu|fbicon|cr|cricon|nft",
    fr="drapeau-|pays",
    it="naz",
    sr="заст|зас",
    nl="vlag|vlagicon",
    pl="państwo",
    hu="zászló|zászló2",
    sv="flagga|flaggbild",
    da="flagikon|flagland",
    uk="прапор|прапорець|прапорець+",
    bg="флагче",
    cs="vlajka",
)
def flag(a: Arguments) -> str:
    """{{flag|France}}, {{flagicon|FRA}}: the country, as the picture's alternative text names it."""
    given = [place for place in a.given if not OPTION.fullmatch(place)]
    name = a.get("name", "nome", "nom") or (given[0] if given else "")
    if a.name == "naz" and len(given) > 1:
        name = given[1]
    # A picture given by its file is no country.
    return f"{FLAG_OPEN}{shown(name, a.language)}{FLAG_CLOSE}" if name and "." not in name[-5:] else ""


@behaviour(it="naznb|nazbd|aggnaz|squadra nazionale")
def national(a: Arguments) -> str:
    """it {{NazNB|CA|GER}}: the country of a national team, after the letters of its sport."""
    given = a.given
    return f"{FLAG_OPEN}{shown(given[1] if len(given) > 1 else given[0], a.language)}{FLAG_CLOSE}" if given else ""


@behaviour(it="gemellaggio")
def twinned_since(a: Arguments) -> str:
    """it {{Gemellaggio|Italia|Trento|1966}}: country, town, since when."""
    since = f", dal {a.at(3)}" if a.at(3) else ""
    return f"{FLAG_OPEN}{shown(a.at(1), a.language)}{FLAG_CLOSE} {a.at(2)}{since}"


@behaviour("partnerské město|jumelage|hermanamiento")
def twinned(a: Arguments) -> str:
    """cs {{Partnerské město|Paříž|Francie|rok=1998}}: a town, its country, since when."""
    place = f"{a.at(1)} ({a.at(2)})" if a.at(2) else a.at(1)
    year = a.get("rok", "année", "año", "any")
    return f"{place}, {year}" if year else place


@behaviour("flagathlete|flagmedalist|flagplayer|ath")
def athlete(a: Arguments) -> str:
    """{{flagathlete|[[Usain Bolt]]|JAM}}: a person and a country."""
    return f"{a.at(1)} ({shown(a.at(2), a.language)})" if a.at(2) else a.at(1)
