r"""Carries out definitions: each handler reads what follows a defining command and changes the state.

    handler(state, text, position after the command) -> position after the definition, or None if it does not fit

A definition belongs to the group it stands in, as in TeX. LaTeX's own structure keeps its meaning (`STRUCTURE`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from filters.latex import macros
from filters.latex.conditionals import Conditionals
from filters.latex.macros import Environment, Macro
from filters.latex.tokens import AT, WORD

# Groups nested deeper than this no longer keep definitions to themselves (own choice).
SCOPE_LIMIT = 1_000
# A body that would grow beyond this is expanded where it is used instead, in characters.
EDEF_LIMIT = 20_000
# What a name is let to so that a package may define it anew ("\\let\\iint\\relax"): its standard meaning is meant.
UNDEFINED = frozenset({"relax", "undefined", f"{AT}undefined"})

_PREFIXED = re.compile(
    r"\s*\\(long|global|outer|protected|robust|def|gdef|edef|xdef|let|newcommand|renewcommand)(?![A-Za-z])"
)
_COMPUTED = re.compile(
    rf"\s*\\(?:[gex]?def|(?:re)?newcommand|providecommand|let|global)\*?\s*\{{?\s*\\csname\s*({WORD})\s*\\endcsname"
)
_SWITCH = re.compile(rf"\s*\{{?\\(if{WORD})\}}?")
_BRACED = re.compile(r"\s*\{\s*([^{}\\\n]+?)\s*\}")
_SPECIFICATION = re.compile(r"\s*\{((?:[^{}\n]|\{[^{}\n]*\}){0,200})\}")
_ARGUMENTS = re.compile(r"\s*(?:(o)|O\s*\{([^{}]*)\})?\s*((?:m\s*|\+m\s*)*)")
_COMMAND_NAME = re.compile(rf"\s*(?:\{{\s*\\({WORD})\s*\}}|\\({WORD}))")
_TRUTH = re.compile(r"\s*\{\s*(true|false)\s*\}")

Handler = Callable[["State", str, int], "int | None"]


@dataclass(slots=True)
class State:
    """What is defined at a point of the text, and the names of all that ever was."""

    macros: dict[str, Macro] = field(default_factory=dict)
    environments: dict[str, Environment] = field(default_factory=dict)
    scopes: list[dict[str, Macro | None] | None] = field(default_factory=list)
    runaway: set[str] = field(default_factory=set)
    defined: set[str] = field(default_factory=set)
    conditionals: Conditionals = field(init=False)

    def __post_init__(self) -> None:
        self.conditionals = Conditionals(self.macros)

    def define(self, macro: Macro, *, everywhere: bool = False) -> None:
        """Put the macro in force, for the group it stands in or everywhere; LaTeX's own structure is left alone."""
        name = macro.name
        if name in macros.STRUCTURE:
            return
        self.defined.add(name)
        self._remember(name, everywhere=everywhere)
        self.macros[name] = macro

    def forget(self, name: str) -> None:
        """Let a name mean nothing of the source's own any more, for the group it stands in."""
        if name not in macros.STRUCTURE:
            self.defined.add(name)
        if name in self.macros:
            self._remember(name)
            del self.macros[name]

    def _remember(self, name: str, *, everywhere: bool = False) -> None:
        if everywhere:
            for scope in self.scopes[:SCOPE_LIMIT]:
                if scope:
                    scope.pop(name, None)
        elif self.scopes and len(self.scopes) <= SCOPE_LIMIT:
            scope = self.scopes[-1]
            if scope is None:
                scope = self.scopes[-1] = {}
            scope.setdefault(name, self.macros.get(name))

    def enter(self) -> None:
        """Open a group."""
        self.scopes.append(None)  # most groups define nothing

    def leave(self) -> None:
        """Close a group: what was defined in it is forgotten."""
        scope = self.scopes.pop() if self.scopes else None
        for name, before in scope.items() if scope else ():
            if before is None:
                self.macros.pop(name, None)
            else:
                self.macros[name] = before


def _new(state: State, text: str, position: int) -> int | None:
    found = macros.read_new(text, position)
    if found:
        state.define(found[0])
    return found[1] if found else None


def _provide(state: State, text: str, position: int) -> int | None:
    found = macros.read_new(text, position)
    if found and found[0].name not in state.macros:
        state.define(found[0])
    return found[1] if found else None


def _def(state: State, text: str, position: int, *, long: bool = False, everywhere: bool = False) -> int | None:
    found = macros.read_def(text, position, long=long)
    if found:
        state.define(found[0], everywhere=everywhere)
    return found[1] if found else None


def _gdef(state: State, text: str, position: int) -> int | None:
    return _def(state, text, position, everywhere=True)


def _edef(state: State, text: str, position: int, *, everywhere: bool = False) -> int | None:
    """Define with the body's own macros as they are now: of those, the ones without arguments."""
    found = macros.read_def(text, position)
    if found is None:
        return None
    macro = found[0]

    def now(match: re.Match[str]) -> str:
        known = state.macros.get(match[1])
        return (
            known.body if known and not known.parameters and not known.delimiters[0] and not known.opaque else match[0]
        )

    body = re.sub(rf"\\({WORD})[ ]?", now, macro.body) if len(macro.body) < EDEF_LIMIT else macro.body
    if len(body) <= EDEF_LIMIT:
        macro = macros.make(macro.name, body, macro.delimiters, long=macro.long)
    state.define(macro, everywhere=everywhere)
    return found[1]


