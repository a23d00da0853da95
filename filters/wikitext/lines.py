"""Lines of wikitext to readable lines: headings, lists, emphasis, white space, and sections that hold no prose.

`layout` is the last step: it takes text without links, templates, tables and tags, and returns paragraphs separated by
blank lines, headings as plain lines, lists as "- " or numbered lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from filters.wikitext.names import Names
from filters.wikitext.tags import HARD_BREAK, MARK_OPEN, decode_entities

MIN_SECTION_PROSE = 400
"""Characters outside lists: a section with an ambiguous heading ("Literature") that holds as many is about a topic."""

MIN_SENTENCE_WORDS = 10
MIN_SMALL = 0.65
"""Words of a sentence in such a section, and the share of them that begin with a small letter; titles have less."""

MAX_INDENT = 8
"""Levels of a list that are shown; deeper ones stay at this one."""

EXTERNAL_LINK = re.compile(
    r"\[(?:(?:https?|ftps?|irc|gopher|news|git|svn)://|//|mailto:)[^\s\[\]]*(?:[ \t]([^\[\]\n]*))?\]", re.IGNORECASE
)
SWITCH = re.compile(r"__([^\W_][\w]{0,60}?)__")
QUOTE_RUN = re.compile("'{2,}")
SENTENCE_WORD = re.compile(r"[^\W\d_]+")
ENTRY = re.compile(
    r"\bISBN\b|\b(?:pp?|pag|vol|eds?|hrsg|nr)\.|[^\W\d_], (?:[^\W\d_]+ )?(?:1[5-9]|20)\d\d\b", re.IGNORECASE
)
LIST_MARKS = frozenset("*#:;")
PREFIX = re.compile(r"[*#:;]+")
BLANKS = r"\t\xa0\u2000-\u200a\u202f\u3000"
# A single space is no match: nearly all are, and each would be replaced by itself.
SPACES = re.compile(rf"[{BLANKS}][ {BLANKS}]*| [ {BLANKS}]+")
UNSEEN = "\u00ad\u200b\u200e\u200f\u2060\ufeff"
INVISIBLE = re.compile(f"[{UNSEEN}]")
BLANK_OR_INVISIBLE = re.compile(f"[{BLANKS}{UNSEEN}]")
LIST_INDENT = re.compile(r" +(?=- |\d+\. )")
EMPTY_BRACKETS = re.compile(r"(?:(?<=\s)|^)\(\)|\([ ;,:/–—-]{1,12}\)|\[ {1,12}\]|\(''''\)")
# What the patterns of brackets and stops need. Each begins with one character, which `re` looks for as fast as `in`.
OPENS_ON_LITTLE = re.compile(r"\([) ;,:/–—'-]")
CLOSES_ON_LITTLE = re.compile(r"\)(?<=[ ;,:]\))")
POINT_AFTER_SPACE = re.compile(r"\.(?<= \.)")
COMMA_AFTER_LITTLE = re.compile(r",(?<=[ ,],)")
BRACKET_START = re.compile(r"\([ ]?(?:[;,:][ ]?){1,12}|\( ")
BRACKET_END = re.compile(r"(?:[ ]?[;,:]){1,12}[ ]?\)| \)")
LOOSE_STOP = re.compile(r" ([,.])(?=\s|$)")
DOUBLED_STOP = re.compile(r",(?: ?,)+")
HANGING_COMMA = re.compile(r", ?(?=\.$)")
WORD = re.compile(rf"[^\W_]|{MARK_OPEN}|[€$£%°∞=+<>]")
EMPTY_QUOTES = re.compile(r"(?:^|(?<=\s))(?:«\s*»|„\s*[“”]|“\s*”)(?=\s|$)")


@dataclass(slots=True)
class _Section:
    level: int
    title: str
    lines: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The title as the tables of headings have it."""
        return " ".join(self.title.casefold().split()).rstrip(" :.")


def layout(text: str, names: Names) -> str:
    """Return readable text from wikitext without brackets and tags; marks of literals stay in it."""
    text = EXTERNAL_LINK.sub(lambda link: link[1] or "", text)
    if "__" in text:
        text = SWITCH.sub(lambda word: "" if word[1].upper() in names.switches else word[0], text)
    sections = _without_named(_sections(text), names)
    for section in sections:
        section.lines = _readable(section.lines)
    return _joined(_without_empty(_without_lists_of_works(sections, names)))


