"""What work needs of memory, by what is known of it: models that it reads, keys that a reducer holds.

The sizes are our own estimates: see the summary of a build for what its items took.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

GIB = 1 << 30
PROCESS_BYTES = GIB  # Python, Arrow and a file's documents
KEY_BYTES = 80  # that a reducer takes for each key
# What helps: buckets hold fewer keys, items are smaller, or machines larger.
MORE_MEMORY = "--set reducer_keys=N lets a reducer hold fewer keys at a time; other stages need larger machines"


@dataclass(frozen=True)
class Needs:
    """What the tasks of a build need: the most keys of a reducer, and how many bytes the model at a path has."""

    reducer_keys: int = 0
    size_of: Callable[[str], int] = lambda path: 0
    process: int = PROCESS_BYTES
    _sizes: dict[str, int] = field(default_factory=dict, repr=False)

    def of_item(self, element: object) -> int:
        """Return the bytes of memory of an item, which may read models."""
        models: Mapping[str, str] = getattr(element, "models", {})
        return self.process + sum(map(self._size, models.values()))

    def of_bucket(self, records: int) -> int:
        """Return the bytes of memory of a reducer's item with so many records."""
        return self.process + KEY_BYTES * min(records, self.reducer_keys)

    def _size(self, path: str) -> int:
        if path not in self._sizes:
            self._sizes[path] = self.size_of(path)
        return self._sizes[path]
