r"""The machine under the macro expander: frames to read from, pieces written out, and the bounds on both.

    document's text = frame 0; the body of each macro in use = one more frame on top

A use in frame 0 that makes too much, or nests too deep, is taken back whole and done again without the macro that is to
blame, which then stays in the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from filters.latex import macros
from filters.latex.arguments import ARGUMENT_LIMIT, Incomplete
from filters.latex.conditionals import MATH_LOOKBACK
from filters.latex.definitions import State
from filters.latex.macros import Macro
from filters.latex.tokens import AT, ends_with_word

# What one use in the text may make, and all of them together, in characters (own choice; real papers need under 1 %).
USE_LIMIT = 200_000
WORK_LIMIT = 5_000_000
WORK_FACTOR = 4
# What a step costs at least, so that macros that expand to nothing are bounded too, in characters.
STEP_COST = 16
DEPTH_LIMIT = 200
# How much of the outer text joins a body whose last macro takes its arguments from there, in characters.
MERGE_WINDOW = 4_000

_REST_OF_LINE = re.compile(r"[ \t]*(?:\n|\Z)")
_STARTS_LINE = re.compile(r"(?:\A|\n)[ \t]*\Z")


@dataclass(slots=True)
class Frame:
    """A text being read: up to `start` it is written out or used up, up to `position` looked at.

    `name` is the macro whose body it is, "" for the document's own text; what follows `own` joined it from outside.
    """

    text: str
    start: int = 0
    position: int = 0
    name: str = ""
    own: int = 0

    def take(self, end: int) -> None:
        """Use up the text to `end` without writing it out."""
        self.start = self.position = end


@dataclass(frozen=True, slots=True)
class Use:
    """A use in the document's own text while it is expanded, with all that is needed to take it back."""

    name: str
    start: int
    pieces: int
    glue: bool
    scopes: int
    conditionals: int
    work: int


class Reader:
    """Reads frames and writes pieces; keeps the state, the bounds, and the use under way, which may be taken back."""

    def __init__(self, text: str) -> None:
        self.stack = [Frame(text)]
        self.pieces: list[str] = []
        self.glue = False
        self.state = State()
        self.work = 0
        self.use: Use | None = None
        self.use_limit = USE_LIMIT
        self.limit = WORK_LIMIT + WORK_FACTOR * len(text)

    def flush(self, frame: Frame, end: int) -> None:
        """Write out the frame's text up to `end`."""
        if end > frame.start:
            self.emit(frame.text[frame.start : end])
        frame.start = end

    def emit(self, piece: str) -> None:
        """Write out a piece, with a blank where it would lengthen the command before it."""
        if self.glue and (piece[0].isalpha() or piece[0] == AT):
            self.pieces.append(" ")
        self.pieces.append(piece)
        self.glue = ends_with_word(piece)

    def remove(self, frame: Frame, start: int, end: int) -> None:
        """Take a definition out, with its line if nothing else is on it."""
        self.flush(frame, start)
        frame.take(end)
        self.drop_empty_line(frame)

    def drop_empty_line(self, frame: Frame) -> None:
        """Skip the rest of a line on which nothing is left: an empty line would be a paragraph's end."""
        rest = _REST_OF_LINE.match(frame.text, frame.position)
        if rest and (not self.pieces or _STARTS_LINE.search(self.pieces[-1][-64:])):
            frame.take(rest.end())

    def push(self, body: str, name: str) -> None:
        """Let a body be read next; `name` is what it came from."""
        self.work += STEP_COST + len(body)
        if len(self.stack) >= DEPTH_LIMIT:
            self.take_back(name)
        elif self.use and self.work - self.use.work > self.use_limit:
            self.take_back(self.use.name)
        elif body:
            self.stack.append(Frame(body, name=name, own=len(body)))
        else:
            self.drop_empty_line(self.stack[-1])

    def begin_use(self, name: str, start: int) -> None:
        """Note where a use in the document's own text starts; inside of a use there is nothing to note."""
        if len(self.stack) > 1:
            return
        self.use = Use(
            name=name,
            start=start,
            pieces=len(self.pieces),
            glue=self.glue,
            scopes=len(self.state.scopes),
            conditionals=len(self.state.conditionals.open),
            work=self.work,
        )

    def take_back(self, culprit: str) -> None:
        """Undo the use in the document's text that led here and do it again without the macro that is to blame."""
        use = self.use
        assert use is not None, "only a use in the document's own text can make a stack"
        self.state.runaway.add(use.name if culprit in self.state.runaway else culprit)
        del self.pieces[use.pieces :]
        del self.stack[1:]
        del self.state.conditionals.open[use.conditionals :]
        self.glue = use.glue
        while len(self.state.scopes) > use.scopes:
            self.state.leave()
        self.stack[0].take(use.start)

    def arguments(self, macro: Macro) -> list[str] | None:
        """Take the arguments of a use from the stack of frames, or answer None and leave the text as it is."""
        if macro.stands_alone:
            return []
        window = MERGE_WINDOW
        while True:
            frame = self.stack[-1]
            last = all(outer.position >= len(outer.text) for outer in self.stack[:-1])
            try:
                found = macros.match_arguments(macro, frame.text, frame.position, final=last)
            except Incomplete:
                self.work += STEP_COST + min(len(frame.text) - frame.position, ARGUMENT_LIMIT)
                if last or self.work > self.limit:
                    return None
                self._join(window)
                window *= 16
                continue
            if found is None:
                return None
            self.work += found[1] - frame.position
            if len(self.stack) == 1:
                self.use_limit = USE_LIMIT + WORK_FACTOR * (found[1] - frame.position)
            frame.take(found[1])
            return found[0]

    def _join(self, window: int) -> None:
        """Let the outer text continue the innermost one, which ended inside an argument."""
        rest = self.stack.pop()
        outer = self.stack[-1]
        text = rest.text[rest.position :]
        if not text.strip():
            return
        cut = outer.text.find("\n", min(outer.position + window, len(outer.text))) + 1 or len(outer.text)
        joined = text + outer.text[outer.position : cut]
        self.work += len(joined)
        outer.take(cut)
        if cut == len(outer.text) and len(self.stack) > 1:
            self.stack.pop()
        self.stack.append(Frame(joined, name=rest.name, own=max(0, rest.own - rest.position)))

    def tail(self) -> str:
        """Return the end of what has been written out."""
        tail: list[str] = []
        size = 0
        for piece in reversed(self.pieces):
            tail.append(piece[-MATH_LOOKBACK:])
            size += len(tail[-1])
            if size >= MATH_LOOKBACK:
                break
        return "".join(reversed(tail))
