"""What several samples of one prompt say: pass@k without bias, and the answer of the majority."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable
from typing import TypeVar

T = TypeVar("T", bound=Hashable)


def pass_at(k: int, samples: int, passed: int) -> float:
    """Return the chance that of k samples drawn from `samples`, of which `passed` do, one passes.

    1 - C(n - c, k) / C(n, k), as a product that no large number is needed for (Chen et al. 2021, section 2.1). Raises
    ValueError for k above the samples: nothing can be said of it.
    """
    if not 0 <= passed <= samples or not 1 <= k <= samples:
        raise ValueError(f"pass@{k} of {samples} samples, of which {passed} passed: k must be from 1 to {samples}")
    if samples - passed < k:
        return 1.0
    return 1.0 - math.prod(1.0 - k / n for n in range(samples - passed + 1, samples + 1))


def majority(answers: Iterable[T | None]) -> T | None:
    """Return the most frequent answer, of several the one that came first; samples without one (None) do not vote."""
    votes = Counter(answer for answer in answers if answer is not None)
    return votes.most_common(1)[0][0] if votes else None
