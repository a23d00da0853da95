"""Amounts of money: the sign of a currency before or after the number, as the language has it."""

from __future__ import annotations

import re
from types import MappingProxyType

from filters.wikitext.behaviours.numbers import format_number
from filters.wikitext.behaviours.registry import Arguments, behaviour

SIGNS = MappingProxyType(
    {
        "us$": "US$", "usd": "US$", "a$": "A$", "aud": "A$", "au$": "A$", "c$": "C$", "cad": "C$", "ca$": "C$",
        "nz$": "NZ$", "nzd": "NZ$", "£": "£", "gbp": "£", "€": "€", "eur": "€", "euro": "€", "inr": "₹",
        "indian rupee": "₹", "₹": "₹", "¥": "¥", "jpy": "¥", "cny": "CN¥", "rmb": "CN¥", "chf": "CHF ", "sek": "SEK ",
        "nok": "NOK ", "dkk": "DKK ", "pln": "PLN ", "huf": "HUF ", "czk": "CZK ", "rub": "RUB ", "krw": "₩", "₩": "₩",
        "hk$": "HK$", "hkd": "HK$", "s$": "S$", "sgd": "S$", "r$": "R$", "brl": "R$", "mxn": "MX$", "zar": "R ",
        "ils": "₪", "php": "₱", "uah": "₴", "try": "₺", "ngn": "₦", "thb": "฿", "vnd": "₫", "nt$": "NT$", "twd": "NT$",
        "dem": "DM ", "ats": "ATS ", "frf": "₣", "itl": "₤", "ars": "AR$", "clp": "CLP$", "cop": "COL$",
    }
)  # fmt: skip
"""The sign of each template that is named by a currency; codes are ISO 4217's."""

PLAIN = MappingProxyType({"USD": "$", "US$": "$"})
"""{{currency|5|USD}} leaves the country out."""

AMOUNT = re.compile(r"([\d.,]+)(\D.*)?", re.DOTALL)


@behaviour("|".join(SIGNS))
def currency_named(a: Arguments) -> str:
    """{{US$|1500}}: "US$1,500"; in other languages "1.500 US$"."""
    return _with_sign(a.at(1), SIGNS[a.name], a)


@behaviour("currency")
def currency(a: Arguments) -> str:
    """{{currency|13 billion|USD}}: "$13 billion"."""
    code = (a.at(2) or a.get("code", "currency") or "USD").upper()
    return _with_sign(a.at(1) or a.get("amount"), PLAIN.get(code) or SIGNS.get(code.casefold(), f"{code} "), a)


def _with_sign(amount: str, sign: str, a: Arguments) -> str:
    parts = AMOUNT.fullmatch(amount)
    shown = format_number(parts[1], a.names) + (parts[2] or "") if parts else amount
    return f"{sign}{shown}" if a.language == "en" else f"{shown} {sign.strip()}"
