"""Words, phrases and scripts without spaces: what the index finds is what a plain look at every text finds."""

from __future__ import annotations

import random
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.explore import marks, words
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


# A text each, of words with signs and marks between them.
SCRIPTS = {
    "Hindi": "शीर्षक: पत्थर की कहानी, क़िला और क़लम; हिन्दी।",
    "Bengali": "বাংলা ভাষা, শ্রেষ্ঠ গ্রন্থ",
    "Tamil": "தமிழ் மொழி - ஒரு கொடுமை",
    "Telugu": "తెలుగు భాష, శ్రీకృష్ణ",
    "Sinhala": "සිංහල ශ්‍රී ලංකාව",
    "Gujarati and Punjabi": "ગુજરાતી પત્ર / ਪੰਜਾਬੀ ਸ਼ਬਦ",
    "Hebrew": "בְּרֵאשִׁית בָּרָא אֱלֹהִים, שָׁלוֹם שלום",
    "Arabic": "القُرْآن الكريم، كتاب كِتَاب",
    "Persian": "می‌خواهم کتاب‌ها را",
    "Thai": "ชื่อเรื่อง ภาษาไทย ก็ดี",
    "Lao and Khmer": "ພາສາລາວ ភាសាខ្មែរ",
    "Burmese and Tibetan": "မြန်မာဘာသာ བོད་སྐད",
    "Vietnamese": "Tiếng Việt, đường phố; người",
    "French": "L’été à l’œuvre; cafe, café, CAFÉ",
    "Turkish": "İstanbul ISTANBUL ılık i\u0307stanbul",
    "Greek": "Ὀδυσσεύς ΟΔΥΣΣΕΥΣ ᾠδή λόγος",
    "Russian": "ёлка елка Йод йод мой",
    "Korean": "한국어 문장, 서울 3호선",
    "Japanese": "が行とガ行、東京都 パン",
    "Old print": "ſome Wiſdom 5µm Ångström \u212bngström",
    "Signs": "Ⓐ a🅰b _snake_case_ x² №5 ½cup",
    "N’Ko and Adlam": "ߒߞߏ ߞߊ߲ 𞤆𞤵𞤤𞤢𞤪 𞤀𞥄𞤣𞤢",
}
FORMS: tuple[Literal["NFC", "NFD"], ...] = ("NFC", "NFD")


def three_ways(
    texts: Sequence[str], asked: Sequence[words.Asked], folder: Path
) -> Iterator[tuple[str, list[list[int]]]]:
    """Yield each of what is asked with the texts that have it by the index, by `re`, and by RE2."""
    made = Words(folder)
    writer = made.writer()
    for number, text in enumerate(texts):
        writer.add(number, text)
    writer.commit()
    writer.close()
    made.reload()
    column = pa.array(texts)
    for one in asked:
        blocks = made.numbers([one], (0, 1 << 63))
        indexed = [int(number) for block in blocks for number in block]
        plain = [number for number, text in enumerate(texts) if words.in_python(one).search(text)]
        found = pc.match_substring_regex(column, words.in_re2(one), ignore_case=True).to_pylist()
        yield one.text, [indexed, plain, [number for number, there in enumerate(found) if there]]


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_word_is_the_same_in_the_index_and_in_both_patterns(tmp_path: Path, script: str) -> None:
    texts = [unicodedata.normalize(form, text) for text in (SCRIPTS[script], *SCRIPTS.values()) for form in FORMS]
    texts[2:4] = [SCRIPTS[script].lower(), SCRIPTS[script].upper()]
    pieces = SCRIPTS[script].split()
    phrases = [*pieces, *(f'"{one} {other}"' for one, other in pairwise(pieces))]
    asked = [
        one
        for phrase in phrases
        for form in FORMS
        for one in words.asked(unicodedata.normalize(form, phrase) if words.terms(phrase) else "x")
    ]
    for text, (indexed, plain, scanned) in three_ways(texts, asked, tmp_path / "words"):
        assert indexed == plain == scanned, text
        assert text == "x" or {0, 1} <= set(indexed), text


@settings(max_examples=30, deadline=None)
@given(
    texts=st.lists(
        st.lists(
            st.sampled_from([*"aeAb1 -_'", "é", "e\u0301", "\u0301", *"कषरि", "\u094d", "\u093c", "क़", *"שבּ", "\u05bc"])
        ).map("".join),
        min_size=1,
        max_size=20,
    ),
    place=st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)),
)
def test_random_letters_and_marks_are_the_same_words(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], place: tuple[float, float, float]
) -> None:
    text = texts[int(place[0] * (len(texts) - 1))]
    start, stop = sorted(int(one * len(text)) for one in place[1:])
    phrase = text[start:stop].replace('"', "")
    if not words.terms(phrase):
        return
    asked = words.asked(f'"{phrase}"')
    for one, (indexed, plain, scanned) in three_ways(texts, asked, tmp_path_factory.mktemp("words") / "words"):
        assert indexed == plain == scanned, one


def test_the_marks_are_those_of_unicode() -> None:
    now = {one for one in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(one).startswith("M")}
    if unicodedata.unidata_version == "14.0.0":
        assert set(marks.ALL) == now
    assert set(marks.ALL) <= now
    assert len(marks.ALL) == 2408


def test_a_word_with_marks_has_no_signs() -> None:
    for text in SCRIPTS["Hindi"].replace(":", "").replace(",", "").replace(";", "").replace("।", "").split():
        (one,) = words.asked(text)
        assert not one.has_signs, text
        assert len(one.words) == 1


def test_a_folder_of_others_is_no_index(tmp_path: Path) -> None:
    (tmp_path / "meta.json").write_text("no index")
    with pytest.raises(ValueError, match="no index of words can be opened"):
        Words(tmp_path)
