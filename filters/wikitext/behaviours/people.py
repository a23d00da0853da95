"""Biographical openings: the first sentence that a template writes from its fields."""

from __future__ import annotations

import re

from filters.wikitext.behaviours.registry import Arguments, behaviour

VOWEL = re.compile(r"[\W_]*[aeiouàèéìòù]", re.IGNORECASE)
UNO = re.compile(r"[\W_]*(?:s[^aeiou\W]|z|gn|ps|pn|x|y|i[aeou])", re.IGNORECASE)
UNKNOWN = frozenset({"?", "...", "…"})


@behaviour(it="bio|biografia")
def bio(a: Arguments) -> str:
    """it {{Bio|Nome=Ada|Cognome=Verdi|...}}: "Ada Verdi (Torino, 3 maggio 1870 – ...) è stata una chimica ..."."""
    if not a.get("nome") and not a.get("cognome"):
        return ""
    woman = a.get("sesso").upper() == "F"
    names = [a.get("cognome"), a.get("nome")] if a.get("cognomeprima") else [a.get("nome"), a.get("cognome")]
    opening = " ".join(part for part in (a.get("titolo"), *names) if part) + _glued(a.get("postcognome"))
    opening += _after_comma(a.get("postcognomevirgola"))
    if pseudonym := a.get("pseudonimo"):
        opening += f", {'nota' if woman else 'noto'} {_also(pseudonym, woman=woman)}{_glued(a.get('postpseudonimo'))}"
    life = _life(a)
    text = opening + (f" ({life})" if life else "")
    if ending := a.get("fineincipit"):
        return f"{text}{_glued(ending)}{_stop(a, ending)}"
    trade = _trade(a)
    if not trade:
        return text + _stop(a, text)
    died = bool(a.get("annomorte") or a.get("giornomesemorte") or a.get("luogomorte"))
    verb = "è" if not died else "è stata" if woman else "è stato"
    before = a.get("preattività") or f"{verb} {_article(trade, woman=woman)}".rstrip()
    after = _glued(a.get("postnazionalità"))
    space = "" if before.endswith(("'", "’")) else " "
    return f"{text} {before}{space}{trade}{after}{_stop(a, after or trade)}"


def _also(pseudonym: str, *, woman: bool) -> str:
    return pseudonym if pseudonym.startswith(("come ", "anche ", "con ")) else f"anche come {pseudonym}"


def _after_comma(text: str) -> str:
    return f", {text.lstrip(', ')}" if text else ""


def _stop(a: Arguments, before: str) -> str:
    goes_on = before.rstrip().endswith((".", ",", ";", ":")) or before.strip() in ("e", "ed")
    return "" if goes_on or a.get("punto").casefold() in ("no", "n") else "."


def _glued(text: str) -> str:
    return "" if not text else text if text[0] in ",.;:" else f" {text}"


def _life(a: Arguments) -> str:
    born = _event(a.get("luogonascitaalt") or a.get("luogonascita"), a.get("giornomesenascita"), a.get("annonascita"))
    died = _event(a.get("luogomortealt") or a.get("luogomorte"), a.get("giornomesemorte"), a.get("annomorte"))
    life = f"{born or '...'} – {died}" if died else born
    return "; ".join(part for part in (a.get("predata").rstrip(" ;,"), life) if part)


def _event(place: str, day: str, year: str) -> str:
    when = " ".join(part for part in (day, "..." if year in UNKNOWN else year) if part)
    return ", ".join(part for part in (place, when) if part)


def _trade(a: Arguments) -> str:
    trades = [trade for key in ("attività", "attività2", "attività3") if (trade := a.get(key))]
    other = a.get("attivitàaltre")
    if other or len(trades) < 2:
        text = ", ".join(trades)
    else:
        joined = "ed" if re.match(r"[\W_]*e", trades[-1], re.IGNORECASE) else "e"
        text = f"{', '.join(trades[:-1])} {joined} {trades[-1]}"
    text += _glued(other)
    if nation := a.get("nazionalità"):
        text += f" {nation}"
        if naturalised := a.get("nazionalitànaturalizzato"):
            text += f" naturalizzat{'a' if a.get('sesso').upper() == 'F' else 'o'} {naturalised}"
    return text.strip()


def _article(word: str, *, woman: bool) -> str:
    if woman:
        return "un'" if VOWEL.match(word) else "una "
    return "uno " if UNO.match(word) else "un "
