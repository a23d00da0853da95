"""Documents and drops as Parquet (zstd), written as a stream, with a digest that does not depend on row order.

The digest of a table is the SHA-256 over its rows' sorted SHA-256 digests, each of the row's canonical JSON (a text
in it as its own SHA-256): two tables with the same rows have the same digest, whatever wrote them, in whatever order.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from itertools import repeat
from typing import Any, BinaryIO, Final, cast

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines import timestamps
from pipelines.document import Document, Drop
from pipelines.files import parquet_pages, storage

VERSION = 5  # of the columns below, of what is written of a table, and of what manifests say of it
READ = (4, VERSION)  # of finished corpora: drops of 4 lack `detail`
ROW_GROUP_BYTES = 8 << 20
STAGED_GROUP_BYTES = 2 << 20  # what the processor's caches hold: new memory costs more than what is done in it
ROW_GROUP_ROWS = 50_000
_ROWS_AT_ONCE = 256
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


def columns(**kinds: pa.DataType) -> pa.Schema:
    """Return columns by name and type."""
    return pa.schema(list(kinds.items()))


# The columns that documents of every source have; those of the source's own stages come behind them.
DOCUMENT_SCHEMA: Final = columns(
    id=pa.string(),
    source=pa.string(),
    text=pa.string(),
    url=pa.string(),
    title=pa.string(),
    license=pa.string(),
    language=pa.string(),
    timestamp=pa.timestamp("us", "UTC"),
    timestamp_precision=pa.string(),
    dump=pa.string(),
    offset=pa.int64(),
)
# The columns that all drops have; behind them come the scores that the source's stages measure, and `value` and
# `limit`, which every source has, as float64. What decided is in these two, or in `detail`: see `Drop`.
DROP_SCHEMA: Final = columns(
    id=pa.string(),
    source=pa.string(),
    stage=pa.string(),
    reason=pa.string(),
    excerpt=pa.string(),
    size=pa.int64(),
    url=pa.string(),
    title=pa.string(),
    language=pa.string(),
    timestamp=pa.timestamp("us", "UTC"),
    timestamp_precision=pa.string(),
    license=pa.string(),
    detail=pa.string(),
)
# The columns of the table of copies: the document that stays, the one that was dropped, where and why, and how much of
# it is in the one that stays.
COPY_SCHEMA: Final = columns(
    kept=pa.string(), id=pa.string(), stage=pa.string(), reason=pa.string(), share=pa.float64()
)
NO_COLUMNS: Final = columns()
# A schema makes its names anew whenever it is asked for them.
_OF_DOCUMENTS, _OF_DROPS = frozenset(DOCUMENT_SCHEMA.names), frozenset(DROP_SCHEMA.names)

# Dictionaries for columns with few values; in the others they are written in vain, and every reader pays for them.
_LAYOUT: dict[str, Any] = {
    "compression": "zstd",
    "use_dictionary": ["source", "dump", "license", "language", "timestamp_precision", "stage", "reason"],
}
# What the next stage reads once, and is then removed: packing and unpacking it costs more than its place.
_STAGED: dict[str, Any] = _LAYOUT | {"compression": "none"}


@dataclass(frozen=True, slots=True)
class Written:
    """What a finished table holds: rows, UTF-8 bytes of text, the order-free digest, and the SHA-256 of the file.

    Of a staged table neither digest is taken: "".
    """

    rows: int
    size: int
    digest: str
    sha256: str

    def named(self, path: str) -> dict[str, str]:
        """Return the table's entry in a manifest."""
        return {"path": path, "digest": self.digest, "sha256": self.sha256}


