"""What a Parquet file takes in memory, from its page headers: before anything is inflated, whatever its footer says.

    footer, looked at -> column chunks -> page headers (Thrift's compact protocol) -> bytes of the pages when inflated
           -> rows that fit a batch, or a row group that is too large

A page's value can be a gigabyte in a few bytes: compressed, and named by every row where it stands in a dictionary.
Arrow makes all of it, so what can be large is looked at first. Real writers keep pages near 1 MiB.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.files import parquet_footers
from pipelines.files.blocks import FREE_ROWS, ROWS_OF_A_BYTE, TooLargeError
from pipelines.files.thrift import INT32, STRUCT, Reader

PAGE_BYTES = 256 << 20  # of one page, inflated
DICTIONARY_BYTES = 32 << 20  # of a dictionary, whose values every row may name
BATCH_BYTES = 256 << 20  # of what is made at one time of a row group
GROUP_BYTES = 1 << 30  # of one column of a row group that is made at once
NESTED_VALUES = 32 << 20  # of one column of lists in a row group
NESTED_RATIO = 64  # of such a column's bytes inflated to those in the file, if they are many: one row may hold them all
_HEADER_BYTES = 1 << 16
_LONGEST_HEADER = 16 << 20  # as Arrow
_DICTIONARY = 2
_NAMING = (2, 8)  # encodings whose values are numbers in the dictionary
_PREFIXES = 7  # the encoding whose values begin as the one before
_MADE_AT_ONCE = 1 << 20


class ParquetFile(pq.ParquetFile):
    """A Parquet file of anybody's, whose footer is looked at first; ValueError for one that no writer makes."""

    def __init__(self, stream: BinaryIO, **options: Any) -> None:
        self._rows_left = FREE_ROWS + ROWS_OF_A_BYTE * parquet_footers.check(stream)
        # None of Arrow's threads, which prefetch otherwise: one that lets go of the stream while Python ends aborts it.
        super().__init__(stream, pre_buffer=False, **options)

    def take(self, rows: int, where: str) -> None:
        """Note that rows are read; raise TooLargeError for more than a file of this size has: they take no room."""
        if rows > self._rows_left:
            raise TooLargeError(f"{where}: {rows:,} rows, which take almost no byte")
        self._rows_left -= rows


@dataclass(frozen=True, slots=True)
class Extent:
    """What a column chunk takes, in bytes inflated, and its number of values.

    Its largest page of data, all of them, and its dictionary; its bytes in the file; how many values are named in the
    dictionary; what values may take that begin as others; and the bytes of each value if that is fixed.
    """

    name: str
    page: int
    dictionary: int
    values: int
    nested: bool
    pages: int = 0
    packed: int = 0
    named: int = 0
    prefixed: int = 0
    width: int = 0


