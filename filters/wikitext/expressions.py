"""Arithmetic of templates, `{{#expr:...}}`: what MediaWiki's extension ParserFunctions computes of an expression.

text ─ numbers, words, signs ─> two stacks, of operands and of operators by precedence ─> a number, as PHP shows it

The grammar, the precedences and the words are those of the extension (its `ExprParser`, MediaWiki 1.39); numbers are
64-bit floats with 14 significant digits when they are shown.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

MAX_STACK = 100
"""Operands or operators that wait at a time, as in the extension."""

_TOKEN = re.compile(r"[ \t\r\n]+|[0-9.]+|[A-Za-z]+|<=|>=|<>|!=|[-+*/^()=<>]")
_UNESCAPED = (("&lt;", "<"), ("&gt;", ">"), ("&minus;", "-"), ("−", "-"))
_LARGEST = float(1 << 63)
Number = float


class ExpressionError(ValueError):
    """An expression that has no value."""


def value_of(text: str) -> str:
    """Return the value of an expression as text, "" for an empty one; ExpressionError where it has none."""
    operands = _operands(text)
    return "<br />\n".join(map(shown, operands))


def shown(number: Number) -> str:
    """Return a number as PHP turns it into text."""
    if math.isnan(number) or math.isinf(number):
        return "NAN" if math.isnan(number) else "INF" if number > 0 else "-INF"
    if number == 0:
        return "-0" if math.copysign(1, number) < 0 else "0"
    mantissa, _, exponent = f"{number:.14G}".partition("E")
    if not exponent:
        return mantissa
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{int(exponent):+d}"


def _whole(number: Number) -> int:
    """Return a number without its decimals, as PHP casts it to 64 bits."""
    if math.isnan(number) or math.isinf(number):
        return 0
    return (math.trunc(number) + (1 << 63)) % (1 << 64) - (1 << 63)


def _divided(left: Number, right: Number) -> Number:
    if not right:
        raise ExpressionError("division by zero")
    return left / right


def _modulo(left: Number, right: Number) -> Number:
    divisor = _whole(right)
    if not divisor:
        raise ExpressionError("division by zero")
    return float(math.copysign(abs(_whole(left)) % abs(divisor), left)) if _whole(left) % divisor else 0.0


def _remainder(left: Number, right: Number) -> Number:
    if not right:
        raise ExpressionError("division by zero")
    return math.fmod(left, right)


def _rounded(value: Number, digits: Number) -> Number:
    """Return a number rounded half away from zero, as PHP rounds what is shown of it."""
    places = _whole(digits)
    if math.isinf(value) or math.isnan(value) or abs(places) > 300:
        return 0.0 if places < -300 else value
    scaled = value * 10.0**places if places >= 0 else value / 10.0**-places
    if abs(scaled) >= 1e15:
        return value
    whole = math.floor(abs(float(f"{scaled:.15g}")) + 0.5)
    result = math.copysign(whole, value)
    return float(f"{result / 10.0**places if places >= 0 else result * 10.0**-places:.15g}")


def _power(left: Number, right: Number) -> Number:
    try:
        return float(left**right) if left or right >= 0 else math.inf
    except OverflowError:
        return math.inf
    except TypeError:
        return math.nan


def _exponent(left: Number, right: Number) -> Number:
    return left * _power(10.0, right)


def _within(function: Callable[[Number], Number], least: Number, most: Number) -> Callable[[Number], Number]:
    def checked(number: Number) -> Number:
        if not least <= number <= most:
            raise ExpressionError("invalid argument")
        return function(number)

    return checked


def _logarithm(number: Number) -> Number:
    if number <= 0:
        raise ExpressionError("invalid argument")
    return math.log(number)


def _root(number: Number) -> Number:
    if number < 0 or math.isnan(number):
        raise ExpressionError("not a number")
    return math.sqrt(number)


def _truth(compare: Callable[[Number, Number], bool]) -> Callable[[Number, Number], Number]:
    return lambda left, right: float(compare(left, right))


_Unary = Callable[[Number], Number]
_Binary = Callable[[Number, Number], Number]
_UNARY: Mapping[str, tuple[int, _Unary]] = MappingProxyType(
    {
        "negative": (10, operator.neg),
        "positive": (10, operator.pos),
        "sin": (9, math.sin),
        "cos": (9, math.cos),
        "tan": (9, math.tan),
        "asin": (9, _within(math.asin, -1, 1)),
        "acos": (9, _within(math.acos, -1, 1)),
        "atan": (9, math.atan),
        "exp": (9, lambda number: _power(math.e, number)),
        "ln": (9, _logarithm),
        "abs": (9, abs),
        "floor": (9, lambda number: float(math.floor(number))),
        "trunc": (9, lambda number: float(_whole(number))),
        "ceil": (9, lambda number: float(math.ceil(number))),
        "not": (9, lambda number: float(not number)),
        "sqrt": (9, _root),
    }
)
_BINARY: Mapping[str, tuple[int, _Binary]] = MappingProxyType(
    {
        "e": (10, _exponent),
        "^": (8, _power),
        "*": (7, operator.mul),
        "/": (7, _divided),
        "div": (7, _divided),
        "mod": (7, _modulo),
        "fmod": (7, _remainder),
        "+": (6, operator.add),
        "-": (6, operator.sub),
        "round": (5, _rounded),
        "=": (4, _truth(operator.eq)),
        "<": (4, _truth(operator.lt)),
        ">": (4, _truth(operator.gt)),
        "<=": (4, _truth(operator.le)),
        ">=": (4, _truth(operator.ge)),
        "<>": (4, _truth(operator.ne)),
        "!=": (4, _truth(operator.ne)),
        "and": (3, _truth(lambda left, right: bool(left and right))),
        "or": (2, _truth(lambda left, right: bool(left or right))),
    }
)
_CONSTANTS: Mapping[str, Number] = MappingProxyType({"pi": math.pi, "e": math.e})
_OPEN = "("


class _Machine:
    """Operands and operators that wait for what has precedence over them."""

    def __init__(self) -> None:
        self.operands: list[Number] = []
        self._operators: list[str] = []
        self._wants_operand = True

    def take(self, token: str) -> None:
        """Take one token; ExpressionError where it cannot stand."""
        if len(self.operands) > MAX_STACK or len(self._operators) > MAX_STACK:
            raise ExpressionError("too many operands")
        if token[0].isdigit() or token[0] == ".":
            self._operand(_number(token))
        elif token in _CONSTANTS and (self._wants_operand or token not in _BINARY):
            self._operand(_CONSTANTS[token])
        elif token in ("+", "-") and self._wants_operand:
            self._operators.append("negative" if token == "-" else "positive")
        elif token == _OPEN or (token in _UNARY and token not in ("negative", "positive")):
            if not self._wants_operand:
                raise ExpressionError(f"unexpected {token}")
            self._operators.append(token)
        elif token == ")":
            self._close()
        elif token in _BINARY:
            self._binary(token)
        else:
            raise ExpressionError(f"unknown word {token!r:.40}")

    def finish(self) -> None:
        """Do what still waits."""
        while self._operators:
            self._do(self._operators.pop())

    def _operand(self, number: Number) -> None:
        if not self._wants_operand:
            raise ExpressionError("unexpected number")
        self.operands.append(number)
        self._wants_operand = False

    def _binary(self, token: str) -> None:
        if self._wants_operand:
            raise ExpressionError(f"unexpected {token}")
        while self._operators and _BINARY[token][0] <= _precedence(self._operators[-1]):
            self._do(self._operators.pop())
        self._operators.append(token)
        self._wants_operand = True

    def _close(self) -> None:
        while self._operators and self._operators[-1] != _OPEN:
            self._do(self._operators.pop())
        if not self._operators:
            raise ExpressionError("unexpected closing bracket")
        self._operators.pop()
        self._wants_operand = False

    def _do(self, name: str) -> None:
        if name == _OPEN:
            raise ExpressionError("unclosed bracket")
        unary = name in _UNARY
        if len(self.operands) < (1 if unary else 2):
            raise ExpressionError(f"missing operand of {name}")
        try:
            if unary:
                self.operands.append(_UNARY[name][1](self.operands.pop()))
            else:
                right, left = self.operands.pop(), self.operands.pop()
                self.operands.append(_BINARY[name][1](left, right))
        except ExpressionError:
            raise
        except (ValueError, OverflowError, ZeroDivisionError) as error:
            raise ExpressionError(str(error)) from None


def _precedence(name: str) -> int:
    return -1 if name == _OPEN else _UNARY[name][0] if name in _UNARY else _BINARY[name][0]


def _number(digits: str) -> Number:
    """Return the number that a run of digits and points begins with, as PHP reads it."""
    whole, _, rest = digits.partition(".")
    decimals = rest.partition(".")[0]
    return float(f"{whole or '0'}.{decimals or '0'}")


def _operands(text: str) -> list[Number]:
    for escaped, plain in _UNESCAPED:
        text = text.replace(escaped, plain)
    machine = _Machine()
    position = 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise ExpressionError(f"unknown sign {text[position]!r}")
        position = token.end()
        if not token[0].isspace():
            machine.take(token[0].lower())
    machine.finish()
    return machine.operands
