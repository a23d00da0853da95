r"""What programs in a paper's preamble use of TeX: names put together, look-ahead, loops, choices between groups.

Only the idioms that authors' macros are made of. Where the text does not decide, nothing is done: a command in the
document's own text stays as it is, a macro with such a command in it stays as a whole (`give_up`).
"""

from __future__ import annotations

import re

from filters.latex import loops, macros
from filters.latex.arguments import skip_space
from filters.latex.conditionals import Open
from filters.latex.decisions import CHOICES
from filters.latex.definitions import HANDLERS
from filters.latex.frames import Frame, Reader
from filters.latex.macros import Macro, read_body
from filters.latex.tokens import AT, WORD

_CSNAME = re.compile(r"((?:(?!\\endcsname)[^{}\n]){1,200})\\endcsname")
_NAMED = re.compile(r"\s*\{([^{}\n]{1,200})\}")
_AFTER = re.compile(rf"\s*(?P<first>\\{WORD}|\\.|[^\s\\])\s*\\(?P<second>{WORD})", re.DOTALL)
_AFTER_PLAIN = re.compile(rf"\s*(?=\\{WORD}(?![A-Za-z\x01])[ ]?[^\\\s])")
_FUTURE = re.compile(rf"\s*\\({WORD})\s*(\\{WORD})")
_LETTERS = re.compile(r"[A-Za-z]+")
_DEFINES = re.compile(
    rf"\\(?:csname|{AT}namedef|cs[gex]?def|[gex]?def|let|newcommand|renewcommand|providecommand|DeclareMathOperator"
    r"|DeclareRobustCommand|input|include)(?![A-Za-z\x01])"
)
# A character that xspace does not part from the word before it.
_NO_SPACE_BEFORE = frozenset("{}~.!,:;?/')-\\] \t\n")


