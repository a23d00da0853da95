"""Near-duplicates: texts to hashes, hashes to candidate pairs, pairs to verified overlaps, overlaps to what is removed.

    containment   text -> shingles -> anchors, or a sample ---> candidates -> overlaps (exact) -> resolve
    Jaccard       text -> shingles -> minhash -> band_keys ---> candidates -> overlaps (exact) -> resolve
    both          text -> shingles -> whole ------------------> candidates

A short text inside a long one has a small Jaccard, which MinHash bands miss: containment takes its candidates from an
inverted index over a content-defined choice of the shingles instead. Texts with the same shingles share `whole`, so
that no copy depends on what is chosen. Nothing that a sketch suggests is believed: every pair is verified on the full
shingles. Nothing is removed through a chain: a document goes only if it overlaps one that
stays. All functions are pure and give the same result for any order of documents; `candidates` works on any subset of
hashes (a bucket), and `merged` adds up what the buckets found, so that memory is bounded by a bucket.

Documents are numbered in the order in which they are kept, in `candidates` as in `resolve`: the most complete first
(`pipelines.dedup.pairs.rank`).
"""

from __future__ import annotations

import math
import re
import sys
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipelines.hashing import keyed

Hashes = npt.NDArray[np.uint64]
Pairs = npt.NDArray[np.int64]

# Section 2.1 of LLaMA: a book with more than 90 % of its content in another is removed.
# With 13 words (GPT-3's and SlimPajama's) one changed word costs 13 shingles, and two editions of "Pride and Prejudice"
# fall to 0.896; with 5 they have 0.958, and unrelated novels still under 0.01.
SHINGLE_WORDS = 5
# How many documents a shingle may be shared by before each is compared with the first of them only.
MAX_SHARING = 64
PERMUTATIONS = 256

_BLOCK = 1 << 17
_PAIR_BLOCK = 1 << 23
# Unicode's Stream-Safe Text Format (UAX 15, section 13): no more marks in a row than any language needs; normalising a
# longer row takes quadratic time.
_MOST_MARKS = 30
_JOINER = 0x034F
_FIRST_LENDERS = 8
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SHIFTS = tuple(map(np.uint64, (30, 27, 31)))
_FACTORS = tuple(map(np.uint64, (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)))
_WORD_BASE = 0xD1342543DE82EF95
_WORD_INVERSE = pow(_WORD_BASE, -1, 1 << 64)
_SHINGLE_BASE = 0x2545F4914F6CDD1D
# Scripts written without spaces: each character is a word of its own.
_UNSPACED = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3005, 0x3007), (0x3040, 0x30FF), (0x31F0, 0x31FF),
             (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x323AF))  # fmt: skip


def mix(values: Hashes) -> Hashes:
    """Return SplitMix64's finalizer of each value: a permutation of 64 bits without visible structure."""
    z = values ^ (values >> _SHIFTS[0])
    z *= _FACTORS[0]
    z ^= z >> _SHIFTS[1]
    z *= _FACTORS[1]
    z ^= z >> _SHIFTS[2]
    return z


@cache
def _kinds() -> npt.NDArray[np.uint8]:
    """Return for each code point 0 (between words), 1 (in a word) or 2 (a word by itself)."""
    points = "".join(map(chr, range(sys.maxunicode + 1)))
    kinds = np.zeros(sys.maxunicode + 1, np.uint8)
    for found in re.finditer(r"[^\W_]+", points):
        kinds[found.start() : found.end()] = 1
    for first, last in _UNSPACED:
        kinds[first : last + 1] *= 2
    return kinds


@cache
def _letters() -> Hashes:
    """Return a weight for each code point of the first plane, 0 between words."""
    weights = mix((np.arange(1 << 16, dtype=np.uint64) + np.uint64(1)) * _MULTIPLIER)
    weights[_kinds()[: 1 << 16] == 0] = 0
    return weights


@cache
def _powers(base: int, count: int) -> Hashes:
    powers = np.full(count, base, np.uint64)
    powers[0] = 1
    np.multiply.accumulate(powers, out=powers)
    return powers


