"""The other side of `holes.py`, run in an environment with mwparserfromhell and wikiextractor.

Usage: `python holes_peers.py JOB INPUT.json OUTPUT.json`, JOB `lines` or `texts`. `lines` finds, with mwparserfromhell
alone, the template uses that stand inside prose, list items and headings, and what of their arguments a reader of the
page sees; nothing here knows what the cleaner under test does with a template.

    page ─ without comments, notes, tables, named sections ─ logical lines ─ words outside templates, uses between them
"""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.structured_peers import HEADING, LEFT_OUT
from filters.wikitext.names import Names, names_of

MAX_LINE = 20_000
"""Characters: a template that opens and does not end within as many is left out with its line."""

TOKEN = re.compile(r"\d+|[^\W\d_]+")
GROUPED = re.compile(r"(?<!\d)\d{1,3}(?:[ \u00a0\u2009\u202f.,'’]\d{3})+(?!\d)")
NO_DIGIT = re.compile(r"\D")
PLACE = "\0"
"""Where a use stands in the text of its line."""

NUMBER = re.compile(r"[~≈<>±+−-]?\s*(?:\d[\d.,' \u00a0\u202f]*|\d*[.,]\d+)")
CODE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z]{2,8})*|[A-Za-z]|#?[0-9a-fA-F]{6}|\d*(?:px|em|%)")
CAPITALS = re.compile(r"[A-Z]{2,4}(?:[-–]\d{4})?")
FILE = re.compile(r"\d+px|.*\.(?:og[gv]|oga|wav|mp3|webm|svg|png|jpe?g|gif|pdf|mid)", re.IGNORECASE)
# Where a reader of the page sees nothing of the arguments, or a note: read by a person from the lists of uses in the
# dumps, not taken from the cleaner. `holes.py` prints how many uses these were, by name.
UNSEEN = re.compile(
    r"(?:anchor|ancre|ancora|anker|kotwica|якорь|якір|"  # anchors
    r"hs|hidden ?sort\w*|sort ?key|sortname key|dts ?key|0|phantom|padding|invisible|spaces?|nbsp|pad|indent|gap|"
    r"clear|clr|-|br|break|col-\w+|colonne|end|fine|"
    r"sfn\w*|sfm\w*|harv\w*|efn\w*|refn|ref|rp|r|snf|note|nota|notetag|fn|fußnote|#tag|cite.*|cita .*|citeref|citation|"
    r"cit\w+ (?:web|book|news|journal)|r/\w*|ref-\w+|reflist|isbn|issn|doi|oclc|pmid|arxiv|bibcode|jstor|"
    r"citation needed|cn|fact|dubious|clarify|when|who|which|by whom|dead link|lien mort|update.*|senza fonte|"
    r"нет аи|bron\?|refimprove|inflation-fn|bnf|dnb|ndb|adb|viaf|absatz|main article|vedi anche|"
    r"main|see also|further|details|about|for|commons\w*|stub|.*-stub|.*infobox.*|taxobox.*|"
    r"coord(?:inate)?s? ?missing|defaultsort|displaytitle|sort\w*:.*|ordenar|sitodos|short description|use \w+ dates)"
)


@dataclass
class Use:
    """One use: where it stands (words of its line before it), its name, and what should be seen of it.

    `numbers` must all be there, or one of the `texts` (most of its words); `unit` says that a word goes with a number,
    `word` that its argument is a code in capitals (`{{flag|FRA}}`), for which some word must stand there. A use without
    any of them (`{{endash}}`, `{{ROU}}`) may stand for text or for nothing: only its times are told.
    """

    at: int
    name: str
    numbers: list[str]
    texts: list[list[str]]
    unit: bool
    word: bool
    raw: str


@dataclass
class Line:
    """A line of prose: its words outside templates, and the uses among them."""

    text: str = ""
    words: list[str] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    heading: bool = False


def tokens(text: str) -> list[str]:
    """Return words and numbers as they are compared: digits without separators, one case, no compatibility forms."""
    ungrouped = GROUPED.sub(lambda number: NO_DIGIT.sub("", number[0]), text)
    return TOKEN.findall(unicodedata.normalize("NFKC", ungrouped).casefold())


def lines(pages: list[dict[str, str]]) -> list[list[dict[str, Any]]]:
    """Return the prose lines of each page that hold a number or a template use (list items and headings too)."""
    parse = import_module("mwparserfromhell").parse
    return [[asdict(line) for line in _page(page, parse)] for page in pages]


def _page(page: dict[str, str], parse: Any) -> Iterator[Line]:
    names = names_of(page["language"])
    for raw in _logical_lines(page["text"], names):
        if "{{" not in raw and not any(map(str.isdigit, raw)):
            continue
        line = Line(heading=raw.startswith("="))
        _walk(parse(raw).nodes, line, names, inside=False)
        parts, line.text = line.text.split(PLACE), ""
        before = 0
        for use, part in zip(line.uses, parts, strict=False):  # the last part has no use behind it
            before += len(tokens(part))
            use.at = before
        line.words = [token for part in parts for token in tokens(part)]
        if not line.words and raw.lstrip()[:1] not in tuple("*#="):
            continue
        if line.uses or line.unseen or any(map(str.isdigit, line.words)):
            yield line


