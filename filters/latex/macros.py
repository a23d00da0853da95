r"""What a LaTeX source defines: definitions as data, and how a use's arguments are matched against them.

Reads `\newcommand` and its kin, `\def` with simple and delimited parameters, `\let`, `\DeclareMathOperator`,
`\DeclarePairedDelimiter` and `\newenvironment` out of text that `filters.latex.tokens.protect` has prepared. Nothing
is expanded here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from filters.latex import arguments
from filters.latex.arguments import ARGUMENT_LIMIT, TOKEN, Argument, Incomplete
from filters.latex.tokens import AT, WORD, coded, ends_with_word, group_end, words

# A default longer than this is a missing bracket, in characters.
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
    r"\\(?:noexpand|catcode|lccode|uccode|mathcode|afterassignment|aftergroup|"
    r"advance|multiply|divide|count|dimen|skip|toks|newcount|newdimen|newskip|newtoks|newread|newwrite|setbox|newbox|"
    r"ifdim|ifcat|ifodd|ifvoid|ifhmode|ifvmode|ifinner|whiledo|loop|"
    r"romannumeral|number|string|meaning|detokenize|unexpanded|scantokens|everypar|output|uppercase|lowercase|"
    r"read|write|openin|openout|closeout|immediate|special|batchmode|@whilenum|"
    r"verbatim|obeylines|obeyspaces|afterpage|pgfmathparse|pgfmathsetmacro|the)(?![A-Za-z\x01])"
    r"|\\[A-Za-z]{1,40}(?:_[A-Za-z]{1,40}){1,9}:[nNVvxofpTFcewD]{0,9}\s?[{\\#]"
)
_KNOWN_INTERNALS = frozenset(
    f"{AT}{name}"
    for name in (
        *("ifstar", "ifnextchar", "ifundefined", "ifmtarg", "ifnotmtarg", "ifempty", "ifnotempty"),
        *("nameuse", "namedef", "for", "tfor", ""),
    )
)
# LaTeX's own, which macros are built of.
_BUILT_IN = {
    f"{AT}firstofone": (1, "#1"),
    f"{AT}gobble": (1, ""),
    f"{AT}gobbletwo": (2, ""),
    f"{AT}firstoftwo": (2, "#1"),
    f"{AT}secondoftwo": (2, "#2"),
    f"{AT}empty": (0, ""),
    "empty": (0, ""),
    **{coded(name): (0, "") for name in ("tl_use:N", "prg_do_nothing:", "exp_not:N", "c_empty_tl")},
    **{coded(name): (1, "#1") for name in ("use:n", "exp_not:n", "exp_not:V")},
    coded("use_none:n"): (1, ""),
    coded("use_i:nn"): (2, "#1"),
    coded("use_ii:nn"): (2, "#2"),
    coded("use:nn"): (2, "#1#2"),
    coded("c_space_tl"): (0, " "),
    coded("group_begin:"): (0, "\\begingroup "),
    coded("group_end:"): (0, "\\endgroup "),
}
_INTERNAL = re.compile(rf"(\\(?:futurelet|let|[gex]?def)[ ]*)?\\({WORD})")
_PARAMETER = re.compile(r"#(#|[1-9])")
_NAME = re.compile(rf"\s*(?:\{{\s*\\({WORD}|[^A-Za-z\x00])\s*\}}|\\({WORD}|[^A-Za-z\x00]))", re.DOTALL)
_STAR = re.compile(r"\s*\*?")
_COUNT = re.compile(r"\s*\[\s*(\d)\s*\]")
_ENVIRONMENT = re.compile(r"\*?\s*\{\s*([^{}\\\n]+?)\s*\}")
_DEFAULT_OF = re.compile(r"(?:^|,)\s*([1-9])\s*=\s*((?:\{[^{}]*\}|[^,{}])*)")
_OPENS = re.compile(r"\s*\[")
_BODY = re.compile(r"\s*")
_DEF = re.compile(rf"\s*\\({WORD}|[^A-Za-z\x00])([^{{}}\n]{{0,200}}(?:\n[^{{}}\n]{{0,200}})?)(?=\{{)", re.DOTALL)
_LET = re.compile(rf"\s*\\({WORD}|[^A-Za-z\x00])[ \t]*=?[ ]?(\\(?:{WORD}|[^A-Za-z\x00])|[^\s{{}}\\\x00])", re.DOTALL)
_KEEPS_SPACE = re.compile(r"(?:\\[A-Za-z]+|\\(?:begin|end)\{[^{}]*\}|\\\\)\s*\Z")


@dataclass(frozen=True, slots=True)
class Macro:
    """One definition.

    `delimiters[0]` is what stands before the first parameter, `delimiters[i]` what ends parameter i ("" for an
    undelimited one). `default` is the value of an optional first argument. A macro with a `signature` has the arguments
    that it lists instead. An alias is written out as it stands, never expanded again; an opaque macro needs TeX itself
    and is never expanded.
    """

    name: str
    body: str = ""
    delimiters: tuple[str, ...] = ("",)
    default: str | None = None
    signature: tuple[Argument, ...] | None = None
    alias: bool = False
    opaque: bool = False
    long: bool = True
    parts: tuple[str | int, ...] = field(default=(), repr=False)
    internals: tuple[str, ...] = field(default=(), repr=False)
    keeps_space: bool = False

    @property
    def parameters(self) -> int:
        """Return the number of arguments, optional ones included."""
        return len(self.delimiters) - 1 if self.signature is None else len(self.signature)

    @property
    def stands_alone(self) -> bool:
        """Tell whether nothing after its name belongs to a use."""
        return not self.parameters and not self.delimiters[0]


@dataclass(frozen=True, slots=True)
class Environment:
    """A user's environment: what stands for its begin (with arguments) and for its end."""

    begin: Macro
    end: Macro


