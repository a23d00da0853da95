"""A map of what the kept text is about: documents by their words, clustered, each cluster named by its words.

    documents of each source, DOCUMENTS at most by hash ─> hashed words, tf-idf, each source with its weight
    ─> latent axes, turned to be simple ─> topics, with their words

The same corpus gives the same bytes: documents come in the order of their hashes, nothing is drawn, and one thread adds
up. A document's topic is the axis on which it lies farthest. With one more input most keep it, as
`benchmarks/topics.py` measures, because a source of EVEN documents or more has the same weight whatever comes: which of
two axes matters more is not decided by how much of a source was read. Needs scikit-learn (the extra `report`); without
it there is no map.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from filters import packages
from pipelines.card import estimates, samples
from pipelines.card.estimates import Estimate
from pipelines.card.samples import Sample
from pipelines.document import Document
from pipelines.hashing import keyed

DOCUMENTS: Final = 1_000  # of each source, by hash
CHARACTERS: Final = 4_000  # of each document
TOPICS: Final = 16
LEAST: Final = 5 * TOPICS  # documents that are worth a map
EVEN: Final = 300  # documents of a source that has its full weight; fewer have that of their number
RARE: Final = 3  # documents of a word that can tell a topic, at least
COMMON: Final = 0.3  # of all documents have a word that can tell a topic, at most
WORDS: Final = 6  # that name a topic
EXAMPLES: Final = 3
FEATURES: Final = 1 << 14
_ROUNDS: Final = 10  # by which the axes are found
_TURNS: Final = 100  # at most, by which they become simple
# Words of two letters and more; of scripts without blanks, characters two at a time.
_WORD: Final = re.compile(r"[^\W\d_]{2,}")
_JOINED: Final = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


@dataclass(frozen=True)
class Topic:
    """A cluster of documents: its words, how many documents of each source it has, about, and some of them."""

    words: Sequence[str]
    documents: Estimate
    by_source: Mapping[str, Estimate]
    examples: Sequence[Document]


@dataclass(frozen=True)
class Topics:
    """All topics, the largest first, and by source how many documents were read for them."""

    topics: Sequence[Topic]
    read: Mapping[str, int]


@dataclass(frozen=True)
class Placed:
    """A document that was read, the title of its source, its words, and the number of its topic."""

    title: str
    document: Document
    words: Sequence[str]
    topic: int


def words_of(text: str) -> list[str]:
    """Return the words of a text by which it is compared, lower-cased."""
    found = []
    for word in _WORD.findall(text[:CHARACTERS].lower()):
        joined = len(word) > 2 and _JOINED.search(word)
        found += [word[n : n + 2] for n in range(len(word) - 1)] if joined else [word]
    return found


def clustered(documents: Sequence[Sequence[str]], sources: Sequence[str], topics: int) -> npt.NDArray[np.int64]:
    """Return the topic of each document, given by its words and its source: the axis on which it lies farthest.

    None has one where hardly any words tell documents apart, fewer than two for each topic.
    """
    text = packages.SCIKIT_LEARN.load("sklearn.feature_extraction.text")
    hashed = text.HashingVectorizer(analyzer=list, n_features=FEATURES, alternate_sign=False, norm=None)
    counted = hashed.transform(documents)
    having = np.bincount(counted.indices, minlength=FEATURES)
    telling = np.flatnonzero((having >= RARE) & (having <= COMMON * len(documents)))
    if len(telling) < 2 * topics:
        return np.empty(0, np.int64)
    weighed = text.TfidfTransformer(sublinear_tf=True).fit_transform(counted[:, telling])
    number = Counter(sources)
    weights = [[max(number[source], EVEN) ** -0.5] for source in sources]  # whose squares add up to 1 in a large source
    decomposition = packages.SCIKIT_LEARN.load("sklearn.decomposition")
    with packages.SCIKIT_LEARN.load("threadpoolctl").threadpool_limits(1):
        axes = decomposition.TruncatedSVD(topics, n_iter=_ROUNDS, random_state=0)
        reduced = axes.fit_transform(weighed.multiply(weights).tocsr())
        places = reduced / np.maximum(np.linalg.norm(reduced, axis=1, keepdims=True), 1e-12)
        rotated = places @ _simple(places)
    found: npt.NDArray[np.int64] = (rotated * np.sign((rotated**3).sum(axis=0))).argmax(axis=1)
    return found


def _simple(places: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the rotation to axes of which each document has few (Kaiser, "The varimax criterion", 1958)."""
    rotation = np.eye(places.shape[1])
    reached = 0.0
    for _ in range(_TURNS):
        turned = places @ rotation
        target = places.T @ (turned**3 - turned * (turned**2).mean(axis=0))
        left, sizes, right = np.linalg.svd(target)
        rotation = left @ right
        if sizes.sum() < reached * (1 + 1e-8):
            break
        reached = float(sizes.sum())
    return rotation


