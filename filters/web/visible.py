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
_ATTRIBUTES: Final = r'(?:\s=?[^\s=>]*+="[^"]*+")*'
# The rest of raw text: from one `<` to the next, three times as fast as by characters, as long as these are not many.
_RAW_REST: Final = r"(?:[^<]*+<){1,1000}?/\1>|[\s\S]*?</\1>"
_TOKEN: Final = re.compile(
    rf"<!--[\s\S]*?-->|<(script|style|xmp|iframe|noembed|noframes|plaintext){_ATTRIBUTES}>({_RAW_REST})"
    rf"|<(/?[a-zA-Z][^\s/>]*+)({_ATTRIBUTES})>|<[^>]*+>?"
)
# Text in a tree has no NUL.
_BREAK: Final = "\0"

_IN_LINE = (
    "a abbr b bdi bdo big cite code data del dfn em font i img ins kbd label link mark meta nobr picture q rb ruby s"
    " samp small source span strike strong sub sup time tt u var wbr"
)
_OTHERS: Final = HIDDEN | _LINES_KEPT | {"dialog", "input", "optgroup"}
_TO_LOOK_AT: Final = "look"
# Where these are, no tag with attributes, or no raw text, is plain (`i` has other cases than its own).
_SELDOM: Final = ('dden="', "<xmp", "<plaintext")
# What these tags come to outside of what is hidden, of foreign content and of elements that keep their lines; None is
# a comment or raw text.
_PLAIN: Final[dict[str | None, str]] = {None: ""} | {
    end + name: mark
    for names, mark in ((BLOCKS, _BREAK), (BOXES, " "), (frozenset(_IN_LINE.split(" ")), ""))
    for name in names - _OTHERS
    for end in ("", "/")
}


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
    return title, _lines(_text(document.html)) if document is not None else []


def _text(html: str) -> str:
    """Return the text of a serialised tree: its entities as they were, between lines a break."""
    pieces, state = _TOKEN.split(html), _State()
    tags, texts = pieces[3::5], pieces[5::5]
    marks = [_PLAIN.get(tag, _TO_LOOK_AT) for tag in tags]
    if any(map(html.__contains__, _SELDOM)):
        every = zip(marks, tags, pieces[4::5], strict=True)
        marks = [mark if tag and not attributes else _TO_LOOK_AT for mark, tag, attributes in every]
    # Nine tokens in ten are plain, and cost a look in a table each.
    for number, mark in enumerate(marks):
        if mark == _TO_LOOK_AT:
            for at in range(number, len(marks)):
                marks[at], texts[at] = "", state.shown(*pieces[5 * at + 1 : 5 * at + 6])
                if state.plain:
                    break
    both = [""] * (2 * len(marks))
    both[::2], both[1::2] = marks, texts
    return pieces[0] + "".join(both)


def _lines(text: str) -> list[str]:
    for entity, character in (("&nbsp;", "\xa0"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        text = text.replace(entity, character)
    return [line for one in text.split(_BREAK) if (line := " ".join(one.split()))]


class _State:
    """What is open: something hidden, elements that keep their lines, foreign content."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._hidden, self._hidden_depth = "", 0
        self._kept = 0  # elements open that keep their lines
        self._foreign: dict[str, int] = {"svg": 0, "math": 0}

    @property
    def plain(self) -> bool:
        """Whether the next tag is what _PLAIN says."""
        return not (self._hidden or self._kept or any(self._foreign.values()))

    def shown(self, raw: str | None, content: str, tag: str | None, attributes: str, text: str) -> str:
        """Take any token and the text after it, and return what is shown of them."""
        self._parts, name = [], (tag or "").lower()
        if raw:
            self._raw(raw, content)
        elif name and self._hidden:
            self._inside_hidden(name)
        elif name.startswith("/"):
            self._end(name[1:])
        elif name:
            self._start(name, attributes)
        if not self._hidden:
            self._parts.append(text.replace("\n", _BREAK) if self._kept else text)
        return "".join(self._parts)

    def _raw(self, name: str, content: str) -> None:
        if name not in HIDDEN and not self._hidden:
            shown = content.removesuffix(f"</{name}>").replace("&", "&amp;").replace("\n", _BREAK)
            self._parts += [_BREAK, shown, _BREAK]

    def _inside_hidden(self, name: str) -> None:
        if name.removeprefix("/") == self._hidden:
            self._hidden_depth += -1 if name.startswith("/") else 1
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

    def _end(self, name: str) -> None:
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
