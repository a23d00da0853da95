"""Code heuristics: RedPajama's definitions at their limits, and its list of file names."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.code.heuristics import Reason, alphanumerics, letters, letters_per_token_reason, reason
from filters.code.languages import COMMENTS, EXTENSIONS, ending_of, language_of
from tests.filters.told import alone, told


def test_ordinary_code_is_kept() -> None:
    assert reason("def double(x):\n    return 2 * x\n", "a/b.py") is None


@pytest.mark.parametrize("text", ["", " \n\t\n", "\x0c"])
def test_empty(text: str) -> None:
    assert told(reason(text, "a.py")) == alone("empty")


def test_longest_line_may_have_a_thousand_characters() -> None:
    short = "a\n" * 200
    assert reason(short + "x" * 1000 + "\n", "a.c") is None
    assert told(reason(short + "x" * 1001 + "\n", "a.c")) == ("long_line", 1001, 1000, None)
    assert reason(short + "é" * 1000 + "\n", "a.c") is None


def test_average_line_counts_line_ends_and_may_be_a_hundred() -> None:
    assert reason(("x" * 99 + "\n") * 3, "a.c") is None
    assert told(reason(("x" * 100 + "\n") * 3, "a.c")) == ("long_average_line", 101, 100, None)
    assert reason("x" * 100, "a.c") is None


def test_share_of_alphanumerics_is_of_all_characters() -> None:
    assert reason("a" * 25 + " " * 25 + "." * 25 + "\n" * 25, "a.c") is None
    few = reason("a" * 24 + " " * 25 + "." * 26 + "\n" * 25, "a.c")
    assert told(few) == ("few_alphanumerics", 0.24, 0.25, None)
    assert reason("变量" * 20 + "=" * 20, "a.c") is None


def test_the_list_is_redpajamas() -> None:
    assert len(EXTENSIONS) == len(set(EXTENSIONS)) == 66
    assert set(COMMENTS) == {language_of("x" + ending) for ending in EXTENSIONS}


@pytest.mark.parametrize(
    ("path", "language"),
    [
        ("src/a.py", "Python"),
        ("a.C", "C++"),
        ("a.c", "C"),
        ("Makefile", "Makefile"),
        ("deep/down/Dockerfile", "Dockerfile"),
        ("app.Dockerfile", "Dockerfile"),
        ("lib/x.h++", "C++"),
        ("README.md", "Markdown"),
        (".bash", "Shell"),
        ("README.MD", None),
        ("a.py.orig", None),
        ("notes.txt", None),
        ("a.py/data", None),
        ("Makefile.am", None),
        ("", None),
    ],
)
def test_languages_by_the_end_of_the_path(path: str, language: str | None) -> None:
    assert language_of(path) == language
    assert path.endswith(EXTENSIONS) is (language is not None)
    assert (reason("x = 1\n", path) == str(Reason.NOT_LISTED)) is (language is None)


@pytest.mark.parametrize(
    ("path", "ending"),
    [
        ("src/notes.txt", ".txt"),
        ("a.py.orig", ".orig"),
        ("a.py/data", "data"),
        (".gitignore", ".gitignore"),
        ("deep/.config.lock", ".lock"),
        ("odd.", "odd."),
        ("", ""),
    ],
)
def test_a_language_that_is_not_listed_is_told_by_the_ending(path: str, ending: str) -> None:
    assert ending_of(path) == ending
    assert told(reason("x = 1\n", path)) == ("language_not_listed", None, None, ending)


@settings(deadline=None)
@given(st.text(alphabet="ab.c/hCpyMakefile+", max_size=14))
def test_language_of_is_the_published_test_of_the_path(path: str) -> None:
    assert (language_of(path) is not None) is path.endswith(EXTENSIONS)


def test_letters_per_token() -> None:
    assert letters_per_token_reason("ab1 " * 3, 4) is None
    assert told(letters_per_token_reason("ab1 " * 3, 5)) == ("few_letters_per_token", 1.2, 1.5, None)
    assert told(letters_per_token_reason("", 0)) == alone("empty")
    with pytest.raises(ValueError, match="tokens is -1"):
        letters_per_token_reason("a", -1)


@settings(deadline=None)
@given(st.text())
def test_counts_are_those_of_str(text: str) -> None:
    assert alphanumerics(text) == sum(character.isalnum() for character in text)
    assert letters(text) == sum(character.isalpha() for character in text)
