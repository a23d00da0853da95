"""What the blocks of Parquet's and Avro's files share: numbers of variable length, and the error of one too large."""

from __future__ import annotations

from typing import BinaryIO

# Rows that take no room of their own: a file has so many, and some more for each of its bytes.
FREE_ROWS = 1 << 16
ROWS_OF_A_BYTE = 8


class TooLargeError(ValueError):
    """A block or row group that would take more memory than any real one."""


def exactly(stream: BinaryIO, count: int) -> bytes:
    """Return the next bytes of a stream; EOFError if there are not as many."""
    found = stream.read(count)
    if len(found) < count:
        raise EOFError(f"the file ends in a block, {len(found)} of {count} bytes")
    return found


def unsigned(stream: BinaryIO) -> int:
    """Return a number of variable length; EOFError if it is cut, ValueError if it has more than 64 bits."""
    value = 0
    for shift in range(0, 70, 7):
        byte = exactly(stream, 1)[0]
        value |= (byte & 127) << shift
        if byte < 128:
            return value
    raise ValueError("a number of more than 64 bits")


def signed(stream: BinaryIO) -> int:
    """Return such a number that may be negative: its sign is its last bit."""
    value = unsigned(stream)
    return value >> 1 ^ -(value & 1)
