r"""Decides commands that choose between groups: ifthen's, etoolbox's, xparse's and LaTeX's own.

\ifthenelse{\boolean{full} \AND \NOT \equal{\x}{y}}{yes}{no}  ->  True, False, or None where only TeX can tell
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from filters.latex.arguments import FALSE, NO_VALUE, TRUE
from filters.latex.conditionals import Conditionals
from filters.latex.macros import read_body
from filters.latex.tokens import AT, WORD, coded

Decide = Callable[[Conditionals, Sequence[str]], bool | None]

# A test longer than this, or nested deeper, is left to TeX. In characters.
TEST_LIMIT = 2_000
NESTING_LIMIT = 20

_COMPARISON = re.compile(r"\s*([^<>=]+?)\s*([<>=])\s*([^<>=]+?)\s*")
_OPERATOR = re.compile(
    rf"\s*(?:\\(?P<command>{WORD}|[()])|(?P<word>and|or|not|bool|togl|test)(?![A-Za-z])|(?P<mark>[()]))"
)
_NAME = re.compile(rf"\s*\{{?\s*\\({WORD}|.)\s*\}}?\s*", re.DOTALL)
# A comparison of numbers goes on to the next operator of ifthen.
_TO_OPERATOR = re.compile(r"(?:(?!\\(?:and|or|AND|OR|\)))[^{}])*")


@dataclass(frozen=True, slots=True)
class Choice:
    """A command that chooses: how many groups its test has, how that is decided, and which branches follow."""

    decide: Decide
    operands: int = 1
    branches: tuple[bool, ...] = (True, False)


def negated(value: bool | None) -> bool | None:
    """Return the opposite of what is known."""
    return None if value is None else not value


def _not(decide: Decide) -> Decide:
    return lambda conditionals, operands: negated(decide(conditionals, operands))


def _boolean(conditionals: Conditionals, operands: Sequence[str]) -> bool | None:
    return conditionals.flags.get(f"if{operands[0].strip()}")


def _toggle(conditionals: Conditionals, operands: Sequence[str]) -> bool | None:
    return conditionals.toggles.get(operands[0].strip())


def _is_set(conditionals: Conditionals, operands: Sequence[str]) -> bool | None:
    return conditionals.toggles.get(_name(operands[0]))


def _name(operand: str) -> str:
    match = _NAME.fullmatch(operand)
    return match[1] if match else ""


def _is_defined(conditionals: Conditionals, operands: Sequence[str]) -> bool | None:
    return conditionals.is_defined(_name(operands[0]))


def _is_named(conditionals: Conditionals, operands: Sequence[str]) -> bool | None:
    name = conditionals.full(operands[0])
    return None if name is None else conditionals.is_defined(name.strip().replace("@", AT))


def _equal(conditionals: Conditionals, operands: Sequence[str]) -> bool | None:
    return conditionals.equal(operands[0], operands[1])


def _same(_: Conditionals, operands: Sequence[str]) -> bool | None:
    return operands[0] == operands[1]


def _is_body(conditionals: Conditionals, operands: Sequence[str]) -> bool | None:
    body = conditionals.body(_name(operands[0]))
    return None if body is None else body == operands[1]


def _is_empty_body(conditionals: Conditionals, operands: Sequence[str]) -> bool | None:
    return _is_body(conditionals, (operands[0], ""))


def _is_blank(_: Conditionals, operands: Sequence[str]) -> bool | None:
    return not operands[0].strip()


def _is_empty(_: Conditionals, operands: Sequence[str]) -> bool | None:
    return not operands[0]


def _expands_to_nothing(conditionals: Conditionals, operands: Sequence[str]) -> bool | None:
    return conditionals.equal(operands[0], "")


def _is_no_value(_: Conditionals, operands: Sequence[str]) -> bool | None:
    return operands[0] == NO_VALUE


def _is_true(_: Conditionals, operands: Sequence[str]) -> bool | None:
    return {TRUE: True, FALSE: False}.get(operands[0].strip())


def _number(comparison: str) -> Decide:
    def decide(conditionals: Conditionals, operands: Sequence[str]) -> bool | None:
        return _compared(conditionals, operands[0], comparison, operands[1])

    return decide


def _compared(conditionals: Conditionals, left: str, comparison: str, right: str) -> bool | None:
    first, second = conditionals.number(left), conditionals.number(right)
    if first is None or second is None:
        return None
    return {"<": first < second, "=": first == second, ">": first > second}.get(comparison.strip())


def _number_compared(conditionals: Conditionals, operands: Sequence[str]) -> bool | None:
    return _compared(conditionals, *operands)


def _is_odd(conditionals: Conditionals, operands: Sequence[str]) -> bool | None:
    number = conditionals.number(operands[0])
    return None if number is None else number % 2 == 1


def _test(conditionals: Conditionals, operands: Sequence[str]) -> bool | None:
    """Decide the language of `\\ifthenelse` and `\\ifboolexpr`: tests, not, and, or, brackets."""
    if len(operands[0]) > TEST_LIMIT:
        return None
    value, _ = _expression(conditionals, operands[0], 0, 0)
    return value


def _expression(conditionals: Conditionals, text: str, position: int, depth: int) -> tuple[bool | None, int]:
    value, position = _term(conditionals, text, position, depth)
    while operator := _OPERATOR.match(text, position):
        word = next(filter(None, operator.groups())).lower()
        if word == ")":
            return value, operator.end()
        if word not in {"and", "or"}:
            return None, len(text)
        other, position = _term(conditionals, text, operator.end(), depth)
        absorbing = word == "or"
        if value is absorbing or other is absorbing:
            value = absorbing
        elif value is None or other is None:
            value = None
        else:
            value = not absorbing
    return (value if not text[position:].strip() else None), len(text)


def _term(conditionals: Conditionals, text: str, position: int, depth: int) -> tuple[bool | None, int]:
    operator = _OPERATOR.match(text, position)
    word = next(filter(None, operator.groups())) if operator else ""
    if depth > NESTING_LIMIT:
        return None, len(text)
    if operator and word.lower() == "not":
        value, position = _term(conditionals, text, operator.end(), depth + 1)
        return negated(value), position
    if operator and word == "(":
        return _expression(conditionals, text, operator.end(), depth + 1)
    if operator and word in _TESTS:
        choice, operands, position = _TESTS[word], list[str](), operator.end()
        for _ in range(choice.operands):
            body = read_body(text, position)
            if body is None:
                return None, len(text)
            operands.append(body[0])
            position = body[1]
        return choice.decide(conditionals, operands), position
    rest = _TO_OPERATOR.match(text, position)
    compared = _COMPARISON.fullmatch(rest[0]) if rest else None
    if rest is None or compared is None:
        return None, len(text)
    return _compared(conditionals, compared[1], compared[2], compared[3]), rest.end()


def _inner(conditionals: Conditionals, operands: Sequence[str]) -> bool | None:
    r"""Decide `test {\ifdefempty{\x}}`: another command's test without its branches."""
    match = re.match(rf"\s*\\({WORD})", operands[0])
    choice = CHOICES.get(match[1]) if match else None
    found, position = list[str](), match.end() if match else 0
    for _ in range(choice.operands if choice else 0):
        body = read_body(operands[0], position)
        if body is None:
            return None
        found.append(body[0])
        position = body[1]
    return choice.decide(conditionals, found) if choice and choice.decide not in {_test, _inner} else None


