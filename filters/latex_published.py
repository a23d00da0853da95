r"""RedPajama's rule for arXiv, for comparison: its `data_prep/arxiv/arxiv_cleaner.py` (revision f54b86f).

Its steps, with their faults, which `filters.latex.clean` in mode "corrected" does not have: everything before the first
heading of the raw text (comments count; a paragraph heading counts only with a subparagraph right after it); lines that
start with a percent sign, then the character before any other percent sign and the rest of the line; everything from
`\appendix` or the bibliography on; macros without arguments whose definition ends its line, in the order of their
definitions, one pass each. A macro with a body outside of ASCII makes the paper fail as a whole.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# The rule has no bound, and doubling macros would fill any memory; in characters of all replacements together.
GROWTH_LIMIT = 5_000_000
GROWTH_FACTOR = 4
# How far a heading's arguments may reach, in characters (unbounded in the original, where that costs quadratic time).
HEADING_LIMIT = 5_000

_ARGUMENTS = rf"\b\*?(?:\[.{{0,{HEADING_LIMIT}}}?\])?\{{.{{0,{HEADING_LIMIT}}}?\}}"
_HEADING = re.compile(
    rf"\\(?:(?:chapter|part|section|subsection|subsubsection){_ARGUMENTS}|paragraph{_ARGUMENTS}\\subparagraph{_ARGUMENTS})",
    re.DOTALL,
)
_COMMENT_LINE = re.compile(r"^%.*\n?", re.MULTILINE)
_COMMENT = re.compile(r"[^\\]%.+$", re.MULTILINE)
_END = re.compile(r"\\appendix|\\begin\{(?:references|REFERENCES|thebibliography)\}|\\bibliography\{")
_NEWCOMMAND = re.compile(r"\\newcommand\b\*?\{(\\[a-zA-Z0-9]+?)\}\{(.*?)\}$", re.MULTILINE)
_DEF = re.compile(r"\\def\s*(\\[a-zA-Z0-9]+?)\s*\{(.*?)\}$", re.MULTILINE)
_BAD_ESCAPE = re.compile(r"[^\t\r\x20-\x7e]")


@dataclass(frozen=True, slots=True)
class Published:
    """What the rule leaves of a file; `failed` if it loses the paper over a macro's body."""

    text: str
    defined: tuple[str, ...]
    expanded: tuple[str, ...]
    uses: int
    heading: bool
    failed: bool
    bounded: bool


def clean(source: str) -> Published:
    """Return what RedPajama's rule leaves of one file's source."""
    defined = _definitions(source)
    heading = _HEADING.search(source)
    if heading is None:
        return Published("", tuple(defined), (), 0, False, False, False)
    text = _COMMENT.sub("", _COMMENT_LINE.sub("", source[heading.start() :]))
    text = text[: _end(text)]
    if any(_BAD_ESCAPE.search(body) for body in defined.values()):
        return Published("", tuple(defined), (), 0, True, True, False)
    return _expand(text, defined)


def _definitions(source: str) -> dict[str, str]:
    defined: dict[str, str] = {}
    for pattern in (_NEWCOMMAND, _DEF):
        for match in pattern.finditer(source):
            defined[match[1]] = match[2]
    return defined


def _end(text: str) -> int:
    last = text.rfind("}")
    for match in _END.finditer(text):
        if not match[0].endswith("bibliography{") or last > match.start():
            return match.start()
    return len(text)


def _expand(text: str, defined: dict[str, str]) -> Published:
    expanded: list[str] = []
    uses = 0
    limit = GROWTH_LIMIT + GROWTH_FACTOR * len(text)
    for name, body in defined.items():
        if name not in text:
            continue
        size = text.count(name) * len(body) + len(text)
        limit -= size
        if limit < 0:
            return Published(text, tuple(defined), tuple(expanded), uses, True, False, True)
        # The replacement is a pattern of its own in the original; a body in ASCII means the same there as here.
        replacement = body.replace("\\", "\\\\") + r"\1"
        text, count = re.subn(re.escape(name) + r"([^a-zA-Z0-9])", replacement, text)
        if count:
            expanded.append(name)
            uses += count
    return Published(text, tuple(defined), tuple(expanded), uses, True, False, False)
