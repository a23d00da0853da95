"""What boilerplate says: the phrases of licences, copyright notices, generated-file banners and editor lines.

    lines of a comment -> contents (marks stripped) -> paragraphs -> which lines are boilerplate

A paragraph ends at a blank line, at a documentation tag (`@param`, `\\brief`), where the comment's mark changes ("//" to
"///") and around a copyright notice. The phrases are ours, from the standard headers of the SPDX licence list's common
licences and from the banners of common generators.
"""

from __future__ import annotations

import re
from enum import Enum, auto

# What a line says beyond this is not looked at, which bounds the time of the patterns below.
MAX_LINE_CHARACTERS = 400

# A cheap look first: a comment without one of these words cannot match any phrase below.
_WORDS = re.compile(
    r"copyright|copyleft|copr\.|©|licen[sc]|\(c\)|\bgpl|warrant|permission|permitted|redistribut|spdx|rights reserved|"
    r"public domain|free software|is part of|proprietary|confidential|as[ -]is|generated|do not |don't |-\*-|coding|"
    r"\bvim?:|\bex:|\blocal variables:|@lic|\bnotice\b"
)
_CLOSING = " \t\r\n\f\v*/#;%!<>=|~+_-]}"
_OPENING = re.compile(r"^(?:\s|[*/#;%!<>=|~+_\-'{\[]|(?:\.\.|::|@?rem|dnl|c)(?=\s|$))*", re.IGNORECASE)
_MARK = re.compile(r"\s*([^\w\s@\\]*)")

