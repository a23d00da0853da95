"""Chemistry, music and other notation that is not text but reads as text."""

from __future__ import annotations

import re
from types import MappingProxyType

from filters.wikitext.behaviours.registry import Arguments, behaviour
from filters.wikitext.tags import SUBSCRIPTS, SUPERSCRIPTS

CHARGE = re.compile(r"\d*[-+−]")
IN_BRACKETS = re.compile(r"(?<=[\w)\]])\((\d*[-+−])\)|\^\{?(\d*[-+−•.]{0,2})\}?")
TRAILING_CHARGE = re.compile(r"(?<=[A-Za-z₀-₉)\]])([-+−])(?=$|[\s)\],;])")
AMOUNT = re.compile(r"(?<=[A-Za-z)\]])(\d+)")
ARROWS = (("<->", "↔"), ("<=>", "⇌"), ("->", "→"), ("*", "·"))
SIGNS = MappingProxyType(
    {
        "flat": "♭", "b": "♭", "sharp": "♯", "#": "♯", "natural": "♮", "n": "♮", "doubleflat": "𝄫", "bb": "𝄫",
        "doublesharp": "𝄪", "x": "𝄪", "##": "𝄪", "dim": "°", "halfdim": "ø", "aug": "+", "dominant": "", "fermata": "𝄐",
        "treble": "𝄞", "bass": "𝄢", "alto": "𝄡", "whole": "𝅝", "half": "𝅗𝅥", "quarter": "♩", "eighth": "♪",
    }
)  # fmt: skip


@behaviour("chem|chem/atom|fchim|formule chimique|quím|fquim|kem|chimica")
def formula(a: Arguments) -> str:
    """{{chem|SO|4|2-}}: "SO₄²⁻"."""
    return "".join(
        p.translate(SUBSCRIPTS) if p.isdigit() else p.translate(SUPERSCRIPTS) if CHARGE.fullmatch(p) else p
        for p in a.places
    )


@behaviour("chem2")
def whole_formula(a: Arguments) -> str:
    """{{chem2|SO4(2-)}}: "SO₄²⁻"; numbers before a formula stay."""
    text = a.at(1)
    for written, arrow in ARROWS:
        text = text.replace(written, arrow)
    text = IN_BRACKETS.sub(lambda charge: (charge[1] or charge[2] or "").translate(SUPERSCRIPTS), text)
    text = AMOUNT.sub(lambda amount: amount[1].translate(SUBSCRIPTS), text)
    return TRAILING_CHARGE.sub(lambda charge: charge[1].translate(SUPERSCRIPTS), text)


@behaviour("simplenuclide|simplenuclide2|simple nuclide|nuclide|nuclide2")
def nuclide(a: Arguments) -> str:
    """{{nuclide|uranium|235}}: "uranium-235"."""
    return "-".join(a.places[:2])


@behaviour("music|musik|música|musique|glasba")
def music(a: Arguments) -> str:
    """B{{music|flat}}: "B♭"; {{music|time|3|4}}: "3/4"."""
    if a.at(1).casefold() in ("time", "scale"):
        return "/".join(a.places[1:3])
    return "".join(SIGNS.get(place.casefold(), place) for place in a.given)


@behaviour("radic|sqrt|root")
def root(a: Arguments) -> str:
    """{{radic|2|3}}: "³√2"."""
    return f"{a.at(2).translate(SUPERSCRIPTS)}√{a.at(1)}" if a.at(1) else "√"


@behaviour("langle|bra-ket|braket")
def bracket(a: Arguments) -> str:
    """{{braket|ket|x}}: "|x⟩"."""
    return f"⟨{a.given[-1]}⟩" if a.given else "⟨"


@behaviour("ship")
def ship(a: Arguments) -> str:
    """{{ship|French ship|Orient}}: kind or prefix, name, and what tells ships of one name apart."""
    return " ".join(part for part in (a.at(1), a.at(2)) if part) + (f" ({a.at(3)})" if a.at(3) else "")


SHIPS = "uss|hms|ss|hmas|hmcs|ms|mv|sms|rms|ins|usns|uscgc|hmt|hmnzs|ort|tsmv|hswms|usat|usrc|hmis|hdms|mf|rv|mt|css"
FORMS = MappingProxyType({"1": (False, False, True), "2": (False, True, False), "3": (True, True, False)})


@behaviour(SHIPS)
def named_ship(a: Arguments) -> str:
    """{{USS|Enterprise|CVN-65}}: "USS Enterprise (CVN-65)"; a third argument says which parts are shown."""
    if not a.given:  # {{ms}} marks a language
        return ""
    prefix, name, mark = FORMS.get(a.at(3), (True, True, True))
    shown = " ".join(part for part in (a.name.upper() if prefix else "", a.at(1) if name else "") if part)
    return f"{shown} ({a.at(2)})".strip(" ") if mark and a.at(2) and shown else shown or a.at(2)


@behaviour("sclass|sclass2|sclass-")
def ship_class(a: Arguments) -> str:
    """{{sclass|Iowa|battleship}}: "Iowa-class battleship"."""
    return f"{a.at(1)}-class {a.at(2)}".strip() if a.at(1) else ""
