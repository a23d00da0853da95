"""A request to stop: SIGTERM or SIGINT, seen after a step, and the end of any wait that no step comes out of.

    before and after training   the signal ends the process where it is
    in a step                   the step is finished and saved; one that takes too long is taken for one that hangs
    in a wait of ours           (for the loader, in an evaluation) the wait ends at once, and what is done is saved
    a second signal             ends the process without saving

Python runs a handler only between its own instructions, and a barrier or a store waits inside a library. So a thread
hears of signals too, and ends the process if nothing else does.
"""

from __future__ import annotations

import math
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_NUMBERS = (signal.SIGTERM, signal.SIGINT)
_END = b"\0"  # the number of no signal
GRACE_SECONDS = 30.0  # for a step to end, beside three times the longest one so far
IDLE_SECONDS = 3.0  # for the process to end where no step goes on
AGAIN_SECONDS = 2.0  # a launcher passes on what the terminal has sent already: that is no second signal


class Stopped(BaseException):
    """A signal has ended what was going on."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number


class Request:
    """Whether, and by which signal, the process was asked to stop."""

    def __init__(self) -> None:
        self.received: str | None = None
        self.longest_step = 0.0
        self._number = 0
        self._first: float | None = None
        self._training = self._waiting = self._heard = False

    @contextmanager
    def training(self) -> Iterator[None]:
        """Finish steps: a signal is noted in `received`."""
        self._training = True
        try:
            yield
        finally:
            self._training = False

    @contextmanager
    def waiting(self, alone: bool = True) -> Iterator[None]:
        """Let a signal raise Stopped inside; not if other ranks would then wait for this one."""
        if alone and self.received is not None:
            raise Stopped(self._number)
        self._waiting = alone
        try:
            yield
        finally:
            self._waiting = False

    def heard(self) -> None:
        """Say that the request is being done: it may take its time."""
        self._heard = True

    def handle(self, number: int, _frame: object) -> None:
        """Note a signal, or end what goes on."""
        again = self._is_again()
        self.received, self._number = signal.Signals(number).name, number
        if again or self._waiting or not self._training:
            self._heard = True  # here it was: nothing else needs to end the process
            raise Stopped(number)

    def _is_again(self) -> bool:
        now, first = time.monotonic(), self._first
        self._first = now if first is None else first
        return first is not None and now - first > AGAIN_SECONDS

    def watch(self, reader: socket.socket) -> None:
        """Read the numbers of signals until there are no more; end the process when one changes nothing."""
        number, heard_at, deadline = 0, -math.inf, math.inf
        while True:
            left = deadline - time.monotonic()
            if not select.select([reader], [], [], None if left == math.inf else max(0.0, left))[0]:
                if not self._heard:
                    self._end(number)
                deadline = math.inf
                continue
            data = reader.recv(64)
            if _END[0] in data:
                return
            found = [number for number in data if number in _NUMBERS]
            now = time.monotonic()
            if not found or 0 <= now - heard_at <= AGAIN_SECONDS:
                continue
            in_step = self._training and not self._waiting and heard_at == -math.inf
            if heard_at != -math.inf:
                self._heard = False
            number, heard_at = found[0], now
            patience = GRACE_SECONDS + 3 * self.longest_step if in_step else IDLE_SECONDS
            deadline = min(deadline, now + patience)

    def _end(self, number: int) -> None:
        name = signal.Signals(number).name
        print(f"{name}: this process waits for something that does not come; it ends without saving", file=sys.stderr)  # noqa: T201
        sys.stderr.flush()
        os._exit(128 + number)


@contextmanager
def listening() -> Iterator[Request]:
    """Hear SIGTERM and SIGINT, and restore their handlers."""
    request = Request()
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    thread = threading.Thread(target=request.watch, args=(reader,), daemon=True)
    thread.start()
    before = {number: signal.signal(number, request.handle) for number in _NUMBERS}
    woken = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    try:
        yield request
    finally:
        signal.set_wakeup_fd(woken)
        for number, handler in before.items():
            signal.signal(number, handler)
        writer.send(_END)  # not closed alone: a process that was forked meanwhile holds it too
        thread.join()
        writer.close()
        reader.close()


def leave_to_parent(_worker: int = 0) -> None:
    """Let a process that was forked for help hear nothing: its parent ends it."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
