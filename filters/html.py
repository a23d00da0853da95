"""HTML to the text a person would read: the bodies of StackExchange posts.

    html -> libxml2's events (start, end, data) -> _Writer -> blocks of lines under their containers' prefixes -> text

What the text looks like:

    paragraphs, headings     blocks separated by one blank line, their inner white space collapsed
    <ul>, <ol>               "- " or "3. " (start= and value= honoured), nested ones indented under their item's text;
                             items without paragraphs stand on successive lines
    <pre>                    fenced by ``` (a longer fence if the code has one, the language if a class names it),
                             every character inside kept
    <code>, <tt>, <samp>     `code`, since the border between code and prose is part of what was written
    <blockquote>             "> " before each line; <dd> is indented
    <table>                  one line per row, cells joined by " | "
    <sup>, <sub>             10^6, x_i, e^(n+1), so that 10 to the 6 does not become 106; longer small print as it is
    <a>, <em>, <kbd>, ...    their text; <img> its alternative text; <br> a line's end; <hr> a line of ---
    $...$, $$...$$, \\begin   MathJax: every character kept, line ends too

Entities are decoded once. A `<` that opens none of HTML's elements is text (`std::vector<int>`, `a < b`), as its author
meant it. Events arrive without a tree, and time is linear: libxml2 looks at all open elements at many a tag, so of what
is nested deeper than anybody writes the tags go and the text stays.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from threading import local
from typing import Any

from lxml import etree
from lxml.html import defs

# The longest chain of prefixes that is written: nobody reads deeper, and prefixes of unbounded length are quadratic.
MAX_CONTAINERS = 20
# Nested inline marks beyond this depth are left out, for the same reason.
MAX_MARKS = 8
# Elements open at one time. Up to SHORT characters no depth costs libxml2 more than 0.1 s, and is not looked at.
MAX_DEPTH = 512
SHORT = 1 << 16
# What the site's editor puts where the author wrote no alternative text.
EDITOR_ALT_TEXTS = frozenset({"enter image description here", "enter link description here", "alt text"})

_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_PARAGRAPHS = _HEADINGS | {"p"}
_BLOCKS = _PARAGRAPHS | {
    "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "dir", "div", "dl", "dt",
    "dialog", "fieldset", "figcaption", "figure", "footer", "form", "header", "hgroup", "hr", "legend", "li", "main",
    "menu", "nav", "ol", "optgroup", "option", "pre", "section", "select", "summary", "table", "tbody", "tfoot",
    "thead", "tr", "ul", "listing", "xmp",
}  # fmt: skip
_LISTS = frozenset({"ul", "ol", "dl", "menu", "dir", "table"})
_CELLS = frozenset({"td", "th"})
_PREFORMATTED = frozenset({"pre", "listing", "xmp"})
_CODE = frozenset({"code", "tt", "samp"})
_MARKED = _CODE | {"sup", "sub"}
_HIDDEN = frozenset({"script", "style", "head", "template", "noframes", "iframe", "object"})

# Not <search>: no post has one, and code has `List<search>`.
_LATER_ELEMENTS = "details dialog figcaption figure hgroup main picture source summary template wbr"
_ELEMENTS = defs.tags.union(_LATER_ELEMENTS.split(" "))
# Tried in their order: with what posts are made of first, ten times as fast as with it anywhere.
_COMMON = ("p", "code", "a", "li", "em", "strong", "pre", "ul", "br", "ol", "blockquote", "img", "hr", "h1", "h2", "h3")
_NAMES = "|".join((*_COMMON, *sorted(_ELEMENTS.difference(_COMMON))))
_NO_TAG = re.compile(rf"<(?!/?(?:{_NAMES})(?=[\s/>])|!--)", re.IGNORECASE)
# What XML could not carry and what no text needs; vertical tab is then free to stand for <br>.
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_BREAK = "\x0b"
# A single space is no match: nearly all are, and each would be replaced by itself.
_SPACE = re.compile(r"[\t\r\n][ \t\r\n]*| [ \t\r\n]+")
_SPACES = ("  ", "\n", "\t", "\r")
_BREAKS = re.compile(r" *\x0b *")
_BLANKS = re.compile(r"\n{3,}")
_LANGUAGE = re.compile(r"\blang(?:uage)?-(?!none\b|default\b)([A-Za-z0-9+#_-]+)")
_TICKS = re.compile(r"`+")
_SCRIPT = re.compile(r"\S{1,8}|\w+")
_MATH = re.compile(r"\$\$|\\begin\{\w+\*?\}|\\end\{\w+\*?\}|\$")
_TAG = re.compile(r"<[^<>]*+>?")
_INTEGER = re.compile(r"\s*-?[0-9]{1,9}\s*")


class _Target:
    """Hands libxml2's events to the writer of the text being read."""

    writer: _Writer

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self.writer.start(tag, attributes)

    def end(self, tag: str) -> None:
        self.writer.end(tag)

    def data(self, text: str) -> None:
        self.writer.data(text)

    def close(self) -> None:
        pass


