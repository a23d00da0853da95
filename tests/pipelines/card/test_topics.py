"""The map of topics: the same bytes for the same corpus, and topics that stay when an input comes."""

from __future__ import annotations

import random
from collections import Counter
from itertools import permutations

import numpy as np
import pytest

from pipelines.card import topics
from pipelines.card.samples import Sample
from pipelines.document import Document
from pipelines.hashing import keyed

pytest.importorskip("sklearn", reason="scikit-learn is in the extra report")

ABOUT = {
    "llamas": ["llama", "wool", "herd", "valley", "shepherd", "pasture", "shearing", "alpaca"],
    "bridges": ["bridge", "stone", "river", "arch", "mason", "pillar", "crossing", "span"],
    "weather": ["rain", "cloud", "storm", "winter", "wind", "frost", "thunder", "season"],
    "code": ["function", "return", "class", "import", "module", "variable", "loop", "string"],
}
COMMON = ["the", "of", "and", "to", "in", "that", "is", "was", "for", "with", "as", "by", "on", "at", "from"]


def documents(
    source: str, seed: int, number: int, about: tuple[str, ...] = tuple(ABOUT), told: int = 40
) -> list[Document]:
    rng = random.Random(seed)
    found = []
    for one in range(number):
        name = about[one % len(about)]
        words = rng.choices(ABOUT[name], k=told) + rng.choices(COMMON, k=60)
        rng.shuffle(words)
        found.append(
            Document(
                id=f"{source}/{seed}/{one}", source=source, text=" ".join(words), dump=name, offset=one, language="en"
            )
        )
    return found


def drawn(*groups: list[Document]) -> dict[str, Sample]:
    sources = {one.source for group in groups for one in group}
    every = {name: [one for group in groups for one in group if one.source == name] for name in sources}
    return {name: Sample(documents=found, total=len(found)) for name, found in sorted(every.items())}


def test_the_same_documents_in_any_order_are_the_same_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "TOPICS", 6)
    found = documents("a", 1, 300), documents("b", 2, 200)
    first = topics.read(drawn(*found))
    assert first is not None
    assert topics.read(drawn(found[1][::-1], found[0][::-1])) == first
    assert sum(topic.documents.value for topic in first.topics) == 500
    assert first.read == {"a": 300, "b": 200}
    assert all(topic.documents.margin == 0 for topic in first.topics)


def test_topics_are_named_by_the_words_of_their_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "TOPICS", 4)
    texts = documents("a", 3, 400)
    order = sorted(texts, key=lambda one: keyed("topic", one.id))
    first = {one.dump: one for one in reversed(order)}  # a document of each, first
    words = [topics.words_of(one.text) for one in [*first.values(), *texts]]
    found = topics.clustered(words, ["a"] * len(words), 4)[4:]
    assert max(agreement(found.tolist(), [list(ABOUT).index(one.dump) for one in texts], 4)) == 1
    shown = topics.read(drawn(texts))
    assert shown is not None
    for topic in shown.topics:
        assert set(topic.words) <= {word for about in ABOUT.values() for word in about}


def agreement(one: list[int], two: list[int], number: int) -> list[float]:
    pairs = Counter(zip(one, two, strict=True))
    names = permutations(range(number))
    return [sum(pairs[topic, other] for topic, other in enumerate(order)) / len(one) for order in names]


def test_a_part_that_was_read_says_its_interval() -> None:
    found = documents("a", 5, 400)
    read = topics.read({"a": Sample(documents=found, total=4_000)})
    assert read is not None
    assert sum(topic.documents.value for topic in read.topics) == pytest.approx(4_000)
    assert all(0 < topic.documents.margin < 4_000 for topic in read.topics)


@pytest.mark.parametrize("text", ["the same words in all of them", "word{}", "the same {} words"])
def test_documents_that_no_words_tell_apart_have_no_map(text: str) -> None:
    letters = "abcdefghij"
    texts = [text.format(letters[n // 10] + letters[n % 10] + "x") for n in range(100)]
    found = [Document(id=f"a/1/{n}", source="a", text=one, dump="a", offset=n) for n, one in enumerate(texts)]
    assert topics.read(drawn(found)) is None


def test_scripts_without_blanks_are_cut_in_twos() -> None:
    assert topics.words_of("Die Brücke, 12 x 日本語") == ["die", "brücke", "日本", "本語"]


@pytest.mark.parametrize("seed", range(3))
def test_with_one_more_input_most_documents_keep_their_topic(seed: int) -> None:
    rng = np.random.default_rng(seed)
    before = [made for number in range(10) for made in documents("a", 100 * seed + number, 90)]
    more = documents("a", 777 + seed, 90, tuple(rng.permutation(list(ABOUT))))
    assert kept(before, [*before, *more], before) >= 0.9


def test_a_source_that_grows_leaves_others_their_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "TOPICS", 3)  # of four: which one is left out is what a growing source may not decide
    llamas, bridges = (documents("a", *of, 3) for of in ((1, 120, ("llamas",)), (2, 280, ("bridges",))))
    few = documents("b", 3, 270, ("weather",), 3) + documents("b", 4, 30, ("code",), 3)
    more = documents("b", 5, 1_080, ("weather",), 3) + documents("b", 6, 120, ("code",), 3)
    others = llamas + bridges
    assert kept([*others, *few], [*others, *few, *more], others) >= 0.99
    monkeypatch.setattr(topics, "EVEN", 10_000)  # each document has the same weight
    assert kept([*others, *few], [*others, *few, *more], others) < 0.9


def kept(before: list[Document], after: list[Document], counted: list[Document]) -> float:
    """Return the share of documents that keep their topic, the topics matched one to one by what they share."""
    optimize = pytest.importorskip("scipy.optimize")
    places = []
    for group in (before, after):
        by_source = {name: [one for one in group if one.source == name] for name in {one.source for one in group}}
        places.append({one.document.id: one.topic for one in topics.placed(by_source)})
    table = np.zeros((topics.TOPICS, topics.TOPICS))
    for one in counted:
        table[places[0][one.id], places[1][one.id]] += 1
    rows, columns = optimize.linear_sum_assignment(-table)
    return float(table[rows, columns].sum() / len(counted))
