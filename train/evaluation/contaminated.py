"""Which questions are in the corpus that a run was trained on (Llama 2, appendix A.6): 13-grams, as GPT-3 counts them.

The rules are those of `pipelines.contamination`. A question is contaminated if any of its row's texts shares a run of
words with a document; one without a text of enough words cannot be told and counts as clean, and is counted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines import contamination


@dataclass(frozen=True, slots=True)
class Found:
    """The numbers of a task's questions that are in the corpus, and how many are too short to tell."""

    questions: frozenset[int]
    too_short: int


def search(corpus: str, sources: Collection[str], rows: Mapping[str, Sequence[Any]]) -> Mapping[str, Found]:
    """Return what of each task's rows is in a corpus' documents; raise ValueError if it has none to read."""
    index = contamination.index(rows)
    overlap = contamination.scan(corpus, index, sorted(sources))
    found = overlap.examples()
    return {name: Found(frozenset(found[name]), index.short[number]) for number, name in enumerate(index.names)}
