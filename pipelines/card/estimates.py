"""What a sample says of the whole, with half of its 95 % interval."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

NORMAL: Final = 1.96  # standard deviations on each side of 95 %


@dataclass(frozen=True)
class Estimate:
    """A number and half of its 95 % interval, 0 where it was counted."""

    value: float
    margin: float

    def times(self, factor: float) -> Estimate:
        """Return it as so many times."""
        return Estimate(self.value * factor, self.margin * factor)


def together(found: Sequence[Estimate]) -> Estimate:
    """Return the sum of estimates that do not depend on each other."""
    return Estimate(math.fsum(one.value for one in found), math.sqrt(math.fsum(one.margin**2 for one in found)))


def effective(weights: Sequence[float]) -> float:
    """Return how many documents that stand for equally many tell as much as these (Kish, "Survey Sampling", 1965)."""
    total = math.fsum(weights)
    return total * total / (math.fsum(weight * weight for weight in weights) or 1.0)


def margin(part: float, number: float) -> float:
    """Return half of the interval of a share of so many documents: Agresti and Coull's, which is never empty."""
    middle = (part * number + 2) / (number + 4)
    return NORMAL * math.sqrt(middle * (1 - middle) / (number + 4))


def ratio(above: Sequence[float], below: Sequence[float]) -> Estimate:
    """Return the ratio of two sums over a sample (Cochran, "Sampling Techniques", 6.4); the second is not 0."""
    total, number = math.fsum(below), len(above)
    value = math.fsum(above) / total
    left = math.fsum((a - value * b) ** 2 for a, b in zip(above, below, strict=True))
    return Estimate(value, NORMAL * math.sqrt(left * number / max(1, number - 1)) / total)


def evenly(sizes: Sequence[float], points: int) -> list[tuple[int, float]]:
    """Return points at even distances over pieces of some sizes behind each other: which piece, and where in it.

    Where is a share of the piece, in [0, 1). Pieces are drawn as they are large, and those of one size alike.
    """
    ends = list(accumulate(sizes))
    step, found = ends[-1] / points, []
    for point in range(points):
        at = (point + 0.5) * step
        piece = min(bisect_right(ends, at), len(sizes) - 1)
        found.append((piece, min(max(0.0, 1 - (ends[piece] - at) / sizes[piece]), math.nextafter(1, 0))))
    return found


def passage(text: str, where: float, characters: int) -> str:
    """Return so many characters of a text from a share of it on, or its last ones."""
    return text[max(0, min(int(where * len(text)), len(text) - characters)) :][:characters]
