"""Wikipedia: pages to articles in readable text, in one pass; the URLs they cite leave as packed keys.

multistream XML by byte ranges ─ articles ─> documents, and (hash of cited URL or host) for the reference classifier
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from filters.wikitext import cleaner
from filters.wikitext.names import names_of
from pipelines import gaps
from pipelines.dedup.citations import citation_keys
from pipelines.document import Document, Drop
from pipelines.files import storage
from pipelines.files.runs import Keys
from pipelines.files.tables import columns
from pipelines.readers import mediawiki
from pipelines.recipes import Articles, Recipe, Wikipedia
from pipelines.stages.kinds import Context, Item, Map, Part
from pipelines.stages.source import Breakdown, Input, Shown, Source, one_item_per_file


def clean(page: Document, context: Context[Articles]) -> Document | Drop:
    """Drop what is no article, clean the wikitext."""
    language = page.language or ""
    if language not in context.recipe.languages:
        return page.drop("language_not_wanted")
    namespace, redirect = page.attributes["namespace"], page.attributes.get("redirect")
    if reason := cleaner.reason(namespace, redirect, page.text, language):
        return page.drop(reason)
    found = cleaner.cleaned(page.text, language)
    gaps.note(found.unknown, language, context.counts)
    return page.with_text(found.text) if found.text.strip() else page.drop("empty")


def cited_keys(page: Document, article: Document, context: Context[Articles]) -> Keys:
    """Return the keys of the URLs that a page cites (line 0) and of their hosts (line 1)."""
    return citation_keys(cleaner.cited_urls(page.text))


def items(inputs: Sequence[Input], recipe: Wikipedia) -> list[Item]:
    """Cut a multistream dump with its index beside it into byte ranges; any other dump is one item.

    A key names both ends of its range: the same start with another end (a new index, or `span_bytes`) is another item.
    ValueError for a language that is not one of the 20, or a damaged index.
    """
    found: list[Item] = []
    for dump in inputs:
        try:
            names_of(dict(dump.attributes)["language"])
        except ValueError as error:
            raise ValueError(f"--input wikipedia={dump.path}: {error}") from None
        index = dump.path.replace("-multistream.xml.bz2", "-multistream-index.txt.bz2")
        if index == dump.path or not storage.exists(index):
            found += one_item_per_file([dump])
            continue
        try:
            with storage.open_read(index) as stream:
                ranges = mediawiki.spans(stream, dump.size, recipe.span_bytes)
        except ValueError as error:
            raise ValueError(f"wikipedia: {index}: {error}") from None
        if not ranges:
            raise ValueError(f"wikipedia: {index}: the index is empty; remove it to read its dump as a whole")
        found += [
            Item(f"{dump.digest}-{start:012d}-{end:012d}", (Part(dump.path, dump.digest, dump.attributes, start, end),))
            for start, end in ranges
        ]
    return found


def attributes(name: str) -> dict[str, str]:
    """Return the language that a dump's name tells."""
    return {"language": mediawiki.language_of(name)}


def articles_part(recipe: Recipe) -> Articles:
    """Return what `articles` reads of a recipe."""
    return recipe.wikipedia.articles


COLUMNS = columns(namespace=pa.string())
ARTICLES = Map("articles", clean, articles_part, keys=cited_keys, columns=COLUMNS, version=5)

SOURCE = Source(
    name="wikipedia",
    read=mediawiki.read,
    look=mediawiki.look,
    stages=(ARTICLES,),
    attributes=attributes,
    attribute_names=("language",),
    items=items,
    title="Wikipedia",
    shown=Shown(
        breakdowns=(
            Breakdown("Languages", "language", "language"),
            Breakdown("Licences", "licence", "license"),
        ),
    ),
)
