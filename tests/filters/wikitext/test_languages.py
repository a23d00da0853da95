"""Each of the 20 languages by an article of our own: its files, categories, redirects, headings, number templates."""

from __future__ import annotations

import bz2
import io
from collections import Counter

import pytest

from filters.wikitext.cleaner import cited_urls, clean, reason
from filters.wikitext.names import LANGUAGES, NAMES
from pipelines.document import Document
from pipelines.readers import Dump
from pipelines.readers.mediawiki import language_of, read
from tests.filters.wikitext.wikipedia_articles import ARTICLES, Article


def test_every_language_has_its_article() -> None:
    assert [article.language for article in ARTICLES] == sorted(LANGUAGES) == sorted(NAMES)


@pytest.mark.parametrize("article", ARTICLES, ids=lambda article: article.language)
def test_an_article_reads_as_a_person_would_want_it(article: Article) -> None:
    text = clean(article.wikitext(), article.language)
    assert text.replace("\xa0", " ") == article.text()
    assert clean(text, article.language) == text
    assert cited_urls(article.wikitext()) == ["https://herd.example/a"]


@pytest.mark.parametrize("article", ARTICLES, ids=lambda article: article.language)
def test_a_dump_without_namespaces_and_redirect_elements(article: Article) -> None:
    """Exports of version 0.3 have neither <ns> nor <redirect>: the language's own names are all there is."""
    pages = {
        "Alpaca": article.wikitext(),
        "Alpaka": f"{article.redirect} [[Alpaca]]",
        f"{article.category}:Camelidae": article.wikitext(),
        f"{article.file}:Alpaca.jpg": article.wikitext(),
    }
    rows = "".join(
        f"<page><title>{title}</title><id>{number}</id><revision><id>9</id><text>"
        f"{text.replace('<', '&lt;')}</text></revision></page>\n"
        for number, (title, text) in enumerate(pages.items(), 1)
    )
    dump = bz2.compress(f'<mediawiki version="0.3" xml:lang="en">{rows}</mediawiki>'.encode())
    language = language_of(f"{article.language}wiki-20220801-pages-articles.xml.bz2")
    found = list(read(io.BytesIO(dump), Dump("x", "d", {"language": language}), Counter()))
    assert all(isinstance(page, Document) for page in found)
    reasons = [
        reason(page.attributes["namespace"], page.attributes.get("redirect"), page.text, language)
        for page in found
        if isinstance(page, Document)
    ]
    assert [found and str(found) for found in reasons] == [None, "redirect", "namespace", "namespace"]


def test_the_headings_that_always_leave_and_those_that_may_are_not_the_same() -> None:
    for language, names in NAMES.items():
        assert not names.sections & names.ambiguous_sections, language
