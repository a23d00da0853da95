"""Project Gutenberg's header and footer, of every vintage, off a book; and what the header says.

    text -> lines -> where the header ends -> where the footer begins -> credits off both edges -> body

Headers: the last `*** START OF TH(E|IS) PROJECT GUTENBERG ...` or, in the 1990s, the end of the small print
(`*END*THE SMALL PRINT! ...`) in the first part of the file. Footers: the first `*** END OF ...`, small print or full
licence after it, together with the "End of Project Gutenberg's ..." line just before. Markers are anchored at the
beginning of a line. Only at the edges that these leave are produced-by lines and transcriber's notes removed, and only
in a file that has a marker: the body, and any other text, is untouched except for blank lines at its ends.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

# The longest 1990s headers have about 400 lines; a START further down stands in a body that quotes one.
FIRST_PART_LINES = 600
# No header writes longer lines than this.
HEADER_LINE = 200
# How many lines a marker's title may fill before its closing stars.
MARKER_LINES = 4
# A small print with fewer lines of text after it is a footer.
MIN_BODY_LINES = 3
# How far before the footer, in lines of text, "End of Project Gutenberg's ..." may stand.
LAST_LINES = 30
# Paragraphs at an edge that are looked at for credits, and the longest paragraph or note that is taken for one.
EDGE_PARAGRAPHS = 12
CREDIT_LINES = 20
NOTE_LINES = 150

_ARTICLE = r"(?:TH(?:E|IS)\s+)?(?:COPYRIGHTED\s+)?"
_START = re.compile(rf"\s*+\*{{2,}}+\s*+START\s+OF\s+{_ARTICLE}PROJECT\s+GUTENBERG\b", re.IGNORECASE)
_END = re.compile(rf"\s*+\*{{2,}}+\s*+END\s+OF\s+{_ARTICLE}PROJECT\s+GUTENBERG\b", re.IGNORECASE)
_SMALL_PRINT_START = re.compile(r"\s*+\*{2,}+\s*+START\s*+\**+\s*+(?:OF\s+)?THE\s+SMALL\s+PRINT", re.IGNORECASE)
_SMALL_PRINT_END = re.compile(r"\s*+\*++\s*+END\s*+\**+\s*+(?:OF\s+)?THE\s+SMALL\s+PRINT", re.IGNORECASE)
_LICENSE = re.compile(
    r"\s*+(?:\*{2,}+\s*+START:\s*+FULL\s+LICENSE|START:\s*+FULL\s+LICENSE|THE\s+FULL\s+PROJECT\s+GUTENBERG\s+LICENSE"
    r"|Section\s+1\.\s+General\s+Terms\s+of\s+Use\s+and\s+Redistributing\s+Project\s+Gutenberg"
    r"|\*{3,}+\s*+This\s+file\s+should\s+be\s+named\s)",
    re.IGNORECASE,
)
_LAST_LINE = re.compile(
    r"\s*+\**+\s*+(?:the\s+)?(?:end|ende|fin|fine|einde|fim|final|slut|loppu)\b.{0,40}\bproject\s+gutenberg",
    re.IGNORECASE,
)
_BANNER = re.compile(
    r"\s*+[\[*]*+\s*+(?:this\s+is\s+)?(?:an?\s+|the\s+)?project\s+gutenberg(?:['’]s)?\s+(?:e-?text|e-?book|edition)\b",
    re.IGNORECASE,
)

_BY = r"(?:prepared|produced|created|scanned|typed|transcribed|provided|donated|contributed|converted|digitized|made)"
_CREDIT = re.compile(
    rf"[\[(*\s]*+(?:"
    rf"this\s+(?:e-?text|e-?book|etext|electronic\s+\w+|text|file|html\s+\w+|edition)\s+(?:was|is)\s+(?:first\s+|originally\s+)?{_BY}"
    r"|(?:project\s+gutenberg\s+)?(?:e-?text|e-?book|html|text)\s+(?:version\s+|edition\s+)?(?:was\s+)?(?:prepared|produced|created|scanned|typed|transcribed|by)\b"
    r"|(?:transcribed|scanned|typed|digiti[sz]ed|proofread|proofed)(?:,?\s+(?:and\s+)?\w+)?\s+(?:by|from)\s"
    r"|note:\s+(?:project\s+gutenberg\s+also\s+has|images\s+of\s+the\s+original)"
    r"|images\s+(?:of\s+the\s+original\s+pages|generously\s+made)"
    r"|(?:redactor|e-?text\s+(?:editor|transcriber))['’]s\s+note"
    r"|note:\s+there\s+is\s+a\s+short\s+list\s+of\s+bookmarks"
    r"|updated\s+editions\s+will\s+replace"
    r"|portions\s+of\s+this\s+(?:header|e-?book|e-?text|file|text)\b"
    r"|project\s+gutenberg(?:\(tm\)|\(r\)|™|®)?\s+is\s+a\s+(?:registered\s+)?trade\s*mark"
    r"|(?:this|these)\s+(?:project\s+gutenberg\s+)?(?:e-?texts?|e-?books?|files?)\s+(?:should\s+be\s+named|(?:was|is|are)\s+(?:first\s+)?posted)"
    r"|\**\s*this\s+file\s+(?:should\s+be\s+named|was\s+first\s+posted)"
    r"|(?:we\s+are\s+now\s+trying\s+to\s+release|please\s+take\s+a\s+look\s+at\s+the\s+important\s+information)"
    r")",
    re.IGNORECASE,
)
_PRODUCED = re.compile(r"[\[(*\s]*+produced\s+by:?\s+(?P<name>(?:the\s+|an?\s+)?\S)", re.IGNORECASE)
_EVIDENCE = re.compile(r"proofread|project\s+gutenberg|https?:|www\.|e-?text|e-?book|internet|volunteer", re.IGNORECASE)
_NOTE = re.compile(
    r"[\[({*+|\s-]*+(?:transcriber['’]?s?['’]?\s+(?:end\s*)?notes?\b|notes?\s+(?:of|by|from)\s+(?:the\s+)?transcriber"
    r"|typographical\s+errors?\s+corrected\s+by\s+the\s+(?:e-?text\s+)?transcriber)",
    re.IGNORECASE,
)

_FIELD = re.compile(
    r"^(Title|Author|Language|Release Date|Posting Date|Character set encoding):[ \t]*(.*(?:\n[ \t]+\S.*)*)", re.M
)
_NUMBER = re.compile(r"\b(?:e-?text|e-?book)\s*#\s*([0-9]{1,6})\b", re.IGNORECASE)
_IN_LANGUAGE = re.compile(r"^.*(?:e-?text|e-?book|\[|\().*?\bin\s+([A-Z][a-z]+)\b", re.M | re.IGNORECASE)
_NAMED = re.compile(
    r"project\s+gutenberg(?:['’]s)?\s+(?:e-?text|e-?book)\s+of\s+(?P<title>[^\n]+?)(?:,\s+by\s+(?P<author>[^\n*,]+))?"
    r"(?:,\s+in\s+\w+)?\s*\**$",
    re.M | re.IGNORECASE,
)
_DATE = re.compile(r"(?P<month>[A-Z][a-z]+)\.?,?\s*(?P<day>[0-9]{1,2})?,?\s+(?P<year>(?:19|20)[0-9]{2})")
# The 1990s wrote "May, 1995  [Etext #299]"; what is said of an edition stands in a field, in brackets or in a banner.
_ETEXT_DATE = re.compile(
    r"^[ \t\[*]*([A-Z][a-z]+\.?,?[ \t]+(?:[0-9]{1,2},[ \t]*)?(?:19|20)[0-9]{2})\]?[ \t]*\[\s*e-?(?:text|book)\b",
    re.M | re.I,
)
_EDITION_DATE = re.compile(
    r"(?:\b(?:release|posting)\s+date|\bupdated|\bposted\s+on|\breleased\s+on|\bedition)\b[^\n]{0,40}?"
    r"([A-Z][a-z]+\.?\s*(?:[0-9]{1,2})?,?\s+(?:19|20)[0-9]{2}|(?:19|20)[0-9]{2}-[0-9]{2}-[0-9]{2})"
    r"|^[ \t\[*]*([A-Z][a-z]+\.?,?[ \t]+(?:[0-9]{1,2},[ \t]*)?(?:19|20)[0-9]{2})\]?[ \t]*\[\s*e-?(?:text|book)\b",
    re.M | re.I,
)
_ISO_DATE = re.compile(r"(?:19|20)[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])")
_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"

# The names that Gutenberg's headers write, to ISO 639 (639-1 where there is one).
LANGUAGES = {
    "afrikaans": "af", "arabic": "ar", "aleut": "ale", "breton": "br", "bulgarian": "bg", "catalan": "ca",
    "cebuano": "ceb", "chinese": "zh", "czech": "cs", "danish": "da", "dutch": "nl", "english": "en",
    "esperanto": "eo", "estonian": "et", "farsi": "fa", "finnish": "fi", "french": "fr", "frisian": "fy",
    "friulian": "fur", "galician": "gl", "german": "de", "greek": "el", "hebrew": "he", "hungarian": "hu",
    "icelandic": "is", "iloko": "ilo", "interlingua": "ia", "inuktitut": "iu", "irish": "ga", "italian": "it",
    "japanese": "ja", "korean": "ko", "latin": "la", "lithuanian": "lt", "mayan": "myn", "maori": "mi",
    "napoletano-calabrese": "nap", "norwegian": "no", "occitan": "oc", "polish": "pl", "portuguese": "pt",
    "romanian": "ro", "russian": "ru", "sanskrit": "sa", "scots": "sco", "serbian": "sr", "slovenian": "sl",
    "spanish": "es", "castilian": "es", "swedish": "sv", "tagalog": "tl", "telugu": "te", "ukrainian": "uk",
    "welsh": "cy", "yiddish": "yi",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Header:
    """What a Gutenberg header says; None where it does not.

    `language` is an ISO 639 code, `released` an ISO date of day or month precision, `number` Gutenberg's own, which is
    unique in no other collection. `updated` is the latest date that is said of this edition.
    """

    title: str | None = None
    author: str | None = None
    language: str | None = None
    number: int | None = None
    released: str | None = None
    copyrighted: bool = False
    updated: str | None = None
    is_gutenberg: bool = False


def clean(text: str) -> str:
    """Return a book without Gutenberg's header, footer and credits; a text without their markers as it is.

    Line ends may be LF or CRLF; the result has LF. The result is empty if the file is nothing but boilerplate.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    start = _body_start(lines)
    end = _body_end(lines, start)
    if start == 0 and end == len(lines) and not _is_banner(lines):
        return text if "\r" not in text else "\n".join(lines)
    start = _skip_head(lines, start, end)
    end = _skip_tail(lines, start, end)
    return "\n".join(lines[start:end]).rstrip()


