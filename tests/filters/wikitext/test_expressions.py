"""Arithmetic of templates: values as MediaWiki 1.39 gave them, and what has none."""

import time
from contextlib import suppress

import pytest

from filters.wikitext.expressions import ExpressionError, value_of
from tests.slowness import slowness

VALUES = {
    "": "",
    "1+2*3": "7",
    "(1+2)*3": "9",
    "2^10": "1024",
    "-2^2": "4",
    "7 mod 3": "1",
    "-7 mod 3": "-1",
    "7.9 mod 3.9": "1",
    "5 fmod 1.3": "1.1",
    "1/3": "0.33333333333333",
    "1 div 4": "0.25",
    "0.1+0.2": "0.3",
    "1e3": "1000",
    "1.23456789e-5": "1.23456789E-5",
    "10^20": "1.0E+20",
    "1e15": "1.0E+15",
    "123456789012345678": "1.2345678901235E+17",
    "2.5 round 0": "3",
    "-2.5 round 0": "-3",
    "1.005 round 2": "1.01",
    "1234.5678 round -2": "1200",
    "trunc -3.7": "-3",
    "ceil 1.2": "2",
    "floor -1.2": "-2",
    "abs -5": "5",
    "pi": "3.1415926535898",
    "e": "2.718281828459",
    "sqrt 2": "1.4142135623731",
    "not 0": "1",
    "1=1 and 2>1": "1",
    "5<>5 or 1>=2": "0",
    "3&lt;4": "1",
    "−5+2": "-3",
    "1.2.3": "1.2",
    "1e300*1e300": "INF",
    "12-(((0.5-(3))round 0)mod 12)": "15",
    "0*-1": "-0",
    "0^0": "1",
}


@pytest.mark.parametrize("expression", VALUES)
def test_values(expression: str) -> None:
    assert value_of(expression) == VALUES[expression]


@pytest.mark.parametrize(
    "expression",
    ["1/0", "10 mod 0", "1 2", "a", "3 ^", "2e", "(1", ")", "ln 0", "sqrt -1", "asin 2", "1 + * 2", "é", "2(3)"],
)
def test_what_has_no_value(expression: str) -> None:
    with pytest.raises(ExpressionError):
        value_of(expression)


@pytest.mark.parametrize("piece", ["(", "1+", "-", "not ", "1 ", "9", ".", "2^(", "1e"])
def test_endless_expressions_cost_little(piece: str) -> None:
    before = time.process_time()
    with suppress(ExpressionError):
        value_of(piece * 100_000)
    assert time.process_time() - before < 2 * slowness()
