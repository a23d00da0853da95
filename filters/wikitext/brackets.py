"""Links, templates and tables of wikitext, resolved in one walk with a stack.

One compiled pattern finds brackets; links without markup inside are taken whole by it, which are nearly all. Each open
bracket is a frame that collects the text inside, with inner brackets already resolved and their `|` and `=` masked, so
that a frame's own bars can be split when it closes. Depth is bounded by `MAX_DEPTH`; brackets that never close give
their text back at the end. Time is linear in the text (times the depth that is really used).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from filters.wikitext.names import Names
from filters.wikitext.templates import BAR, EQUALS, Unknown, behave, settle, unknown

MAX_DEPTH = 256
"""Open brackets at a time; MediaWiki's preprocessor gives up at 100 levels, and no article comes near."""

MAX_EXPANSIONS = 8
"""Definitions inside definitions whose links and templates are resolved."""

MAX_TABLE_DEPTH = 8
"""Tables inside tables; what stands deeper is no prose."""

TEMPLATE, PARAMETER, LINK, TABLE = "{{", "{{{", "[[", "{|"

# Every branch begins with a character of its own, so that `re` looks for those five alone.
TOKEN = re.compile(
    r"\[\[([^\[\]{}|\n]+)(?:\|([^\[\]{}|\n]*))?\]\]"  # 1, 2: a link without markup inside
    r"|\{\{+|\}\}+"
    r"|\[\[(?=[^\[\]|\n]{1,400}[|\]])|\]\](?:\](?!\]))?"
    r"|\n[ \t:*#;]*\{\|(?!\|?\})"
    r"|\n[ \t]*\|\}+"
)
VARIANT = re.compile(r"-\{([^{}\n]{0,1000})\}-")
# A heading inside a link: a file's brackets were left open, and others far below seem to close them.
SECTION = re.compile(r"\n={2,6}[^=\n][^\n]*=\s*\n")
VARIANT_RULE = re.compile(r"(?:^|;)\s*sr(?:-ec|-cyrl|-el|-latn)?\s*:\s*([^;]*)")
LEFTOVER_BRACKETS = re.compile(r"\{\{+|\}\}+|\[\[+|\]\]+")
LEFTOVER_NOTE = re.compile(r"</?ref(?:erences)?\b[^<>\n]*>?", re.IGNORECASE)
INTERLANGUAGE = re.compile(
    r"(?:[a-z]{2,3}|simple|be-x-old|be-tarask|zh-[a-z-]{2,12}|roa-[a-z]{2,4}|map-bms|nds-nl|bat-smg|fiu-vro|cbk-zam)\Z"
)
NOT_LANGUAGES = frozenset({"mw", "rfc", "doi", "isbn", "wp", "vp"})
DISAMBIGUATION = re.compile(r"\s*[(,].*\Z", re.DOTALL)
NAME = re.compile(r"\A[^|\n]*")
EXTERNAL_OPEN = re.compile(r"\[(?:[a-z]{3,6}:)?//[^\[\]]*\Z")
INNER_BAR = re.compile(r"(?<!\n)\|")
CELL = re.compile(r"^[ \t]*(?:\|[-+]?|!)|\|\||!!", re.MULTILINE)
CELL_ATTRIBUTES = re.compile(r"[^|\[{<\n]{0,300}=[^|\n]{0,300}\|(?!\|)")
LIST_LINE = re.compile(r"^[*#]", re.MULTILINE)
SENTENCE_END = re.compile(r"[.!?…][\"'»”)]*\s")

MIN_CELL_PROSE = 200
"""Characters: a table cell of at least this many, with two sentences, is prose that a layout table holds."""

MIN_CELL_LIST = 2
"""Lines of a list in a cell that make it a list that a layout table holds."""


class Definitions(Protocol):
    """What a dump says of its own templates."""

    def canonical(self, name: str) -> str:
        """Return the name of the page that a template's name leads to by redirects, else the name."""
        ...

    def expand(self, content: str, behave: Callable[[str], str | None]) -> str | None:
        """Return the wikitext that a template stands for, None if it is not defined or cannot be expanded."""
        ...


@dataclass(slots=True)
class _Frame:
    kind: str
    pieces: list[str]


