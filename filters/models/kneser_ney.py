r"""Interpolated modified Kneser-Ney language models, estimated in numpy and written as ARPA.

    sentences of word ids -> one stream, <s> w1 ... wn </s> each
      -> order by order: distinct n-grams as ranks, their context's and their suffix's rank, raw and adjusted counts
      -> discounts (counts of counts), probabilities interpolated from the shorter suffix, backoffs -> ARPA

The estimate is that of KenLM's `lmplz --discount_fallback` (Heafield et al. 2013, Chen and Goodman 1998 equation 26):
the count of an n-gram below the highest order is its number of different left neighbours, unless it starts with <s>;
unigrams are interpolated with the uniform distribution over the vocabulary, <unk> included and <s> not.
An n-gram's rank comes from sorting (rank of its first n - 1 words, last word), so it costs one sort of the stream for
each order, and the n-grams of one context are neighbours. Memory is about 180 bytes for each word of text at order 5.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray

from tokenizer.atomic import replacing

UNKNOWN: Final = "<unk>"
BEGIN: Final = "<s>"
END: Final = "</s>"
SPECIALS: Final = (UNKNOWN, BEGIN, END)
ORDER: Final = 5  # section 1.5
FALLBACK_DISCOUNTS: Final = (0.5, 1.0, 1.5)  # lmplz --discount_fallback
LEAST_PROBABILITY: Final = 1e-99  # where a degenerate text leaves no mass: ARPA's customary log10 of nothing
LINES_AT_ONCE: Final = 1 << 16
LOG10_OF_2: Final = 0.30102999566398119521
LOG10_OF_E: Final = 0.43429448190325182765
ARTANH_TERMS: Final = 12  # |s| < 0.172, so the next term is under 1e-20

_UNKNOWN, _BEGIN, _END = range(3)

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Summary:
    """What was estimated: n-grams written and discounts (D1, D2, D3+) of each order, words of text without <s>."""

    ngrams: tuple[int, ...]
    discounts: tuple[tuple[float, float, float], ...]
    words: int


def estimate(
    sentences: Iterable[Sequence[int] | NDArray[np.integer]],
    vocabulary: Sequence[str],
    output: Path,
    *,
    order: int = ORDER,
    prune: Sequence[int] = (),
) -> Summary:
    """Write the ARPA model of `sentences` (indices into `vocabulary`) to `output`, whole or not at all.

    `prune[k - 1]` is the count at or under which a k-gram is left out, as `lmplz --prune` has it: never decreasing, 0
    for unigrams, the last value stands for all higher orders. Words of the vocabulary that do not occur are not in the
    model. The same input gives the same bytes. A word that is special, empty or holds white space, an id outside the
    vocabulary, no sentence at all or an order under 2 is a ValueError.
    """
    thresholds = _thresholds(prune, order)
    text = _Text.of(sentences, vocabulary)
    tables = _tables(text, order)
    discounts = tuple(_discounts(table.adjusted) for table in tables)
    levels = list(_interpolate(tables, discounts, thresholds, len(text.names)))
    with replacing(output) as file:
        _write_arpa(file, text, levels)
    ngrams = tuple(int(np.count_nonzero(level.kept)) for level in levels)
    return Summary(ngrams=ngrams, discounts=discounts, words=int(np.count_nonzero(text.place)))


def _thresholds(prune: Sequence[int], order: int) -> list[int]:
    if order < 2:
        raise ValueError(f"order is {order}; must be at least 2")
    thresholds = [*prune, *[prune[-1] if prune else 0] * (order - len(prune))]
    if len(thresholds) > order or thresholds[0] != 0 or thresholds != sorted(thresholds):
        raise ValueError(f"prune is {list(prune)}, must start with 0, never decrease, and have at most {order} values")
    return thresholds


@dataclass(frozen=True, slots=True)
class _Text:
    """The stream of word codes (specials first, then the words that occur) and each word's place in its sentence."""

    codes: Ids
    place: Ids
    names: list[str]

    @classmethod
    def of(cls, sentences: Iterable[Sequence[int] | NDArray[np.integer]], vocabulary: Sequence[str]) -> _Text:
        parts = [np.asarray(sentence, dtype=np.int64) for sentence in sentences]
        if not parts:
            raise ValueError("there are no sentences to estimate a language model from")
        words = np.concatenate(parts)
        if words.size and not 0 <= words.min() <= words.max() < len(vocabulary):
            raise ValueError(f"word ids are {words.min()} to {words.max()}, the vocabulary has {len(vocabulary)} words")
        used, dense = np.unique(words, return_inverse=True)
        names = [vocabulary[i] for i in used.tolist()]
        _check_names(names)
        lengths = np.array([len(part) for part in parts], dtype=np.int64) + 2
        ends = np.cumsum(lengths)
        starts = ends - lengths
        place = np.arange(ends[-1]) - np.repeat(starts, lengths)
        codes = np.full(ends[-1], _BEGIN, dtype=np.int64)
        codes[ends - 1] = _END
        inside = place > 0
        inside[ends - 1] = False
        codes[inside] = dense + len(SPECIALS)
        return cls(codes, place, [*SPECIALS, *names])


