"""All that is wrong with what a command was given, said at once: a user who mends one thing must not meet the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class RefusedError(ValueError):
    """Several things that are wrong, each a paragraph by itself; as a text they are lines."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(dict.fromkeys(problems))
        super().__init__("\n".join(self.problems))


def of(error: BaseException) -> tuple[str, ...]:
    """Return the things that an error says are wrong, each in one line: what others wrote may have several."""
    told = error.problems if isinstance(error, RefusedError) else (str(error),)
    return tuple(" ".join(text.split("\n")) for text in told)


class Problems:
    """Collects what checks find wrong, so that one that fails keeps no other from being made."""

    def __init__(self) -> None:
        self.found: list[str] = []

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note the ValueError with which the block ends, and go on behind it."""
        try:
            yield
        except ValueError as error:
            self.found += of(error)

    def refuse(self) -> None:
        """Raise RefusedError if anything was found."""
        if self.found:
            raise RefusedError(self.found)