class _TooDeepError(Exception):
    """More elements are open than anybody writes."""


class _Depth:
    """Counts the open elements."""

    def __init__(self) -> None:
        self.depth = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _TooDeepError

    def end(self, tag: str) -> None:
        self.depth -= 1

    def close(self) -> None:
        pass


class _Thread(local):
    """One parser for each thread: making one costs as much as reading a short body, and none keeps anything."""

    def __init__(self) -> None:
        self.target = _Target()
        target: Any = self.target
        self.parser = etree.HTMLParser(target=target, encoding="utf-8", huge_tree=True)


_THREAD = _Thread()


def to_text(html: str) -> str:
    """Return the readable text of an HTML fragment, without a trailing line end; see the module for its looks.

    Unclosed, misnested and very deep tags are read as libxml2 reads them; nothing raises.
    """
    if not html or html.isspace():
        return ""
    clean = _NO_TAG.sub("&lt;", _CONTROLS.sub("", html.replace("\r\n", "\n").replace("\r", "\n")))
    if not clean:
        return ""
    if len(clean) > SHORT and _too_deep(clean.encode()):
        clean = _TAG.sub(" ", clean).replace("<", "&lt;")
    writer = _Writer()
    _THREAD.target.writer = writer
    etree.fromstring(clean.encode(), _THREAD.parser)
    return writer.close()


def _too_deep(html: bytes) -> bool:
    """Tell whether too many elements are open anywhere; what follows that place costs nothing."""
    depth: Any = _Depth()
    parser = etree.HTMLParser(target=depth, encoding="utf-8", huge_tree=True)
    try:
        for start in range(0, len(html), SHORT):
            parser.feed(html[start : start + SHORT])
        parser.close()
    except _TooDeepError:
        return True
    return False


@dataclass(slots=True)
class _Container:
    """What stands before the lines of a list item, a quotation or a definition."""

    first: str
    rest: str
    tight: bool = False
    used: bool = False

    def prefix(self) -> str:
        if self.used:
            return self.rest
        self.used = True
        return self.first


