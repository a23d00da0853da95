"""Which wiki a dump is of, as its own header says, beside the language that its name or an option gives.

siteinfo: <dbname>, else the host of <base>, else xml:lang ─> the same wiki, another one, or nothing certain

Exports made elsewhere have headers of other wikis; then the pages tell, which use their wiki's own words for files and
categories.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import BinaryIO, Final

from filters.wikitext.names import LANGUAGES, names_of
from pipelines.readers import mediawiki_blocks

SAMPLE_BYTES: Final = 1 << 20  # of a dump, decompressed, whose links are looked at
ENGLISH: Final = "en"
_SITE: Final = re.compile(r"<siteinfo>.*?(?:</siteinfo>|\Z)", re.DOTALL)
_DATABASE: Final = re.compile(r"<dbname>\s*([^<>\s]{1,100})\s*</dbname>")
_HOST: Final = re.compile(r"<base>\s*https?://([^<>\s/:]{1,200})")
_LANGUAGE: Final = re.compile(r"<mediawiki\b[^<>]{0,2000}\bxml:lang\s*=\s*[\"']([A-Za-z-]{1,40})[\"']")
_LINK: Final = re.compile(r"\[\[\s*([^\[\]|:\n]{1,60})\s*:")


@dataclass(frozen=True, slots=True)
class Header:
    """What the header of a dump says: the wiki's database or host, and its language; "" for what it does not say."""

    wiki: str
    language: str

    def fits(self, language: str) -> bool | None:
        """Tell whether it is that of the Wikipedia in this language; None if it cannot be told."""
        if self.wiki:
            return self.wiki in (f"{language}wiki", f"{language}.wikipedia.org", f"{language}.m.wikipedia.org")
        return True if self.language == language else None

    def __str__(self) -> str:
        """Return what it says, in words."""
        return self.wiki or (f"xml:lang={self.language}" if self.language else "nothing")


def header_of(dump: BinaryIO) -> Header:
    """Return what the header of a dump says; ValueError for an archive that cannot be read."""
    head = _beginning(dump, until="<page>").partition("<page>")[0]
    site = _SITE.search(head)
    wiki = site and (_DATABASE.search(site[0]) or _HOST.search(site[0]))
    language = _LANGUAGE.search(head)
    return Header(wiki[1].lower() if wiki else "", language[1].lower() if language else "")


def is_of(dump: BinaryIO, language: str, header: Header) -> bool:
    """Tell whether pages are of the wiki in a language, not in its header's: by own words for files and categories."""
    there = re.match("[a-z]+?(?=wiki|[.]|$)", header.wiki)
    others = {ENGLISH, there[0]} & set(LANGUAGES) if there else {ENGLISH}
    words = _words(language).difference(*map(_words, others))
    links = _LINK.findall(_beginning(dump))
    return any(" ".join(found.replace("_", " ").split()).casefold() in words for found in links)


def _words(language: str) -> frozenset[str]:
    names = names_of(language)
    return names.file | names.category


def _beginning(dump: BinaryIO, until: str | None = None) -> str:
    """Return what a dump begins with, up to `SAMPLE_BYTES` or to the block that holds something."""
    found = b""
    for block in mediawiki_blocks.blocks(dump):
        found += block.data
        if len(found) >= SAMPLE_BYTES or (until and until.encode() in found[-len(block.data) - len(until) :]):
            break
    return found.decode("utf-8", "replace")