def words(text: str) -> Hashes:
    """Return a 64-bit hash of each word of a text, in order.

    Words are runs of letters and digits after NFC and lower case, so that case, punctuation, emphasis (`_may_`), line
    ends and kinds of apostrophes make no difference; in scripts without spaces each character is a word.
    """
    lower = text.lower()
    points = _code_points(lower if lower.isascii() else _normalised(lower))
    if len(points) <= _BLOCK:
        return _hash_words(points)
    kinds, parts, start = _kinds(), [], 0
    while start < len(points):
        end = min(start + _BLOCK, len(points))
        if end < len(points):
            gaps = np.flatnonzero(kinds[points[end - (_BLOCK >> 3) : end]] == 0)
            end = end - (_BLOCK >> 3) + int(gaps[-1]) + 1 if len(gaps) else end
        parts.append(_hash_words(points[start:end]))
        start = end
    return np.concatenate(parts)


def _normalised(text: str) -> str:
    """Return a text in NFC, after breaks in rows of combining marks that are too long."""
    points = _code_points(text)
    marks = np.flatnonzero(_marks()[points])
    if len(marks) <= _MOST_MARKS:
        return unicodedata.normalize("NFC", text)
    starts = np.flatnonzero(np.diff(marks, prepend=-2) != 1)
    ends = np.append(starts[1:], len(marks))
    rows = np.flatnonzero(ends - starts > _MOST_MARKS)
    breaks = [marks[starts[row] + _MOST_MARKS : ends[row] : _MOST_MARKS] for row in rows]
    if breaks:
        broken = np.insert(points.astype("<u4"), np.concatenate(breaks), _JOINER)
        text = broken.tobytes().decode("utf-32-le", "surrogatepass")
    return unicodedata.normalize("NFC", text)


@cache
def _marks() -> npt.NDArray[np.bool_]:
    """Tell for each code point whether it is a combining mark."""
    return np.array([unicodedata.combining(point) != 0 for point in map(chr, range(sys.maxunicode + 1))])


def _code_points(text: str) -> npt.NDArray[Any]:
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), np.uint8)
    narrow = text.encode("utf-16-le", "surrogatepass")
    if len(narrow) == 2 * len(text):
        return np.frombuffer(narrow, "<u2")
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def _hash_words(points: npt.NDArray[Any]) -> Hashes:
    """Return the polynomial hash of each word of up to `_BLOCK` characters: the sum of weights times powers."""
    letters, alone = _weights(points)
    inside = letters != 0
    opens = np.empty(len(points), bool)
    opens[:1] = inside[:1]
    np.greater(inside[1:], inside[:-1], out=opens[1:])
    if len(alone):
        opens[alone] = True
        after = alone[alone < len(points) - 1] + 1
        opens[after] = inside[after]
    starts = np.flatnonzero(opens)
    if not len(starts):
        return np.empty(0, np.uint64)
    letters *= _powers(_WORD_BASE, _BLOCK)[: len(letters)]
    # Sums of all letters so far, and their differences: half the time of np.add.reduceat.
    np.add.accumulate(letters, out=letters)
    ends = letters[starts[1:] - 1]
    sums: Hashes = np.append(ends, letters[-1])
    sums[1:] -= ends
    # Dividing by the power at the word's start, modulo 2^64, makes the hash independent of where the word stands.
    sums *= _powers(_WORD_INVERSE, _BLOCK)[starts]
    return mix(sums)


def _weights(points: npt.NDArray[Any]) -> tuple[Hashes, npt.NDArray[np.int64]]:
    """Return each character's weight, 0 between words, and where characters stand that are words by themselves."""
    largest = 0 if points.dtype == np.uint8 else int(points.max(initial=0))
    if largest < 1 << 16:
        weights = _letters().take(points)
    else:
        weights = mix((points.astype(np.uint64) + np.uint64(1)) * _MULTIPLIER)
        weights[_kinds()[points] == 0] = 0
    high = np.flatnonzero(points >= _UNSPACED[0][0]) if largest >= _UNSPACED[0][0] else np.empty(0, np.int64)
    return weights, high[_kinds()[points[high]] == 2]


def shingles(text: str, n: int = SHINGLE_WORDS) -> Hashes:
    """Return the distinct hashes of a text's word n-grams, sorted, shape (shingles,).

    A text with fewer than `n` words is one shingle, and so is one without words, which is hashed by its characters, and
    an empty one: documents shorter than the n-gram are compared like others. ValueError for n < 1.
    """
    return distinct(in_order(text, n))