class Primitives(Reader):
    """Carries out the commands that look ahead, choose, loop, and make names."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.put_off: list[str] = []

    def give_up(self, frame: Frame, start: int) -> None:
        """Leave what only TeX can do: the macro whose body it stands in, or the command in the document's own text."""
        if frame.name and start < frame.own:
            self.take_back(frame.name)

    def decided(self) -> bool:
        """Tell whether the conditional that is open was decided."""
        opened = self.state.conditionals.open
        return bool(opened) and opened[-1] is not Open.UNDECIDED

    # Names

    def expand_macro(self, macro: Macro, frame: Frame, start: int) -> None:
        """Expand a use of a macro that starts at `start` and whose name ends at the frame's position."""
        raise NotImplementedError

    def named(self, frame: Frame, start: int, pattern: re.Pattern[str]) -> None:
        r"""Put the command in place whose name stands in a group or before `\endcsname`."""
        match = pattern.match(frame.text, frame.position)
        full = self.state.conditionals.full(match[1]) if match else None
        name = (full or "").strip().replace("@", AT)
        macro = self.state.macros.get(name)
        if match is None or (macro is None and not _LETTERS.fullmatch(name)):
            self.give_up(frame, start)
        elif macro is None:
            self.flush(frame, start)
            frame.take(match.end())
            self.emit(f"\\{name}")
        elif name in self.state.runaway or macro.opaque:
            self.give_up(frame, start)
        else:
            frame.position = match.end()
            self.expand_macro(macro, frame, start)

    def csname(self, frame: Frame, start: int) -> None:
        r"""Carry out `\csname NAME\endcsname`."""
        self.named(frame, start, _CSNAME)

    def name_use(self, frame: Frame, start: int) -> None:
        r"""Carry out `\@nameuse{NAME}`."""
        self.named(frame, start, _NAMED)

    def expand_after(self, frame: Frame, start: int) -> None:
        r"""Carry out `\expandafter` before a definition by a computed name, a macro, or the end of a conditional."""
        end = HANDLERS["expandafter"](self.state, frame.text, frame.position)
        if end is not None:
            self.remove(frame, start, end)
            return
        if plain := _AFTER_PLAIN.match(frame.text, frame.position):
            # A character has nothing to expand.
            self.flush(frame, start)
            frame.take(plain.end())
            return
        match = _AFTER.match(frame.text, frame.position)
        second = match["second"] if match else ""
        known = self.state.macros.get(second)
        if match is None or match["first"] == "\\expandafter":
            self.give_up(frame, start)
        elif second in {"fi", "else"} and self.decided():
            self._after_conditional(frame, start, match)
        elif second == "csname" and (name := _CSNAME.match(frame.text, match.end())):
            self._after(frame, start, name.end(), f"{match['first']}\\csname {name[0]}")
        elif known and known.stands_alone and not known.opaque and not known.alias:
            self._after(frame, start, match.end(), match["first"] + known.body)
        else:
            self.give_up(frame, start)

    def _after(self, frame: Frame, start: int, end: int, text: str) -> None:
        self.flush(frame, start)
        self.begin_use("expandafter", start)
        frame.take(end)
        self.push(text, frame.name)

    def _after_conditional(self, frame: Frame, start: int, match: re.Match[str]) -> None:
        self.flush(frame, start)
        self.begin_use("expandafter", start)
        frame.take(match.end())
        self.state.conditionals.open.pop()
        if match["second"] == "else":
            found = self.state.conditionals.skip(frame.text, frame.position, frozenset())
            frame.take(found[1] if found else len(frame.text))
        # A macro that ends with itself is a loop: the frames that it is done with need not wait for it.
        while len(self.stack) > 1 and self.stack[-1].start >= len(self.stack[-1].text):
            self.stack.pop()
        self.push(match["first"], frame.name)

    # Look-ahead

    def next_place(self) -> tuple[Frame, int] | None:
        """Return the frame and the position of the next character that is no blank."""
        for frame in reversed(self.stack):
            position = skip_space(frame.text, frame.position)
            if position < len(frame.text):
                return frame, position
        return None

    def if_star(self, frame: Frame, start: int) -> None:
        r"""Carry out `\@ifstar`."""
        yes = read_body(frame.text, frame.position)
        no = yes and read_body(frame.text, yes[1])
        if yes and no:
            self.remove(frame, start, no[1])
            self.begin_use(f"{AT}ifstar", start)
            ahead = self.next_place()
            starred = ahead is not None and ahead[0].text.startswith("*", ahead[1])
            if starred and ahead:
                ahead[0].take(ahead[1] + 1)
            self.push((yes if starred else no)[0], frame.name or f"{AT}ifstar")

    def if_next(self, frame: Frame, start: int) -> None:
        r"""Carry out `\@ifnextchar`."""
        wanted = read_body(frame.text, frame.position)
        yes = wanted and read_body(frame.text, wanted[1])
        no = yes and read_body(frame.text, yes[1])
        if wanted and yes and no:
            self.remove(frame, start, no[1])
            self.begin_use(f"{AT}ifnextchar", start)
            character = "{" if wanted[0] == "\\bgroup" else wanted[0]
            ahead = self.next_place()
            matches = ahead is not None and ahead[0].text.startswith(character, ahead[1])
            self.push((yes if matches else no)[0], frame.name or f"{AT}ifnextchar")

    def future_let(self, frame: Frame, start: int) -> None:
        r"""Carry out `\futurelet\token\next`: `\token` means what comes next, `\next` decides by it."""
        match = _FUTURE.match(frame.text, frame.position)
        if match is None:
            self.give_up(frame, start)
            return
        self.flush(frame, start)
        self.begin_use("futurelet", start)
        frame.take(match.end())
        ahead = self.next_place()
        token = read_body(ahead[0].text, ahead[1]) if ahead and ahead[0].text[ahead[1]] not in "{}\x00" else None
        self.state.macros[match[1]] = macros.alias(match[1], token[0] if token and token[0] else "\\par")
        self.push(match[2], frame.name or "futurelet")

    def xspace(self, frame: Frame, start: int) -> None:
        r"""Put a blank where the word that `\xspace` ends needs one."""
        self.flush(frame, start)
        frame.take(frame.position)
        for outer in reversed(self.stack):
            if outer.position < len(outer.text):
                if outer.text.startswith("{}", outer.position):
                    outer.take(outer.position + 2)
                elif outer.text[outer.position] not in _NO_SPACE_BEFORE:
                    self.emit(" ")
                return

    def null(self, frame: Frame, start: int) -> None:
        r"""Drop the `\null` after an abbreviation's full stop, which belongs to the abbreviation and its font."""
        self.flush(frame, start)
        if not frame.name or not self.pieces or not self.pieces[-1].endswith("."):
            return
        frame.take(frame.position)
        before = self.pieces[-2] if len(self.pieces) > 1 else ""
        if self.pieces[-1] == "." and before.endswith("}") and not before.endswith("\\}"):
            self.pieces[-2:] = [before[:-1], ".}"]

    # Choices and loops

    def choose(self, frame: Frame, name: str, start: int) -> None:
        """Put the branch in place that a command's test chooses."""
        choice = CHOICES[name]
        tested = _groups(frame.text, frame.position, choice.operands)
        branches = _groups(frame.text, tested[1], len(choice.branches)) if tested else None
        value = choice.decide(self.state.conditionals, tested[0]) if tested and branches else None
        if tested is None or branches is None or value is None:
            # What only TeX can decide is not touched, and neither is what it looks at.
            frame.position = tested[1] if tested else frame.position
            self.give_up(frame, start)
            return
        self.remove(frame, start, branches[1])
        if value in choice.branches:
            self.begin_use(name, start)
            self.push(branches[0][choice.branches.index(value)], frame.name)

    def loop(self, frame: Frame, start: int) -> None:
        """Write a loop out whose body defines something; drawings have loops too."""
        name = frame.text[start + 1 : frame.position]
        found = loops.unrolled(name, frame.text, frame.position, self.state.conditionals.full, _DEFINES)
        if found:
            self.remove(frame, start, found[1])
            self.begin_use(name, start)
            self.push(found[0], frame.name)

    def for_list(self, frame: Frame, start: int) -> None:
        r"""Write out `\forcsvlist{\x}{a,b}`, which is `\x{a}\x{b}`, and `\docsvlist{a,b}`."""
        position, command = frame.position, "\\do"
        if frame.text.startswith("forcsvlist", start + 1):
            first = read_body(frame.text, position)
            command, position = first or ("", len(frame.text))
        listed = read_body(frame.text, position)
        if listed and command and len(listed[0]) < loops.LOOP_LIMIT:
            self.remove(frame, start, listed[1])
            self.begin_use("forcsvlist", start)
            self.push("".join(f"{command}{{{item}}}" for item in loops.items(listed[0])), frame.name)

    def at_begin(self, frame: Frame, start: int) -> None:
        r"""Put off what `\AtBeginDocument` says to the document's begin."""
        body = read_body(frame.text, frame.position)
        if body:
            self.remove(frame, start, body[1])
            self.put_off.append(body[0])


def _groups(text: str, position: int, count: int) -> tuple[list[str], int] | None:
    """Read so many groups."""
    found: list[str] = []
    for _ in range(count):
        body = read_body(text, position)
        if body is None:
            return None
        found.append(body[0])
        position = body[1]
    return found, position
