"""Licence filter: SPDX identity and expressions, never a prefix."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.code.boilerplate import head_comments
from filters.code.license import MAX_EXPRESSION_CHARACTERS, PERMISSIVE, Reason, reason, spelled, stated


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


@pytest.mark.parametrize("taken", ["MIT WITH Commons-Clause", "Apache-2.0 WITH AdditionRef-no-sale", "MIT with x"])
def test_what_follows_with_and_is_no_exception_may_take_rights_away(taken: str) -> None:
    assert reason(taken) is Reason.NOT_PERMISSIVE
    assert reason(f"{taken} OR MIT") is None
    assert reason("Apache-2.0 WITH Swift-exception") is None
    assert reason("Apache-2.0 WITH SHL-2.1") is None


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.c", "/* SPDX-License-Identifier: GPL-2.0-only */\nint x;\n"),
        ("a.h", "/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */\n#ifndef A\n"),
        ("a.c", "// SPDX-License-Identifier: GPL-2.0-only\n/*\n * Documentation.\n */\nint x;\n"),
        ("a.h", "#ifndef A\n#define A\n/* Copyright X\n *\n * SPDX-License-Identifier: GPL-2.0-only */\n"),
        ("a.cpp", "/*\n * a.cpp - SPDX-License-Identifier: GPL-2.0-only\n */\nint x;\n"),
        (
            "a.py",
            "#!/usr/bin/env python\n# SPDX-FileCopyrightText: X\n# SPDX-License-Identifier: GPL-2.0-only\nx = 1\n",
        ),
        ("a.py", '"""Words.\n\nSPDX-License-Identifier: GPL-2.0-only\n"""\nx = 1\n'),
        ("a.sh", "#!/bin/sh\n# SPDX-License-Identifier: GPL-2.0-only\n"),
        ("a.sql", "-- SPDX-License-Identifier: GPL-2.0-only\nselect 1;\n"),
        ("a.lua", "--[[ SPDX-License-Identifier: GPL-2.0-only ]]\nx()\n"),
        ("a.html", "<!DOCTYPE html>\n<!-- SPDX-License-Identifier: GPL-2.0-only -->\n<p>\n"),
        ("a.md", "<!--\nSPDX-License-Identifier: GPL-2.0-only\n-->\n# Title\n"),
        ("a.rst", ".. SPDX-License-Identifier: GPL-2.0-only\n\nTitle\n=====\n"),
        ("a.php", "<?php\n# SPDX-License-Identifier: GPL-2.0-only\n"),
        ("a.hs", "{- SPDX-License-Identifier: GPL-2.0-only -}\nmain = x\n"),
        ("a.f90", "! SPDX-License-Identifier: GPL-2.0-only\nend\n"),
        ("a.f", "C SPDX-License-Identifier: GPL-2.0-only\n      END\n"),
        ("a.tex", "% SPDX-License-Identifier: GPL-2.0-only\n"),
        ("a.bat", "@echo off\nREM SPDX-License-Identifier: GPL-2.0-only\r\n"),
        ("a.ps1", "<# SPDX-License-Identifier: GPL-2.0-only #>\n"),
        ("a.jl", "#= SPDX-License-Identifier: GPL-2.0-only =#\n"),
        ("a.rb", "# frozen_string_literal: true\n# SPDX-License-Identifier: GPL-2.0-only\n"),
        ("a.xml", '<?xml version="1.0"?>\n<!-- SPDX-License-Identifier: GPL-2.0-only -->\n'),
        ("a.css", "/* SPDX-License-Identifier: GPL-2.0-only */\n"),
        ("a.vb", "' SPDX-License-Identifier: GPL-2.0-only\n"),
        ("a.asm", "; SPDX-License-Identifier: GPL-2.0-only\n"),
        ("Makefile", "# SPDX-License-Identifier: GPL-2.0-only\nall:\n"),
        ("Dockerfile", "# SPDX-License-Identifier: GPL-2.0-only\nFROM x\n"),
        ("a.java", "package a;\n/* SPDX-License-Identifier: GPL-2.0-only */\n"),
        ("a.js", "/*! SPDX-License-Identifier: GPL-2.0-only. */\nx();\n"),
    ],
)
def test_a_file_states_its_licence_in_every_comment_syntax(path: str, text: str) -> None:
    found = stated(head_comments(text, path))
    assert found is not None
    assert found.split(" WITH ")[0] == "GPL-2.0-only"
    assert reason(found) is Reason.NOT_PERMISSIVE


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.py", 'HEADER = """\n# SPDX-License-Identifier: GPL-2.0-only\n"""\n'),
        ("a.sh", "cat > a.c <<END\n// SPDX-License-Identifier: GPL-2.0-only\nEND\n"),
        ("a.c", 'char *x = "/* SPDX-License-Identifier: GPL-2.0-only */";\n'),
        ("a.c", "/* SPDX-License-Identifier: */\n"),
        ("a.c", "/* Licensed under the GPL. */\n"),
        ("a.unknown", "# SPDX-License-Identifier: GPL-2.0-only\n"),
    ],
)
def test_what_is_no_statement_of_the_file_is_none(path: str, text: str) -> None:
    assert stated(head_comments(text, path)) is None


