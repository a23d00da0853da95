"""Templates expanded as MediaWiki expands them: parameters, defaults, conditions, arithmetic, letters, other templates.

Call ─ name expanded ─> variable | parser function | template ─ its tree, parameters when they are met ─> wikitext

Only what plain wikitext says is expanded. What asks Lua, the clock, the database or another page makes the whole
expansion fail (`UnplainError`), and so does a text that would be too large, too deep or too long in the making.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

from filters.wikitext import expressions, functions
from filters.wikitext.functions import ERROR, has_error
from filters.wikitext.names import Names
from filters.wikitext.preprocessor import Argument, Call, Nodes, Parameter

MAX_DEPTH: Final = 40
"""Templates inside templates ($wgMaxTemplateDepth)."""

MAX_NESTING: Final = 400
"""Calls inside calls, of templates and of functions, so that Python's own stack is enough."""

MAX_CHARACTERS: Final = 1 << 16
"""Of one expansion: no sentence needs as many."""

MAX_STEPS: Final = 20_000
"""Calls and parameters looked at in one expansion."""

LINE_MARKS: Final = ("{|", ":", ";", "#", "*")
"""What begins a line: where a call makes it, it begins a line of its own."""

_SUBST: Final = re.compile(r"\s*(?:safesubst)\s*:", re.IGNORECASE)


class UnplainError(Exception):
    """An expansion that plain wikitext does not give, or that takes too much."""


class Templates(Protocol):
    """Where templates come from."""

    @property
    def tree(self) -> Callable[[str], Nodes | None]:
        """What gives the tree of a template by its name, redirects followed, None if there is none."""
        ...

    @property
    def same(self) -> Callable[[str], str]:
        """What gives the name of the page that a name leads to."""
        ...


@dataclass
class _Frame:
    """What a template was called with; values are expanded when they are first asked for."""

    name: str
    arguments: Mapping[str, Callable[[], str]]
    depth: int
    parent: _Frame | None = None
    values: dict[str, str] = field(default_factory=dict)

    def value(self, name: str) -> str | None:
        """Return an argument, None if it was not given."""
        if name not in self.values:
            if name not in self.arguments:
                return None
            self.values[name] = self.arguments[name]()
        return self.values[name]

    def names(self) -> set[str]:
        """Return the templates that it is inside of, its own with them."""
        found, frame = set(), self
        while frame.parent is not None:
            found.add(frame.name)
            frame = frame.parent
        return found


