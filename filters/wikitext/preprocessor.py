"""Wikitext of templates as a tree of calls and parameters, read as MediaWiki's preprocessor reads it.

wikitext ─ braces and brackets on a stack ─> text, Call (`{{name|value|name=value}}`), Parameter (`{{{name|default}}}`)

Of a run of braces three make a parameter and two a call, from the inside out; what never closes is text. Bars inside
links divide nothing. Reading takes time in proportion to the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

MAX_DEPTH = 100
"""Open brackets at a time; MediaWiki's preprocessor gives up there ($wgMaxPPExpandDepth)."""

# A heading that begins a line has no `=` that ends a name.
_TOKEN = re.compile(r"\{\{+|\}\}+|\[\[|\]\]|\||(?:(?<=\n)|\A)==+[^\n{}\[\]|]*|=")


@dataclass(frozen=True, slots=True)
class Call:
    """A template or parser function: its name and its arguments."""

    name: Nodes
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter: its name, and what stands for one that is not given; None: its own text."""

    name: Nodes
    default: Nodes | None


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument: its name, None for one with a place, and its value; `whole` is what stands between the bars."""

    name: Nodes | None
    value: Nodes
    whole: Nodes


Node = str | Call | Parameter
Nodes = tuple[Node, ...]


@dataclass(slots=True)
class _Frame:
    """An open run of braces, or a link: its parts so far, and where in the last one its `=` stands."""

    opener: str
    parts: list[list[Node]] = field(default_factory=lambda: [[]])
    equals: list[int | None] = field(default_factory=lambda: [None])

    def add(self, node: Node) -> None:
        if node != "":
            self.parts[-1].append(node)

    def bar(self) -> None:
        self.parts.append([])
        self.equals.append(None)

    def mark(self) -> None:
        """Take an `=`: the first in an argument ends its name."""
        if len(self.parts) > 1 and self.equals[-1] is None:
            self.equals[-1] = len(self.parts[-1])
        self.parts[-1].append("=")

    def text(self) -> list[Node]:
        """Return what stands in it as it was written, without its opener."""
        found: list[Node] = []
        for number, part in enumerate(self.parts):
            found += ["|", *part] if number else part
        return found


def parse(text: str) -> Nodes:
    """Return the tree of a text."""
    stack = [_Frame("")]
    position = 0
    for token in _TOKEN.finditer(text):
        stack[-1].add(text[position : token.start()])
        position = token.end()
        _take(token[0], stack)
    stack[-1].add(text[position:])
    while len(stack) > 1:
        _give_back(stack)
    return _joined(stack[0].text())


def _take(token: str, stack: list[_Frame]) -> None:
    frame = stack[-1]
    if token[0] in "{[" and len(stack) <= MAX_DEPTH:
        stack.append(_Frame(token))
    elif token[0] == "}" and frame.opener.startswith("{"):
        _close(len(token), stack)
    elif token == "]]" and frame.opener == "[[":
        stack.pop()
        for node in ("[[", *frame.text(), "]]"):
            stack[-1].add(node)
    elif token == "|" and frame.opener:
        frame.bar()
    elif token == "=" and frame.opener.startswith("{"):
        frame.mark()
    else:
        frame.add(token)


def _close(number: int, stack: list[_Frame]) -> None:
    """Close as much of the innermost run of braces as a run of `}` closes, and go on with what is left of both."""
    while number >= 2 and stack[-1].opener.startswith("{"):
        frame = stack.pop()
        width = min(len(frame.opener), number, 3)
        node = _parameter(frame) if width == 3 else _call(frame)
        number -= width
        left = frame.opener[width:]
        if len(left) >= 2:
            stack.append(_Frame(left))
        else:
            stack[-1].add(left)
        stack[-1].add(node)
    stack[-1].add("}" * number)


def _give_back(stack: list[_Frame]) -> None:
    frame = stack.pop()
    for node in (frame.opener, *frame.text()):
        stack[-1].add(node)


def _parameter(frame: _Frame) -> Parameter:
    default = _joined(frame.parts[1]) if len(frame.parts) > 1 else None
    return Parameter(_joined(frame.parts[0]), default)


def _call(frame: _Frame) -> Call:
    found = []
    for part, equals in zip(frame.parts[1:], frame.equals[1:], strict=True):
        name = None if equals is None else _joined(part[:equals])
        value = part if equals is None else part[equals + 1 :]
        found.append(Argument(name, _joined(value), _joined(part)))
    return Call(_joined(frame.parts[0]), tuple(found))


def _joined(nodes: list[Node]) -> Nodes:
    """Return nodes with neighbouring texts as one."""
    found: list[Node] = []
    texts: list[str] = []
    for node in nodes:
        if isinstance(node, str):
            texts.append(node)
            continue
        if texts:
            found.append("".join(texts))
            texts = []
        found.append(node)
    return (*found, "".join(texts)) if texts else tuple(found)
