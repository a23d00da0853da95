"""What stands on lines of its own: quotations, lists, columns and drawers that hold lists."""

from __future__ import annotations

import re
from types import MappingProxyType

from filters.wikitext.behaviours.registry import Arguments, behaviour, first, gone

QUOTES = MappingProxyType(
    {
        "de": "„“", "fr": "«»", "es": "«»", "ca": "«»", "it": "«»", "ru": "«»", "uk": "«»", "pl": "„”", "cs": "„“",
        "bg": "„“", "hr": "„”", "sl": "„“", "sr": "„”", "hu": "„”", "ro": "„”", "sv": "””", "da": "»«", "nl": "“”",
        "pt": "“”",
    }
)  # fmt: skip
"""The quotation marks of each language; English's where none are named."""

QUOTATION_FIELDS = ("text", "quote", "quotation", "texte", "texto", "tekst", "testo", "szöveg", "текст", "content", "1")
TRANSLATION_FIELDS = ("übersetzung", "translation", "traduction", "traducción", "tradução", "traducció", "перевод")

WIDTH = re.compile(r"(?:\d{1,4}(?:[.,]\d{1,4})?[ ]?(?:r?em|px|pt|ex|%|))", re.IGNORECASE)
"""How many columns there are, or how wide they are."""


@behaviour(
    "quote|blockquote|block quote|cquote|bquote|quotation|long quotation|poemquote|poem quote|zitat|zitat-en|zitat-la|"
    "zitat-fr|zitat-es|zitat-it|cita|cita textual|cita larga|cita destacada|citació|citation bloc|citation étrangère|"
    "début citation bloc|citat|citát|cytat|cytatd|citazione|citaat|citação|idézet|цитата|цитат|citira|ordspråk|"
    "cita llarga|bloc citat|vers|verse|poème|quote2|rquote|quote box|centered pull quote"
)
def quotation(a: Arguments) -> str:
    """{{quote|Nothing is certain.|Author}}: a paragraph; another for what the wiki sets beside it in another language.

    That is a translation (de {{Zitat-en|...|Übersetzung=...}}) or the original (it {{Quote|...|Author|...|lingua=en}}).
    """
    text = a.get(*QUOTATION_FIELDS) or a.at(1)
    beside = a.get(*TRANSLATION_FIELDS) or (a.at(3) if a.language == "it" and a.get("lingua") else "")
    return "\n\n" + "\n\n".join(part for part in (text, beside) if part) + "\n\n" if text else ""


@behaviour('"|quoted|inline quote|guil|«|citation étrangère en ligne|q', fr="citation|citation en ligne")
def quoted(a: Arguments) -> str:
    """{{"|Es liegt am Tage}}: words in the language's quotation marks."""
    marks = QUOTES.get(a.language, "“”")
    space = " " if a.language == "fr" else ""
    text = a.get("text", "texte") or a.at(1)
    return f"{marks[0]}{space}{text}{space}{marks[1]}" if text else ""


@behaviour(it="cita")
def reference_text(a: Arguments) -> str:
    """it {{Cita|Rossi2005|p. 220|Rossi e Neri 2005}}: the words that stand for a work, or nothing."""
    return a.at(3)


behaviour(en="cita|citat|cita larga")(gone)


@behaviour("ubl|ublist|unbulleted list|vunblist|bulleted list|blist|bullet list|ordered list|numbered list")
def bullets(a: Arguments) -> str:
    """{{ubl|one|two}}: a list, one item a line."""
    return "".join(f"\n* {place}" for place in a.given) + "\n"


@behaviour("hlist|comma separated entries|cslist|cs-list|pagelist")
def commas(a: Arguments) -> str:
    """{{hlist|one|two}}: items in one line."""
    return ", ".join(a.given)


@behaviour("plainlist|plain list|flatlist|flat list|div col|columns|col-list|oszloplista")
def columns(a: Arguments) -> str:
    """{{div col|2}} before a list, {{plainlist|* A}} around one: the list alone, not how many or how wide they are."""
    text = first(a)
    return "" if WIDTH.fullmatch(text) else text


@behaviour(
    "hidden|collapsible list|multicol|columnas|colonnes|collapse|cassetto|kolumny|колонки|columnes|lista desplegable|"
    "mehrspaltige liste|"
    "boîte déroulante|llista desplegable|hopfällbar lista|skrčljivi seznam|liste déroulante|oculto|скрытый"
)
def drawer(a: Arguments) -> str:
    """{{hidden|Members|* A}}, {{colonnes|taille=20|* A}}: what a drawer or columns hold, with the heading if any."""
    held = [place for place in a.given if "\n" in place or place.startswith(("*", "#"))]
    held += [value for value in a.named.values() if value.startswith(("*", "#"))]
    if not held:
        return ""
    heading = a.get("titolo", "title", "titre", "título") or next((p for p in a.given if p not in held), "")
    heading = "" if WIDTH.fullmatch(heading) else heading
    return "\n\n" + "\n\n".join(part for part in (heading, *held) if part) + "\n\n"
