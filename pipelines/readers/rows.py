"""Rows, whatever they come in: lines (plain, gzip or zstd) and Parquet; what cannot be read costs nothing else.

    bytes ─ decompressed ─> lines
    Parquet: row group ─> batches of a few rows ─> rows

Memory is that of one line, or of one batch and the pages that it lies in.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.document import EXCERPT_CHARACTERS, LIMIT, READ, VALUE, Drop
from pipelines.files import parquet_pages
from pipelines.files.blocks import TooLargeError
from pipelines.files.parquet_pages import ParquetFile
from pipelines.readers import Dump

GZIP_MAGIC: Final = b"\x1f\x8b"
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
PARQUET_MAGIC: Final = b"PAR1"
BUFFER_BYTES: Final = 1 << 20
_LISTS: Final = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list, pa.types.is_list_view)


class Reason(StrEnum):
    """Why a row cannot be read."""

    MALFORMED = "malformed"
    TOO_LONG = "too_long"
    TOO_LARGE = "too_large"
    TRUNCATED = "truncated"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What stands for a row that cannot be read: why, in words, and its size in bytes as far as it is known.

    Of one that is too long `limit` is how long a row, or a text in it, may be.
    """

    reason: Reason
    told: str = ""
    size: int = 0
    limit: int | None = None

    @property
    def scores(self) -> dict[str, float]:
        """What decided, as a drop has it."""
        return {} if self.limit is None else {VALUE: self.size, LIMIT: self.limit}


def lines(stream: BinaryIO, longest: int) -> Iterator[bytes | Unreadable]:
    """Yield the lines of a stream, with their ends, each under `longest` bytes.

    A line that is longer is passed over. A stream that ends early or is damaged yields one thing more, truncated; what
    came before it stays. `stream` need not be seekable.
    """
    start = stream.read(len(ZSTD_MAGIC))
    whole = io.BufferedReader(_Rejoined(start, stream), 1 << 16)
    unpacked: Any = whole
    if start.startswith(GZIP_MAGIC):
        unpacked = gzip.GzipFile(fileobj=whole)
    elif start == ZSTD_MAGIC:
        unpacked = io.BufferedReader(_Readable(pa.CompressedInputStream(whole, "zstd")), 1 << 16)
    try:
        while line := unpacked.readline(longest):
            if len(line) < longest or line.endswith(b"\n"):
                yield line
                continue
            size = len(line)
            while rest := unpacked.readline(longest):
                size += len(rest)
                if rest.endswith(b"\n"):
                    break
            yield Unreadable(Reason.TOO_LONG, size=size, limit=longest)
    except (EOFError, zlib.error, gzip.BadGzipFile, _DamagedError):
        yield Unreadable(Reason.TRUNCATED)


class _DamagedError(Exception):
    """Bytes that are no zstd, or end early."""


