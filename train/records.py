"""What is recorded of a run while it goes, for programs, for TensorBoard and for `train.report`.

    RUN/log.jsonl            a row per step: losses, learning rate, gradient norm, speed, MFU, ledger, energy
    RUN/evaluations.jsonl    a row per evaluation: bits per byte of each source, a generated text
    RUN/tensorboard/         the same numbers and texts as TensorBoard's events

A run that resumes or goes back removes the rows of work that was lost.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.summary import text

from pipelines.files import storage

LOG, EVALUATIONS, EVENTS = "log.jsonl", "evaluations.jsonl", "tensorboard"
Row = Mapping[str, Any]


def as_json(value: Any, indent: int | None = None) -> str:
    """Return a value as JSON, in which a number that is not finite is null: JSON has no other word for it."""
    return json.dumps(_finite(value), indent=indent, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Log:
    """A JSON-lines file of rows with a step, each written as soon as it is known."""

    def __init__(self, path: Path, step: int) -> None:
        """Open the log of a run that continues after `step` steps."""
        rows = [row for row in read_log(path) if row["step"] <= step]
        storage.write_bytes(str(path), "".join(as_json(row) + "\n" for row in rows).encode())
        self._stream: TextIO = path.open("a", encoding="utf-8", buffering=1)

    def write(self, row: Row) -> None:
        """Append a row."""
        self._stream.write(as_json(row) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


def read_log(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a log; a last line that was cut off while being written is left out."""
    if not path.exists():
        return
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n")[:-1], 1):
        try:
            yield json.loads(line)
        except ValueError:
            raise ValueError(f"{path}: line {number} is not JSON: remove it, or restore the file") from None


class Events:
    """TensorBoard's file of a run that continues after `step` steps.

    Written in the foreground: where a disk is full, the library's own background writer would stop without a word.
    """

    def __init__(self, directory: Path, step: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        # Files are named by the second; a run may go back within one.
        self._writer = EventsWriter(str(directory / "events"), f".{step:08d}")
        # Tells TensorBoard to forget what it has seen from this step on.
        self._write(step + 1, session_log=SessionLog(status=SessionLog.START))

    def _write(self, step: int, **contents: Any) -> None:
        self._writer.write_event(Event(wall_time=time.time(), step=step, **contents))
        self._writer.flush()

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Write numbers by their tags."""
        parts = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        self._write(step, summary=Summary(value=parts))

    def text(self, step: int, value: str) -> None:
        """Write a text."""
        self._write(step, summary=text("text", value))

    def close(self) -> None:
        """Close the file."""
        self._writer.close()


class Recorder:
    """Writes the records of a run that continues after `step` steps; without a directory, nothing."""

    def __init__(self, output: Path | None, step: int) -> None:
        self._output = output
        self._open(step)

    def _open(self, step: int) -> None:
        if self._output is not None:
            self._log = Log(self._output / LOG, step)
            self._evaluations = Log(self._output / EVALUATIONS, step)
            self._events = Events(self._output / EVENTS, step)

    def step(self, row: Row) -> None:
        """Record a step."""
        if self._output is not None:
            self._log.write(row)
            self._events.numbers(row["step"], scalars(row))

    def evaluation(self, row: Row) -> None:
        """Record an evaluation."""
        if self._output is not None:
            self._evaluations.write(row)
            self._events.numbers(row["step"], scalars(row))
            self._events.text(row["step"], row["text"])

    def rewind(self, step: int) -> None:
        """Remove the records of work after a step."""
        self.close()
        self._open(step)

    def close(self) -> None:
        """Close the files."""
        if self._output is not None:
            self._log.close()
            self._evaluations.close()
            self._events.close()


def scalars(row: Row) -> dict[str, float]:
    """Return the numbers of a row as TensorBoard's tags name them; what is not known is left out."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if name == "sources":
            flat |= {f"loss/{source}": loss for source, (loss, _) in value.items()}
        elif isinstance(value, Mapping):
            flat |= {f"{name}/{key}": part for key, part in value.items()}
        elif name != "step":
            flat[name] = value
    numbers = {name: float(value) for name, value in flat.items() if isinstance(value, int | float)}
    return {name: value for name, value in numbers.items() if math.isfinite(value)}
