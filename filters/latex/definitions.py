r"""Carries out definitions: each handler reads what follows a defining command and changes the state.

    handler(state, text, position after the command) -> position after the definition, or None if it does not fit

A definition belongs to the group it stands in, as in TeX. LaTeX's own structure keeps its meaning (`STRUCTURE`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product

from filters.latex import macros
from filters.latex.conditionals import UNDEFINED, Conditionals
from filters.latex.macros import Environment, Macro
from filters.latex.tokens import AT, WORD, coded

# Groups nested deeper than this no longer keep definitions to themselves (own choice).
SCOPE_LIMIT = 1_000
# A body that would grow beyond this is expanded where it is used instead, in characters.
EDEF_LIMIT = 20_000
# What a name is let to so that a package may define it anew ("\\let\\iint\\relax"): its standard meaning is meant.
MEANINGLESS = UNDEFINED | {"relax"}

_PREFIXED = re.compile(
    r"\s*\\(long|global|outer|protected|robust|def|gdef|edef|xdef|let|newcommand|renewcommand|expandafter)(?![A-Za-z])"
)
_COMPUTED = re.compile(
    rf"\s*\\(?P<command>{WORD})\s*\*?\s*(?:\\expandafter\s*)?(?P<brace>\{{\s*)?\\csname"
    r"(?P<name>(?:(?!\\endcsname)[^{}\n]){1,200})\\endcsname\s*(?(brace)\})"
)
_LET_COMPUTED = re.compile(
    r"\s*\\let\s*\\csname(?P<name>(?:(?!\\endcsname)[^{}\n]){1,200}?)\\expandafter\s*\\endcsname\s*=?\s*"
    r"\\csname(?P<target>(?:(?!\\endcsname)[^{}\n]){1,200})\\endcsname"
)
_NAMED = re.compile(r"\s*\{(?P<name>[^{}\n]{1,200})\}")
_CONTROL = re.compile(rf"\s*\{{?\s*\\({WORD}|[^A-Za-z\x00])\s*\}}?", re.DOTALL)
# A name that no text can have, for the time in which a computed one is defined.
_STAND_IN = f"{AT}computed"
# How far a definition by a computed name may reach, in characters: most are short.
_WINDOWS = (2_000, 50_000)
_SWITCH = re.compile(rf"\s*\{{?\\(if{WORD})\}}?")
_BRACED = re.compile(r"\s*\{\s*([^{}\\\n]+?)\s*\}")
_TRUTH = re.compile(r"\s*\{\s*(true|false)\s*\}")

_NOW = re.compile(rf"(\\(?:noexpand|protect)\s*)?\\({WORD})([ ]?)")

Handler = Callable[["State", str, int], "int | None"]
Reads = Callable[[str, int], "tuple[Macro, int] | None"]


@dataclass(slots=True)
class State:
    """What is defined at a point of the text, and the names of all that ever was."""

    macros: dict[str, Macro] = field(default_factory=lambda: dict(macros.BUILT_IN))
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
        self.conditionals.forgotten.discard(name)
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
        known = state.macros.get(match[2])
        if match[1]:
            return f"\\{match[2]}{match[3]}"
        return known.body if known and known.stands_alone and not known.opaque else match[0]

    body = _NOW.sub(now, macro.body) if len(macro.body) < EDEF_LIMIT else macro.body
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
            elif word == "expandafter":
                return _computed(state, text, position)
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
    elif word == "relax" and AT in name:
        state.define(macros.make(name, ""))  # a program's own variable, which does nothing now
    elif word in MEANINGLESS:
        state.forget(name)
        if word in UNDEFINED:
            state.conditionals.forgotten.add(name)
    elif word in state.macros:
        state.define(replace(state.macros[word], name=name))
    elif name != word:
        state.define(replace(macros.alias(name, target), opaque=AT in target or word in {"bgroup", "egroup"}))
    return end


def _reads(read: Reads) -> Handler:
    """Return the handler of a command whose definition a reader of `macros` reads."""

    def handle(state: State, text: str, position: int) -> int | None:
        found = read(text, position)
        if found:
            state.define(found[0])
        return found[1] if found else None

    return handle


def _provides(read: Reads) -> Handler:
    """Return the handler of a command that defines only what is not defined yet."""

    def handle(state: State, text: str, position: int) -> int | None:
        found = read(text, position)
        if found and found[0].name not in state.macros:
            state.define(found[0])
        return found[1] if found else None

    return handle


def _environment(read: Callable[[str, int], tuple[str, Environment, int] | None]) -> Handler:
    """Return the handler of a command that defines an environment."""

    def handle(state: State, text: str, position: int) -> int | None:
        found = read(text, position)
        if found is None:
            return None
        name, environment, end = found
        if name not in macros.STRUCTURE_ENVIRONMENTS:
            state.defined.add(f"begin{{{name}}}")
            state.environments[name] = environment
        return end

    return handle


def _computed(state: State, text: str, position: int) -> int | None:
    r"""Define what `\csname` names, as in `\expandafter\def\csname x\endcsname{y}`."""
    if match := _LET_COMPUTED.match(text, position):
        name, target = state.conditionals.full(match["name"]), state.conditionals.full(match["target"])
        if name is not None and target is not None and re.fullmatch(WORD, target.strip()):
            return _named(state, f"\\{target.strip()} ", 0, name, _let) and match.end()
        return None
    match = _COMPUTED.match(text, position)
    handler = HANDLERS.get(match["command"]) if match else None
    name = state.conditionals.full(match["name"]) if match else None
    if match is None or handler is None or name is None or match["command"] == "expandafter":
        return None
    return _named(state, text, match.end(), name, handler)


def _by_name(handler: Handler) -> Handler:
    r"""Return the handler of a command that takes its name as text, as `\@namedef` does."""

    def handle(state: State, text: str, position: int) -> int | None:
        match = _NAMED.match(text, position)
        name = state.conditionals.full(match["name"]) if match else None
        return _named(state, text, match.end(), name, handler) if match and name is not None else None

    return handle


def _named(state: State, text: str, position: int, name: str, handler: Handler) -> int | None:
    """Let a handler define a name that need not be one of letters, by what follows it in the text."""
    name = name.strip().replace("@", AT)
    written = name if re.fullmatch(WORD, name) else _STAND_IN
    for window in _WINDOWS:
        end = handler(state, f"\\{written}{text[position : position + window]}", 0)
        if end is not None:
            if written != name and (macro := state.macros.pop(written, None)):
                state.defined.discard(written)
                state.define(replace(macro, name=name))
            return position + end - len(written) - 1
    return None


def _font_command(text: str, position: int) -> tuple[Macro, int] | None:
    r"""Read what follows `\DeclareTextFontCommand`: a command whose argument stands in the font."""
    name = _CONTROL.match(text, position)
    body = name and macros.read_body(text, name.end())
    return (macros.make(name[1], f"{{{body[0]} #1}}", ("", "")), body[1]) if name and body else None


def _copy(state: State, text: str, position: int) -> int | None:
    r"""Carry out `\NewCommandCopy\x\y`, which is `\let`, and etoolbox's `\letcs\x{y}`."""
    name = _CONTROL.match(text, position)
    target = macros.read_body(text, name.end()) if name else None
    if not name or not target:
        return None
    word = target[0].strip().removeprefix("\\")
    return target[1] if _let(state, f"\\{name[1]} \\{word} ", 0) else None


