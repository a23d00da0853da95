"""Recipes: the published constants, and what the sample has otherwise."""

from __future__ import annotations

import dataclasses
from operator import attrgetter
from typing import Any

import pytest

from filters.web import c4, paragraphs, perplexity
from pipelines.recipes import LLAMA2, PAPER, RECIPES, SAMPLE
from pipelines.settings import check, with_texts
from tests.pipelines.tiny import leaves
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
    for path, value in leaves(SAMPLE):
        if attrgetter(path)(PAPER) != value:
            different.add(path)
    assert different == {
        "name",
        "across.sample",
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


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_recipes_are_sound_named_and_frozen(name: str) -> None:
    recipe = RECIPES[name]
    if name == "texts":
        recipe = dataclasses.replace(with_texts(recipe, "own"), sources=("own",))
    check(recipe)
    assert recipe.name == name
    hash(recipe)
    field = "buckets"
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(recipe, field, 1)