def header(text: str) -> Header:
    """Return what a Gutenberg header says; all None for a text without one."""
    first = text[: FIRST_PART_LINES * HEADER_LINE].replace("\r\n", "\n").replace("\r", "\n")
    lines = [line[:HEADER_LINE] for line in first.split("\n", FIRST_PART_LINES)[:FIRST_PART_LINES]]
    start = _body_start(lines)
    head = "\n".join(lines[: start or 60])
    if "project gutenberg" not in head.lower():
        return Header()
    fields: dict[str, str] = {}
    for name, value in _FIELD.findall(head):
        fields.setdefault(name, " ".join(value.split()))
    named, number = _NAMED.search(head), _NUMBER.search(head)
    return Header(
        title=fields.get("Title") or (named["title"].strip(" *") if named else None) or None,
        author=fields.get("Author") or (named["author"].strip() if named and named["author"] else None) or None,
        language=_language(fields.get("Language", ""), head),
        number=int(number[1]) if number else None,
        released=_released(head, fields),
        updated=max(filter(None, (_date(one or other) for one, other in _EDITION_DATE.findall(head))), default=None),
        is_gutenberg=True,
        copyrighted="copyrighted project gutenberg" in " ".join(head.lower().split()),
    )


def _language(field: str, head: str) -> str | None:
    if field:
        first = re.split(r"[,;/]|\s+and\s+|\s+\(", field.lower())[0].strip()
        return LANGUAGES.get(first)
    codes = (LANGUAGES.get(found.lower()) for found in _IN_LANGUAGE.findall(head))
    return next((code for code in codes if code), None)


