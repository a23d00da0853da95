"""How slow this machine is just now: what a bound of CPU seconds is multiplied by.

Bounds tell time that grows with the square of an input from time that grows with it; another program on the same core,
or an older processor, must not look like the former.
"""

from __future__ import annotations

import time

QUIET = 0.01  # CPU seconds of the loop below on a fast, quiet core
MOST = 20.0


def slowness() -> float:
    """Return how many times longer a fixed piece of work takes than on a fast, quiet core, at least 1."""
    started = time.process_time()
    words: dict[str, int] = {}
    for number in range(100_000):
        word = str(number % 5_000)
        words[word] = words.get(word, 0) + len(word)
    return min(max(1.0, (time.process_time() - started) / QUIET), MOST)
