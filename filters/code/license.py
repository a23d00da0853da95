"""Licence filter: keeps a file whose repository's licence is one of four permissive ones, by SPDX identity.

    "mit" -> keep; "BSD-3-Clause OR GPL-2.0" -> keep; "MIT AND GPL-3.0" -> not_permissive; "unknown" -> unknown

LLaMA keeps "projects that are distributed under the Apache, BSD and MIT licenses" (arXiv:2302.13971, section 2.1). An
identifier is compared whole, never by prefix: `MIT-0`, `BSD-4-Clause`, `BSD-3-Clause-Clear` and `Apache-1.1` are other
licences. An expression is evaluated as SPDX 2.3, annex D, defines it: one side of OR is enough, both sides of AND are
needed, WITH adds permissions to its licence and binds tightest, then AND, then OR. What follows WITH must be an
exception by its name: "MIT WITH Commons-Clause" takes a right away.

A source file may state a licence of its own, `SPDX-License-Identifier: ...` in a comment; `stated` reads that. People
write identifiers in any case; `spelled` gives each the one spelling of SPDX's list.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

# LLaMA, section 2.1; the two BSD texts that GitHub's licence keys tell apart. Compared in lower case, BigQuery's form.
PERMISSIVE = frozenset({"mit", "bsd-2-clause", "bsd-3-clause", "apache-2.0"})
# What stands for "nobody knows": SPDX 2.3 annex D's two words, and GitHub's and BigQuery's own.
UNKNOWN_WORDS = frozenset({"", "unknown", "other", "none", "noassertion"})
# An expression names a handful of licences; a whole licence text in the column is not one.
MAX_EXPRESSION_CHARACTERS = 1_000

# "/" is OR in older Cargo.toml files ("MIT/Apache-2.0": The Cargo Book, "The license and license-file fields").
# SPDX's list of exceptions: their names say so, but for these.
_EXCEPTION = re.compile(r".*exception.*|linux-syscall-note|gpl-cc-1\.0|shl-2\.[01]")
_STATEMENT = re.compile(r"SPDX-License-Identifier:[ \t]*([^\r\n]*)", re.IGNORECASE)
# What ends a comment, and what of it may follow the expression.
_AFTER = re.compile(r"(?:\*/|-->|\*\)|\]\]|=#|-\}|#>|#\}|\"\"\"|\'\'\'|%>|\?>|\*\}).*")
_FRAME = " \t*#/;%!|.,\"'`>~=-"

_TOKEN = re.compile(r"\s*([()/]|[A-Za-z0-9][A-Za-z0-9.:+-]*)")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:+-]*")
_BINDING = {"or": 1, "and": 2}
_WORDS = frozenset({*_BINDING, "with", "(", ")"})
_BEFORE_OPERAND = frozenset({*_BINDING, "("})


class Reason(StrEnum):
    """Why a licence drops a file."""

    UNKNOWN = "license_unknown"
    NOT_PERMISSIVE = "license_not_permissive"


def reason(license: str | None) -> Reason | None:
    """Return why a licence drops its file, or None to keep it.

    `license` is an SPDX identifier or expression in any case (BigQuery's `licenses.license` keys are identifiers in
    lower case). What is missing, not an SPDX expression, or longer than 1,000 characters is unknown.
    """
    text = (license or "").strip()
    if text.lower() in UNKNOWN_WORDS or len(text) > MAX_EXPRESSION_CHARACTERS:
        return Reason.UNKNOWN
    try:
        return None if _evaluate(_tokens(text)) else Reason.NOT_PERMISSIVE
    except ValueError:
        return Reason.UNKNOWN


def stated(comments: str) -> str | None:
    """Return the expression that a file states of itself in its comments, or None; of several lines all hold.

    What stands in the line but is no expression comes back as it is, a licence that nobody knows.
    """
    found = [_AFTER.sub("", match[1]).strip(_FRAME) for match in _STATEMENT.finditer(comments)]
    distinct = list(dict.fromkeys(filter(None, found)))
    joined = distinct[0] if len(distinct) == 1 else " AND ".join(f"({expression})" for expression in distinct)
    return joined[: MAX_EXPRESSION_CHARACTERS + 1] or None


@lru_cache(maxsize=1 << 12)
def spelled(license: str) -> str:
    """Return an SPDX identifier or expression as SPDX's own list spells it: "apache-2.0 or mit" is "Apache-2.0 OR MIT".

    A name that the list lacks stays as it is, and so does what is no expression ("unknown" is one of a name).
    """
    try:
        if len(license) <= MAX_EXPRESSION_CHARACTERS:
            _evaluate(_tokens(license))
            return _NAME.sub(_spelled, license)
    except ValueError:
        pass
    return license


def _spelled(found: re.Match[str]) -> str:
    name = found[0]
    if name.lower() in _WORDS:
        return name.upper()
    for before in ("", "MIT WITH "):  # a licence, an exception
        try:
            return canonicalize_license_expression(before + name).removeprefix(before)
        except InvalidLicenseExpression:
            pass
    return name


def _tokens(text: str) -> list[str]:
    tokens, position = [], 0
    while position < len(text):
        if not (match := _TOKEN.match(text, position)):
            raise ValueError(f"not an SPDX expression: {text!r}")
        token = match[1].lower()
        tokens.append("or" if token == "/" else token)
        position = match.end()
    return tokens


def _evaluate(tokens: list[str]) -> bool:
    """Return whether the expression can be met with permissive licences alone; two stacks, so that no depth matters."""
    values: list[bool] = []
    operators: list[str] = []
    previous = "("
    for token in tokens:
        if previous == "with":
            # An exception only adds permissions to the licence that it follows; anything else may take some away.
            _expect(token not in _WORDS)
            values[-1] = values[-1] and _EXCEPTION.fullmatch(token) is not None
            previous = "exception"
            continue
        operand_next = previous in _BEFORE_OPERAND
        _expect(operand_next if token == "(" or token not in _WORDS else not operand_next)
        if token in _BINDING:
            _reduce(values, operators, _BINDING[token])
            operators.append(token)
        elif token == "(":
            operators.append(token)
        elif token == ")":
            _reduce(values, operators, 0)
            _expect(bool(operators))
            operators.pop()
        elif token == "with":
            _expect(previous == "licence")
        else:
            # "+" is "this version or later": the version named is among them.
            values.append(token.removesuffix("+") in PERMISSIVE)
        previous = token if token in _WORDS else "licence"
    _expect(previous not in {*_BEFORE_OPERAND, "with"})
    _reduce(values, operators, 0)
    _expect(not operators)
    return values[0]


def _reduce(values: list[bool], operators: list[str], binding: int) -> None:
    while operators and operators[-1] != "(" and _BINDING[operators[-1]] >= binding:
        right, left = values.pop(), values.pop()
        values.append(left and right if operators.pop() == "and" else left or right)


def _expect(condition: bool) -> None:
    if not condition:
        raise ValueError("not an SPDX expression")
