"""Gopher's and FineWeb's rules: each limit from both sides, by counting that is done here once more."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.broken import Broken
from filters.web import fineweb, gopher
from filters.web.words import of_runs_again, of_the_most_frequent, repeated, words

GOOD = "The people of the town have to be there and that is with them. "


def text(count: int) -> str:
    """Return a text of so many words that breaks no rule of quality."""
    return " ".join((GOOD.split() * (count // 14 + 1))[:count])


def judged(value: str) -> Broken | None:
    return gopher.quality(value, words(value))


def test_words_are_apart_from_the_marks_around_them() -> None:
    assert words('"Don\'t" (U.S.A.), 3.5 well-known…') == [
        *('"', "Don't", '"', "(", "U.S.A", ".", ")", ",", "3.5", "well-known", "…"),
    ]
    assert words("") == words(" \n") == []


WHOLE = text(56)
DOTS = [WHOLE + "…", WHOLE + "..."]


@pytest.mark.parametrize(
    ("kept", "dropped", "reason"),
    [
        (text(50), text(49), "gopher_few_words"),
        (text(100_000), text(100_014), "gopher_many_words"),
        (WHOLE + " of" * 20, WHOLE + " of" * 400, "gopher_short_words"),
        (WHOLE, WHOLE + " extraordinarily" * 80, "gopher_long_words"),
        (WHOLE + "#" * 6, WHOLE + "#" * 9, "gopher_hashes"),
        (WHOLE + "… " * 5 + "a", WHOLE + "… " * 9 + "a", "gopher_ellipses"),
        (f"- {WHOLE}\n" + "• a\n" * 8 + "a", f"- {WHOLE}\n" + "• a\n" * 10 + "a", "gopher_bullet_lines"),
        ("\n".join([WHOLE] * 7 + [DOTS[0]] * 3), "\n".join([WHOLE] * 6 + [DOTS[1]] * 4), "gopher_ellipsis_lines"),
        (WHOLE + " 1234" * 8, WHOLE + " 1234" * 20, "gopher_few_letters"),
        ("the people of towns go " * 12, "the people go here now " * 12, "gopher_stop_words"),
    ],
)
def test_gophers_limits_of_quality(kept: str, dropped: str, reason: str) -> None:
    assert judged(kept) is None
    assert judged(dropped) == reason


def unlike(count: int, prefix: str = "w") -> str:
    return " ".join(f"{prefix}{number}" for number in range(count))


MANY, SOME = unlike(400), unlike(100)
RUN = "in a run of words"


@pytest.mark.parametrize(
    ("kept", "dropped", "reason"),
    [
        (f"{MANY}\n\nA\n\nA\n\nb\n\nc", f"{SOME}\n\n{SOME}\n\nb", "gopher_paragraphs_again"),
        (f"{MANY}\nA\nA\nb\nc", f"{SOME}\n{SOME}\nb", "gopher_lines_again"),
        (MANY + " most often" * 9, SOME + " most often" * 20, "gopher_most_frequent_2"),
        (MANY + " it comes again" * 9, SOME + " it comes again x y z" * 9, "gopher_most_frequent_3"),
        (f"{MANY} {RUN} v {RUN}", f"{unlike(40)} v {unlike(40)}", "gopher_again_5"),
    ],
)
def test_gophers_limits_of_repetition(kept: str, dropped: str, reason: str) -> None:
    assert gopher.repetition(kept, words(kept)) is None
    assert gopher.repetition(dropped, words(dropped)) == reason


def test_what_comes_once_is_no_repetition() -> None:
    assert gopher.repetition("Four words are here", words("Four words are here")) is None
    assert gopher.repetition("", []) is None


@given(st.lists(st.sampled_from(["a", "bb", "ccc"]), max_size=12), st.integers(1, 4))
def test_runs_by_another_count(found: list[str], length: int) -> None:
    runs = [tuple(found[start : start + length]) for start in range(len(found) - length + 1)]
    best = max((runs.count(run) for run in runs), default=0)
    first = next((run for run in runs if runs.count(run) == best), ())
    expected = best * len(" ".join(first)) if best > 1 else 0
    assert of_the_most_frequent(found, length) == expected
    covered = [0] * len(found)
    place = 0
    seen: list[tuple[str, ...]] = []
    while place < len(runs):
        if runs[place] in seen:
            covered[place : place + length] = [1] * length
            place += length
        else:
            seen.append(runs[place])
            place += 1
    assert of_runs_again(found, length) == sum(
        len(word) for word, is_again in zip(found, covered, strict=True) if is_again
    )
    assert repeated(found) == (
        len(found) - len(set(found)),
        sum(len(word) for place, word in enumerate(found) if word in found[:place]),
    )


LINE = "This is a line of some words that ends as a sentence does."


@pytest.mark.parametrize(
    ("kept", "dropped", "reason"),
    [
        (LINE, " \n ", "fineweb_empty"),
        (f"{LINE}\n" + "\n".join(f"no end of line number {n} in all of this page" for n in range(7)),
         f"{LINE}\n" + "\n".join(f"no end of line number {n} in all of this page" for n in range(8)),
         "fineweb_unended_lines"),
        ("\n".join([*(f"{LINE} {n}." for n in range(4)), *(f"short {n}." for n in range(8))]),
         "\n".join([*(f"{LINE} {n}." for n in range(4)), *(f"short {n}." for n in range(9))]), "fineweb_short_lines"),
        ("\n".join([*(f"{LINE} {n}." for n in range(10)), "A.", "A."]), "\n".join([LINE, LINE]), "fineweb_lines_again"),
        ("\n\n\n\n".join(f"{LINE} {n}." for n in range(8)), "\n\n\n\n\n".join(f"{LINE} {n}." for n in range(99)),
         "fineweb_many_lines"),
    ],
)  # fmt: skip
def test_finewebs_limits(kept: str, dropped: str, reason: str) -> None:
    assert fineweb.quality(kept, words(kept)) is None
    assert fineweb.quality(dropped, words(dropped)) == reason


def test_what_ends_a_sentence() -> None:
    assert len(fineweb.ENDS) == len(set(fineweb.ENDS)) == 172
    assert {".", "!", "?", "…"} - {"…"} <= set(fineweb.ENDS)
    assert all(unicodedata.category(end) in ("Po", "Lo", "Cn", "So", "Sk") for end in fineweb.ENDS)


@pytest.mark.parametrize("rule", [judged, lambda value: gopher.repetition(value, words(value))])
@given(value=st.text("ab .\n#…-", max_size=60))
def test_a_rule_answers_the_same_twice(rule: Callable[[str], str | None], value: str) -> None:
    assert rule(value) == rule(value)


def test_what_was_measured_and_its_limit_go_with_a_broken_rule() -> None:
    few = judged("word " * 20)
    assert few is not None
    assert (str(few), few.value, few.limit) == (gopher.Reason.FEW_WORDS, 20, 50)
    lines = "\n".join(["the same line again and again."] * 4)
    again = gopher.repetition(lines, words(lines))
    assert again is not None
    assert (str(again), again.value, again.limit) == (gopher.Reason.LINES_AGAIN, 0.75, gopher.LINES)
    short = "\n".join(["Short line."] * 3 + ["a"])
    broken = fineweb.quality(short, words(short))
    assert broken is not None
    assert (str(broken), broken.value, broken.limit) == (fineweb.Reason.SHORT_LINES, 1.0, 0.67)
