"""Books: Gutenberg's header and footer off, one encoding of each book, and no book that is contained in another.

groups of files ─ texts ─> staged, keys of mirrors' numbers ─ encodings (decide) ─┐
┌─────────────────────────────────────────────────────────────────────────────────┘
└ one_encoding ─> staged, sampled shingles ─ contained (resolve) ─ books ─> documents

A mirror has most books as ASCII, Latin-1, UTF-8, HTML and EPUB side by side, and older editions in a folder beside
them. Without its accents a French book is another text to any comparison by words, so that these go by the mirror's own
layout; copies under other names go by containment.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import PurePath

import numpy as np
import pyarrow as pa

from filters import gutenberg
from filters.broken import Broken
from filters.gutenberg import header
from pipelines.dedup import exact, pairs, ranks
from pipelines.document import Document, Drop
from pipelines.files.runs import Keys, Lines
from pipelines.files.tables import columns
from pipelines.hashing import keyed
from pipelines.readers import gutenberg as reader
from pipelines.recipes import BookOverlap, Books, BookTexts, Recipe
from pipelines.stages.kinds import Context, Decide, Item, Map, Resolve
from pipelines.stages.source import Breakdown, Input, Measured, Shown, Source, items_by_group
from pipelines.stages.steps import drop_marked, dropped

# The days of editions: Gutenberg's first book is of 1971.
_FIRST_DAY, _DAYS = date(1970, 1, 1).toordinal(), (1 << 16) - 1


def clean(book: Document, context: Context[BookTexts]) -> Document | Drop:
    """Take off header and footer; drop what is no book."""
    cleaned = book.with_text(gutenberg.clean(book.text).strip())
    if len(cleaned.text) < context.recipe.min_characters:
        return dropped(book, Broken("too_short", len(cleaned.text), context.recipe.min_characters))
    return cleaned


def encoding_key(raw: Document, book: Document, context: Context[BookTexts]) -> Keys:
    """Return the key of the book in its mirror, the best first; a book outside of one has a key of its own.

    What the mirror has now comes before what it keeps in `old`, of those the newest first; then what lost least, then
    the newest, then the one of which most is known.
    """
    found = book.attributes
    number, _, old = str(found.get("book", "")).partition("/")
    name = f"{found['collection']}/{number}" if number else book.id
    age = _DAYS - _day(raw)
    edition = ((1, 1), (age, 16)) if old else ((0, 1), (0, 16))
    criteria = (*edition, (_loss(book), 3), (age, 16), (ranks.untold(book), ranks.UNTOLD_BITS))
    rank = ranks.packed(criteria, keyed("book_encoding", book.id))
    return np.array([keyed("book", name)], np.uint64), np.array([rank], np.uint64), None


def _day(raw: Document) -> int:
    """Return the day of the latest date in the book's header, counted from 1970, 0 if it has none."""
    updated = header(raw.text).updated
    return min(_DAYS, max(0, date.fromisoformat((updated + "-01")[:10]).toordinal() - _FIRST_DAY)) if updated else 0


def _loss(book: Document) -> int:
    """Return how much a file lost of a book: nothing, characters outside of its set, layout, accents, legibility."""
    if "\ufffd" in book.text:
        return 4
    if book.text.isascii():
        return 3
    if "format" in book.attributes:
        return 2
    return 0 if book.attributes["encoding"].startswith("utf") else 1


def one_of_each(book: Document, removed: Lines, context: Context[BookTexts]) -> Document | Drop:
    """Drop what a mirror has of a book besides the one that is kept."""
    if not len(removed):
        return book
    named = str(book.attributes.get("book", ""))
    return book.drop("older_edition" if named.endswith("/old") else "other_encoding", detail=named.removesuffix("/old"))


def keys(raw: Document, book: Document, context: Context[BookTexts]) -> Keys:
    """Return the sampled shingles of a book."""
    return pairs.sampled_keys(book, context.recipe.sample)


def items(inputs: Sequence[Input], recipe: Books) -> list[Item]:
    """Spread the books over groups by a hash of their content; a group is one item."""
    return items_by_group(inputs, recipe.groups, "book_group")


def attributes(name: str) -> dict[str, str]:
    """Return what a path like books/gutenberg/1/2/3/1234/1234-0.txt tells: its collection, and its number there."""
    parts = PurePath(name).parts
    told = {"collection": parts[parts.index("books") + 1]} if "books" in parts[:-2] else {}
    book = reader.book_of(name)
    return told if book is None else {**told, "book": book}


def texts_part(recipe: Recipe) -> BookTexts:
    """Return what `texts` and `one_encoding` read of a recipe."""
    return recipe.books.texts


def overlap_part(recipe: Recipe) -> BookOverlap:
    """Return what `contained` and `books` read of a recipe."""
    return recipe.books.overlap


CONTAINED = "contained_in_another"
COLUMNS = columns(
    collection=pa.string(),
    encoding=pa.string(),
    author=pa.string(),
    number=pa.int32(),
    book=pa.string(),
    format=pa.string(),
)

SOURCE = Source(
    name="books",
    read=reader.read,
    look=reader.look,
    stages=(
        Map("texts", clean, texts_part, keys=encoding_key, ranked=True, columns=COLUMNS, version=7),
        Decide("encodings", exact.not_owner, ranked=True),
        Map(
            "one_encoding",
            one_of_each,
            texts_part,
            keys=keys,
            ranked=True,
            copies=("older_edition", "other_encoding"),
            version=7,
        ),
        Resolve("contained", overlap_part, version=4),
        Map("books", drop_marked(CONTAINED), overlap_part, copies=(CONTAINED,), version=3),
    ),
    attributes=attributes,
    attribute_names=("collection", "language", "license", "encoding", "book"),
    items=items,
    copies=True,
    title="Books",
    shown=Shown(
        notes=("Books3 is no longer distributed: Project Gutenberg and given folders only",),
        measures=(Measured("too_short", "characters", "characters", "texts.min_characters"),),
        breakdowns=(
            Breakdown("Collections", "collection", "attributes.collection"),
            Breakdown("Licences", "licence", "license"),
        ),
    ),
)