def _append(*, before: bool) -> Handler:
    r"""Return the handler of `\appto`, `\g@addto@macro` and `\preto`, which lengthen a macro's body."""

    def handle(state: State, text: str, position: int) -> int | None:
        name = _CONTROL.match(text, position)
        added = macros.read_body(text, name.end()) if name else None
        known = state.macros.get(name[1]) if name else None
        if not added or not known or known.alias or len(known.body) + len(added[0]) > EDEF_LIMIT:
            return None
        body = added[0] + known.body if before else known.body + added[0]
        state.define(macros.make(known.name, body, known.delimiters, known.default, signature=known.signature))
        return added[1]

    return handle


def _forget(state: State, text: str, position: int) -> int | None:
    name = _CONTROL.match(text, position)
    if name:
        state.forget(name[1])
        state.conditionals.forgotten.add(name[1])
    return name.end() if name else None


def _newif(state: State, text: str, position: int) -> int | None:
    match = _SWITCH.match(text, position)
    if match:
        state.conditionals.declare(match[1])
    return match.end() if match else None


def _switch(value: bool | None, *, boolean: bool) -> Handler:
    r"""Return the handler of etoolbox's and ifthen's switches; None reads the value from a second argument.

    A boolean is a switch of `\newif`; a toggle has a name of its own.
    """

    def handle(state: State, text: str, position: int) -> int | None:
        name = _BRACED.match(text, position)
        truth = _TRUTH.match(text, name.end()) if name and value is None else None
        if name is None or (value is None and truth is None):
            return None
        holds = truth[1] == "true" if truth else bool(value)
        if not boolean:
            state.conditionals.toggles[name[1]] = holds
            return truth.end() if truth else name.end()
        if f"if{name[1]}" not in state.conditionals.flags:
            state.conditionals.declare(f"if{name[1]}")
        state.conditionals.flags[f"if{name[1]}"] = holds
        return truth.end() if truth else name.end()

    return handle