def batch_rows(stream: BinaryIO, table: ParquetFile, group: int, columns: list[str], most: int) -> int:
    """Return how many rows of a row group can be made at a time, from 1 to `most`; each group is asked for once.

    `table` is of `stream`, whose place is kept. Raises TooLargeError for a page that is too large to be inflated, a
    column of lists that is too large to be made and rows that take no room, ValueError for chunks outside of the file.
    """
    where = f"row group {group}"
    found = list(extents(stream, table, group, columns))
    for one in found:
        check(one, where)
    table.take(min((one.values for one in found), default=0), where)
    # A batch may make each row's value anew from a dictionary, and holds the pages that it lies in; values of a fixed
    # width and those that begin as others are made twice.
    each = sum(max((1 + bool(one.prefixed)) * one.page, one.dictionary, 2 * one.width) for one in found)
    rows = max(1, min(most, BATCH_BYTES // max(1, each)))
    for one in found:
        if one.nested and one.named * one.dictionary > BATCH_BYTES and _made(stream, one, group, rows) > BATCH_BYTES:
            rows = 1
            if _made(stream, one, group, rows) > BATCH_BYTES:
                raise TooLargeError(f"{where}: a dictionary of {one.dictionary:,} bytes for a list in {one.name}")
    return rows


def check_group(stream: BinaryIO, table: Any, group: int, columns: list[str] | None, path: str) -> None:
    """Raise TooLargeError naming `path` for a row group that is too large to be made at once."""
    where = f"{path}: row group {group}"
    for one in extents(stream, table, group, columns):
        check(one, where)
        if one.values > NESTED_VALUES:
            raise TooLargeError(f"{where}: {one.values:,} values in {one.name}")
        if max(one.pages, one.prefixed, one.values * one.width) > GROUP_BYTES:
            raise TooLargeError(f"{where}: values of more than {GROUP_BYTES:,} bytes in {one.name}")
        if one.values * one.dictionary > GROUP_BYTES and (one.nested or _made(stream, one, group) > GROUP_BYTES):
            raise TooLargeError(f"{where}: a dictionary of {one.dictionary:,} bytes for {one.values:,} values")


def _made(stream: BinaryIO, one: Extent, group: int, rows: int | None = None) -> int:
    """Return the bytes of a column's texts, from the lengths of its dictionary's; of so many rows, where they are most.

    Rows are those that are made together, in batches of that many; all rows if None.
    """
    place = stream.tell()
    most = total = 0
    try:
        table = ParquetFile(stream, read_dictionary=[one.name])
        for batch in table.iter_batches(
            rows or _MADE_AT_ONCE, row_groups=[group], columns=[one.name], use_threads=False
        ):
            made = sum(map(_named_bytes, batch.columns))
            total, most = total + made, max(most, made)
    finally:
        stream.seek(place)
    return total if rows is None else most


def _named_bytes(column: Any) -> int:
    """Return the bytes of texts that stand in dictionaries, in a column of any type."""
    if pa.types.is_dictionary(column.type):
        lengths: Any = pc.binary_length(column.dictionary).cast(pa.int64())
        parts = (column.indices.slice(start, _MADE_AT_ONCE) for start in range(0, len(column), _MADE_AT_ONCE))
        return sum(pc.sum(lengths.take(part)).as_py() or 0 for part in parts)
    if pa.types.is_struct(column.type):
        return sum(map(_named_bytes, column.flatten()))
    if pa.types.is_map(column.type):
        return _named_bytes(column.keys) + _named_bytes(column.items)
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        return _named_bytes(column.flatten())
    return 0


def check(one: Extent, where: str) -> None:
    """Raise TooLargeError for a column chunk that is too large to be read."""
    if one.page > PAGE_BYTES:
        raise TooLargeError(f"{where}: a page of {one.page:,} bytes in {one.name}")
    if one.dictionary > DICTIONARY_BYTES:
        raise TooLargeError(f"{where}: a dictionary of {one.dictionary:,} bytes in {one.name}")
    if one.width > BATCH_BYTES:
        raise TooLargeError(f"{where}: values of {one.width:,} bytes in {one.name}")
    if not one.nested:
        return
    if one.values > NESTED_VALUES:
        raise TooLargeError(f"{where}: {one.values:,} values in {one.name}")
    unpacked = one.pages if one.pages > NESTED_RATIO * one.packed else 0
    if max(unpacked, one.prefixed, one.values * one.width) > GROUP_BYTES:
        raise TooLargeError(f"{where}: lists of more than {GROUP_BYTES:,} bytes in {one.name}")


def extents(stream: BinaryIO, table: Any, group: int, columns: list[str] | None = None) -> Iterator[Extent]:
    """Yield what each column chunk of a row group takes; `columns` are names at the top, all if None.

    Raises ValueError for a chunk that lies outside of the file.
    """
    metadata = table.metadata.row_group(group)
    place = stream.tell()
    try:
        size = stream.seek(0, 2)
        for number in range(metadata.num_columns):
            chunk = metadata.column(number)
            top = chunk.path_in_schema.partition(".")[0]
            if columns is None or top in columns:
                column = table.schema.column(number)
                width = column.length if column.physical_type == "FIXED_LEN_BYTE_ARRAY" else 0
                yield _extent(chunk, list(_pages(stream, chunk, size)), top != chunk.path_in_schema, width)
    finally:
        stream.seek(place)


def _extent(chunk: Any, pages: list[_Page], nested: bool, width: int) -> Extent:
    data = [page for page in pages if page.kind != _DICTIONARY]
    dictionaries = [page for page in pages if page.kind == _DICTIONARY]
    return Extent(
        chunk.path_in_schema,
        max((page.inflated for page in data), default=0),
        # Arrow makes room for as many values as are said.
        max((max(page.inflated, page.values) for page in dictionaries), default=0),
        max(chunk.num_values, sum(page.values for page in data)),
        nested,
        pages=sum(page.inflated for page in data),
        packed=chunk.total_compressed_size,
        named=sum(page.values for page in data if page.encoding in _NAMING),
        prefixed=sum(page.values * page.inflated for page in data if page.encoding == _PREFIXES),
        width=width,
    )


@dataclass(frozen=True, slots=True)
class _Page:
    """What a page's header says: bytes inflated and packed, the header's own, the number of values, their encoding."""

    kind: int
    inflated: int
    packed: int
    header: int
    values: int
    encoding: int


def _pages(stream: BinaryIO, chunk: Any, size: int) -> Iterator[_Page]:
    """Yield each page, up to one whose header cannot be read: Arrow goes no further."""
    at, dictionary, length = chunk.data_page_offset, chunk.dictionary_page_offset, chunk.total_compressed_size
    if dictionary is not None and 0 < dictionary < at:  # as Arrow
        at = dictionary
    end = at + length
    if length and not 0 <= at <= end <= size:
        raise ValueError(f"{chunk.path_in_schema} from byte {at} to {end}, in a file of {size} bytes")
    while at < end:
        stream.seek(at)
        page = _header(stream, end - at)
        if page is None:
            return
        yield page
        at += page.header + page.packed


def _header(stream: BinaryIO, left: int) -> _Page | None:
    """Return what a page's header says, which has at most so many bytes; None if it is none."""
    data = stream.read(min(_HEADER_BYTES, left))
    while True:
        try:
            return _page(Reader(data))
        except EOFError:
            more = stream.read(min(len(data), left - len(data))) if len(data) < _LONGEST_HEADER else b""
            if not more:
                return None
            data += more
        except ValueError:
            return None


def _page(reader: Reader) -> _Page | None:
    # Kind, inflated, packed; then of pages of data in two versions and of dictionaries: values and encoding.
    found: dict[int, int] = {}
    told: dict[int, tuple[int, int]] = {}
    for number, kind in reader.fields():
        if kind == INT32:
            found[number] = reader.number(kind)
        elif kind == STRUCT and number in (5, 7, 8):
            inner = reader.numbers()
            told[number] = inner.get((1, INT32), 0), inner.get((4 if number == 8 else 2, INT32), 0)
        else:
            reader.skip(kind)
    if not {1, 2, 3} <= found.keys() or min(found[2], found[3]) < 0:
        return None
    values, encoding = told.get({0: 5, 2: 7, 3: 8}.get(found[1], 0), (0, 0))
    return _Page(found[1], found[2], found[3], reader.at, values, encoding)
