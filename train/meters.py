"""What is measured while a run goes: loss per source, tokens per second, FLOPs and, where the peak is known, MFU."""

from __future__ import annotations

import resource
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
import torch

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


def peak_of(device_name: str) -> float | None:
    """Return a device's peak in FLOP/s, None where it is not known."""
    return next((peak for name, peak in PEAKS.items() if device_name.startswith(name)), None)


def mfu(config: ModelConfig, length: int, tokens_per_second: float, peak: float | None) -> dict[str, float] | None:
    """Return the share of a peak in each convention, or None where the peak is not known."""
    if peak is None:
        return None
    return {name: flops * tokens_per_second / peak for name, flops in flops_per_token(config, length).items()}


def name_of(device: torch.device) -> str:
    """Return the name of a GPU, or "cpu"."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def uuid_of(device: torch.device) -> str | None:
    """Return what identifies a GPU whichever of them are visible, None for a CPU."""
    return str(torch.cuda.get_device_properties(device).uuid) if device.type == "cuda" else None


def memory_of(device: torch.device) -> int:
    """Return the most bytes that were held at once: of a GPU's tensors, or of this process in all."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


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
        self._apart = 0.0

    @property
    def last(self) -> float:
        """Return the seconds of the last step."""
        return self._marks[-1][0] - self._marks[-2][0] if len(self._marks) > 1 else 0.0

    def add(self, tokens: int) -> float:
        """Count a step's tokens; return the speed over the window."""
        self._marks.append((self._clock() - self._apart, self._marks[-1][1] + tokens))
        (start, before), (end, after) = self._marks[0], self._marks[-1]
        return (after - before) / max(end - start, 1e-9)

    def skip(self) -> float:
        """Leave out the time since the last step, which something else has taken; return it in seconds."""
        lost = self._clock() - self._apart - self._marks[-1][0]
        self._apart += lost
        return lost


class Pace:
    """Seconds of a step, to plan with: the mean of all but the first, which pays for what is done once, or of the last.

    Of the two the slower: a machine that has become slow is seen at once, and a fast moment promises nothing.
    """

    def __init__(self) -> None:
        self._sum, self._count, self._first = 0.0, 0, 0.0
        self._recent: deque[float] = deque(maxlen=WINDOW)
        self.longest = 0.0

    @property
    def known(self) -> bool:
        """Return whether there was a second step."""
        return self._count > 1

    @property
    def seconds(self) -> float:
        """Return the seconds of a step; those of the first if there was no other."""
        if not self.known:
            return self._first
        return max(self._sum / (self._count - 1), sum(self._recent) / len(self._recent))

    def add(self, seconds: float) -> None:
        """Count a step."""
        self._count += 1
        self.longest = max(self.longest, seconds)
        if self._count == 1:
            self._first = seconds
        else:
            self._sum += seconds
            self._recent.append(seconds)