def make(
    name: str,
    body: str,
    delimiters: tuple[str, ...] = ("",),
    default: str | None = None,
    *,
    long: bool = True,
    signature: tuple[Argument, ...] | None = None,
) -> Macro:
    """Return the macro with its body split at the parameters and the marks that expansion needs."""
    # What a body sets itself need not be known before.
    found = (match[2] for match in _INTERNAL.finditer(body) if not match[1]) if AT in body else ()
    return Macro(
        name=name,
        body=body,
        delimiters=delimiters,
        default=default,
        signature=signature or None,
        opaque=bool(_PROGRAMMING.search(body)),
        long=long,
        parts=_split(body),
        internals=tuple({word for word in found if AT in word and word not in _KNOWN_INTERNALS}),
        keeps_space=len(delimiters) == 1 and not signature and bool(_KEEPS_SPACE.search(body[-80:])),
    )


def alias(name: str, target: str) -> Macro:
    """Return the macro that stands for another command's standard meaning, or for a character."""
    return Macro(name=name, body=target, alias=True, parts=(target,), keeps_space=target[-1:].isalpha())


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


def read_new_x(text: str, position: int) -> tuple[Macro, int] | None:
    r"""Read what follows xargs' `\newcommandx`: name, [count], [which arguments are optional, with defaults], body."""
    star = _STAR.match(text, position)
    name = _NAME.match(text, star.end() if star else position)
    signature = name and _signature_x(text, name.end())
    body = signature and read_body(text, signature[1])
    if not name or not signature or not body:
        return None
    return make(name[1] or name[2], body[0], signature=signature[0]), body[1]


def _signature_x(text: str, position: int) -> tuple[tuple[Argument, ...], int] | None:
    found = _signature(text, position)
    if found is None:
        return None
    count, listed, end = found
    defaults = {int(match[1]): match[2].strip() for match in _DEFAULT_OF.finditer(listed or "")}
    return tuple(
        arguments.optional(defaults[index].removeprefix("{").removesuffix("}"))
        if index in defaults
        else arguments.MANDATORY
        for index in range(1, count + 1)
    ), end


def read_document_command(text: str, position: int) -> tuple[Macro, int] | None:
    r"""Read what follows `\NewDocumentCommand`: name, specification, body."""
    name = _NAME.match(text, position)
    specification = name and read_body(text, name.end())
    body = specification and read_body(text, specification[1])
    if not name or not specification or not body:
        return None
    return _specified(name[1] or name[2], body[0], specification[0]), body[1]


