r"""LaTeX sources to text, as the paper describes arXiv: one document out of a submission's files.

    files -> `find_main` -> `flatten` (inputs in place) -> `clean`: comments out, macros expanded, everything before the
    first heading out, bibliography out -> text -> `check`

`clean` in mode "published" is RedPajama's rule (`filters.latex.published`) for comparison.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from filters.latex import names
from filters.latex import published as latex_published
from filters.latex.encodings import decode
from filters.latex.expand import expand
from filters.latex.project import find_main, flatten, sources
from filters.latex.tokens import AT, WORD, group_end, protect, restore

__all__ = ["Cleaned", "Reason", "check", "clean", "decode", "find_main", "flatten", "published", "sources"]

Mode = Literal["corrected", "published"]

# The text can be longer than its source by what macros add, bounded there; verbatim text inside them is bounded here.
OUTPUT_FACTOR = 4
OUTPUT_LIMIT = 5_000_000

# Section 2.1 of the paper removes "everything before the first section".
_HEADING = re.compile(
    r"\\(?:part|chapter|section|subsection|subsubsection|paragraph)(?![A-Za-z\x01])"
    r"\s*+\*?\s*+(?:\[[^\[\]]{0,1000}\]\s*+)?\{"
)
# Plain TeX and AMS-TeX have their own; they count only where there is no \begin{document}.
_PLAIN_HEADING = re.compile(r"\\(?:beginsection|head|heading|specialhead|subhead|subheading)(?![A-Za-z\x01])")
_BEGIN_DOCUMENT = re.compile(r"\\begin\s*\{document\}|\\document(?![A-Za-z\x01])")
_END_DOCUMENT = re.compile(r"\\end\s*\{document\}|\\(?:enddocument|bye)(?![A-Za-z\x01])|\\end[ \t]*(?=\n|\Z)")
_BIBLIOGRAPHY = re.compile(
    r"\\begin\s*\{(?P<environment>thebibliography|references|REFERENCES)\}"
    r"|\\Refs(?P<refs>)(?![A-Za-z\x01])"
    r"|\\(?:bibliography|bibliographystyle|nocite|addbibresource)\s*(?P<argument>\{)"
    r"|\\(?:printbibliography|printbibheading)(?![A-Za-z\x01])\s*(?:\[[^\[\]]{0,1000}\])?"
)
_REFERENCES_HEADING = re.compile(
    r"\\(?:part|chapter|section|subsection|paragraph)\s*\*?\s*\{\s*(?:\\[a-z]+\s*)?(?:references?|bibliography)\s*\.?\}"
    r"\s*(?:\\(?:label|addcontentsline|markboth)\s*(?:\{[^{}]{0,200}\}){1,3}\s*)*\Z",
    re.IGNORECASE,
)
_HEADING_LOOKBACK = 600
_COMMAND = re.compile(rf"\\(?:begin\{{(?P<environment>[^{{}}\n]+)\}}|(?P<name>{WORD}|.))", re.DOTALL)
_TRAILING_BLANKS = re.compile(r"(?<![ \t])[ \t]+\n")
_EMPTY_LINES = re.compile(r"\n{3,}")
_LETTER = re.compile(r"[^\W\d_]")
_ANY_HEADING = re.compile(
    r"\\(?:part|chapter|section|subsection|subsubsection|paragraph|label)\s*\*?\s*(?:\[[^\[\]\n]*\])?\{[^{}]*\}"
)


class Reason(StrEnum):
    """Why a submission gives no document."""

    NO_MAIN_FILE = "no_main_file"
    NO_SECTION = "no_section"
    EMPTY = "empty"
    MACRO_FAILURE = "macro_failure"
    NOT_UTF_8 = "not_utf_8"


@dataclass(frozen=True, slots=True)
class Cleaned:
    """The text of a paper and what became of its macros.

    `macros_defined` counts the names the source defines (environments included, redefinitions of LaTeX's own structure
    not), `macros_expanded` those of them that were expanded, `uses` the uses replaced; `macros_left` are the names
    in the text that the source defines by any means, redefinitions of LaTeX's own included. `bounded` is true if a
    bound on size, depth or time was met.
    """

    text: str
    macros_defined: int
    macros_expanded: int
    macros_left: tuple[str, ...]
    uses: int
    has_section: bool
    failed: bool = False
    bounded: bool = False


def clean(source: str, *, mode: Mode = "corrected") -> Cleaned:
    """Return the text of a paper's flattened source: comments, preamble, macros, bibliography gone."""
    return published([source]) if mode == "published" else _corrected(source)


