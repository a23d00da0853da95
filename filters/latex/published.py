r"""RedPajama's rule for arXiv, for comparison: its `data_prep/arxiv/arxiv_cleaner.py` (revision f54b86f).

Its steps, with their faults, which `filters.latex.cleaner.clean` in mode "corrected" does not have: everything before
the first heading of the raw text (comments count; a paragraph heading counts only with a subparagraph right after it);
lines that start with a percent sign, then the character before any other percent sign and the rest of the line;
everything from `\appendix` or the bibliography on; macros without arguments whose definition ends its line, in the
order of their definitions, one pass each. Each `.tex` file is cut by itself, in the order of the submission's archive,
whichever is the main one; definitions of all files hold in all. A macro with a body outside of ASCII makes the paper
fail as a whole, and so does a file that is not UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# The rule has no bound, and doubling macros would fill any memory; in characters of all replacements together.
GROWTH_LIMIT = 5_000_000
GROWTH_FACTOR = 4
# Every definition is looked for in every file; characters looked at, a call counting as many as it costs.
SCAN_LIMIT = 5_000_000_000
SCAN_COST = 200
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
    """What the rule leaves of a submission; `failed` if it loses the paper over a macro's body."""

    text: str = ""
    defined: tuple[str, ...] = ()
    expanded: frozenset[str] = frozenset()
    uses: int = 0
    heading: bool = False
    failed: bool = False
    bounded: bool = False


def decode(files: Mapping[str, bytes]) -> list[str] | None:
    """Return the texts of a submission's `.tex` files as they stand in it, or None if one of them is not UTF-8."""
    try:
        return [raw.decode("utf-8") for name, raw in files.items() if name.endswith(".tex")]
    except UnicodeDecodeError:
        return None


def clean(sources: Sequence[str]) -> Published:
    """Return what RedPajama's rule leaves of a submission's files."""
    defined: dict[str, str] = {}
    for source in sources:
        defined.update(_definitions(source))
    headings = [_HEADING.search(source) for source in sources]
    if not any(headings):
        return Published(defined=tuple(defined))
    if any(_BAD_ESCAPE.search(body) for body in defined.values()):
        return Published(defined=tuple(defined), heading=True, failed=True)
    texts, expanded, uses = list[str](), set[str](), 0
    bounded = len(defined) * sum(len(source) + SCAN_COST for source in sources) > SCAN_LIMIT
    used = {} if bounded else defined
    for source, heading in zip(sources, headings, strict=True):
        text, count, whole = _expand(_cut(source[heading.start() :]) if heading else "", used, expanded)
        texts.append(text)
        uses, bounded = uses + count, bounded or not whole
    return Published("\n".join(texts), tuple(defined), frozenset(expanded), uses, heading=True, bounded=bounded)


def _definitions(source: str) -> dict[str, str]:
    defined: dict[str, str] = {}
    for pattern in (_NEWCOMMAND, _DEF):
        for match in pattern.finditer(source):
            defined[match[1]] = match[2]
    return defined


def _cut(text: str) -> str:
    text = _COMMENT.sub("", _COMMENT_LINE.sub("", text))
    return text[: _end(text)]


def _end(text: str) -> int:
    last = text.rfind("}")
    for match in _END.finditer(text):
        if not match[0].endswith("bibliography{") or last > match.start():
            return match.start()
    return len(text)


def _expand(text: str, defined: Mapping[str, str], expanded: set[str]) -> tuple[str, int, bool]:
    """Return the text, how many uses were replaced in it, and whether all of them could be; note the names."""
    uses = 0
    limit = GROWTH_LIMIT + GROWTH_FACTOR * len(text)
    for name, body in defined.items():
        if name not in text:
            continue
        limit -= text.count(name) * len(body) + len(text)
        if limit < 0:
            return text, uses, False
        # The replacement is a pattern of its own in the original; a body in ASCII means the same there as here.
        replacement = body.replace("\\", "\\\\") + r"\1"
        text, count = re.subn(re.escape(name) + r"([^a-zA-Z0-9])", replacement, text)
        if count:
            expanded.add(name)
            uses += count
    return text, uses, True
