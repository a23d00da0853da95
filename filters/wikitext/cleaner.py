"""Wikitext to text that a person would want to read, the addresses it cites, and the reasons to drop a page.

wikitext -> `wikitext_tags` (comments, notes, literals) -> `wikitext_brackets` (links, templates, tables)
-> `wikitext_tags` (HTML) -> `wikitext_lines` (headings, lists, sections) -> text

Kept: the text of links, headings with text under them, lists, quotations, quantities and words that templates carry,
mathematics (its LaTeX source as it is) and code, prose and lists in layout tables. Removed, by the names of every
language: files, categories, links to other languages, notes and references, navigation, tables of data, the sections of
references and links. Every step is linear in the length of the page and bounded in depth.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from filters.broken import Broken
from filters.wikitext.brackets import Definitions, resolve
from filters.wikitext.citations import cited_urls
from filters.wikitext.lines import layout
from filters.wikitext.names import names_of
from filters.wikitext.tags import restore, strip_extensions, strip_html
from filters.wikitext.templates import Unknown

__all__ = ["Cleaned", "Definitions", "Reason", "Unknown", "cited_urls", "clean", "cleaned", "reason"]

BLANK_LINES = re.compile(r"\n{3,}")
_HEAD = 200  # characters in which a redirect's word and the brackets of its link begin; no title is longer


class Reason(StrEnum):
    """Why a page is no article of the corpus."""

    NAMESPACE = "namespace"
    REDIRECT = "redirect"
    EMPTY = "empty"


def clean(wikitext: str, language: str, definitions: Definitions | None = None) -> str:
    """Return the readable text of a page of the Wikipedia of `language`; ValueError if it is not one of the 20.

    `definitions` is what the dump says of its own templates, if it holds them.
    """
    return cleaned(wikitext, language, definitions).text


class Cleaned(NamedTuple):
    """A page's readable text, and the templates of it that nobody knows, each with its times."""

    text: str
    unknown: Mapping[Unknown, int]


def cleaned(wikitext: str, language: str, definitions: Definitions | None = None) -> Cleaned:
    """Return what `clean` returns, with the templates that neither the behaviours nor the dump's definitions know."""
    names = names_of(language)
    found = Counter[Unknown]()
    if "\r" in wikitext:
        wikitext = wikitext.replace("\r\n", "\n").replace("\r", "\n")
    text, literals = strip_extensions(wikitext)
    resolved = resolve(text, names, language, definitions, found)
    text = restore(layout(strip_html(resolved), names), literals)
    return Cleaned((BLANK_LINES.sub("\n\n", text) if "\n\n\n" in text else text).strip(), found)


def reason(namespace: str, redirect: str | None, text: str, language: str) -> Broken | None:
    """Return why a page is to be dropped, or None: by namespace, redirect, or because nothing is left.

    `namespace` is the export's number ("0" for articles), `redirect` the target of its `<redirect>` element, or None if
    it has none. `text` may be raw, where exports before version 0.4 show a redirect only by the word it begins with, or
    cleaned, where it may be empty. The detail is the number of the namespace, or where the redirect leads.
    """
    if namespace != "0":
        return Broken(Reason.NAMESPACE, detail=namespace)
    target = redirect or _target(text, language)  # an element may not name it
    if redirect is not None or target is not None:
        return Broken(Reason.REDIRECT, detail=target)
    return None if text.strip() else Broken(Reason.EMPTY)


def _target(text: str, language: str) -> str | None:
    """Return where a page leads that begins with the word of a redirect, None for another."""
    head = text[:_HEAD].lstrip()
    word = re.match(r"(#[^\s:\[]+)\s*:?\s*\[\[", head) if head.startswith("#") else None
    if word is None or word[1].casefold() not in names_of(language).redirect:
        return None
    return text[: 2 * _HEAD].lstrip()[word.end() :].partition("]]")[0].strip()
