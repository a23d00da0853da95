"""GitHub reader for tables: rows of a BigQuery export as Parquet or Avro to documents.

    Parquet: row group -> batches of a few rows -> rows \\
                                                          -> `github.record` -> Document | Drop
    Avro:    blocks -> rows                             /

The rows are those of `github`. BigQuery writes Parquet without compression, or with GZIP, SNAPPY or ZSTD, and Avro
without compression, or with DEFLATE or SNAPPY (its own default). `offset` and
the last part of the id are the row's number, from 0.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

import fastavro

from pipelines.document import EXCERPT_CHARACTERS, LIMIT, VALUE, Document, Drop
from pipelines.files.blocks import TooLargeError
from pipelines.readers import Dump, avro_blocks, github, rows
from pipelines.readers.github import MAX_LINE_BYTES, Reason

AVRO_MAGIC = b"Obj\x01"
# BigQuery's contents hold up to 1 MiB each: a batch stays under 64 MiB.
BATCH_ROWS = 64


def read_parquet(stream: BinaryIO, dump: Dump, counts: Counter[str]) -> Iterator[Document | Drop]:
    """Yield a Document for each row of a Parquet file, or a Drop for a row that holds no text or cannot be read.

    `stream` is seekable. Of a damaged row group what comes before the damage is kept and the rest is one record,
    dropped as truncated; other groups are read. Memory is that of one batch and of the pages that it lies in.
    ValueError if the file's footer cannot be read, or the columns are not those of an export.
    """
    table = rows.parquet_table(stream, dump.name)
    names = table.schema_arrow.names
    _check(names, dump)
    columns = [name for known in github.COLUMNS.values() for name in known if name in names]
    for number, row in rows.parquet_rows(stream, table, columns, MAX_LINE_BYTES, BATCH_ROWS):
        counts["records"] += 1
        if isinstance(row, rows.Unreadable):
            yield github.unreadable(row, dump, number)
        else:
            yield _record(row, dump, number)


def read_avro(stream: BinaryIO, dump: Dump, counts: Counter[str]) -> Iterator[Document | Drop]:
    """Yield a Document for each row of an Avro file, or a Drop for a row that holds no text or cannot be read.

    A file that ends early or is damaged yields one more record, dropped as truncated; what came before it is kept.
    Memory is that of one block; one that is too large for a real one ends the file, dropped as such. ValueError if the
    header cannot be read, names a compression that is not BigQuery's, or its schema is not that of an export.
    """
    try:
        reader = fastavro.reader(stream)
    except Exception as error:  # the header's schema is JSON of any shape
        raise ValueError(f"{dump.name}: the header of the Avro file is damaged ({error})") from error
    if reader.codec not in avro_blocks.CODECS:
        raise ValueError(
            f"{dump.name}: compressed with {reader.codec!r}; BigQuery writes {', '.join(avro_blocks.CODECS)}"
        )
    schema: Any = reader.writer_schema
    fields = schema.get("fields", []) if isinstance(schema, dict) else []
    _check([field["name"] for field in fields], dump)
    found = avro_blocks.rows(stream, json.loads(reader.metadata["avro.schema"]), reader.codec)
    for number, row in enumerate(_rows(found)):
        counts["records"] += 1
        if isinstance(row, tuple):
            reason, told = row
            yield github.drop(dump, number, reason, told[:EXCERPT_CHARACTERS], 0)
        else:
            yield _record(row, dump, number)


def _rows(found: Iterable[Any]) -> Iterator[Any]:
    """Yield the rows of an Avro file, and where one cannot be read why, and in words: a pair."""
    try:
        for row in found:
            yield row if isinstance(row, dict) else {}
    except TooLargeError as error:
        yield Reason.TOO_LARGE, str(error)
    except Exception as error:  # damaged bytes are taken for lengths, indexes and text of any kind
        yield Reason.TRUNCATED, f"{type(error).__name__}: {error}"


def _record(row: Mapping[str, Any], dump: Dump, number: int) -> Document | Drop:
    content = next((row[name] for name in github.COLUMNS["content"] if row.get(name) is not None), None)
    size = len(content) if isinstance(content, str | bytes) else 0
    if size > MAX_LINE_BYTES:
        return github.drop(dump, number, Reason.TOO_LONG, "", size, {VALUE: size, LIMIT: MAX_LINE_BYTES})
    return github.record(row, dump, number, size)


def _check(names: list[str], dump: Dump) -> None:
    """Refuse a table without the columns of an export."""
    needed = ("content",) if "files" in names else ("repo_name", "path", "content")
    missing = [column for column in needed if not any(name in names for name in github.COLUMNS[column])]
    if missing:
        raise ValueError(
            f"{dump.name}: not an export of files: it has no column {', '.join(missing)}; its columns are "
            f"{', '.join(names)}"
        )
