"""How sure a score is: its standard error by the bootstrap, and whether guessing would do as well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

DRAWS: Final = 1000
SEED: Final = 0
ERRORS: Final = 2.0  # a score within so many standard errors of chance is not told from it
_AT_ONCE: Final = 1 << 22
_BOTH: Final = (0.0, 0.0, 1.0, 1.0)


def standard_error(values: Sequence[float] | NDArray[np.float64], groups: Sequence[int] | None = None) -> float:
    """Return the standard deviation of the mean over questions drawn anew with replacement, the same in every run.

    With `groups`, a group's number for each question, it is that of the mean of the groups' means, drawn within each.
    Values lie between 0 and 1.
    """
    found = np.asarray(values, np.float64)
    if groups is None:
        return float(_means(_unlike(found)).std())
    parts = [_unlike(found[np.asarray(groups) == group]) for group in sorted(set(groups))]
    return float(np.mean([_means(part, number) for number, part in enumerate(parts)], axis=0).std())


def _unlike(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values of which draws are not all the same: four right answers of four do not say that all are right.

    Two successes and two failures go with them, as in the interval of Agresti and Coull (1998).
    """
    return np.append(values, _BOTH) if values.min() == values.max() else values


def _means(values: NDArray[np.float64], stream: int = 0) -> NDArray[np.float64]:
    """Return the means of `DRAWS` samples."""
    draw = np.random.default_rng([SEED, stream])
    kinds, counts = np.unique(values, return_counts=True)
    if len(kinds) <= 64:  # how often each value is drawn says all
        drawn = draw.multinomial(len(values), counts / len(values), DRAWS)
        means: NDArray[np.float64] = drawn @ kinds / len(values)
        return means
    rows = max(1, _AT_ONCE // len(values))
    sizes = [min(rows, DRAWS - start) for start in range(0, DRAWS, rows)]
    return np.concatenate([values[draw.integers(0, len(values), (size, len(values)))].mean(1) for size in sizes])


def is_near_chance(value: float, error: float, chance: float) -> bool:
    """Return whether a score is not told from what guessing scores."""
    return abs(value - chance) <= ERRORS * error
