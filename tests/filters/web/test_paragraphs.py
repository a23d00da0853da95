"""Paragraph keys: CCNet's rule, and equality with the slow oracle."""

import time
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from filters.web import paragraphs
from tests.filters.told import told
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
    keys = paragraphs.keys("Hello World 7\n\n（！）")
    assert b"".join(keys).hex() == "0a475ef83826e844" + "da39a3ee5e6b4b0d" * 2
    assert paragraphs.packed(keys).dtype == np.uint64
    assert paragraphs.packed(keys).tobytes() == b"".join(keys)


@settings(deadline=None, max_examples=300)
@given(texts)
@example("ΟΔΟΣ\nΣ\nΑΣ Σ\nΑ.Σ")
@example("")
@example("\n\n")
def test_keys_equal_the_oracle_on_every_line(text: str) -> None:
    stripped = "\n".join(line.strip() for line in text.split("\n"))
    keys = paragraphs.packed(paragraphs.keys(stripped))
    assert keys.tolist() == [ccnet.key(line) for line in text.split("\n")]


@pytest.mark.parametrize("plane", range(0, 0x20000, 0x4000))
def test_keys_equal_the_oracle_on_every_character(plane: int) -> None:
    lines = [f"a{chr(code)}b" for code in range(plane, plane + 0x4000) if chr(code) not in "\n\r"]
    assert paragraphs.packed(paragraphs.keys("\n".join(lines))).tolist() == list(map(ccnet.key, lines))
    few = [line for line in lines if line[1] not in "Σİ" and not 0xD800 <= ord(line[1]) < 0xE000]
    assert paragraphs.packed(paragraphs.keys("\n".join(few))).tolist() == list(map(ccnet.key, few))


@settings(deadline=None, max_examples=200)
@given(lines)
def test_normalise_equals_the_oracle(line: str) -> None:
    assert paragraphs.normalise(line) == ccnet.normalise(line)


@settings(deadline=None, max_examples=300)
@given(st.text(st.sampled_from("ab \t\r\n\x00\x0b\x85\u2028"), max_size=25))
def test_published_body_equals_the_oracle(payload: str) -> None:
    assert paragraphs.body(payload, remove_nul=False, add_last_line=True) == ccnet.body(payload)


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
    assert paragraphs.body(payload, remove_nul=False, add_last_line=True) == published
    assert paragraphs.body(payload) == corrected
    assert paragraphs.body_lines(payload) == corrected.split("\n")


def test_too_short_counts_characters_with_line_feeds() -> None:
    short = paragraphs.too_short(paragraphs.firsts("title\n" + "é" * 149 + "\n" + "é" * 149).characters)
    assert told(short) == ("too_short", 299, 300, None)
    assert paragraphs.too_short(paragraphs.firsts("title\n" + "é" * 150 + "\n" + "é" * 149).characters) is None
    assert paragraphs.too_short(3, minimum=3) is None


def test_a_page_keeps_the_first_line_of_each_key_zero_among_them() -> None:
    zero, five = bytes(8), b"5" * 8
    assert list(paragraphs.unique("abcd", [five, zero, five, zero]).items()) == [(five, "a"), (zero, "b")]
    assert paragraphs.unique("abcd", [five, zero, five, zero], lose_zero=True) == {five: "a"}
    assert paragraphs.unique([], []) == {}


def test_kept() -> None:
    lines = ["a", "b", "", "d"]
    assert paragraphs.kept(lines, np.array([1, 3], dtype=np.uint32)) == ["a", ""]
    assert paragraphs.kept(lines, np.array([2, 1, 1])) == ["a", "d"]
    assert paragraphs.kept(lines, np.arange(4)) == []
    assert lines == ["a", "b", "", "d"]


def test_a_window_is_deduplicated_as_ccnet_does_it() -> None:
    documents = [
        "Menu\nA line of its own.\nA LINE of its own.\nHome 1",
        "menu\nHome 2\nAnother",
        "menu\nHOME 3\n",
        "Unrelated\n\nUnrelated",
    ]
    rows = [paragraphs.unique(document.split("\n"), paragraphs.keys(document)) for document in documents]
    documents_with = Counter(key for row in rows for key in row)
    left = []
    for row in rows:
        gone = np.array([index for index, key in enumerate(row) if documents_with[key] > 1], np.uint32)
        found = paragraphs.kept(list(row.values()), gone)
        left.append("\n".join(found) if found else None)
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
