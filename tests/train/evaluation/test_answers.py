import random
import re
import string
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.slowness import slowness
from train.evaluation.grading import answers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The  Beatles!", "beatles"),
        ("an apple, a day", "apple day"),
        ("U.S.A.", "usa"),
        ("Theatre", "theatre"),
        ("", ""),
        ("the", ""),
        ("Ωmega—dash", "ωmega—dash"),
    ],
)
def test_words_are_normalised_as_squad_does(text: str, expected: str) -> None:
    assert answers.normalised(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" 14 December 1972. The last", "14 December 1972"),
        (" Washington, D.C.", "Washington"),
        (" D.C. is", "D.C"),
        (" 3.14\nQ: next", "3.14"),
        ("\n\n Paris\n", "Paris"),
        (" 1,000 men", "1,000 men"),
        ("", ""),
    ],
)
def test_a_phrase_ends_at_a_line_break_final_dot_or_comma(text: str, expected: str) -> None:
    assert answers.first_phrase(text) == expected


def test_any_alias_is_right() -> None:
    assert answers.is_any(" the Sunset Blvd", ["Sunset Boulevard", "Sunset Blvd."])
    assert not answers.is_any("Sunset", ["Sunset Boulevard"])


@pytest.mark.parametrize(
    ("text", "references", "expected"),
    [
        ("the red house", ["a red house"], 1.0),
        ("red house", ["red car", "blue"], 0.5),
        ("red red", ["red"], 2 / 3),
        ("", [""], 1.0),
        ("the", [""], 1.0),
        ("x", [""], 0.0),
        ("x", [], 0.0),
    ],
)
def test_f1_is_that_of_shared_words(text: str, references: list[str], expected: float) -> None:
    assert answers.f1(text, references) == pytest.approx(expected)


@given(st.text(alphabet="ab \n.,The!", max_size=30), st.text(alphabet="ab The!", max_size=30))
def test_f1_is_between_nothing_and_all_and_all_for_equal_answers(one: str, other: str) -> None:
    found = answers.f1(one, [other])
    assert 0 <= found <= 1
    assert found == answers.f1(other, [one])
    assert answers.f1(one, [one]) == 1.0
    assert answers.is_any(one, [other]) <= (found == 1.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("She has 5 + 3 = 8. The answer is 8.\n\nQ: 9", "8"),
        ("so #### 1,200", "1200"),
        ("The answer is $18.00.", "18"),
        ("the answer is: -3.50 dollars", "-3.5"),
        ("first 7, then 9 apples", "9"),
        ("it costs $1,234.5!", "1234.5"),
        ("none", None),
        ("The answer is 007", "7"),
        ("The answer is -0", "0"),
    ],
)
def test_a_number_is_the_one_that_is_stated_or_the_last(text: str, expected: str | None) -> None:
    assert answers.number(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"so $\boxed{\frac{1}{2}}$.", r"\frac{1}{2}"),
        (r"$\boxed{1}$ or $\boxed{2}$", "2"),
        (r"\fbox{3}", "3"),
        (r"$\boxed 7$ then", "7"),
        (r"\boxed{open", None),
        ("none", None),
        (r"\boxed{a}} b", "a"),
    ],
)
def test_the_last_box_is_the_answer(text: str, expected: str | None) -> None:
    assert answers.boxed(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x\nFinal Answer: The final answer is $5$. I hope it is correct.\nProblem", "$5$"),
        ("Final Answer: The final answer is $5$. ", "$5$"),
        ("Final Answer: The final answer is $5", None),
        ("The final answer is $5$. I hope it is correct.", None),
        ("Final Answer: The final answer is\n$5$. I hope it is correct.", None),
    ],
)
def test_the_final_answer_is_what_minervas_examples_end_with(text: str, expected: str | None) -> None:
    assert answers.final_answer(text) == expected


@pytest.mark.parametrize(
    ("text", "printed", "corrected"),
    [
        ("x = 5", "5", "5"),
        ("$\\frac12$", "\\frac{1}{2}", "\\frac{1}{2}"),
        ("\\sqrt2", "\\sqrt{2}", "\\sqrt{2}"),
        ("12 inches", "12", "12"),
        ("100,000", "100000", "100000"),
        ("10\\%", "10\\%", "10\\%"),
        ("90^\\circ", "90", "90"),
        ("\\text{Monday}", "Monday", "Monday"),
        ("the answer $4$ is", "4", "4"),
        ("\\$3.50", "3.50", "3.50"),
        # What the appendix prints changes commands and pairs; the harness' later code does not.
        ("\\left(1,2\\right)", "\\le(1,2\\right)", "\\left(1,2\\right)"),
        ("0,1", "01", "0,1"),
        ("\\sqrt[3]{8}", "\\sqrt{[}3]{8}", "\\sqrt[3]{8}"),
        ("\\boxed{7}", "7", "7"),
    ],
)
def test_formulas_come_into_one_spelling(text: str, printed: str, corrected: str) -> None:
    assert answers.minerva(text) == printed
    assert answers.minerva_corrected(text) == corrected


def by_patterns(text: str) -> str:
    """Take out dollars, text and boxes with patterns, as the appendix prints it; slow where they do not match."""
    text = re.sub(r"(.*?)(\$)(.*?)(\$)(.*)", r"$\3$", text)
    for command in ("text", "textbf", "overline"):
        text = re.sub(rf"(\\{command}\{{)(.*?)(\}})", r"\2", text)
    text = re.sub(r"(\\boxed\{)(.*)(\})", r"\2", text)
    return re.sub(r"(frac)([^{])(.)", r"frac{\2}{\3}", text)


def test_what_is_around_an_answer_is_taken_away_as_the_printed_patterns_do() -> None:
    parts = ["$", "\\text{", "}", "a", "\n", "\\boxed{", "\\textbf{", "\\overline{", "frac", "{", "12"]
    generator = random.Random(3)
    for _ in range(20_000):
        text = "".join(generator.choice(parts) for _ in range(generator.randrange(9)))
        assert answers._bare(text) == by_patterns(text), text


HOSTILE = (
    *(
        "$",
        "\\boxed",
        "\\boxed{",
        "\\boxed ",
        "{",
        "}",
        "\\text{",
        "frac",
        "sqrt",
        "sqrt[",
        ",",
        "1,",
        "1",
        "-",
        "a ",
        "=",
    ),
    *(
        "an ",
        "Final Answer: The final answer is",
        " I hope it is correct.",
        "#### ",
        "answer is ",
        "answer is:",
        "\n",
        ".",
    ),
    *(". ", "$1", "\\sqrt[", "\\left", "ft", "the ", "\U0001d7d8", "\ud800", *string.punctuation),
)


@pytest.mark.parametrize(
    "function",
    [
        *(answers.normalised, answers.first_phrase, answers.first_line, answers.number, answers.boxed),
        *(answers.final_answer, answers.minerva, answers.minerva_corrected, answers.plain_number),
    ],
)
def test_hostile_answers_take_time_in_proportion(function: Callable[[str], object]) -> None:
    bound = 0.5 * slowness()
    for text in HOSTILE:
        for long in (text * (100_000 // len(text)), "x" + text * 20_000):
            began = time.process_time()
            function(long)
            assert time.process_time() - began < bound, text