def _released(head: str, fields: dict[str, str]) -> str | None:
    if field := fields.get("Release Date") or fields.get("Posting Date"):
        return _date(field)
    found = _ETEXT_DATE.search(head)
    return _date(found[1]) if found else None


def _date(field: str) -> str | None:
    if iso := _ISO_DATE.search(field):
        return iso[0]
    found = _DATE.search(field)
    place = _MONTHS.find(found["month"][:3]) if found else -1
    if not found or place % 3:
        return None
    month = f"{found['year']}-{place // 3 + 1:02}"
    return f"{month}-{int(found['day']):02}" if found["day"] else month


def _body_start(lines: Sequence[str]) -> int:
    """Return the line after the header, 0 if there is none."""
    start = 0
    for index, line in enumerate(lines[:FIRST_PART_LINES]):
        if "*" not in line:
            continue
        if _END.match(line):
            break
        if _START.match(line):
            start = _after_marker(lines, index)
        elif _SMALL_PRINT_END.match(line) and _has_body(lines, index + 1):
            start = index + 1
    return start


def _after_marker(lines: Sequence[str], index: int) -> int:
    """Return the line after a marker, whose title may run over several lines up to its closing stars."""
    if lines[index].rstrip().endswith("*"):
        return index + 1
    for after in range(index + 1, min(index + MARKER_LINES, len(lines))):
        if not lines[after].strip():
            break
        if lines[after].rstrip().endswith("***"):
            return after + 1
    return index + 1


def _has_body(lines: Sequence[str], start: int) -> bool:
    found = 0
    for line in lines[start:]:
        if _END.match(line) or _LAST_LINE.match(line):
            return False
        found += bool(line.strip())
        if found >= MIN_BODY_LINES:
            return True
    return False


