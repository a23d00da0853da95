"""How many tokens the words of each language take, by passages drawn evenly from all its text.

samples of all sources ─ documents of a language, each for as many as it stands for ─> PASSAGES of its text
passages, tokenizer ─> tokens for each word, bytes for each token, with intervals
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pipelines.card import estimates
from pipelines.card.estimates import Estimate
from pipelines.card.samples import Sample, by_hash
from pipelines.document import Document
from tokenizer.encode import Tokenizer

DOCUMENTS: Final = 400  # of a source that are looked at, by hash
LEAST: Final = 5  # documents of a language
PASSAGES: Final = 100  # of a language
CHARACTERS: Final = 4_000  # of a passage


@dataclass(frozen=True)
class Fertility:
    """How many tokens a language's words take, and what was read for it; halves of 95 % intervals, 0 if all was read.

    A word is what stands between blanks.
    """

    language: str
    documents: int
    size: int
    tokens_per_word: Estimate
    bytes_per_token: Estimate


@dataclass(frozen=True)
class Weighed:
    """A text, and for how many documents it stands."""

    language: str
    text: str
    weight: float


def drawn(sample: Sample) -> list[Weighed]:
    """Return some documents of a source, by hash. Code has its languages under their own names."""
    chosen = by_hash(sample.documents, DOCUMENTS)
    scale = len(sample.documents) / (len(chosen) or 1)
    named = ((_language(document), document) for document in chosen)
    return [Weighed(name, document.text, scale * sample.weight(document)) for name, document in named if name]


def _language(document: Document) -> str | None:
    found = document.attributes.get("code_language") if document.source == "github" else document.language
    return str(found) if found else None


def of(texts: Iterable[Weighed], tokenizer: Tokenizer) -> list[Fertility]:
    """Return the fertility of each language with enough documents, the fewest tokens for a word first."""
    by_language: defaultdict[str, list[Weighed]] = defaultdict(list)
    for one in texts:
        by_language[one.language].append(one)
    enough = [(language, found) for language, found in by_language.items() if len(found) >= LEAST]
    rows = [row for language, found in enough if (row := _of_language(language, found, tokenizer))]
    return sorted(rows, key=lambda row: (row.tokens_per_word.value, row.language))


@dataclass(frozen=True)
class _Passage:
    """A passage of the text with a number, and how much it counts for."""

    number: int
    text: str
    weight: float


def _of_language(language: str, texts: Sequence[Weighed], tokenizer: Tokenizer) -> Fertility | None:
    whole = sum(len(one.text) for one in texts) <= PASSAGES * CHARACTERS
    passages = [_Passage(n, one.text, one.weight) for n, one in enumerate(texts)] if whole else list(_passages(texts))
    tokens, sizes, words = _sums(passages, tokenizer)
    if not (any(tokens) and any(words)):
        return None
    per_word, per_token = estimates.ratio(tokens, words), estimates.ratio(sizes, tokens)
    if whole and all(one.weight == 1 for one in texts):
        per_word, per_token = (Estimate(one.value, 0.0) for one in (per_word, per_token))
    documents, size = len({one.number for one in passages}), sum(len(one.text.encode()) for one in passages)
    return Fertility(language, documents, size, per_word, per_token)


def _sums(passages: Sequence[_Passage], tokenizer: Tokenizer) -> tuple[list[float], list[float], list[float]]:
    """Return the tokens, bytes and words of passages by what is drawn one by one."""
    texts, numbers = [one.text for one in passages], [one.number for one in passages]
    # Passages of one document are alike: it is drawn once. Of very few documents their passages are all there is.
    units = numbers if len(set(numbers)) >= LEAST else range(len(passages))
    places, weights = np.unique(units, return_inverse=True)[1], np.array([one.weight for one in passages])
    ids = tokenizer.encode_batch(texts, bos=False, eos=False)
    counts = (
        [len(found) for found in ids],
        [len(text.encode()) for text in texts],
        [len(text.split()) for text in texts],
    )
    tokens, sizes, words = (np.bincount(places, weights * np.array(count)).tolist() for count in counts)
    return tokens, sizes, words


def _passages(texts: Sequence[Weighed]) -> Iterator[_Passage]:
    """Yield passages that begin at even distances in all texts behind each other, each as long as it stands for."""
    for number, where in estimates.evenly([one.weight * len(one.text) for one in texts], PASSAGES):
        cut = estimates.passage(texts[number].text, where, CHARACTERS)
        yield _Passage(number, cut, 1 / len(cut))
