"""What boilerplate says: the phrases of licences, copyright notices, generated-file banners and editor lines.

    lines of a comment -> contents (marks stripped) -> paragraphs -> which lines are boilerplate

A paragraph ends at a blank line, at a documentation tag (`@param`, `\\brief`), where the comment's mark changes
("//" to "///") and around a copyright notice. The phrases are ours, from the standard headers of the SPDX licence
list's common licences and from the banners of common generators.
"""

from __future__ import annotations

import re
from enum import Enum, auto

# What a line says beyond this is not looked at, which bounds the time of the patterns below.
MAX_LINE_CHARACTERS = 400

# A cheap look first: a comment without one of these words is no boilerplate.
_WORDS = re.compile(
    r"copyright|copyleft|copr\.|©|licen[sc]|\(c\)|\bgpl|warrant|permission|permitted|redistribut|spdx|rights reserved|"
    r"public domain|free software|is part of|proprietary|confidential|as[ -]is|generated|do not |don't |-\*-|coding|"
    r"conditions of|\bvim?:|\bex:|\blocal variables:|@lic|\bnotice\b"
)
_CLOSING = " \t\r\n\f\v*/#;%!<>=|~+_-]}"
_OPENING = re.compile(r"^(?:\s|[*/#;%!<>=|~+_\-'{\[]|(?:\.\.|::|@?rem|dnl|c)(?=\s|$))*", re.IGNORECASE)
_MARK = re.compile(r"\s*([^\w\s@\\]*)")

