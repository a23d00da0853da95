"""Words as the rules of Gopher and FineWeb count them, and what repeats among lines and words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

# What stands between spaces, from its first to its last letter or digit; each mark around it is a word of its own. That
# is near to what tokenizers of European languages do; languages written without spaces have no words by it.
_WORD = re.compile(r"[^\w\s]|\w(?:\S*\w)?")


def words(text: str) -> list[str]:
    """Return the words and marks of a text, in order."""
    return _WORD.findall(text)


def repeated(parts: Sequence[str]) -> tuple[int, int]:
    """Return how many parts stood before among them, and the characters of these."""
    seen = Counter(parts)
    return len(parts) - len(seen), sum(len(part) * (count - 1) for part, count in seen.items())


def of_the_most_frequent(found: Sequence[str], length: int) -> int:
    """Return the characters of the most frequent run of so many words, in all its places; 0 if none comes twice.

    A run's characters are those of its words and of one space between each; of runs as frequent the first is taken.
    """
    runs = Counter(zip(*(found[start:] for start in range(length)), strict=False))
    if len(runs) == len(found) - length + 1:
        return 0
    run, count = max(runs.items(), key=lambda entry: entry[1], default=((), 0))
    return count * (sum(map(len, run)) + length - 1)


def of_runs_again(found: Sequence[str], length: int) -> int:
    """Return the characters of words in runs of so many that stood before, each word counted once.

    The text is read from its beginning: a run that stood before is counted and passed over, any other is remembered.
    """
    seen: set[tuple[str, ...]] = set()
    characters = place = 0
    while place <= len(found) - length:
        run = tuple(found[place : place + length])
        if run in seen:
            characters += sum(map(len, run))
            place += length
        else:
            seen.add(run)
            place += 1
    return characters
