import time
import tracemalloc
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from pipelines import table1
from pipelines.table1 import TABLE_1
from tests.slowness import slowness
from train.mixture import Mixture, derive_key, integer_weights, parse_proportions, permute, unpermute

LLAMA = (670, 150, 45, 45, 45, 25, 20)
SIZES = (4_321, 999, 57, 1_000, 3, 1, 64)
SMALL_MIXTURES = st.tuples(
    st.integers(0, 2**64 - 1),
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 40)), min_size=1, max_size=5).filter(
        lambda pairs: any(weight for weight, _ in pairs)
    ),
).map(lambda drawn: Mixture(drawn[0], *(tuple(column) for column in zip(*drawn[1], strict=True))))


def test_weights_are_table_1s() -> None:
    assert tuple(row.proportion for row in TABLE_1) == LLAMA
    assert integer_weights([0.67, 0.15, 0.045, 0.045, 0.045, 0.025, 0.02]) == LLAMA
    assert integer_weights(["67e-2", "0.150", Decimal("0.045"), ".045", "0.045", "0.025", "0.020"]) == LLAMA


def test_the_order_is_part_of_the_contract() -> None:
    draw = Mixture(1, LLAMA, SIZES).at([0, 1, 2, 999, 1000, 123_456_789])
    assert [column.tolist() for column in draw] == [
        [6, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 19142],
        [37, 3759, 2953, 648, 326, 1156],
    ]


@pytest.mark.parametrize("first", [0, 7, 10**6])
def test_proportions_are_exact_at_the_end_of_every_block(first: int) -> None:
    mixture = Mixture(5, LLAMA, SIZES)
    sources = mixture.at(np.arange(first * 1000, (first + 20) * 1000)).source.reshape(20, 1000)
    for block in sources:
        assert tuple(np.bincount(block, minlength=7)) == LLAMA
    assert not np.array_equal(sources[0], sources[1])


def test_every_prefix_is_within_one_block_of_its_proportions() -> None:
    sources = Mixture(5, LLAMA, SIZES).at(np.arange(20_000)).source
    for number, weight in enumerate(LLAMA):
        seen = np.cumsum(sources == number)
        owed = np.arange(1, 20_001) * weight / 1000
        assert abs(seen - owed).max() <= weight


