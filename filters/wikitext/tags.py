"""Comments, extension tags and HTML tags of wikitext.

`strip_extensions` goes first, as in MediaWiki: comments, references, galleries leave with their content, and what is
literal (mathematics, code, nowiki) is put aside under a mark, so that nothing later mistakes it for markup.
`strip_html` goes after templates and links: its tags are formatting. `restore` puts the literal text back at the end.

Each pass is one walk of a compiled pattern. A closing tag is searched for once and remembered, so pages of unclosed
tags take linear time.
"""

from __future__ import annotations

import html
import re

MARK_OPEN, MARK_CLOSE = "\x02", "\x03"
"""Around the number of a literal put aside; control characters cannot occur in XML, so not in a dump."""

HARD_BREAK = "\x04"
"""A line break inside a line of wikitext (`<br>`), which must not begin a list or a heading."""

REMOVED = frozenset(
    {
        "ref",
        "references",
        "gallery",
        "timeline",
        "imagemap",
        "graph",
        "templatedata",
        "templatestyles",
        "mapframe",
        "maplink",
        "inputbox",
        "categorytree",
        "score",
        "hiero",
        "style",
        "script",
        "includeonly",
        "rss",
        "listing",
        "indicator",
        "table",
        "charinsert",
        "phonos",
    }
)
"""Tags that leave with their content: notes, pictures, drawings, data, and HTML tables."""

LITERAL = frozenset({"nowiki", "math", "chem", "ce", "pre", "code", "syntaxhighlight", "source", "tt"})
"""Tags whose content is kept as it is."""

RAW = frozenset({"math", "chem", "ce", "syntaxhighlight", "source"})
"""Of these, the ones whose content is not HTML, so that entities are no entities."""

EXTENSION = re.compile(
    r"<!--.*?(?:-->|\Z)|<(/?)({})(?=[\s/>])([^<>]*)>".format(
        "|".join(sorted(REMOVED | LITERAL, key=lambda name: (-len(name), name)))
    ),
    re.IGNORECASE | re.DOTALL,
)
CLOSERS = {name: re.compile(rf"</{name}\s*>", re.IGNORECASE) for name in sorted(REMOVED | LITERAL)}
FORMATTING = frozenset({"code", "tt"})
"""Of the literal tags, the ones in which MediaWiki still sees markup."""

MARKUP = re.compile(r"\{\{|\[\[|<[a-z/]", re.IGNORECASE)
NOWIKI = re.compile(r"</?nowiki\s*/?>", re.IGNORECASE)
MARK = re.compile(f"{MARK_OPEN}(\\d+){MARK_CLOSE}")
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
EVERY_CONTROL = "".join(filter(CONTROLS.match, map(chr, range(32))))

