"""What the blocks of Parquet's and Avro's files share: numbers of variable length, and the error of one too large."""

from __future__ import annotations

from collections.abc import Callable


class TooLargeError(ValueError):
    """A block or row group that would take more memory than any real one."""


def unsigned(byte: Callable[[], int]) -> int:
    """Return a number of variable length; `byte` gives the next byte, and raises where there is none.

    ValueError for one of more than 64 bits.
    """
    value = 0
    for shift in range(0, 70, 7):
        found = byte()
        value |= (found & 127) << shift
        if found < 128:
            return value
    raise ValueError("a number of more than 64 bits")


def signed(byte: Callable[[], int]) -> int:
    """Return such a number that may be negative: its sign is its last bit."""
    value = unsigned(byte)
    return value >> 1 ^ -(value & 1)