@pytest.mark.parametrize(
    ("lines", "expected", "why"),
    [
        (["MIT OR GPL-3.0-only"], "MIT OR GPL-3.0-only", None),
        (["MIT", "MIT"], "MIT", None),
        (["MIT", "GPL-3.0-only"], "(MIT) AND (GPL-3.0-only)", Reason.NOT_PERMISSIVE),
        (["LicenseRef-Proprietary"], "LicenseRef-Proprietary", Reason.NOT_PERMISSIVE),
        (["see the file"], "see the file", Reason.UNKNOWN),
        (["MIT OR " * 300 + "MIT"], None, Reason.UNKNOWN),
    ],
)
def test_statements_are_expressions(lines: list[str], expected: str | None, why: Reason | None) -> None:
    found = stated("".join(f"# SPDX-License-Identifier: {line}\n" for line in lines))
    assert expected in (None, found)
    assert reason(found) is why


@pytest.mark.parametrize(
    ("written", "right"),
    [
        ("apache-2.0", "Apache-2.0"),
        ("APACHE-2.0", "Apache-2.0"),
        ("mit", "MIT"),
        ("bsd-3-clause", "BSD-3-Clause"),
        ("cc0-1.0", "CC0-1.0"),
        ("unlicense", "Unlicense"),
        ("gpl-2.0+", "GPL-2.0+"),
        ("mit or apache-2.0", "MIT OR Apache-2.0"),
        ("(mit  AND isc) or bsd-2-clause", "(MIT  AND ISC) OR BSD-2-Clause"),
        ("MIT/Apache-2.0", "MIT/Apache-2.0"),
        ("gpl-2.0 with classpath-EXCEPTION-2.0", "GPL-2.0 WITH Classpath-exception-2.0"),
        ("licenseref-Ours", "LicenseRef-Ours"),
        ("mit AND my-own", "MIT AND my-own"),
        ("unknown", "unknown"),
        ("NOASSERTION", "NOASSERTION"),
        ("BSD", "BSD"),
        ("Mit License", "Mit License"),
        ("(mit", "(mit"),
        ("mit\nor", "mit\nor"),
        ("", ""),
        ("mit or " * 200 + "mit", "mit or " * 200 + "mit"),
    ],
)
def test_a_licence_has_one_spelling(written: str, right: str) -> None:
    assert spelled(written) == right


@settings(deadline=None)
@given(st.lists(st.sampled_from(["mit", "Gpl-3.0", "OR", "and", "with", "(", ")", "x", "/", " ", "llvm-exception"])))
def test_the_spelling_decides_nothing(parts: list[str]) -> None:
    text = " ".join(parts)
    assert reason(spelled(text)) is reason(text)
    assert spelled(spelled(text)) == spelled(text)
    assert spelled(text).lower() == text.lower()
