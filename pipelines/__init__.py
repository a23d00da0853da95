"""Raw dumps to documents to token shards: the only folder that imports Beam."""

import logging
import sys
from types import TracebackType

# Beam warns at its import that it lacks a library of Google's; a corpus is built without it.
logging.getLogger().addFilter(lambda record: "apitools not found" not in record.getMessage())


def _interrupted(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print("stopped: interrupted", file=sys.stderr)  # noqa: T201
    else:
        sys.__excepthook__(kind, error, trace)


# Python calls itself so while it looks for the module of `python -m`: a command of ours begins, and what it imports
# takes a second, in which Ctrl-C is no error either. `pipelines.files.commands.run` takes it afterwards.
if sys.argv[:1] == ["-m"]:
    sys.excepthook = _interrupted
