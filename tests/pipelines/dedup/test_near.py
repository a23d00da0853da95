"""Near-duplicates against brute force: words, shingles, containment, candidates, resolution, MinHash and its bands."""

import math
import random
import re
import time
import unicodedata
from collections.abc import Sequence
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.gutenberg import clean
from pipelines.dedup import near
from pipelines.dedup.near import Bands, Hashes, Overlap
from pipelines.readers.gutenberg import decode
from tests.pipelines.stages.small_near import overlaps, ranks
from tests.slowness import slowness

ALPHABET = st.text(alphabet="aAbBéÉ_ .,\n'’Ж中文0²\U0001d400", max_size=80)
HASHES = st.lists(st.integers(0, 30), max_size=30).map(lambda found: np.unique(np.array(found, np.uint64)))


def hashes(*values: int) -> Hashes:
    return np.array(values, np.uint64)


def split(text: str) -> list[str]:
    """Return the words as the docstring defines them, by a regular expression."""
    return re.findall(r"[中文]|(?:(?![中文])[^\W_])+", unicodedata.normalize("NFC", text.lower()))


def prose(seed: int, count: int) -> list[str]:
    chosen = random.Random(seed)
    return ["".join(chosen.choices("aeioutrnsl", k=chosen.randint(2, 9))) for _ in range(count)]


@settings(deadline=None)
@given(ALPHABET, ALPHABET)
def test_words_hash_alike_if_and_only_if_they_are_alike(a: str, b: str) -> None:
    expected, hashed = split(a) + split(b), [*near.words(a), *near.words(b)]
    assert len(hashed) == len(expected)
    assert len(set(hashed)) == len(set(expected))
    assert len(set(zip(expected, hashed, strict=True))) == len(set(expected))


def test_words_do_not_depend_on_ascii_or_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join(prose(1, 3_000))
    plain = near.words(text)
    assert (near.words(text + " é")[:-1] == plain).all()
    assert (near.words("\U0001f600 " + text) == plain).all()
    monkeypatch.setattr(near, "_BLOCK", 512)
    assert (near.words(text) == plain).all()
    assert len(near.words("x" * 2_000)) == 4


def test_hashes_are_the_same_everywhere() -> None:
    assert near.words("Call me Ishmael").tolist() == near.words("call, ME: _Ishmael_!").tolist()
    assert near.words("of").tolist() == [18158138266220409352]
    assert near.shingles("one two three four five six").tolist() == [1637796438524842251, 2242128344993067408]


def mixed(value: int) -> int:
    """SplitMix64's finalizer, as its author writes it."""
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    value = (value ^ value >> 27) * 0x94D049BB133111EB % 2**64
    return value ^ value >> 31


def polynomial(values: Sequence[int], base: int) -> int:
    return sum(value * pow(base, power, 1 << 64) for power, value in enumerate(values)) % (1 << 64)


@settings(deadline=None)
@given(ALPHABET.filter(split), st.integers(1, 6), st.integers(0, 3))
def test_shingles_are_polynomials_of_words_and_words_of_letters(text: str, n: int, repeats: int) -> None:
    text *= 1 + repeats**4
    hashed = [
        mixed(polynomial([mixed((ord(letter) + 1) * 0x9E3779B97F4A7C15 % 2**64) for letter in word], near._WORD_BASE))
        for word in split(text)
    ]
    size = min(n, len(hashed))
    rows = [hashed[i : i + size] for i in range(len(hashed) - size + 1)]
    assert near.words(text).tolist() == hashed
    assert near.in_order(text, n).tolist() == [
        mixed((polynomial(row, near._SHINGLE_BASE) + size) % 2**64) for row in rows
    ]


@settings(deadline=None)
@given(st.text(alphabet="ab .", max_size=60), st.integers(1, 4))
def test_shingles_count_like_sets_of_tuples(text: str, n: int) -> None:
    found = split(text)
    expected = {tuple(found[i : i + n]) for i in range(len(found) - n + 1)} if len(found) >= n else {tuple(found)}
    made = near.shingles(text, n)
    assert (np.diff(made.astype(object)) > 0).all()
    assert len(made) == (len(expected) if found else 1)