_HOLDER = r"(?:the\s+|by\s+|[A-Z0-9<\[{])"
_COPYRIGHT = re.compile(
    r"^[\"'(\[]?(?:(?i:[@\\]?copyright|copr\.|copyleft|portions(?: of [^.]{0,60}?)?(?: are)? copyright|\(c\)|©)"
    rf"\s*(?:$|[:,;]|\(c\)|\(C\)|©|&copy;|\d|(?i:by|the|\(?c\)?)\b|{_HOLDER})|(?i:spdx-filecopyrighttext))"
    r"|(?i:copyright\s*(?:\([c]\)|©|&copy;)|(?:copyright|\(c\)|©)[\s,:]*(?:\([c]\)\s*)?(?:19|20)\d\d\b)"
    r"|(?i:^all rights (?:are )?reserved)"
)
# The lines after a notice that still name holders: years, addresses, "and others", "All rights reserved".
_HOLDERS = re.compile(
    r"^\s*(?:(?:19|20)\d\d\b|.*<\S+@\S+>|\S+@\S+$|(?:and|by)\s|.*\b(?:inc|ltd|llc|gmbh|corp|corporation|university|"
    r"contributors?|authors?|all rights reserved)\b\.?,?(?:\s.{0,30})?$|https?://\S+$|.*all rights reserved)",
    re.IGNORECASE,
)
_LICENCE = re.compile(
    r"licen[sc]ed\s+(?:under|to\b|with\b|by\b|only\b|according|as\b|for\b)|spdx-license-identifier"
    r"|\b(?:under|with|by|per|to)\s+(?:the\s+|a\s+|both\s+the\s+)?(?:terms|conditions)\b"
    r"|\b(?:under|with|by)\s+(?:\S+\s+){0,6}?licen[sc]es?\b"
    r"|(?:distributed|released|available|provided|covered|governed|published|subject)\s+(?:\S+\s+){0,6}?licen[sc]e"
    r"|permission\s+(?:is\s+(?:hereby\s+)?granted|to\s+use)|permission\s+notice"
    r"|redistributions?\s+(?:and\s+use|of\s+source|in\s+binary|must|is\s+permitted)|free\s+to\s+(?:use|copy|distribute)\b"
    r"|without\s+(?:any\s+)?(?:express\s+or\s+implied\s+)?warrant|without\s+even\s+the\s+implied|implied\s+warrant"
    r"|[\"'`“”]as[ -]is[\"'`“”]|\bas[ -]is\b\s+(?:basis|without)|warranties\s+or\s+conditions"
    r"|in\s+no\s+event\s+(?:shall|will)|no\s+warrant|not\s+warrant|merchantability|fitness\s+for\s+a\s+particular"
    r"|(?:hereby\s+)?disclaims?\s+(?:all|any)|\bliable\s+for\b|liability,\s+whether"
    r"|\bis\s+free\s+software\b|free\s+software\s+foundation|general\s+public\s+licen|public\s+licen[sc]e"
    r"|you\s+(?:may|can)\s+(?:not\s+use\s+(?:this|it)|obtain\s+a\s+copy|redistribute|freely)|a\s+copy\s+of\s+(?:the|this)\s+licen"
    r"|you\s+should\s+have\s+received\s+a\s+copy|unless\s+required\s+by\s+applicable\s+law|limitations\s+under"
    r"|\b(?:see|refer\s+to|read|consult|found\s+(?:in|at)|details\s+in|contained\s+in|with)\s+(?:\S+\s+){0,6}?"
    r"[`'\"(<]?[\w./-]*(?:licen[sc]e|copying|copyright|legal\.|notice\b)[\w.-]*"
    r"|(?:apache|opensource|gnu|llvm|boost)\.org/\S*licen|mozilla\.org/mpl|creativecommons\.org/|unicode\.org/(?:copyright|terms)"
    r"|^[@\\]?licen[sc]es?(?:\s*[:=]|\s+(?:mit|bsd|apache|l?gpl|agpl|mpl|isc)\b|\s*\S*$)|^[@\\](?:licen[sc]e|copyright)\b"
    r"|^(?:\S+\s+){1,5}licen[sc]e(?:\s+\(\S+\)|[\s,]+v?(?:ersion)?\s*[\d.]+)?\.?$|^\(?licen[sc]e\)?$"
    r"|all\s+rights\s+reserved|(?:above|this)\s+copyright\s+(?:notice|statement)|copyright\s+notice,?\s+this\s+list"
    r"|copyright\s+(?:holders?|owners?)\s+(?:or|and|be|have)|neither\s+the\s+names?"
    r"|the\s+origin\s+of\s+this\s+software|altered\s+source\s+versions|notice\s+may\s+not\s+be\s+removed|endorse\s+or\s+promote"
    r"|(?:begin|end)\s+licen[sc]e\s+block|alternatively,\s+the\s+contents\s+of\s+this\s+file|contributor\(s\):|initial\s+developer"
    r"|(?:in|into|to|under)\s+the\s+public\s+domain|^public\s+domain\b|copyright\s+(?:and\s+\S+\s+)?(?:is\s+)?(?:disclaimed|waived)"
    r"|proprietary\s+and\s+confidential|confidential\s+and\s+proprietary|trade\s+secret"
    r"|^this\s+(?:file|program|library|software|module|code)\s+is\s+part\s+of\b|do\s+not\s+alter\s+or\s+remove\s+copyright"
    r"|licen[sc]e\s+(?:terms|information|details|agreement|text)|notice\s+file\s+distributed\s+with|copyright\s+information"
)
_GENERATED = re.compile(
    r"@generated\b|\b(?:auto(?:matically)?|machine)?[- ]?generated\s+(?:code|file|source)\b.{0,200}?(?:edit|modif|change)"
    r"|\b(?:this|the)\s+(?:\S+\s+){0,4}(?:is|was|are|has\s+been|have\s+been)\s+(?:\S+\s+)?(?:auto(?:matically|matic)?[- ]?|machine[- ]?)?"
    r"(?:re)?generated\s+(?:by|from|with|using|automatically|file|code|via|on|at|and)"
    r"|\b(?:auto(?:matically)?|machine)[- ]?generated\b"
    r"|^(?:code\s+|file\s+|source\s+)?(?:re)?generated\s+(?:by|from|with|using|via|on|at|automatically)\b"
    r"|\bdo\s*(?:not|n't)\s+(?:hand[- ]?)?(?:edit|modify|change|touch)\s*(?:[!.*-]|$|this\b|it\b|by\s+hand|manually|directly|the\s+(?:file|generated))"
    r"|\b(?:edits|changes|modifications)\s+(?:\S+\s+){0,6}(?:be\s+(?:lost|overwritten)|lost\s+if)"
)
_SENTENCE_OPENING = re.compile(
    r"^(?:this|the|see|you|released|distributed|copyright|\(c\)|©|licen|permission|use\s+of|all\s+rights|portions|spdx|"
    r"redistribution|for\s+(?:licen|copyright|the\s+full)|please|provided|subject|published|generated|auto|do\s+not|code\s|"
    r"warning|unless|part\s+of|[@\\]|\d+[.)]|[(]?[a-z][.)]\s)"
)
_TAG = re.compile(r"^[@\\](?:[a-zA-Z]+)\b")
_META = re.compile(
    r"^(?:[@\\]?(?:author|date|version|file|filename|file\s?name|created|modified|last\s+(?:modified|updated|change)|"
    r"e-?mail|since|maintainer|contact|written\s+by|contributors?|revision)s?(?:\s*[:=].*|\s+by\b.*|\s+[\w.@-]+){0,3}$"
    r"|[@\\](?:author|date|version|file|since)\b.*$|\$[A-Za-z]+(?::.*)?\$$|<?\S+@\S+>?$|[\w./\\-]+\.\w{1,5}$)",
    re.IGNORECASE,
)