def _sections(text: str) -> list[_Section]:
    """Return the sections with their lines as they are; what stands before the first heading has level 0."""
    sections = [_Section(0, "")]
    for line in text.split("\n"):
        heading = _heading(line) if line[:1] == "=" else None
        if heading is None:
            sections[-1].lines.append(line)
        else:
            sections.append(heading)
    return sections


def _heading(line: str) -> _Section | None:
    line = line.rstrip()
    level = min(len(line) - len(line.lstrip("=")), len(line) - len(line.rstrip("=")), 6)
    title = line[level:-level].strip()
    return _Section(level, _inline(title.replace(HARD_BREAK, " "))) if title.strip("=") else None


def _readable(lines: list[str]) -> list[str]:
    readable: list[str] = []
    counters: list[int] = []
    for line in lines:
        if line[:1] in LIST_MARKS:
            readable += _list_item(line, counters)
            continue
        counters.clear()
        if line:
            readable += _plain(line)
        else:
            readable.append("")
    return readable


def _list_item(line: str, counters: list[int]) -> list[str]:
    match = PREFIX.match(line)
    prefix = match[0][: 4 * MAX_INDENT] if match else ""
    content = line[match.end() :] if match else line
    del counters[len(prefix) :]
    counters.extend([0] * (len(prefix) - len(counters)))
    bullet = ""
    if prefix[-1] == "#":
        counters[-1] += 1
        bullet = f"{counters[-1]}. "
    elif prefix[-1] == "*":
        bullet = "- "
    elif prefix[-1] == ";":
        content = content.replace(" : ", ": ", 1)
    indent = "  " * min(sum(mark in "*#" for mark in prefix[:-1]), MAX_INDENT) if len(prefix) > 1 else ""
    texts = _plain(content.strip(" "))
    if not any(texts):
        if prefix[-1] == "#":
            counters[-1] -= 1
        return []
    return [f"{indent}{bullet}{texts[0]}", *texts[1:]]


def _plain(line: str) -> list[str]:
    """Return the lines of one line of wikitext (it may hold `<br>`), without those of a table that never closed."""
    stripped = line.lstrip()
    if stripped.startswith("|") or (stripped.startswith("!") and ("!!" in stripped or "|" in stripped)):
        return []
    if HARD_BREAK not in line:
        return [_inline(line)]
    return [text for part in line.split(HARD_BREAK) if (text := _inline(part))]


def _inline(line: str) -> str:
    """Return one line as it is read; each pattern is tried only on lines that hold what it needs."""
    indent = LIST_INDENT.match(line) if line[:1] == " " else None
    if "''" in line:
        line = _without_quotes(line)
    if "&" in line:
        line = decode_entities(line).replace("\n", " ")
    ascii = line.isascii()
    if "  " in line or "\t" in line or (not ascii and BLANK_OR_INVISIBLE.search(line)):
        line = SPACES.sub(" ", INVISIBLE.sub("", line))
    spaced = line
    if ("(" in line or "[" in line) and _has_bracket_with_little(line):
        line = _without_empty_brackets(line)
    if not ascii and ("«" in line or "„" in line or "“" in line):
        line = EMPTY_QUOTES.sub("", line)
    if POINT_AFTER_SPACE.search(line) or COMMA_AFTER_LITTLE.search(line):
        line = DOUBLED_STOP.sub(",", LOOSE_STOP.sub(r"\1", line))
    if line.endswith((",.", ", .")):
        line = HANGING_COMMA.sub("", line)
    if line is not spaced:
        line = SPACES.sub(" ", line)
    line = line.strip()
    # The indentation of a list that is already clean stays, so that cleaning twice changes nothing.
    return (indent[0] if indent else "") + line if WORD.search(line) else ""


def _has_bracket_with_little(line: str) -> bool:
    opens = OPENS_ON_LITTLE.search(line) or ("[" in line and "[ " in line)
    return bool(opens or CLOSES_ON_LITTLE.search(line))


def _without_empty_brackets(line: str) -> str:
    line = EMPTY_BRACKETS.sub("", BRACKET_END.sub(")", BRACKET_START.sub("(", line)))
    return SPACES.sub(" ", EMPTY_BRACKETS.sub("", line))