@settings(deadline=None)
@given(st.text(alphabet="ab ", max_size=60), st.text(alphabet="ab ", max_size=60), st.integers(1, 3))
def test_containment_and_jaccard_are_exact(a: str, b: str, n: int) -> None:
    def grams(text: str) -> set[tuple[str, ...]]:
        found = split(text)
        return {tuple(found[i : i + n]) for i in range(max(1, len(found) - n + 1))}

    left, right = grams(a), grams(b)
    made = near.shingles(a, n), near.shingles(b, n)
    assert near.shared_count(*made) == len(left & right)
    assert near.containment(*made) == (len(left & right) / len(left) if left else 0.0)
    assert near.jaccard(*made) == (len(left & right) / len(left | right) if left | right else 0.0)


def test_texts_shorter_than_the_shingle() -> None:
    assert near.containment(near.shingles(""), near.shingles(" \n")) == 1.0
    assert near.containment(near.shingles("Two words"), near.shingles("two  WORDS.")) == 1.0
    assert near.containment(near.shingles("two words"), near.shingles("two other")) == 0.0
    assert near.containment(near.shingles("***"), near.shingles("* * *")) == 1.0
    assert near.containment(near.shingles("***"), near.shingles("--")) == 0.0
    assert near.containment(near.shingles(""), near.shingles("a")) == 0.0
    with pytest.raises(ValueError, match="at least 1 word"):
        near.shingles("a", 0)


def test_scripts_without_spaces_are_compared_by_characters() -> None:
    a = near.shingles("天地玄黄宇宙洪荒日月盈昃辰宿列张", 3)
    b = near.shingles("天地玄黄宇宙洪荒日月盈昃辰宿列。", 3)
    assert near.containment(b, a) == 1.0
    assert near.containment(a, b) == 13 / 14


@settings(deadline=None)
@given(HASHES, st.integers(1, 8))
def test_a_sample_is_chosen_by_content(found: Hashes, one_in: int) -> None:
    assert near.sample(found, one_in).tolist() == [value for value in found.tolist() if value % one_in == 0]


def test_the_sample_has_its_share_and_its_recall() -> None:
    found = near.shingles(" ".join(prose(2, 40_000)))
    assert len(near.sample(found, 16)) == pytest.approx(len(found) / 16, rel=0.1)
    with pytest.raises(ValueError, match="one_in is 0"):
        near.sample(found, 0)


def lost(size: int, places: Sequence[int]) -> int:
    """Return the longest row of a text's shingles between those that another text lacks."""
    return max(b - a - 1 for a, b in pairwise((-1, *sorted(places), size)))


@pytest.mark.parametrize("threshold", [0.5, 0.8, 0.9, 0.95])
@pytest.mark.parametrize("shortest", [1, 5, 10, 50, 200])
def test_a_window_finds_every_document_that_is_long_enough(threshold: float, shortest: int) -> None:
    window = near.window(threshold, shortest)
    for size in range(shortest, shortest + 300):
        missing = math.ceil((1 - threshold) * size - 1e-9) - 1
        step = size / (missing + 1)
        assert lost(size, [round(step * place) for place in range(1, missing + 1)]) >= window
    for bad in ((0.0, 10), (1.0, 10), (0.9, 0)):
        with pytest.raises(ValueError, match="must lie"):
            near.window(*bad)


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.integers(1, 12), st.integers(0, 60))
def test_anchors_are_the_smallest_of_each_row_and_rows_in_common_share_one(
    values: list[int], window: int, place: int
) -> None:
    ordered = near.mix(np.array(values, np.uint64))
    width = min(window, len(values))
    rows = [ordered[i : i + width].min() for i in range(len(values) - width + 1)]
    assert near.anchors(ordered, window).tolist() == near.mix(np.unique(np.array(rows))).tolist()
    row = ordered[place : place + window]
    if len(row) == window:
        around = near.mix(np.arange(100, 130, dtype=np.uint64))
        other = near.anchors(np.concatenate([around[:15], row, around[15:]]), window)
        assert set(other.tolist()) & set(near.anchors(ordered, window).tolist())