_HOLDER = r"(?:the\s+|by\s+|[A-Z0-9<\[{])"
# "(c)" alone also numbers a list's third item, so that it needs a year.
_COPYRIGHT = re.compile(
    r"^[\"'(\[]?(?:(?i:[@\\]?copyright|copr\.|copyleft|portions(?: of [^.]{0,60}?)?(?: are)? copyright)"
    rf"\s*(?:$|[:,;]|\(c\)|\(C\)|©|&copy;|\d|(?i:by|the|\(?c\)?)\b|{_HOLDER})|(?i:spdx-filecopyrighttext))"
    r"|^(?:\([cC]\)|©).{0,80}?\b(?:19|20)\d\d\b"
    r"|(?i:copyright\s*(?:\([c]\)|©|&copy;)|(?:copyright|©)[\s,:]*(?:\([c]\)\s*)?(?:19|20)\d\d\b)"
    r"|(?i:^all rights (?:are )?reserved)"
)
# The lines after a notice that still name holders: years, addresses, "and others", "All rights reserved".
_HOLDERS = re.compile(
    r"^\s*(?:(?:19|20)\d\d\b|.*<\S+@\S+>|\S+@\S+$|(?:and|by)\s|.*\b(?:inc|ltd|llc|gmbh|corp|corporation|university|"
    r"contributors?|authors?|all rights reserved)\b\.?,?(?:\s.{0,30})?$|https?://\S+$|.*all rights reserved)",
    re.IGNORECASE,
)
_LICENCE = re.compile(
    # identifiers, titles and fields
    r"spdx-licen[sc]e-identif|licen[sc]ed\s+(?:under|to\b|with\b|by\b|only\b|according|pursuant|as\b|for\b)"
    r"|^[@\\]?licen[sc]es?(?:\s*[:=]|\s+(?:mit|bsd|apache|l?gpl|agpl|mpl|isc)\b|\s*\S*$)|^[@\\](?:licen[sc]e|copyright)\b"
    r"|^(?:the\s+)?(?:\S+\s+){0,2}(?:mit|bsd|apache|isc|gnu|l?gpl|agpl|zlib|boost|mozilla|eclipse|artistic|unlicense)\b"
    r".{0,30}\blicen[sc]e(?:\s+\(\S+\)|\s*[:,-]?\s+[<(]?https?://\S+|[\s,]+v?(?:ersion)?\s*[\d.]+)?[.:]?$|^\(?licen[sc]e\)?$"
    r"|\b(?:mit|bsd|apache|isc|l?gpl|agpl|mpl|zlib|boost)(?:[\s-]*v?\d[\w.-]*)?[\s-]+licen[sc]ed\b"
    r"|^(?:the\s+)?(?:original|following)\s+(?:\S+\s+){0,3}?(?:copyright|licen[sc]e)(?:\s+(?:notice|header|text|statement))?"
    r"(?:$|\s*:|\s+(?:is|was|applies|follows|governs)\b)"
    r"|^this\s+(?:file|program|library|software|module|code)\s+is\s+part\s+of\b"
    # under what, and where to read it
    r"|\b(?:under|per|accordance\s+with|subject\s+to|agree\s+to)\s+(?:the\s+|these\s+)?(?:\S+\s+)?terms\s+(?:of|and|set)\b"
    r"|\bunder\s+(?:\S+\s+){0,6}?licen[sc]es?\b"
    r"|(?:distributed|released|available|provided|covered|governed|published|subject)\s+(?:\S+\s+){0,3}?(?:by|to|with)\s+"
    r"(?:\S+\s+){0,4}?licen[sc]e"
    r"|\b(?:see|refer\s+to|consult|found\s+(?:in|at)|details\s+in|contained\s+in)\s+(?:\S+\s+){0,6}?"
    r"[`'\"(<]?[\w./-]*(?:licen[sc]e|copying|copyright|legal\.|notice\b)[\w.-]*"
    r"|\bfor\s+(?:\S+\s+)?licen[sc](?:e|ing)\s+(?:terms|information|details)|licen[sc]e\s+(?:terms|agreement)\b"
    r"|(?:apache|opensource|gnu|llvm|boost)\.org/\S*licen|mozilla\.org/mpl|creativecommons\.org/"
    r"|unicode\.org/(?:copyright|terms)|a\s+copy\s+of\s+(?:the|this)\s+licen|usage\s+and\s+redistribution"
    r"|conditions\s+(?:of|for)\s+(?:re)?distribution|\bwith\s+(?:the|an?)\s+(?:\S+\s+){0,2}?(?:mit|bsd|apache)\s+licen[sc]e\b"
    r"|notice\s+file\s+distributed\s+with|including\s+its\s+licen[sc]e|copyright\s+information"
    r"|general\s+public\s+licen|public\s+licen[sc]e|free\s+software\s+foundation|\bis\s+free\s+software\b"
    # what is granted, on what conditions
    r"|permission\s+(?:is\s+(?:hereby\s+)?granted|to\s+use)|permission\s+notice|grants?\s+permission"
    r"|redistributions?\s+(?:and\s+use|of\s+|in\s+binary|must|is\s+permitted)|free\s+to\s+(?:use|copy|distribute)\b"
    r"|you\s+(?:may|can)\s+(?:not\s+use\s+(?:this|it)|obtain\s+a\s+copy|redistribute|freely)"
    r"|you\s+should\s+have\s+received\s+a\s+copy|unless\s+required\s+by\s+applicable\s+law|limitations\s+under"
    r"|(?:file|code|software|work)\s+may\s+not\s+be\s+(?:copied|modified|distributed)"
    r"|this\s+product\s+includes\s+(?:\S+\s+)?software|advertising\s+materials|neither\s+the\s+names?|endorse\s+or\s+promote"
    r"|all\s+rights\s+reserved|(?:above|this)\s+copyright\s+(?:notice|statement)|copyright\s+notice,?\s+this\s+list"
    r"|copyright\s+(?:holders?|owners?)\s+(?:or|and|be|have)|copyright\s+(?:and\s+\S+\s+)?(?:is\s+)?(?:disclaimed|waived)"
    r"|the\s+origin\s+of\s+this\s+software|altered\s+source\s+versions|notice\s+may\s+not\s+be\s+removed"
    r"|do\s+not\s+alter\s+or\s+remove\s+copyright|(?:in|into|to|under)\s+the\s+public\s+domain|^public\s+domain\b"
    r"|(?:begin|end)\s+licen[sc]e\s+block|alternatively,\s+the\s+contents\s+of\s+this\s+file|contributor\(s\):"
    r"|initial\s+developer|proprietary\s+and\s+confidential|confidential\s+and\s+proprietary|trade\s+secret"
    # what is disclaimed
    r"|without\s+(?:any\s+)?(?:express\s+or\s+implied\s+)?warrant|without\s+even\s+the\s+implied|implied\s+warrant"
    r"|[\"'`“”]as[ -]is[\"'`“”]|\bas[ -]is\b\s+(?:basis|without)|warranties\s+or\s+conditions|no\s+warrant"
    r"|in\s+no\s+event\s+(?:shall|will)|merchantability|fitness\s+for\s+a\s+particular|\bliable\s+for\b"
    r"|disclaims?\s+(?:all|any)|liability,\s+whether"
)
_GENERATED = re.compile(
    r"@generated\b"
    r"|\b(?:this|these|the)\s+(?:\S+\s+){0,2}?(?:file|code|source|header|module|class|script|document|page|program)s?\s+"
    r"(?:\S+\s+){0,2}?(?:is|was|are|were|been)\s+(?:\S+\s+)?(?:auto(?:matically|matic)?[- ]?|machine[- ]?)?"
    r"(?:re)?generated\b"
    r"|^(?:this\s+is\s+an?\s+)?(?:auto(?:matically|matic)?|machine)[- ]?generated"
    r"(?:$|[.!:]|\s+(?:by|from|with|using|via|on|at|file|code|source|and|do)\b)"
    r"|^(?:(?:this|the)\s+)?(?:code\s+|file\s+|source\s+|parser\s+)?(?:re)?generated\s+"
    r"(?:by|from|with|using|via|on|at|automatically)\b"
    r"|\bdo\s*(?:not|n't)\s+(?:hand[- ]?)?(?:edit|modify)"
    r"(?:\s*[!.*-]|$|\s+(?:this|the|it\b|by\s+hand|manually|directly))"
    r"|\bdo\s*(?:not|n't)\s+(?:change|touch|alter)\s+"
    r"(?:this\s+(?:file|code)|by\s+hand|manually|directly|the\s+generated)"
    r"|\b(?:edits|changes|modifications)\s+(?:\S+\s+){0,6}?(?:be\s+(?:lost|overwritten)|lost\s+if)"
)
# A licence's text goes on from where it grants something to where it disclaims everything, whatever stands between.
_GRANT = re.compile(
    r"redistribution\s+and\s+use|permission\s+(?:to\s+use|is\s+(?:hereby\s+)?granted)|grants?\s+permission|"
    r"begin\s+licen[sc]e|is\s+free\s+software"
)
_DISCLAIMER = re.compile(r"in\s+no\s+event|warrant|\bas[ -]is\b|\bliable\b|end\s+licen[sc]e\s+block")
# Beside a licence, a paragraph with this many different legal words is part of it: anywhere in the comment, or between
# two paragraphs that are.
LEGAL_WORDS_ALONE = 3
LEGAL_WORDS_BETWEEN = 2
_LEGAL_WORD = re.compile(
    r"\b(copyright|rights|(?:re)?distribut|terms|conditions|licen[sc]|attribution|patent|permi[ts]|warrant|notice|legal|"
    r"acknowledg|liab|commercial|disclaim|agreement|infring|proprietary|trademark)"
)
_FIELD = re.compile(r"^:?[A-Z]\w+ ?:|^[*+-]\s|^\$")
_TAG = re.compile(r"^[@\\](?:[a-zA-Z]+)\b")
_META = re.compile(
    r"^(?:[@\\:]?(?:author|date|version|file|filename|file\s?name|created|modified|last\s+(?:modified|updated|change)|"
    r"e-?mail|since|maintainer|contact|written\s+by|contributors?|revision)s?:?(?:\s*[:=].*|\s+by\b.*|\s+[\w.@-]+){0,3}$"
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
# A line of a comment shorter than this was not broken for width, so that what follows is another statement.
MIN_WRAPPED_CHARACTERS = 45
_SENTENCE_END = (".", "!", "?", ":")


def has_boilerplate(text: str) -> bool:
    """Return whether a comment may hold boilerplate: the cheap test that comes before `marks`."""
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
    paragraphs = _paragraphs(lines, contents, gone)
    removals = _removals([[contents[index] for index in paragraph] for paragraph in paragraphs])
    left: list[int] = []
    for paragraph, removed in zip(paragraphs, removals, strict=True):
        for offset, index in enumerate(paragraph):
            gone[index] = offset in removed
        left += [index for index in paragraph if not gone[index]]
        editor_only = editor_only and not removed
    if any(gone) and not editor_only and all(_META.match(contents[index]) for index in left):
        for index in left:
            gone[index] = True
    return contents, gone


def _removals(paragraphs: list[list[str]]) -> list[range]:
    """Return which lines of each paragraph are boilerplate; all from a licence's grant to its last disclaimer are."""
    removals = [_boilerplate_of(contents) for contents in paragraphs]
    texts = [" ".join(contents).lower() for contents in paragraphs]
    found = [index for index, removed in enumerate(removals) if removed]
    grant = next((index for index in found if _GRANT.search(texts[index])), len(texts))
    last_disclaimer = max((index for index in found if _DISCLAIMER.search(texts[index])), default=0)
    for index, text in enumerate(texts):
        if removals[index]:
            continue
        legal_words = len(set(_LEGAL_WORD.findall(text))) if found else 0
        between = found and found[0] < index < found[-1]
        if (
            grant < index < last_disclaimer
            or legal_words >= LEGAL_WORDS_ALONE
            or (between and legal_words >= LEGAL_WORDS_BETWEEN)
            or (_introduces(text) and removals[index + 1 : index + 2] not in ([], [range(0)]))
        ):
            removals[index] = range(len(paragraphs[index]))
    return removals


def _introduces(text: str) -> bool:
    """Return whether a paragraph announces what follows it, and that this is a licence."""
    return text.endswith(":") and _LEGAL_WORD.search(text) is not None


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
        found_lines = [
            index
            for index, content in enumerate(lowered)
            if not contents[index][0].islower() and (_LICENCE.search(content) or _GENERATED.search(content))
        ]
        if not found_lines:
            return range(0)
        first, last = found_lines[0], found_lines[-1]
    else:
        first, last = _line_at(lowered, found[0].start()), _line_at(lowered, found[-1].end() - 1)
    while first > 0 and _goes_up(contents[first - 1], contents[first]):
        first -= 1
    while last + 1 < len(contents) and _goes_on(contents[last], contents[last + 1]):
        last += 1
    return range(first, last + 1)


def _goes_up(line: str, following: str) -> bool:
    """Return whether a line belongs to the following one's sentence: a colon introduces it, lower case continues it."""
    return line.endswith(":") or (following[0].islower() and not line.endswith(_SENTENCE_END))


def _goes_on(line: str, following: str) -> bool:
    """Return whether a sentence goes on in the following line: it has not ended, and the line was broken for width."""
    if line.endswith(_SENTENCE_END):
        return False
    return following[0].islower() or (len(line) >= MIN_WRAPPED_CHARACTERS and not _FIELD.match(following))


def _line_at(lines: list[str], offset: int) -> int:
    """Return the line that holds an offset into the lines joined by one space."""
    for index, line in enumerate(lines):
        if offset <= len(line):
            return index
        offset -= len(line) + 1
    return len(lines) - 1
