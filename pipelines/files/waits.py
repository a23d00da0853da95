"""What a command says while it waits for something outside: a line after ten seconds, and another when it goes on."""

from __future__ import annotations

import logging
import multiprocessing
import os
import re
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from pipelines.files import addresses

SECONDS = 10.0  # of silence
TICK_SECONDS = 1.0  # between two looks, at most
WAITING = "waiting for"
_PLACE = re.compile(r"\w+://[^/\s]+")
LOGGER = logging.getLogger("altiplano")


def say(text: str) -> None:
    """Print a line on the error stream, without what is secret in addresses, and log it.

    Nothing is printed by the processes that a command starts: it waits for the same place itself, and says so.
    """
    shown = addresses.hide(text)
    LOGGER.warning("waiting", extra={"facts": {"text": shown}})
    if multiprocessing.parent_process() is None:
        print(shown, file=sys.stderr, flush=True)  # noqa: T201


class Wait:
    """Something that may take long: if nothing comes of it for some seconds, it is said what is waited for.

    `progressed()` says that something came, `because` why it has not yet, as far as that is known. `watch` looks after
    it, with many others; otherwise it has a thread of its own.
    """

    def __init__(
        self,
        what: str,
        say: Callable[[str], None] = say,
        seconds: float | None = None,
        watch: Watch | None = None,
    ) -> None:
        self._what, self._say = what, say
        self._seconds = SECONDS if seconds is None else seconds
        self._last = time.monotonic()
        self._said = False
        self._watch = Watch() if watch is None else watch
        self.because = ""

    def __enter__(self) -> Self:
        self._watch.look_after(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.leave(self)
        if error is None:
            self.progressed()

    def progressed(self) -> None:
        """Take note that something came."""
        if self._said:
            self._said = False
            self._say(f"goes on: {self._what}, after {time.monotonic() - self._last:.0f} s")
        self._last = time.monotonic()

    def look(self) -> float:
        """Say what is waited for, if it is time; return in how many seconds to look again."""
        silent = time.monotonic() - self._last
        if silent >= self._seconds and not self._said:
            self._said = True
            self._say(f"{WAITING} {self._what}{f' ({self.because})' if self.because else ''}")
        return self._seconds if self._said else self._seconds - silent


class Watch:
    """One thread that looks after all waits, and ends when it finds none: requests come by the thousand."""

    def __init__(self) -> None:
        self._waits: set[Wait] = set()
        self._guard = threading.Lock()
        self._process = 0  # whose thread there is: a forked process has none of its parent's

    def look_after(self, wait: Wait) -> None:
        """Look after one more."""
        with self._guard:
            if self._process != os.getpid():
                self._process, self._waits = os.getpid(), set()
                threading.Thread(target=self._run, args=(wait.look(),), daemon=True, name="waits").start()
            self._waits.add(wait)

    def leave(self, wait: Wait) -> None:
        """Look after it no longer."""
        with self._guard:
            self._waits.discard(wait)

    def _run(self, pause: float) -> None:
        while True:
            time.sleep(min(max(pause, 0.01), TICK_SECONDS))
            with self._guard:
                if not self._waits:
                    self._process = 0
                    return
                pause = min(wait.look() for wait in self._waits)


class OncePerPlace:
    """Says of each host or store once that it is waited for, and once that it goes on, however many requests wait."""

    def __init__(self, say: Callable[[str], None] = say) -> None:
        self._say = say
        self._waiting: set[str] = set()
        self._guard = threading.Lock()

    def __call__(self, text: str) -> None:
        """Say it, unless it was said of this place."""
        place = _place(text)
        begins = text.startswith(WAITING)
        with self._guard:
            known = (place in self._waiting) == begins
            (self._waiting.add if begins else self._waiting.discard)(place)
        if not known:
            self._say(text)


class Places:
    """Since when each host or store has answered nothing, whoever asked: what was given up is not waited for again."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._guard = threading.Lock()

    def silent(self, path: str, since: float) -> float:
        """Take note that a request which began at `since` (monotonic) failed; return how long its place is silent."""
        with self._guard:
            first = min(self._since.get(_place(path), since), since)
            self._since[_place(path)] = first
        return time.monotonic() - first

    def came(self, path: str) -> None:
        """Take note that a place has answered."""
        if self._since:
            with self._guard:
                self._since.pop(_place(path), None)


def _place(text: str) -> str:
    found = _PLACE.search(text)
    return found[0] if found else text
