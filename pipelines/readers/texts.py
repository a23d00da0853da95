"""Own texts: rows of JSON lines (plain, gzip or zstd), Parquet and Arrow, and files of plain text, to documents.

    first bytes ─> Parquet ─> rows ─┐
                   Arrow ──> rows ─┤
                   else ─> lines ─> rows of JSON ─┴─ fields ─> Document | Drop
    an input with the attribute format=text ─> its whole content ─> Document | Drop

The number of the row or line in its file, from 0, is the `offset` and the last part of the id.
`pipelines.recipes.Fields` tells which field of a row holds what.
"""

from __future__ import annotations

import datetime
import gzip
import io
import json
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from enum import StrEnum
from itertools import islice
from typing import Any, BinaryIO, Final, cast

import orjson
import pyarrow as pa

from pipelines.document import EXCERPT_CHARACTERS, READ, Document, Drop
from pipelines.files import arrow_batches
from pipelines.files.blocks import TooLargeError
from pipelines.files.tables import well_formed
from pipelines.readers import Dump, rows
from pipelines.readers.github import decode
from pipelines.recipes import Fields

TEXT: Final = "text"  # the attribute `format` of a file that is one text
MAX_TEXT_BYTES: Final = 128 << 20
BATCH_ROWS: Final = 256
# Rows of an input, and bytes, that are looked at before work starts.
_FIRST_ROWS, _FIRST_BYTES = 1_000, 16 << 20
_ARROW: Final = (b"ARROW1", b"\xff\xff\xff\xff")  # a file with a footer; a stream
_NEVER: Final = {
    b"PK\x03\x04": "a zip archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"Obj\x01": "Avro",
    b"%PDF": "a PDF",
}
_FORMATS: Final = "JSON lines (plain, gzip, zstd), Parquet, Arrow, or plain text named .txt"

Row = dict[str, Any]


class Reason(StrEnum):
    """Why a row is no document."""

    NO_TEXT = "no_text"
    BAD_FIELD = "bad_field"
    BINARY = "binary"
    MALFORMED = "malformed"
    TOO_LONG = "too_long"
    TOO_LARGE = "too_large"
    TRUNCATED = "truncated"


def read(stream: BinaryIO, dump: Dump, counts: Counter[str], source: str, fields: Fields) -> Iterator[Document | Drop]:
    """Yield a Document for each row with a text, a Drop for each other; `stream` is seekable.

    Raises ValueError for a file of another format, or a table without the text's column.
    """
    if dump.attributes.get("format") == TEXT:
        counts["records"] += 1
        yield _whole(stream, dump, source)
        return
    for number, row in numbered(stream, dump, tops(fields)):
        counts["records"] += 1
        if isinstance(row, rows.Unreadable):
            yield _drop(source, dump, number, Reason(row.reason), row.told, row.size)
        else:
            yield _document(row, dump, number, source, fields)


def numbered(stream: BinaryIO, dump: Dump, columns: list[str] | None) -> Iterator[tuple[int, Row | rows.Unreadable]]:
    """Yield number and values of each row of a file; of a table these columns alone, or all.

    Raises ValueError for a file of another format, or a table without the first of the columns.
    """
    if is_parquet(stream):
        table = rows.parquet_table(stream, dump.name)
        wanted = _there(table.schema_arrow, columns, dump.name)
        yield from rows.parquet_rows(stream, table, wanted, MAX_TEXT_BYTES, BATCH_ROWS)
    elif is_arrow(stream):
        yield from _arrow_rows(stream, dump, columns)
    else:
        _refuse(_start(stream), dump.name)
        for number, line in enumerate(rows.lines(stream, MAX_TEXT_BYTES)):
            yield number, line if isinstance(line, rows.Unreadable) else _parsed(line)


def look(stream: BinaryIO, dump: Dump, fields: Fields) -> None:
    """Look at an input's beginning; raise ValueError if it has another format, or none of its first rows a text.

    A text is a string, empty or not: the rows of a file may have other fields later.
    """
    if dump.attributes.get("format") == TEXT:
        return
    names: set[str] = set()
    kinds: set[str] = set()
    seen = size = 0
    for _, row in islice(numbered(stream, dump, None), _FIRST_ROWS):
        seen += 1
        if isinstance(row, rows.Unreadable):
            continue
        found = value(row, fields.text)
        if isinstance(found, str):
            return
        kinds |= set() if found is None else {type(found).__name__}
        names |= row.keys()
        size += sum(len(part) for part in row.values() if isinstance(part, str | bytes))
        if size > _FIRST_BYTES:
            break
    if not seen:
        return
    if kinds:
        raise ValueError(f"{dump.name}: the field {fields.text!r} holds no string but {', '.join(sorted(kinds))}")
    if names:
        there = f"there are {', '.join(sorted(names)[:20])}; name it with --set texts.NAME.text=FIELD"
        raise ValueError(f"{dump.name}: none of the first {seen:,} rows has a field {fields.text!r}; {there}")
    stream.seek(0)
    is_array = stream.read(_FIRST_BYTES).lstrip().startswith(b"[")
    what = "this is an array of JSON; write an object a line (jq -c '.[]')" if is_array else f"{_FORMATS} is expected"
    raise ValueError(f"{dump.name}: none of the first {seen:,} lines is an object of JSON; {what}")


def is_parquet(stream: BinaryIO) -> bool:
    """Tell whether a file is Parquet by its first bytes, and stand at its beginning."""
    return _start(stream).startswith(rows.PARQUET_MAGIC)


def is_arrow(stream: BinaryIO) -> bool:
    """Tell whether a file is Arrow's IPC, a file or a stream, by its first bytes, and stand at its beginning."""
    return _start(stream).startswith(_ARROW)


