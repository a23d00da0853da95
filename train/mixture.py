"""The mixture: which sequence of which source comes k-th, as one pure function.

    k -> (block, position) -> turn            a seeded permutation inside each block
    turn -> (source, ordinal)                 integer weights, each source's turns in closed form
    ordinal -> (epoch, index) -> sequence     a keyed permutation of each epoch of each source

A period is as many sequences as the integer weights add up to (1,000 for LLaMA), of which each source has exactly its
weight. A block is one period, or of a longer one a thousand sequences, so that short runs end with a whole block too:
up to its end each source has its share to within three sequences. Nothing is stored per sequence, so the state of a
run's data is the integer k: resuming is setting k, and ranks, workers and accumulation only share out the ks.

Worked example: weights (2, 1) make blocks of three. Ordinals of the first source in block b are 2b and 2b + 1, of the
second b; with 5 sequences the first source's ordinal 12 is index 2 of its epoch 2, and the permutation of that epoch
says which sequence that is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

MAX_DECIMALS = 6
MAX_PERIOD = 10**MAX_DECIMALS
MAX_SIZE = 2**62
LONGEST_BLOCK = 1_000  # sequences

# splitmix64 (Steele, Lea, Flood 2014): the golden ratio's odd multiple and the finaliser's two multipliers.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))

# Four rounds make a Feistel network a strong pseudo-random permutation of a large domain (Luby and Rackoff 1988); with
# eight, all images are equally likely as far as 400,000 keys can tell from 16 values up, below that to a few percent.
_ROUNDS = 8
_BACKWARDS = range(_ROUNDS - 1, -1, -1)  # each round undoes itself
_BLOCK, _EPOCH = 1, 2  # what a key is for, so that no two purposes share one


def keyed_hash(keys: Words, values: Words) -> Words:
    """Hash values under keys, elementwise over arrays of at least one dimension: splitmix64's finaliser."""
    z = (values * _GOLDEN) ^ keys
    z ^= z >> _SHIFTS[0]
    z *= _FIRST
    z ^= z >> _SHIFTS[1]
    z *= _SECOND
    z ^= z >> _SHIFTS[2]
    return z


def derive_key(seed: int, *parts: int | Integers) -> Words:
    """Return the key of a seed and a path of numbers, shape that of the longest part (at least (1,))."""
    key = keyed_hash(np.array([seed], np.uint64), np.ones(1, np.uint64))
    for part in parts:
        key = keyed_hash(key, np.atleast_1d(np.asarray(part)).astype(np.uint64) + np.uint64(1))
    return key


def permute(values: Integers, sizes: Integers, keys: Words) -> Integers:
    """Return the image of each value under a keyed permutation of range(size), elementwise.

    A Feistel network over the next power of two, walked along its cycle until it is back inside (fewer than two
    applications on average). `sizes` and `keys` broadcast against `values`, shape (n,).
    """
    sizes = np.broadcast_to(sizes, values.shape)
    keys = np.broadcast_to(keys, values.shape)
    bits = _bit_length(sizes - 1)
    images = _feistel(values.astype(np.uint64), bits, keys)
    limits = sizes.astype(np.uint64)
    outside = np.flatnonzero(images >= limits)
    while outside.size:
        images[outside] = _feistel(images[outside], bits[outside], keys[outside])
        outside = outside[images[outside] >= limits[outside]]
    return images.astype(np.int64)


def unpermute(images: Integers, sizes: Integers, keys: Words) -> Integers:
    """Return the value of each image of `permute`, elementwise: its rounds backwards, and its cycles too."""
    sizes = np.broadcast_to(sizes, images.shape)
    keys = np.broadcast_to(keys, images.shape)
    bits = _bit_length(sizes - 1)
    values = _feistel(images.astype(np.uint64), bits, keys, _BACKWARDS)
    limits = sizes.astype(np.uint64)
    outside = np.flatnonzero(values >= limits)
    while outside.size:
        values[outside] = _feistel(values[outside], bits[outside], keys[outside], _BACKWARDS)
        outside = outside[values[outside] >= limits[outside]]
    return values.astype(np.int64)