def well_formed(text: str) -> str:
    """Return text with lone surrogates replaced by U+FFFD: they have no UTF-8 form."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def row_digest(row: Mapping[str, Any]) -> bytes:
    """Return the SHA-256 of one row's canonical JSON, in which a `text` (or its UTF-8) stands as its own SHA-256.

    What is null is left out: a row is the same in a table that has more columns. `timestamp` is in microseconds.
    """
    known = {name: value for name, value in row.items() if value is not None}
    if isinstance(at := known.get("timestamp"), datetime):
        known["timestamp"] = (at - _EPOCH) // _MICROSECOND
    if (text := known.get("text")) is not None:
        known["text"] = hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()
    return hashlib.sha256(orjson.dumps(known, default=_as_text, option=orjson.OPT_SORT_KEYS)).digest()


def _as_text(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def table_digest(digests: Iterable[bytes]) -> str:
    """Return the digest of a table from its rows' digests, in any order."""
    return hashlib.sha256(b"".join(sorted(digests))).hexdigest()


class _Hashed(io.RawIOBase):
    """A stream to write to that takes the SHA-256 of what goes through it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.sha256 = hashlib.sha256()

    def writable(self) -> bool:
        """Tell that it can be written to."""
        return True

    def write(self, data: Any) -> int:
        """Write some bytes."""
        self.sha256.update(data)
        return self._stream.write(data)


Watch = Callable[[pa.Table], None] | None


class TableWriter:
    """Writes rows (dictionaries of the schema's columns, a `text` as UTF-8 or ASCII) in row groups of bounded size.

    A column that a row lacks is null in it. `watch` is shown each row group. A `staged` table is for the next stage
    only: not compressed, no digests.
    """

    def __init__(self, stream: BinaryIO, schema: pa.Schema, *, staged: bool = False, watch: Watch = None) -> None:
        self._staged, self._watch = staged, watch
        self._group_bytes = STAGED_GROUP_BYTES if staged else ROW_GROUP_BYTES
        self._hashed = _Hashed(stream)
        target = stream if staged else cast(BinaryIO, self._hashed)
        self._writer = pq.ParquetWriter(target, schema, **(_STAGED if staged else _LAYOUT))
        self._schema = schema
        self._rows: list[dict[str, Any]] = []
        self._pending = 0
        self._digests: list[bytes] = []
        self.rows = 0
        self.size = 0

    def add(self, row: dict[str, Any], size: int) -> None:
        """Add one row; `size` is its text's length in UTF-8 bytes."""
        self._rows.append(row)
        self._pending += size + 200
        self.rows += 1
        self.size += size
        if self._pending >= self._group_bytes or len(self._rows) >= ROW_GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            table = pa.table([_column(field, self._rows) for field in self._schema], schema=self._schema)
            if not self._staged:
                self._digests += _digests(table, self._rows)
            if self._watch:
                self._watch(table)
            self._writer.write_table(table)
            self._rows = []
            self._pending = 0

    def abandon(self) -> None:
        """Close the writer of a table that will not be kept."""
        if self._writer.is_open:
            self._writer.close()

    def close(self) -> Written:
        """Write what is pending and return the counts and the digest."""
        self._flush()
        self._writer.close()
        if self._staged:
            return Written(self.rows, self.size, "", "")
        return Written(self.rows, self.size, table_digest(self._digests), self._hashed.sha256.hexdigest())


def _column(field: pa.Field[Any], rows: Sequence[Mapping[str, Any]]) -> Any:
    """Return a column of rows; raise ValueError naming the row of a value that has another type."""
    name = field.name  # not a plain attribute: it costs as much as a look into a row
    values = [row.get(name) for row in rows]
    try:
        return pa.array(values, field.type)
    except UnicodeEncodeError:
        return pa.array([_well_formed(value) for value in values], field.type)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        for row, value in zip(rows, values, strict=True):
            try:
                pa.array([value], field.type)
            except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
                raise ValueError(f"{row['id']}: {name} is {value!r:.200}, no {field.type}") from error
        raise


def _well_formed(value: Any) -> Any:
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, Mapping):
        return {well_formed(name): _well_formed(part) for name, part in value.items()}
    return [_well_formed(part) for part in value] if isinstance(value, list | tuple) else value


