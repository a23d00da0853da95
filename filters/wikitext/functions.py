"""The parser functions and variables that plain wikitext decides: letters, numbers, padding, plurals, names.

A function takes its arguments, expanded and without white space around them, and the page's wiki; it returns None for
what is not in the dump (the clock, other pages, Lua), which ends an expansion. Facts are MediaWiki 1.39's
(`CoreParserFunctions`, the extension ParserFunctions) and CLDR's (plurals).
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Final, Protocol
from urllib.parse import quote_plus

from filters.wikitext.function_names import FUNCTIONS as LOCAL
from filters.wikitext.names import Names

ERROR: Final = '<strong class="error">error</strong>'
"""What stands for a message of MediaWiki's about a mistake; texts with one are never used."""

_EXACT_DIGITS: Final = 15
MAX_PADDING: Final = 500
"""Characters to which padleft and padright pad, at most."""

_TAG: Final = re.compile(r"<(?:strong|span|p|div)\s([^<>]*)>")
_CLASS: Final = re.compile(r'(?:^|\s)class="([^"]*)"')
_BLANKS: Final = " \t\n\r\0\x0b"
_NUMERIC: Final = re.compile(r"[ \t\n\r\v\f]*[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?[ \t\n\r\v\f]*")
_NUMBER: Final = re.compile(r"(-(?=[0-9.]))?([0-9]+|(?=\.[0-9]))(\.[0-9]*)?([Ee][-+]?[0-9]+)?")


class Wiki(Protocol):
    """The wiki that a page is of, and the page."""

    @property
    def language(self) -> str:
        """The language of the wiki."""
        ...

    @property
    def names(self) -> Names:
        """What the wiki calls things."""
        ...

    @property
    def title(self) -> str:
        """The title of the page, "" if it is not known."""
        ...


Function = Callable[[Sequence[str], Wiki], str | None]


def trim(text: str) -> str:
    """Return a text without white space around it, as PHP has it."""
    return text.strip(_BLANKS)


def has_error(text: str) -> bool:
    """Tell whether a text holds a message about a mistake."""
    if "error" not in text:
        return False
    return any("error" in found[1].split() for tag in _TAG.finditer(text) for found in _CLASS.finditer(tag[1]))


def is_numeric(text: str) -> bool:
    """Tell whether PHP takes a text for a number."""
    return _NUMERIC.fullmatch(text) is not None


def equal(left: str, right: str) -> bool:
    """Tell whether two texts are the same, or both numbers of the same value."""
    if left == right:
        return True
    if not (left and right and left[0] in "0123456789.+- \t\n\r" and is_numeric(left) and is_numeric(right)):
        return False
    return float(left) == float(right)


def decoded(text: str) -> str:
    """Return a text with character references decoded, as it is compared."""
    return html.unescape(text) if "&" in text else text


def folded(name: str) -> str:
    """Return the name of a function as names are compared."""
    return name.replace("_", " ").casefold()


def named(name: str, language: str) -> str | None:
    """Return the English name of a function that a wiki calls so, in lower case; None if it is none."""
    name = folded(name)
    local = LOCAL.get(language, {})
    name = f"#{local.get(name[1:], name[1:])}" if name.startswith("#") and name not in local else local.get(name, name)
    return name if name in _EVERY else None


def is_default(text: str, language: str) -> bool:
    """Tell whether a case of #switch is that of all others."""
    name = folded(text)
    return LOCAL.get(language, {}).get(name, name) == "#default"


def template_name(written: str, names: Names) -> str | None:
    """Return the name of the template that a call names, its first letter a capital; None for another kind of page."""
    name = " ".join(written.replace("_", " ").split())
    prefix, colon, rest = name.partition(":")
    if colon:
        prefix = prefix.strip().casefold()
        if not prefix:  # a page of the main namespace
            return None
        if prefix in TEMPLATE_NAMESPACES:
            name = rest.strip()
        elif prefix in names.other or prefix in names.file or prefix in names.category:
            return None
    if not name or any(character in name for character in "<>[]{}|#\n"):
        return None
    return name[:1].upper() + name[1:]


