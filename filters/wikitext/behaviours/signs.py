"""Templates that stand for characters or fixed words: dashes, spaces, signs, eras."""

from __future__ import annotations

from types import MappingProxyType

SIGNS = MappingProxyType(
    {
        "!": "|", "=": "=", "'": "'", "’": "’", "'s": "'s", "'\"": "'\"", "\"'": "\"'", "' \"": "'\"", "\" '": "\"'",
        "-'": "'", "·": " · ", "•": " • ", "dot": " · ", "middot": " · ", "bull": " • ", "snd": " – ", "spnd": " – ",
        "spaced ndash": " – ", "spaced en dash": " – ", "–": "–", "—": "—", "ndash": "–", "en dash": "–",
        "endash": "–", "mdash": "—", "mdashb": "—", "em dash": "—", "emdash": "—", "spaced mdash": " — ", "--": "—",
        "spaced em dash": " — ", "dash": " – ", "nbsp": " ", "space": " ", "spaces": " ", "thinsp": " ", "nnbsp": " ",
        "thin space": " ", "hair space": "", "hairsp": "", "wj": "", "zwj": "", "zwnj": "", "shy": "", "zwsp": "",
        "figure space": " ", "pipe": "|", "pi": "π", "...": "…", "ellipsis": "…", "eqm": "⇌", "tilde": "~", "min": "−",
        "minus": "−", "±": "±", "okina": "ʻ", "1/2": "1/2", "1/3": "1/3", "1/4": "1/4", "3/4": "3/4", "½": "½",
        "number sign": "#", "hash": "#", "asterisk": "*", "colon": ":", "semicolon": ";", "(": "{", ")": "}",
        "clear": "\n\n", "-": "\n\n", "absatz": "\n\n", "clr": "\n\n", "break": "\n\n", "br": "\n\n", "pb": "\n\n",
        "paragraph break": "\n\n", "col-break": "\n\n", "col-2": "\n\n", "col-3": "\n\n", "crlf": "\n\n",
        "av jc": "av. J.-C.", "av. j.-c.": "av. J.-C.", "ap jc": "apr. J.-C.", "apr. j.-c.": "apr. J.-C.",
        "n. chr.": "n. Chr.", "v. chr.": "v. Chr.", "до н. э.": "до н. э.", "н. э.": "н. э.", "до н. е.": "до н. е.",
        "н. е.": "н. е.", "a. c.": "a. C.", "d. c.": "d. C.", "ac": "a. C.", "dc": "d. C.", "bce": "BCE", "ce": "CE",
        "m s.l.m.": "m s.l.m.", "m s.n.m.": "m s. n. m.", "msnm": "m s. n. m.", "n. p. m.": "n.p.m.", "etc.": "etc.",
        "mslm": "m s.l.m.", "градус цельсія": "°C", "градус цельсия": "°C", "нар": "нар.",
    }
)  # fmt: skip
"""By name, without arguments."""

SIGNS_WITH_ARGUMENTS = frozenset(
    {
        *("spaces", "space", "nbsp", "clear", "clr", "-", "absatz", "br", "break", "pb", "col-break", "hair space"),
        *("thinsp", "·", "•", "dot", "etc.", "m s.l.m."),
    }
)
"""Those whose arguments say how many, or on which side; nothing of them is seen."""
