"""Paragraph keys: CCNet's rule, and equality with the slow oracle."""

import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from filters import paragraphs
from filters.paragraphs import Reason
from tests.oracles import ccnet

LETTERS = "aB Σσς İıKſ1٣९１Ⅷ²½é é𝟗😀"
SPACES = "-\t\r\x00\x1c\x7f\x85\x9f\xa0\xad\u2028\u3000\ud800"
AWKWARD = LETTERS + SPACES + ".,!?'\"" + ccnet.MARKS
lines = st.text(st.one_of(st.sampled_from(AWKWARD), st.characters()), max_size=30).filter(lambda text: "\n" not in text)
texts = st.lists(lines, max_size=8).map("\n".join)


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("  Call 555-0199 NOW!  ", "call 000-0000 now!"),
        ("Prix : ٤٥ € et ９ ou १२", "prix : 00 € et 0 ou 00"),
        ("１", "0"),
        ("“Well…” – said she — ‘no’", "well  said she  ‘no"),
        ("a\tb\x00c\x7fd\x85e\xa0f", "abcde\xa0f"),
        ("été Größe naïve", "été größe naïve"),
        ("ΟΔΟΣ", "οδος"),
        ("，。、►", ""),
        ("   ", ""),
        ("… trailing mark then space", " trailing mark then space"),
    ],
)
def test_normalise(line: str, left: str) -> None:
    assert paragraphs.normalise(line) == left
    assert ccnet.normalise(line) == left


def test_there_are_34_marks() -> None:
    assert len(set(paragraphs.DELETED_MARKS)) == len(paragraphs.DELETED_MARKS) == 34


def test_keys_are_the_first_8_bytes_of_sha1_little_endian() -> None:
    found, keys = paragraphs.keys("  Hello World 7 \n\n（！）")
    assert found == ["Hello World 7", "", "（！）"]
    assert keys.dtype == np.uint64
    assert keys.tobytes().hex() == "0a475ef83826e844" + "da39a3ee5e6b4b0d" * 2


@settings(deadline=None, max_examples=300)
@given(texts)
@example("ΟΔΟΣ\nΣ\nΑΣ Σ\nΑ.Σ")
@example("")
@example("\n\n")
def test_keys_equal_the_oracle_on_every_line(text: str) -> None:
    found, keys = paragraphs.keys(text)
    assert found == [line.strip() for line in text.split("\n")]
    assert keys.tolist() == [ccnet.key(line) for line in text.split("\n")]


@settings(deadline=None, max_examples=200)
@given(lines)
def test_normalise_equals_the_oracle(line: str) -> None:
    assert paragraphs.normalise(line) == ccnet.normalise(line)


@settings(deadline=None, max_examples=300)
@given(st.text(st.sampled_from("ab \t\r\n\x00\x0b\x85\u2028"), max_size=25))
def test_published_body_equals_the_oracle(payload: str) -> None:
    assert paragraphs.body(payload, "published") == ccnet.body(payload)


@pytest.mark.parametrize(
    ("payload", "published", "corrected"),
    [
        ("Title\n one \r\ntwo\rthree\n", "one\ntwo\nthree", "one\ntwo\nthree"),
        ("Title\none", "one\n", "one"),
        ("Title\none\n\n", "one\n", "one\n"),
        ("Title\na\0b\n", "a\0b", "ab"),
        ("Title only", "", ""),
        ("Title only\n", "", ""),
        ("", "", ""),
    ],
)
def test_body(payload: str, published: str, corrected: str) -> None:
    assert paragraphs.body(payload, "published") == published
    assert paragraphs.body(payload) == corrected


def test_too_short_counts_characters_with_line_feeds() -> None:
    assert paragraphs.too_short("é" * 149 + "\n" + "é" * 149) is Reason.TOO_SHORT
    assert paragraphs.too_short("é" * 150 + "\n" + "é" * 149) is None
    assert paragraphs.too_short("abc", minimum=3) is None


def test_first_occurrences_keep_the_first_and_the_key_zero() -> None:
    keys = np.array([5, 0, 5, 2**64 - 1, 0, 7], dtype=np.uint64)
    assert paragraphs.first_occurrences(keys).tolist() == [True, True, False, True, False, True]
    assert paragraphs.first_occurrences(keys[:0]).tolist() == []


def test_remove() -> None:
    kept = ["a", "b", "", "d"]
    assert paragraphs.remove(kept, [1, 3]) == "a\n"
    assert paragraphs.remove(kept, np.array([1, 2], dtype=np.int64).tolist()) == "a\nd"
    assert paragraphs.remove(kept, range(4)) == ""
    assert paragraphs.nothing_left(kept, range(4)) is Reason.ALL_DUPLICATES
    assert paragraphs.nothing_left(kept, [0, 1, 3]) is None
    assert kept == ["a", "b", "", "d"]


def test_a_window_is_deduplicated_as_ccnet_does_it() -> None:
    documents = [
        "Menu\nA line of its own.\nA LINE of its own.\nHome 1",
        "menu\nHome 2\nAnother",
        "menu\nHOME 3\n",
        "Unrelated\n\nUnrelated",
    ]
    rows = [paragraphs.keys(document) for document in documents]
    every, documents_with = np.unique(np.concatenate([np.unique(keys) for _, keys in rows]), return_counts=True)
    duplicates = every[documents_with > 1]
    left = []
    for found, keys in rows:
        gone = np.flatnonzero(np.isin(keys, duplicates) | ~paragraphs.first_occurrences(keys)).tolist()
        left.append(None if paragraphs.nothing_left(found, gone) else paragraphs.remove(found, gone))
    assert left == ccnet.deduplicate(documents)
    assert left == ["A line of its own.", "Another", None, "Unrelated"]


def test_keys_are_much_faster_than_line_by_line() -> None:
    text = "\n".join(f"Line {n} of the page, with “marks” and some accents: é à ü." for n in range(4_000))

    def seconds(work: Callable[[], object]) -> float:
        best = float("inf")
        for _ in range(3):
            started = time.process_time()
            work()
            best = min(best, time.process_time() - started)
        return best

    paragraphs.keys(text)
    assert 3 * seconds(lambda: paragraphs.keys(text)) < seconds(lambda: [ccnet.key(line) for line in text.split("\n")])
