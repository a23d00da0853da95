"""The language and the direction of a sample, as a page says them to the browser that shows it."""

from __future__ import annotations

import re
from typing import Final

# Codes of wikis and of language identification that BCP 47 does not have, with those that it has.
_OTHER_NAMES: Final = {
    "als": "gsw", "bat-smg": "sgs", "be-x-old": "be-tarask", "cbk-zam": "cbk", "eml": "egl", "fiu-vro": "vro",
    "map-bms": "jv", "mo": "ro", "nrm": "nrf", "roa-rup": "rup", "roa-tara": "nap", "sh": "sh-Latn", "simple": "en",
    "zh-classical": "lzh", "zh-min-nan": "nan", "zh-yue": "yue",
}  # fmt: skip
_TAG: Final = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{2,8})*")
# Languages written from right to left, by their codes; Unicode's CLDR, scripts Arab, Hebr, Syrc, Thaa, Nkoo.
_RIGHT_TO_LEFT: Final = frozenset(
    {
        "ar",
        "arc",
        "ary",
        "arz",
        "azb",
        "bqi",
        "ckb",
        "dv",
        "fa",
        "glk",
        "he",
        "iw",
        "khw",
        "ks",
        "lrc",
        "mzn",
        "nqo",
        "pnb",
        "prs",
        "ps",
        "sd",
        "skr",
        "syr",
        "ug",
        "ur",
        "yi",
        "ji",
    }
)
_UNKNOWN: Final = frozenset({"und", "unk", "unknown", "mul", "zxx"})


def tag(language: str | None) -> str:
    """Return a language as HTML's `lang` says it; "" where it is not known, so that none is taken from the page."""
    found = (language or "").lower().replace("_", "-")
    found = _OTHER_NAMES.get(found, found)
    return found if _TAG.fullmatch(found.lower()) and found not in _UNKNOWN else ""


def direction(language: str | None) -> str:
    """Return HTML's `dir` of a text: "rtl" of a language written so, else "auto", by its first letter."""
    return "rtl" if tag(language).partition("-")[0] in _RIGHT_TO_LEFT else "auto"
