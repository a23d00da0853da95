"""Every regular expression of the project means the same on every Python that is admitted."""

from __future__ import annotations

import json
import re
import sys

import pytest

from tests import patterns
from tests.patterns import BEFORE, DIGESTS, IS_THERE, MADE, OLD, OTHERS, TRAINING, Pattern

FOUND, MAKERS = patterns.collect()

WRITTEN = json.loads(DIGESTS.read_text(encoding="utf-8"))


def test_every_pattern_matches_what_it_matches_on_other_pythons() -> None:
    found = patterns.digests(FOUND)
    missing = WRITTEN.keys() - {OLD} - found.keys()
    assert not found.keys() - WRITTEN.keys(), "python -m tests.patterns"
    assert not missing or (not IS_THERE and all(name.startswith(TRAINING) for name in missing)), (
        "python -m tests.patterns"
    )
    for name in found:
        assert found[name] == WRITTEN[name], (
            f"patterns of {name} changed (then: python -m tests.patterns), or Python {sys.version} reads them otherwise"
        )
        assert list(found[name]) == list(WRITTEN[name]), (
            f"patterns of {name} are in another order (then: python -m tests.patterns), or in that of a set, which "
            "differs from process to process"
        )


def test_every_pattern_matches_some_of_its_texts() -> None:
    idle = [
        one.name
        for among in FOUND.values()
        for one in among
        if sum(1 for text in patterns.Texts(one).made() if one.compiled.search(text)) < 3
    ]
    assert not idle


def test_no_pattern_has_what_an_admitted_python_misreads() -> None:
    bad = {one.name: why for among in FOUND.values() for one in among if (why := patterns.misread(one))}
    assert not bad, "repeat the group without a possessive mark; filters/patterns.py says what else there is"


def test_patterns_made_in_functions_are_known() -> None:
    assert {*MADE, *OTHERS} == MAKERS, "add a call that makes some to tests/patterns.py"
    for module, action in MADE.values():
        assert patterns.asked_for(module, action)


@pytest.mark.parametrize(
    "source",
    [
        *(one.source for one in BEFORE),
        r"(?:ab?c)*+",
        r"((?!C).)++",
        r"((x)|y|z)*+",
        r"(?>a+)b",
        r"(?:ab)?+",
        r"x(?=(?:ab){2}+)",
        r"([ab])++",
        r"(a|b(?:cd)*+)",
    ],
)
def test_the_rule_finds_what_is_misread(source: str | bytes) -> None:
    assert patterns.misread(Pattern(source, re.compile(source).flags))


@pytest.mark.parametrize(
    "source", [r"[^\"]++", r"a*+b?+", r".{2,}+", r"(?:a)*+", r"\s*+\w++", r"[^a]++(?:b[^a]*+)*", r"\*+\++"]
)
def test_the_rule_lets_one_character_repeat(source: str) -> None:
    assert not patterns.misread(Pattern(source, re.compile(source).flags))


@pytest.mark.parametrize("pattern", BEFORE, ids=range(len(BEFORE)))
def test_the_texts_tell_engines_apart(pattern: Pattern) -> None:
    same = patterns.digest(pattern) == WRITTEN[OLD][pattern.name]
    assert same == (sys.version_info >= (3, 11, 5))


def test_only_a_pattern_that_matches_otherwise_has_another_digest() -> None:
    pattern = Pattern(r"a(b|cd)+e?", re.compile("").flags)
    assert patterns.digest(pattern) == patterns.digest(pattern, re.compile(r"a(?P<named>cd|b)+(?:e|)"))
    assert patterns.digest(pattern) != patterns.digest(pattern, re.compile(r"a(b|cd)+?e?"))
