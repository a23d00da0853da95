import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.web.language_model_text import PUNCTUATION, normalise
from tests.oracles import ccnet_text as oracle

# What depends on its neighbours in lower case or in NFD: sigmas, marks of every class, Hangul, what decomposes.
CONTEXTUAL = st.one_of(
    st.sampled_from(
        "ΣσςΑA.: '\u00adİıIß\u0345\u0301\u0327\u1715\u302e\U0001d165\U0001d16e\u0f77한각\u1100\u1161\u11a8"
    ),
    st.characters(categories=["Mn", "Mc", "Me"]),
    st.characters(min_codepoint=0xA0, max_codepoint=0x24F),
    st.characters(min_codepoint=0xF900, max_codepoint=0xFFFF),
)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("", ""),
        (" \n\t ", ""),
        ("  Hello, World!  ", "hello, world!"),
        ("Crème Brûlée à l’Œuvre", "creme brulee a l'œuvre"),
        ("12 apples, ٣٤ dates, １2", "00 apples, 00 dates, 00"),
        ("“Quoted” – and—so on… ok．", '"quoted" - and - so on... ok. '),
        ("end of line\nnext line", "end of linenext line"),
        ("tab\there, bell\x07, del\x7f, a\x85b", "tabhere, bell, del, ab"),
        ("ΟΔΟΣ", "οδος"),
        ("ΟΔΟΣ ΣΟΦΙΑ", "οδος σοφια"),
        ("İstanbul", "istanbul"),
        ("가각", "\u1100\u1161\u1100\u1161\u11a8"),
        ("a\u302e\U0001d165", "a\U0001d165\u302e"),
        ("\ud800 A\udfff", "\ud800 a\udfff"),
    ],
)
def test_known_texts(text: str, right: str) -> None:
    assert normalise(text) == right == oracle.normalise(text)


def test_every_code_point_alone_and_between_letters() -> None:
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        # Letters without case that do not decompose, and code points without a character, are seen by sample only.
        plain = unicodedata.category(character) in {"Cn", "Co", "Cs", "Lo"} and not unicodedata.decomposition(character)
        if not plain or code % 97 == 0:
            for text in (character, f"a{character}Σ", f"É{character}b"):
                assert normalise(text) == oracle.normalise(text), hex(code)


@given(st.one_of(st.text(), st.text(CONTEXTUAL), st.text(st.characters(max_codepoint=0x7F))))
@settings(deadline=None, max_examples=600)
def test_equals_the_obvious_way(text: str) -> None:
    assert normalise(text) == oracle.normalise(text)


@given(st.text())
@settings(deadline=None)
def test_newlines_as_spaces_differ_only_there(text: str) -> None:
    assert normalise(text, newlines="space") == oracle.normalise(text.strip().replace("\n", " "))


def test_words_at_line_ends_stay_apart_with_spaces() -> None:
    assert normalise("one\ntwo\r\nthree\n", newlines="space") == "one two three"


def test_there_are_34_marks() -> None:
    assert len(PUNCTUATION) == 34
    assert dict(PUNCTUATION) == oracle.PUNCTUATION
