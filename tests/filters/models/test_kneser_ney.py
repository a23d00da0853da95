import math
import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import kenlm
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from filters.models.kneser_ney import FALLBACK_DISCOUNTS, _log10, estimate
from tests.oracles import kneser_ney as oracle

LETTERS = ["a", "b", "c", "ä"]


def load(path: Path) -> kenlm.Model:
    config = kenlm.Config()
    config.show_progress = False
    config.arpa_complain = kenlm.ARPALoadComplain.NONE
    return kenlm.Model(str(path), config)


def log_probability(model: kenlm.Model, word: str, context: Sequence[str]) -> float:
    state, following = kenlm.State(), kenlm.State()
    if context[:1] == ("<s>",):
        model.BeginSentenceWrite(state)
        context = context[1:]
    else:
        model.NullContextWrite(state)
    for known in context:
        model.BaseScore(state, known, following)
        state, following = following, state
    return float(model.BaseScore(state, word, following))


def zipf_text(sentences: int, words: int, seed: int) -> tuple[list[list[int]], list[str]]:
    """Sentences in which each word prefers its two successors, so that longer contexts help."""
    choose = random.Random(seed)
    weights = [1 / (rank + 1) for rank in range(words)]
    text = []
    for _ in range(sentences):
        sentence = choose.choices(range(words), weights, k=1)
        while len(sentence) < 3 + choose.randrange(20):
            last = sentence[-1]
            near = choose.random() < 0.6
            sentence.append(
                (last * 7 + choose.randrange(2)) % words if near else choose.choices(range(words), weights)[0]
            )
        text.append(sentence)
    return text, [f"w{i}" for i in range(words)]


def _named(text: list[list[int]], vocabulary: list[str]) -> list[str]:
    return [" ".join(vocabulary[i] for i in sentence) for sentence in text]


def test_one_word_worked_by_hand(tmp_path: Path) -> None:
    # One sentence "a": a and </s> have one left neighbour each, all discounts fall back to 1/2.
    # p(a) = (1 - 1/2) / 2 + 1/2 * 1/3 = 5/12, p(</s> | a) = 1/2 + 1/2 * 5/12 = 17/24, then 1/2 + 1/2 * 17/24 = 41/48.
    summary = estimate([[0]], ["a"], tmp_path / "model.arpa")
    assert summary.ngrams == (4, 2, 1, 0, 0)
    assert summary.words == 2
    assert summary.discounts == (FALLBACK_DISCOUNTS,) * 5
    model = load(tmp_path / "model.arpa")
    assert model.order == 5
    assert 10 ** log_probability(model, "a", ()) == pytest.approx(5 / 12, rel=1e-5)
    assert 10 ** log_probability(model, "<unk>", ()) == pytest.approx(1 / 6, rel=1e-5)
    assert 10 ** log_probability(model, "</s>", ("a",)) == pytest.approx(17 / 24, rel=1e-5)
    assert 10 ** log_probability(model, "</s>", ("<s>", "a")) == pytest.approx(41 / 48, rel=1e-5)


