"""Loss spikes: seen over a window of steps, so that a run can go back before one and leave out its batches.

A loss is suspicious if it is not finite, or above the median of the window by more than so many robust deviations
(1.4826 x the median absolute deviation, which one spike does not widen). Three in a row are a spike. Suspicious losses
do not enter the window, and nothing is saved while the last loss is one: every checkpoint is from before a spike.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Iterable

PATIENCE = 3  # suspicious losses in a row; a single bad batch passes
MAX_REWINDS = 10  # of a run, before it gives up
_NORMAL = 1.4826  # makes a median absolute deviation a standard deviation, for normal data
_LEAST = 0.002  # of the median: the smallest deviation taken for one, where losses hardly vary


class Detector:
    """Judges one loss after the other; `deviations` 0 finds nothing suspicious."""

    def __init__(self, deviations: float, window: int, losses: Iterable[float | None] = ()) -> None:
        self._deviations = deviations
        self._window: deque[float] = deque(maxlen=window)
        self.suspicious = 0
        for loss in losses:
            self.add(loss)

    def add(self, loss: float | None) -> bool:
        """Judge a loss (None: not finite); return whether a spike is certain now."""
        if self._deviations and self._is_suspicious(loss):
            self.suspicious += 1
            return self.suspicious >= PATIENCE
        self.suspicious = 0
        if loss is not None:
            self._window.append(loss)
        return False

    def _is_suspicious(self, loss: float | None) -> bool:
        if loss is None or not math.isfinite(loss):
            return True
        if len(self._window) < (self._window.maxlen or 0):
            return False
        middle = statistics.median(self._window)
        spread = _NORMAL * statistics.median(abs(value - middle) for value in self._window)
        return loss > middle + self._deviations * max(spread, _LEAST * middle)
