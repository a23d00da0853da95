"""Boilerplate cleaner: removes licence headers, generated-file banners and editor lines from source files.

    text -> head: shebang, then prelude | blank lines | comment blocks, as the file's language writes them
         -> each comment block -> lines -> paragraphs -> those that are boilerplate removed -> text

Only the comments at the head of a file are looked at (before its first line of code; between directives, declarations
and a module's docstring, which are `code_languages.Comments.prelude`), and the editor lines that close a file. Code,
string literals, headings, directives and shebangs are never inside what is looked at. A comment that is documentation
stays: removal is by paragraph (and inside a paragraph by line, from where the licence begins to where its sentence
ends), so that a doc comment that carries a licence loses just that. A Python docstring is a string the program can
read, so a licence inside one stays; comments after it are cleaned.

`published` mode is RedPajama-Data v1's rule (`clean_copyright_comments` in `data_prep/github/
github_clean_dedup_local.py` at f54b86f, as first released; a later version also cuts leading lines where there is a
block comment), for comparison: the first C block comment anywhere goes if it says
"copyright"; in a text without any, all leading lines that start with "//", "#", "--" or are empty go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

from filters.code.languages import COMMENTS, Comments, language_of
from filters.code.phrases import EditorLine, editor_kind, has_boilerplate, marks
from filters.patterns import skip_all

# Vim looks for its modelines in the last five lines (`:help modelines`), Emacs for its local variables in the last
# 3,000 characters (Emacs manual, "Specifying File Variables").
EDITOR_TAIL_CHARACTERS = 3_000

Mode = Literal["corrected", "published"]

# A line that is neither a comment nor empty.
_PUBLISHED_CODE = re.compile(r"^(?!//|#|--|\n)", re.MULTILINE)
_PUBLISHED_WORD = re.compile("copyright", re.IGNORECASE)
_SHEBANG = re.compile(r"\ufeff?(?:#![^\n\r]*(?:\r\n?|\n|\Z))?")
_BLANK_LINES = re.compile(r"(?:[ \t\f\r\n]*[\r\n])?")
_REST_OF_LINE = re.compile(r"[ \t\f]*+(?:\r\n?|\n|\Z)")
_INDENTATION = re.compile(r"[ \t]*")
_LINE = re.compile(r"[^\n\r]*+(?:\r\n?|\n|\Z)")
# The rest of a comment's line. U+2028 and U+2029 end a line in JavaScript, and a backslash joins the next line in C and
# in makefiles: what such a line holds is not looked at.
_COMMENT_REST = r"[^\n\r\u2028\u2029]*+(?<!\\)(?:\r\n?|\n|\Z)"
# What is indented under a reStructuredText comment belongs to it, blank lines between included.
_INDENTED = re.compile(r"(?:[ \t\r\n]*[\r\n])?[ \t]++[^\s][^\n\r]*+(?:\r\n?|\n|\Z)")


def clean(text: str, path: str, mode: Mode = "corrected") -> str:
    """Return a file's text without the boilerplate comments of its head.

    `path` chooses the comment syntax by the file's name; a language that is not known is left alone. Time is linear in
    the length of the head; the rest is copied. See the module's docstring for what is removed and the two modes.
    """
    if mode == "published":
        return _clean_as_published(text)
    if mode != "corrected":
        raise ValueError(f"mode is {mode!r}; it must be 'corrected' or 'published'")
    language = language_of(path)
    if language is None:
        return text
    return _clean_tail(_clean_head(text, language), language)


def head_comments(text: str, path: str) -> str:
    """Return the comments and docstrings at the head of a file, where it speaks of itself; "" for an unknown language.

    Time is linear in the length of the head.
    """
    language = language_of(path)
    parts = _head(text, language) if language else iter(())
    return "\n".join(text[part.first : part.end] for part in parts if part.speaks)


@dataclass(frozen=True, slots=True)
class _Part:
    """A comment or a prelude, text[first:end], with blank lines from `start` on; `marks` are those of a block."""

    start: int
    first: int
    end: int
    is_comment: bool
    marks: tuple[str, str] | None = None
    speaks: bool = True


def _head(text: str, language: str) -> Iterator[_Part]:
    """Yield what the head of a file is made of, below its shebang."""
    comment_lines, prelude = _patterns(language)
    position = _skip(_SHEBANG, text, 0)
    while position < len(text):
        first = _skip(_BLANK_LINES, text, position)
        if prelude and (match := prelude.match(text, first)) and match.end() > first:
            speaks = match[0].lstrip(" \trRuU")[:1] in ("'", '"')
            yield _Part(position, first, match.end(), is_comment=False, speaks=speaks)
            position = match.end()
        elif comment := _comment_at(text, first, language, comment_lines):
            yield _Part(position, first, comment[0], is_comment=True, marks=comment[1])
            position = comment[0]
        else:
            return


def _clean_head(text: str, language: str) -> str:
    position = _skip(_SHEBANG, text, 0)
    kept = [text[:position]]
    changed = removed = False
    for part in _head(text, language):
        block = text[part.first : part.end]
        cleaned = _clean_block(block, part.marks) if part.is_comment else block
        if COMMENTS[language].indented and cleaned:
            # Its lines hang on the first one, so that it goes as a whole or not at all.
            cleaned = block
        # The blank lines on one side of a removed block go with it.
        kept.append(("" if removed else text[part.start : part.first]) + cleaned)
        changed = changed or cleaned != block
        removed = not cleaned
        position = part.end
    if not changed:
        return text
    if removed:
        position = _skip(_BLANK_LINES, text, position)
    head = "".join(kept)
    return (head if kept[0] or head.strip() else "") + text[position:]


def _skip(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return match.end() if match else position


@cache
def _patterns(language: str) -> tuple[tuple[re.Pattern[str], re.Pattern[str]] | None, re.Pattern[str] | None]:
    """Return the patterns of line comments, the first line's and the next ones', and of a language's prelude."""
    comments = COMMENTS[language]
    alternatives = [rf"[ \t]*(?:{comments.line})"] if comments.line else []
    alternatives += [rf"(?:{comments.columns})"] if comments.columns else []
    # A block's mark may begin with a line's ("--[[", "#[["); it is tried first, so here it must not match.
    blocks = "|".join(re.escape(start) for start, _ in comments.blocks)
    guard = rf"(?![ \t]*(?:{blocks}))" if blocks else ""
    line = re.compile(rf"{guard}(?:{'|'.join(alternatives)}){_COMMENT_REST}") if alternatives else None
    prelude = re.compile(comments.prelude, re.DOTALL) if comments.prelude else None
    return (line, _INDENTED if comments.indented else line) if line else None, prelude