def _feistel(values: Words, bits: Words, keys: Words, rounds: range = range(_ROUNDS)) -> Words:
    one = np.uint64(1)
    low_bits = bits >> one
    low_mask = (one << low_bits) - one
    high_mask = (one << (bits - low_bits)) - one
    high, low = values >> low_bits, values & low_mask
    for number in rounds:
        key = keyed_hash(keys, np.array([number + 1], np.uint64))
        if number % 2:
            low ^= keyed_hash(key, high) & low_mask
        else:
            high ^= keyed_hash(key, low) & high_mask
    images: Words = (high << low_bits) | low
    return images


def _bit_length(values: Integers) -> Words:
    """Return int.bit_length of each value; floats alone would round just below a power of two upwards."""
    exponents = np.frexp(values.astype(np.float64))[1].astype(np.int64)
    exponents -= (values >> np.maximum(exponents - 1, 0)) == 0
    return np.maximum(exponents, 0).astype(np.uint64)


class Draw(NamedTuple):
    """What comes k-th: three arrays of shape (n,)."""

    source: Integers
    epoch: Integers
    sequence: Integers


@dataclass(frozen=True, slots=True)
class Mixture:
    """A mixture of sources: weights in sequences per block, sizes in sequences per epoch.

    A weight of 0 leaves a source out. Raises ValueError for a seed outside 64 bits, for weights whose period is over
    a million, and for a source that has a weight but no sequence.
    """

    seed: int
    weights: tuple[int, ...]
    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**64:
            raise ValueError(f"seed is {self.seed}; it must be in [0, 2^64)")
        if len(self.weights) != len(self.sizes):
            raise ValueError(f"{len(self.weights)} weights for {len(self.sizes)} sources")
        if min(self.weights, default=0) < 0 or not 0 < sum(self.weights) <= MAX_PERIOD:
            raise ValueError(
                f"weights are {self.weights}: none may be negative, and their sum must be from 1 to {MAX_PERIOD}"
            )
        for number, (weight, size) in enumerate(zip(self.weights, self.sizes, strict=True)):
            if not 0 <= size <= MAX_SIZE or (weight and not size):
                raise ValueError(f"source {number} has weight {weight} and {size} sequences; it needs 1 to 2^62")

    @property
    def period(self) -> int:
        """Return the number of sequences after which each source has exactly its share."""
        return sum(self.weights)

    @property
    def block(self) -> int:
        """Return the number of sequences in a block; the last one of a period may have fewer."""
        return min(self.period, LONGEST_BLOCK)

    def is_whole(self, k: int) -> bool:
        """Tell whether the first k sequences are whole blocks."""
        return k % self.period % self.block == 0

    def at(self, k: npt.ArrayLike) -> Draw:
        """Return source, epoch and sequence of each k, shape (n,); raise ValueError for a negative k."""
        ks = np.atleast_1d(np.asarray(k, dtype=np.int64))
        if ks.size and ks.min() < 0:
            raise ValueError(f"k is {ks.min()}; it must not be negative")
        source_of, rank_of = _turns(self.weights)
        cycle, place = np.divmod(ks, self.period)
        if self.period == self.block:
            turn = permute(place, np.array([self.period]), derive_key(self.seed, _BLOCK, cycle))
        else:
            block, position = np.divmod(place, self.block)
            first = block * self.block
            key = derive_key(self.seed, _BLOCK, cycle * -(-self.period // self.block) + block)
            turn = first + permute(position, np.minimum(self.block, self.period - first), key)
        source = source_of[turn]
        ordinal = cycle * np.array(self.weights)[source] + rank_of[turn]
        sizes = np.array(self.sizes)[source]
        epoch, index = np.divmod(ordinal, sizes)
        return Draw(source, epoch, permute(index, sizes, derive_key(self.seed, _EPOCH, source, epoch)))

    def where(self, source: int, sequences: npt.ArrayLike, stop: int) -> Integers:
        """Return the ks below `stop` at which some sequences of a source come, rising: `at` backwards."""
        found, weight, size = [np.empty(0, np.int64)], self.weights[source], self.sizes[source]
        wanted = np.atleast_1d(np.asarray(sequences, dtype=np.int64))
        epoch = 0
        while weight and size and epoch * size // weight * self.period < stop:
            key = derive_key(self.seed, _EPOCH, source, epoch)
            ordinals = epoch * size + unpermute(wanted, np.array([size]), key)
            found.append(self._place(source, ordinals))
            epoch += 1
        ks = np.sort(np.concatenate(found))
        return ks[ks < stop]

    def _place(self, source: int, ordinals: Integers) -> Integers:
        """Return the k of each ordinal of a source."""
        cycle, rank = np.divmod(ordinals, self.weights[source])
        turn = np.flatnonzero(_turns(self.weights)[0] == source)[rank]
        if self.period == self.block:
            place = unpermute(turn, np.array([self.period]), derive_key(self.seed, _BLOCK, cycle))
        else:
            block = turn // self.block
            first = block * self.block
            key = derive_key(self.seed, _BLOCK, cycle * -(-self.period // self.block) + block)
            place = first + unpermute(turn - first, np.minimum(self.block, self.period - first), key)
        return cycle * self.period + place

    def counts(self, k: int) -> tuple[int, ...]:
        """Return how many of the first k sequences are each source's: exact, in the time of at most one period."""
        rest = k % self.period % self.block
        cycles, turns = divmod(k - rest, self.period)
        begun = np.concatenate([_turns(self.weights)[0][:turns], self.at(np.arange(k - rest, k)).source])
        partial = np.bincount(begun, minlength=len(self.weights))
        return tuple(cycles * weight + int(part) for weight, part in zip(self.weights, partial, strict=True))


@lru_cache(maxsize=16)
def _turns(weights: tuple[int, ...]) -> tuple[Integers, Integers]:
    """Return the source of each turn of a period and its rank among that source's turns, each of shape (period,).

    Largest deficit first: turns are taken in the order in which sources fall half a sequence behind their share, which
    for turn r of weight w is at (2r + 1) / 2w of the period. Two different such fractions are at least 1e-13 apart and
    equal ones divide to equal floats, so the order is exact; ties go to the source named first.
    """
    source = np.repeat(np.arange(len(weights)), weights)
    rank = np.concatenate([np.arange(weight) for weight in weights])
    order = np.lexsort((source, (2 * rank + 1) / (2 * np.array(weights)[source])))
    turns = source[order], rank[order]
    for array in turns:
        array.setflags(write=False)  # shared by every caller through the cache
    return turns


def integer_weights(proportions: Sequence[int | float | str | Decimal]) -> tuple[int, ...]:
    """Return integer weights that represent proportions exactly.

    Integers are weights already (670, 150, ...). Decimals of at most six places ("0.67", 0.045: a float is taken as it
    prints) must add up to 1 and become weights over the smallest power of ten that holds them all. Raises ValueError
    for anything that would have to be rounded.
    """
    if all(isinstance(value, int) for value in proportions):
        weights = tuple(int(value) for value in proportions)
        if min(weights, default=0) < 0 or not 0 < sum(weights) <= MAX_PERIOD:
            raise ValueError(
                f"weights are {weights}: none may be negative, and their sum must be from 1 to {MAX_PERIOD}"
            )
        return weights
    decimals = [_decimal(value) for value in proportions]
    if sum(decimals) != 1:
        raise ValueError(f"proportions add up to {sum(decimals)}; they must add up to exactly 1")
    places = max(0, *(-int(value.as_tuple().exponent) for value in decimals))
    return tuple(int(value.scaleb(places)) for value in decimals)


def _decimal(value: int | float | str | Decimal) -> Decimal:
    try:
        decimal = Decimal(str(value)).normalize()
    except InvalidOperation:
        raise ValueError(f"proportion {value!r} is not a number") from None
    if not decimal.is_finite() or decimal < 0:
        raise ValueError(f"proportion {value!r} must be a number that is not negative")
    if -int(decimal.as_tuple().exponent) > MAX_DECIMALS:
        raise ValueError(
            f"proportion {value!r} has more than {MAX_DECIMALS} decimals: round it yourself, or use integers"
        )
    return decimal


def parse_proportions(text: str) -> dict[str, int]:
    """Return the integer weight of each source from "NAME=PROPORTION,...", in the order given.

    Raises ValueError as `integer_weights` does, and for a name that is missing or given twice.
    """
    pairs = [part.partition("=") for part in text.replace(" ", "").split(",") if part]
    names = [name for name, _, _ in pairs]
    if not names or not all(name and value for name, _, value in pairs):
        raise ValueError(f"proportions {text!r} are not NAME=PROPORTION,NAME=PROPORTION,...")
    if len(set(names)) < len(names):
        raise ValueError(f"proportions {text!r} name a source twice")
    values = [int(value) if value.isdecimal() else value for _, _, value in pairs]
    return dict(zip(names, integer_weights(values), strict=True))
