"""What the clients of object stores have in common: names of objects, what is known of one, the answer to a read."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

PATIENCE: Final = "ALTIPLANO_PATIENCE"  # the environment variable, which workers have from whoever starts them
PATIENCE_SECONDS: Final = 300.0
PART: Final = 16 << 20  # bytes sent at once; S3 takes 10,000 parts, so that an object has at most 160 GB
AT_ONCE: Final = 32  # requests of one process
CONNECT_SECONDS: Final = 10.0  # for a connection
READ_SECONDS: Final = 60.0  # for the next bytes of an answer
# Conditions of a write: none, that there is no such object, or that it is still the version that is given.
ALWAYS: Final = "*"
ABSENT: Final = ""
# Calls a function again while its errors may pass: `again(path, function)`.
Again = Callable[[str, Callable[[], Any]], Any]
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a store says of an object: its path, size in bytes, when it was last written, and its version."""

    path: str
    size: int
    changed: float
    version: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """The answer to a read: a stream of `length` bytes from `start` of an object of `size`.

    Objects with the same `mark` have the same bytes, whichever `version` they are.
    """

    body: Any
    start: int
    length: int
    size: int
    version: str
    mark: str

    @classmethod
    def of(cls, body: Any, length: int, told: str | None, **facts: Any) -> Opened:
        """Return an answer of `length` bytes, with its header Content-Range if it has one."""
        found = _RANGE.fullmatch(told or "")
        start, size = (int(found[1]), int(found[2])) if found else (0, length)
        return cls(body, start, length, size, **facts)


@dataclass(frozen=True, slots=True)
class Version:
    """A small object's bytes, the version that they are, and how many seconds old it is by the store's clock."""

    content: bytes
    version: str
    age: float


def names(path: str, *, whole: bool = True) -> tuple[str, str]:
    """Return the bucket and the name of an object, or with not `whole` what its name begins with."""
    bucket, _, name = path.partition("://")[2].partition("/")
    if not bucket or (whole and not name):
        raise ValueError(f"{path}: write it as {path.partition('://')[0]}://BUCKET/NAME")
    return bucket, name


def patience() -> float:
    """Return for how many seconds a store that does not answer is waited for; ValueError for what is no number."""
    given = os.environ.get(PATIENCE)
    if not given:
        return PATIENCE_SECONDS
    try:
        found = float(given)
    except ValueError:
        found = -1.0
    if not 0 <= found < float("inf"):
        raise ValueError(f"{PATIENCE}={given}: this must be a number of seconds, like {PATIENCE_SECONDS:.0f}")
    return found
