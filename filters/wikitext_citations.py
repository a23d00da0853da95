"""The web pages that a Wikipedia page cites: the positives of a classifier for pages worth citing.

Looked at: what stands inside `<ref>`, and the addresses that citation templates name anywhere. An archived copy counts
as the page it is a copy of. Links in prose, boxes and sections of links are no citations.
"""

from __future__ import annotations

import re

from filters.wikitext_tags import decode_entities

COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
NOTE = re.compile(r"<ref(?:\s[^<>]*)?>", re.IGNORECASE)
NOTE_END = re.compile(r"</ref\s*>", re.IGNORECASE)
CITATION = re.compile(
    r"\{\{\s*(?:cite|citation|citeweb|cita|citar|citat|citace|citácia|citazione|citiranje|cytuj|cytuj_stronę|citeren|"
    r"citer|lien web|lien brisé|ouvrage|article|chapitre|internetquelle|literatur|webarchiv|webref|web kilde|kilde|"
    r"webbref|bokref|tidningsref|tidskriftsref|navedi|наведи|книга|статья|публикация|цитат|cite web|cit web|"
    r"опубл|forrás|web|ref-web|ref-notícia|ref-llibre|ref-publicació|navedi splet|citat web)"
    r"(?=[\s|_\-])",
    re.IGNORECASE,
)
URL = re.compile(r"https?://[^\s|\[\]{}<>\"\x00-\x1f]+", re.IGNORECASE)
ARCHIVES = re.compile(
    r"https?://(?:web\.archive\.org/(?:web/)?\d{4,14}[a-z_*]*/|(?:www\.)?webcitation\.org/\w+\?url="
    r"|archive\.(?:is|today|ph|li)/"
    r"(?:\d{4,14}[\d.-]*)/)(?=https?:|www\.)",
    re.IGNORECASE,
)
OPAQUE_ARCHIVE = re.compile(
    r"https?://(?:web\.archive\.org|(?:www\.)?webcitation\.org|archive\.(?:is|today|ph|li|fo|md))(?:/|\Z)",
    re.IGNORECASE,
)
TRAILING = ".,;:!?'\\"


def cited_urls(wikitext: str) -> list[str]:
    """Return the addresses that a page cites, each once, in the order of their first citation."""
    text = COMMENT.sub("", wikitext)
    found: dict[str, None] = {}
    for start, end in _citations(text):
        for match in URL.finditer(text, start, end):
            if url := _address(match[0]):
                found[url] = None
    return list(found)


def _citations(text: str) -> list[tuple[int, int]]:
    """Return where citations stand: notes, and citation templates outside them."""
    notes = _enclosed(text, NOTE, NOTE_END)
    templates = _enclosed(text, CITATION, re.compile(r"\}\}"))
    return sorted(notes + templates)


def _enclosed(text: str, opening: re.Pattern[str], closing: re.Pattern[str]) -> list[tuple[int, int]]:
    spans, position = [], 0
    while match := opening.search(text, position):
        position = match.end()
        if match[0].endswith("/>"):
            continue
        end = closing.search(text, position)
        if end is None:
            break
        spans.append((position, end.start()))
        position = end.end()
    return spans


def _address(url: str) -> str:
    """Return the address without the stops of its sentence, of an archived copy the original; "" if it has no host."""
    url = decode_entities(url.partition("''")[0])
    if archive := ARCHIVES.match(url):
        url = url[archive.end() :]
        url = url if url.lower().startswith("http") else f"http://{url}"
    elif OPAQUE_ARCHIVE.match(url):
        return ""
    url = url.rstrip(TRAILING)
    if url.endswith(")") and "(" not in url:
        url = url[:-1].rstrip(TRAILING)
    return url if re.match(r"https?://[\w-]+(?:\.[\w-]+)+", url, re.IGNORECASE) else ""