def _digests(table: pa.Table, rows: Sequence[Mapping[str, Any]]) -> list[bytes]:
    """Return the digests of rows as a reader of the table finds them: the column's type decides that 1 is 1.0."""
    others = table
    if "timestamp" in table.column_names:
        place = table.column_names.index("timestamp")
        others = table.set_column(place, "timestamp", table.column(place).cast(pa.int64()))
    if "text" not in table.column_names:
        return [row_digest(found) for found in others.to_pylist()]
    columns = others.drop_columns(["text"]).to_pylist()
    return [row_digest({**found, "text": row["text"]}) for found, row in zip(columns, rows, strict=True)]


class DocumentWriter(TableWriter):
    """Writes documents; `own` are the columns of their attributes."""

    def __init__(
        self, stream: BinaryIO, own: pa.Schema = NO_COLUMNS, *, staged: bool = False, watch: Watch = None
    ) -> None:
        super().__init__(stream, merged(DOCUMENT_SCHEMA, own), staged=staged, watch=watch)
        self._own = frozenset(own.names)

    def write(self, document: Document) -> None:
        """Add one document; raise ValueError naming it for an attribute without a column, or a time that is none."""
        if not document.attributes.keys() <= self._own:
            unknown = ", ".join(sorted(document.attributes.keys() - self._own))
            raise ValueError(f"{document.id}: no stage lists the attribute {unknown} among its columns")
        # Arrow reads ASCII where Python keeps it.
        text = document.text if self._staged and document.text.isascii() else _utf8(document.text)
        at, precision = _moment(document)
        row = {
            **document.attributes,
            "id": document.id,
            "source": document.source,
            "text": text,
            "url": document.url,
            "title": document.title,
            "license": document.license,
            "language": document.language,
            "timestamp": at,
            "timestamp_precision": precision,
            "dump": document.dump,
            "offset": document.offset,
        }
        self.add(row, len(text))


class DropWriter(TableWriter):
    """Writes drops; `scores` are the names of what stages measure of them."""

    def __init__(self, stream: BinaryIO, scores: Sequence[str] = (), *, watch: Watch = None) -> None:
        super().__init__(stream, merged(DROP_SCHEMA, columns(**dict.fromkeys(scores, pa.float64()))), watch=watch)
        self._scores = frozenset(scores)

    def write(self, drop: Drop, *, excerpt: bool) -> None:
        """Add one drop, with its excerpt or without; raise ValueError naming it for a score that no stage lists."""
        if not drop.scores.keys() <= self._scores:
            unknown = ", ".join(sorted(drop.scores.keys() - self._scores))
            raise ValueError(f"{drop.id}: no stage lists the score {unknown} among its scores")
        at, precision = _moment(drop)
        row = {
            **drop.scores,
            "id": drop.id,
            "source": drop.source,
            "stage": drop.stage,
            "reason": drop.reason,
            "excerpt": drop.excerpt if excerpt else None,
            "size": drop.size,
            "url": drop.url,
            "title": drop.title,
            "language": drop.language,
            "timestamp": at,
            "timestamp_precision": precision,
            "license": drop.license,
            "detail": drop.detail,
        }
        self.add(row, drop.size)


class CopyWriter(TableWriter):
    """Writes copies: rows of `COPY_SCHEMA`."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream, COPY_SCHEMA)

    def write(self, row: dict[str, Any]) -> None:
        """Add one copy."""
        self.add(row, 0)


def merged(first: pa.Schema, second: pa.Schema) -> pa.Schema:
    """Return the columns of both, the first's first; raise ValueError for a name that has two types."""
    for name in second.names:
        if name in first.names and not first.field(name).equals(second.field(name)):
            raise ValueError(f"the column {name} is a {first.field(name).type} and a {second.field(name).type}")
    return pa.unify_schemas([first, second])


def _moment(one: Document | Drop) -> tuple[datetime | None, str | None]:
    if one.timestamp is None:
        return None, None
    found = timestamps.parse(one.timestamp)
    if found is None:
        raise ValueError(f"{one.id}: the timestamp {one.timestamp!r:.100} is not ISO 8601; see pipelines.timestamps")
    return found


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return well_formed(text).encode()