@dataclass(slots=True)
class _Stack:
    """The open brackets, outermost first; the root collects the page."""

    names: Names
    language: str
    definitions: Definitions | None = None
    expansions: int = 0
    frames: list[_Frame] = field(default_factory=lambda: [_Frame("", [])])
    overflow: int = 0

    def add(self, text: str) -> None:
        self.frames[-1].pieces.append(text)

    def open(self, kind: str) -> None:
        if len(self.frames) > MAX_DEPTH:
            self.overflow += 1
        else:
            self.frames.append(_Frame(kind, []))

    def open_braces(self, number: int) -> None:
        """Open a run of `{`: templates, with a parameter where the number is odd."""
        if number > 2 * MAX_DEPTH:
            self.overflow += (number - 2 * MAX_DEPTH) // 2
            number = 2 * MAX_DEPTH + number % 2
        while number >= 2:
            parameter = number % 2
            self.open(PARAMETER if parameter else TEMPLATE)
            number -= 2 + parameter

    def close_braces(self, number: int) -> None:
        """Close a run of `}`."""
        while number >= 2:
            if number == 2 and self.frames[-1].kind == TEMPLATE and not self.overflow:
                content = "".join(self.frames.pop().pieces)
                self.frames[-1].pieces.append(_mask(self.template(content)))
                return
            if self.overflow:
                drained = min(self.overflow, number // 2)
                self.overflow -= drained
                number -= 2 * drained
                continue
            frame = self._unwind((TEMPLATE, PARAMETER))
            if frame is None:
                return
            parameter = frame.kind == PARAMETER and number >= 3
            content = "".join(frame.pieces)
            if parameter:
                self.add(_mask(content.partition("|")[2]))
            else:
                self.add(_mask(self.template(content)))
            number -= 3 if parameter else 2
        if number:
            self.add("}")

    def template(self, content: str) -> str:
        """Return what a template stands for: by its behaviour, by the dump's own definition, else marked."""
        text = behave(content, self.names, self.language)
        if text is None and self.definitions is not None:
            text = self.defined(content, self.definitions)
        if text is None:
            return unknown(content, self.names, self.language)
        # As MediaWiki does: what begins as a list begins a line.
        return "\n" + text if "\n" in text and text[0] in "*#" else text

    def defined(self, content: str, definitions: Definitions) -> str | None:
        """Return what a template stands for by its canonical name, or by its definition, which is resolved too."""
        text = self.known(content)
        if text is not None or self.expansions >= MAX_EXPANSIONS:
            return text
        wikitext = definitions.expand(content, self.known)
        if wikitext is None:
            return None
        inner = _Stack(self.names, self.language, definitions, self.expansions + 1)
        return _walk(wikitext, inner).replace(BAR, "|").replace(EQUALS, "=")

    def known(self, content: str) -> str | None:
        """Return what a template stands for by its own name or its canonical one, None if no behaviour has it."""
        name = content.partition("|")[0].strip()
        canonical = self.definitions.canonical(name) if self.definitions and name else ""
        return behave(content, self.names, self.language, canonical)

    def close_link(self, brackets: str) -> None:
        """Close a link; of three brackets the first ends an external link inside it, if one is open, else the last."""
        outside = brackets[2:]
        if self.overflow:
            self.overflow -= 1
        elif self.frames[-1].kind == LINK:
            content = "".join(self.frames.pop().pieces)
            if outside and EXTERNAL_OPEN.search(content, max(0, content.rfind("\n"))):
                content, outside = content + "]", ""
            if SECTION.search(content):
                self.frames[-1].pieces += _unclosed(_Frame(LINK, [content]), self.names)
            else:
                target, bar, text = content.partition("|")
                self.add(_mask(link_text(target, text if bar else None, self.names)))
        self.add(outside)

    def close_table(self, braces: int) -> None:
        """Take `|}`, or the `|}}` that ends a template with an empty last argument."""
        if braces % 2 and any(frame.kind == TABLE for frame in self.frames) and not self.overflow:
            depth = sum(frame.kind == TABLE for frame in self.frames)
            frame = self._unwind((TABLE,))
            if frame and depth <= MAX_TABLE_DEPTH:
                self.add(_mask(table_text("".join(frame.pieces))))
            braces -= 1
        else:
            self.add("|")
        self.close_braces(braces)

    def _unwind(self, kinds: tuple[str, ...]) -> _Frame | None:
        """Close the innermost frame of one of these kinds and give back the text of those left open inside it."""
        for at in range(len(self.frames) - 1, 0, -1):
            if self.frames[at].kind in kinds:
                self.flush(at)
                return self.frames.pop()
        return None

    def flush(self, depth: int) -> None:
        """Give back the text of brackets that never closed, down to `depth`."""
        while len(self.frames) - 1 > depth:
            frame = self.frames.pop()
            self.frames[-1].pieces += _unclosed(frame, self.names)


def _mask(text: str) -> str:
    return text.replace("|", BAR).replace("=", EQUALS) if text else text


def _unclosed(frame: _Frame, names: Names) -> list[str]:
    """Return the text of a bracket that never closed, without its target or name."""
    if frame.kind == TABLE:
        return ["\n", *frame.pieces]
    if frame.kind == LINK:
        head, _, rest = "".join(frame.pieces).partition("\n")
        target, bar, text = head.partition("|")
        return [link_text(target, text if bar else None, names), "\n" + rest if rest else ""]
    first = NAME.sub("", frame.pieces[0], count=1) if frame.pieces else ""
    # Arguments on lines of their own belong to a box; they leave with the other lines that begin with a bar.
    return [INNER_BAR.sub(" ", piece) if "|" in piece else piece for piece in [first, *frame.pieces[1:]]]


def resolve(
    text: str,
    names: Names,
    language: str,
    definitions: Definitions | None = None,
    found: Counter[Unknown] | None = None,
) -> str:
    """Return the text with links replaced by their text, templates by what they stand for, tables by their prose.

    Templates that nobody knows are counted in `found`.
    """
    if language == "sr":
        text = VARIANT.sub(_variant, text)
    resolved = settle(_walk(text, _Stack(names, language, definitions)), Counter() if found is None else found)
    if "<" in resolved:
        resolved = LEFTOVER_NOTE.sub("", resolved)
    if any(map(resolved.__contains__, ("{{", "}}", "[[", "]]"))):
        resolved = LEFTOVER_BRACKETS.sub("", resolved)
    return resolved.replace(BAR, "|").replace(EQUALS, "=")


def _walk(text: str, stack: _Stack) -> str:
    """Return the text with its brackets resolved, `|` and `=` of what was in them masked."""
    frames = stack.frames
    position = 0
    text = "\n" + text  # a table begins and ends a line
    for match in TOKEN.finditer(text):
        start, end = match.span()
        pieces = frames[-1].pieces
        # Empty or not: the first piece of a frame holds its name.
        pieces.append(text[position:start])
        position = end
        target, shown = match.groups()
        if target is None:
            _bracket(match[0], stack)
        elif ":" in target or (shown is not None and not shown.strip()):
            pieces.append(_mask(link_text(target, shown, stack.names)))
        else:  # nearly all links, for which `link_text` would say the same
            pieces.append((target.strip().removeprefix("#") if shown is None else shown).replace("=", EQUALS))
    stack.add(text[position:])
    stack.flush(0)
    return "".join(frames[0].pieces)[1:]


def _bracket(token: str, stack: _Stack) -> None:
    """Take a bracket that opens or closes a frame."""
    if token[0] == "{":
        stack.open_braces(len(token))
    elif token[0] == "}":
        stack.close_braces(len(token))
    elif token == "[[":
        stack.open(LINK)
    elif token[0] == "]":
        stack.close_link(token)
    else:
        stack.add("\n")
        if token.endswith("{|"):
            stack.open(TABLE)
        else:
            stack.close_table(token.count("}"))


def _variant(match: re.Match[str]) -> str:
    """Return the text of `-{...}-`, which keeps Serbian from being converted between its scripts: its first variant."""
    content = match[1].rpartition("|")[2]
    rule = VARIANT_RULE.search(content)
    return rule[1].strip() if rule else content


def link_text(target: str, text: str | None, names: Names) -> str:
    """Return what a link shows: "" for files, categories and other languages; `text` is None where there is no bar."""
    target = target.strip()
    if ":" in target:
        if target.startswith(":"):
            target = target[1:].strip()
        elif _is_removed(target, names):
            return ""
    if text is None:
        return target.removeprefix("#")
    shown = text.rpartition("|")[2].strip(" \t\n") if "|" in text else text
    if shown.strip():
        return shown
    return DISAMBIGUATION.sub("", target.rpartition(":")[2])


def _is_removed(target: str, names: Names) -> bool:
    prefix = target.partition(":")[0].strip().replace("_", " ")
    if INTERLANGUAGE.match(prefix) and prefix not in NOT_LANGUAGES:
        return True
    folded = prefix.casefold()
    return folded in names.file or folded in names.category


def table_text(content: str) -> str:
    """Return the cells of a table that hold lists or prose, as paragraphs; the cells with data leave."""
    kept = []
    for cell in CELL.split(content)[1:]:
        attributes = CELL_ATTRIBUTES.match(cell)
        text = (cell[attributes.end() :] if attributes else cell).strip()
        prose = len(text) >= MIN_CELL_PROSE and len(SENTENCE_END.findall(text + " ")) >= 2
        if prose or len(LIST_LINE.findall(text)) >= MIN_CELL_LIST:
            kept.append(f"\n\n{text}\n\n")
    return "".join(kept)