def published(sources: Sequence[str]) -> Cleaned:
    """Return what RedPajama's rule leaves of a submission's files, see `filters.latex.published`."""
    result = latex_published.clean(sources)
    defined = {name.removeprefix("\\") for name in result.defined}
    return Cleaned(
        text=result.text,
        macros_defined=len(defined),
        macros_expanded=len(result.expanded),
        macros_left=tuple(
            sorted({f"\\{match['name']}" for match in _COMMAND.finditer(result.text) if match["name"] in defined})
        ),
        uses=result.uses,
        has_section=result.heading,
        failed=result.failed,
        bounded=result.bounded,
    )


def merged(parts: Sequence[Cleaned]) -> Cleaned:
    """Return the papers of one submission as one: those that are documents, in order; the first if none is."""
    kept = [part for part in parts if check(part) is None] or list(parts[:1])
    return Cleaned(
        text="\n\n".join(part.text for part in kept),
        macros_defined=sum(part.macros_defined for part in kept),
        macros_expanded=sum(part.macros_expanded for part in kept),
        macros_left=tuple(sorted({name for part in kept for name in part.macros_left})),
        uses=sum(part.uses for part in kept),
        has_section=any(part.has_section for part in kept),
        failed=any(part.failed for part in kept),
        bounded=any(part.bounded for part in kept),
    )


def check(cleaned: Cleaned) -> Reason | None:
    """Return why the cleaned paper is no document, or None to keep it."""
    if cleaned.failed:
        return Reason.MACRO_FAILURE
    if not cleaned.has_section:
        return Reason.NO_SECTION
    return None if _LETTER.search(_ANY_HEADING.sub("", cleaned.text)) else Reason.EMPTY


def _corrected(source: str) -> Cleaned:
    protected = protect(source)
    expanded = expand(protected.text)
    body = _body(expanded.text)
    text = _tidy(_without_bibliography(body)) if body is not None else ""
    return Cleaned(
        text=restore(text, protected.kept, OUTPUT_LIMIT + OUTPUT_FACTOR * len(source)).strip(),
        macros_defined=len(expanded.defined),
        macros_expanded=len(expanded.expanded),
        macros_left=_left(text, expanded.defined | names.defined(protected.text), names.families(protected.text)),
        uses=expanded.uses,
        has_section=body is not None,
        bounded=expanded.bounded,
    )


def _body(text: str) -> str | None:
    """Return the document's text from its first heading to its end, or None if it has no heading."""
    begin = _BEGIN_DOCUMENT.search(text)
    start = begin.end() if begin else 0
    heading = _HEADING.search(text, start)
    if not (begin and begin[0].startswith("\\begin")):
        plain = _PLAIN_HEADING.search(text, start)
        heading = min((match for match in (heading, plain) if match), key=lambda match: match.start(), default=None)
    end = _END_DOCUMENT.search(text, start)
    last = end.start() if end else len(text)
    return text[heading.start() : last] if heading and heading.start() < last else None


def _without_bibliography(text: str) -> str:
    pieces: list[str] = []
    position = 0
    while match := _BIBLIOGRAPHY.search(text, position):
        before = text[position : match.start()]
        heading = _REFERENCES_HEADING.search(before, max(0, len(before) - _HEADING_LOOKBACK))
        pieces.append(before[: heading.start()] if heading else before)
        position = _bibliography_end(text, match)
    pieces.append(text[position:])
    return "".join(pieces)


def _bibliography_end(text: str, match: re.Match[str]) -> int:
    if match["argument"]:
        end = group_end(text, match.start("argument"), match.end() + 5_000)
        return end if end > 0 else match.end()
    if match["environment"] or match["refs"] is not None:
        closing = f"\\end{{{match['environment']}}}" if match["environment"] else "\\endRefs"
        end = text.find(closing, match.end())
        return end + len(closing) if end >= 0 else len(text)
    return match.end()


def _tidy(text: str) -> str:
    return _EMPTY_LINES.sub("\n\n", _TRAILING_BLANKS.sub("\n", text)).strip()


def _left(text: str, defined: frozenset[str], family: re.Pattern[str] | None) -> tuple[str, ...]:
    found = {match["name"] or f"begin{{{match['environment']}}}" for match in _COMMAND.finditer(text)}
    left = {name for name in found if name in defined or (family and family.fullmatch(name))}
    return tuple(sorted(f"\\{name}".replace(AT, "@") for name in left))
