"""What a Parquet file takes in memory, from its page headers: before anything is inflated, whatever its footer says.

    footer -> column chunks -> page headers (Thrift's compact protocol) -> bytes of the pages when inflated
           -> rows that fit a batch, or a row group that is too large

A page's value can be a gigabyte in a few bytes: compressed, and named by every row where it stands in a dictionary.
Arrow makes all of it, so what can be large is looked at first. Real writers keep pages near 1 MiB.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.files.blocks import TooLargeError, exactly, signed, unsigned

PAGE_BYTES = 256 << 20  # of one page, inflated
DICTIONARY_BYTES = 32 << 20  # of a dictionary, whose values every row may name
BATCH_BYTES = 256 << 20  # of what is made at one time of a row group
GROUP_BYTES = 1 << 30  # of one column of a row group that is made at once
NESTED_VALUES = 32 << 20  # of one column of lists in a row group
_HEADER_BYTES = 1 << 16
_LONGEST_HEADER = 16 << 20  # as Arrow
_DICTIONARY = 2


@dataclass(frozen=True, slots=True)
class Extent:
    """What a column chunk takes: its largest page and its dictionary in bytes inflated, and its number of values."""

    name: str
    page: int
    dictionary: int
    values: int
    nested: bool


def batch_rows(stream: BinaryIO, table: Any, group: int, columns: list[str], most: int) -> int:
    """Return how many rows of a row group can be made at a time, from 1 to `most`.

    `table` is a pyarrow.parquet.ParquetFile of `stream`, whose place is kept. Raises TooLargeError for a page that is
    too large to be inflated, and for a column of lists that is too large to be made.
    """
    found = list(extents(stream, table, group, columns))
    for one in found:
        check(one, f"row group {group}")
    # A batch may make each row's value anew from a dictionary, and holds the pages that it lies in.
    each = sum(max(one.page, one.dictionary) for one in found)
    return max(1, min(most, BATCH_BYTES // max(1, each)))


def check_group(stream: BinaryIO, table: Any, group: int, columns: list[str] | None, path: str) -> None:
    """Raise TooLargeError naming `path` for a row group that is too large to be made at once."""
    where = f"{path}: row group {group}"
    for one in extents(stream, table, group, columns):
        check(one, where)
        if one.values * one.dictionary > GROUP_BYTES and (one.nested or _made(stream, one, group) > GROUP_BYTES):
            raise TooLargeError(f"{where}: a dictionary of {one.dictionary:,} bytes for {one.values:,} values")


def _made(stream: BinaryIO, one: Extent, group: int) -> int:
    """Return the bytes of a column's texts, from the lengths of its dictionary's."""
    place = stream.tell()
    try:
        table = pq.ParquetFile(stream, pre_buffer=False, read_dictionary=[one.name])
        chunks: Any = table.read_row_group(group, columns=[one.name], use_threads=False)[0].chunks
    finally:
        stream.seek(place)
    total = 0
    for chunk in (chunk for chunk in chunks if pa.types.is_dictionary(chunk.type)):
        lengths: Any = pc.binary_length(chunk.dictionary)
        total += pc.sum(lengths.cast(pa.int64()).take(chunk.indices)).as_py() or 0
    return total


def check(one: Extent, where: str) -> None:
    """Raise TooLargeError for a column chunk that is too large to be read."""
    if one.page > PAGE_BYTES:
        raise TooLargeError(f"{where}: a page of {one.page:,} bytes in {one.name}")
    if one.dictionary > DICTIONARY_BYTES:
        raise TooLargeError(f"{where}: a dictionary of {one.dictionary:,} bytes in {one.name}")
    if one.nested and one.values > NESTED_VALUES:
        raise TooLargeError(f"{where}: {one.values:,} values in {one.name}")


def extents(stream: BinaryIO, table: Any, group: int, columns: list[str] | None = None) -> Iterator[Extent]:
    """Yield what each column chunk of a row group takes; `columns` are names at the top, all if None."""
    metadata = table.metadata.row_group(group)
    place = stream.tell()
    try:
        for number in range(metadata.num_columns):
            chunk = metadata.column(number)
            top = chunk.path_in_schema.partition(".")[0]
            if columns is None or top in columns:
                pages = list(_pages(stream, chunk))
                yield Extent(
                    chunk.path_in_schema,
                    max((size for kind, size in pages if kind != _DICTIONARY), default=0),
                    max((size for kind, size in pages if kind == _DICTIONARY), default=0),
                    chunk.num_values,
                    top != chunk.path_in_schema,
                )
    finally:
        stream.seek(place)


def _pages(stream: BinaryIO, chunk: Any) -> Iterator[tuple[int, int]]:
    """Yield (kind, bytes inflated) of each page, up to one whose header cannot be read: Arrow goes no further."""
    starts = [chunk.data_page_offset, chunk.dictionary_page_offset or chunk.data_page_offset]
    at = min(starts)
    end = at + chunk.total_compressed_size
    while 0 <= at < end:
        stream.seek(at)
        found = _header(stream)
        if found is None:
            return
        kind, inflated, packed, length = found
        yield kind, inflated
        at += length + packed


def _header(stream: BinaryIO) -> tuple[int, int, int, int] | None:
    """Return a page's kind, bytes inflated and packed, and the length of its header; None if it is none."""
    data = stream.read(_HEADER_BYTES)
    while True:
        reader = _Compact(data)
        try:
            fields = reader.numbers()
        except EOFError:
            more = stream.read(len(data)) if len(data) < _LONGEST_HEADER else b""
            if not more:
                return None
            data += more
            continue
        except ValueError:
            return None
        if not {1, 2, 3} <= fields.keys() or min(fields[2], fields[3]) < 0:
            return None
        return fields[1], fields[2], fields[3], reader.stream.tell()


class _Compact:
    """Reads a struct of Thrift's compact protocol; EOFError where it ends early, ValueError where it is none."""

    def __init__(self, data: bytes) -> None:
        self.stream, self.size = io.BytesIO(data), len(data)

    def numbers(self) -> dict[int, int]:
        """Return the struct's fields that are numbers, by their ids; the stream is at its end then."""
        found: dict[int, int] = {}
        number = 0
        while head := self._byte():
            kind, step = head & 15, head >> 4
            number = number + step if step else signed(self.stream)
            if kind in (3, 4, 5, 6):
                found[number] = self._byte() if kind == 3 else signed(self.stream)
            else:
                self._skip(kind, 0)
        return found

    def _byte(self) -> int:
        return exactly(self.stream, 1)[0]

    def _forward(self, count: int) -> None:
        if count > self.size - self.stream.tell():
            raise EOFError
        self.stream.seek(count, io.SEEK_CUR)

    def _skip(self, kind: int, depth: int) -> None:
        if depth > 8:
            raise ValueError("nested too deeply")
        if kind in (1, 2):  # a boolean, which is its kind
            return
        if kind == 3:
            self._forward(1)
        elif kind in (4, 5, 6):
            unsigned(self.stream)
        elif kind == 7:
            self._forward(8)
        elif kind == 8:
            self._forward(unsigned(self.stream))
        elif kind in (9, 10):
            head = self._byte()
            for _ in range(head >> 4 if head >> 4 < 15 else unsigned(self.stream)):
                if head & 15 in (1, 2):
                    self._forward(1)
                else:
                    self._skip(head & 15, depth + 1)
        elif kind == 12:
            while head := self._byte():
                if not head >> 4:
                    unsigned(self.stream)
                self._skip(head & 15, depth + 1)
        else:
            raise ValueError(f"kind {kind}")