@given(
    sentences=st.lists(st.lists(st.integers(0, 3), max_size=9), min_size=1, max_size=25),
    order=st.integers(2, 5),
    queries=st.lists(st.lists(st.sampled_from([*LETTERS, "<unk>"]), max_size=6), max_size=8),
)
@example(  # D2 of the bigrams is exactly 0
    sentences=[[], [], [], [], [0], [0, 1], [0, 1], [2, 0, 0], [0, 0, 2, 0, 1, 1, 0], [2, 2, 1, 0, 0, 2, 0, 2]],
    order=2,
    queries=[],
)
@example(  # a context that leaves no mass to unseen words
    sentences=[[0, 1], [0, 1], [0, 1], [2, 1, 0], [2, 2, 1, 1, 1], [0, 1, 1, 1, 2, 0, 2], [2, 1, 2, 1, 0, 1, 1, 0]],
    order=2,
    queries=[[]],
)
@settings(deadline=None, max_examples=120)
def test_equals_the_textbook(sentences: list[list[int]], order: int, queries: list[list[str]]) -> None:
    named = [[LETTERS[i] for i in sentence] for sentence in sentences]
    expected = oracle.Model(named, order)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.arpa"
        summary = estimate(sentences, LETTERS, path, order=order)
        model = load(path)
    assert summary.discounts == tuple(pytest.approx([float(d) for d in ds[1:]]) for ds in expected.discount)
    assert summary.ngrams[1:] == tuple(len(counts) for counts in expected.adjusted[1:])
    assert summary.ngrams[0] == len(expected.words) + 1  # and <s>
    for query in [*named[:5], *queries]:
        padded = ("<s>", *(word if word in expected.words else "<unk>" for word in query), "</s>")
        for end in range(1, len(padded)):
            context = padded[max(0, end - order + 1) : end]
            probability, found = (
                expected.probability(padded[end], context),
                log_probability(model, padded[end], context),
            )
            if probability:
                assert found == pytest.approx(math.log10(probability), abs=2e-5)
            else:  # discounts of 0 leave nothing to words that were not seen
                assert found < -90


@pytest.mark.parametrize("prune", [(), (0, 0, 1), (0, 1, 2)])
def test_probabilities_sum_to_one(tmp_path: Path, prune: tuple[int, ...]) -> None:
    text, vocabulary = zipf_text(600, 80, seed=1)
    estimate(text, vocabulary, tmp_path / "model.arpa", order=4, prune=prune)
    model = load(tmp_path / "model.arpa")
    used = {word for sentence in text for word in sentence}
    words = [*(vocabulary[i] for i in used), "</s>", "<unk>"]
    choose = random.Random(2)
    seen = [tuple(vocabulary[i] for i in sentence[at : at + 3]) for sentence in text[:30] for at in (0, 1)]
    unseen = [tuple(choose.choices(words[:-2], k=3)) for _ in range(20)]
    begins = [("<s>", *context[:2]) for context in seen[:20]]
    for context in [(), ("<unk>",), *seen, *unseen, *begins]:
        total = sum(10 ** log_probability(model, word, context) for word in words)
        assert total == pytest.approx(1, abs=2e-4), context


def test_pruning_leaves_out_rare_ngrams_only(tmp_path: Path) -> None:
    text, vocabulary = zipf_text(300, 40, seed=3)
    whole = estimate(text, vocabulary, tmp_path / "whole.arpa", order=3)
    pruned = estimate(text, vocabulary, tmp_path / "pruned.arpa", order=3, prune=(0, 0, 1))
    assert pruned.ngrams[:2] == whole.ngrams[:2]
    counts = [gram for sentence in text for gram in _trigrams(sentence)]
    assert pruned.ngrams[2] == sum(1 for gram in set(counts) if counts.count(gram) > 1)
    assert pruned.discounts == whole.discounts


def _trigrams(sentence: list[int]) -> list[tuple[int, ...]]:
    padded = [-1, *sentence, -2]
    return [tuple(padded[i : i + 3]) for i in range(len(padded) - 2)]


def test_the_order_of_sentences_does_not_matter(tmp_path: Path) -> None:
    text, vocabulary = zipf_text(200, 50, seed=4)
    estimate(text, vocabulary, tmp_path / "one.arpa")
    estimate([np.array(sentence, dtype=np.uint16) for sentence in reversed(text)], vocabulary, tmp_path / "two.arpa")
    assert (tmp_path / "one.arpa").read_bytes() == (tmp_path / "two.arpa").read_bytes()


def test_longer_contexts_help_and_held_out_text_is_harder(tmp_path: Path) -> None:
    text, vocabulary = zipf_text(1500, 100, seed=5)
    held_out = _named(zipf_text(100, 100, seed=6)[0], vocabulary)
    estimate(text, vocabulary, tmp_path / "model.arpa", order=3)
    model = load(tmp_path / "model.arpa")
    own = sum(map(model.score, _named(text[:100], vocabulary)))
    unseen = sum(map(model.score, held_out))
    alone = sum(log_probability(model, word, ()) for line in held_out for word in [*line.split(), "</s>"])
    assert own > unseen > alone


