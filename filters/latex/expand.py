r"""Expands a source's own macros as TeX would: from left to right, each definition in force from where it stands.

    text -> stack of frames (the text, and the body of each macro in use) -> pieces of output

A compiled expression jumps from command to command; what is between is copied in slices. Definitions are taken out and
remembered (for the group they are in), uses are replaced and their result read again, conditionals that can be decided
are decided. What cannot be expanded (a macro that needs TeX itself, recursion, more than the budget) stays as it is.
The work is bounded: a use that makes too much is taken back whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Set
from dataclasses import dataclass

from filters.latex import macros
from filters.latex.arguments import skip_space
from filters.latex.conditionals import MATH_LOOKBACK, Open
from filters.latex.decisions import CHOICES
from filters.latex.definitions import HANDLERS
from filters.latex.frames import USE_LIMIT, Frame
from filters.latex.macros import Environment, Macro
from filters.latex.primitives import Primitives
from filters.latex.tokens import AT, WORD

_FUNCTION = AT + AT  # in the names of LaTeX3's functions
# The command that closes a user environment's group after the body of its end.
_END_OF_ENVIRONMENT = f"\\{AT}endenvironment "

_COMMAND = re.compile(rf"\\(?:({WORD})|(.))|([{{}}])", re.DOTALL)
_CONDITIONAL = re.compile(rf"\s*\\(if{WORD}|if)(?![A-Za-z\x01])")
# Conditionals of a macro's own working: a body in which one stays undecided makes no text.
_NEEDS_TEX = frozenset({"ifx", "ifcsname", "ifdefined"})
_ELSE, _CASES = frozenset({"else"}), frozenset({"else", "or"})
_ENVIRONMENT = re.compile(r"[ \t]*\{([^{}\\\n]+)\}")
# Where TeX drops a line's end after a command without harm, and a reader would miss it.
_BREAK = re.compile(r"[ \t]*\n[ \t]*\\(?:begin|end|\[|item|(?:sub)*section|paragraph|label|centering|includegraphics)")


@dataclass(frozen=True, slots=True)
class Expanded:
    """The text with its macros expanded, and whether a bound was met.

    `defined` and `expanded` are the names of macros and environments (as "begin{NAME}").
    """

    text: str
    defined: frozenset[str]
    expanded: frozenset[str]
    uses: int
    bounded: bool


def expand(text: str) -> Expanded:
    """Return the text with its definitions taken out and its macros expanded.

    `text` comes from `filters.latex.tokens.protect`. Time is linear in the text and in what it expands to, which
    `WORK_LIMIT` and `WORK_FACTOR` bound.
    """
    return _Expander(text).run()


class _Expander(Primitives):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.expanded: set[str] = set()
        self.uses = 0
        self.own: dict[str, Callable[[Frame, int], None]] = {
            "begin": self._begin,
            "end": self._end,
            "begingroup": lambda frame, start: self.state.enter(),
            "endgroup": lambda frame, start: self.state.leave(),
            "bgroup": lambda frame, start: self.state.enter(),
            "egroup": lambda frame, start: self.state.leave(),
            f"{AT}endenvironment": self._end_environment,
            f"{AT}ifstar": self.if_star,
            **dict.fromkeys((f"{AT}ifnextchar", "kernel@ifnextchar".replace("@", AT)), self.if_next),
            **dict.fromkeys((f"{AT}nameuse", "csuse"), self.name_use),
            **dict.fromkeys(("foreach", f"{AT}for", f"{AT}tfor"), self.loop),
            **dict.fromkeys(("forcsvlist", "docsvlist"), self.for_list),
            **dict.fromkeys(("AtBeginDocument", "AtEndPreamble", "AtEndOfPackage"), self.at_begin),
            "csname": self.csname,
            "expandafter": self.expand_after,
            "futurelet": self.future_let,
            "xspace": self.xspace,
            "null": self.null,
            "else": self._else,
            "or": self._or,
            "fi": self._fi,
            "unless": self._unless,
        }

    def run(self) -> Expanded:
        state, stack, search = self.state, self.stack, _COMMAND.search
        macros_now, setters, known = (
            state.macros,
            state.conditionals.setters,
            self.own.keys() | HANDLERS.keys() | CHOICES.keys(),
        )
        while stack:
            frame = stack[-1]
            if len(stack) == 1:
                self.use, self.use_limit = None, USE_LIMIT
            match = search(frame.text, frame.position)
            if match is None:
                self.flush(frame, len(frame.text))
                stack.pop()
                continue
            frame.position = match.end()
            name = match[match.lastindex or 0]
            if match.lastindex == 3:
                (state.enter if name == "{" else state.leave)()
            elif name in macros_now or name in known or name in setters or name.startswith("if"):
                self._command(frame, name, match.start())
        return Expanded(
            text="".join(self.pieces),
            defined=frozenset(state.defined),
            expanded=frozenset(self.expanded & state.defined),
            uses=self.uses,
            bounded=self.work > self.limit or bool(state.runaway),
        )

    def _command(self, frame: Frame, name: str, start: int) -> None:
        """Expand a command or carry it out; one that is neither is stepped over, and written out later."""
        state = self.state
        if name in state.runaway:
            return
        if macro := state.macros.get(name):
            if self._expandable(macro):
                self.expand_macro(macro, frame, start)
            elif _FUNCTION in name:
                self.give_up(frame, start)
        elif own := self.own.get(name):
            own(frame, start)
        elif name in CHOICES:
            self.choose(frame, name, start)
        elif handler := HANDLERS.get(name):
            end = handler(state, frame.text, frame.position)
            if end is not None:
                self.remove(frame, start, end)
        elif name in state.conditionals.setters:
            flag, value = state.conditionals.setters[name]
            state.conditionals.flags[flag] = value
            self.remove(frame, start, skip_space(frame.text, frame.position))
        elif name.startswith("if") and state.conditionals.is_conditional(name):
            self._if(frame, name, start)

    # Macros

    def _expandable(self, macro: Macro) -> bool:
        if macro.opaque or self.work > self.limit:
            return False
        known = self.state.conditionals
        meanings = (self.state.macros, known.flags, known.setters, known.toggles, CHOICES, HANDLERS)
        return all(any(name in meaning for meaning in meanings) for name in macro.internals)

    def expand_macro(self, macro: Macro, frame: Frame, start: int) -> None:
        """Put a macro's body in the place of its use, whose name ends at the frame's position."""
        command = frame.text[start : frame.position]
        self.flush(frame, start)
        frame.take(frame.position)
        self.begin_use(macro.name, start)
        arguments = self.arguments(macro)
        if arguments is None:
            self.emit(command)
            return
        self.uses += 1
        self.expanded.add(macro.name)
        if macro.stands_alone:
            self._after_word(macro)
        if macro.alias:
            self.emit(macro.body)
        else:
            self.push(macros.substitute(macro, arguments, self.use_limit), macro.name)

    def _after_word(self, macro: Macro) -> None:
        """Skip what TeX skips after a command's name, and the empty group that protects a blank there."""
        frame = self.stack[-1]
        text, position = frame.text, frame.position
        if macro.keeps_space or not macro.name[-1].isalpha():
            return
        if text.startswith("{}", position):
            if not text.startswith(("^", "_"), position + 2):
                frame.take(position + 2)
        elif text.startswith("\\ ", position):
            frame.take(position + 1)
        elif not _BREAK.match(text, position):
            frame.take(skip_space(text, position))

    # Environments

    def _environment(self, frame: Frame, verb: str) -> tuple[str, int, Environment | None] | None:
        """Return the name after a begin or end, where it ends, and what to put in its place."""
        match = _ENVIRONMENT.match(frame.text, frame.position)
        if match is None or match[1] == "document":
            return None
        found = self.state.environments.get(match[1])
        usable = found and self._expandable(found.begin) and self._expandable(found.end)
        return match[1], match.end(), found if usable and f"{verb}{{{match[1]}}}" not in self.state.runaway else None

    def _begin(self, frame: Frame, start: int) -> None:
        found = self._environment(frame, "begin")
        if found is None:
            self._begin_document(frame)
            return
        name, end, environment = found
        if environment is None:
            self.state.enter()
            return
        self.flush(frame, start)
        self.begin_use(f"begin{{{name}}}", start)
        self.state.enter()
        frame.take(end)
        arguments = self.arguments(environment.begin)
        if arguments is None:
            self.emit(f"\\begin{{{name}}}")
        else:
            self.uses += 1
            self.expanded.add(f"begin{{{name}}}")
            self.push(macros.substitute(environment.begin, arguments, self.use_limit), f"begin{{{name}}}")

    def _begin_document(self, frame: Frame) -> None:
        match = _ENVIRONMENT.match(frame.text, frame.position)
        if match and self.put_off:
            self.flush(frame, match.end())
            frame.take(match.end())
            self.begin_use("begin", match.end())
            self.push("\n".join(self.put_off), "")
            self.put_off.clear()

    def _end(self, frame: Frame, start: int) -> None:
        found = self._environment(frame, "end")
        if found is None:
            return
        name, end, environment = found
        if environment is None:
            self.state.leave()
            return
        self.flush(frame, start)
        self.begin_use(f"end{{{name}}}", start)
        frame.take(end)
        self.push(environment.end.body + _END_OF_ENVIRONMENT, f"end{{{name}}}")

    def _end_environment(self, frame: Frame, start: int) -> None:
        self.flush(frame, start)
        frame.take(min(frame.position + 1, len(frame.text)))
        self.state.leave()

    # Conditionals

    def _if(self, frame: Frame, name: str, start: int, *, unless: bool = False) -> None:
        conditionals = self.state.conditionals
        if name == "ifcase":
            self._case(frame, start)
            return
        before = self.tail() + frame.text[max(frame.start, start - MATH_LOOKBACK) : start] if name == "ifmmode" else ""
        decision = conditionals.decide(name, frame.text, frame.position, before)
        if decision is None:
            conditionals.open.append(Open.UNDECIDED)
            frame.position = conditionals.operands(name, frame.text, frame.position)
            if name in _NEEDS_TEX:
                self.give_up(frame, start)
        elif decision[0] is not unless:
            conditionals.open.append(Open.BRANCH)
            self.remove(frame, start, decision[1])
        else:
            self._skip(frame, start, decision[1], _ELSE)

    def _case(self, frame: Frame, start: int) -> None:
        conditionals = self.state.conditionals
        found = conditionals.case(frame.text, frame.position)
        if found is None:
            conditionals.open.append(Open.UNDECIDED)
            self.give_up(frame, start)
            return
        number, position = found
        while number != 0 and self.work <= self.limit:
            end = conditionals.skip(frame.text, position, _CASES)
            self.work += (end[1] if end else len(frame.text)) - position
            if end is None or end[0] != "or":
                break
            number, position = number - 1, end[1]
        if number == 0:
            conditionals.open.append(Open.CASE)
            self.remove(frame, start, position)
        else:
            self._skip(frame, start, position, _ELSE)

    def _unless(self, frame: Frame, start: int) -> None:
        match = _CONDITIONAL.match(frame.text, frame.position)
        if match and self.state.conditionals.is_conditional(match[1]):
            frame.position = match.end()
            self._if(frame, match[1], start, unless=True)

    def _skip(self, frame: Frame, start: int, position: int, stops: Set[str] = frozenset()) -> None:
        found = None
        if self.work <= self.limit:
            found = self.state.conditionals.skip(frame.text, position, stops)
            self.work += (found[1] if found else len(frame.text)) - position
        if found is None:
            # Without its \fi a conditional would take the rest of the paper along.
            self.remove(frame, start, position)
            return
        if found[0] == "else":
            self.state.conditionals.open.append(Open.BRANCH)
        self.remove(frame, start, found[1])

    def _else(self, frame: Frame, start: int) -> None:
        if self.decided():
            self.state.conditionals.open.pop()
            self._skip(frame, start, frame.position)

    def _or(self, frame: Frame, start: int) -> None:
        if self.state.conditionals.open[-1:] == [Open.CASE]:
            self._else(frame, start)

    def _fi(self, frame: Frame, start: int) -> None:
        if self.state.conditionals.open and self.state.conditionals.open.pop() is not Open.UNDECIDED:
            self.remove(frame, start, skip_space(frame.text, frame.position))
