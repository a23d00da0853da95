"""Who a corpus' English documents speak of: pronouns and words for people, as Llama 2 counts them (section 4.1).

    sample of a source, DOCUMENTS and BYTES of it by hash -> the words of each document -> shares of documents

A document counts once for each group that it has a word of; one whose language nobody said counts as English. Shares
of pronouns are of the documents that have one of their kind, as in Table 9a; those of descriptors are of all documents.
Those are a short list of ours on the axes of Table 9b, whose own list (HolisticBias) has several hundred.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pipelines.card import samples
from pipelines.card.estimates import effective, margin
from pipelines.card.samples import Sample

DOCUMENTS: Final = 2_000  # of each source
BYTES: Final = 8 << 20  # of their text
_WORD: Final = re.compile(r"[a-z]+")
_SHE: Final = ("she", "her", "hers", "herself")
_HE: Final = ("he", "him", "his", "himself")
_THEY: Final = ("they", "them", "their", "theirs", "theirself", "themself", "themselves")
_FIRST: Final = ("i", "me", "my", "mine", "myself", "we", "us", "our", "ours", "ourselves")
_SECOND: Final = ("you", "your", "yours", "yourself", "yourselves")
# Kind -> group -> its words. What Llama 2 prints of pronouns is beside them, in percent.
PRONOUNS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "gender": {"she": _SHE, "he": _HE, "unspecified": _THEY},
    "grammatical person": {
        "1st": _FIRST,
        "2nd": _SECOND,
        "3rd": (*_SHE, *_HE, *_THEY, "it", "its", "itself"),
    },
}
LLAMA2: Final[Mapping[str, float]] = {
    "gender": 75.23,
    "she": 28.45,
    "he": 50.73,
    "unspecified": 86.38,
    "grammatical person": 94.47,
    "1st": 70.71,
    "2nd": 61.80,
    "3rd": 93.07,
}
DESCRIPTORS: Final[Mapping[str, tuple[str, ...]]] = {
    "gender and sex": ("female", "male", "feminine", "transgender", "masculine"),
    "sexual orientation": ("gay", "lesbian", "bisexual", "lgbt", "lgbtq"),
    "nationality": ("american", "indian", "chinese", "korean", "mexican"),
    "race and ethnicity": ("european", "african", "asian", "latin", "indigenous"),
    "religion": ("christian", "religious", "spiritual", "catholic", "jewish"),
}
_GROUPS: Final[Mapping[str, frozenset[str]]] = {
    **{kind: frozenset().union(*groups.values()) for kind, groups in PRONOUNS.items()},
    **{name: frozenset(words) for groups in PRONOUNS.values() for name, words in groups.items()},
    **{name: frozenset(words) for name, words in DESCRIPTORS.items()},
}
_ALL: Final = frozenset().union(*_GROUPS.values())


@dataclass(frozen=True)
class Seen:
    """Of a source's documents that were read, how many have each group or word; `of` English ones it has.

    Those that were read stand for others by their `weights`; what `having` counts are weights.
    """

    documents: int = 0
    of: float = 0.0
    having: Counter[str] = field(default_factory=Counter)
    weights: Sequence[float] = ()

    @property
    def weight(self) -> float:
        """What those that were read weigh together: if all weigh the same, nothing is said of it."""
        return math.fsum(self.weights) or float(self.documents)

    @property
    def exact(self) -> bool:
        """Tell whether all of its English documents were read."""
        return self.documents == self.of


@dataclass(frozen=True)
class Share:
    """A share of documents in percent, and half of its 95 % interval: nothing where all were read."""

    percent: float
    margin: float

    @property
    def beyond(self) -> bool:
        """Tell whether so much on both sides would be less than nothing, or more than all."""
        return self.margin > 0 and not self.margin <= self.percent <= 100 - self.margin

    @property
    def interval(self) -> tuple[float, float]:
        """From where to where the interval goes, as far as there are such shares."""
        return max(0.0, self.percent - self.margin), min(100.0, self.percent + self.margin)


@dataclass(frozen=True)
class Row:
    """A group as the card shows it: its shares by source, then over all of them; `inside` a kind of pronouns or not."""

    name: str
    words: tuple[str, ...]
    shares: Sequence[Share | None]
    llama2: float | None = None
    inside: bool = False


def groups_of(text: str) -> set[str]:
    """Return the groups that a text has a word of, and the descriptors themselves."""
    words = _ALL.intersection(_WORD.findall(text.lower()))
    found = {name for name, group in _GROUPS.items() if not group.isdisjoint(words)}
    return found | {word for group in DESCRIPTORS.values() for word in group if word in words}


def read(sample: Sample) -> Seen:
    """Count a source's English documents: those of a sample, by hash, up to DOCUMENTS and BYTES."""
    english = [document for document in sample.documents if document.language in (None, "en")]
    having: Counter[str] = Counter()
    weights: list[float] = []
    size = 0
    for document in samples.by_hash(english, DOCUMENTS):
        if size >= BYTES:
            break
        size += len(document.text)
        weights.append(sample.weight(document))
        having.update(dict.fromkeys(groups_of(document.text), weights[-1]))
    return Seen(len(weights), round(math.fsum(map(sample.weight, english))), having, weights)


def table(seen: Sequence[Seen]) -> list[Row]:
    """Return a row for each group over some sources, the last column being all of them."""
    rows = []
    for kind, groups in PRONOUNS.items():
        rows.append(Row(kind, (), _shares(seen, kind, None), LLAMA2[kind]))
        rows += [Row(name, words, _shares(seen, name, kind), LLAMA2[name], True) for name, words in groups.items()]
    for name, words in DESCRIPTORS.items():
        rows.append(Row(name, words, _shares(seen, name, None)))
    return rows


def _shares(seen: Sequence[Seen], name: str, kind: str | None) -> list[Share | None]:
    """Return the share of a group in each source, of the documents of a kind or of all, and in all sources."""
    found = [_share(one, name, kind) for one in seen]
    weights = [one.of * (one.having[kind] / (one.weight or 1.0) if kind else 1.0) for one in seen]
    total = math.fsum(weights)
    both = [(share, weight / total) for share, weight in zip(found, weights, strict=True) if share and weight]
    if not both:
        return [*found, None]
    percent = math.fsum(share.percent * part for share, part in both)
    return [*found, Share(percent, math.sqrt(math.fsum((share.margin * part) ** 2 for share, part in both)))]


def _share(one: Seen, name: str, kind: str | None) -> Share | None:
    total, having = one.having[kind] if kind else one.weight, one.having[name]
    if not total:
        return None
    # Of a kind there are as many documents, in proportion, as of all that were read.
    number = (effective(one.weights) or one.documents) * total / one.weight
    return Share(100 * having / total, 0.0 if one.exact else 100 * margin(having / total, number))