def _xdef(state: State, text: str, position: int) -> int | None:
    return _edef(state, text, position, everywhere=True)


def _prefix(everywhere: bool) -> Handler:
    r"""Return the handler of `\long` or `\global`, which look at the definition that follows."""

    def handle(state: State, text: str, position: int) -> int | None:
        globally = everywhere
        for _ in range(4):
            match = _PREFIXED.match(text, position)
            if match is None:
                return None
            position, word = match.end(), match[1]
            if word in {"long", "global", "outer", "protected", "robust"}:
                globally = globally or word == "global"
            elif word in {"def", "gdef"}:
                return _def(state, text, position, long=True, everywhere=globally or word == "gdef")
            elif word in {"edef", "xdef"}:
                return _edef(state, text, position, everywhere=globally or word == "xdef")
            else:
                return _let(state, text, position) if word == "let" else _new(state, text, position)
        return None

    return handle


def _let(state: State, text: str, position: int) -> int | None:
    found = macros.read_let(text, position)
    if found is None:
        return None
    name, target, end = found
    word = target[1:] if target.startswith("\\") else ""
    flags = state.conditionals.flags
    if word in flags and name.startswith("if"):
        flags[name] = flags[word]
    elif word in UNDEFINED:
        state.forget(name)
    elif word in state.macros:
        state.define(replace(state.macros[word], name=name))
    elif name != word:
        state.define(replace(macros.alias(name, target), opaque=AT in target or word in {"bgroup", "egroup"}))
    return end


def _operator(state: State, text: str, position: int) -> int | None:
    found = macros.read_operator(text, position)
    if found:
        state.define(found[0])
    return found[1] if found else None


def _paired(state: State, text: str, position: int) -> int | None:
    found = macros.read_paired(text, position)
    if found:
        for macro in found[0]:
            state.macros[macro.name] = macro
        state.define(found[0][0])
    return found[1] if found else None


def _environment(state: State, text: str, position: int) -> int | None:
    found = macros.read_environment(text, position)
    if found is None:
        return None
    name, environment, end = found
    if name not in macros.STRUCTURE_ENVIRONMENTS:
        state.defined.add(f"begin{{{name}}}")
        state.environments[name] = environment
    return end


def _document_command(state: State, text: str, position: int) -> int | None:
    """Define by an xparse specification; what is more than one optional argument and mandatory ones stays opaque."""
    name = _COMMAND_NAME.match(text, position)
    specification = name and _SPECIFICATION.match(text, name.end())
    if not name or not specification:
        return None
    arguments = _ARGUMENTS.fullmatch(specification[1])
    count = arguments[3].count("m") if arguments else 0
    optional = bool(arguments and (arguments[1] or arguments[2] is not None))
    found = macros.read_body(text, specification.end())
    if found is None:
        return None
    word = name[1] or name[2]
    default = (arguments[2] or "") if arguments and optional else None
    macro = macros.make(word, found[0], ("",) * (count + optional + 1), default)
    state.define(macro if arguments else replace(macro, opaque=True))
    return found[1]


def _computed(state: State, text: str, position: int) -> int | None:
    r"""Note a name that `\csname` makes: its definition stays, and so do its uses, which are reported."""
    match = _COMPUTED.match(text, position)
    if match:
        state.defined.add(match[1])
    return None


def _newif(state: State, text: str, position: int) -> int | None:
    match = _SWITCH.match(text, position)
    if match:
        state.conditionals.declare(match[1])
    return match.end() if match else None


def _toggle(value: bool | None) -> Handler:
    r"""Return the handler of etoolbox's and ifthen's switches; None reads the value from a second argument."""

    def handle(state: State, text: str, position: int) -> int | None:
        name = _BRACED.match(text, position)
        truth = _TRUTH.match(text, name.end()) if name and value is None else None
        if name is None or (value is None and truth is None):
            return None
        state.conditionals.toggles[name[1]] = truth[1] == "true" if truth else bool(value)
        return truth.end() if truth else name.end()

    return handle


HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(("newcommand", "renewcommand", "DeclareRobustCommand", "newrobustcmd", "renewrobustcmd"), _new),
    "providecommand": _provide,
    "def": _def,
    "gdef": _gdef,
    "edef": _edef,
    "xdef": _xdef,
    **dict.fromkeys(("long", "outer", "protected"), _prefix(False)),
    "global": _prefix(True),
    "let": _let,
    "DeclareMathOperator": _operator,
    "DeclarePairedDelimiter": _paired,
    **dict.fromkeys(("newenvironment", "renewenvironment", "provideenvironment"), _environment),
    **dict.fromkeys(
        (f"{verb}DocumentCommand" for verb in ("New", "Renew", "Provide", "Declare")),
        _document_command,
    ),
    "expandafter": _computed,
    "newif": _newif,
    **dict.fromkeys(("newtoggle", "newbool", "newboolean", "togglefalse", "boolfalse"), _toggle(False)),
    **dict.fromkeys(("toggletrue", "booltrue"), _toggle(True)),
    **dict.fromkeys(("settoggle", "setbool", "setboolean"), _toggle(None)),
}
