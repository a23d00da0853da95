r"""What a LaTeX source defines: definitions as data, and how a use's arguments are matched against them.

Reads `\newcommand` and its kin, `\def` with simple and delimited parameters, `\let`, `\DeclareMathOperator`,
`\DeclarePairedDelimiter` and `\newenvironment` out of text that `filters.latex.tokens.protect` has prepared. Nothing
is expanded here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from filters.latex.tokens import AT, WORD, group_end, words

# An argument longer than this is a missing brace, not an argument. In characters.
ARGUMENT_LIMIT = 500_000
DEFAULT_LIMIT = 2_000

# Commands that keep their standard meaning: to expand a house style's redefinition of a heading would lose the heading.
STRUCTURE = words(
    r"""part chapter section subsection subsubsection paragraph subparagraph begin end document enddocument
    documentclass documentstyle usepackage addcontentsline tableofcontents thanks footnotetext
    item label ref pageref cite citep citet footnote caption title author maketitle abstract
    bibliography bibliographystyle
    printbibliography bibitem appendix url href input include includegraphics textbf
    textit emph texttt textrm textsc textsf underline centering par left right frac sqrt sum int prod limits hbox mbox
    text mathrm mathbf mathcal mathbb mathit mathsf ensuremath operatorname verb fi else or iftrue iffalse relax
    newcommand renewcommand providecommand def let gdef edef newenvironment hskip vskip hspace vspace
    \ { } $ & # % _ ^ ( ) [ ] \\ - /"""
) | {" ", "\n"}
STRUCTURE_ENVIRONMENTS = words(
    """document abstract figure figure* table table* equation equation* align align* eqnarray eqnarray* itemize
    enumerate description quote quotation center tabular array thebibliography verbatim proof minipage"""
)

