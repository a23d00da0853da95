"""Settings: overrides of every kind of field, and mistakes named."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import pytest

from pipelines.recipes import PAPER, SAMPLE
from pipelines.settings import check, override
from tests.pipelines.tiny import leaves


@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("buckets=64", 64),
        ("c4.english.threshold=0.5", 0.5),
        ("c4.english.threshold=1", 1.0),
        ("keep_staged=false", False),
        ("keep_staged=True", True),
        ("github.files.copies=raw", "raw"),
        ("common_crawl.reference.threshold=0.25", 0.25),
        ("common_crawl.reference.threshold=none", None),
        ("common_crawl.quality.languages=en, de", ("en", "de")),
        ("sources=c4", ("c4",)),
        ("language_models.prune=0, 0,1", (0, 0, 1)),
    ],
)
def test_one_field_is_overridden(assignment: str, value: Any) -> None:
    path = assignment.partition("=")[0]
    changed = override(SAMPLE, assignment)
    assert attrgetter(path)(changed) == value
    assert type(attrgetter(path)(changed)) is type(value)
    others = {other: found for other, found in leaves(changed) if other != path}
    assert others == {other: found for other, found in leaves(SAMPLE) if other != path}


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("buckets", "write it as path.to.field=value"),
        ("=3", "there is no field ''"),
        ("c4.words=3", "there is no field 'words'; available: pages, lines, english"),
        ("c4=3", "c4 is a group of fields: pages, lines, english"),
        ("buckets.size=3", "buckets has no fields"),
        ("buckets=many", "'many' is no int"),
        ("buckets=2.5", "'2.5' is no int"),
        ("excerpts=some", "'some' is no float"),
        ("excerpts=nan", "'nan' is no float"),
        ("c4.english.threshold=none", "'none' is no float"),
        ("keep_staged=1", "'1' is no bool"),
        ("c4.pages.mode=fast", "'fast' is not one of published, corrected"),
        ("common_crawl.reference.threshold=high", "'high' is no float"),
        ("shards.validation_of=arxiv", "set only in a recipe"),
        ("language_models.prune=0,x", "'x' is no int"),
    ],
)
@pytest.mark.parametrize("recipe", [PAPER, SAMPLE])
def test_mistakes_are_named(recipe: Any, assignment: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        override(recipe, assignment)
    assert f"--set {assignment}" in str(raised.value)


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("buckets=12", "buckets is 12; it must be a power of two"),
        ("buckets=0", "a power of two"),
        ("sources=c4,usenet", "one or more of common_crawl, c4"),
        ("sources=", "one or more of common_crawl, c4"),
        ("common_crawl.window=-1", "common_crawl.window is -1; it must be at least 0"),
        ("common_crawl.quality.score_decimals=400", "at most 15"),
        ("common_crawl.reference.buckets=heads", "one or more of head, middle, tail, all"),
        ("common_crawl.training.held_out=1", "a share above 0 and below 1"),
        ("language_models.prune=0,2,1", "counts that start with 0 and never decrease"),
        ("language_models.prune=1", "counts that start with 0 and never decrease"),
        ("language_models.languages=xx", "one or more of bg, ca"),
        ("wikipedia.articles.languages=xx", "one or more of bg, ca"),
        ("books.groups=0", "at least 1"),
        ("tokenizer.vocabulary=2000000", "to 1,048,576"),
        ("shards.shard_tokens=0", "shards.shard_tokens is 0; it must be at least 1"),
        ("shards.validation=2", "a share between 0 and 1"),
    ],
)
def test_values_without_sense_are_named(assignment: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check(override(SAMPLE, assignment))
