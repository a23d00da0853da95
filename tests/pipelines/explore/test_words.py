"""Words, phrases and scripts without spaces: what the index finds is what a plain look at every text finds."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipelines.explore import words
from pipelines.explore.words import Words

TEXTS = (
    "The quick brown fox. It's 1.5 times as quick!",
    "the QUICK fox, brown and quick",
    "Größe und Straße; STRASSE und GRÖSSE",
    "東京都は日本の首都です。京都も都市です。",
    "日本語とEnglishの混ざった文",
    "ภาษาไทยไม่มีช่องว่าง",
    "snake_case and kebab-case in https://example.org/a?b=c",
    "北",
    "",
    "the\nthe the\tTHE",
    "İSTANBUL'da, İstanbul ve istanbul",
    "istanbul",
    "ΣΊΣΥΦΟΣ",
    "ο σίσυφος",
)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Words:
    made = Words(tmp_path_factory.mktemp("words"))
    writer = made.writer()
    for number, text in enumerate(TEXTS):
        writer.add(number, text)
    writer.commit()
    writer.close()
    made.reload()
    return made


def found(index: Words, asked: str) -> list[int]:
    blocks = list(index.numbers(words.asked(asked), (0, 1 << 63)))
    return [int(number) for block in blocks for number in block]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("quick", [0, 1]),
        ("QUICK fox", [0, 1]),
        ('"quick brown"', [0]),
        ("“quick brown”", [0]),
        ("«quick brown»", [0]),
        ("'quick brown'", [0]),
        ("‘quick brown’", [0]),
        ("-'quick brown' fox", [1]),
        ("it's quick", [0]),
        ('"brown quick"', []),
        ("quick -brown", []),
        ('fox -"quick brown"', [1]),
        ("größe", [2]),
        ("gro\u0308ße", [2]),
        ("-quick -the -日本", [2, 5, 6, 7, 8, 10, 11, 12, 13]),
        ("example.org", [6]),
        ("snake case", [6]),
        ("1.5", [0]),
        ("京都", [3]),
        ("東京都", [3]),
        ("京都市", []),
        ("日本", [3, 4]),
        ("English", [4]),
        ("ภาษาไทย", [5]),
        ("北", [7]),
        ("都", [3]),
        ('"the the the"', [9]),
        ("istanbul", [10, 11]),
        ("İstanbul", [10, 11]),
        ("ISTANBUL", [10, 11]),
        ("İSTANBUL".lower(), [10, 11]),
        ("σίσυφος", [12, 13]),
        ("ΣΊΣΥΦΟΣ", [12, 13]),
        ("σισυφος", []),
        ("grosse", []),
    ],
)
def test_words_and_phrases(index: Words, asked: str, expected: list[int]) -> None:
    assert found(index, asked) == expected


@pytest.mark.parametrize("asked", ['""', "...", "-", "? !"])
def test_a_question_without_a_word_is_refused(asked: str) -> None:
    with pytest.raises(ValueError, match="has no word"):
        words.asked(asked)


def test_no_words_ask_for_nothing() -> None:
    assert words.asked("  ") == []


def plainly(text: str, phrase: str) -> bool:
    own, wanted = words.terms(text), words.terms(phrase)
    return any(own[place : place + len(wanted)] == wanted for place in range(len(own)))


def test_random_phrases_are_those_that_stand_in_the_texts(tmp_path: Path) -> None:
    rng = random.Random(3)
    letters = ["a", "b", "ab", "ba", "東", "京", "都", "東京", "c d", "é"]
    texts = ["".join(rng.choice(letters) + rng.choice(["", " ", "-", "\n"]) for _ in range(12)) for _ in range(300)]
    made = Words(tmp_path / "words")
    writer = made.writer()
    for number, text in enumerate(texts):
        writer.add(number, text)
    writer.commit()
    made.reload()
    for _ in range(200):
        text = rng.choice(texts)
        start = rng.randrange(len(text))
        phrase = text[start : start + rng.randrange(2, 7)]
        wanted = words.terms(phrase)
        if not wanted or '"' in phrase or (len(wanted) == 1 and len(wanted[0]) == 1):
            continue
        expected = [number for number, one in enumerate(texts) if plainly(one, phrase)]
        assert found(made, f'"{phrase}"') == expected, phrase


def test_what_is_taken_away_is_not_found(tmp_path: Path) -> None:
    made = Words(tmp_path / "words")
    writer = made.writer()
    for number in range(10):
        writer.add(number, "llama")
    writer.commit()
    writer.remove(3, 6)
    writer.commit()
    made.reload()
    assert found(made, "llama") == [0, 1, 2, 6, 7, 8, 9]


def test_many_rows_come_in_blocks_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "AT_ONCE", 7)
    made = Words(tmp_path / "words")
    writer = made.writer()
    for number in range(50):
        writer.add(number << 32, "llama" if number % 3 else "alpaca")
    writer.commit()
    made.reload()
    blocks = list(made.numbers(words.asked("llama"), (0, 1 << 63)))
    assert max(map(len, blocks)) == 7
    assert np.concatenate(blocks).tolist() == [number << 32 for number in range(50) if number % 3]


@pytest.mark.parametrize(
    "asked", ["quick", '"quick brown"', "größe", "日本", "istanbul", "İstanbul", '"ve istanbul"', "σίσυφος", "ΣΊΣΥΦΟΣ"]
)
def test_the_patterns_find_what_the_index_finds(index: Words, asked: str) -> None:
    (one,) = words.asked(asked)
    pattern, expected = words.in_python(one), found(index, asked)
    assert expected
    assert [number for number, text in enumerate(TEXTS) if pattern.search(text)] == expected
    held = pc.match_substring_regex(pa.array(TEXTS), words.in_re2(one), ignore_case=True).to_pylist()
    assert [number for number, holds in enumerate(held) if holds] == expected


def test_a_folder_of_others_is_no_index(tmp_path: Path) -> None:
    (tmp_path / "meta.json").write_text("no index")
    with pytest.raises(ValueError, match="no index of words can be opened"):
        Words(tmp_path)