def test_anchors_are_few_and_fill_all_buckets() -> None:
    ordered = near.in_order(" ".join(prose(3, 40_000)))
    made = near.anchors(ordered, 5)
    assert len(made) == pytest.approx(len(ordered) / 3, rel=0.05)
    assert np.mean(made < np.uint64(1 << 63)) == pytest.approx(0.5, abs=0.02)
    with pytest.raises(ValueError, match="window is 0"):
        near.anchors(ordered, 0)


def test_the_whole_is_the_set_of_shingles() -> None:
    assert near.whole(near.shingles("One, two. Three")) == near.whole(near.shingles("one two three"))
    texts = ["", "*", "**", "a", "b", "a b", "b a", "a b c d e f", "a b c d e f g"]
    assert len({int(near.whole(near.shingles(text))[0]) for text in texts}) == len(texts)


def test_rows_of_marks_are_broken_as_unicode_says_and_otherwise_nothing_changes() -> None:
    marks = "\u0323\u0301"
    assert near._normalised(f"a{marks * 15}") == unicodedata.normalize("NFC", f"a{marks * 15}")
    broken = f"e{marks * 15}\u034f{marks * 15}\u034f{marks} e\u0301"
    assert near._normalised(f"e{marks * 31} e\u0301") == unicodedata.normalize("NFC", broken)


LONG = {
    "symbols": "*-=+#/|<>~^",
    "wide symbols": "\u2605\u2606\U0001f600",
    "digits": "0123456789",
    "digits and spaces": "0123456789 ",
    "Chinese": "\u5929\u5730\u7384\u9ec4",
    "marks": "\u0301\u0323\u0308\u0316",
    "letters and marks": "ae\u0301\u0323\u0308\u0316",
    "one word": "x",
    "spaces": " ",
}


@pytest.mark.parametrize("name", LONG)
def test_any_text_takes_time_in_proportion(name: str) -> None:
    def seconds(size: int) -> float:
        text = "".join(random.Random(5).choices(LONG[name], k=size))
        found = []
        for _ in range(3):
            began = time.process_time()
            near.anchors(near.in_order(text), 5)
            found.append(time.process_time() - began)
        return min(found)

    seconds(1_000)
    assert seconds(400_000) < 8 * seconds(100_000) + 0.02
    assert seconds(400_000) < 0.3 * slowness()


INDEX = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 9)), max_size=60)


def shared_by_force(index: list[tuple[int, int]]) -> dict[tuple[int, int], int]:
    found: dict[tuple[int, int], int] = {}
    for value in {value for value, _ in index}:
        for pair in combinations(sorted({document for v, document in index if v == value}), 2):
            found[pair] = found.get(pair, 0) + 1
    return found


def as_dict(found: near.Candidates) -> dict[tuple[int, int], int]:
    keys = [(int(a), int(b)) for a, b in found.pairs]
    assert keys == sorted(set(keys))
    return dict(zip(keys, found.shared.tolist(), strict=True))


def columns(index: list[tuple[int, int]]) -> tuple[Hashes, near.Pairs]:
    return np.array([value for value, _ in index], np.uint64), np.array([doc for _, doc in index], np.int64)


@settings(deadline=None)
@given(INDEX, st.randoms(), st.integers(0, 6))
def test_candidates_equal_brute_force_in_any_order_and_buckets(
    index: list[tuple[int, int]], order: random.Random, cut: int
) -> None:
    expected = shared_by_force(index)
    order.shuffle(index)
    assert as_dict(near.candidates(*columns(index))) == expected
    buckets = [[e for e in index if e[0] < cut], [e for e in index if e[0] >= cut]]
    assert as_dict(near.merged(near.candidates(*columns(bucket)) for bucket in buckets)) == expected
    assert as_dict(near.merged([])) == {}


@given(st.lists(st.integers(0, 9), max_size=12))
def test_hashes_are_repeated_that_stand_twice(values: list[int]) -> None:
    found = near.repeated(np.array(values, np.uint64))
    assert found.tolist() == [place for place, value in enumerate(values) if values.count(value) > 1]