def _switches(names: str, value: bool | None, *, boolean: bool) -> dict[str, Handler]:
    return dict.fromkeys(names.split(), _switch(value, boolean=boolean))


def _set_boolean(value: bool) -> Handler:
    """Return the handler that sets a boolean of LaTeX3's, which is a toggle with a command's name."""

    def handle(state: State, text: str, position: int) -> int | None:
        name = _CONTROL.match(text, position)
        if name:
            state.conditionals.toggles[name[1]] = value
        return name.end() if name else None

    return handle


def _of_latex_3() -> dict[str, Handler]:
    r"""Return the handlers of `\cs_new:Npn`, `\tl_set:Nn`, `\bool_new:N` and their kin, by their coded names."""
    found: dict[str, Handler] = {}
    for verb, kind in product(("new", "set", "gset"), ("", "_nopar", "_protected", "_protected_nopar")):
        found[f"cs_{verb}{kind}:Npn"] = partial(_def, long=True, everywhere=verb != "set")
        found[f"cs_{verb}{kind}:Nn"] = _reads(macros.read_function)
    found |= {f"tl_{verb}:Nn": _new for verb in ("set", "gset", "const")}
    found |= {
        name: _reads(macros.read_variable) for name in ("tl_new:N", "tl_clear:N", "tl_clear_new:N", "tl_gclear:N")
    }
    found |= dict.fromkeys(("cs_set_eq:NN", "cs_new_eq:NN", "cs_gset_eq:NN", "tl_set_eq:NN", "tl_gset_eq:NN"), _let)
    found |= {f"bool_{verb}:N": _set_boolean(False) for verb in ("new", "set_false", "gset_false")}
    found |= {f"bool_{verb}:N": _set_boolean(True) for verb in ("set_true", "gset_true")}
    return {coded(name): handler for name, handler in found.items()}


HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(("newcommand", "renewcommand", "DeclareRobustCommand", "newrobustcmd", "renewrobustcmd"), _new),
    **dict.fromkeys(("providecommand", "providerobustcmd"), _provides(macros.read_new)),
    **dict.fromkeys(("newcommandx", "renewcommandx", "DeclareRobustCommandx"), _reads(macros.read_new_x)),
    "providecommandx": _provides(macros.read_new_x),
    **dict.fromkeys(("def", "define", "redefine"), _def),
    "gdef": _gdef,
    "edef": _edef,
    "xdef": _xdef,
    **dict.fromkeys(("long", "outer", "protected"), _prefix(False)),
    "global": _prefix(True),
    "let": _let,
    **dict.fromkeys(("NewCommandCopy", "RenewCommandCopy", "DeclareCommandCopy", "letcs"), _copy),
    "DeclareMathOperator": _reads(macros.read_operator),
    "DeclareTextFontCommand": _reads(_font_command),
    "DeclarePairedDelimiter": _reads(macros.read_paired),
    "DeclarePairedDelimiterX": _reads(macros.read_paired_x),
    "DeclarePairedDelimiterXPP": _reads(macros.read_paired_xpp),
    **dict.fromkeys(
        ("newenvironment", "renewenvironment", "provideenvironment"), _environment(macros.read_environment)
    ),
    **dict.fromkeys(("newenvironmentx", "renewenvironmentx"), _environment(macros.read_environment_x)),
    **{
        f"{verb}{kind}Command": (_provides if verb == "Provide" else _reads)(macros.read_document_command)
        for verb in ("New", "Renew", "Provide", "Declare")
        for kind in ("Document", "ExpandableDocument")
    },
    **{
        f"{verb}DocumentEnvironment": _environment(macros.read_document_environment)
        for verb in ("New", "Renew", "Provide", "Declare")
    },
    "expandafter": _computed,
    **dict.fromkeys((f"{AT}namedef", "csdef"), _by_name(_def)),
    "csgdef": _by_name(_gdef),
    "csedef": _by_name(_edef),
    "csxdef": _by_name(_xdef),
    "cslet": _by_name(_let),
    **dict.fromkeys(("appto", "gappto", f"g{AT}addto{AT}macro"), _append(before=False)),
    **dict.fromkeys(("preto", "gpreto"), _append(before=True)),
    "undef": _forget,
    "newif": _newif,
    **_switches("newtoggle providetoggle togglefalse", False, boolean=False),
    **_switches("toggletrue", True, boolean=False),
    **_switches("settoggle", None, boolean=False),
    **_switches("newbool newboolean providebool provideboolean boolfalse", False, boolean=True),
    **_switches("booltrue", True, boolean=True),
    **_switches("setbool setboolean", None, boolean=True),
    **_of_latex_3(),
}
