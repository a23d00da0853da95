"""How intricate an HTML page may be: a parser's cost grows with the square of the depth of elements, and of attributes.

    html -> few brackets, close together? (most pages: done) -> tags, as the standard's tokenizer cuts them
         -> depth of open elements, attributes of one tag, formatting elements opened again -> within the limits?

Measured: 100,000 nested elements (500 kB) take the parser 13 s, nested lists give text that grows with the square of
their depth, 20,000 attributes in a tag take 0.9 s, and 5,000 unclosed formatting elements between paragraphs (80 kB)
take 13 s and 4.7 GB. What is opened again is copied with its attributes. Browsers limit the depth too.
"""

from __future__ import annotations

import re
from collections import defaultdict

from filters.patterns import skip_all

DEPTH_LIMIT = 512  # as Blink's maximumHTMLParserDOMTreeDepth
ATTRIBUTES_LIMIT = 1_000
REOPENED_LIMIT = 200 << 20  # bytes of the elements that are opened again, each with its attributes
ELEMENT_BYTES = 400
TAGS_LIMIT = 200_000

# What a page of fewer brackets, and of no longer stretch between two, can cost at most is half a second, if the
# formatting elements in it, none of longer attributes, times all elements are within REOPENED_LIMIT too.
_EASY_BRACKETS = 10_000
_EASY_STRETCH = 8_000
_EASY_ATTRIBUTES = 400  # bytes

# HTML standard, section 13.1.2: elements without content, and those that the next of their kind, or their parent, ends.
_WITHOUT_CONTENT = "area base br col embed hr img input link meta param source track wbr"
_ENDED_BY_OTHERS = (
    "html head body p li dt dd rb rt rtc rp option optgroup colgroup caption thead tbody tfoot tr td th a nobr"
)
_NOT_NESTED = frozenset([*_WITHOUT_CONTENT.split(" "), *_ENDED_BY_OTHERS.split(" ")])
# Section 13.2.4.3: those that are opened again in the next block if they are not closed.
_REOPENED = "b big code em font i s small strike strong tt u"
_REOPENED_ONCE = frozenset(["a", "nobr"])  # of these one is open at a time
_FORMATTING = frozenset(_REOPENED.split(" "))
_OPENED_BY_A_SLASH = _FORMATTING | {"div", "span"}  # in foreign content
_FORMATTING_START = re.compile(rf"<(?=[bcefistu])(?:{_REOPENED.replace(' ', '|')})(?![^\t\n\f\r />])", re.IGNORECASE)
_ANY_FORMATTING_START = re.compile(rf"<(?:a|nobr|{_REOPENED.replace(' ', '|')})(?=[\t\n\f\r /])", re.IGNORECASE)
# Section 13.2.5, "Tokenization": an attribute's value is quoted only after an equals sign that follows its name.
_SPACE = r"[\t\n\f\r ]"
_ATTRIBUTE = (
    rf"=?[^\t\n\f\r />=]++(?:{_SPACE}*+={_SPACE}*+(?:\"[^\"]*+\"?+|'[^']*+'?+|[^\t\n\f\r >\"'][^\t\n\f\r >]*+)?)?"
)
_RAW = "script|style|textarea|title|xmp|iframe|noembed|noframes"
_COMMENT = "<!--"
_COMMENT_END = re.compile(r"--!?>")
# What may follow a tag's name, so many parts at a time.
_PARTS = rf"(?:[\t\n\f\r /]++|{_ATTRIBUTE}|=)"
_REST = re.compile(rf"{_PARTS}{{1,100}}")
_TOKEN = re.compile(
    rf"<(/?)([A-Za-z][^\t\n\f\r />]*+)({_PARTS}{{0,100}})(>?)|{_COMMENT}(?:-?>)?|<[!?][^>]*+|</(?![A-Za-z])[^>]*+"
)
_RAW_END = {name: re.compile(rf"</{name}(?=[\t\n\f\r />])", re.IGNORECASE) for name in _RAW.split("|")}
# Nothing may follow in the pattern: where it did not, each part could be read in several ways, and all would be tried.
_SHORT_REST = re.compile(rf"{_PARTS}{{0,40}}")
_ONE_ATTRIBUTE = re.compile(_ATTRIBUTE)


def too_intricate(html: str) -> bool:
    """Tell whether parsing a page could take more than a few seconds or 300 MB; time is linear in its length."""
    tags = html.count("<")
    if tags > TAGS_LIMIT:
        return True
    if tags <= _EASY_BRACKETS and html.count(">") <= _EASY_BRACKETS:
        stretches = html.split(">")
        reopened = (len(_FORMATTING_START.findall(html)) + 1) * tags * (ELEMENT_BYTES + _EASY_ATTRIBUTES)
        if max(map(len, stretches)) <= _EASY_STRETCH and reopened <= REOPENED_LIMIT:
            # All attributes together are no longer than the page.
            return not (tags * len(html) <= REOPENED_LIMIT or _has_short_attributes(html)) and _beyond_limits(html)
    return _beyond_limits(html)


def _has_short_attributes(html: str) -> bool:
    """Tell whether no formatting element has attributes of more than _EASY_ATTRIBUTES bytes."""
    return all(_ends_soon(html, found.end()) for found in _ANY_FORMATTING_START.finditer(html))


def _ends_soon(html: str, at: int) -> bool:
    rest = _SHORT_REST.match(html, at, at + _EASY_ATTRIBUTES)
    return rest is not None and rest.end() < at + _EASY_ATTRIBUTES and html.startswith(">", rest.end())


def _beyond_limits(html: str) -> bool:
    opened: dict[str, int] = defaultdict(int)
    depth = formatting = once = reopened = at = raw_end = 0
    sizes: dict[str, list[int]] = defaultdict(list)  # of the formatting elements that are open, in bytes
    while tag := _TOKEN.search(html, at):
        end, name, rest, closed = tag.groups("")
        at, name = tag.end(), name.lower()
        if name and not closed:
            at = skip_all(_REST, html, at)
            rest = html[tag.start(3) : at]
            at += html.startswith(">", at)
        elif tag[0] == _COMMENT:
            at = closing.end() if (closing := _COMMENT_END.search(html, at)) else len(html)
        if len(rest) > 2 * ATTRIBUTES_LIMIT and sum(1 for _ in _ONE_ATTRIBUTE.finditer(rest)) > ATTRIBUTES_LIMIT:
            return True
        reopened += formatting + once
        if name in _RAW_END and not end and at >= raw_end:
            closing = _RAW_END[name].search(html, at)
            raw_end = closing.start() if closing else len(html)
            # In SVG and MathML these are elements like any other: their content counts, but ends nothing outside.
            at = at if opened["svg"] or opened["math"] else raw_end
        elif rest.endswith("/") and (opened["svg"] or opened["math"]) and name not in _OPENED_BY_A_SLASH:
            continue
        elif name and name not in _NOT_NESTED:
            step = 1 if not end else -1 if opened[name] and at >= raw_end else 0
            opened[name] += step
            depth += step
            if name in _FORMATTING and step > 0:
                sizes[name].append(ELEMENT_BYTES + len(rest))
                formatting += sizes[name][-1]
            elif name in _FORMATTING and step:
                formatting -= sizes[name].pop()
        elif name in _REOPENED_ONCE:
            once = 0 if end else ELEMENT_BYTES + len(rest)
        if depth > DEPTH_LIMIT or reopened > REOPENED_LIMIT:
            return True
    return False