def _start(stream: BinaryIO) -> bytes:
    stream.seek(0)
    start = stream.read(8)
    stream.seek(0)
    return start


def tops(fields: Fields) -> list[str]:
    """Return the columns of a table that fields lie in, that of the text first."""
    named = (fields.text, fields.url, fields.title, fields.license, fields.language, fields.timestamp)
    return [name for name in dict.fromkeys((*named, *fields.attributes)) if name]


def value(row: Mapping[str, Any], field: str) -> Any:
    """Return a row's field: one of that name, or one inside another by a path with dots; None if it has none."""
    if field in row:
        return row[field]
    found: Any = row
    for name in field.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


def _there(schema: pa.Schema, columns: list[str] | None, name: str) -> list[str]:
    """Return the columns of a table that fields lie in; ValueError if the first, the text's, is not among them."""
    if columns is None:
        return list(schema.names)
    top = [column if column in schema.names else column.partition(".")[0] for column in columns]
    if top and top[0] not in schema.names:
        raise ValueError(f"{name}: there is no column {columns[0]!r}, only {', '.join(schema.names)}")
    return list(dict.fromkeys(column for column in top if column in schema.names))


def _arrow_rows(stream: BinaryIO, dump: Dump, columns: list[str] | None) -> Iterator[tuple[int, Row | rows.Unreadable]]:
    number = 0
    try:
        for batch in arrow_batches.batches(stream):
            narrow = batch.select(_there(batch.schema, columns, dump.name))
            for index in range(narrow.num_rows):
                # Row by row: a value that a dictionary holds once is made for each row that names it.
                yield number, rows.row_of(narrow.slice(index, 1), MAX_TEXT_BYTES)
                number += 1
    except TooLargeError as error:
        yield number, rows.Unreadable(rows.Reason.TOO_LARGE, str(error)[:EXCERPT_CHARACTERS])
    except (pa.ArrowException, OSError) as error:
        yield number, rows.Unreadable(rows.Reason.TRUNCATED, str(error)[:EXCERPT_CHARACTERS])


def _refuse(start: bytes, name: str) -> None:
    for magic, what in _NEVER.items():
        if start.startswith(magic):
            raise ValueError(f"{name}: this is {what}; {_FORMATS} is expected")


def _parsed(line: bytes) -> Row | rows.Unreadable:
    try:
        row = orjson.loads(line)
    except ValueError:
        # What the standard library takes besides: NaN and halves of surrogate pairs, which many writers leave.
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            return _malformed(line)
    return row if isinstance(row, dict) else _malformed(line)


def _malformed(line: bytes) -> rows.Unreadable:
    return rows.Unreadable(rows.Reason.MALFORMED, line[:EXCERPT_CHARACTERS].decode("utf-8", "replace"), len(line))


def _document(row: Row, dump: Dump, number: int, source: str, fields: Fields) -> Document | Drop:
    text = value(row, fields.text)
    if text is None or (isinstance(text, str) and not text.strip()):
        return _drop(source, dump, number, Reason.NO_TEXT)
    if not isinstance(text, str):
        told = f"{fields.text} is a {type(text).__name__}, not a string"
        return _drop(source, dump, number, Reason.BAD_FIELD, told)
    attributes = {name: said for name in fields.attributes if (said := _said(value(row, name))) is not None}
    return Document(
        id=f"{source}/{dump.digest}/{number}",
        source=source,
        text=well_formed(text),
        dump=dump.digest,
        offset=number,
        url=_said(value(row, fields.url)),
        title=_said(value(row, fields.title)),
        license=_said(value(row, fields.license)),
        language=_said(value(row, fields.language)),
        timestamp=_said(value(row, fields.timestamp)),
        attributes=attributes,
    )


def _said(found: Any) -> str | None:
    """Return a value as a document keeps it: a text as it is, a time in ISO's form, anything else as JSON."""
    if found is None or found == "":
        return None
    if isinstance(found, str):
        return well_formed(found)
    if isinstance(found, datetime.datetime | datetime.date):
        return found.isoformat()
    return well_formed(json.dumps(found, ensure_ascii=False, sort_keys=True, default=str))


def _whole(stream: BinaryIO, dump: Dump, source: str) -> Document | Drop:
    try:
        content = _unpacked(stream)
    except (EOFError, OSError, zlib.error) as error:
        return _drop(source, dump, 0, Reason.TRUNCATED, str(error)[:EXCERPT_CHARACTERS])
    if len(content) > MAX_TEXT_BYTES:
        return _drop(source, dump, 0, Reason.TOO_LONG, size=len(content))
    text = decode(content)
    if text is None:
        return _drop(source, dump, 0, Reason.BINARY, size=len(content))
    if not text.strip():
        return _drop(source, dump, 0, Reason.NO_TEXT)
    return Document(id=f"{source}/{dump.digest}/0", source=source, text=text, dump=dump.digest, offset=0)


def _unpacked(stream: BinaryIO) -> bytes:
    """Return the content of a file that may be packed, or one byte more than a text may have."""
    start = _start(stream)
    if start.startswith(rows.GZIP_MAGIC):
        return gzip.GzipFile(fileobj=stream).read(MAX_TEXT_BYTES + 1)
    if start.startswith(rows.ZSTD_MAGIC):
        with pa.CompressedInputStream(cast(io.IOBase, stream), "zstd") as unpacked:
            return bytes(unpacked.read(MAX_TEXT_BYTES + 1))
    return stream.read(MAX_TEXT_BYTES + 1)


def _drop(source: str, dump: Dump, number: int, reason: Reason, told: str = "", size: int = 0) -> Drop:
    return Drop(
        id=f"{source}/{dump.digest}/{number}", source=source, stage=READ, reason=reason, excerpt=told, size=size
    )
