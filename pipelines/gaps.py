"""Templates that neither the cleaner of wikitext nor a dump knows: counted in a manifest, listed on the card.

A key of a stage's statistics is `unknown_template/WIKI/PLACE/WHAT/NAME`: PLACE is `inside` (a sentence, a heading or a
list item, where the readable arguments stay) or `alone` (on its line, where they go), WHAT is `uses` or `characters`,
the readable text at stake. Templates without readable text are counted together, under no name.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from filters.wikitext.cleaner import Unknown

KIND = "unknown_template"
MAX_NAMES = 600
"""Keys of an item: names that come after these many are counted under no name, so that a manifest stays small."""

MAX_NAME = 80
"""Characters of a name."""


class Gap(NamedTuple):
    """One template: how often it was used, and the characters of its readable text."""

    name: str
    uses: int
    characters: int


def note(unknown: Mapping[Unknown, int], language: str, counts: Counter[str]) -> None:
    """Add a page's unknown templates to the counts of its item."""
    for found, times in unknown.items():
        place = "inside" if found.inside else "alone"
        name = found.name[:MAX_NAME] if found.characters else ""
        key = f"{KIND}/{language}/{place}/uses/{name}"
        if key not in counts and len(counts) >= 2 * MAX_NAMES:
            name, key = "", f"{KIND}/{language}/{place}/uses/"
        counts[key] += times
        if found.characters:
            counts[f"{KIND}/{language}/{place}/characters/{name}"] += times * found.characters


def listed(statistics: Mapping[str, int]) -> Iterator[tuple[str, str, list[Gap]]]:
    """Yield wiki, place and its templates of a manifest's statistics, those with the most text at stake first."""
    found: defaultdict[tuple[str, str], dict[str, dict[str, int]]] = defaultdict(dict)
    for key, number in statistics.items():
        kind, *rest = key.split("/", 4)
        if kind == KIND and len(rest) == 4:
            wiki, place, what, name = rest
            found[wiki, place].setdefault(name, {})[what] = number
    for (wiki, place), names in sorted(found.items()):
        gaps = [Gap(name, row.get("uses", 0), row.get("characters", 0)) for name, row in names.items() if name]
        if gaps:
            yield wiki, place, sorted(gaps, key=lambda gap: (-gap.characters, -gap.uses, gap.name))
