"""What was found last, kept for the questions that follow: a next page, a histogram, the same question again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Found = TypeVar("Found")


class Recent(Generic[Key, Found]):
    """What was found for the last `most` keys; for several readers at the same time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: OrderedDict[Key, Found] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Key) -> Found | None:
        """Return what was kept for a key, None if it is not there any more."""
        with self._lock:
            return self._found.get(key)

    def keep(self, key: Key, found: Found) -> None:
        """Keep what was found for a key."""
        with self._lock:
            self._found[key] = found
            while len(self._found) > self._most:
                self._found.popitem(last=False)