# What needs TeX itself: a body with one of these is left as it is, and reported.
_PROGRAMMING = re.compile(
    r"\\(?:expandafter|csname|noexpand|futurelet|catcode|lccode|uccode|mathcode|afterassignment|aftergroup|"
    r"advance|multiply|divide|count|dimen|skip|toks|newcount|newdimen|newskip|newtoks|newread|newwrite|setbox|newbox|"
    r"ifx|ifdim|ifcase|ifcat|ifodd|ifvoid|ifhmode|ifvmode|ifinner|ifthenelse|ifstrempty|ifblank|ifstrequal|whiledo|loop|"
    r"foreach|romannumeral|number|string|meaning|detokenize|unexpanded|scantokens|everypar|output|uppercase|lowercase|"
    r"read|write|openin|openout|closeout|immediate|special|batchmode|@for|@whilenum|ExplSyntaxOn|IfValueTF|IfNoValueTF|"
    r"IfBooleanTF|verbatim|obeylines|obeyspaces|afterpage|pgfmathparse|pgfmathsetmacro|the)(?![A-Za-z\x01])"
)
_KNOWN_INTERNALS = frozenset(f"{AT}{name}" for name in ("ifstar", "ifnextchar", "firstofone", "gobble"))
_INTERNAL = re.compile(rf"\\({WORD})")
_PARAMETER = re.compile(r"#(#|[1-9])")
_SPACE = re.compile(r"[ \t]*+(?:\n(?![ \t]*+\n)[ \t]*+)?")
_TOKEN = re.compile(rf"\\{WORD}[ \t]*|\\[^\x00]|\x00\d+\x00|[^{{}}\x00]", re.DOTALL)
_NAME = re.compile(rf"\s*(?:\{{\s*\\({WORD}|[^A-Za-z\x00])\s*\}}|\\({WORD}|[^A-Za-z\x00]))", re.DOTALL)
_STAR = re.compile(r"\s*\*?")
_COUNT = re.compile(r"\s*\[\s*(\d)\s*\]")
_ENVIRONMENT = re.compile(r"\*?\s*\{\s*([^{}\\\n]+?)\s*\}")
_OPENS = re.compile(r"\s*\[")
_BODY = re.compile(r"\s*")
_DEF = re.compile(rf"\s*\\({WORD}|[^A-Za-z\x00])([^{{}}\n]{{0,200}}(?:\n[^{{}}\n]{{0,200}})?)(?=\{{)", re.DOTALL)
_LET = re.compile(rf"\s*\\({WORD}|[^A-Za-z\x00])[ \t]*=?[ ]?(\\(?:{WORD}|[^A-Za-z\x00])|[^\s{{}}\\\x00])", re.DOTALL)
_KEEPS_SPACE = re.compile(r"(?:\\[A-Za-z]+|\\(?:begin|end)\{[^{}]*\}|\\\\)\s*\Z")
_PUNCTUATED = re.compile(r"\\.|[\[\]{}]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Macro:
    """One definition.

    `delimiters[0]` is what stands before the first parameter, `delimiters[i]` what ends parameter i ("" for an
    undelimited one). `default` is the value of an optional first argument. An alias is written out as it stands, never
    expanded again; an opaque macro needs TeX itself and is never expanded.
    """

    name: str
    body: str = ""
    delimiters: tuple[str, ...] = ("",)
    default: str | None = None
    alias: bool = False
    opaque: bool = False
    long: bool = True
    parts: tuple[str | int, ...] = field(default=(), repr=False)
    internals: tuple[str, ...] = field(default=(), repr=False)
    keeps_space: bool = False

    @property
    def parameters(self) -> int:
        """Return the number of arguments, an optional one included."""
        return len(self.delimiters) - 1


@dataclass(frozen=True, slots=True)
class Environment:
    """A user's environment: what stands for its begin (with arguments) and for its end."""

    begin: Macro
    end: Macro


class Incomplete(Exception):  # noqa: N818 - a signal, not an error: more text is needed
    """The text ends inside an argument."""


def make(
    name: str, body: str, delimiters: tuple[str, ...] = ("",), default: str | None = None, *, long: bool = True
) -> Macro:
    """Return the macro with its body split at the parameters and the marks that expansion needs."""
    found = (match[1] for match in _INTERNAL.finditer(body))
    return Macro(
        name=name,
        body=body,
        delimiters=delimiters,
        default=default,
        opaque=bool(_PROGRAMMING.search(body)),
        long=long,
        parts=_split(body),
        internals=tuple({word for word in found if AT in word and word not in _KNOWN_INTERNALS}),
        keeps_space=len(delimiters) == 1 and bool(_KEEPS_SPACE.search(body[-80:])),
    )


def alias(name: str, target: str) -> Macro:
    """Return the macro that stands for another command's standard meaning, or for a character."""
    return Macro(name=name, body=target, alias=True, parts=(target,), keeps_space=target[-1:].isalpha())


def skip_space(text: str, position: int) -> int:
    """Return where the blanks end, of which at most one is a newline: an empty line is a paragraph, not a blank."""
    match = _SPACE.match(text, position)
    return match.end() if match else position


def read_new(text: str, position: int) -> tuple[Macro, int] | None:
    r"""Read what follows `\newcommand` (and its kin): star, name, [count], [default], body."""
    star = _STAR.match(text, position)
    name = _NAME.match(text, star.end() if star else position)
    if name is None:
        return None
    signature = _signature(text, name.end())
    body = signature and read_body(text, signature[2])
    if not signature or not body:
        return None
    count, default, _ = signature
    return make(name[1] or name[2], body[0], ("",) * (count + 1), default), body[1]


def read_def(text: str, position: int, *, long: bool = False) -> tuple[Macro, int] | None:
    r"""Read what follows `\def`: name, parameter text, body."""
    head = _DEF.match(text, position)
    if head is None:
        return None
    end = group_end(text, head.end(), head.end() + ARGUMENT_LIMIT)
    delimiters = _delimiters(head[2])
    if end < 0 or delimiters is None:
        return None
    return make(head[1], text[head.end() + 1 : end - 1], delimiters, long=long), end


def read_let(text: str, position: int) -> tuple[str, str, int] | None:
    r"""Read what follows `\let`: the new name and the target, a command with its backslash or a character."""
    match = _LET.match(text, position)
    return (match[1], match[2], match.end()) if match else None


def read_operator(text: str, position: int) -> tuple[Macro, int] | None:
    r"""Read what follows `\DeclareMathOperator`: an operator is `\operatorname` of its text."""
    starred = text.startswith("*", position)
    name = _NAME.match(text, position + starred)
    body = name and read_body(text, name.end())
    if not name or not body:
        return None
    command = "\\operatorname*" if starred else "\\operatorname"
    # What follows an operator may keep its blank: math mode has none.
    return replace(make(name[1] or name[2], f"{command}{{{body[0]}}}"), keeps_space=True), body[1]


def read_paired(text: str, position: int) -> tuple[tuple[Macro, Macro], int] | None:
    r"""Read what follows `\DeclarePairedDelimiter`: the macro and its starred form, which stretches."""
    name = _NAME.match(text, position)
    left = name and read_body(text, name.end())
    right = left and read_body(text, left[1])
    if not name or not left or not right:
        return None
    word = name[1] or name[2]
    plain = make(word, f"{left[0]} #1 {right[0]}", ("", ""))
    return (plain, make(f"{word}*", f"\\left{left[0]} #1 \\right{right[0]}", ("", ""))), right[1]


def read_environment(text: str, position: int) -> tuple[str, Environment, int] | None:
    r"""Read what follows `\newenvironment`: name, [count], [default], begin, end."""
    name = _ENVIRONMENT.match(text, position)
    signature = name and _signature(text, name.end())
    begin = signature and read_body(text, signature[2])
    end = begin and read_body(text, begin[1])
    if not name or not signature or not begin or not end:
        return None
    count, default, _ = signature
    return (
        name[1],
        Environment(make(name[1], begin[0], ("",) * (count + 1), default), make(f"end{name[1]}", end[0])),
        end[1],
    )


def match_arguments(macro: Macro, text: str, position: int, *, final: bool = True) -> tuple[list[str], int] | None:
    """Return the arguments of a use and where they end, or None if the text does not fit.

    Raises `Incomplete` if the text ends first; a missing optional argument is none if the text is `final`.
    """
    if macro.name[-1].isalpha() and any(delimiter not in {"", " "} for delimiter in macro.delimiters[:2]):
        position = skip_space(text, position)
    if macro.delimiters[0]:
        position = _expect(text, position, macro.delimiters[0])
        if position < 0:
            return None
    arguments: list[str] = []
    for index, delimiter in enumerate(macro.delimiters[1:]):
        if index == 0 and macro.default is not None:
            argument, position = _optional(text, position, macro.default, final=final)
        elif delimiter:
            found = _delimited(text, position, delimiter, macro.long)
            if found is None:
                return None
            argument, position = found
        else:
            found = _undelimited(text, position)
            if found is None:
                return None
            argument, position = found
        arguments.append(argument)
    return arguments, position


def substitute(macro: Macro, arguments: list[str], limit: int) -> str:
    """Return the body with the arguments in place, a blank between a command and a letter that would lengthen it.

    A body of many parameters and a long argument would give their product: what is longer than `limit` characters is
    cut somewhere beyond that.
    """
    if not arguments:
        return macro.body if len(macro.parts) < 2 else "".join(str(part) for part in macro.parts)
    pieces: list[str] = []
    size = 0
    for part in macro.parts:
        if size > limit:
            break
        piece = part if isinstance(part, str) else arguments[part - 1] if part <= len(arguments) else ""
        if piece and pieces and piece[0].isalpha() and ends_with_word(pieces[-1]):
            pieces.append(" ")
        if piece:
            pieces.append(piece)
            size += len(piece)
    return "".join(pieces)


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


def _split(body: str) -> tuple[str | int, ...]:
    parts: list[str | int] = []
    position = 0
    for match in _PARAMETER.finditer(body):
        parts.append(body[position : match.start()])
        parts.append("#" if match[1] == "#" else int(match[1]))
        position = match.end()
    parts.append(body[position:])
    return tuple(part for part in parts if part != "")


def _signature(text: str, position: int) -> tuple[int, str | None, int] | None:
    count = _COUNT.match(text, position)
    if count is None:
        return 0, None, position
    position = count.end()
    opens = _OPENS.match(text, position)
    if opens is None:
        return int(count[1]), None, position
    try:
        default, position = _optional(text, opens.end() - 1, "", limit=DEFAULT_LIMIT)
    except Incomplete:
        return None
    return int(count[1]), default, position


def read_body(text: str, position: int) -> tuple[str, int] | None:
    """Read a body or another argument of a definition: a group, whose braces go, or one token."""
    blank = _BODY.match(text, position)
    start = blank.end() if blank else position
    if text.startswith("{", start):
        end = group_end(text, start, start + ARGUMENT_LIMIT)
        return (text[start + 1 : end - 1], end) if end > 0 else None
    token = _TOKEN.match(text, start)
    return (token[0].rstrip(" \t"), token.end()) if token else None


def _delimiters(parameters: str) -> tuple[str, ...] | None:
    pieces = re.split(r"#([1-9])", parameters)
    if "#" in "".join(pieces[::2]) or [int(digit) for digit in pieces[1::2]] != list(range(1, len(pieces) // 2 + 1)):
        return None
    return tuple(re.sub(r"\s+", " ", piece) for piece in pieces[::2])


def _expect(text: str, position: int, delimiter: str) -> int:
    start = skip_space(text, position) if delimiter[0].isalpha() or delimiter == " " else position
    if delimiter == " ":
        return start
    if len(text) - start < len(delimiter) and delimiter.startswith(text[start:]):
        raise Incomplete
    return start + len(delimiter) if text.startswith(delimiter, start) else -1


def _undelimited(text: str, position: int) -> tuple[str, int] | None:
    start = skip_space(text, position)
    if start >= len(text):
        raise Incomplete
    if text[start] == "{":
        end = group_end(text, start, start + ARGUMENT_LIMIT)
        if end < 0:
            raise Incomplete
        return text[start + 1 : end - 1], end
    token = _TOKEN.match(text, start)
    return (token[0].rstrip(" \t") or token[0], token.end()) if token and token[0] != "\n" else None


def _optional(
    text: str, position: int, default: str, *, final: bool = True, limit: int = ARGUMENT_LIMIT
) -> tuple[str, int]:
    start = skip_space(text, position)
    if start >= len(text) and not final:
        raise Incomplete
    if not text.startswith("[", start):
        return default, position
    depth = 0
    for match in _PUNCTUATED.finditer(text, start + 1, min(len(text), start + limit)):
        mark = match[0]
        if mark == "{":
            depth += 1
        elif mark == "}":
            depth -= 1
            if depth < 0:
                return default, position
        elif mark == "]" and depth == 0:
            return text[start + 1 : match.start()], match.end()
    raise Incomplete


def _delimited(text: str, position: int, delimiter: str, long: bool) -> tuple[str, int] | None:
    """Find the delimiter outside of groups; an argument that is one group loses its braces, as in TeX."""
    blank = r"\s+" if delimiter == " " else re.escape(delimiter).replace(r"\ ", r"\s+")
    ahead = r"(?![A-Za-z\x01])" if ends_with_word(delimiter) else ""
    pattern = re.compile(rf"(?P<found>{blank}){ahead}|(?P<paragraph>\n[ \t]*\n)|\\.|[{{}}]", re.DOTALL)
    depth = 0
    for match in pattern.finditer(text, position, min(len(text), position + ARGUMENT_LIMIT)):
        if match["found"]:
            if depth == 0:
                argument = text[position : match.start()]
                whole = argument.startswith("{") and group_end(argument, 0) == len(argument)
                return (argument[1:-1] if whole else argument), match.end()
        elif match["paragraph"]:
            if not long:
                return None
        elif match[0] == "{":
            depth += 1
        elif match[0] == "}":
            depth -= 1
            if depth < 0:
                return None
    raise Incomplete