def test_candidates_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = random.Random(4)
    index = [(chosen.randrange(40), chosen.randrange(30)) for _ in range(600)]
    monkeypatch.setattr(near, "_PAIR_BLOCK", 7)
    assert as_dict(near.candidates(*columns(index))) == shared_by_force(index)


@settings(deadline=None)
@given(INDEX, st.integers(1, 5))
def test_a_hot_hash_is_capped_and_reported(index: list[tuple[int, int]], cap: int) -> None:
    found = near.candidates(*columns(index), cap=cap)
    groups = [sorted({d for v, d in index if v == value}) for value in {value for value, _ in index}]
    pairs = {(a, b) for group in groups for a, b in combinations(group, 2) if a in group[:cap]}
    assert set(as_dict(found)) == pairs
    assert found.hot == sum(len(group) > cap for group in groups)
    everything = sum(len(group) * (len(group) - 1) // 2 for group in groups)
    assert int(found.shared.sum()) + found.left_out == everything


def test_many_copies_of_one_book_cost_linear_time() -> None:
    copies = 5_000
    documents = np.repeat(np.arange(copies), 10)
    found = near.candidates(np.tile(np.arange(10, dtype=np.uint64), copies), documents, cap=4)
    assert found.hot == 10
    assert len(found.pairs) < copies * 4
    removed = near.resolve(overlaps(found.pairs, lambda _: hashes(1, 2, 3)))
    assert removed == dict.fromkeys(range(1, copies), 0)


def test_bad_arguments_of_candidates() -> None:
    with pytest.raises(ValueError, match="cap is 0"):
        near.candidates(hashes(1), np.array([1]), cap=0)
    with pytest.raises(ValueError, match="expected 0 to 2"):
        near.candidates(hashes(1), np.array([-1]))


def test_ranks_most_complete_first_then_smallest_key() -> None:
    assert ranks([5, 9, 5, 9], ["b", "d", "a", "c"]) == [3, 1, 2, 0]


def removed_by_force(books: list[Hashes], threshold: float) -> set[int]:
    kept: list[int] = []
    for i, book in enumerate(books):
        if not any(near.containment(book, books[k]) > threshold for k in kept):
            kept.append(i)
    return set(range(len(books))) - set(kept)


@settings(deadline=None)
@given(st.lists(HASHES, max_size=12), st.randoms())
def test_what_is_removed_does_not_depend_on_order(books: list[Hashes], order: random.Random) -> None:
    order.shuffle(books)
    numbers = ranks([len(book) for book in books], [book.tobytes().hex() for book in books])
    by_number = [book for _, book in sorted(zip(numbers, books, strict=True), key=lambda pair: pair[0])]
    index = [(int(value), number) for number, book in enumerate(by_number) for value in book]
    found = overlaps(near.candidates(*columns(index)).pairs, lambda i: by_number[i], 0.6)
    order.shuffle(found)
    removed = near.resolve(found)
    assert set(removed) == removed_by_force(by_number, 0.6)
    assert not set(removed.values()) & set(removed)
    assert all(near.containment(by_number[a], by_number[b]) > 0.6 for a, b in removed.items())
    contents = sorted(by_number[i].tobytes() for i in range(len(books)) if i not in removed and len(by_number[i]))
    assert contents == sorted(set(contents))


def test_no_chains() -> None:
    a, b, c = (set(range(start, start + 100)) for start in (0, 8, 16))
    books = [np.array(sorted(book), np.uint64) for book in (a, b, c)]
    found = overlaps(combinations(range(3), 2), lambda i: books[i], 0.9)
    assert [(overlap.inner, overlap.outer) for overlap in found] == [(1, 0), (2, 1)]
    assert near.resolve(found) == {1: 0}


def test_the_kept_one_that_is_named_overlaps_most() -> None:
    assert near.resolve([Overlap(2, 0, 0.92), Overlap(2, 1, 0.99)]) == {2: 1}
    assert near.resolve([Overlap(1, 0, 0.95), Overlap(2, 0, 0.92), Overlap(2, 1, 0.99)]) == {1: 0, 2: 0}
    assert near.resolve([Overlap(0, 1, 0.95)]) == {}


def test_the_threshold_is_more_than_and_not_at_least() -> None:
    books = [np.arange(100, dtype=np.uint64), np.arange(10, 20, dtype=np.uint64), np.arange(91, 101, dtype=np.uint64)]
    assert near.resolve(overlaps(combinations(range(3), 2), lambda i: books[i], 0.9)) == {1: 0}
    assert near.containment(books[2], books[0]) == 0.9


def test_a_short_book_in_a_collection_goes_and_two_volumes_stay() -> None:
    poem, rest = prose(10, 300), prose(11, 20_000)
    collection = near.shingles(" ".join([*rest[:9_000], *poem, *rest[9_000:]]))
    short = near.shingles(" ".join(poem))
    other_volume = near.shingles(" ".join(prose(12, 20_000)))
    assert near.jaccard(short, collection) < 0.02
    one_in = 40
    books = [collection, other_volume, short]
    sampled = [near.sample(book, one_in) for book in books]
    index = [(int(value), number) for number, book in enumerate(sampled) for value in book]
    found = near.candidates(*columns(index))
    assert near.resolve(overlaps(found.pairs, lambda i: books[i])) == {2: 0}


def test_modern_and_old_spelling_of_one_play_stay() -> None:
    modern = prose(13, 4_000)
    old = [word + "e" if i % 3 == 0 else word for i, word in enumerate(modern)]
    share = near.containment(near.shingles(" ".join(old)), near.shingles(" ".join(modern)))
    assert share < 0.5


@pytest.fixture(scope="module")
def library(dumps: Path) -> dict[str, Hashes]:
    paths = sorted((dumps / "gutenberg").glob("*.txt"))
    return {path.stem: near.shingles(clean(decode(path.read_bytes())[0])) for path in paths}


def test_two_editions_of_one_novel_merge_and_the_rest_stays(library: dict[str, Hashes]) -> None:
    names = list(library)
    numbers = ranks([len(library[name]) for name in names], names)
    by_number = dict(zip(numbers, names, strict=True))
    index = [(int(v), n) for n, name in by_number.items() for v in near.sample(library[name], 16)]
    found = near.candidates(*columns(index))
    removed = near.resolve(overlaps(found.pairs, lambda i: library[by_number[i]]))
    assert {by_number[a]: by_number[b] for a, b in removed.items()} == {
        "pride_and_prejudice_other_edition": "pg1342",
        "dracula_other_edition": "pg345",
    }


def test_unrelated_books_hardly_overlap(library: dict[str, Hashes]) -> None:
    for a, b in combinations(["2701-0", "pg11", "pg174", "pg1342", "pg345", "pg84", "13951__13951-8"], 2):
        assert max(near.containment(library[a], library[b]), near.containment(library[b], library[a])) < 0.03


def test_speed(dumps: Path) -> None:
    text = decode((dumps / "gutenberg" / "2701-0.txt").read_bytes())[0]
    near.shingles("warm up é")
    before = time.process_time()
    near.shingles(text)
    assert len(text) / (time.process_time() - before) * slowness() > 1e7


@pytest.mark.parametrize("similarity", [0.0, 0.2, 0.5, 0.8, 0.95, 1.0])
def test_minhash_estimates_jaccard(similarity: float) -> None:
    size, permutations = 2_000, 512
    shared = round(2 * size * similarity / (1 + similarity))
    base = near.mix(np.arange(2 * size, dtype=np.uint64))
    a, b = np.sort(base[:size]), np.sort(base[size - shared : 2 * size - shared])
    agree = float((near.minhash(a, permutations) == near.minhash(b, permutations)).mean())
    deviation = (similarity * (1 - similarity) / permutations) ** 0.5
    assert abs(agree - similarity) <= 4 * deviation + 0.002


@pytest.mark.parametrize("size", [1, 5, 20, 100, 400])
def test_minhash_of_short_texts_estimates_jaccard_on_average(size: int) -> None:
    base = near.mix(np.arange(400 * (size + 1), dtype=np.uint64)).reshape(400, size + 1)
    agree = [(near.minhash(np.sort(row[1:])) == near.minhash(np.sort(row[:-1]))).mean() for row in base]
    assert np.mean(agree) == pytest.approx((size - 1) / (size + 1), abs=0.02)


def minhash_by_force(found: list[int], permutations: int) -> list[int]:
    """Take each bin's smallest value, or that of the first bin in its order that has one."""
    orders = near._bins(permutations)[1]
    least = [min((v for v in found if v * permutations >> 64 == i), default=None) for i in range(permutations)]
    return [next(value for j in (i, *orders[i]) if (value := least[j]) is not None) for i in range(permutations)]


@settings(deadline=None)
@given(st.sets(st.integers(0, 2**64 - 1), min_size=1, max_size=30), st.sampled_from([1, 3, 8, 20]))
def test_minhash_takes_the_smallest_of_each_bin(found: set[int], permutations: int) -> None:
    made = near.minhash(np.array(sorted(found), np.uint64), permutations)
    assert made.tolist() == minhash_by_force(sorted(found), permutations)


def test_a_band_is_a_polynomial_of_its_values() -> None:
    signature = near.mix(np.arange(60, dtype=np.uint64))
    bands = [polynomial(signature[i : i + 12].tolist(), near._SHINGLE_BASE) for i in (0, 12, 24, 36)]
    expected = [mixed((band + mixed(i * 0x9E3779B97F4A7C15 % 2**64)) % 2**64) for i, band in enumerate(bands, 1)]
    assert near.band_keys(signature, Bands(4, 12)).tolist() == expected


def test_minhash_of_nothing() -> None:
    assert (near.minhash(hashes(), 4) == np.iinfo(np.uint64).max).all()


@pytest.mark.parametrize(("threshold", "recall"), [(0.8, 0.99), (0.9, 0.99), (0.5, 0.95), (0.7, 0.5)])
def test_bands_are_computed_from_the_wanted_recall(threshold: float, recall: float) -> None:
    cut = near.bands(threshold, recall, 256)
    assert cut.bands * cut.rows <= 256
    assert cut.recall(threshold) >= recall
    assert Bands(256 // (cut.rows + 1), cut.rows + 1).recall(threshold) < recall


def test_bands_of_published_systems_find_what_section_9_says() -> None:
    assert Bands(9, 13).recall(0.8) == pytest.approx(0.40, abs=0.01)
    assert Bands(5, 25).recall(0.9) == pytest.approx(0.31, abs=0.01)
    assert Bands(20, 13).recall(0.8) == pytest.approx(0.68, abs=0.01)
    assert Bands(14, 8).recall(0.75) == pytest.approx(0.77, abs=0.01)


def test_bands_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="use more"):
        near.bands(0.1, 0.999, 4)
    for bad in ((0.0, 0.9, 8), (0.9, 1.0, 8), (0.9, 0.9, 0)):
        with pytest.raises(ValueError, match="between 0 and 1"):
            near.bands(*bad)


def test_bands_find_what_they_promise_and_verification_is_exact() -> None:
    cut = near.bands(0.8, 0.95, 128)
    base = near.mix(np.arange(300_000, dtype=np.uint64))
    books: list[Hashes] = []
    for pair in range(150):
        start = pair * 2_000
        books += [np.sort(base[start : start + 900]), np.sort(base[start + 100 : start + 1_000])]  # Jaccard 0.8
    keys = [near.band_keys(near.minhash(book, 128), cut) for book in books]
    found = near.candidates(np.concatenate(keys), np.repeat(np.arange(len(books)), cut.bands))
    true = {(2 * pair, 2 * pair + 1) for pair in range(150)}
    assert set(as_dict(found)) <= true
    assert len(found.pairs) / len(true) > 0.88
    verified = overlaps(found.pairs, lambda i: books[i], 0.79, near.jaccard)
    assert {overlap.share for overlap in verified} == {0.8}
    assert overlaps(found.pairs, lambda i: books[i], 0.8, near.jaccard) == []


def test_band_keys_differ_between_bands() -> None:
    cut = Bands(8, 2)
    assert len(set(near.band_keys(np.zeros(16, np.uint64), cut).tolist())) == 8
