"""Tokens of what was dropped, beside the truth: long texts unlike short ones, and beginnings unlike what follows."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import cast

import pytest

from pipelines.card import estimates, unread
from pipelines.card.samples import Sample
from pipelines.document import EXCERPT_CHARACTERS, Document
from tokenizer.encode import Tokenizer


class Words:
    """A tokenizer that makes a token of each word."""

    def encode_batch(self, texts: Sequence[str], *, bos: bool, eos: bool) -> list[list[int]]:
        assert not bos and not eos
        return [[1] * len(text.split()) for text in texts]


TOKENIZER = cast("Tokenizer", Words())


def prose(rng: random.Random, characters: int, word: int) -> str:
    words, size = [], 0
    while size < characters:
        words.append("a" * rng.randint(1, word))
        size += len(words[-1]) + 1
    return " ".join(words)


def text(rng: random.Random) -> str:
    """Return a text whose words are short behind its beginning, and shorter in long ones."""
    if rng.random() < 0.6:
        return prose(rng, rng.randint(30, 250), 12)
    long = rng.randint(400, 20_000)
    return prose(rng, EXCERPT_CHARACTERS, 12) + " " + prose(rng, long, 8 if long < 9_000 else 5)


def sample(texts: Sequence[str], kept: Sequence[str]) -> Sample:
    found = Sample(total=len(kept), dropped=Counter({("clean", "bad"): len(texts)}))
    found.documents = [
        Document(id=f"b/{n}", source="b", text=one, dump="0", offset=n, language="en") for n, one in enumerate(kept)
    ]
    found.drops["clean", "bad"] = [
        {"id": f"b/d{n}", "excerpt": one[:EXCERPT_CHARACTERS], "size": len(one), "language": "en"}
        for n, one in enumerate(texts)
    ]
    return found


def test_the_truth_is_in_the_interval_mostly() -> None:
    inside = 0
    for seed in range(20):
        rng = random.Random(seed)
        texts = [text(rng) for _ in range(1_500)]
        told = unread.read(sample(texts, [text(rng) for _ in range(400)]), TOKENIZER)
        found = told.tokens("en", sum(map(len, texts)))
        assert found is not None
        assert 0 < found.margin < 0.3 * found.value
        inside += abs(found.value - sum(len(one.split()) for one in texts)) <= found.margin
    assert inside >= 17


def test_texts_that_are_their_own_beginnings_need_no_others() -> None:
    rng = random.Random(7)
    texts = [prose(rng, 100, 9) for _ in range(50)]
    told = unread.read(sample(texts, []), TOKENIZER)
    size = sum(map(len, texts))
    for language in ("en", "of a language that no excerpt has"):
        found = told.tokens(language, size)
        assert found and found.value == pytest.approx(sum(len(one.split()) for one in texts))
    assert told.excerpts == 50
    assert told.tokens("en", 0) == estimates.Estimate(0.0, 0.0)
    assert unread.read(sample(texts[:3], []), TOKENIZER).tokens("en", 9) is None


def test_points_lie_in_pieces_as_those_are_large() -> None:
    sizes = [1.0, 0.0, 7.0, 2.0]
    found = estimates.evenly(sizes, 1_000)
    assert Counter(piece for piece, _ in found) == {0: 100, 2: 700, 3: 200}
    assert all(0 <= where < 1 for _, where in found)
    assert estimates.passage("abcdef", 0.5, 2) == "de"
    assert estimates.passage("abcdef", 0.99, 4) == "cdef"
    assert estimates.passage("ab", 0.5, 4) == "ab"
