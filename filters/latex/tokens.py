r"""The lexical layer of LaTeX: comments out, verbatim text out of harm's way.

    source -> `protect` -> no comments, a placeholder for each verbatim span -> (macros, cuts) -> `restore` -> text

One compiled expression finds the few places where the percent sign or the backslash may change their meaning: escapes,
`\verb`, addresses, verbatim and comment environments. All else is never looked at one character at a time. What is
searched for and missing (the end of an environment) is remembered, so that hostile input costs linear time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import lru_cache

# A character that stands for "@ as a letter", so that later steps need not know where \makeatletter held.
AT = "\x01"
WORD = r"[A-Za-z\x01]+"
PLACEHOLDER = re.compile(r"\x00(\d+)\x00")


def words(text: str) -> frozenset[str]:
    """Return the words of a list written as text."""
    return frozenset(text.split())


VERBATIM = words(
    """verbatim verbatim* Verbatim Verbatim* BVerbatim LVerbatim SaveVerbatim lstlisting minted
    program pyverbatim spverbatim sageblock pycode tcblisting asy filecontents filecontents*"""
)
# Verbatim but for commands, which mean what they mean everywhere.
ACTIVE = frozenset({"alltt", "alltt*", "semiverbatim"})
# filecontents writes files: its content is another file's, never the paper's.
OMITTED = frozenset({"comment", "filecontents", "filecontents*"})

# TeX has no limits here; these only bound the look-ahead for an end that is missing. In characters.
VERB_LIMIT = 2_000
ADDRESS_LIMIT = 4_000
LINE_LOOKBACK = 500
# Most groups end this near; for longer ones the whole text is matched once.
NEAR = 200
DEFINITION_LIMIT = 20_000

_REPLACED = {"\x00": "", "\x01": "", "\ufeff": "", "\f": "\n\n"}
_DECLARATION = re.compile(
    r"""\\(?: (?:lstnewenvironment|newverbatim|DefineVerbatimEnvironment|newtcblisting|DeclareTCBListing)
            \s*(?:\[[^\]\n]*\])?\s*\{(?P<keep>[^{}\n]+)\}
            (?P<commands>\{\w+\}\s*\{[^\n]{0,500}?commandchars)?
      | newminted (?:\[(?P<code>[^\]\n]+)\])? \{(?P<language>[^{}\n]+)\}
      | excludecomment\s*\{(?P<omit>[^{}\n]+)\}
      | (?:includecomment|(?:re)?newenvironment\*?|NewEnviron)\s*\{(?P<include>[^{}\n]+)\}
            (?: (?:\s*\[[^\]\n]{0,500}\]){0,2} \s*\{[^\\}]{0,99}
                \\(?:(?:begin\s*\{)?(?P<like>comment|alltt)|(?P<raw>[vV]erbatim)) )?
      | (?:MakeShortVerb|DefineShortVerb|lstMakeShortInline)\*?\s*(?:\[[^\]\n]*\])?\s*\{?\\(?P<short>[^A-Za-z\s\\])
    )""",
    re.VERBOSE,
)
# Its "listing" is verbatim, that of other packages is a float around the code.
MOREVERB = ("listing", "listing*", "listingcont", "verbatimtab", "boxedverbatim")
_MOREVERB = re.compile(r"^[^%\n]{0,500}\{[^{}\n]{0,500}moreverb", re.MULTILINE)
# A cheap look for the words of which a declaration has one.
_DECLARES = re.compile(
    r"\\(?:lstnew|newverb|DefineV|newtcb|DeclareTCB|newminted|excludec|includec|(?:re)?newenv|NewEnv|[MDl][a-z]+Short)"
)
# Commands that define, and how many groups follow the name; of TeX's own the first group is the body.
_BODIES = {
    **dict.fromkeys(("def", "gdef", "edef", "xdef"), 0),
    **dict.fromkeys(("newcommand", "renewcommand", "providecommand", "DeclareRobustCommand", "newcommandx"), 1),
    **dict.fromkeys(("renewcommandx", "newrobustcmd", "renewrobustcmd", "NewEnviron", "RenewEnviron"), 1),
    **dict.fromkeys(("newenvironment", "renewenvironment", "newenvironmentx", "provideenvironment"), 2),
    **{f"{verb}DocumentCommand": 2 for verb in ("New", "Renew", "Provide", "Declare")},
    **{f"{verb}DocumentEnvironment": 3 for verb in ("New", "Renew", "Provide", "Declare")},
}
_DEFINED = re.compile(r"\s*(?:\{[^{}\n]*\}|\\(?:[A-Za-z@]+|.))")
_TO_BODY = re.compile(r"(?:\s|%[^\n]{0,500}\n|\[[^\]\n]{0,500}\]){0,500}\{")
_COMMANDS = re.compile(r"[ \t]*\[[^\]\n]{0,500}commandchars")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_BLANK = re.compile(r"[ \t]*")
_AFTER_COMMENT = re.compile(r"\n[ \t]*(?=[^ \t\n])")
_ENDS_WITH_COMMAND = re.compile(r"(?:\\(?:[A-Za-z@]+\*?|\\|(?:begin|end)\{[^{}]*\}))$")
_AT_REGION = re.compile(r"\\(makeatletter|makeatother)(?![A-Za-z@])")
_AT_WORD = re.compile(r"\\[A-Za-z@]*@[A-Za-z@]*")
# Between these, or to a file's end, LaTeX3's programs stand: "_" and ":" are letters, blanks nothing, "~" is a blank.
_EXPL3_REGION = re.compile(
    r"\\(?:ExplSyntaxOn|ProvidesExpl(?:Package|Class))(?![A-Za-z])(?P<program>.*?)(?:\\ExplSyntaxOff(?![A-Za-z])|(?=\\begin\s*\{document\})|\Z)",
    re.DOTALL,
)
_EXPL3 = re.compile(r"\\(?:(?P<name>[A-Za-z@\x01_:]+)(?P<blank>\s+(?=[A-Za-z]))?|.)|(?P<tilde>~)|\s+", re.DOTALL)


class Kind(Enum):
    """What a span of the source is: a comment, text to leave out, or text to keep as it is."""

    COMMENT = auto()
    OMIT = auto()
    KEEP = auto()


@dataclass(frozen=True, slots=True)
class Environments:
    """The environments and characters that change how a project's sources are read."""

    keep: frozenset[str] = VERBATIM
    active: frozenset[str] = ACTIVE
    omit: frozenset[str] = OMITTED
    short: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Protected:
    """A source without comments; `kept[i]` is the verbatim text that placeholder i stands for."""

    text: str
    kept: tuple[str, ...] = field(default=())