class Expansion:
    """One expansion: where templates come from, which calls are left as they are, and what it has taken so far.

    A call is left where `known` answers something for its name alone.
    """

    def __init__(
        self, templates: Templates, known: Callable[[str], str | None], language: str, names: Names, title: str = ""
    ) -> None:
        self.templates, self.known, self.language, self.names, self.title = templates, known, language, names, title
        self._steps = self._characters = self._nesting = 0

    def template(self, name: str, arguments: Sequence[tuple[str | None, str]]) -> str | None:
        """Return what a template makes of arguments (name, or None, and value); None if it is none, or not plain.

        Arguments with a place are taken as they are, the values of those with a name without white space around them.
        """
        given = _placed(arguments)
        try:
            tree = self.templates.tree(name)
            if tree is None:
                return None
            frame = _Frame(self.templates.same(name), {}, 1, _Frame("", {}, 0), given)
            text = self.text(tree, frame)
        except (UnplainError, RecursionError):
            return None
        if has_error(text):
            return None
        return f"\n{text}" if text.startswith(LINE_MARKS) else text

    def text(self, nodes: Nodes, frame: _Frame) -> str:
        """Return nodes expanded in a frame; UnplainError."""
        if len(nodes) == 1 and isinstance(nodes[0], str):
            return nodes[0]
        pieces = []
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise UnplainError("too many calls inside calls")
        before = ""
        for node in nodes:
            if isinstance(node, str):
                piece = before = node
            else:
                self._steps += 1
                if self._steps > MAX_STEPS:
                    raise UnplainError("too many steps")
                piece = self._parameter(node, frame) if isinstance(node, Parameter) else self._call(node, frame)
                if piece.startswith(LINE_MARKS) and isinstance(node, Call) and not before.endswith("\n"):
                    piece = f"\n{piece}"
            self._characters += len(piece)
            if self._characters > MAX_CHARACTERS:
                raise UnplainError("too many characters")
            pieces.append(piece)
            before = before if isinstance(node, str) else ""
        self._nesting -= 1
        return "".join(pieces)

    def trimmed(self, nodes: Nodes, frame: _Frame) -> str:
        """Return nodes expanded, without white space around them."""
        return functions.trim(self.text(nodes, frame))

    def _parameter(self, node: Parameter, frame: _Frame) -> str:
        written = self.text(node.name, frame)
        name = functions.trim(written)
        value = frame.value(name)
        if value is not None:
            return value
        if node.default is not None:
            return self.text(node.default, frame)
        return f"{{{{{{{written}}}}}}}"

    def _call(self, node: Call, frame: _Frame) -> str:
        written = functions.trim(self.text(node.name, frame))
        while found := _SUBST.match(written):
            written = written[found.end() :]
        if not node.arguments and (value := functions.variable(written, self)) is not None:
            return value
        name, colon, first = written.partition(":")
        if colon and (function := functions.named(name, self.language)) is not None:
            return _FUNCTIONS[function](self, [_literal(first), *node.arguments], frame)
        return self._transcluded(written, node, frame)

    def _transcluded(self, written: str, node: Call, frame: _Frame) -> str:
        name = functions.template_name(written, self.names)
        if name is None:
            raise UnplainError(f"no template: {written[:40]}")
        if self.known(name) is not None:
            return self._as_written(name, node, frame)
        tree = self.templates.tree(name)
        if tree is None:
            raise UnplainError(f"not defined: {name[:40]}")
        same = self.templates.same(name)
        if frame.depth >= MAX_DEPTH or same in frame.names():
            raise UnplainError(f"a loop: {name[:40]}")
        return self.text(tree, _Frame(same, self._lazy(node.arguments, frame), frame.depth + 1, frame))

    def _lazy(self, arguments: Sequence[Argument], frame: _Frame) -> dict[str, Callable[[], str]]:
        """Return the arguments of a call, to be expanded in the frame that it stands in."""
        found: dict[str, Callable[[], str]] = {}
        place = 0
        for argument in arguments:
            if argument.name is None:
                place += 1
                found[str(place)] = partial(self.text, argument.value, frame)
            else:
                key = self.trimmed(argument.name, frame)
                found[key] = partial(self.trimmed, argument.value, frame)
        return found

    def _as_written(self, name: str, node: Call, frame: _Frame) -> str:
        """Return a call that is left to others, with its arguments expanded."""
        parts = [name]
        for argument in node.arguments:
            value = self.text(argument.value, frame)
            parts.append(value if argument.name is None else f"{self.trimmed(argument.name, frame)}={value}")
        return f"{{{{{'|'.join(parts)}}}}}"

    # --- functions that look at their arguments only when they need them

    def _if(self, arguments: Sequence[Argument], frame: _Frame) -> str:
        return self._at(arguments, 1 if self._at(arguments, 0, frame) else 2, frame)

    def _ifeq(self, arguments: Sequence[Argument], frame: _Frame) -> str:
        left, right = (functions.decoded(self._at(arguments, place, frame)) for place in (0, 1))
        return self._at(arguments, 2 if functions.equal(left, right) else 3, frame)

    def _iferror(self, arguments: Sequence[Argument], frame: _Frame) -> str:
        test = self._at(arguments, 0, frame)
        if has_error(test):
            return self._at(arguments, 1, frame)
        return test if len(arguments) < 3 else self._at(arguments, 2, frame)

    def _ifexpr(self, arguments: Sequence[Argument], frame: _Frame) -> str:
        try:
            value = expressions.value_of(self._at(arguments, 0, frame))
        except expressions.ExpressionError:
            return ERROR
        true = bool(float(value)) if functions.is_numeric(value) else bool(value)
        return self._at(arguments, 1 if true else 2, frame)

    def _expr(self, arguments: Sequence[Argument], frame: _Frame) -> str:
        try:
            return expressions.value_of(self._at(arguments, 0, frame))
        except expressions.ExpressionError:
            return ERROR

    def _switch(self, arguments: Sequence[Argument], frame: _Frame) -> str:
        primary = functions.decoded(self._at(arguments, 0, frame))
        found = default_next = False
        default: Nodes | None = None
        last = ""
        for argument in arguments[1:]:
            test = self.trimmed(argument.value if argument.name is None else argument.name, frame)
            decoded = functions.decoded(test)
            is_default = functions.is_default(decoded, self.language)
            if argument.name is None:
                last = test
                found = found or functions.equal(decoded, primary)
                default_next = default_next or (is_default and not found)
            elif found or functions.equal(decoded, primary):
                return self.trimmed(argument.value, frame)
            elif default_next or is_default:
                default, default_next = argument.value, False
        if len(arguments) > 1 and arguments[-1].name is None:
            return last
        return "" if default is None else self.trimmed(default, frame)

    def _plain(self, function: functions.Function, arguments: Sequence[Argument], frame: _Frame) -> str:
        values = [self.trimmed(argument.whole, frame) for argument in arguments]
        found = function(values, self)
        if found is None:
            raise UnplainError("a function of what is not in the dump")
        return found

    def _at(self, arguments: Sequence[Argument], place: int, frame: _Frame) -> str:
        return self.trimmed(arguments[place].whole, frame) if place < len(arguments) else ""


def _literal(text: str) -> Argument:
    return Argument(None, (text,), (text,))


def _placed(arguments: Sequence[tuple[str | None, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    place = 0
    for name, value in arguments:
        if name is None:
            place += 1
            found[str(place)] = value
        else:
            found[functions.trim(name)] = functions.trim(value)
    return found


_Lazy = Callable[[Expansion, Sequence[Argument], _Frame], str]


def _plainly(function: functions.Function) -> _Lazy:
    return lambda expansion, arguments, frame: expansion._plain(function, arguments, frame)


_FUNCTIONS: Final[Mapping[str, _Lazy]] = {
    **{name: _plainly(function) for name, function in functions.FUNCTIONS.items()},
    "#if": Expansion._if,
    "#ifeq": Expansion._ifeq,
    "#iferror": Expansion._iferror,
    "#ifexpr": Expansion._ifexpr,
    "#expr": Expansion._expr,
    "#switch": Expansion._switch,
}
