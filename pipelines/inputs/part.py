"""A trial's part of the inputs: a share of each source's files, chosen by hash, and what all of them are.

Files are chosen by their names: none is fetched or read only to be left out. Of a few large files that a source cuts
into byte ranges (a dump of Wikipedia with its index), a share of the ranges is taken.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from pipelines.files import storage
from pipelines.hashing import share
from pipelines.inputs.inputs import Attributes, Found
from pipelines.stages.kinds import Item, Part

# Files of a source that are taken at least, where it has as many: one file has no spread.
LEAST = 2
# Share of its bytes from which a large file is taken whole.
MOST_OF_A_FILE = 0.5


@dataclass(frozen=True)
class Draw:
    """Which share of the files is taken; another seed takes others."""

    share: float
    seed: int = 0

    def hash_of(self, path: str) -> float:
        """Return a number in [0, 1): below the share, the file is taken."""
        return share(f"trial {self.seed}", path)


@dataclass(frozen=True)
class Whole:
    """All files of a source with their attributes and sizes, None for those elsewhere, and which of them are taken."""

    draw: Draw
    files: Mapping[str, tuple[Attributes, int | None]]
    taken: frozenset[str]

    @property
    def by_bytes(self) -> bool:
        """Whether all sizes are known, so that what is taken can be scaled by bytes: else by the number of files."""
        return all(size is not None for _, size in self.files.values())

    @property
    def range_share(self) -> float:
        """The share of the files' byte ranges that is taken, where files are cut: all, where few files are enough."""
        share = self.draw.share * self.scale()
        return share if share < MOST_OF_A_FILE else 1.0

    def ranges(self, items: Sequence[Item]) -> list[Item]:
        """Return the items that are taken of large files which are cut into byte ranges; of other files all.

        Of each file there are at least `LEAST`, those with the smallest hashes.
        """
        if self.range_share == 1 or not are_ranges(items):
            return list(items)
        by_file: dict[str, list[Item]] = {}
        for item in sorted(items, key=lambda item: (self.draw.hash_of(item.key), item.key)):
            by_file.setdefault(item.parts[0].path, []).append(item)
        return [
            item
            for found in by_file.values()
            for number, item in enumerate(found)
            if number < LEAST or self.draw.hash_of(item.key) < self.range_share
        ]

    def scale(self, language: str | None = None) -> float:
        """Return how many times as much all files are as those taken, of all or those of one language."""
        wanted = {
            path: size
            for path, (attributes, size) in self.files.items()
            if language is None or dict(attributes).get("language", language) == language
        }
        weights = {path: float(size or 0) if self.by_bytes else 1.0 for path, size in wanted.items()}
        there = sum(weight for path, weight in weights.items() if path in self.taken)
        return sum(weights.values()) / there if there else 1.0


def are_ranges(items: Sequence[Item]) -> bool:
    """Tell whether items are byte ranges, or some of them are, of files."""
    return any(one.end is not None for item in items for one in item.parts)


def bytes_of(one: Part) -> float:
    """Return how long a part is that is a range, and how long the file of one that is not."""
    return float((storage.size(one.path) if one.end is None else one.end) - one.start)


def ranges_scale(items: Sequence[Item], chosen: Sequence[Item], language: str | None = None) -> float:
    """Return how many times as many bytes all items of some files have as the chosen ones, all or of one language."""
    if len(items) == len(chosen):
        return 1.0
    there, of_chosen = (
        sum(
            bytes_of(one)
            for item in found
            for one in item.parts
            if language is None or dict(one.attributes).get("language", language) == language
        )
        for found in (items, chosen)
    )
    return there / of_chosen if of_chosen else 1.0


def taken(found: Found, draw: Draw, languages: Collection[str] | None = None) -> tuple[Found, Whole]:
    """Return a draw's files of a source, and what the whole is.

    There are at least `LEAST`, and one of each of the `languages` that models are made of (none named: of every
    language), those with the smallest hashes.
    """
    ordered = sorted(found.files, key=lambda path: (draw.hash_of(path), path))
    chosen = {path for path in ordered if draw.hash_of(path) < draw.share} | set(ordered[:LEAST])
    if languages is not None:
        firsts: dict[str, str] = {}
        for path in ordered:
            firsts.setdefault(dict(found.files[path]).get("language", ""), path)
        chosen |= {path for language, path in firsts.items() if language in languages or not languages}
    sizes = {
        path: (attributes, None if storage.is_remote(path) else storage.size(path))
        for path, attributes in found.files.items()
    }
    listings = [
        replace(
            one,
            files=tuple(path for path in one.files if path in chosen),
            web={url: digest for url, digest in one.web.items() if url in chosen},
        )
        for one in found.listings
    ]
    files = {path: attributes for path, attributes in found.files.items() if path in chosen}
    return Found(files, listings), Whole(draw, sizes, frozenset(chosen))
