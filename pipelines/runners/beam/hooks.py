"""What is made of errors in Beam's threads, which would each print a traceback beside the one error of the build."""

from __future__ import annotations

import threading
from collections.abc import Callable

# Beam's names for threads that miss a worker or a job server that has ended, sometimes long after its pipeline is over.
QUIET = frozenset(
    {
        "beam_control_read",
        "read_grpc_client_inputs",
        "forward_grpc_outputs",
        "wait_until_finish_read",
        "wait_until_finish_state_observer",
    }
)
# The end of Beam's name for the thread that asks Dataflow for a job's state: who waits for it hears of no error.
ASKING = "(poll_for_job_completion)"


class Hook:
    """Hears of errors in threads: some are told to who waits for them, some to nobody, others go on as before."""

    def __init__(self, before: Callable[[threading.ExceptHookArgs], object]) -> None:
        self._before = before
        self.told: dict[str, Callable[[str], None]] = {}
        self.asking: BaseException | None = None  # what ended the last thread that asked Dataflow

    @classmethod
    def installed(cls) -> Hook:
        """Return the hook of this process, put before the one that there was; it stays."""
        if not isinstance(threading.excepthook, cls):
            threading.excepthook = cls(threading.excepthook)
        found = threading.excepthook
        assert isinstance(found, cls)
        return found

    def __call__(self, arguments: threading.ExceptHookArgs) -> None:
        """Tell of an error, or not."""
        name = arguments.thread.name if arguments.thread else ""
        if name in self.told:
            self.told[name](str(arguments.exc_value))
        elif name.endswith(ASKING):
            self.asking = arguments.exc_value
        elif name not in QUIET:
            self._before(arguments)
