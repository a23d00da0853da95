"""Thrift's compact protocol, in which Parquet's footers and page headers are written.

What is read is what Thrift's own reader makes of the same bytes: a field of another kind than expected is passed over,
numbers are cut to their bits, and nothing that it accepts ends the reading here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

INT32: Final = 5
INT64: Final = 6
TEXT: Final = 8
LIST: Final = 9
STRUCT: Final = 12
_TRUE, _FALSE, _BYTE, _INT16, _DOUBLE, _SET, _MAP = 1, 2, 3, 4, 7, 10, 11
_DEEPEST: Final = 64  # as Thrift


class Reader:
    """Reads a struct from bytes; EOFError where they end early, ValueError where they are none."""

    def __init__(self, data: bytes) -> None:
        self._data, self._size = data, len(data)
        self.at = 0
        self.structs = 0  # in lists that were passed over

    def fields(self) -> Iterator[tuple[int, int]]:
        """Yield number and kind of each field of a struct; its value is to be read, or passed over, before the next."""
        number = 0
        while (head := self._byte()) & 15:
            step = head >> 4
            number = _cut(number + step if step else self._signed(32), 16)
            yield number, head & 15

    def numbers(self) -> dict[tuple[int, int], int]:
        """Return the fields of a struct that are numbers of 32 or 64 bits, by number and kind."""
        found: dict[tuple[int, int], int] = {}
        for number, kind in self.fields():
            if kind in (INT32, INT64):
                found[number, kind] = self.number(kind)
            else:
                self.skip(kind)
        return found

    def number(self, kind: int) -> int:
        """Return a number of this kind."""
        return self._signed(64 if kind == INT64 else 32)

    def length(self) -> int:
        """Pass over a text and return its length in bytes."""
        count = self._count()
        self._forward(count)
        return count

    def elements(self) -> range:
        """Return a range over a list's elements, which are to be read or passed over."""
        head = self._byte()
        return range(head >> 4 if head >> 4 < 15 else self._count())

    def skip(self, kind: int, depth: int = 0) -> None:
        """Pass over the value of a field of this kind."""
        if depth > _DEEPEST:
            raise ValueError("nested too deeply")
        if kind in (_INT16, INT32, INT64):
            self._unsigned()
        elif kind == TEXT:
            self._forward(self._count())
        elif kind == STRUCT:
            while (head := self._byte()) & 15:
                if not head >> 4:
                    self._unsigned()
                self.skip(head & 15, depth + 1)
        elif kind in (LIST, _SET):
            head = self._byte()
            self._skip_all(head >> 4 if head >> 4 < 15 else self._count(), (head & 15,), depth)
        elif kind == _MAP:
            if count := self._count():
                head = self._byte()
                self._skip_all(count, (head >> 4, head & 15), depth)
        elif kind in (_BYTE, _DOUBLE):
            self._forward(1 if kind == _BYTE else 8)
        elif kind not in (_TRUE, _FALSE):  # a field's truth is its kind
            raise ValueError(f"there is no kind {kind}")

    def _skip_all(self, count: int, kinds: tuple[int, ...], depth: int) -> None:
        self.structs += count if STRUCT in kinds else 0
        for _ in range(count):
            for kind in kinds:
                self.skip(_BYTE if kind in (_TRUE, _FALSE) else kind, depth + 1)

    def _byte(self) -> int:
        if self.at >= self._size:
            raise EOFError
        self.at += 1
        return self._data[self.at - 1]

    def _forward(self, count: int) -> None:
        self.at += count
        if self.at > self._size:
            raise EOFError

    def _count(self) -> int:
        if (count := _cut(self._unsigned(), 32)) < 0:
            raise ValueError("a negative count")
        return count

    def _signed(self, bits: int) -> int:
        value = self._unsigned() & ((1 << bits) - 1)
        return value >> 1 ^ -(value & 1)

    def _unsigned(self) -> int:
        value = shift = 0
        while (byte := self._byte()) > 127:
            value |= (byte & 127) << shift
            shift += 7
            if shift > 63:
                raise ValueError("a number of more than 64 bits")
        return value | byte << shift


def _cut(value: int, bits: int) -> int:
    """Return a number cut to its lowest bits, of which the first is the sign."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> bits - 1 else value
