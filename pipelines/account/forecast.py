"""What the whole of some inputs will take, by what a part of them took: the one formula of trials and of cost.

    units built: input bytes, what each took ──> scaled to the bytes of all inputs ──> value and variance
    sources and models, added up ──> 90 % interval ──> hours on N workers, money

A unit is one input, or a group of small inputs that are one work item. The estimate is the ratio estimator of sample
surveys and its variance the jackknife's over units (Cochran, Sampling Techniques, 3rd edition, 1977, sections 6.3 and
6.17); the degrees of freedom of a sum are Satterthwaite's (Biometrics Bulletin 2, 1946).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.command_lines import PRICES

_LIST = {name: usual for name, _, usual in PRICES}
HOUR, GB, GIB = 3600, 10**9, 1 << 30
CONFIDENCE = 0.9  # of the interval
# Student's t for a two-sided interval of 90 %, by degrees of freedom: any table has them.
_T = {1: 6.314, 2: 2.920, 3: 2.353, 4: 2.132, 5: 2.015, 6: 1.943, 8: 1.860, 10: 1.812, 15: 1.753, 20: 1.725, 30: 1.697}
_T_NORMAL = 1.645
# Relative standard error where one unit of several was built, so that no spread was measured; our own.
UNKNOWN_SPREAD = 0.5


@dataclass(frozen=True)
class Unit:
    """One unit that was built: its size in the bytes that everything is scaled by, and what it took, in any measure."""

    size: float
    amount: float


@dataclass(frozen=True)
class Estimate:
    """A value with its variance; `freedom` are the degrees of freedom of the variance."""

    value: float
    variance: float = 0.0
    freedom: float = math.inf

    @property
    def low(self) -> float:
        """The lower end of the interval; nothing is less than none."""
        return max(0.0, self.value - self._half)

    @property
    def high(self) -> float:
        """The upper end of the interval."""
        return self.value + self._half

    @property
    def _half(self) -> float:
        return student(self.freedom) * math.sqrt(self.variance)

    def times(self, factor: float) -> Estimate:
        """Return the estimate of a fixed multiple."""
        return Estimate(self.value * factor, self.variance * factor**2, self.freedom)

    def noisy(self, relative: float) -> Estimate:
        """Return it with an independent relative standard error besides, known by itself."""
        return added([self, Estimate(0.0, (relative * self.value) ** 2)])


def whole(units: Sequence[Unit], total: float, shared: float = 0.0) -> Estimate:
    """Return what all inputs will take, of `total` bytes, by the units that were built.

    `shared` was taken by none of the units alone, and grows as they do. If everything was built there is nothing to
    forecast, and the spread is none. Raises ValueError if no unit has a size.
    """
    sizes = np.array([unit.size for unit in units], float)
    amounts = np.array([unit.amount for unit in units], float)
    if not sizes.sum() > 0:
        raise ValueError("nothing was built to forecast by: the inputs that were taken are empty")
    total = max(total, float(sizes.sum()))
    amounts = amounts + shared * sizes / sizes.sum()
    value = total * float(amounts.sum() / sizes.sum())
    left_out = 1 - float(sizes.sum()) / total
    if not left_out > 0:
        return Estimate(value)
    if len(units) == 1:
        return Estimate(value, (UNKNOWN_SPREAD * value) ** 2 * left_out)
    rest = sizes.sum() - sizes
    without = total * (amounts.sum() - amounts)[rest > 0] / rest[rest > 0]
    count = len(without)
    variance = (count - 1) / count * float(((without - without.mean()) ** 2).sum()) * left_out
    # Of unequal sizes fewer units tell of the spread: Kish's effective number (Survey Sampling, 1965, section 11.7).
    effective = float(sizes.sum() ** 2 / (sizes**2).sum())
    return Estimate(value, variance, max(1.0, effective - 1))


def added(estimates: Iterable[Estimate]) -> Estimate:
    """Return the sum of independent estimates."""
    found = list(estimates)
    variance = sum(one.variance for one in found)
    weighed = sum(one.variance**2 / one.freedom for one in found)
    freedom = variance**2 / weighed if weighed > 0 else math.inf
    return Estimate(sum(one.value for one in found), variance, freedom)


def student(freedom: float) -> float:
    """Return Student's t for the interval, rounded up to the next smaller degrees of freedom of a table."""
    if math.isinf(freedom):
        return _T_NORMAL
    return _T[max(known for known in _T if known <= max(1.0, freedom))]


def hours(cpu: float, serial: float, workers: int) -> float:
    """Return how long CPU seconds take on so many cores, `serial` of them on one core while nothing else runs."""
    return ((cpu - serial) / workers + serial) / HOUR


@dataclass(frozen=True)
class Prices:
    """In dollars: of a core's hour with the memory of `core_gib`, of a shuffled GB, of a GB stored for a month.

    Where the defaults come from is said at `pipelines.command_lines.PRICES`.
    """

    core_hour: float = _LIST["core-hour"]
    gib_hour: float = _LIST["gib-hour"]
    gb_month: float = _LIST["gb-month"]
    shuffled_gb: float = 0.011
    core_gib: float = 3.75

    def computing(self, cpu_seconds: float, process_bytes: float = 0.0) -> float:
        """Return the price of CPU seconds on cores with the usual memory each, or more if a process needs more."""
        memory = max(self.core_gib, process_bytes / GIB)
        return cpu_seconds / HOUR * (self.core_hour + memory * self.gib_hour)

    def month(self, stored: float) -> float:
        """Return the price of a month of so many bytes."""
        return stored / GB * self.gb_month