def normalize(source: str) -> str:
    """Return the source with LF line ends, without NUL and the characters this package uses as marks."""
    if "\r" in source:
        source = source.replace("\r\n", "\n").replace("\r", "\n")
    for character, right in _REPLACED.items():
        if character in source:
            source = source.replace(character, right)
    return source


def environments(source: str) -> Environments:
    """Return the verbatim and comment environments, with those that the source itself declares."""
    keep, active, omit, short = set(VERBATIM), set(ACTIVE), set(OMITTED), set[str]()
    for found in _DECLARES.finditer(source):
        match = _DECLARATION.match(source, found.start())
        if match is None or _is_commented(source, match.start()):
            continue
        if name := match["keep"] or match["code"]:
            (active if match["commands"] else keep).add(name)
        elif name := match["language"]:
            keep.add(f"{name}code")
        elif name := match["omit"]:
            omit.add(name)
        elif name := match["include"]:
            omit.discard(name)
            kind = omit if match["like"] == "comment" else active if match["like"] else keep
            kind.update({name} if match["like"] or match["raw"] else ())
        else:
            short.add(match["short"])
    if "moreverb" in source and _MOREVERB.search(source):
        keep.update(MOREVERB)
    return Environments(frozenset(keep), frozenset(active - keep), frozenset(omit), frozenset(short))


def spans(text: str, names: Environments) -> Iterator[tuple[Kind, int, int]]:
    """Yield (kind, start, end) of each comment and verbatim span, in order and without overlap.

    A comment ends before its newline; an environment is a span with its begin and end.
    """
    pattern = _scanner(names)
    missing: set[str] = set()
    position, definition_end = 0, -1
    while match := pattern.search(text, position):
        kind, position = Kind.KEEP, match.end()
        if match["definition"]:
            definition_end = max(definition_end, _definition_end(text, position, match["definition"]))
            continue
        if match["comment"]:
            kind, end = Kind.COMMENT, _line_end(text, match.start())
        elif match["address"]:
            end = _address_end(text, position)
        elif match.start() < definition_end:
            continue  # what is being defined is not verbatim yet
        elif environment := match["environment"]:
            end = _environment_end(text, position, environment, missing)
            if end > 0 and (environment in names.active or _COMMANDS.match(text, position)):
                yield from _percents(text, match.start(), end)
                position, end = max(position, end), -1
            kind = Kind.OMIT if environment in names.omit else Kind.KEEP
        elif match["verb"]:
            end = _verb_end(text, position)
        elif match["inline"]:
            end = _inline_end(text, position, match["inline"])
        elif match["short"]:
            end = _delimited_end(text, position, match["short"])
        else:
            continue
        if end > 0:
            yield kind, match.start(), end
            position = end


