"""An axis: where its ticks stand, what they say, and which of them have room beside each other on a phone.

Places are percentages of the axis' length.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipelines.card.shapes import apart, nice

_TICKS = 5
_UPRIGHT = 10  # ticks above each other
_WIDE, _NARROW = 290, 190  # CSS pixels of an axis beside another figure, and on the narrowest phone
_LETTER, _GAP = 7.5, 10  # CSS pixels of a letter of a label, and between two labels


@dataclass(frozen=True)
class Tick:
    """A label at a place; `wide` ones have no room on a phone."""

    at: float
    text: str
    wide: bool = False


@dataclass(frozen=True)
class Axis:
    """A scale from `low` to `high`, both as it is drawn: powers of ten where it is logarithmic."""

    low: float
    high: float
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Return where a value stands, in percent; half-way where the axis has no length."""
        scaled = math.log10(value) if self.logarithmic else value
        return 100 * (scaled - self.low) / (self.high - self.low) if self.high > self.low else 50.0

    def ticks(self, upright: bool = False) -> list[Tick]:
        """Return its ticks, each with a text of its own; those of an upright axis lie above each other."""
        values = ticks(self.low, self.high, self.logarithmic) or [self.low]
        shown = [10.0**value if self.logarithmic else value for value in values]
        text = apart(shown)
        found = [Tick(self.place(value), text(value)) for value in shown]
        return found[:: 1 + len(found) // _UPRIGHT] if upright else _fitting(found)


def along(low: float, high: float, logarithmic: bool = False) -> Axis:
    """Return the axis from one value to another."""
    return Axis(math.log10(low), math.log10(high), True) if logarithmic else Axis(low, high)


def counting(top: float) -> tuple[Axis, list[Tick]]:
    """Return the axis from nothing to a count, and its ticks, all at whole numbers."""
    axis, step = Axis(0.0, top), max(1.0, step_of(top / 4))
    return axis, [Tick(axis.place(value), nice(value)) for value in (step * n for n in range(int(top / step) + 1))]


def _fitting(every: Sequence[Tick]) -> list[Tick]:
    """Return the ticks that have room beside each other, and which of them on a phone."""
    fitting = list(_apart(every, _WIDE))
    narrow = set(_apart(fitting, _NARROW))
    return [Tick(tick.at, tick.text, tick not in narrow) for tick in fitting]


def _apart(found: Sequence[Tick], length: float) -> Iterator[Tick]:
    """Yield the ticks whose labels do not meet the one before on an axis of so many pixels."""
    free = -math.inf
    for tick in found:
        width = _LETTER * len(tick.text)
        # A label at an end is moved inside.
        left = min(max(0.0, length * tick.at / 100 - width / 2), length - width)
        if left >= free:
            yield tick
            free = left + width + _GAP


def ticks(low: float, high: float, logarithmic: bool) -> list[float]:
    """Return round values between two ends, of a logarithmic axis their powers of ten."""
    if logarithmic and high - low >= 2:
        return [float(power) for power in range(math.ceil(low), math.floor(high) + 1)]
    if logarithmic and high - low >= 0.7:
        powers = range(math.floor(low), math.ceil(high) + 1)
        found = [power + math.log10(factor) for power in powers for factor in (1, 2, 5)]
        return [value for value in found if low <= value <= high]
    if logarithmic:
        low, high = 10**low, 10**high
    step = step_of((high - low) / _TICKS)
    # A little more on both sides: 1e-4 / 1e-5 is not quite 10.
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    found = [step * number for number in range(first, last + 1)]
    if logarithmic:
        return [math.log10(value) for value in found if value > 0]
    return [float(f"{value:.12g}") for value in found]


def step_of(rough: float) -> float:
    """Return the round step that is at least about as large."""
    base = 10.0 ** math.floor(math.log10(rough)) if rough > 0 else 1.0
    return next(base * factor for factor in (1, 2, 2.5, 5, 10) if base * factor >= rough * 0.999)