def _specified(name: str, body: str, specification: str) -> Macro:
    """Return the macro with the arguments that xparse's specification lists; opaque if it is not known."""
    signature = arguments.specification(specification)
    macro = make(name, body, signature=signature)
    return replace(macro, opaque=True) if signature is None else macro


def read_function(text: str, position: int) -> tuple[Macro, int] | None:
    r"""Read what follows LaTeX3's `\cs_new:Nn`: a name that says after its colon how many parameters it has, body."""
    name = _NAME.match(text, position)
    body = name and read_body(text, name.end())
    if not name or not body:
        return None
    word = name[1] or name[2]
    return make(word, body[0], ("",) * (len(word.rpartition(AT + AT)[2]) + 1)), body[1]


def read_variable(text: str, position: int) -> tuple[Macro, int] | None:
    r"""Read what follows LaTeX3's `\tl_new:N`: the name of an empty variable."""
    name = _NAME.match(text, position)
    return (make(name[1] or name[2], ""), name.end()) if name else None


def read_let(text: str, position: int) -> tuple[str, str, int] | None:
    r"""Read what follows `\let`: the new name and the target, a command with its backslash or a character."""
    match = _LET.match(text, position)
    if match is None:
        return None
    end = arguments.skip_space(text, match.end()) if match[2][-1].isalpha() and len(match[2]) > 1 else match.end()
    return match[1], match[2], end


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


def read_paired(text: str, position: int) -> tuple[Macro, int] | None:
    r"""Read what follows `\DeclarePairedDelimiter`: a star stretches the delimiters, an optional size enlarges them."""
    return _paired(text, position, ("left", "right"))


def read_paired_x(text: str, position: int) -> tuple[Macro, int] | None:
    r"""Read what follows `\DeclarePairedDelimiterX`, which has [count] and what stands between the delimiters."""
    return _paired(text, position, ("left", "right", "body"))


def read_paired_xpp(text: str, position: int) -> tuple[Macro, int] | None:
    r"""Read what follows `\DeclarePairedDelimiterXPP`, which also says what stands before and after them."""
    return _paired(text, position, ("before", "left", "right", "after", "body"))


def _paired(text: str, position: int, groups: tuple[str, ...]) -> tuple[Macro, int] | None:
    name = _NAME.match(text, position)
    count = _COUNT.match(text, name.end()) if name else None
    position = count.end() if count else name.end() if name else position
    found: dict[str, str] = {"before": "", "after": "", "body": "#1"}
    for group in groups:
        body = read_body(text, position) if name else None
        if body is None:
            return None
        found[group], position = body
    assert name is not None, "without a name there is no body"
    plain, stretched = _sides(found, "#2", "#2"), _sides(found, "\\left", "\\right")
    if "body" in groups:
        # What stands between them may ask for the size.
        plain, stretched = f"\\def\\delimsize{{#2}}{plain}", f"\\def\\delimsize{{\\middle}}{stretched}"
    signature = (arguments.STAR, arguments.optional(""), *[arguments.MANDATORY] * (int(count[1]) if count else 1))
    both = f"\\IfBooleanTF{{#1}}{{{stretched}}}{{{plain}}}"
    return make(name[1] or name[2], both, signature=signature), position


def _sides(found: Mapping[str, str], left: str, right: str) -> str:
    """Return a pair's replacement; the star and the size are parameters before the user's own."""
    moved = {
        part: _PARAMETER.sub(lambda match: f"#{int(match[1]) + 2}" if match[1] != "#" else "##", text)
        for part, text in found.items()
    }
    return f"{moved['before']}{left}{moved['left']} {moved['body']} {right}{moved['right']}{moved['after']}"


