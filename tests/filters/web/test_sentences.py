"""Sentence counts: what NLTK's English Punkt says of our own sentences, written down here."""

import re

import punkt
import pytest

from filters.web import sentences

# (text, len(nltk.tokenize.punkt.PunktTokenizer("english").tokenize(text))), NLTK 3.10.4 with its punkt_tab data
COUNTED = [
    ("", 0),
    ("   ", 0),
    ("Rain fell.", 1),
    ("Rain fell. The river rose.", 2),
    ("Dr. Lind met Mr. Okafor at 5 p.m. on Jan. 3. They talked.", 2),
    ("She works for the U.S. Treasury. He does not.", 2),
    ("Was it late? Yes! Nobody minded.", 3),
    ('He said "Stop." Then he left.', 2),
    ("(It was closed.) We walked on.", 2),
    ("Bring rope, etc. and a lamp. Then go.", 3),
    ("Wait . . . what is that?", 4),
    ("Well... Perhaps not. Perhaps so.", 2),
    ("Look!!! A heron!!", 3),
    ("No way!!!", 2),
    ("Version 2.5 of the tool is out. Version 3.0 is not.", 2),
    ("one line ends here.\nanother starts in lower case.\nA third.", 3),
    ("e.g. this one. i.e. that one.", 4),
    ("J. R. Marsh wrote it. K. B. Dunn did not.", 2),
    ("The end of the list is No. 5 of 6. Read on.", 3),
    ("He asked, “Why?” She shrugged.", 2),
    ("Prices rose 3.5%. Wages fell.", 2),
    ("See Sec. 4 below. It is short.", 3),
    ("Is this a question?No, it is glued.", 1),
    ('"Quoted all the way through." "And again."', 2),
    ("Ends with a bracket.] Next one.", 2),
    ("a. b. c. d.", 1),
    ("It cost $5. Cheap!", 2),
    ("\x0bTabs.\x0cFeeds. Done.", 3),
]

PLAIN_WORDS = [
    "rope",
    "no",
    "fig",
    "see",
    "pp",
    "word",
    "ludcke",
    "x",
    "it",
    "p.m",
    "well-known",
    "Rope",
    "naïve",
    "Ph.D",
]
GLUED = [")", ") The", '" So', "'s", "] 5", ". .", "...", ", and", "!a", ")x. The"]


@pytest.mark.parametrize(("text", "number"), COUNTED)
def test_count(text: str, number: int) -> None:
    assert sentences.count(text) == number


@pytest.mark.parametrize(("text", "number"), COUNTED)
@pytest.mark.parametrize("stop", [1, 2, 3])
def test_count_stops(text: str, number: int, stop: int) -> None:
    assert sentences.count(text, stop) == min(number, stop)


def test_what_is_looked_up_is_what_punkt_says(monkeypatch: pytest.MonkeyPatch) -> None:
    model = punkt.load_model("english")
    firsts = {first for first, _ in model.collocations}
    words = sorted({*model.abbrev_types, *map(str.title, model.abbrev_types), *firsts, *PLAIN_WORDS})
    seconds = {second for _, second in model.collocations}
    nexts = sorted({*(f" {word}" for word in {*seconds, *PLAIN_WORDS, "The", "the", "5", "..."}), *GLUED})
    texts = [f"{word}{mark}{after} end." for word in words for mark in (".", "?", "..", "!.") for after in nexts]
    quick = [sentences.count(text) for text in texts]
    monkeypatch.setattr(sentences, "_PLAIN", re.compile("(?!)"))
    assert quick == [sentences.count(text) for text in texts]
    assert {1, 2} < set(quick)


def test_long_runs_take_linear_time() -> None:
    assert sentences.count("!" * 200_000) > 1
    assert sentences.count("a." * 100_000) == 1
    assert sentences.count("word " * 100_000 + ".") == 1
    assert sentences.count("no spaces" + "x" * 500_000 + ". Yes.") == 2


def test_stopping_reads_no_further() -> None:
    assert sentences.count("One ends. Two ends. Three ends. " + "And more. " * 200_000, 3) == 3


def test_the_closing_marks_are_those_of_the_package() -> None:
    assert sentences._CLOSING.pattern == punkt.DEFAULT_LANGUAGE_VARS.boundary_realignment_pattern