TEMPLATE_NAMESPACES: Final = frozenset(
    {"template", "шаблон", "plantilla", "šablona", "skabelon", "vorlage", "modèle", "predložak", "sablon", "sjabloon"}
    | {"szablon", "predefinição", "format", "predloga", "mall"}
)
"""The namespace of templates in the 20 languages (MediaWiki's `NS_TEMPLATE`; Italian and English share a name)."""


# --- variables -------------------------------------------------------------------------------------------------------

_VARIABLES: Final[Mapping[str, Callable[[Wiki], str | None]]] = {
    "!": lambda wiki: "|",
    "=": lambda wiki: "=",
    "pagename": lambda wiki: wiki.title or None,
    "fullpagename": lambda wiki: wiki.title or None,
    "subpagename": lambda wiki: wiki.title or None,
    "basepagename": lambda wiki: wiki.title or None,
    "namespace": lambda wiki: "",
    "namespacenumber": lambda wiki: "0",
    "articlespace": lambda wiki: "",
    "subjectspace": lambda wiki: "",
    "contentlanguage": lambda wiki: wiki.language,
    "contentlang": lambda wiki: wiki.language,
    "sitename": lambda wiki: "Wikipedia",
}


def variable(written: str, wiki: Wiki) -> str | None:
    """Return the value of a variable ({{PAGENAME}}), None for what is none or is not known."""
    name = folded(written)
    if written.upper() != written and name not in ("!", "="):
        return None
    name = LOCAL.get(wiki.language, {}).get(name, name)
    value = _VARIABLES.get(name)
    return value(wiki) if value else None


# --- functions -------------------------------------------------------------------------------------------------------


def _at(values: Sequence[str], place: int) -> str:
    return values[place] if place < len(values) else ""


def _first_letter(change: Callable[[str], str]) -> Function:
    return lambda values, wiki: change(values[0][:1]) + values[0][1:]