def protect(source: str, names: Environments | None = None) -> Protected:
    """Return the normalized source without comments and with placeholders for verbatim text.

    A comment takes its newline and the next line's indentation with it, as in TeX; the newline stays where TeX would
    skip it anyway (after a command), where a paragraph ends, and a line of nothing but a comment goes as a whole.
    """
    text = normalize(source)
    pieces: list[str] = []
    kept: list[str] = []
    position = 0
    for kind, start, end in spans(text, names or environments(text)):
        if start < position:
            continue
        pieces.append(text[position:start])
        position = end
        if kind is Kind.KEEP:
            pieces.append(f"\x00{len(kept)}\x00")
            kept.append(text[start:end])
        elif kind is Kind.COMMENT:
            position = _comment_end(text, start, end)
        elif text.startswith("\n", end) and _starts_line(text, start):
            position = end + 1
    pieces.append(text[position:])
    return Protected(ordinary(letters_at("".join(pieces))), tuple(kept))


def restore(text: str, kept: tuple[str, ...], limit: int) -> str:
    """Return the text with its placeholders filled in again; what would make it longer than `limit` is left out."""
    size = len(text)

    def fill(match: re.Match[str]) -> str:
        nonlocal size
        content = kept[int(match[1])]
        size += len(content)
        return content if size <= limit else ""

    return PLACEHOLDER.sub(fill, text).replace(AT, "@")


def letters_at(text: str) -> str:
    r"""Return the text with "@" inside command names between \makeatletter and \makeatother as a letter of its own."""
    if "\\makeatletter" not in text:
        return text
    pieces: list[str] = []
    position, letter = 0, False
    for match in _AT_REGION.finditer(text):
        pieces.append(_as_letters(text[position : match.start()], letter))
        position, letter = match.end(), match[1] == "makeatletter"
    pieces.append(_as_letters(text[position:], letter))
    return "".join(pieces)


def ordinary(text: str) -> str:
    r"""Return the text with LaTeX3's programs (`\ExplSyntaxOn`) as others are written: names coded, blanks gone."""
    if "Expl" not in text:
        return text
    return _EXPL3_REGION.sub(lambda match: _EXPL3.sub(_ordinary, match["program"]), text)


def coded(name: str) -> str:
    r"""Return how a name of LaTeX3's is written where "_" and ":" are no letters."""
    return name.replace("_", AT).replace(":", AT + AT).replace("@", AT)


def _ordinary(match: re.Match[str]) -> str:
    if match["name"]:
        return f"\\{coded(match['name'])}{' ' if match['blank'] else ''}"
    if match["tilde"]:
        return " "
    return match[0] if match[0].startswith("\\") else ""


def group_end(text: str, start: int, limit: int | None = None) -> int:
    r"""Return where the group that opens at `start` ends (after its brace), or -1; `\{` and `\}` do not count.

    A group that ends after `limit` (a position) counts as open. Any number of calls on one text take linear time.
    """
    depth = 0
    for match in _BRACE.finditer(text, start, min(len(text), start + NEAR)):
        brace = match[0]
        if brace == "{":
            depth += 1
        elif brace == "}":
            depth -= 1
            if depth <= 0:
                return match.end()
    end = _groups(text).get(start, -1) if len(text) > start + NEAR else -1
    return end if limit is None or end <= limit else -1


def ends_with_word(text: str) -> bool:
    r"""Return whether the text ends with a command whose name a letter would lengthen (`\alpha`, not `\\alpha`)."""
    tail = text[-64:]
    if not tail or not (tail[-1].isalpha() or tail[-1] == AT):
        return False
    start = tail.rfind("\\")
    if start < 0 or not re.fullmatch(WORD, tail[start + 1 :]):
        return False
    escapes = len(tail[: start + 1]) - len(tail[: start + 1].rstrip("\\"))
    return escapes % 2 == 1


@lru_cache(maxsize=4)
def _groups(text: str) -> dict[int, int]:
    """Return where each group of a text ends, by where it opens."""
    ends: dict[int, int] = {}
    opened: list[int] = []
    for match in _BRACE.finditer(text):
        brace = match[0]
        if brace == "{":
            opened.append(match.start())
        elif brace == "}" and opened:
            ends[opened.pop()] = match.end()
    return ends


