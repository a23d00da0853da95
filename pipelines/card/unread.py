"""How many tokens a byte of what was dropped takes: its texts are gone, but for the beginnings of some.

drops with an excerpt, each for as many as it stands for ─ drawn by their bytes ─> tokens for each byte of beginnings
kept documents ─ drawn by their bytes ─> a passage beside the beginning ─> how much more a byte behind it takes
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from pipelines.card import estimates
from pipelines.card.estimates import Estimate
from pipelines.card.samples import Sample
from pipelines.document import EXCERPT_CHARACTERS
from pipelines.hashing import keyed
from pipelines.stages.counts import NOT_SAID
from tokenizer.encode import Tokenizer

EXCERPTS: Final = 300  # of each language of a source
LEAST: Final = 5  # excerpts of a language by which its tokens are estimated; below, by those of all
PASSAGES: Final = 60  # of the kept documents of a language
CHARACTERS: Final = 2_000  # of a passage
ALL: Final = ""  # all languages together


@dataclass(frozen=True)
class _Text:
    """A text, or a beginning of one of `size` bytes, that stands for so many; `id` is of its document."""

    id: str
    text: str
    size: int
    weight: float

    @property
    def whole(self) -> bool:
        return len(self.text.encode()) >= self.size


@dataclass(frozen=True)
class PerByte:
    """Tokens for each byte dropped, by language and under `ALL`, and how many excerpts tell it."""

    of: Mapping[str, Estimate]
    excerpts: int

    def tokens(self, language: str, size: int) -> Estimate | None:
        """Return how many tokens so many bytes of a language take, None if nothing tells."""
        if not size:
            return Estimate(0.0, 0.0)
        found = self.of.get(language) or self.of.get(ALL)
        return None if found is None else found.times(size)


def read(sample: Sample, tokenizer: Tokenizer) -> PerByte:
    """Return what a source's sample says of its drops."""
    drops, kept = _by_language(_excerpts(sample)), _by_language(_documents(sample))
    of = {
        language: _per_byte(found, kept.get(language, ()), tokenizer)
        for language, found in drops.items()
        if len(found) >= LEAST
    }
    return PerByte(of, sum(min(EXCERPTS, len(found)) for language, found in drops.items() if language != ALL))


def _by_language(texts: Sequence[tuple[str, _Text]]) -> dict[str, list[_Text]]:
    """Return texts by language, in the order of a hash."""
    found: defaultdict[str, list[_Text]] = defaultdict(list)
    for language, text in sorted(texts, key=lambda pair: keyed("tokens", pair[1].id)):
        found[language].append(text)
        found[ALL].append(text)
    return found


def _excerpts(sample: Sample) -> list[tuple[str, _Text]]:
    """Return the excerpts of drops with their languages; each stands for the drops of its reason."""
    found = []
    for reason, rows in sample.drops.items():
        told = [row for row in rows if row["excerpt"] and row["size"]]
        for row in told:
            weight = sample.dropped[reason] / len(told)
            found.append((row.get("language") or NOT_SAID, _Text(row["id"], row["excerpt"], row["size"], weight)))
    return found


def _documents(sample: Sample) -> list[tuple[str, _Text]]:
    """Return the kept documents that are longer than an excerpt, with their languages."""
    long = [document for document in sample.documents if len(document.text) > EXCERPT_CHARACTERS]
    return [
        (one.language or NOT_SAID, _Text(one.id, one.text, len(one.text.encode()), sample.weight(one))) for one in long
    ]


def _per_byte(drops: Sequence[_Text], kept: Sequence[_Text], tokenizer: Tokenizer) -> Estimate:
    drawn = _drawn(drops)
    hits, whole = np.array([hit for _, hit in drawn]), np.array([one.whole for one, _ in drawn])
    begun = hits * _rates([one.text for one, _ in drawn], tokenizer)
    behind = Estimate(1.0, 0.0) if whole.all() else _behind(kept, tokenizer)
    found = estimates.ratio((begun * np.where(whole, 1.0, behind.value)).tolist(), hits.tolist())
    return Estimate(found.value, math.hypot(found.margin, behind.margin * float(begun[~whole].sum() / hits.sum())))


def _drawn(drops: Sequence[_Text]) -> list[tuple[_Text, float]]:
    """Return some drops, each as likely as it has bytes, and how often; all drops, and by how many bytes, of few."""
    sizes = [one.weight * one.size for one in drops]
    if len(drops) <= EXCERPTS:
        return list(zip(drops, sizes, strict=True))
    found = Counter(number for number, _ in estimates.evenly(sizes, EXCERPTS))
    return [(drops[number], float(hits)) for number, hits in found.items()]


def _behind(kept: Sequence[_Text], tokenizer: Tokenizer) -> Estimate:
    """Return how many times as many tokens a byte of a whole text takes as one of its beginning, by what is kept."""
    if len(kept) < LEAST:
        return Estimate(1.0, 0.0)
    places = estimates.evenly([one.weight * one.size for one in kept], PASSAGES)
    # Passages of one document are alike: it is drawn once.
    units = np.unique([number for number, _ in places], return_inverse=True)[1]
    cuts = [estimates.passage(kept[number].text, share, CHARACTERS) for number, share in places]
    begun = [kept[number].text[:EXCERPT_CHARACTERS] for number, _ in places]
    above, below = (np.bincount(units, _rates(texts, tokenizer)).tolist() for texts in (cuts, begun))
    return estimates.ratio(above, below)


def _rates(texts: Sequence[str], tokenizer: Tokenizer) -> npt.NDArray[np.float64]:
    """Return the tokens for each byte of some texts."""
    ids = tokenizer.encode_batch(list(texts), bos=False, eos=False)
    return np.array([len(found) / len(text.encode()) for found, text in zip(ids, texts, strict=True)])
