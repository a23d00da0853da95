"""Books: Gutenberg's header and footer off, and no book that is contained in another.

groups of files ─ texts ─> staged, sampled shingles ─ contained (resolve) ─ books ─> documents
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePath

from filters import gutenberg
from pipelines.dedup import pairs
from pipelines.document import Document, Drop
from pipelines.graph import Input, Source
from pipelines.hashing import digest_of, keyed
from pipelines.readers import gutenberg as reader
from pipelines.recipes import Books
from pipelines.stages import Context, Item, Keys, Lines, Map, Part, Resolve


def clean(book: Document, context: Context) -> Document | Drop:
    """Take off header and footer; drop what is no book."""
    cleaned = book.with_text(gutenberg.clean(book.text).strip())
    if len(cleaned.text) < context.recipe.min_characters:
        return book.drop("texts", "too_short")
    return cleaned


def keys(raw: Document, book: Document, context: Context) -> Keys:
    """Return the sampled shingles of a book."""
    return pairs.containment_keys(book, context.recipe.sample)


def unique(book: Document, removed: Lines, context: Context) -> Document | Drop:
    """Drop the contained books."""
    return book.drop("books", "contained_in_another") if len(removed) else book


def items(inputs: Sequence[Input], recipe: Books) -> list[Item]:
    """Spread the books over groups by a hash of their content; a group is one item."""
    groups: dict[int, list[Part]] = defaultdict(list)
    for found in inputs:
        group = keyed("book_group", found.digest) % recipe.groups
        groups[group].append(Part(found.path, found.digest, found.attributes))
    return [
        Item(f"{group:05d}-{digest_of([part.digest for part in parts])}", tuple(parts))
        for group, parts in sorted(groups.items())
    ]


def attributes(name: str) -> dict[str, str]:
    """Return the collection that a book's folder tells: "gutenberg" of books/gutenberg/1/2/3/1234/1234-0.txt."""
    parts = PurePath(name).parts
    return {"collection": parts[parts.index("books") + 1]} if "books" in parts[:-2] else {}


SOURCE = Source(
    name="books",
    read=reader.read,
    stages=(
        Map("texts", clean, recipe="texts", keys=keys, ranked=True, version=2),
        Resolve("contained", recipe="overlap", version=2),
        Map("books", unique, recipe="overlap"),
    ),
    attributes=attributes,
    attribute_names=("collection", "language", "license"),
    items=items,
    copies=True,
)
