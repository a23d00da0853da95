"""What is measured while a run goes: loss per source, tokens per second, FLOPs and, where the peak is known, MFU."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from model.configs import ModelConfig

# Dense bfloat16 FLOP/s from NVIDIA's data sheets, by what the device's name starts with.
PEAKS = {
    "NVIDIA A100": 312e12,
    "NVIDIA H100 PCIe": 756e12,
    "NVIDIA H100 NVL": 835e12,
    "NVIDIA H100": 989e12,
    "NVIDIA H200": 989e12,
}
WINDOW = 20  # steps over which the speed shown is averaged


def flops_per_token(config: ModelConfig, length: int) -> dict[str, float]:
    """Return the training FLOPs of a token in the three conventions in use.

    "6N": six per weight, the embedding's included. "full attention": six per weight that multiplies (the input
    embedding only looks up) and 12 x layers x dim x length for scores and their sums. "causal attention": half of that
    attention, since masked scores are not computed. 65B at 380 tokens/s is 47.7, 49.5 and 48.5 % of an A100.
    """
    attention = 12.0 * config.layers * config.dim * length
    multiplied = 6.0 * (config.parameters - config.embedding_parameters)
    return {
        "6N": 6.0 * config.parameters,
        "full attention": multiplied + attention,
        "causal attention": multiplied + attention / 2,
    }


def mfu(config: ModelConfig, length: int, tokens_per_second: float, device_name: str) -> dict[str, float] | None:
    """Return the share of the device's peak in each convention, or None where the peak is not known."""
    peak = next((peak for name, peak in PEAKS.items() if device_name.startswith(name)), None)
    if peak is None:
        return None
    return {name: flops * tokens_per_second / peak for name, flops in flops_per_token(config, length).items()}


def by_source(losses: Sequence[float], source: Sequence[int], names: Sequence[str]) -> dict[str, tuple[float, int]]:
    """Return the mean loss and the number of sequences of each source present in a batch."""
    counts = np.bincount(source, minlength=len(names))
    sums = np.bincount(source, weights=losses, minlength=len(names))
    return {names[n]: (float(sums[n] / counts[n]), int(counts[n])) for n in range(len(names)) if counts[n]}


class Throughput:
    """Tokens per second over the last steps."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._marks: deque[tuple[float, int]] = deque([(clock(), 0)], maxlen=WINDOW + 1)

    @property
    def settled(self) -> bool:
        """Return whether the window is full: the first steps also pay for what is done once."""
        return len(self._marks) > WINDOW

    def add(self, tokens: int) -> float:
        """Count a step's tokens; return the speed over the window."""
        self._marks.append((self._clock(), self._marks[-1][1] + tokens))
        (start, before), (end, after) = self._marks[0], self._marks[-1]
        return (after - before) / max(end - start, 1e-9)


class Log:
    """A JSON-lines file with one row per step, each written as soon as it is known."""

    def __init__(self, path: Path | None, step: int) -> None:
        """Open the log of a run that continues after `step` steps: later rows, of work that was lost, are removed.

        Without a path nothing is written: one rank's log is that of all.
        """
        self._stream: TextIO | None = None
        self._path = path
        if path is not None:
            self._open(path, step)

    def _open(self, path: Path, step: int) -> None:
        rows = [row for row in read_log(path) if row["step"] <= step]
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        temporary.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        temporary.replace(path)
        self._stream = path.open("a", encoding="utf-8", buffering=1)

    def write(self, row: dict[str, Any]) -> None:
        """Append a row."""
        if self._stream is not None:
            self._stream.write(json.dumps(row) + "\n")

    def rewind(self, step: int) -> None:
        """Remove the rows of work after a step."""
        if self._path is not None:
            self.close()
            self._open(self._path, step)

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()


def read_log(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a log; a last line that was cut off while being written is left out."""
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            yield json.loads(line)