class _Writer:
    """Gathers inline text and writes each finished block; libxml2 balances the events."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.inline: list[str] = []
        self.marks: list[int] = []
        self.containers: list[_Container] = []
        self.deep_marks = 0
        self.deep_containers = 0
        self.counters: list[int | None] = []
        self.before: list[_Container] = []
        self.group = 0
        self.last_group = 0
        self.hidden = 0
        self.pre = 0
        self.pre_start = 0
        self.language = ""
        self.cells: list[str] | None = None
        self.tables = 0
        self.table = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Take an opening tag."""
        if tag in _HIDDEN:
            self.hidden += 1
        elif self.hidden:
            return
        elif tag == "br":
            self.inline.append("\n" if self.pre else _BREAK)
        elif tag == "img":
            self._image(attributes.get("alt") or "")
        elif tag in _CELLS:
            if self.cells is None:
                self._flush()
        elif tag in _MARKED and not self.pre:
            self._start_mark()
        elif tag in _BLOCKS:
            self._start_block(tag, attributes)
        elif tag == "code" and not self.language:
            self.language = _language(attributes)

    def end(self, tag: str) -> None:
        """Take a closing tag, written or implied."""
        if tag in _HIDDEN:
            self.hidden -= 1
        elif self.hidden:
            return
        elif tag in _CELLS:
            self._end_cell()
        elif tag in _MARKED and not self.pre:
            self._end_mark(tag)
        elif tag in _BLOCKS:
            self._end_block(tag)

    def data(self, text: str) -> None:
        """Take text, its entities already decoded."""
        if not self.hidden:
            self.inline.append(text)

    def close(self) -> str:
        """Return the text."""
        self._flush()
        return "\n".join(self.lines)

    def _start_block(self, tag: str, attributes: Mapping[str, str]) -> None:
        if self.pre:
            self.pre += tag in _PREFORMATTED
            return
        if tag in _PREFORMATTED:
            self._flush()
            self.pre, self.pre_start, self.language = 1, len(self.inline), _language(attributes)
            return
        self._flush()
        if tag in _LISTS:
            self._start_list(tag, attributes)
        elif self.tables:
            if tag == "tr":
                self._end_row()
                self.cells = []
        elif tag == "li":
            self._open(self._marker(attributes), tight=True)
        elif tag in ("dt", "dd"):
            indent = "  " if tag == "dd" else ""
            self._open(indent, tight=True)
        elif tag == "blockquote":
            self._open("> ", rest="> ")
        elif tag == "hr":
            self._emit(["---"], 0)

    def _end_block(self, tag: str) -> None:
        if self.pre:
            if tag in _PREFORMATTED:
                self.pre -= 1
                if not self.pre:
                    self._end_pre()
            return
        self._flush(loose=tag in _PARAGRAPHS)
        if tag in _LISTS:
            self._end_list(tag)
        elif self.tables:
            if tag == "tr":
                self._end_row()
        elif tag in ("li", "dt", "dd", "blockquote"):
            self._close()

    def _start_list(self, tag: str, attributes: Mapping[str, str]) -> None:
        if not self.counters:
            self.group += 1
        start = attributes.get("start", "")
        self.counters.append(None if tag != "ol" else int(start) if _INTEGER.fullmatch(start) else 1)
        if tag == "table":
            self.tables += 1
            self.table += 1

    def _end_list(self, tag: str) -> None:
        if tag == "table":
            self._end_row()
            self.tables -= 1
        if self.counters:
            self.counters.pop()

    def _marker(self, attributes: Mapping[str, str]) -> str:
        number = self.counters[-1] if self.counters else None
        if number is None:
            return "- "
        value = attributes.get("value", "")
        number = int(value) if _INTEGER.fullmatch(value) else number
        self.counters[-1] = number + 1
        return f"{number}. "

    def _open(self, first: str, rest: str | None = None, tight: bool = False) -> None:
        if len(self.containers) == MAX_CONTAINERS:
            self.deep_containers += 1
            return
        self.containers.append(_Container(first, " " * len(first) if rest is None else rest, tight))

    def _close(self) -> None:
        if self.deep_containers:
            self.deep_containers -= 1
        elif self.containers:
            self.containers.pop()

    def _image(self, alt: str) -> None:
        if alt.strip().lower() not in EDITOR_ALT_TEXTS:
            self.inline.append(alt)

    def _start_mark(self) -> None:
        if len(self.marks) == MAX_MARKS:
            self.deep_marks += 1
        else:
            self.marks.append(len(self.inline))

    def _end_mark(self, tag: str) -> None:
        if self.deep_marks or not self.marks:
            self.deep_marks = max(0, self.deep_marks - 1)
            return
        start = self.marks.pop()
        if start >= len(self.inline):
            return
        text = "".join(self.inline[start:])
        before = self.inline[start - 1][-1:] if start else ""
        marked = _inline_code(text) if tag in _CODE else _script(tag, text, before)
        self.inline[start:] = [marked]

    def _end_cell(self) -> None:
        if self.cells is None:
            self._flush()
            return
        self.cells.append(_collapse("".join(self.inline)).replace("\n", " "))
        self._clear()

    def _end_row(self) -> None:
        if self.cells is None:
            return
        if "".join(self.inline).strip():
            self._end_cell()
        if any(self.cells):
            self._emit([" | ".join(self.cells)], -self.table)
        self.cells = None
        self._clear()

    def _end_pre(self) -> None:
        code = "".join(self.inline[self.pre_start :]).removeprefix("\n").rstrip("\n")
        if self.cells is not None:
            self.inline[self.pre_start :] = [_inline_code(code)]
            return
        self._clear()
        if code.strip():
            fence = "`" * max(3, 1 + max(map(len, _TICKS.findall(code)), default=0))
            self._emit([fence + self.language, *code.split("\n"), fence], 0)

    def _flush(self, loose: bool = False) -> None:
        """Write the inline text gathered as one block; in a table cell it only ends a word."""
        if self.cells is not None:
            self.inline.append(" ")
            return
        if not self.inline:
            return
        text = "".join(self.inline)
        self._clear()
        if not text.isspace() and (text := _collapse(text)):
            tight = not loose and bool(self.containers) and self.containers[-1].tight
            self._emit(text.split("\n"), self.group if tight else 0)

    def _clear(self) -> None:
        self.inline = []
        self.marks = [0] * len(self.marks)

    def _emit(self, lines: list[str], group: int) -> None:
        """Write lines under their prefixes, after a blank line unless both neighbours are lines of one list (group)."""
        if self.lines and not (group and group == self.last_group):
            shared = [a.rest for a, b in zip(self.before, self.containers, strict=False) if a is b]
            self.lines.append("".join(shared).rstrip())
        for line in lines:
            prefix = "".join([box.prefix() for box in self.containers])
            self.lines.append(prefix + line if line else prefix.rstrip())
        self.before = list(self.containers)
        self.last_group = group