def _logical_lines(wikitext: str, names: Names) -> Iterator[str]:
    """Yield lines outside tables and named sections; a template that spans several makes one line of them."""
    named = names.sections | names.ambiguous_sections
    skipping = tables = 0
    pending = ""
    physical_lines = LEFT_OUT.sub("", wikitext).split("\n")
    for number, physical in enumerate(physical_lines):
        heading = HEADING.fullmatch(physical)
        if heading and (not skipping or len(heading[1]) <= skipping):
            skipping = len(heading[1]) if heading[2].casefold() in named else 0
        if heading:
            pending, tables = "", tables if _closes(physical_lines[number + 1 :]) else 0
        line = f"{pending}\n{physical}" if pending else physical
        pending = ""
        if not tables and line.count("{{") > line.count("}}") and len(line) < MAX_LINE:
            pending = line
            continue
        tables += physical.lstrip(" :*").startswith("{|")
        whole = not tables and not skipping and not line.lstrip().startswith(("|", "!"))
        tables -= tables > 0 and physical.lstrip().startswith("|}")
        if whole and line.count("{{") == line.count("}}"):
            yield line


def _closes(following: list[str]) -> bool:
    """Return whether a table that is open ends, before another one begins: else it was never closed."""
    marks = (line.lstrip(" :*")[:2] for line in following)
    return next((mark for mark in marks if mark in ("{|", "|}")), "") == "|}"


def _walk(nodes: Any, line: Line, names: Names, *, inside: bool) -> None:
    for node in nodes:
        kind = type(node).__name__
        if kind in ("Text", "HTMLEntity"):
            line.text += "" if inside else str(node.value if kind == "Text" else node.normalize()).replace(PLACE, "")
        elif kind == "Wikilink":
            _link(node, line, names, inside=inside)
        elif kind == "ExternalLink":
            _walk(node.title.nodes if node.title else [], line, names, inside=inside)
        elif kind == "Heading":
            _walk(node.title.nodes, line, names, inside=inside)
        elif kind == "Tag" and node.contents and str(node.tag).casefold() not in ("ref", "gallery", "math", "table"):
            _walk(node.contents.nodes, line, names, inside=inside)
        elif kind == "Template":
            _template(node, line, names)


def _link(node: Any, line: Line, names: Names, *, inside: bool) -> None:
    title = str(node.title)
    prefix = title.partition(":")[0].strip().casefold()
    if ":" in title and (prefix in names.file or prefix in names.category or (prefix.isalpha() and len(prefix) < 4)):
        return
    _walk((node.text if node.text is not None else node.title).nodes, line, names, inside=inside)


def _template(node: Any, line: Line, names: Names) -> None:
    name = " ".join(str(node.name).replace("_", " ").split()).casefold()
    places = [str(given.name).strip().isdecimal() or not given.showkey for given in node.params]
    box = sum(not place for place in places) >= 2 and re.search(r"\n\s*\|", str(node))
    if box or UNSEEN.fullmatch(name):
        line.unseen.append(name)
        return
    values = [_plain(str(given.value)) for given, place in zip(node.params, places, strict=True) if place]
    function, colon, first = str(node.name).partition(":")
    if colon and not function.strip().startswith("#"):
        name, values = function.strip().casefold(), [_plain(first), *values]
    elif colon:
        line.unseen.append(function.strip().casefold())
        return
    nested = any("{{" in str(given.value) for given in node.params)
    line.uses.append(_seen(name, [value for value in values if value], str(node), nested=nested))
    line.text += PLACE
    for given in node.params if nested else ():  # what stands inside an argument is a use too
        _walk(given.value.nodes, line, names, inside=True)


def _plain(argument: str) -> str:
    """Return the text of an argument, without the templates in it, which are uses of their own."""
    value = import_module("mwparserfromhell").parse(argument)
    for inner in value.filter_templates(recursive=False):
        try:
            value.replace(inner, " ")
        except ValueError:
            continue
    return " ".join(str(value.strip_code()).split())


def _seen(name: str, values: list[str], raw: str, *, nested: bool) -> Use:
    numeric = [value for value in values if NUMBER.fullmatch(value)]
    others = [value for value in values if not NUMBER.fullmatch(value) and not FILE.fullmatch(value)]
    if values and NUMBER.fullmatch(values[0]):  # a quantity or a date: its first number, and every year
        numbers = tokens(numeric[0]) + [n for value in numeric[1:] for n in tokens(value) if len(n) >= 4]
        unit = len(values) > 1 and values[1] in others and bool(tokens(values[1]))
        return Use(0, name, numbers, [], unit, False, raw[:200])
    words = [found for value in others if not CODE.fullmatch(value) and (found := tokens(value))]
    code = any(CAPITALS.fullmatch(value) for value in others)
    if not words and others and not numeric and not nested:  # only codes: the last of them
        words = [found for value in others[-1:] if (found := tokens(value))]
    return Use(0, name, [], words + [tokens(value) for value in numeric], False, code and bool(words), raw[:200])


def texts(pages: list[dict[str, str]]) -> dict[str, list[str]]:
    """Return the texts of mwparserfromhell's strip_code and of wikiextractor with its template expansion on."""
    parse = import_module("mwparserfromhell").parse
    extractor = import_module("wikiextractor.extract").Extractor

    def extracted(text: str) -> str:
        return "\n".join(extractor(1, 1, "", "", "").clean_text(text, expand_templates=True, html_safe=False))

    return {
        "mwparserfromhell": [str(parse(page["text"]).strip_code()) for page in pages],
        "wikiextractor": [extracted(page["text"]) for page in pages],
    }


def main() -> None:
    job, source, output = sys.argv[1:4]
    content = json.loads(Path(source).read_text(encoding="utf-8"))
    jobs: dict[str, Any] = {"lines": lines, "texts": texts}
    Path(output).write_text(json.dumps(jobs[job](content)), encoding="utf-8")


if __name__ == "__main__":
    main()