BREAKS = frozenset(
    {
        "p",
        "div",
        "blockquote",
        "poem",
        "center",
        "dl",
        "dt",
        "dd",
        "ul",
        "ol",
        "hr",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "section",
        "tr",
        "caption",
    }
)
HTML = re.compile(
    r"<(/?)(a|abbr|b|bdi|bdo|big|blockquote|br|caption|center|cite|code|data|dd|del|dfn|div|dl|dt|em|font|h[1-6]|hr|i|ins"
    r"|kbd|langconvert|li|mark|noinclude|ol|onlyinclude|p|poem|q|rb|rp|rt|rtc|ruby|s|samp|section|small|span|strike"
    r"|strong|sub|sup|td|th|time|tr|tt|u|ul|var|wbr|tbody|thead|ref|references|gallery|nowiki|includeonly|table|math|pre"
    r"|syntaxhighlight|source)(?=[\s/>])[^<>]*>",
    re.IGNORECASE,
)
SCRIPTS = re.compile(r"<(sup|sub)(?:\s[^<>]*)?>([^<>]{1,12})</\1\s*>", re.IGNORECASE)
SUPERSCRIPTS = str.maketrans("0123456789+-−=()ni", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿⁱ")
SUBSCRIPTS = str.maketrans("0123456789+-−=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎")
SCRIPT_NUMBER = re.compile(r"[-+−]?[0-9]+[-+−]?|[-+−]|n|i")
ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")


def strip_extensions(wikitext: str) -> tuple[str, list[str]]:
    """Return the wikitext without comments and removed tags, literals replaced by marks, and the literals."""
    # Looking for each in turn takes a third of the time of looking for the class.
    text = CONTROLS.sub("", wikitext) if any(map(wikitext.__contains__, EVERY_CONTROL)) else wikitext
    kept: list[str] = []
    literals: list[str] = []
    closers: dict[str, tuple[int, int]] = {}
    position = 0
    while match := EXTENSION.search(text, position):
        kept.append(text[position : match.start()])
        position = match.end()
        name = (match[2] or "").lower()
        if not name or match[1] or match[3].endswith("/"):
            continue
        start, end = _closer(name, text, position, closers)
        if start == len(text) or (name in FORMATTING and _has_markup(text, position, start)):
            continue
        if name in LITERAL:
            kept.append(_put_aside(name, text[position:start], literals))
        position = end
    kept.append(text[position:])
    return "".join(kept), literals


def _has_markup(text: str, start: int, end: int) -> bool:
    match = MARKUP.search(text, start, end)
    return match is not None and not text.startswith("<nowiki", match.start())


def _closer(name: str, text: str, position: int, known: dict[str, tuple[int, int]]) -> tuple[int, int]:
    """Return where the next closing tag is, (length, length) if there is none; each is searched for once."""
    if known.get(name, (-1, -1))[0] < position:
        match = CLOSERS[name].search(text, position)
        known[name] = match.span() if match else (len(text), len(text))
    return known[name]


def _put_aside(name: str, content: str, literals: list[str]) -> str:
    block = name in ("pre", "syntaxhighlight", "source") and "\n" in content
    if name not in RAW:
        content = decode_entities(NOWIKI.sub("", content))
    if block:
        content = content.strip("\n")
    elif "\n" in content or name == "math":
        content = " ".join(line.strip() for line in content.split("\n") if line.strip())
    if name == "math" and (len(content) - len(content.rstrip("\\"))) % 2:
        content = content[:-1].rstrip()  # of "\ ", a space that TeX was told to keep, at the formula's end
    if not content:
        return ""
    literals.append(content)
    mark = f"{MARK_OPEN}{len(literals) - 1}{MARK_CLOSE}"
    return f"\n\n{mark}\n\n" if block else mark


def restore(text: str, literals: list[str]) -> str:
    """Put the literals back in place of their marks."""
    return MARK.sub(lambda mark: literals[int(mark[1])], text) if literals else text


def strip_html(text: str) -> str:
    """Return the text without formatting tags: blocks become lines, superscript numbers Unicode's superscripts."""
    return HTML.sub(_replace_tag, SCRIPTS.sub(_replace_script, text))


def _replace_script(match: re.Match[str]) -> str:
    # "10<sup>6</sup>" must not become the number 106; letters ("19<sup>th</sup>") read well without the tag.
    content = decode_entities(match[2]).strip()
    if not SCRIPT_NUMBER.fullmatch(content):
        return match[2]
    return content.translate(SUPERSCRIPTS if match[1].lower() == "sup" else SUBSCRIPTS)


def _replace_tag(match: re.Match[str]) -> str:
    name = match[2].lower()
    if name == "br":
        return HARD_BREAK
    if name == "li":
        return "" if match[1] else "\n* "
    return "\n\n" if name in BREAKS else " " if name in ("td", "th") else ""


def decode_entities(text: str) -> str:
    """Decode each character reference once; only those with a semicolon are references in wikitext."""
    return ENTITY.sub(_entity, text) if "&" in text else text


def _entity(match: re.Match[str]) -> str:
    return CONTROLS.sub("", html.unescape(match[0]))
