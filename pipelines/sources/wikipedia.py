"""Wikipedia: one revision of each page, as readable text; the URLs that articles cite leave as packed keys.

multistream XML by byte ranges ─ pages ─> staged wikitext, (wiki and page id, newest first) ─ revisions (decide) ─┐
┌─────────────────────────────────────────────────────────────────────────────────────────────────────────────────┘
├ the pages of templates ─> a model for each language (`pipelines.models.templates`) ─┐
└ articles <──────────────────────────────────────────────────────────────────────────┘
    └─> documents, and (hash of cited URL or host) for the reference classifier

A page is in several dumps where two dates of a wiki are given, or a dump both whole and as multistream.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from filters.wikitext import cleaner
from filters.wikitext.cleaner import Reason
from filters.wikitext.definitions import FILE, Definitions
from filters.wikitext.names import names_of
from pipelines import gaps, timestamps
from pipelines.dedup import exact, ranks
from pipelines.dedup.citations import citation_keys
from pipelines.document import Document, Drop
from pipelines.files import storage
from pipelines.files.runs import Keys, Lines
from pipelines.files.tables import columns
from pipelines.hashing import keyed
from pipelines.models import templates
from pipelines.readers import mediawiki, mediawiki_header, mediawiki_index
from pipelines.recipes import Articles, Recipe, Wikipedia
from pipelines.stages.kinds import Context, Decide, Item, Map, Part, Stage
from pipelines.stages.source import Breakdown, Input, Shown, Source, one_item_per_file
from pipelines.stages.steps import dropped

ARTICLE, TEMPLATE = "0", templates.NAMESPACE
OLDER_REVISION = "older_revision"
_SECONDS_BITS = 40  # of a revision's age, more than any timestamp takes


def wanted(page: Document, context: Context[Articles]) -> Document | Drop:
    """Keep the pages of articles and templates, redirects among them: the newest revision of an article may be one."""
    language, namespace = page.language or "", page.attributes["namespace"]
    if language not in context.recipe.languages:
        return page.drop("language_not_wanted", detail=language)
    if namespace != ARTICLE and not (namespace == TEMPLATE and context.recipe.templates):
        return page.drop(Reason.NAMESPACE, detail=namespace)
    target = page.attributes.get("redirect")
    if target is None:
        return page
    # As a redirect's own text says it in any wiki, so that no column is needed for it.
    return replace(page, text=f"#REDIRECT [[{target}]]", attributes={"namespace": namespace})


def page_key(raw: Document, page: Document, context: Context[Articles]) -> Keys:
    """Return the key of a page in its wiki, the newest revision first; of equal ones a hash of the id decides."""
    number = page.id.rpartition("/")[2]
    rank = ranks.packed([(_age(page), _SECONDS_BITS)], keyed("wikipedia_revision", page.id))
    return (
        np.array([keyed("wikipedia_page", f"{page.language}/{number}")], np.uint64),
        np.array([rank], np.uint64),
        None,
    )


def _age(page: Document) -> int:
    """Return how old a revision is, in seconds before the last that is counted; one without a time is the oldest."""
    found = timestamps.parse(page.timestamp) if page.timestamp else None
    return (1 << _SECONDS_BITS) - 1 - (int(found.at.timestamp()) if found else 0)


def article(page: Document, removed: Lines, context: Context[Articles]) -> Document | Drop:
    """Drop older revisions and what is no article, clean the wikitext of the others."""
    return page.drop(OLDER_REVISION) if len(removed) else clean(page, context)


def clean(page: Document, context: Context[Articles]) -> Document | Drop:
    """Drop what is no article, clean the wikitext."""
    language = page.language or ""
    namespace, redirect = page.attributes["namespace"], page.attributes.get("redirect")
    if reason := cleaner.reason(namespace, redirect, page.text, language):
        return dropped(page, reason)
    found = cleaner.cleaned(page.text, language, _definitions_of(language, context))
    gaps.note(found.unknown, language, context.counts)
    return page.with_text(found.text) if found.text.strip() else page.drop("empty")


def _definitions_of(language: str, context: Context[Articles]) -> Definitions | None:
    folder = context.models.get(templates.NAME)
    if folder is None:
        return None
    path = Path(folder, language, FILE)
    try:
        found = path.stat()
    except FileNotFoundError:  # a wiki whose dump has no templates
        return None
    return _definitions(path, language, (found.st_ino, found.st_size, found.st_mtime_ns))


@lru_cache(maxsize=64)
def _definitions(path: Path, language: str, version: tuple[int, ...]) -> Definitions:
    """Return the definitions of a file; another `version` of it, made later in its place, is read anew."""
    return Definitions(path, language)


def cited_keys(page: Document, article: Document, context: Context[Articles]) -> Keys:
    """Return the keys of the URLs that a page cites (line 0) and of their hosts (line 1)."""
    return citation_keys(cleaner.cited_urls(page.text))


def items(inputs: Sequence[Input], recipe: Wikipedia) -> list[Item]:
    """Cut a multistream dump with its index beside it into byte ranges; any other dump is one item.

    A key names both ends of its range: the same start with another end (a new index, or `span_bytes`) is another item.
    ValueError for a language that is not one of the 20, a dump of another wiki, an index that is damaged or another's.
    """
    found: list[Item] = []
    for dump in inputs:
        language = dict(dump.attributes)["language"]
        try:
            names_of(language)
            if recipe.check_header:
                _refuse_another_wiki(dump, language)
        except ValueError as error:
            raise ValueError(f"--input wikipedia={dump.path}: {error}") from None
        index = dump.path.replace("-multistream.xml.bz2", "-multistream-index.txt.bz2")
        if index == dump.path or not storage.exists(index):
            found += one_item_per_file([dump])
            continue
        found += [
            Item(f"{dump.digest}-{start:012d}-{end:012d}", (Part(dump.path, dump.digest, dump.attributes, start, end),))
            for start, end in _spans(dump, index, recipe.span_bytes)
        ]
    return found


def _spans(dump: Input, index: str, span_bytes: int) -> list[tuple[int, int]]:
    try:
        with storage.open_read(index) as stream:
            read = mediawiki_index.read(stream, dump.size)
        if not read.offsets:
            raise ValueError("the index is empty; remove it to read its dump as a whole")
        with storage.open_read(dump.path) as stream:
            read.check(stream)
    except ValueError as error:
        raise ValueError(f"wikipedia: {index}: {error}") from None
    return read.spans(span_bytes)


@lru_cache(maxsize=1 << 12)
def _header(dump: Input) -> mediawiki_header.Header:
    """Return the header of a dump, read once for all that ask."""
    with storage.open_read(dump.path) as stream:
        return mediawiki_header.header_of(stream)


def _refuse_another_wiki(dump: Input, language: str) -> None:
    """Raise ValueError for a dump that is another wiki's by its header, unless its pages are of this one."""
    header = _header(dump)
    if header.fits(language) is not False:
        return
    with storage.open_read(dump.path) as stream:
        by_pages = mediawiki_header.is_of(stream, language, header)
    if not by_pages:
        raise ValueError(
            f"the header of the dump names {header}, and its language is to be {language!r}: name the right one, "
            f"--input 'wikipedia[language=...]={dump.path}', or, if the header is wrong, add "
            "--set wikipedia.check_header=false"
        )