def _padded(values: Sequence[str], *, left: bool) -> str:
    text, wanted, filling = values[0], _at(values, 1), _at(values, 2) if len(values) > 2 else "0"
    length = min(int(wanted), MAX_PADDING) if wanted.isdecimal() and len(wanted) < 9 else 0
    missing = length - len(text)
    if missing <= 0 or not filling:
        return text
    padding = (filling * (missing // len(filling) + 1))[:missing]
    return padding + text if left else text + padding


def _formatnum(values: Sequence[str], wiki: Wiki) -> str:
    how = LOCAL.get(wiki.language, {}).get(folded(_at(values, 1)), folded(_at(values, 1)))
    if how == "r":
        return _read_number(values[0], wiki.names)
    if how == "nosep":
        return _NUMBER.sub(lambda found: found[0].replace("-", "−", 1) if found[1] else found[0], values[0])
    return _NUMBER.sub(lambda found: _shown_number(found[0], wiki.names), values[0])


def _read_number(text: str, names: Names) -> str:
    return text.replace(names.group.replace(" ", "\u00a0"), "").replace(names.decimal, ".").replace("−", "-")


def _shown_number(number: str, names: Names) -> str:
    """Return a number with its thousands apart; what a 64-bit float does not hold is shown as PHP rounds it."""
    if "e" in number.lower() and names.grouped_from > 4:
        return number
    if len(number) > _EXACT_DIGITS or "e" in number.lower():
        number = format(Decimal(repr(float(number))), "f").removesuffix(".0")
    sign, number = ("−", number[1:]) if number.startswith("-") else ("", number)
    digits, point, rest = number.partition(".")
    if len(digits) >= names.grouped_from:
        head = len(digits) % 3
        groups = ([digits[:head]] if head else []) + [digits[at : at + 3] for at in range(head, len(digits), 3)]
        digits = names.group.replace(" ", "\u00a0").join(groups)
    return sign + digits + (names.decimal + rest if point else "")


def _plural(values: Sequence[str], wiki: Wiki) -> str:
    forms = [form for form in values[1:] if "=" not in form]
    number = _read_number(values[0], wiki.names)
    for form in values[1:]:
        exact, equals, text = form.partition("=")
        if equals and exact == number:
            return text
    if not forms or not is_numeric(number):
        return forms[-1] if forms else ""
    return forms[min(_PLURALS.get(wiki.language, _one)(abs(float(number))), len(forms) - 1)]


def _one(number: float) -> int:
    return int(number != 1)


def _up_to_one(number: float) -> int:
    return int(number >= 2)


def _slavic(number: float) -> int:
    """Russian and Ukrainian: 1, 21; 2 to 4, 22 to 24; all other whole numbers; fractions."""
    if number % 1:
        return 3
    if number % 10 == 1 and number % 100 != 11:
        return 0
    return 1 if 2 <= number % 10 <= 4 and not 12 <= number % 100 <= 14 else 2


def _polish(number: float) -> int:
    if number == 1:
        return 0
    if number % 1:
        return 3
    return 1 if 2 <= number % 10 <= 4 and not 12 <= number % 100 <= 14 else 2


def _czech(number: float) -> int:
    return 0 if number == 1 else 1 if number in (2, 3, 4) else 2 if number % 1 else 3


def _slovenian(number: float) -> int:
    return {1: 0, 2: 1, 3: 2, 4: 2}.get(int(number % 100), 3) if not number % 1 else 2


def _romanian(number: float) -> int:
    if number == 1:
        return 0
    return 1 if number % 1 or number == 0 or 1 <= number % 100 <= 19 else 2


_PLURALS: Final[Mapping[str, Callable[[float], int]]] = {
    "fr": _up_to_one,
    "pt": lambda number: int(number not in (0, 1)),
    "ru": _slavic,
    "uk": _slavic,
    "sr": _slavic,
    "hr": _slavic,
    "pl": _polish,
    "cs": _czech,
    "sl": _slovenian,
    "ro": _romanian,
}


def _tag(values: Sequence[str], wiki: Wiki) -> str | None:
    return "" if values[0].casefold() in ("ref", "references", "templatestyles", "indicator") else None


def _unknown(values: Sequence[str], wiki: Wiki) -> None:
    return None


FUNCTIONS: Final[Mapping[str, Function]] = MappingProxyType(
    {
        "lc": lambda values, wiki: values[0].lower(),
        "uc": lambda values, wiki: values[0].upper(),
        "lcfirst": _first_letter(str.lower),
        "ucfirst": _first_letter(str.upper),
        "formatnum": _formatnum,
        "padleft": lambda values, wiki: _padded(values, left=True),
        "padright": lambda values, wiki: _padded(values, left=False),
        "plural": _plural,
        "urlencode": lambda values, wiki: quote_plus(values[0]) if len(values) == 1 else None,
        "#tag": _tag,
        **dict.fromkeys(("defaultsort", "displaytitle"), lambda values, wiki: ""),
        # What it takes to know is not in a dump, or not in its wikitext.
        **dict.fromkeys(
            ("grammar", "gender", "ns", "nse", "anchorencode", "fullurl", "localurl", "filepath"), _unknown
        ),
        **dict.fromkeys(("int", "msg", "msgnw", "raw", "subst", "#invoke", "#property", "#statements"), _unknown),
        **dict.fromkeys(("#ifexist", "#time", "#timel", "#titleparts", "#language", "#lst", "#section"), _unknown),
        **dict.fromkeys(("#len", "#pos", "#rpos", "#sub", "#count", "#replace", "#explode", "#rel2abs"), _unknown),
        **dict.fromkeys(
            ("pagename", "fullpagename", "namespace", "namespacenumber", "#special", "#coordinates"), _unknown
        ),
    }
)
_EVERY: Final = frozenset({*FUNCTIONS, "#if", "#ifeq", "#iferror", "#ifexpr", "#expr", "#switch"})