@lru_cache(maxsize=256)
def _scanner(names: Environments) -> re.Pattern[str]:
    listed = "|".join(re.escape(name) for name in sorted(names.keep | names.active | names.omit))
    short = f"|(?P<short>[{re.escape(''.join(sorted(names.short)))}])" if names.short else "|(?P<short>(?!))"
    return re.compile(
        r"(?P<comment>%)"
        rf"|\\begin[ \t]*\{{(?P<environment>{listed})\}}"
        rf"|\\(?P<definition>{'|'.join(_BODIES)})(?![A-Za-z@])\*?"
        r"|\\(?P<verb>[vV]erb)(?![A-Za-z@])\*?"
        r"|\\(?P<inline>lstinline|mintinline)(?![A-Za-z@])"
        r"|\\(?P<address>url|href|path|nolinkurl)\*?[ \t]*(?=[{|])"
        r"|\\[^A-Za-z]" + short,
        re.DOTALL,
    )


def _is_commented(text: str, position: int) -> bool:
    start = max(text.rfind("\n", 0, position), position - LINE_LOOKBACK, 0)
    return "%" in text[start:position].replace("\\%", "")


def _line_end(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end


def _environment_end(text: str, position: int, name: str, missing: set[str]) -> int:
    if name in missing:
        return -1
    closing = f"\\end{{{name}}}"
    end = text.find(closing, position)
    if end < 0:
        missing.add(name)
        return -1
    return end + len(closing)


def _percents(text: str, start: int, end: int) -> Iterator[tuple[Kind, int, int]]:
    """Yield each percent sign of a span in which it is no comment."""
    while (start := text.find("%", start, end)) >= 0:
        yield Kind.KEEP, start, start + 1
        start += 1


def _definition_end(text: str, position: int, command: str) -> int:
    """Return where the last body of a definition ends, or -1."""
    if _BODIES[command] == 0:
        brace = text.find("{", position, position + NEAR)
        return group_end(text, brace, brace + DEFINITION_LIMIT) if brace > 0 else -1
    name = _DEFINED.match(text, position)
    end = name.end() if name else -1
    for _ in range(_BODIES[command]):
        body = _TO_BODY.match(text, end) if end > 0 else None
        end = group_end(text, body.end() - 1, body.end() + DEFINITION_LIMIT) if body else -1
    return end


def _delimited_end(text: str, position: int, delimiter: str) -> int:
    end = text.find(delimiter, position, position + VERB_LIMIT)
    return -1 if end < 0 or "\n" in text[position:end] else end + 1


def _verb_end(text: str, position: int) -> int:
    blank = _BLANK.match(text, position)
    position = blank.end() if blank else position
    return _delimited_end(text, position + 1, text[position]) if position < len(text) else -1


def _inline_end(text: str, position: int, command: str) -> int:
    if text.startswith("[", position):
        position = text.find("]", position, position + VERB_LIMIT) + 1
        if position == 0:
            return -1
    if text.startswith("{", position):
        end = group_end(text, position, position + VERB_LIMIT)
        if end < 0 or command == "lstinline":
            return end
        position = end
    return (
        group_end(text, position, position + VERB_LIMIT)
        if text.startswith("{", position)
        else _verb_end(text, position)
    )


def _address_end(text: str, position: int) -> int:
    """Return the end of an address with a literal percent sign in it, or -1 where nothing needs protection."""
    if text[position] == "|":
        return _delimited_end(text, position + 1, "|")
    end = group_end(text, position, position + ADDRESS_LIMIT)
    address = text[position:end] if end > 0 else ""
    # A percent sign before a line's end is the author's comment; "#1" is a macro's parameter.
    if "%" not in address or "%\n" in address or re.search(r"#\d\}", address):
        return -1
    return end


def _starts_line(text: str, position: int) -> bool:
    line = max(text.rfind("\n", 0, position) + 1, position - LINE_LOOKBACK)
    return not text[line:position].strip(" \t")


def _comment_end(text: str, start: int, end: int) -> int:
    if _starts_line(text, start):
        return end + 1
    before = text[max(0, start - 64) : start]
    backslash = before.rfind("\\")
    if backslash >= 0 and _ENDS_WITH_COMMAND.match(before, backslash):
        return end
    if backslash > 0 and before.endswith("\\\\"):
        return end
    after = _AFTER_COMMENT.match(text, end)
    return after.end() if after else end


def _as_letters(text: str, letter: bool) -> str:
    return _AT_WORD.sub(lambda match: match[0].replace("@", AT), text) if letter else text