def remarks(inputs: Sequence[Input]) -> Iterator[str]:
    """Say which dumps cannot be known, by their headers, to be of the wiki that they are taken for."""
    for dump in inputs:
        language = dict(dump.attributes)["language"]
        header = _header(dump)
        if not header.fits(language):
            yield f"wikipedia: {dump.path}: its header says {header}; it is taken for {language!r}, as it is named"


def attributes(name: str) -> dict[str, str]:
    """Return the language that a dump's name tells."""
    return {"language": mediawiki.language_of(name)}


def articles_part(recipe: Recipe) -> Articles:
    """Return what `pages` and `articles` read of a recipe."""
    return recipe.wikipedia.articles


COLUMNS = columns(namespace=pa.string())
PAGES = Map("pages", wanted, articles_part, keys=page_key, ranked=True, columns=COLUMNS, version=2)
REVISIONS = Decide("revisions", exact.not_owner, ranked=True)
ARTICLES = Map("articles", article, articles_part, models=(templates.NAME,), keys=cited_keys, version=8)


def stages(recipe: Wikipedia) -> tuple[Stage, ...]:
    """Return the stages that a recipe leaves: without the dumps' own templates, articles ask for no model of them."""
    return (PAGES, REVISIONS, ARTICLES if recipe.articles.templates else replace(ARTICLES, models=()))


SOURCE = Source(
    name="wikipedia",
    read=mediawiki.read,
    look=mediawiki.look,
    stages=stages(Wikipedia()),
    stages_of=stages,
    attributes=attributes,
    attribute_names=("language",),
    items=items,
    remarks=remarks,
    title="Wikipedia",
    shown=Shown(
        breakdowns=(
            Breakdown("Languages", "language", "language"),
            Breakdown("Licences", "licence", "license"),
        ),
    ),
)
