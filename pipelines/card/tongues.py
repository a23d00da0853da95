"""The language and the direction of a sample, as a page says them to the browser that shows it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final

# Codes of wikis that BCP 47 does not have, or has for another language, with its own.
_OTHER_NAMES: Final = {
    "als": "gsw", "bat-smg": "sgs", "be-x-old": "be-tarask", "cbk-zam": "cbk", "eml": "egl", "fiu-vro": "vro",
    "map-bms": "jv", "nrm": "nrf", "roa-rup": "rup", "roa-tara": "nap", "sh": "sh-Latn", "simple": "en",
    "zh-classical": "lzh", "zh-min-nan": "nan", "zh-yue": "yue",
}  # fmt: skip
_CODES: Final = Path(__file__).with_name("languages.txt")
# Behind a language: a script, a region, variants; other subtags say nothing of how a text is written or read.
_TAG: Final = re.compile(
    r"([a-z]{2,3})((?:-[a-z]{4})?(?:-(?:[a-z]{2}|[0-9]{3}))?(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*)"
)
_SCRIPT: Final = 4  # letters of its code
# Scripts written from right to left, and languages written in one of them; Unicode's CLDR.
_RIGHT_TO_LEFT: Final = """
    adlm arab aran hebr mand nkoo rohg samr syrc thaa
    ar arb arc ary arz azb bqi ckb dv fa glk he khw ks lrc mzn nqo pnb prs ps sd skr syr ug ur yi
"""


@cache
def codes() -> dict[str, str]:
    """Return the codes of languages that exist, each with the one that BCP 47 says for it."""
    lines = _CODES.read_text(encoding="utf-8").splitlines()
    words = (word.partition("=") for line in lines if not line.startswith("#") for word in line.split())
    return {code: own or code for code, _, own in words}


def tag(language: str | None) -> str:
    """Return a language as HTML's `lang` says it; "" where it is not one, so that none is taken from the page."""
    found = (language or "").lower().replace("_", "-")
    if found in _OTHER_NAMES:
        return _OTHER_NAMES[found]
    parts = _TAG.fullmatch(found)
    return f"{codes()[parts[1]]}{parts[2]}" if parts and parts[1] in codes() else ""


def direction(language: str | None) -> str:
    """Return HTML's `dir` of a text: "rtl" of a script or language written so, else "auto", by its first letter."""
    code, _, rest = tag(language).lower().partition("-")
    script = rest.partition("-")[0]
    return "rtl" if (script if len(script) == _SCRIPT else code) in _RIGHT_TO_LEFT.split() else "auto"