def _body_end(lines: Sequence[str], start: int) -> int:
    """Return the line where the footer begins: the number of lines if there is none."""
    end = len(lines)
    closing = _closing_small_print(lines) if start == 0 else 0
    for index in range(start, len(lines)):
        if _is_footer(lines, index, start, closing):
            end = index
            break
    seen = 0
    first = end
    for index in range(end - 1, start - 1, -1):
        if not lines[index].strip():
            continue
        seen += 1
        if seen > LAST_LINES:
            break
        if _LAST_LINE.match(lines[index]) and (index == start or not lines[index - 1].strip()):
            first = index
    return first


def _is_footer(lines: Sequence[str], index: int, start: int, closing: int) -> bool:
    line = lines[index]
    if "*" in line and _END.match(line):
        return True
    small_print = "*" in line and _SMALL_PRINT_START.match(line)
    if not small_print and not _LICENSE.match(line):
        return False
    if start or index > len(lines) // 2:
        return True
    # Without a header above it, this may be a header whose own end was not recognised.
    return bool(small_print) and index < closing


def _closing_small_print(lines: Sequence[str]) -> int:
    """Return the line where a small print ends that has no book after it, 0 if there is none."""
    for index in range(len(lines) - 1, 0, -1):
        if "*" in lines[index] and _SMALL_PRINT_END.match(lines[index]):
            return 0 if _has_body(lines, index + 1) else index
    return 0


def _is_banner(lines: Sequence[str]) -> bool:
    first = next((line for line in lines if line.strip()), "")
    return bool(_BANNER.match(first))


def _is_banner_paragraph(lines: Sequence[str], first: int, after: int) -> bool:
    """Return whether a paragraph at the head is "The Project Gutenberg Etext of X, by Y", with or without stars."""
    return after - first <= MARKER_LINES and _BANNER.match(lines[first]) is not None


def _paragraph(lines: Sequence[str], start: int, end: int) -> tuple[int, int]:
    """Return the first paragraph's lines [first, after) at or below `start`; (end, end) if there is none."""
    while start < end and not lines[start].strip():
        start += 1
    after = start
    while after < end and lines[after].strip():
        after += 1
    return start, after


def _skip_head(lines: Sequence[str], start: int, end: int) -> int:
    """Return where the body begins below the credits and notes at its head."""
    for _ in range(EDGE_PARAGRAPHS):
        first, after = _paragraph(lines, start, end)
        if first == end:
            return end
        if _NOTE.match(lines[first]):
            start = _after_note(lines, first, after, end)
        elif _is_credit(lines, first, after) or _is_banner_paragraph(lines, first, after):
            start = after
        else:
            return first
        if start == first:
            return first
    return _paragraph(lines, start, end)[0]


def _after_note(lines: Sequence[str], first: int, after: int, end: int) -> int:
    """Return the line after a transcriber's note at the head; `first` if it has no clear end."""
    if lines[first].lstrip().startswith("["):
        for index in range(first, min(first + NOTE_LINES, end)):
            if lines[index].rstrip().endswith("]"):
                return index + 1
        return first
    if after - first > 1 or len(lines[first].strip()) > 40:
        return after if after - first <= NOTE_LINES else first
    below, beyond = _paragraph(lines, after, end)
    return beyond if beyond - below <= CREDIT_LINES else after


def _is_credit(lines: Sequence[str], first: int, after: int) -> bool:
    if after - first > CREDIT_LINES:
        return False
    if _CREDIT.match(lines[first]):
        return True
    produced = _PRODUCED.match(lines[first])
    if not produced:
        return False
    # A poem may begin "Produced by the sun": a name has a capital, or the paragraph speaks of proofreaders and files.
    return produced["name"][-1].isupper() or bool(_EVIDENCE.search("\n".join(lines[first:after])))


def _skip_tail(lines: Sequence[str], start: int, end: int) -> int:
    """Return where the body ends above the credits and notes at its tail."""
    end = _before_notes(lines, start, end)
    for _ in range(EDGE_PARAGRAPHS):
        while end > start and not lines[end - 1].strip():
            end -= 1
        first = end
        while first > start and lines[first - 1].strip():
            first -= 1
        if first in (start, end) or not _is_credit(lines, first, end):
            return end
        end = first
    return end


def _before_notes(lines: Sequence[str], start: int, end: int) -> int:
    """Return where transcriber's notes begin that fill the rest of the body; they stand in its last lines."""
    for index in range(max(start + 1, end - NOTE_LINES), end):
        if lines[index - 1].strip() or not _NOTE.match(lines[index]):
            continue
        if not lines[index].lstrip().startswith("["):
            return index
        closing = next((i for i in range(index, end) if lines[i].rstrip().endswith("]")), end)
        if not any(line.strip() for line in lines[closing + 1 : end]):
            return index
    return end