def read_environment(text: str, position: int) -> tuple[str, Environment, int] | None:
    r"""Read what follows `\newenvironment`: name, [count], [default], begin, end."""
    name = _ENVIRONMENT.match(text, position)
    signature = name and _signature(text, name.end())
    bodies = signature and _bodies(text, signature[2])
    if not name or not signature or not bodies:
        return None
    begin = make(name[1], bodies[0], ("",) * (signature[0] + 1), signature[1])
    return name[1], Environment(begin, make(f"end{name[1]}", bodies[1])), bodies[2]


def read_environment_x(text: str, position: int) -> tuple[str, Environment, int] | None:
    r"""Read what follows xargs' `\newenvironmentx`."""
    name = _ENVIRONMENT.match(text, position)
    signature = name and _signature_x(text, name.end())
    bodies = signature and _bodies(text, signature[1])
    if not name or not signature or not bodies:
        return None
    begin = make(name[1], bodies[0], signature=signature[0])
    return name[1], _environment(name[1], begin, bodies[1]), bodies[2]


def read_document_environment(text: str, position: int) -> tuple[str, Environment, int] | None:
    r"""Read what follows `\NewDocumentEnvironment`: name, specification, begin, end."""
    name = _ENVIRONMENT.match(text, position)
    specification = name and read_body(text, name.end())
    bodies = specification and _bodies(text, specification[1])
    if not name or not specification or not bodies:
        return None
    begin = _specified(name[1], bodies[0], specification[0])
    return name[1], _environment(name[1], begin, bodies[1]), bodies[2]


def _environment(name: str, begin: Macro, end: str) -> Environment:
    """Return an environment; one whose end has arguments as well is opaque."""
    return Environment(replace(begin, opaque=begin.opaque or bool(_PARAMETER.search(end))), make(f"end{name}", end))


def _bodies(text: str, position: int) -> tuple[str, str, int] | None:
    begin = read_body(text, position)
    end = begin and read_body(text, begin[1])
    return (begin[0], end[0], end[1]) if begin and end else None


def match_arguments(macro: Macro, text: str, position: int, *, final: bool = True) -> tuple[list[str], int] | None:
    """Return the arguments of a use and where they end, or None if the text does not fit.

    Raises `Incomplete` if the text ends first; a missing optional argument is none if the text is `final`.
    """
    if macro.signature is not None:
        return _match_signature(macro.signature, text, position, final=final)
    if macro.name[-1].isalpha() and any(delimiter not in {"", " "} for delimiter in macro.delimiters[:2]):
        position = arguments.skip_space(text, position)
    if macro.delimiters[0]:
        position = arguments.expect(text, position, macro.delimiters[0])
        if position < 0:
            return None
    found: list[str] = []
    argument: tuple[str, int] | None
    for index, delimiter in enumerate(macro.delimiters[1:]):
        if index == 0 and macro.default is not None:
            argument = arguments.in_brackets(text, position, arguments.optional(macro.default), final=final)
        elif delimiter:
            argument = arguments.delimited(text, position, delimiter, macro.long)
        else:
            argument = arguments.undelimited(text, position)
        if argument is None:
            return None
        position = argument[1]
        found.append(argument[0])
    return found, position


def _match_signature(
    signature: tuple[Argument, ...], text: str, position: int, *, final: bool
) -> tuple[list[str], int] | None:
    found: list[str] = []
    for each in signature:
        argument = arguments.take(each, text, position, final=final)
        if argument is None:
            return None
        found.append(argument[0])
        position = argument[1]
    return found, position


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
        default, position = arguments.in_brackets(text, opens.end() - 1, arguments.optional(""), limit=DEFAULT_LIMIT)
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
    token = TOKEN.match(text, start)
    return (token[0].rstrip(" \t"), token.end()) if token else None


def _delimiters(parameters: str) -> tuple[str, ...] | None:
    pieces = re.split(r"#([1-9])", parameters)
    if "#" in "".join(pieces[::2]) or [int(digit) for digit in pieces[1::2]] != list(range(1, len(pieces) // 2 + 1)):
        return None
    return tuple(re.sub(r"\s+", " ", piece) for piece in pieces[::2])


BUILT_IN: Mapping[str, Macro] = {
    name: make(name, body, ("",) * (count + 1)) for name, (count, body) in _BUILT_IN.items()
}
