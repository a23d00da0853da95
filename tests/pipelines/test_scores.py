"""Every number that a corpus has of its documents is explained, in one place, and docs/schema.md says the same."""

from __future__ import annotations

import pytest

from pipelines import scores
from pipelines.build import SOURCES
from pipelines.optional import filters
from pipelines.stages import counts
from pipelines.stages.source import Source
from tests.conftest import REPOSITORY


def numbers(source: Source) -> set[str]:
    """Return the columns of numbers that stages of a source, and those that its recipe may add, give to it."""
    schemas = [filters.COLUMNS, *(stage.columns for stage in source.stages if hasattr(stage, "columns"))]
    columns = {field.name for schema in schemas for field in schema if counts.is_number(field.type)}
    return columns | set(source.all_scores) | set(filters.MEASURED)


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_every_number_of_a_source_is_explained(source: Source) -> None:
    assert {name for name in numbers(source) if scores.known(name, source.name) is None} == set()


def test_nothing_is_explained_that_no_source_has() -> None:
    assert set(scores.SCORES) == set().union(*map(numbers, SOURCES.values()))
    assert {one.source for one in scores.SCORES.values()} - {""} <= set(SOURCES)


def test_a_column_of_somebody_s_own_is_not_guessed() -> None:
    assert scores.known("score", "patents") is None
    assert scores.known("beauty", "stack_exchange") is None
    assert scores.known("perplexity", "patents") is not None


def test_the_page_of_columns_has_the_same_table() -> None:
    page = (REPOSITORY / "docs" / "schema.md").read_text(encoding="utf-8")
    assert scores.table() in page, f"docs/schema.md should have\n{scores.table()}"