class _Readable(io.RawIOBase):
    """Arrow's stream of decompressed bytes, with the standard library's reading of lines on top."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._stream.read(len(buffer))
        except (pa.ArrowException, OSError) as error:
            raise _DamagedError(str(error)) from error
        buffer[: len(data)] = data
        return len(data)


class _Rejoined(io.RawIOBase):
    """A stream with the bytes that were read from its start put back, so that it need not be seekable."""

    def __init__(self, start: bytes, rest: BinaryIO) -> None:
        self._start = start
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._start[: len(buffer)] or self._rest.read(len(buffer))
        self._start = self._start[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)


def parquet_table(stream: BinaryIO, name: str) -> ParquetFile:
    """Open a Parquet file; ValueError naming it if its footer cannot be read."""
    try:
        return ParquetFile(stream, buffer_size=BUFFER_BYTES)
    except Exception as error:  # a damaged footer is taken for lengths, types and names of any kind
        raise ValueError(f"{name}: the footer of the Parquet file is missing or damaged ({error})") from error


def parquet_rows(
    stream: BinaryIO, table: ParquetFile, columns: list[str], longest: int, most: int
) -> Iterator[tuple[int, dict[str, Any] | Unreadable]]:
    """Yield number and values of each row of an open Parquet file, from 0; `stream` is seekable.

    A row with a text of more than `longest` bytes is passed over before it is made; `most` rows are made at a time. Of
    a damaged row group what comes before the damage is kept, and the rest stands for one row; other groups are read.
    """
    first = 0
    for group in range(table.metadata.num_row_groups):
        number = first
        try:
            size = parquet_pages.batch_rows(stream, table, group, columns, most)
            for batch in table.iter_batches(size, row_groups=[group], columns=columns, use_threads=False):
                large, found = batch.nbytes > longest, kept(batch)
                for index in range(batch.num_rows):
                    yield number, row_of(found.slice(index, 1), longest if large else None)
                    number += 1
        except TooLargeError as error:
            yield number, Unreadable(Reason.TOO_LARGE, str(error)[:EXCERPT_CHARACTERS])
        except (pa.ArrowException, OSError, ValueError) as error:
            yield number, Unreadable(Reason.TRUNCATED, str(error)[:EXCERPT_CHARACTERS])
        first += table.metadata.row_group(group).num_rows


def row_of(row: pa.RecordBatch, longest: int | None) -> dict[str, Any] | Unreadable:
    """Return the values of a batch of one row; unreadable if a text has more than `longest` bytes (None: known)."""
    if longest is not None and (too_long := _too_long(row, longest)):
        size, limit = too_long
        return Unreadable(Reason.TOO_LONG, size=size, limit=limit)
    try:
        (values,) = row.to_pylist()
    except UnicodeDecodeError as error:
        return Unreadable(Reason.MALFORMED, str(error)[:EXCERPT_CHARACTERS], row.nbytes)
    found: dict[str, Any] = values
    return found


def kept_type(kind: pa.DataType) -> pa.DataType:
    """Return the type whose values Python and Parquet hold: no dictionaries and views, no nanoseconds."""
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return kept_type(kind.value_type)
    if isinstance(kind, pa.BaseExtensionType):
        return kept_type(kind.storage_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return pa.binary()
    if pa.types.is_map(kind):
        return pa.map_(kept_type(kind.key_type), kept_type(kind.item_type))
    if any(is_kind(kind) for is_kind in _LISTS):
        return pa.list_(kept_type(kind.field(0).type))
    if pa.types.is_struct(kind):
        inner = [kind.field(number) for number in range(kind.num_fields)]
        return pa.struct([pa.field(one.name, kept_type(one.type)) for one in inner])
    return _without_nanoseconds(kind)


def _without_nanoseconds(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return pa.timestamp("us", kind.tz)
    if pa.types.is_duration(kind) and kind.unit == "ns":
        return pa.duration("us")
    return pa.time64("us") if kind == pa.time64("ns") else kind


def kept(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch with columns of nanoseconds in microseconds, the rest of which is left out."""
    for place, column in enumerate(batch.schema):
        if _has_nanoseconds(column.type):
            batch = batch.set_column(place, column.name, batch.column(place).cast(kept_type(column.type), safe=False))
    return batch


def _has_nanoseconds(kind: pa.DataType) -> bool:
    inner = (kind.field(number).type for number in range(kind.num_fields))
    return getattr(kind, "unit", "") == "ns" or any(map(_has_nanoseconds, inner))


def _too_long(row: pa.RecordBatch, longest: int) -> tuple[int, int] | None:
    """Return the bytes of a text that is too long, or of texts in a list, and its limit, before one is made."""
    for column in row.columns:
        limit = longest if pa.types.is_string(column.type) else parquet_pages.BATCH_BYTES
        if (size := _bytes(column)) > limit:
            return size, limit
    return None


def _bytes(column: Any) -> int:
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        inner = column.flatten()
        # Each element becomes an object of Python's.
        return _bytes(inner) + 64 * len(inner)
    if pa.types.is_struct(column.type):
        return sum(map(_bytes, column.flatten()))
    if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
        return int(pc.sum(pc.binary_length(column)).as_py() or 0)
    return 0


def drop(
    source: str,
    dump: Dump,
    number: int,
    reason: str,
    told: str = "",
    size: int = 0,
    scores: Mapping[str, float] = {},
) -> Drop:
    """Return the drop of the row of a dump with this number, of which nothing else is known."""
    return Drop(
        id=f"{source}/{dump.digest}/{number}",
        source=source,
        stage=READ,
        reason=reason,
        excerpt=told,
        size=size,
        scores=scores,
    )