def _language(attributes: Mapping[str, str]) -> str:
    found = _LANGUAGE.search(attributes.get("class", ""))
    return found[1] if found else ""


def _inline_code(text: str) -> str:
    """Return text between the fewest backticks that are not inside it."""
    if not text.strip():
        return text
    if "`" not in text:
        return f"`{text}`"
    fence = "`" * (1 + max(map(len, _TICKS.findall(text))))
    return f"{fence} {text.strip()} {fence}"


def _script(tag: str, text: str, before: str) -> str:
    """Return a sub- or superscript with ^ or _ where it belongs to what stands before it."""
    inner = text.strip()
    if not before.strip() or not _SCRIPT.fullmatch(inner):
        return text
    sign = "^" if tag == "sup" else "_"
    return f"{sign}{inner}" if inner.isalnum() or len(inner) == 1 else f"{sign}({inner})"


def _collapse(text: str) -> str:
    """Return inline text with its white space collapsed outside of mathematics, and its breaks as line ends."""
    if "$" not in text and "\\begin" not in text:
        return _plain(text).strip()
    parts, position = [], 0
    for start, end in _mathematics(text):
        parts += [_plain(text[position:start]), text[start:end].replace(_BREAK, "\n")]
        position = end
    parts.append(_plain(text[position:]))
    return "".join(parts).strip()


def _plain(text: str) -> str:
    collapsed = _SPACE.sub(" ", text) if any(map(text.__contains__, _SPACES)) else text
    return _BLANKS.sub("\n\n", _BREAKS.sub("\n", collapsed)) if _BREAK in collapsed else collapsed


def _mathematics(text: str) -> list[tuple[int, int]]:
    """Return the spans of $...$, $$...$$ and \\begin{x}...\\end{x}; an opening without its end is text.

    Where each closing mark stands is looked up, never searched for, so that time is linear.
    """
    marks = [(found.start(), found.end(), found[0]) for found in _MATH.finditer(text)]
    places: dict[str, list[int]] = {}
    for index, (_, _, mark) in enumerate(marks):
        places.setdefault(mark, []).append(index)
    spans, index = [], 0
    while index < len(marks):
        closing = _closing(text, marks, places, index)
        if closing is None:
            index += 1
        else:
            spans.append((marks[index][0], marks[closing][1]))
            index = closing + 1
    return spans


def _closing(text: str, marks: list[tuple[int, int, str]], places: dict[str, list[int]], index: int) -> int | None:
    _, end, mark = marks[index]
    if mark.startswith("\\end"):
        return None
    candidates = places.get(mark.replace("\\begin", "\\end"), [])
    at = bisect_right(candidates, index)
    if at == len(candidates):
        return None
    closing = candidates[at]
    if mark == "$":
        # Pandoc's rule, which tells prices from formulas.
        start, stop, _ = marks[closing]
        if text[end].isspace() or text[start - 1].isspace() or text[stop : stop + 1].isdigit():
            return None
    return closing