def _without_quotes(line: str) -> str:
    """Remove bold and italic marks, giving back an apostrophe where MediaWiki does (l'''amour'' is l' and italics)."""
    threes = line.count("'''")
    if "''''" not in line and not (threes % 2 and (line.count("''") - threes) % 2):
        return line.replace("'''", "").replace("''", "")
    runs = list(QUOTE_RUN.finditer(line))
    italics = sum(len(run[0]) == 2 or len(run[0]) >= 5 for run in runs)
    bolds = sum(len(run[0]) >= 3 for run in runs)
    apostrophe = _apostrophe(line, runs) if italics % 2 and bolds % 2 else None
    pieces, position = [], 0
    for run in runs:
        pieces.append(line[position : run.start()])
        length = len(run[0])
        literal = 1 if length == 4 or run.start() == apostrophe else max(length - 5, 0)
        pieces.append("'" * literal)
        position = run.end()
    return "".join([*pieces, line[position:]])


def _apostrophe(line: str, runs: list[re.Match[str]]) -> int | None:
    """Return where the run of three is that begins with an apostrophe: after a letter, else after a word, else any."""
    threes = [run.start() for run in runs if len(run[0]) == 3]
    words = [at for at in threes if at > 0 and line[at - 1] != " "]
    letters = [at for at in words if at == 1 or line[at - 2] == " "]
    return next(iter(letters or words or threes), None)


def _subtree(sections: list[_Section], at: int) -> int:
    end = at + 1
    while end < len(sections) and sections[end].level > sections[at].level:
        end += 1
    return end


def _without_named(sections: list[_Section], names: Names) -> list[_Section]:
    """Leave out the sections, with what is under them, whose headings say that there is no prose."""
    kept, at = [], 0
    while at < len(sections):
        if sections[at].name in names.sections:
            at = _subtree(sections, at)
        else:
            kept.append(sections[at])
            at += 1
    return kept


def _without_lists_of_works(sections: list[_Section], names: Names) -> list[_Section]:
    """Leave out the sections whose headings may say that there is no prose, where there is none."""
    kept, at = [], 0
    while at < len(sections):
        if sections[at].name in names.ambiguous_sections:
            end = _subtree(sections, at)
            if not _is_prose(sections[at:end]):
                kept += _sentences(sections[at:end])
                at = end
                continue
        kept.append(sections[at])
        at += 1
    return kept


def _sentences(sections: list[_Section]) -> list[_Section]:
    """Return the sections with the paragraphs that are sentences and no entries; those without any leave."""
    kept = []
    for section in sections:
        section.lines = [line for line in section.lines if _is_sentence(line)]
        if section.lines:
            kept.append(section)
    return kept


def _is_sentence(line: str) -> bool:
    """Return whether a line is a sentence: long enough, mostly words in small letters, no numbers of a book in it."""
    words = SENTENCE_WORD.findall(line)
    if len(words) < MIN_SENTENCE_WORDS or not line.endswith((".", "!", "?", "…")) or line[:2] == "- ":
        return False
    small = sum(word[0].islower() for word in words)
    return small >= MIN_SMALL * len(words) and not ENTRY.search(line) and line[0] not in "0123456789"


def _is_prose(sections: list[_Section]) -> bool:
    lines = [line for section in sections for line in section.lines]
    listed = sum(len(line) for line in lines if line.lstrip().startswith("- ") or line.lstrip()[:1].isdigit())
    prose = sum(map(len, lines)) - listed
    return prose >= MIN_SECTION_PROSE and prose > listed


def _without_empty(sections: list[_Section]) -> list[_Section]:
    kept: list[_Section] = []
    below: set[int] = set()
    for section in reversed(sections):
        alive = any(section.lines) or any(level > section.level for level in below)
        below = {level for level in below if level <= section.level}
        if alive:
            below.add(section.level)
            kept.append(section)
    return kept[::-1]


def _joined(sections: list[_Section]) -> str:
    lines: list[str] = []
    for section in sections:
        if section.title:
            lines += ["", section.title, ""]
        lines += section.lines
    out: list[str] = []
    for line in lines:
        if line or (out and out[-1]):
            out.append(line)
    return "\n".join(out).strip("\n")