# Vim: `:help modeline`, both forms. Emacs: "Specifying File Variables". An encoding: PEP 263, Ruby's magic comments.
_MODELINE = re.compile(
    r"^(?:-\*-.*-\*-|(?:vi|vim(?:[<>=]?\d+)?|ex):\s*(?:set?\s.*|[\w=,:\s.+-]*=[\w=,:\s.+-]*|[a-z]{2,}(?::[\w=]+)*:?)"
    r"|(?:file)?(?:en)?coding\s*[:=]\s*[\w.-]+)$",
    re.IGNORECASE,
)
_VARIABLES = re.compile(r"^local variables:$", re.IGNORECASE)
_VARIABLE = re.compile(r"^(?:end:|[a-z][a-z0-9-]*:\s*\S.*)$", re.IGNORECASE)
_EDITOR_HINT = re.compile(r"-\*-|\b(?:vi|vim\S*|ex):|coding\s*[:=]", re.IGNORECASE)
_SENTENCE_END = (".", "!", "?", ":")


def has_boilerplate(text: str) -> bool:
    """Return whether a comment may hold boilerplate: a cheap test that misses nothing `marks` would find."""
    return _WORDS.search(text.lower()) is not None


class EditorLine(Enum):
    """What a comment's line says to an editor."""

    NONE = auto()
    BLANK = auto()
    MODELINE = auto()
    VARIABLES = auto()
    VARIABLE = auto()


_EDITOR_KINDS = (
    (_MODELINE, EditorLine.MODELINE),
    (_VARIABLES, EditorLine.VARIABLES),
    (_VARIABLE, EditorLine.VARIABLE),
)


def editor_kind(line: str) -> EditorLine:
    """Return what a comment's line says to an editor.

    A modeline (Vim's, Emacs', an encoding) stands alone; a VARIABLE ("mode: c", "End:") speaks to an editor only under
    the VARIABLES line ("Local Variables:").
    """
    if len(line) > MAX_LINE_CHARACTERS:
        return EditorLine.NONE
    content = _editor_content(line)
    for pattern, kind in _EDITOR_KINDS:
        if pattern.match(content):
            return kind
    return EditorLine.NONE if content else EditorLine.BLANK


def _editor_content(line: str) -> str:
    stripped = line.strip().removesuffix("*/").removesuffix("-->").strip()
    start = stripped.find("-*-")
    if start >= 0 and not re.search(r"\w", stripped[:start].removeprefix("rem")):
        end = stripped.rfind("-*-")
        return stripped[start : end + 3] if end > start and not re.search(r"\w", stripped[end + 3 :]) else ""
    return re.sub(r"^(?:[^\w]|rem\b|dnl\b)+", "", stripped).rstrip(" */#-")