_TESTS: dict[str, Choice] = {
    "boolean": Choice(_boolean),
    "bool": Choice(_boolean),
    "togl": Choice(_toggle),
    "test": Choice(_inner),
    "equal": Choice(_equal, 2),
    "isundefined": Choice(_not(_is_defined)),
    "isnamedefined": Choice(_is_named),
    "isodd": Choice(_is_odd),
    "isempty": Choice(_expands_to_nothing),
}


def _forms(name: str, decide: Decide, operands: int = 1) -> dict[str, Choice]:
    """Return the three forms of xparse's and LaTeX3's tests: with both branches, with the first, with the second."""
    both = {f"{name}TF": (True, False), f"{name}T": (True,), f"{name}F": (False,)}
    return {form: Choice(decide, operands, branches) for form, branches in both.items()}


CHOICES: dict[str, Choice] = {
    **dict.fromkeys(("ifthenelse", "ifboolexpr", "ifboolexpe"), Choice(_test)),
    "ifbool": Choice(_boolean),
    "notbool": Choice(_not(_boolean)),
    "iftoggle": Choice(_toggle),
    "nottoggle": Choice(_not(_toggle)),
    "ifdef": Choice(_is_defined),
    "ifundef": Choice(_not(_is_defined)),
    "ifcsdef": Choice(_is_named),
    "ifcsundef": Choice(_not(_is_named)),
    f"{AT}ifundefined": Choice(_not(_is_named)),
    "ifdefempty": Choice(_is_empty_body),
    "ifdefvoid": Choice(_is_empty_body),
    "ifdefstring": Choice(_is_body, 2),
    "ifstrequal": Choice(_same, 2),
    **dict.fromkeys(("ifstrempty",), Choice(_is_empty)),
    **dict.fromkeys(("ifblank", f"{AT}ifmtarg", f"{AT}ifempty"), Choice(_is_blank)),
    "notblank": Choice(_not(_is_blank)),
    f"{AT}ifnotmtarg": Choice(_is_blank, branches=(False,)),
    f"{AT}ifnotempty": Choice(_is_blank, branches=(False,)),
    "ifnumcomp": Choice(_number_compared, 3),
    "ifnumequal": Choice(_number("="), 2),
    "ifnumgreater": Choice(_number(">"), 2),
    "ifnumless": Choice(_number("<"), 2),
    "ifnumodd": Choice(_is_odd),
    **dict.fromkeys(("IfStrEq", "IfEq"), Choice(_equal, 2)),
    **_forms("IfBoolean", _is_true),
    **_forms("IfNoValue", _is_no_value),
    **_forms("IfValue", _not(_is_no_value)),
    **_forms("IfBlank", _is_blank),
    **_forms(coded("tl_if_blank:n"), _is_blank),
    **_forms(coded("tl_if_empty:n"), _is_empty),
    **_forms(coded("tl_if_empty:N"), _is_empty_body),
    **_forms(coded("tl_if_novalue:n"), _is_no_value),
    **_forms(coded("tl_if_eq:nn"), _same, 2),
    **_forms(coded("str_if_eq:nn"), _same, 2),
    **_forms(coded("bool_if:N"), _is_set),
    **_forms(coded("cs_if_exist:N"), _is_defined),
}
