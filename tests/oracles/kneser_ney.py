"""Interpolated modified Kneser-Ney by the textbook, with dictionaries: the oracle of the vectorised estimator.

Chen and Goodman 1998; conventions for sentence ends, unigrams and fallback discounts as in KenLM's lmplz.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from fractions import Fraction

BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
Gram = tuple[str, ...]


class Model:
    def __init__(self, sentences: Sequence[Sequence[str]], order: int) -> None:
        self.order = order
        self.raw = [Counter(grams(sentences, k)) for k in range(1, order + 1)]
        self.adjusted = [self.adjust(k) for k in range(1, order + 1)]
        self.discount = [discounts(counts) for counts in self.adjusted]
        self.followers: dict[Gram, dict[str, int]] = defaultdict(dict)
        for counts in self.adjusted:
            for gram, count in counts.items():
                self.followers[gram[:-1]][gram[-1]] = count
        self.words = [*sorted(self.followers[()]), UNKNOWN]

    def adjust(self, k: int) -> dict[Gram, int]:
        if k == self.order:
            return dict(self.raw[k - 1])
        neighbours = Counter(longer[1:] for longer in self.raw[k])
        starting = {gram: count for gram, count in self.raw[k - 1].items() if gram[0] == BEGIN}
        return dict(neighbours) | starting

    def probability(self, word: str, context: Gram) -> Fraction:
        lower = self.probability(word, context[1:]) if context else Fraction(1, len(self.words))
        followers = self.followers.get(context)
        if not followers:
            return lower
        discount = self.discount[len(context)]
        total = sum(followers.values())
        own = followers.get(word, 0)
        mass = sum((discount[min(count, 3)] for count in followers.values()), Fraction(0))
        return Fraction(own - discount[min(own, 3)]) / total + mass / total * lower


def grams(sentences: Sequence[Sequence[str]], k: int) -> list[Gram]:
    found: list[Gram] = []
    for sentence in sentences:
        padded = [BEGIN, *sentence, END]
        found += [tuple(padded[end - k : end]) for end in range(max(k, 2), len(padded) + 1)]
    return found


def discounts(counts: dict[Gram, int]) -> list[Fraction]:
    fallback = [Fraction(0), Fraction(1, 2), Fraction(1), Fraction(3, 2)]
    n = Counter(counts.values())
    if not (n[1] and n[2] and n[3]):
        return fallback
    y = Fraction(n[1], n[1] + 2 * n[2])
    computed = [Fraction(0), *(j - (j + 1) * y * Fraction(n[j + 1], n[j]) for j in (1, 2, 3))]
    return computed if all(0 <= d <= j for j, d in enumerate(computed)) else fallback