class Table(parquet_pages.ParquetFile):
    """A Parquet file whose row groups are looked at before they are made: a few bytes can stand for any number."""

    def __init__(self, stream: BinaryIO, path: str) -> None:
        try:
            super().__init__(stream)
        except ValueError as error:
            raise ValueError(f"{path}: cannot be read as Parquet: {error}") from error
        self._stream, self._path = stream, path

    def read_row_group(self, i: int, columns: Any = None, *_: Any, **__: Any) -> pa.Table:
        """Return a row group; raise ValueError naming the file if it is too large for one that a build wrote."""
        if not storage.is_remote(self._path):  # there each look would be a request
            parquet_pages.check_group(self._stream, self, i, columns, self._path)
        return super().read_row_group(i, columns=columns, use_threads=False)


@contextmanager
def opened(path: str) -> Iterator[Table]:
    """Open a Parquet file; ValueError naming it for one that cannot be read."""
    with storage.open_read(path) as stream, Table(stream, path) as file:
        yield file


def rows(path: str) -> int:
    """Return a Parquet file's number of rows, from its footer."""
    with opened(path) as file:
        return int(file.metadata.num_rows)


def read_rows(path: str, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """Yield a Parquet file's rows as dictionaries, one row group in memory at a time."""
    with opened(path) as file:
        for group in range(file.num_row_groups):
            # In parts: a value that a dictionary holds once is made for each row that names it.
            for batch in file.read_row_group(group, columns=columns, use_threads=False).to_batches(_ROWS_AT_ONCE):
                yield from batch.to_pylist()


def read_texts(path: str, wanted: Sequence[int]) -> Iterator[tuple[int, str]]:
    """Yield (row, text) of some rows, given in order, one row group in memory at a time, of those that hold them."""
    with opened(path) as file:
        start = done = 0
        for group in range(file.num_row_groups):
            end = start + file.metadata.row_group(group).num_rows
            here = [row for row in wanted[done:] if row < end] if done < len(wanted) and wanted[done] < end else []
            if here:
                texts = file.read_row_group(group, columns=["text"], use_threads=False)["text"]
                yield from ((row, str(texts[row - start].as_py())) for row in here)
            start, done = end, done + len(here)
    if done < len(wanted):
        raise IndexError(f"{path}: there is no row {wanted[done]}")


def read_documents(path: str) -> Iterator[Document]:
    """Yield a Parquet file's documents, one row group in memory at a time."""
    with opened(path) as file:
        own = [name for name in file.schema_arrow.names if name not in _OF_DOCUMENTS]
        for group in range(file.num_row_groups):
            values = file.read_row_group(group, use_threads=False).to_pydict()
            rows = zip(*(values[name] for name in own), strict=True) if own else repeat((), len(values["id"]))
            values["attributes"] = [_known(own, row) for row in rows]
            times = zip(values["timestamp"], values.pop("timestamp_precision"), strict=True)
            values["timestamp"] = [_time(at, precision) for at, precision in times]
            for row in zip(*(values[name] for name in _FIELDS), strict=True):
                yield Document(**dict(zip(_FIELDS, row, strict=True)))


_FIELDS: Final = [field.name for field in fields(Document)]


def document_of(row: Mapping[str, Any]) -> Document:
    """Return the document of one row of a table of documents."""
    own = [name for name in row if name not in _OF_DOCUMENTS]
    given = {name: row[name] for name in _FIELDS if name in row}
    time = _time(row["timestamp"], row["timestamp_precision"])
    return Document(**given | {"timestamp": time, "attributes": _known(own, [row[name] for name in own])})


def scores_of(row: Mapping[str, Any]) -> dict[str, float]:
    """Return what was measured of a row of a table of drops."""
    return {name: value for name, value in row.items() if name not in _OF_DROPS and value is not None}


def _known(names: Sequence[str], values: Iterable[Any]) -> dict[str, Any]:
    return {name: value for name, value in zip(names, values, strict=True) if value is not None}


def _time(at: datetime | None, precision: str | None) -> str | None:
    return None if at is None or precision is None else str(timestamps.Moment(at, precision))