@pytest.mark.parametrize(
    ("sentences", "vocabulary", "options", "message"),
    [
        ([], ["a"], {}, "no sentences"),
        ([[0, 1]], ["a"], {}, "the vocabulary has 1 words"),
        ([[-1]], ["a"], {}, "word ids are -1"),
        ([[0]], ["<s>"], {}, "'<s>' cannot be a word"),
        ([[0]], ["</s>"], {}, "'</s>' cannot be a word"),
        ([[0]], ["<unk>"], {}, "'<unk>' cannot be a word"),
        ([[0]], [""], {}, "'' cannot be a word"),
        ([[0]], ["a b"], {}, "'a b' cannot be a word"),
        ([[0]], ["a\n"], {}, "cannot be a word"),
        ([[0]], ["a\0b"], {}, "cannot be a word"),
        ([[0, 1]], ["a", "a"], {}, "twice"),
        ([[0]], ["a"], {"order": 1}, "order is 1"),
        ([[0]], ["a"], {"prune": (1,)}, "must start with 0"),
        ([[0]], ["a"], {"prune": (0, 2, 1)}, "never decrease"),
        ([[0]], ["a"], {"order": 2, "prune": (0, 0, 0)}, "at most 2"),
    ],
)
def test_what_cannot_be_estimated_is_refused(
    tmp_path: Path, sentences: list[list[int]], vocabulary: list[str], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        estimate(sentences, vocabulary, tmp_path / "model.arpa", **options)
    assert not list(tmp_path.iterdir())


def test_the_logarithm_is_exact_to_the_last_digits() -> None:
    values = np.concatenate([np.logspace(-99, 0, 5001), np.linspace(0.4, 1, 1001)])
    assert np.abs(_log10(values) - np.log10(values)).max() < 2e-14
    assert _log10(np.array([1.0])).tolist() == [0.0]


def test_special_words_that_do_not_occur_are_no_matter(tmp_path: Path) -> None:
    assert estimate([[3]], ["<unk>", "<s>", "</s>", "a"], tmp_path / "model.arpa").ngrams[0] == 4


@pytest.mark.parametrize("prune", [(), (0, 0, 1)])
def test_agrees_with_lmplz(tmp_path: Path, prune: tuple[int, ...]) -> None:
    lmplz = os.environ.get("LMPLZ") or shutil.which("lmplz")
    if lmplz is None:
        pytest.skip("no lmplz on PATH or in $LMPLZ")
    text, vocabulary = zipf_text(3000, 2000, seed=7)
    lines = _named(text, vocabulary)
    options = ["-o", "5", "-S", "200M", "-T", str(tmp_path), "--discount_fallback"]
    options += ["--prune", *map(str, prune)] if prune else []
    corpus = "".join(f"{line}\n" for line in lines).encode()
    with (tmp_path / "theirs.arpa").open("wb") as output:
        subprocess.run([lmplz, *options], input=corpus, stdout=output, stderr=subprocess.DEVNULL, check=True)
    ours = estimate(text, vocabulary, tmp_path / "ours.arpa", prune=prune)
    mine, theirs = load(tmp_path / "ours.arpa"), load(tmp_path / "theirs.arpa")
    header = (tmp_path / "theirs.arpa").read_text().split("\n\n")[0].splitlines()[1:]
    assert tuple(int(line.split("=")[1]) for line in header) == ours.ngrams
    held_out = _named(zipf_text(200, 2000, seed=8)[0], vocabulary)
    for line in [*lines[:300], *held_out, "w1 out-of-vocabulary w2"]:
        words = len(line.split()) + 1
        assert 10 ** (-mine.score(line) / words) == pytest.approx(10 ** (-theirs.score(line) / words), rel=0.01)
