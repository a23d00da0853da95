"""The text of a web page: everything that a browser shows, a line for each block.

    html -> the standard's tree, which closes what is open -> its serialisation -> tags and text between them -> lines

What is shown, and what begins a line, is what the HTML standard says (section "Rendering") for a browser that runs
scripts and has no style sheet of the page's own. So `hidden` and closed dialogs are left out, and `<noscript>`; what is
hidden by style is not. Of a drop-down list all options are text, of a button its label; the details of a summary count
as open. A ruby annotation stands in parentheses. What a program draws (canvas, meter, object) is said by the text
inside it; that of audio and video only says that they cannot be played.
"""

from __future__ import annotations

import re
from typing import Final

from filters import packages

# Elements of their own lines.
_BLOCKS = (
    "address article aside blockquote body br caption center colgroup dd details dialog dir div dl dt fieldset"
    " figcaption figure footer form frameset h1 h2 h3 h4 h5 h6 header hgroup hr html legend li listing main menu"
    " nav ol optgroup option p plaintext pre search section select summary table tbody tfoot thead tr ul xmp"
)
BLOCKS: Final = frozenset(_BLOCKS.split(" "))
# Boxes in a line: what is in them joins no word beside them.
_BOXES = "audio button canvas iframe input marquee meter object progress td textarea th video"
BOXES: Final = frozenset(_BOXES.split(" "))
_HIDDEN = "audio datalist head iframe noembed noframes noscript rp script style template title video"
HIDDEN: Final = frozenset(_HIDDEN.split(" "))
# Elements of these names in HTML are shown.
_HIDDEN_IN_SVG = "clippath defs desc filter marker mask metadata pattern symbol"
HIDDEN_IN: Final = {
    "svg": frozenset(_HIDDEN_IN_SVG.split(" ")),
    "math": frozenset(["annotation", "annotation-xml"]),
}
_FOREIGN_BOXES: Final = frozenset(["text", "mtd", "mtr"])
_LINES_KEPT: Final = frozenset(["listing", "pre", "textarea"])
_BUTTONS: Final = re.compile(r'\stype="(?:submit|reset|button)"', re.IGNORECASE)
_VALUE: Final = re.compile(r'\svalue="([^"]*)"')
_LABEL: Final = re.compile(r'\slabel="([^"]*)"')
_HIDES: Final = re.compile(r'\shidden="(?!until-found")', re.IGNORECASE)
_OPEN: Final = re.compile(r'\sopen="')
_WITHOUT_CONTENT = "area base br col embed hr img input link meta param source track wbr"
WITHOUT_CONTENT: Final = frozenset(_WITHOUT_CONTENT.split(" "))

# In the tree a script-less noscript is content, in a browser nothing is shown of it and nothing in it is a tag.
_NOSCRIPT: Final = re.compile(r"<(/?)noscript(?=[\t\n\f\r />])", re.IGNORECASE)
# As the standard serialises a tree: attributes in double quotes, `<` nowhere else but in raw text, which is one token.
_ATTRIBUTES: Final = r'((?:\s=?[^\s=>]*+="[^"]*+")*)'
_TOKEN: Final = re.compile(
    rf"<!--[\s\S]*?-->|<(script|style|xmp|iframe|noembed|noframes|plaintext){_ATTRIBUTES}>([\s\S]*?)</\1>"
    rf"|<(/?)([a-zA-Z][^\s/>]*+){_ATTRIBUTES}>|<[^>]*+>?"
)
# Text in a tree has no NUL.
_BREAK: Final = "\0"


def prepared(html: str) -> str:
    """Return a page as a browser that runs scripts reads it: nothing in a noscript is a tag."""
    return _NOSCRIPT.sub(r"<\1style", html)


def page(html: str) -> tuple[str, list[str]]:
    """Return a page's title and the lines of what is shown, none of them empty, white space collapsed.

    `html` is `prepared`, and known to be no more intricate than a parser takes (`pipelines.readers.html_limits`).
    """
    tree = packages.RESILIPARSE.load("resiliparse.parse.html").HTMLTree.parse(html)
    title = " ".join((tree.title or "").split())
    document = tree.document
    shown = _Shown()
    if document is not None:
        shown.read(document.html)
    return title, shown.lines()


class _Shown:
    """Gathers the text of a serialised tree."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._hidden, self._hidden_depth = "", 0
        self._kept = 0  # elements open that keep their lines
        self._foreign: dict[str, int] = {"svg": 0, "math": 0}

    def read(self, html: str) -> None:
        at = 0
        for token in _TOKEN.finditer(html):
            if token.start() > at and not self._hidden:
                self._text(html[at : token.start()])
            at = token.end()
            raw, _, content, end, name, attributes = token.groups()
            if raw:
                self._raw(raw, content)
            elif name and self._hidden:
                self._inside_hidden(name.lower(), end)
            elif name:
                (self._end if end else self._start)(name.lower(), attributes)
        if not self._hidden:
            self._text(html[at:])

    def lines(self) -> list[str]:
        text = "".join(self._parts)
        for entity, character in (("&nbsp;", "\xa0"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
            text = text.replace(entity, character)
        return [line for one in text.split(_BREAK) if (line := " ".join(one.split()))]

    def _raw(self, name: str, content: str) -> None:
        if name not in HIDDEN and not self._hidden:
            self._parts += [_BREAK, content.replace("&", "&amp;").replace("\n", _BREAK), _BREAK]

    def _text(self, text: str) -> None:
        self._parts.append(text.replace("\n", _BREAK) if self._kept else text)

    def _inside_hidden(self, name: str, end: str) -> None:
        if name == self._hidden:
            self._hidden_depth += -1 if end else 1
            if not self._hidden_depth:
                self._hidden = ""

    def _start(self, name: str, attributes: str) -> None:
        self._between(name)
        if self._is_hidden(name, attributes):
            self._hidden, self._hidden_depth = name, 1
            return
        if name in _LINES_KEPT:
            self._kept += 1
        elif name in self._foreign:
            self._foreign[name] += 1
        elif name in ("rt", "rtc"):
            self._parts.append("(")
        elif name == "input" and _BUTTONS.search(attributes):
            self._attribute(_VALUE, attributes)
            self._between(name)
        elif name == "optgroup":
            self._attribute(_LABEL, attributes)
            self._between(name)

    def _end(self, name: str, _: str) -> None:
        if name in _LINES_KEPT:
            self._kept -= 1
        elif name in self._foreign:
            self._foreign[name] -= 1
        elif name in ("rt", "rtc"):
            self._parts.append(")")
        self._between(name)

    def _between(self, name: str) -> None:
        if name in BLOCKS:
            self._parts.append(_BREAK)
        elif name in BOXES or (name in _FOREIGN_BOXES and any(self._foreign.values())):
            self._parts.append(" ")

    def _attribute(self, pattern: re.Pattern[str], attributes: str) -> None:
        if found := pattern.search(attributes):
            self._parts.append(found[1].replace("&quot;", '"'))

    def _is_hidden(self, name: str, attributes: str) -> bool:
        if name in HIDDEN or any(depth and name in HIDDEN_IN[kind] for kind, depth in self._foreign.items()):
            return True
        if name == "dialog" and not _OPEN.search(attributes):
            return True
        return bool(attributes) and name not in WITHOUT_CONTENT and _HIDES.search(attributes) is not None