def marks(lines: list[str]) -> tuple[list[str], list[bool]]:
    """Return each line's content (without the comment's marks) and whether it is boilerplate.

    A blank line has the content "" and is no boilerplate. Where licence is removed and only authors, dates and file
    names are left, these are boilerplate too.
    """
    contents = [_content(line) for line in lines]
    gone = [False] * len(lines)
    for index, line in enumerate(lines):
        if contents[index] and _EDITOR_HINT.search(line) and editor_kind(line) is EditorLine.MODELINE:
            gone[index] = True
    editor_only = any(gone)
    documentation = False
    metadata: list[int] = []
    for paragraph in _paragraphs(lines, contents, gone):
        removed = _boilerplate_of([contents[index] for index in paragraph])
        for offset in removed:
            gone[paragraph[offset]] = True
        left = [index for offset, index in enumerate(paragraph) if offset not in removed]
        if all(_META.match(contents[index]) for index in left):
            metadata += left
        else:
            documentation = True
        editor_only = editor_only and not removed
    if any(gone) and not documentation and not editor_only:
        for index in metadata:
            gone[index] = True
    return contents, gone


def _content(line: str) -> str:
    return _OPENING.sub("", line[:MAX_LINE_CHARACTERS].strip(), count=1).rstrip(_CLOSING)


def _paragraphs(lines: list[str], contents: list[str], gone: list[bool]) -> list[list[int]]:
    paragraphs: list[list[int]] = []
    previous_mark: str | None = None
    open_notice = False
    for index, content in enumerate(contents):
        if not content or gone[index]:
            previous_mark = None
            continue
        notice = _COPYRIGHT.search(content) is not None
        mark = _line_mark(lines[index])
        starts = previous_mark is None or notice or mark != previous_mark or _TAG.match(content) is not None
        ends_notice = open_notice and not notice and not _HOLDERS.match(content)
        if starts or ends_notice:
            paragraphs.append([])
            open_notice = notice
        paragraphs[-1].append(index)
        previous_mark = mark
    return paragraphs


def _line_mark(line: str) -> str:
    """Return the kind of documentation a line comment is ("///", "//!", "#:"), "" for all plain ones."""
    match = _MARK.match(line)
    mark = match[1] if match else ""
    return mark if mark in {"///", "//!", "//!<", "///<", "#:", "#'", "##'", "--|", "%%"} else ""


def _boilerplate_of(contents: list[str]) -> range:
    """Return which lines of a paragraph are boilerplate: from where the phrase's sentence starts to where it ends."""
    if _COPYRIGHT.search(contents[0]):
        return range(len(contents))
    lowered = [content.lower() for content in contents]
    joined = " ".join(lowered)
    found = list(_LICENCE.finditer(joined)) or list(_GENERATED.finditer(joined))
    if not found:
        # A pattern anchored to a line's start sees only the paragraph's first.
        found_lines = [i for i, content in enumerate(lowered) if _LICENCE.search(content) or _GENERATED.search(content)]
        if not found_lines:
            return range(0)
        first, last = found_lines[0], found_lines[-1]
    else:
        first, last = _line_at(lowered, found[0].start()), _line_at(lowered, found[-1].end() - 1)
    while first > 0 and not contents[first - 1].endswith(_SENTENCE_END) and not _SENTENCE_OPENING.match(lowered[first]):
        first -= 1
    while last + 1 < len(contents) and not contents[last].endswith(_SENTENCE_END):
        last += 1
    return range(first, last + 1)


def _line_at(lines: list[str], offset: int) -> int:
    """Return the line that holds an offset into the lines joined by one space."""
    for index, line in enumerate(lines):
        if offset <= len(line):
            return index
        offset -= len(line) + 1
    return len(lines) - 1
