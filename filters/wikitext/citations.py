"""The web pages that a Wikipedia page cites: the positives of a classifier for pages worth citing.

Looked at: what stands inside `<ref>`, and the addresses that citation templates name anywhere. An archived copy counts
as the page it is a copy of. Links in prose, boxes and sections of links are no citations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from filters.wikitext.tags import decode_entities

COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
NOTE = re.compile(r"<ref(?:\s[^<>]*)?>", re.IGNORECASE)
NOTE_END = re.compile(r"</ref\s*>", re.IGNORECASE)
# The first word of each family, over the 20 languages: "cite web", "cita libro", "citace monografie", "наведи веб" ...
_FAMILIES = (
    "cite|citation|citeweb|cit|cita|citar|citat|citace|citácia|citazione|citiranje|citer|citeer|citeren|citweb|citlib|"
    "citper|cytuj|vcite|vancite|lien|ouvrage|article|chapitre|écrit|périodique|internetquelle|literatur|webarchiv|"
    r"webarchive|webref|web|kilde|webbref|bokref|tidningsref|tidskriftsref|navedi|forrás|ref-[^\W_]+|наведи|цитат|книга|"
    "статья|стаття|публикация|публікація|опубл|#tag:ref|refn"
)
CITATION = re.compile(rf"\{{\{{\s*(?:{_FAMILIES})(?=[\s|_\-])", re.IGNORECASE)
BRACES = re.compile(r"\{\{|\}\}")
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
    return sorted([*_notes(text), *_templates(text)])


def _notes(text: str) -> Iterator[tuple[int, int]]:
    position = 0
    while match := NOTE.search(text, position):
        position = match.end()
        if match[0].endswith("/>"):
            continue
        end = NOTE_END.search(text, position)
        if end is None:
            break
        yield position, end.start()
        position = end.end()


def _templates(text: str) -> Iterator[tuple[int, int]]:
    """Yield each citation template up to its own end, whatever stands in its fields; unclosed ones are none."""
    openings: list[int] = []
    spans = []
    citations = {match.start(): match.end() for match in CITATION.finditer(text)}
    for brace in BRACES.finditer(text):
        if brace[0] == "{{":
            openings.append(citations.get(brace.start(), -1))
        elif openings and (start := openings.pop()) >= 0:
            spans.append((start, brace.start()))
    last = -1
    for start, end in sorted(spans):
        if start > last:  # else within the one before
            yield start, end
            last = end


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