def _check_names(names: Sequence[str]) -> None:
    for name in names:
        if name in SPECIALS or not name or name.split() != [name] or "\0" in name:
            raise ValueError(f"{name!r} cannot be a word of a language model: special, empty or with white space")
    if len(set(names)) != len(names):
        raise ValueError("the vocabulary has a word twice")


@dataclass(frozen=True, slots=True)
class _Table:
    """The distinct k-grams, by rank: where in the stream each ends once, the ranks of context and suffix, counts."""

    end: Ids
    context: Ids
    suffix: Ids
    raw: Ids
    adjusted: Ids


def _tables(text: _Text, order: int) -> list[_Table]:
    size = len(text.names)
    empty = np.zeros(0, dtype=np.int64)
    raw = np.bincount(text.codes, minlength=size)
    tables = [_Table(np.arange(size), empty, empty, raw, raw)]
    rank = text.codes
    for k in range(2, order + 1):
        (ends,) = np.nonzero(text.place >= k - 1)
        at, inverse, counts = _distinct(rank[ends - 1] * size + text.codes[ends])
        end = ends[at]
        table = _Table(end, context=rank[end - 1], suffix=rank[end], raw=counts, adjusted=counts)
        tables[-1] = _adjust(tables[-1], table, text, k - 1)
        tables.append(table)
        rank = np.full(len(text.codes), -1, dtype=np.int64)
        rank[ends] = inverse
    return tables


