"""The near-duplicates of marked documents among all sources, by the steps of a `Resolve`, and what follows of them.

    runs of keys of all sources ─ candidates ─ verified ─> overlaps ─> held-out documents that training has too
                                                                   └─> of the sample, which other source has them

A held-out document leaves for training if a near-duplicate of it is there, and so does one whose near-duplicate leaves:
what stays has no near-duplicate in training.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.across.signatures import UNMARKED, held_out, sampled
from pipelines.dedup import pairs
from pipelines.dedup.pairs import Place
from pipelines.files import runs
from pipelines.recipe_parts import Across
from pipelines.recipes import Recipe
from pipelines.stages.kinds import Resolve, reducer_name
from pipelines.stages.resolution import Together

ENDS = ("inner", "outer")


def across_part(recipe: Recipe) -> Across:
    """Return what is read of a recipe."""
    return recipe.across


STAGE = Resolve("overlaps", across_part, measure="jaccard")


@dataclass(frozen=True)
class Overlaps(Together):
    """The overlaps of marked documents."""

    def candidates(self, records: runs.Records, items: npt.NDArray[np.uint32]) -> tuple[runs.Records, int]:
        """Return the pairs of one bucket of which one document at least is marked, and how many keys are hot."""
        marked = pairs.place_of(records["rank"]) < UNMARKED
        wanted = np.isin(records["hash"], records["hash"][marked])
        made, hot = pairs.candidates(records[wanted], items[wanted])
        return made[pairs.place_of(made["outer_rank"]) < UNMARKED], hot

    def conclude(self, overlaps: runs.Records) -> dict[str, Any]:
        """Write which held-out documents leave; return how many they are, and what the sample shows, by source."""
        beside, gone = leaving(overlaps)
        removals = np.array([(row, runs.WHOLE) for _, row in sorted(gone)], runs.REMOVAL)
        items = np.array([item for item, _ in sorted(gone)], np.uint32)
        runs.write_removals(self.leaving_file, items, removals, self.items)
        return {
            "near_training": self._counted(beside),
            "leaving": self._counted(gone),
            "elsewhere": self.elsewhere(overlaps),
        }

    @property
    def leaving_file(self) -> str:
        """The path of the file that says which documents leave the held-out ones, by item."""
        return self.paths.work(self.stage.name, f"{reducer_name(0)}.removals")

    def _counted(self, places: set[Place]) -> dict[str, int]:
        numbers = self.source_of(np.array([item for item, _ in sorted(places)], np.uint32))
        return dict(sorted(Counter(self.sources[number][0] for number in numbers.tolist()).items()))

    def elsewhere(self, overlaps: runs.Records) -> dict[str, dict[str, dict[str, int]]]:
        """Return how many of each source's sampled documents each other source has: near-duplicates, the same words.

        Under "any" are those that any other source has.
        """
        near: dict[tuple[str, str], set[Place]] = defaultdict(set)
        same: dict[tuple[str, str], set[Place]] = defaultdict(set)
        of = {end: [self.sources[n][0] for n in self.source_of(overlaps[f"{end}_item"]).tolist()] for end in ENDS}
        for end, other in (ENDS, ENDS[::-1]):
            taken = sampled(pairs.place_of(overlaps[f"{end}_rank"])).tolist()
            places = list(_places(overlaps, end))
            for row, share in enumerate(overlaps["share"].tolist()):
                source, elsewhere = of[end][row], of[other][row]
                if taken[row] and source != elsewhere:
                    for name in (elsewhere, "any"):
                        near[source, name].add(places[row])
                        same[source, name].update([places[row]] if share == 1.0 else ())
        found: dict[str, dict[str, dict[str, int]]] = {}
        for (source, name), documents in sorted(near.items()):
            counts = {"near_duplicates": len(documents), "same_words": len(same[source, name])}
            found.setdefault(source, {})[name] = counts
        return found


def leaving(overlaps: runs.Records) -> tuple[set[Place], set[Place]]:
    """Return the held-out documents that have a near-duplicate in training, and all that leave."""
    here, there = (held_out(pairs.place_of(overlaps[f"{end}_rank"])) for end in ENDS)
    inner, outer = (list(_places(overlaps, end)) for end in ENDS)
    beside = {inner[row] for row in np.flatnonzero(here & ~there)} | {
        outer[row] for row in np.flatnonzero(there & ~here)
    }
    near: dict[Place, list[Place]] = defaultdict(list)
    for row in np.flatnonzero(here & there):
        near[inner[row]].append(outer[row])
        near[outer[row]].append(inner[row])
    gone, left = set(beside), list(beside)
    while left:
        new = set(near[left.pop()]) - gone
        gone |= new
        left += new
    return beside, gone


def _places(overlaps: runs.Records, end: str) -> Iterator[Place]:
    return zip(overlaps[f"{end}_item"].tolist(), overlaps[f"{end}_doc"].tolist(), strict=True)
