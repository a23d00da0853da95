"""Own texts: a source without code, named in the recipe, whose chain is what the recipe switches on.

rows of JSON lines, Parquet, Arrow; files of plain text ─ rows ─> documents ─> [what `pipelines.optional` adds]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import partial
from pathlib import PurePath
from typing import BinaryIO

from pipelines.files import storage
from pipelines.files.tables import DOCUMENT_SCHEMA
from pipelines.optional import filters
from pipelines.readers import Dump
from pipelines.readers import texts as reader
from pipelines.readers.columns import Columns
from pipelines.recipe_parts import Fields, Texts
from pipelines.recipes import Recipe
from pipelines.stages.kinds import Item, Map
from pipelines.stages.source import Breakdown, Input, Measured, Shown, Source, items_by_group, one_item_per_file
from pipelines.stages.steps import same

# What `pipelines.optional.filters` measures of a text.
_MEASURES = (
    Measured("language_score", "score of the language", "attributes.language_score", "filters.language.threshold"),
    Measured("classifier", "probability", "attributes.classifier_probability", "filters.classifier.threshold"),
    Measured("perplexity", "perplexity", "attributes.perplexity", "filters.perplexity.most", "below"),
)
# Names that columns of rows may not have: those of all documents, and those that the filters give.
_TAKEN = (*DOCUMENT_SCHEMA.names, *filters.COLUMNS.names)
_PACKED = {".gz", ".zst"}


def attributes(name: str) -> dict[str, str]:
    """Return what a file's name tells: that it is plain text, if it ends in .txt (or .txt.gz, .txt.zst)."""
    path = PurePath(name.lower())
    named = PurePath(path.stem) if path.suffix in _PACKED else path
    return {"format": reader.TEXT} if named.suffix == ".txt" else {}


def items(inputs: Sequence[Input], recipe: Texts) -> list[Item]:
    """Make an item of each file of rows, and spread files of plain text, which may be many and small, over groups."""
    plain = [one for one in inputs if dict(one.attributes).get("format") == reader.TEXT]
    tabular = [one for one in inputs if dict(one.attributes).get("format") != reader.TEXT]
    return items_by_group(plain, recipe.groups, "texts_group") + one_item_per_file(tabular)


def fields_of(recipe: Texts) -> Fields:
    """Return which field of a row holds what."""
    return Fields(**{one.name: getattr(recipe, one.name) for one in fields(Fields)})


def fields_part(source: str, recipe: Recipe) -> Fields:
    """Return what `rows` reads of a recipe, for a source by its name."""
    return fields_of(recipe.part(source))


def _learn(name: str, recipe: Texts, inputs: Sequence[Input]) -> Columns:
    with _named(name):
        return reader.columns_of(_opened(inputs), fields_of(recipe), _TAKEN)


def _look(stream: BinaryIO, dump: Dump, name: str, found: Fields) -> None:
    with _named(name):
        reader.look(stream, dump, found)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Let what is said of fields name this source's: a reader knows none."""
    try:
        yield
    except ValueError as error:
        raise ValueError(str(error).replace("texts.NAME.", f"texts.{name}.")) from error


def _opened(inputs: Sequence[Input]) -> Iterator[tuple[BinaryIO, Dump]]:
    for one in inputs:
        with storage.open_read(one.path) as stream:
            yield stream, Dump(one.path, one.digest, dict(one.attributes))


def source(name: str, recipe: Texts, columns: Columns | None = None) -> Source:
    """Return the source of this name; which columns its documents have is known when its inputs are."""
    found, columns = fields_of(recipe), columns or Columns()
    return Source(
        name=name,
        read=partial(reader.read, source=name, fields=found, columns=columns),
        look=partial(_look, name=name, found=found),
        learn=partial(_learn, name, recipe),
        made_of=partial(source, name, recipe),
        stages=(Map("rows", same, partial(fields_part, name), columns=columns.schema, version=2),),
        attributes=attributes,
        attribute_names=("format",),
        items=items,
        title=name.replace("_", " ").capitalize(),
        share=recipe.share,
        recipe=recipe,
        fields=found,
        shown=Shown(measures=_MEASURES, breakdowns=(Breakdown("Languages", "language", "language"),)),
    )
