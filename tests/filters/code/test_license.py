"""Licence filter: SPDX identity and expressions, never a prefix."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.code.license import MAX_EXPRESSION_CHARACTERS, PERMISSIVE, Reason, reason


@pytest.mark.parametrize(
    "license",
    [
        "mit",
        "MIT",
        " apache-2.0 ",
        "bsd-2-clause",
        "BSD-3-Clause",
        "BSD-3-Clause OR GPL-2.0",
        "GPL-2.0-or-later or MIT",
        "MIT AND Apache-2.0",
        "(MIT OR GPL-3.0) AND (BSD-2-Clause)",
        "GPL-3.0 AND ISC OR MIT",
        "Apache-2.0 WITH LLVM-exception",
        "Apache-2.0 WITH LLVM-exception OR NCSA",
        "MIT/Apache-2.0",
        "Apache-2.0+",
    ],
)
def test_permissive_licences_are_kept(license: str) -> None:
    assert reason(license) is None


@pytest.mark.parametrize(
    "license",
    [
        "isc",
        "mpl-2.0",
        "gpl-2.0",
        "BSD-4-Clause",
        "BSD-3-Clause-Clear",
        "BSD-2-Clause-Patent",
        "Apache-1.1",
        "MIT-0",
        "MITNFA",
        "unlicense",
        "LicenseRef-MIT",
        "MIT AND GPL-3.0",
        "(MIT OR GPL-2.0) AND ISC",
        "GPL-2.0 WITH Classpath-exception-2.0",
        "BSD or GPL-2.0",
    ],
)
def test_other_licences_are_dropped(license: str) -> None:
    assert reason(license) is Reason.NOT_PERMISSIVE


@pytest.mark.parametrize(
    "license",
    [
        None,
        "",
        "  ",
        "unknown",
        "Other",
        "NOASSERTION",
        "The MIT License",
        "Apache License 2.0",
        "MIT OR",
        "OR MIT",
        "MIT MIT",
        "(MIT",
        "MIT)",
        "()",
        "(MIT) WITH x",
        "MIT WITH",
        "MIT WITH OR ISC",
        "MIT WITH a WITH b",
        "MIT; GPL",
        "MIT OR " * MAX_EXPRESSION_CHARACTERS,
    ],
)
def test_what_is_no_expression_is_unknown(license: str | None) -> None:
    assert reason(license) is Reason.UNKNOWN


def test_depth_does_not_matter() -> None:
    assert reason("(" * 400 + "MIT" + ")" * 400) is None


_LEAVES = st.sampled_from([("MIT", True), ("ISC", False)])


def _combined(parts: tuple[tuple[str, bool], str, tuple[str, bool]]) -> tuple[str, bool]:
    (left, left_value), operator, (right, right_value) = parts
    value = (left_value and right_value) if operator == "AND" else (left_value or right_value)
    return f"({left} {operator} {right})", value


@settings(deadline=None)
@given(
    st.recursive(
        _LEAVES, lambda part: st.tuples(part, st.sampled_from(["AND", "OR"]), part).map(_combined), max_leaves=40
    )
)
def test_expressions_are_evaluated_as_booleans(expression: tuple[str, bool]) -> None:
    text, value = expression
    assert len(text) <= MAX_EXPRESSION_CHARACTERS
    assert (reason(text) is None) is value


@settings(deadline=None)
@given(st.text(alphabet="MITORAND()WH-+/. gpl", max_size=60))
def test_any_text_has_a_verdict(license: str) -> None:
    assert reason(license) in (None, *Reason)


def test_a_prefix_or_suffix_of_a_permissive_identifier_is_not_it() -> None:
    for identifier in PERMISSIVE:
        assert reason(identifier[:-1]) is not None
        assert reason(identifier + "x") is not None