def placed(documents: Mapping[str, Sequence[Document]]) -> list[Placed]:
    """Return the documents of sources, by their titles, that have words, with their topics; none if too few."""
    every = [(keyed("topic", one.id), one.id, title, one) for title, found in documents.items() for one in found]
    every.sort(key=lambda row: row[:2])
    rows = [(title, one, words) for _, _, title, one in every if (words := words_of(one.text))]
    if len(rows) < LEAST:
        return []
    topics = clustered([words for _, _, words in rows], [title for title, _, _ in rows], TOPICS)
    if not len(topics):
        return []
    return [Placed(*row, topic) for row, topic in zip(rows, topics.tolist(), strict=True)]


def read(drawn: Mapping[str, Sample]) -> Topics | None:
    """Return the topics of samples by the titles of their sources; None if there is too little, or no scikit-learn."""
    if not packages.SCIKIT_LEARN.is_there():
        return None
    chosen = {title: samples.by_hash(sample.documents, DOCUMENTS) for title, sample in drawn.items()}
    every = placed(chosen)
    if not every:
        return None
    standing = {title: _Weights(drawn[title], found) for title, found in chosen.items()}
    everywhere = _document_counts(every)
    inside = [[one for one in every if one.topic == number] for number in range(TOPICS)]
    found = [_topic(rows, standing, everywhere, len(every)) for rows in inside if rows]
    found.sort(key=lambda topic: (-topic.documents.value, topic.words))
    return Topics(found, {title: len(one) for title, one in chosen.items() if one})


class _Weights:
    """For how many documents each of those that were read stands."""

    def __init__(self, sample: Sample, chosen: Sequence[Document]) -> None:
        given = {one.id: sample.weight(one) for one in chosen}
        self._scale = sample.total / (math.fsum(given.values()) or 1.0)
        self._given, self._total = given, sample.total
        self._number, self._whole = estimates.effective(list(given.values())), len(chosen) == sample.total

    def of(self, documents: Sequence[Document]) -> Estimate:
        """Return how many documents these stand for."""
        value = self._scale * math.fsum(self._given[one.id] for one in documents)
        if self._whole or not self._total:
            return Estimate(value, 0.0)
        return Estimate(value, self._total * estimates.margin(value / self._total, self._number))


def _topic(inside: Sequence[Placed], standing: Mapping[str, _Weights], everywhere: Counter[str], total: int) -> Topic:
    by_source = {
        title: standing[title].of(found)
        for title in standing
        if (found := [one.document for one in inside if one.title == title])
    }
    words = _words(_document_counts(inside), len(inside), everywhere, total)
    examples = [one.document for one in inside][:EXAMPLES]
    return Topic(words, estimates.together(list(by_source.values())), by_source, examples)


def _document_counts(documents: Sequence[Placed]) -> Counter[str]:
    return Counter(word for one in documents for word in set(one.words))


def _words(inside: Counter[str], documents: int, everywhere: Counter[str], total: int) -> list[str]:
    """Return the words that tell most of a topic: in many of its documents, and in few others."""

    def told(word: str) -> float:
        part = inside[word] / documents
        return part * math.log(part * total / everywhere[word])

    common = [word for word in inside if inside[word] > 1 or documents == 1]
    return sorted(common, key=lambda word: (-told(word), word))[:WORDS]
