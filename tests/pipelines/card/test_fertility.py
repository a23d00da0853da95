"""Tokens for each word, beside those of all text: exact where all is read, else in the interval."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import cast

import pytest

from pipelines.card import fertility
from pipelines.card.fertility import CHARACTERS, PASSAGES, Weighed
from tokenizer.encode import Tokenizer


class Letters:
    """A tokenizer that makes a token of each letter that is not a blank."""

    def encode_batch(self, texts: Sequence[str], *, bos: bool, eos: bool) -> list[list[int]]:
        assert not bos and not eos
        return [[ord(letter) for letter in text if letter != " "] for text in texts]


TOKENIZER = cast("Tokenizer", Letters())


def prose(rng: random.Random, words: int, length: int) -> str:
    return " ".join("a" * rng.randint(1, length) for _ in range(words))


def corpus(seed: int) -> list[str]:
    """Return texts of two sources: very many short ones of long words, and a few long ones of short words."""
    rng = random.Random(seed)
    pages = [prose(rng, rng.randint(20, 600), rng.choice((6, 9, 12))) for _ in range(2_000)]
    return pages + [prose(rng, rng.randint(10_000, 90_000), rng.choice((3, 4, 5))) for _ in range(25)]


def true(texts: Sequence[str]) -> tuple[float, float]:
    tokens = sum(len(text) - text.count(" ") for text in texts)
    return tokens / sum(len(text.split()) for text in texts), sum(map(len, texts)) / tokens


def test_all_that_is_read_is_exact() -> None:
    rng = random.Random(1)
    texts = [prose(rng, 50, 9) for _ in range(20)]
    (row,) = fertility.of([Weighed("en", text, 1.0) for text in texts], TOKENIZER)
    assert (row.tokens_per_word.value, row.bytes_per_token.value) == pytest.approx(true(texts))
    assert (row.tokens_per_word.margin, row.bytes_per_token.margin) == (0.0, 0.0)
    assert (row.documents, row.size) == (20, sum(map(len, texts)))


def test_what_is_drawn_has_the_truth_in_its_interval() -> None:
    inside = 0
    for seed in range(20):
        texts = corpus(seed)
        rng = random.Random(-seed)
        # Of the pages one in five is read, and stands for five; of the books all.
        drawn = [Weighed("en", text, 5.0) for text in rng.sample(texts[:2_000], 400)]
        drawn += [Weighed("en", text, 1.0) for text in texts[2_000:]]
        (row,) = fertility.of(drawn, TOKENIZER)
        assert row.size <= PASSAGES * CHARACTERS
        assert row.tokens_per_word.margin < 0.25 * row.tokens_per_word.value
        both = zip((row.tokens_per_word, row.bytes_per_token), true(texts), strict=True)
        inside += all(abs(one.value - truth) <= one.margin for one, truth in both)
    assert inside >= 17


def test_languages_of_few_documents_are_left_out() -> None:
    texts = [Weighed("en", "one two three", 1.0)] * (fertility.LEAST - 1)
    assert fertility.of(texts, TOKENIZER) == []
    assert fertility.of([Weighed("en", "", 1.0)] * fertility.LEAST, TOKENIZER) == []