def _distinct(keys: Ids) -> tuple[Ids, Ids, Ids]:
    """Return for the sorted distinct keys one index of each, each key's rank, and how often each occurs."""
    order = np.argsort(keys)
    ordered = keys[order]
    first = np.empty(len(keys), dtype=bool)
    first[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    (starts,) = np.nonzero(first)
    inverse = np.empty(len(keys), dtype=np.int64)
    inverse[order] = np.cumsum(first) - 1
    return order[starts], inverse, np.diff(starts, append=len(keys))


def _adjust(lower: _Table, higher: _Table, text: _Text, k: int) -> _Table:
    """Return the table of k-grams with the number of different left neighbours as count, where <s> is not the first."""
    neighbours = np.bincount(higher.suffix, minlength=len(lower.raw))
    if k == 1:
        neighbours[[_UNKNOWN, _BEGIN]] = 0
    else:
        begins = text.place[lower.end] == k - 1
        neighbours[begins] = lower.raw[begins]
    return _Table(lower.end, lower.context, lower.suffix, lower.raw, neighbours)


def _discounts(adjusted: Ids) -> tuple[float, float, float]:
    n = [int(np.count_nonzero(adjusted == j)) for j in range(5)]
    if 0 in n[1:4]:
        return FALLBACK_DISCOUNTS
    # D = j - (j + 1) y n[j + 1] / n[j] with y = n[1] / (n[1] + 2 n[2]), in whole numbers up to the one division: a
    # discount of exactly 0 is in range, and must not become -1e-17.
    both = n[1] + 2 * n[2]
    d1, d2, d3 = ((j * both * n[j] - (j + 1) * n[1] * n[j + 1]) / (both * n[j]) for j in (1, 2, 3))
    return (d1, d2, d3) if 0 <= d1 <= 1 and 0 <= d2 <= 2 and 0 <= d3 <= 3 else FALLBACK_DISCOUNTS


@dataclass(frozen=True, slots=True)
class _Level:
    """The k-grams as the model has them: end in the stream, probability, backoff (1 where it is no context), kept."""

    end: Ids
    probability: Floats
    backoff: Floats
    kept: NDArray[np.bool_]


def _interpolate(
    tables: Sequence[_Table], discounts: Sequence[tuple[float, float, float]], thresholds: Sequence[int], words: int
) -> Iterator[_Level]:
    everything = np.ones(words, dtype=bool)
    probability, gamma = _discounted(tables[0].adjusted, np.zeros(words, dtype=np.int64), discounts[0], everything, 1)
    probability += gamma / (words - 1)  # <s> is not a word that can follow
    probability[_BEGIN] = 1.0
    kept, end = everything, tables[0].end
    for table, discount, threshold in zip(tables[1:], discounts[1:], thresholds[1:], strict=True):
        next_kept = table.raw > threshold
        share, gamma = _discounted(table.adjusted, table.context, discount, next_kept, len(probability))
        yield _Level(end, probability, gamma, kept)
        probability = share + gamma[table.context] * probability[table.suffix]
        kept, end = next_kept, table.end
    yield _Level(end, probability, np.ones(0), kept)


def _discounted(
    counts: Ids, context: Ids, discounts: tuple[float, float, float], kept: NDArray[np.bool_], contexts: int
) -> tuple[Floats, Floats]:
    """Return each n-gram's discounted share of its context, and the mass each context leaves to the shorter ones.

    The mass holds what the discounts took from the n-grams that are kept and all of those that are not.
    """
    taken = np.where(kept, np.array((0.0, *discounts))[np.minimum(counts, 3)], counts)
    total = np.bincount(context, weights=counts, minlength=contexts)
    left = np.bincount(context, weights=taken, minlength=contexts)
    gamma = np.divide(left, total, out=np.ones(contexts), where=total > 0)
    return (counts - taken) / total[context], gamma


def _write_arpa(file: IO[bytes], text: _Text, levels: Sequence[_Level]) -> None:
    counts = (f"ngram {k}={np.count_nonzero(level.kept)}\n" for k, level in enumerate(levels, 1))
    file.write(("\\data\\\n" + "".join(counts)).encode())
    names = np.array(text.names, dtype=object)
    for k, level in enumerate(levels, 1):
        file.write(f"\n\\{k}-grams:\n".encode())
        (rows,) = np.nonzero(level.kept)
        for start in range(0, len(rows), LINES_AT_ONCE):
            file.write(_lines(names, text.codes, k, level, rows[start : start + LINES_AT_ONCE]).encode())
    file.write(b"\n\\end\\\n")


def _lines(names: NDArray[np.object_], codes: Ids, k: int, level: _Level, rows: Ids) -> str:
    ends = level.end[rows]
    columns = [names[codes[ends - back] if k > 1 else ends].tolist() for back in reversed(range(k))]
    grams = map(" ".join, zip(*columns, strict=True))
    probabilities = _logarithms(level.probability[rows])
    if not len(level.backoff):
        return "".join([f"{p:.6f}\t{gram}\n" for p, gram in zip(probabilities, grams, strict=True)])
    backoffs = _logarithms(level.backoff[rows])
    return "".join([f"{p:.6f}\t{gram}\t{b:.6f}\n" for p, gram, b in zip(probabilities, grams, backoffs, strict=True)])


def _logarithms(values: Floats) -> list[float]:
    logarithms: list[float] = np.minimum(0.0, _log10(np.maximum(values, LEAST_PROBABILITY))).tolist()
    return logarithms


def _log10(values: Floats) -> Floats:
    """Return log10 by elementary operations, which give the same bits on every machine; numpy's own does not.

    x = m * 2 ** e with m between 1/sqrt(2) and sqrt(2), ln m = 2 artanh(s) with s = (m - 1) / (m + 1), as a series.
    """
    mantissa, exponent = np.frexp(values)
    small = mantissa < math.sqrt(0.5)
    mantissa[small] *= 2
    s = (mantissa - 1) / (mantissa + 1)
    square = s * s
    series = np.full_like(s, 1 / (2 * ARTANH_TERMS + 1))
    for term in reversed(range(ARTANH_TERMS)):
        series = series * square + 1 / (2 * term + 1)
    logarithms: Floats = (exponent - small) * LOG10_OF_2 + 2 * LOG10_OF_E * s * series
    return logarithms