def in_order(text: str, n: int = SHINGLE_WORDS) -> Hashes:
    """Return the hashes of a text's word n-grams as they follow each other: see `shingles`."""
    if n < 1:
        raise ValueError(f"n is {n}: a shingle has at least 1 word")
    hashed = words(text)
    if not len(hashed):
        return np.array([keyed("no_words", "".join(text.split()))], np.uint64)
    size = min(n, len(hashed))
    if len(hashed) <= _BLOCK:
        return _combined(hashed, size)
    grams = np.empty(len(hashed) - size + 1, np.uint64)
    for start in range(0, len(grams), _BLOCK):
        grams[start : start + _BLOCK] = _combined(hashed[start : start + _BLOCK + size - 1], size)
    return grams


def _combined(hashed: Hashes, size: int) -> Hashes:
    """Return the hash of each `size` values in a row."""
    grams = hashed[size - 1 :].copy()
    for place in range(size - 2, -1, -1):
        grams *= np.uint64(_SHINGLE_BASE)
        grams += hashed[place : place + len(grams)]
    grams += np.uint64(size)
    return mix(grams)


def distinct(values: Hashes) -> Hashes:
    """Return the distinct values, sorted; several times faster than np.unique, which hashes."""
    ordered = np.sort(values)
    new = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    return ordered[new]


def whole(found: Hashes) -> Hashes:
    """Return the sum of all hashes, shape (1,): texts with the same shingles have it in common, however short."""
    total: Hashes = found.sum(keepdims=True)
    return total


def sample(found: Hashes, one_in: int) -> Hashes:
    """Return the shingles whose hash is divisible by `one_in`: the same choice in every document that has them."""
    if one_in < 1:
        raise ValueError(f"one_in is {one_in}: 1 takes every shingle")
    return found if one_in == 1 else found[found % np.uint64(one_in) == 0]


def anchors(ordered: Hashes, window: int) -> Hashes:
    """Return the smallest of each `window` shingles in a row, each once: two texts with such a row in common share one.

    About 2 in window + 1 shingles are chosen (winnowing: Schleimer, Wilkerson and Aiken 2003). They are mixed again, so
    that they fill all buckets of hashes alike.
    """
    if window < 1:
        raise ValueError(f"window is {window}: 1 takes every shingle")
    width = min(window, len(ordered))
    rows = len(ordered) - width + 1
    parts = [_least(ordered[start : start + _BLOCK + width - 1], width) for start in range(0, rows, _BLOCK)]
    return mix(distinct(np.concatenate(parts)))


def _least(ordered: Hashes, width: int) -> Hashes:
    """Return the smallest of each `width` values in a row, but once where rows side by side have the same one."""
    least, covered = ordered, 1
    while covered < width:
        step = min(covered, width - covered)
        least = np.minimum(least[:-step], least[step:])
        covered += step
    new = np.ones(len(least), bool)
    np.not_equal(least[1:], least[:-1], out=new[1:])
    return least[new]


def window(threshold: float, shortest: int) -> int:
    """Return the largest window of `anchors` that finds any document of at least so many shingles in a larger one.

    If more than `threshold` of its n shingles are there too, fewer than (1 - threshold) n are not; these leave a row of
    more than threshold n / ((1 - threshold) n + 1) that both have. ValueError outside (0, 1), or for shortest < 1.
    """
    if not 0 < threshold < 1 or shortest < 1:
        raise ValueError(f"threshold={threshold} must lie between 0 and 1, shortest={shortest} be at least 1")
    return math.floor(threshold * shortest / ((1 - threshold) * shortest + 1)) + 1


def shared_count(a: Hashes, b: Hashes) -> int:
    """Return how many hashes two sorted arrays without repetitions have in common."""
    if len(a) > len(b):
        a, b = b, a
    if not len(a):
        return 0
    places = np.searchsorted(b, a)
    places[places == len(b)] = 0
    return int(np.count_nonzero(b[places] == a))


def containment(a: Hashes, b: Hashes) -> float:
    """Return which share of `a` is in `b`, |A and B| / |A|, exactly; 0.0 if `a` is empty."""
    return shared_count(a, b) / len(a) if len(a) else 0.0


def jaccard(a: Hashes, b: Hashes) -> float:
    """Return |A and B| / |A or B|, exactly; 0.0 if both are empty."""
    shared = shared_count(a, b)
    return shared / (len(a) + len(b) - shared) if len(a) + len(b) else 0.0


@dataclass(frozen=True, slots=True)
class Candidates:
    """Pairs of documents that share hashes.

    `pairs` has shape (pairs, 2), the smaller number first, sorted; `shared` (pairs,) counts their common hashes.
    `hot` is how many hashes more documents than the cap have, `left_out` how many pairings of two documents by one hash
    were not made for that.
    """

    pairs: Pairs
    shared: Pairs
    hot: int = 0
    left_out: int = 0


