"""What countries are called: by a code of ISO, of the Olympic committee or of FIFA, or by a name, in each language.

`territories.tsv` is written by `benchmarks/territories.py` from Unicode's CLDR. Countries that are gone and nations
without a code of their own are not in CLDR; their codes are those that Wikipedia's flags are named by.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

TABLE = Path(__file__).with_name("territories.tsv")
NATIONS = {
    "ENG": "England", "SCO": "Scotland", "WAL": "Wales", "NIR": "Northern Ireland", "URS": "Soviet Union",
    "YUG": "Yugoslavia", "TCH": "Czechoslovakia", "GDR": "East Germany", "FRG": "West Germany",
    "SCG": "Serbia and Montenegro",
}  # fmt: skip
# The same as other wikis name them, where a flag with its country is a template of that name.
GONE = {
    "de": ("Sowjetunion", "Jugoslawien", "Tschechoslowakei", "DDR", "Serbien und Montenegro"),
    "en": tuple(NATIONS.values()),
    "es": ("Unión Soviética", "Yugoslavia", "Checoslovaquia"),
    "fr": ("Union soviétique", "URSS", "Yougoslavie", "Tchécoslovaquie"),
    "it": ("Unione Sovietica", "URSS", "Jugoslavia", "Cecoslovacchia"),
}
OF_A_YEAR = re.compile(r"[-–_ ]\d{4}(?:[-–]\d{2,4})?\Z")


@lru_cache(maxsize=32)
def _names(language: str) -> dict[str, str]:
    header, *rows = (line.split("\t") for line in TABLE.read_text(encoding="utf-8").splitlines())
    column = header.index(language)
    found = dict(NATIONS) if language == "en" else {}
    for row in rows:
        for code in (row[0], *filter(None, row[1].split(","))):
            found[code] = row[column]
    return found


@lru_cache(maxsize=32)
def _known(language: str) -> frozenset[str]:
    header, *rows = (line.split("\t") for line in TABLE.read_text(encoding="utf-8").splitlines())
    columns = {header.index("en"), header.index(language)}
    names = [row[column] for row in rows for column in columns if row[column]]
    return frozenset(name.casefold() for name in (*names, *GONE.get(language, ())))


def territory(code: str, language: str, *, letters: tuple[int, ...] = (2, 3)) -> str | None:
    """Return the name of the territory with a code (in capitals, of so many letters), or None."""
    code = OF_A_YEAR.sub("", code.strip())
    return _names(language).get(code) if len(code) in letters and code.isupper() else None


def is_territory(name: str, language: str) -> bool:
    """Return whether a name is that of a territory, in the language or in English."""
    return name.strip().casefold() in _known(language)


def shown(code_or_name: str, language: str) -> str:
    """Return the name of a territory by its code; what is no code as it is."""
    return territory(code_or_name, language) or code_or_name.strip()