def _comment_at(
    text: str, position: int, language: str, lines: tuple[re.Pattern[str], re.Pattern[str]] | None
) -> tuple[int, tuple[str, str] | None] | None:
    """Return the end of the comment at a position, and its marks if it is a block; None if there is no comment."""
    start = _skip(_INDENTATION, text, position)
    for opening, closing in COMMENTS[language].blocks:
        if text.startswith(opening, start):
            end = text.find(closing, start + len(opening))
            if end < 0:
                return None
            end += len(closing)
            if rest := _REST_OF_LINE.match(text, end):
                end = rest.end()
            return end, (opening, closing)
    match = lines[0].match(text, position) if lines else None
    return (skip_all(lines[1], text, match.end()), None) if lines and match and match.end() > position else None


def _clean_block(block: str, block_marks: tuple[str, str] | None) -> str:
    """Return a comment without its boilerplate: unchanged, shortened, or empty if nothing else was in it."""
    if not has_boilerplate(block):
        return block
    lines = [match[0] for match in _LINE.finditer(block) if match[0]]
    contents, gone = marks(_without_marks(lines, block_marks))
    if not any(gone):
        return block
    if all(removed or not content for content, removed in zip(contents, gone, strict=True)):
        return ""
    kept: list[str] = []
    cut = False
    for index, (line, content) in enumerate(zip(lines, contents, strict=True)):
        if gone[index]:
            cut = True
            kept += _delimiter(line, index, len(lines), block_marks)
        elif content or not cut or (block_marks and index in (0, len(lines) - 1)):
            if content and cut:
                cut = False
            kept.append(line)
    return "".join(_without_blank_end(kept, block_marks) if cut else kept)


