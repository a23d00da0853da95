"""Documents and drops as Parquet (zstd), written as a stream, with a digest that does not depend on row order.

The digest of a table is the SHA-256 over its rows' sorted SHA-256 digests, each of the row's canonical JSON (a text
in it as its own SHA-256): two tables with the same rows have the same digest, whatever wrote them, in whatever order.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.document import Document, Drop
from pipelines.files import parquet_pages, storage

VERSION = 3  # of what is written of a table and said of it in manifests
ROW_GROUP_BYTES = 8 << 20
STAGED_GROUP_BYTES = 2 << 20  # what the processor's caches hold: new memory costs more than what is done in it
ROW_GROUP_ROWS = 50_000
_ROWS_AT_ONCE = 256

DOCUMENT_SCHEMA = pa.schema(
    pa.field(name, kind)
    for name, kind in [
        ("id", pa.string()),
        ("source", pa.string()),
        ("text", pa.string()),
        ("dump", pa.string()),
        ("offset", pa.int64()),
        ("url", pa.string()),
        ("title", pa.string()),
        ("license", pa.string()),
        ("language", pa.string()),
        ("timestamp", pa.string()),
        ("attributes", pa.map_(pa.string(), pa.string())),
    ]
)
DROP_SCHEMA = pa.schema(
    pa.field(name, kind)
    for name, kind in [
        ("id", pa.string()),
        ("source", pa.string()),
        ("stage", pa.string()),
        ("reason", pa.string()),
        ("excerpt", pa.string()),
        ("size", pa.int64()),
        ("scores", pa.map_(pa.string(), pa.float64())),
        ("language", pa.string()),
    ]
)


# Dictionaries for columns with few values; in the others they are written in vain, and every reader pays for them.
_LAYOUT: dict[str, Any] = {
    "compression": "zstd",
    "use_dictionary": ["source", "dump", "license", "language", "stage", "reason", "attributes.key_value.key"],
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
    """Return the SHA-256 of one row's canonical JSON, in which a `text` (or its UTF-8) stands as its own SHA-256."""
    if "text" in row:
        text = row["text"]
        row = {**row, "text": hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()}
    return hashlib.sha256(orjson.dumps(row, option=orjson.OPT_SORT_KEYS)).digest()


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


class TableWriter:
    """Writes rows (dictionaries of the schema's columns, a `text` as UTF-8 or ASCII) in row groups of bounded size.

    A `staged` table is for the next stage only: not compressed, without digests.
    """

    def __init__(self, stream: BinaryIO, schema: pa.Schema, *, staged: bool = False) -> None:
        self._staged = staged
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
        if not self._staged:
            self._digests.append(row_digest(row))
        self._rows.append(row)
        self._pending += size + 200
        self.rows += 1
        self.size += size
        if self._pending >= self._group_bytes or len(self._rows) >= ROW_GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            columns = {name: [row[name] for row in self._rows] for name in self._schema.names}
            self._writer.write_table(pa.table(columns, schema=self._schema))
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


class DocumentWriter(TableWriter):
    """Writes documents."""

    def __init__(self, stream: BinaryIO, *, staged: bool = False) -> None:
        super().__init__(stream, DOCUMENT_SCHEMA, staged=staged)

    def write(self, document: Document) -> None:
        """Add one document."""
        # Arrow reads ASCII where Python keeps it.
        text = document.text if self._staged and document.text.isascii() else _utf8(document.text)
        row = {
            "id": well_formed(document.id),
            "source": document.source,
            "text": text,
            "dump": document.dump,
            "offset": document.offset,
            "url": _optional(document.url),
            "title": _optional(document.title),
            "license": _optional(document.license),
            "language": document.language,
            "timestamp": document.timestamp,
            "attributes": sorted((name, well_formed(value)) for name, value in document.attributes.items()),
        }
        self.add(row, len(text))


class DropWriter(TableWriter):
    """Writes drops."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream, DROP_SCHEMA)

    def write(self, drop: Drop, *, excerpt: bool) -> None:
        """Add one drop, with its excerpt or without."""
        row = {
            "id": well_formed(drop.id),
            "source": drop.source,
            "stage": drop.stage,
            "reason": drop.reason,
            "excerpt": well_formed(drop.excerpt) if excerpt else None,
            "size": drop.size,
            "scores": sorted(drop.scores.items()),
            "language": drop.language,
        }
        self.add(row, drop.size)


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return well_formed(text).encode()


def _optional(text: str | None) -> str | None:
    return None if text is None else well_formed(text)


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
    names = DOCUMENT_SCHEMA.names
    with opened(path) as file:
        for group in range(file.num_row_groups):
            columns = file.read_row_group(group, columns=names, use_threads=False).to_pydict()
            columns["attributes"] = list(map(dict, columns["attributes"]))
            for values in zip(*(columns[name] for name in names), strict=True):
                yield Document(**dict(zip(names, values, strict=True)))
