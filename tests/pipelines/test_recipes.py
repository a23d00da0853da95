"""Recipes: the published constants, overrides of every kind of field, and mistakes named."""

from __future__ import annotations

import dataclasses
from operator import attrgetter
from typing import Any

import pytest

from filters import c4, paragraphs, perplexity
from pipelines.recipes import LLAMA2, PAPER, RECIPES, SAMPLE, check, override
from tokenizer import spec


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("common_crawl.paragraphs.min_characters", 300),
        ("common_crawl.quality.languages", ("en",)),
        ("common_crawl.quality.threshold", 0.5),
        ("common_crawl.reference.buckets", ("head", "middle")),
        ("common_crawl.quality.match", "url"),
        ("common_crawl.training.epochs", 5),
        ("common_crawl.training.learning_rate", 0.1),
        ("language_models.estimator", "lmplz"),
        ("language_models.prune", ()),
        ("common_crawl.window", 2_000),
        ("c4.pages.max_characters", 190_000),
        ("c4.lines.min_sentences", 3),
        ("c4.english.min_sentences", 3),
        ("c4.english.threshold", 0.99),
        ("github.tokens.min_letters_per_token", 1.5),
        ("books.overlap.threshold", 0.9),
        ("stack_exchange.questions.largest_sites", 28),
        ("stack_exchange.questions.meta_sites", False),
        ("language_models.order", 5),
        ("language_models.pieces", 65_536),
        ("language_models.documents", 1_000_000),
        ("tokenizer.vocabulary", 32_000),
        ("shards.bos", True),
        ("shards.eos", True),
    ],
)
def test_the_paper_has_the_published_constants(path: str, value: Any) -> None:
    assert attrgetter(path)(PAPER) == value
    assert attrgetter(path)(LLAMA2) == value


def test_constants_agree_with_the_filters() -> None:
    assert PAPER.common_crawl.paragraphs.min_characters == paragraphs.MIN_CHARACTERS
    assert PAPER.c4.lines.min_sentences == c4.MIN_SENTENCES
    assert PAPER.language_models.pieces == perplexity.PIECES
    assert PAPER.tokenizer.vocabulary == spec.LLAMA.vocab_size


def test_wikipedia_has_twenty_languages() -> None:
    languages = PAPER.wikipedia.articles.languages
    assert " ".join(languages) == "bg ca cs da de en es fr hr hu it nl pl pt ro ru sl sr sv uk"


def test_the_sample_differs_in_size_and_in_what_it_says() -> None:
    different = set()
    for path, value in _leaves(SAMPLE):
        if attrgetter(path)(PAPER) != value:
            different.add(path)
    assert different == {
        "name",
        "common_crawl.quality.match",
        "common_crawl.training.pages",
        "common_crawl.training.epochs",
        "common_crawl.training.learning_rate",
        "common_crawl.training.dimension",
        "language_models.estimator",
        "common_crawl.window",
        "github.tokens.min_letters_per_token",
        "wikipedia.span_bytes",
        "books.groups",
        "stack_exchange.posts.range_bytes",
        "tokenizer.vocabulary",
        "tokenizer.training_bytes",
        "shards.shard_tokens",
        "shards.validation",
        "shards.validation_of",
        "buckets",
        "excerpts",
        "keep_staged",
    }


def _leaves(node: Any, prefix: str = "") -> list[tuple[str, Any]]:
    found = []
    for field in dataclasses.fields(node):
        value = getattr(node, field.name)
        inner = _leaves(value, f"{prefix}{field.name}.") if dataclasses.is_dataclass(value) else None
        found += inner or [(f"{prefix}{field.name}", value)]
    return found


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_recipes_are_sound_named_and_frozen(name: str) -> None:
    recipe = RECIPES[name]
    check(recipe)
    assert recipe.name == name
    hash(recipe)
    field = "buckets"
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(recipe, field, 1)


@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("buckets=64", 64),
        ("c4.english.threshold=0.5", 0.5),
        ("c4.english.threshold=1", 1.0),
        ("keep_staged=false", False),
        ("keep_staged=True", True),
        ("c4.pages.mode=published", "published"),
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
    others = {other: found for other, found in _leaves(changed) if other != path}
    assert others == {other: found for other, found in _leaves(SAMPLE) if other != path}


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("buckets", "write it as path.to.field=value"),
        ("=3", "there is no field ''"),
        ("c4.words=3", "there is no field 'words', only pages, lines, english"),
        ("c4=3", "c4 is a group of fields: pages, lines, english"),
        ("buckets.size=3", "buckets has no fields"),
        ("buckets=many", "'many' is no int"),
        ("buckets=2.5", "'2.5' is no int"),
        ("excerpts=some", "'some' is no float"),
        ("excerpts=nan", "'nan' is no float"),
        ("c4.english.threshold=none", "'none' is no float"),
        ("keep_staged=1", "'1' is no bool"),
        ("c4.pages.mode=fast", "'fast' is none of published, corrected"),
        ("common_crawl.reference.threshold=high", "'high' is no float"),
        ("shards.validation_of=arxiv", "set in a recipe only"),
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
        ("buckets=12", "buckets is 12: a power of two"),
        ("buckets=0", "a power of two"),
        ("sources=c4,usenet", "some of common_crawl, c4"),
        ("sources=", "some of common_crawl, c4"),
        ("common_crawl.window=-1", "common_crawl.window is -1: a number of at least 0"),
        ("common_crawl.reference.buckets=heads", "some of head, middle, tail, all"),
        ("common_crawl.training.held_out=1", "a share between 0 and 1"),
        ("language_models.prune=0,2,1", "counts that start with 0 and never decrease"),
        ("language_models.prune=1", "counts that start with 0 and never decrease"),
        ("language_models.languages=xx", "some of bg, ca"),
        ("wikipedia.articles.languages=xx", "some of bg, ca"),
        ("books.groups=0", "at least 1"),
        ("tokenizer.vocabulary=70000", "to 65,535"),
        ("shards.shard_tokens=0", "shards.shard_tokens is 0: at least 1"),
        ("shards.validation=2", "a share between 0 and 1"),
    ],
)
def test_values_without_sense_are_named(assignment: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check(override(SAMPLE, assignment))