def _without_marks(lines: list[str], block_marks: tuple[str, str] | None) -> list[str]:
    if block_marks is None:
        return lines
    opening, closing = block_marks
    inner = [lines[0].replace(opening, "", 1), *lines[1:]]
    inner[-1] = inner[-1].rpartition(closing.strip())[0]
    return inner


def _delimiter(line: str, index: int, lines: int, block_marks: tuple[str, str] | None) -> list[str]:
    """Return what must stay of a removed line: a block's opening or closing mark."""
    if block_marks is None:
        return []
    opening, closing = block_marks
    end_of_line = line[len(line.rstrip("\r\n")) :]
    if index == 0:
        indentation = line[: len(line) - len(line.lstrip())]
        documentation = "*" if line.lstrip().startswith("/**") else ""
        return [indentation + opening + documentation + (end_of_line or "\n")]
    if index == lines - 1:
        return [(" " if opening == "/*" else "") + closing.strip() + end_of_line]
    return []


def _without_blank_end(kept: list[str], block_marks: tuple[str, str] | None) -> list[str]:
    """Return the lines without the bare comment marks that separated them from what was removed below."""
    last = len(kept) - 1 if block_marks else len(kept)
    first = last
    while first > 1 and len(kept[first - 1].strip()) <= 2 and not kept[first - 1].strip().isalnum():
        first -= 1
    return kept[:first] + kept[last:]


def _clean_tail(text: str, language: str) -> str:
    """Return the text without the editor lines that close it: Vim's modelines, Emacs' local variables.

    The comments that end a file can be inside no string: what opened it would have to be closed after them.
    """
    limit = max(0, len(text) - EDITOR_TAIL_CHARACTERS)
    if not has_boilerplate(text[limit:]):
        return text
    start = end = len(text)
    # A line such as "mode: c" speaks to an editor only under the words "Local Variables:".
    pending = False
    while (comment := _last_comment(text, start, limit, COMMENTS[language])) is not None:
        start, lines = comment
        kinds = [kind for line in lines if (kind := editor_kind(line)) is not EditorLine.BLANK]
        if not kinds or EditorLine.NONE in kinds:
            break
        pending = kinds[0] is EditorLine.VARIABLE or (pending and kinds[0] is not EditorLine.VARIABLES)
        if not pending:
            end = start
    rest = text[:end].rstrip()
    # A backslash there continues its line: into nothing, if what follows went.
    if end == len(text) or rest.endswith("\\"):
        return text
    return f"{rest}\n" if rest else ""


def _last_comment(text: str, end: int, limit: int, comments: Comments) -> tuple[int, list[str]] | None:
    """Return where the comment that closes `text[:end]` starts, and its lines; None if there is none after `limit`."""
    stripped = limit + len(text[limit:end].rstrip())
    start = text.rfind("\n", limit, stripped) + 1
    for opening, closing in comments.blocks:
        if text.endswith(closing, limit, stripped):
            opened = text.rfind(opening, limit, stripped - len(closing))
            start = text.rfind("\n", limit, opened) + 1
            whole = opened >= 0 and start > limit and not text[start:opened].strip()
            return (start, text[opened:stripped].splitlines()) if whole else None
    line = text[start:stripped].strip()
    if start > limit and comments.line and re.match(comments.line, line):
        return start, [line]
    return None


def _clean_as_published(text: str) -> str:
    start = text.find("/*")
    end = text.find("*/", start + 2) if start >= 0 else -1
    if end >= 0:
        says_copyright = _PUBLISHED_WORD.search(text, start, end + 2)
        return text[:start] + text[end + 2 :] if says_copyright else text
    code = _PUBLISHED_CODE.search(text)
    return text[code.start() :] if code else ""