@settings(deadline=None, max_examples=30)
@example([12, 28])
@given(st.lists(st.integers(1, 999), min_size=1, max_size=12))
def test_a_block_of_a_long_period_has_every_share_to_within_three_sequences(thousandths: list[int]) -> None:
    shares = {f"added{number}": share / 1000 for number, share in enumerate(thousandths)}
    assume(sum(thousandths) < 1000)
    weights = tuple(table1.weights(shares).values())
    mixture = Mixture(5, weights, (50,) * len(weights))
    assert mixture.block == min(mixture.period, 1000)
    in_a_period = -(-mixture.period // mixture.block)  # the last one may have fewer sequences
    for blocks in {1, 2, 7, in_a_period}:
        taken = blocks // in_a_period * mixture.period + blocks % in_a_period * mixture.block
        counts = np.array(mixture.counts(taken))
        assert counts.sum() == taken
        assert abs(counts - taken * np.array(weights) / mixture.period).max() <= 3
    assert mixture.counts(mixture.period) == weights
    start = max(0, mixture.period - 500)
    sources = mixture.at(np.arange(start, start + 1500)).source
    after, before = (np.array(mixture.counts(k)) for k in (start + 1500, start))
    assert (np.bincount(sources, minlength=len(weights)) == after - before).all()


def test_a_long_period_takes_each_sequence_once_an_epoch() -> None:
    weights = tuple(table1.weights({"letters": 0.05}).values())
    mixture = Mixture(3, weights, (30, 20, 9, 8, 7, 6, 5, 11))
    drawn = mixture.at(np.arange(2 * mixture.period))
    for number, size in enumerate(mixture.sizes):
        of_source = drawn.source == number
        for epoch in (0, 1):
            sequences = drawn.sequence[of_source & (drawn.epoch == epoch)]
            assert sorted(sequences.tolist()) == list(range(size))


@settings(deadline=None, max_examples=60)
@given(SMALL_MIXTURES, st.integers(0, 10**12))
def test_any_k_alone_equals_k_among_others(mixture: Mixture, start: int) -> None:
    together = mixture.at(np.arange(start, start + 20))
    for offset in range(20):
        assert [int(column[0]) for column in mixture.at(start + offset)] == [int(column[offset]) for column in together]


@settings(deadline=None, max_examples=60)
@given(SMALL_MIXTURES)
def test_each_epoch_visits_each_sequence_exactly_once(mixture: Mixture) -> None:
    draw = mixture.at(np.arange(mixture.period * 85))
    for number, size in enumerate(mixture.sizes):
        of_source = draw.source == number
        epochs, sequences = draw.epoch[of_source], draw.sequence[of_source]
        assert np.array_equal(np.sort(epochs), np.arange(len(epochs)) // size)
        for epoch in range(len(epochs) // size):
            assert np.array_equal(np.sort(sequences[epochs == epoch]), np.arange(size))


@settings(deadline=None, max_examples=60)
@given(SMALL_MIXTURES, st.integers(0, 500))
def test_counts_are_those_of_the_draws(mixture: Mixture, k: int) -> None:
    counted = np.bincount(mixture.at(np.arange(k)).source, minlength=len(mixture.weights))
    assert mixture.counts(k) == tuple(counted)


def test_counts_far_out_are_exact_without_walking_there() -> None:
    k = 683_593_750_123  # 1.4T tokens in sequences of 2048, and a part of a block
    counts = Mixture(0, LLAMA, (10**12,) * 7).counts(k)
    assert sum(counts) == k
    assert all(0 <= count - k // 1000 * weight <= weight for count, weight in zip(counts, LLAMA, strict=True))


def test_epochs_seeds_and_sources_have_orders_of_their_own() -> None:
    def order(seed: int, source: int, epoch: int) -> tuple[int, ...]:
        draw = Mixture(seed, (1, 1), (50, 50)).at(np.arange(400))
        return tuple(draw.sequence[(draw.source == source) & (draw.epoch == epoch)].tolist())

    orders = {order(seed, source, epoch) for seed in range(3) for source in range(2) for epoch in range(4)}
    assert len(orders) == 24


@pytest.mark.parametrize("size", [16, 37, 64, 100])
def test_images_and_pairs_of_images_are_equally_likely(size: int) -> None:
    keys = derive_key(3, size, np.arange(100_000))
    first, last = (permute(np.full(len(keys), value), np.array([size]), keys) for value in (0, size - 1))
    pairs = np.bincount(first * size + last, minlength=size * size).reshape(size, size)
    assert not pairs.diagonal().any()
    for counts in (np.bincount(first), np.bincount(last), pairs[~np.eye(size, dtype=bool)]):
        expected = len(keys) / len(counts)
        chi_square = ((counts - expected) ** 2 / expected).sum()
        degrees = len(counts) - 1
        assert abs(chi_square - degrees) < 4.5 * np.sqrt(2 * degrees)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 63, 64, 65, 1000, 65_537])
def test_permute_is_one_to_one(size: int) -> None:
    image = permute(np.arange(size), np.array([size]), derive_key(9, size))
    assert np.array_equal(np.sort(image), np.arange(size))
    if size > 60:
        assert abs(np.corrcoef(np.arange(size), image)[0, 1]) < 0.4
        assert (image == np.arange(size)).sum() < 8


@pytest.mark.parametrize("size", [10**12, 2**40, 2**40 + 1, 2**53 + 1, 2**62])
def test_sizes_beyond_any_table_need_no_memory(size: int) -> None:
    mixture = Mixture(2, (2, 1), (size, 10))
    mixture.at(0)
    tracemalloc.start()
    draw = mixture.at(np.arange(10**9, 10**9 + 3000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    sequences = draw.sequence[draw.source == 0]
    assert peak < 2 * 2**20
    assert sequences.min() >= 0
    assert sequences.max() < size
    assert len(np.unique(sequences)) == 2000
    assert abs(sequences.mean() / size - 0.5) < 0.05


@pytest.mark.parametrize("world", [1, 2, 8, 64, 200])
def test_strided_ranks_do_not_alias_with_the_period(world: int) -> None:
    sources = Mixture(0, LLAMA, (10**9,) * 7).at(np.arange(200_000)).source
    for rank in {0, 1, world // 2, world - 1} & set(range(world)):
        share = np.bincount(sources[rank::world], minlength=7) / len(sources[rank::world])
        spread = np.sqrt(np.array(LLAMA) / 1000 / len(sources[rank::world]))
        assert (abs(share - np.array(LLAMA) / 1000) < 4.5 * spread).all()


def test_a_sequence_costs_under_two_microseconds() -> None:
    mixture = Mixture(0, LLAMA, (10**12, 10**9, 513, 100, 7, 1, 3))
    ks = np.arange(10**10, 10**10 + 50_000)
    mixture.at(ks)
    start = time.process_time()
    mixture.at(ks)
    assert (time.process_time() - start) / len(ks) < 2e-6 * slowness()


def test_a_weight_of_zero_leaves_a_source_out() -> None:
    draw = Mixture(0, (0, 3, 0, 1), (0, 5, 7, 2)).at(np.arange(100))
    assert np.bincount(draw.source, minlength=4).tolist() == [0, 75, 0, 25]


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=6).filter(lambda parts: sum(parts) > 0))
def test_decimals_are_represented_exactly(parts: list[int]) -> None:
    total = 10**6
    scaled = [part * total // sum(parts) for part in parts]
    scaled[0] += total - sum(scaled)
    decimals = [str(Decimal(part).scaleb(-6)) for part in scaled]
    weights = integer_weights(decimals)
    assert [Fraction(weight, sum(weights)) for weight in weights] == [Fraction(part, total) for part in scaled]


@pytest.mark.parametrize(
    ("proportions", "message"),
    [
        ([0.5, 0.4], "add up to 0.9; they must add up to exactly 1"),
        ([0.7, 0.1 + 0.2], "0.30000000000000004 has more than 6 decimals"),
        ([1 / 3, 2 / 3], "more than 6 decimals"),
        (["0.9999999", "0.0000001"], "more than 6 decimals"),
        ([1.5, -0.5], "-0.5 must be a number that is not negative"),
        (["half", "half"], "'half' is not a number"),
        ([float("nan"), 1.0], "nan must be a number"),
        ([0.5, 0.5, float("inf")], "inf must be a number"),
        ([3, -1], "none may be negative"),
        ([0, 0], "their sum must be from 1 to"),
        ([999_999, 2], "their sum must be from 1 to"),
        ([], "their sum must be from 1 to"),
    ],
)
def test_what_would_have_to_be_rounded_is_refused(proportions: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        integer_weights(proportions)


@pytest.mark.parametrize(
    ("seed", "weights", "sizes", "message"),
    [
        (-1, (1,), (1,), "seed is -1"),
        (2**64, (1,), (1,), "seed is"),
        (0, (1, 1), (1,), "2 weights for 1 sources"),
        (0, (1, 1), (1, 0), "source 1 has weight 1 and 0 sequences"),
        (0, (1,), (2**62 + 1,), "source 0 has weight 1"),
        (0, (), (), "weights are"),
    ],
)
def test_impossible_mixtures_are_refused(
    seed: int, weights: tuple[int, ...], sizes: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Mixture(seed, weights, sizes)


def test_a_negative_k_is_refused() -> None:
    with pytest.raises(ValueError, match="k is -3"):
        Mixture(0, (1,), (1,)).at([5, -3])


def test_proportions_are_read_from_text() -> None:
    assert parse_proportions("books=0.75, c4=.25") == {"books": 75, "c4": 25}
    assert parse_proportions("books=3,c4=1") == {"books": 3, "c4": 1}
    assert parse_proportions("books=1") == {"books": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "are not NAME=PROPORTION"),
        ("books", "are not NAME=PROPORTION"),
        ("books=", "are not NAME=PROPORTION"),
        ("=1", "are not NAME=PROPORTION"),
        ("books=0.5,books=0.5", "name a source twice"),
        ("books=0.5,c4=0.6", r"add up to 1\.1"),
    ],
)
def test_bad_text_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_proportions(text)


@pytest.mark.parametrize("weights", [(2, 1), (670, 150, 45, 135), (1, 0, 3), (33_333, 66_667)])
def test_where_is_at_backwards(weights: tuple[int, ...]) -> None:
    sizes = (57, 23, 31, 8)[: len(weights)]
    mixture = Mixture(11, weights, sizes)
    stop = min(3 * mixture.period, 4_000) + 1
    draw = mixture.at(np.arange(stop))
    for source, size in enumerate(sizes):
        for wanted in (np.arange(size), np.array([size // 2])):
            expected = np.flatnonzero((draw.source == source) & np.isin(draw.sequence, wanted))
            assert mixture.where(source, wanted, stop).tolist() == expected.tolist()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000, 2**40 + 1])
def test_unpermute_undoes_permute(size: int) -> None:
    values = np.unique(np.linspace(0, size - 1, 500).astype(np.int64))
    for seed in range(3):
        key = derive_key(seed, 7)
        images = permute(values, np.array([size]), key)
        assert unpermute(images, np.array([size]), key).tolist() == values.tolist()
