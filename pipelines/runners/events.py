"""What happens in a build as structured logs: one JSON line for each event, through Python's own logging.

    {"time": "2026-01-02T03:04:05.678+00:00", "level": "INFO", "event": "build_started", ...}

Events: build_started, wave_started (its stages and items), stage_finished (items, seconds), warning
(text), build_finished, and build_failed (why); of an engine job_submitted (its name and where it is seen), job_finished
(what the engine counted) and beam_warning. `--log-json FILE` writes them to a file, `-` to the standard error.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from pipelines.files import addresses

LOGGER = logging.getLogger("altiplano")
LOGGER.addHandler(logging.NullHandler())


class JsonFormatter(logging.Formatter):
    """One JSON object for each record; what `tell` was given stands beside time, level and event."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        row = {"time": time, "level": record.levelname, "event": record.getMessage()}
        facts = {
            name: addresses.hide(fact) if isinstance(fact, str) else fact
            for name, fact in getattr(record, "facts", {}).items()
        }
        return json.dumps({**row, **facts}, ensure_ascii=False, default=str)


def tell(event: str, *, level: int = logging.INFO, **facts: Any) -> None:
    """Log an event with its facts."""
    LOGGER.log(level, event, extra={"facts": facts})


def warn(text: str) -> None:
    """Log a warning, and print it as a line of the standard error."""
    tell("warning", level=logging.WARNING, text=text)
    print(f"warning: {addresses.hide(text)}", file=sys.stderr, flush=True)  # noqa: T201


def say(text: str) -> None:
    """Print a line on the standard error that is no warning."""
    print(addresses.hide(text), file=sys.stderr, flush=True)  # noqa: T201


def write_to(path: str | None) -> logging.Handler | None:
    """Start writing events to a file, or to the standard error for "-"; None: nowhere. Returns what writes."""
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False
    if path is None:
        return None
    handler = logging.StreamHandler() if path == "-" else logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(JsonFormatter())
    LOGGER.addHandler(handler)
    return handler


def stop(handler: logging.Handler | None) -> None:
    """Stop writing events."""
    if handler is not None:
        LOGGER.removeHandler(handler)
        handler.close()