def repeated(hashes: Hashes) -> Pairs:
    """Return, in order, where those hashes stand that are not the only one of their value."""
    order = np.argsort(hashes)
    _, counts = _runs(hashes[order])
    return np.sort(order[np.repeat(counts > 1, counts)])


def candidates(hashes: Hashes, documents: Pairs, cap: int = MAX_SHARING) -> Candidates:
    """Return the pairs of documents that share a hash, from an inverted index as two arrays of shape (entries,).

    `documents` are their numbers. A hash that more than `cap` documents have would give a square of pairs: each of
    these documents is then paired with the first `cap` only, which are those that would be kept, and what is left out
    is counted. Pairs are at most entries times `cap`.
    """
    if cap < 1:
        raise ValueError(f"cap is {cap}: a hash must be allowed for 1 document")
    if len(documents) and not 0 <= int(documents.min()) <= int(documents.max()) < 1 << 32:
        raise ValueError(f"documents are numbered {documents.min()} to {documents.max()}: expected 0 to 2^32 - 1")
    order = np.argsort(hashes)
    starts, counts = _runs(hashes[order])
    # Hashes by number: with a document's number one integer, which is sorted several times as fast as two.
    numbers = np.repeat(np.arange(len(starts), dtype=np.uint64), counts)
    entries = distinct(numbers << np.uint64(32) | documents[order].astype(np.uint64))
    members = entries & np.uint64(0xFFFFFFFF)
    starts, counts = _runs(entries >> np.uint64(32))
    owner = np.repeat(starts, counts)
    reach = np.minimum(np.arange(len(entries)) - owner, cap)
    parts = [_pairs_of(members, owner, reach, begin, end) for begin, end in _blocks(reach)]
    beyond = counts[counts > cap] - cap
    left_out = int((beyond * (beyond - 1) // 2).sum())
    return merged([*parts, Candidates(np.empty((0, 2), np.int64), np.empty(0, np.int64), len(beyond), left_out)])


def _runs(values: Hashes) -> tuple[Pairs, Pairs]:
    """Return where each run of equal values begins, and its length."""
    first = np.ones(len(values), bool)
    first[1:] = values[1:] != values[:-1]
    starts = np.flatnonzero(first)
    return starts, np.diff(starts, append=len(values))


def _blocks(reach: Pairs) -> Iterable[tuple[int, int]]:
    """Yield ranges of entries that make about `_PAIR_BLOCK` pairs each."""
    total = np.cumsum(reach)
    begin = 0
    while begin < len(reach):
        base = int(total[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(total, base + _PAIR_BLOCK, side="right")))
        yield begin, end
        begin = end


def _pairs_of(members: Hashes, owner: Pairs, reach: Pairs, begin: int, end: int) -> Candidates:
    """Pair each entry of a range with the first `reach` members of its hash."""
    many = reach[begin:end]
    offsets = np.arange(int(many.sum())) - np.repeat(np.cumsum(many) - many, many)
    first = members[np.repeat(owner[begin:end], many) + offsets]
    packed = np.sort((first << np.uint64(32)) | np.repeat(members[begin:end], many))
    starts, shared = _runs(packed)
    return Candidates(_unpacked(packed[starts]), shared)


def _unpacked(packed: Hashes) -> Pairs:
    return np.stack([packed >> np.uint64(32), packed & np.uint64(0xFFFFFFFF)], axis=1).astype(np.int64)


def merged(parts: Iterable[Candidates]) -> Candidates:
    """Return the candidates of all buckets of hashes as one."""
    found = list(parts)
    if not found:
        return Candidates(np.empty((0, 2), np.int64), np.empty(0, np.int64))
    pairs = np.concatenate([part.pairs for part in found]).astype(np.uint64)
    packed = (pairs[:, 0] << np.uint64(32)) | pairs[:, 1]
    order = np.argsort(packed, kind="stable")
    starts, _ = _runs(packed[order])
    shared = np.concatenate([part.shared for part in found])[order]
    sums = np.add.reduceat(shared, starts) if len(starts) else shared
    hot, left_out = sum(part.hot for part in found), sum(part.left_out for part in found)
    return Candidates(_unpacked(packed[order][starts]), sums, hot, left_out)


class Overlap(NamedTuple):
    """A verified pair: `share` of the document `inner` is in `outer` (or their Jaccard)."""

    inner: int
    outer: int
    share: float


def resolve(found: Iterable[Overlap]) -> dict[int, int]:
    """Return the removed documents, each with the kept one that it overlaps most.

    Documents are taken in the order of their numbers; one is removed if it overlaps a document that is kept, and only
    then: if B overlaps A and C overlaps B alone, B goes and C stays. What is kept therefore overlaps nothing kept.
    """
    by_inner: dict[int, list[Overlap]] = {}
    for overlap in found:
        by_inner.setdefault(overlap.inner, []).append(overlap)
    removed: dict[int, int] = {}
    for inner in sorted(by_inner):
        kept = [overlap for overlap in by_inner[inner] if overlap.outer < inner and overlap.outer not in removed]
        if kept:
            removed[inner] = min(kept, key=lambda overlap: (-overlap.share, overlap.outer)).outer
    return removed


@dataclass(frozen=True, slots=True)
class Bands:
    """How a signature is cut: `bands` keys of `rows` values each."""

    bands: int
    rows: int

    def recall(self, similarity: float) -> float:
        """Return the probability that two documents of this Jaccard similarity share a band: 1 - (1 - J^r)^b."""
        return 1.0 - (1.0 - similarity**self.rows) ** self.bands


@cache  # asked for each document
def bands(threshold: float, recall: float, permutations: int = PERMUTATIONS) -> Bands:
    """Return the most selective bands that find pairs at `threshold` with at least this `recall`.

    ValueError if `permutations` values cannot give it, or if an argument is outside (0, 1).
    """
    if not (0 < threshold < 1 and 0 < recall < 1 and permutations > 0):
        raise ValueError(
            f"threshold={threshold} and recall={recall} must lie between 0 and 1, permutations={permutations} above 0"
        )
    for rows in range(permutations, 0, -1):
        cut = Bands(permutations // rows, rows)
        if cut.recall(threshold) >= recall:
            return cut
    raise ValueError(f"{permutations} permutations cannot find pairs at {threshold} with recall {recall}: use more")


@cache
def _bins(count: int) -> tuple[Hashes, npt.NDArray[np.int64]]:
    """Return where each of `count` equal bins of 64 bits begins, and for each bin an order of all bins."""
    starts = np.array([(number << 64) // count for number in range(count)], np.uint64)
    keys = mix(np.arange(1, count * count + 1, dtype=np.uint64) * _MULTIPLIER)
    return starts, np.argsort(keys.reshape(count, count), axis=1)


def minhash(found: Hashes, permutations: int = PERMUTATIONS) -> Hashes:
    """Return the MinHash signature of a sorted set of shingles, shape (permutations,).

    One permutation (the hash itself) is cut into bins, each giving its smallest value; an empty bin borrows from the
    first bin that is not, in an order of its own. Two signatures agree in a place with the probability of their Jaccard
    similarity, as with as many permutations, at a cost that hardly grows with the set (optimal
    densification: Shrivastava 2017). A set without shingles has the largest value everywhere.
    """
    if not len(found):
        return np.full(permutations, np.iinfo(np.uint64).max, np.uint64)
    bins, orders = _bins(permutations)
    starts = np.searchsorted(found, bins)
    filled = np.empty(permutations, bool)
    np.less(starts[:-1], starts[1:], out=filled[:-1])
    filled[-1] = starts[-1] < len(found)
    signature = found.take(starts, mode="clip")
    empty = np.flatnonzero(~filled)
    for tried in (orders[:, :_FIRST_LENDERS], orders):  # nearly always one of the first lends
        if not len(empty):
            break
        lends = filled[tried[empty]]
        choice = lends.argmax(axis=1)
        done = lends[np.arange(len(empty)), choice]
        signature[empty[done]] = signature[tried[empty[done], choice[done]]]
        empty = empty[~done]
    return signature


def band_keys(signature: Hashes, cut: Bands) -> Hashes:
    """Return one hash for each band of a signature, shape (bands,), different between bands: input for `candidates`."""
    table = signature[: cut.bands * cut.rows].reshape(cut.bands, cut.rows)
    keys: Hashes = table @ _powers(_SHINGLE_BASE, cut.rows)
    return mix(keys + _band_seeds(cut.bands))


@cache
def _band_seeds(count: int) -> Hashes:
    return mix(np.arange(1, count + 1, dtype=np.uint64) * _MULTIPLIER)
