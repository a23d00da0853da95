"""Own texts: rows of JSON lines (plain, gzip or zstd), Parquet and Arrow, and files of plain text, to documents.

    first bytes ─> Parquet ─> rows ─┐
                   Arrow ──> rows ─┤
                   else ─> lines ─> rows of JSON ─┴─ fields ─> Document | Drop
    an input with the attribute format=text ─> its whole content ─> Document | Drop

The number of the row or line in its file, from 0, is the `offset` and the last part of the id.
`pipelines.recipe_parts.Fields` tells which field of a row holds what.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import islice
from typing import Any, BinaryIO, Final, cast

import orjson
import pyarrow as pa

from pipelines import timestamps
from pipelines.document import EXCERPT_CHARACTERS, LIMIT, VALUE, Document, Drop
from pipelines.files import arrow_batches
from pipelines.files.blocks import TooLargeError
from pipelines.files.tables import well_formed
from pipelines.readers import Dump, first_bytes, rows
from pipelines.readers.columns import (
    MOST_COLUMNS,
    PREFIX,
    Columns,
    Types,
    of_rows,
    of_schema,
    pruned,
    said,
    united,
    value,
    without,
)
from pipelines.readers.github import decode
from pipelines.recipe_parts import Fields

# What a document has itself, by the names of `Fields`.
_OWN: Final = ("text", "url", "title", "license", "language", "timestamp")
TEXT: Final = "text"  # the attribute `format` of a file that is one text
MAX_TEXT_BYTES: Final = 128 << 20
BATCH_ROWS: Final = 256
# Rows of an input, and bytes, that are looked at before work starts.
_FIRST_ROWS, _FIRST_BYTES = 1_000, 16 << 20
_READ: Final = (None, "gzip", "zstd")  # as which lines may begin
_FORMATS: Final = "JSON lines (plain, gzip, zstd), Parquet, Arrow, or plain text named .txt"

Row = Mapping[str, Any]


class Reason(StrEnum):
    """Why a row is no document."""

    NO_TEXT = "no_text"
    BAD_FIELD = "bad_field"
    BINARY = "binary"
    MALFORMED = "malformed"
    TOO_LONG = "too_long"
    TOO_LARGE = "too_large"
    TRUNCATED = "truncated"


def read(
    stream: BinaryIO, dump: Dump, counts: Counter[str], source: str, fields: Fields, columns: Columns
) -> Iterator[Document | Drop]:
    """Yield a Document for each row with a text, a Drop for each other; `stream` is seekable.

    A timestamp that is none is left out, and counted as `unreadable:timestamp`. Raises ValueError for a file of another
    format, or a table without the text's column.
    """
    if dump.attributes.get("format") == TEXT:
        counts["records"] += 1
        yield _whole(stream, dump, source)
        return
    attributes = columns.of_table() if is_table(stream) else columns.of_json()
    for number, row in numbered(stream, dump, fields):
        counts["records"] += 1
        if isinstance(row, rows.Unreadable):
            yield rows.drop(source, dump, number, Reason(row.reason), row.told, row.size, row.scores)
        else:
            yield _document(row, dump, number, source, fields, attributes, counts)


def columns_of(streams: Iterable[tuple[BinaryIO, Dump]], fields: Fields, taken: Iterable[str]) -> Columns:
    """Return the columns that inputs bring besides a document's own, which may not have the names in `taken`.

    Those of JSON have the types of the first rows. Raises ValueError naming the file and a field of another type than
    a document has it in, or of one that cannot be kept.
    """
    found: list[Types] = []
    others = False
    for stream, dump in streams:
        if dump.attributes.get("format") == TEXT:
            continue
        others = others or not is_table(stream)
        found.append(_types(stream, dump, fields))
    types = united(found)
    if found and (absent := [name for name in fields.attributes if name not in types]):
        raise ValueError(
            f"texts.NAME.attributes: no input has a field {absent[0]!r} in its columns or first {_FIRST_ROWS:,} rows"
        )
    return Columns(tuple(types.items()), _named(fields), frozenset(taken), others and not fields.attributes)


def _types(stream: BinaryIO, dump: Dump, fields: Fields, first: Sequence[Row] | None = None) -> Types:
    """Return the types of the fields of one input that become columns; `first` are its first rows, if they are read."""
    if (schema := _schema(stream, dump)) is not None:
        return _types_in(schema, dump, fields)
    return _types_of_rows(_first_rows(stream, dump) if first is None else first, dump, fields)


def _types_in(schema: pa.Schema, dump: Dump, fields: Fields) -> Types:
    named = _named(fields)
    _check_types(dump, fields, of_schema(schema, [name for name in named if name in schema.names], dump.name))
    left = pruned(schema, named)
    found = of_schema(left, fields.attributes or [name for name in left.names if name not in named], dump.name)
    return {name: kind for name, kind in found.items() if name in left.names or not pa.types.is_null(kind)}


def _types_of_rows(first: Sequence[Row], dump: Dump, fields: Fields) -> Types:
    named = _named(fields)
    _check_types(dump, fields, of_rows(first, {name for name in named if any(name in row for row in first)}))
    left = [without(row, named) for row in first]
    names = dict.fromkeys(name for row in left for name in row if name not in named and well_formed(name) == name)
    wanted = [name for name in fields.attributes if any(name in row or value(row, name) for row in left)]
    return of_rows(left, wanted if fields.attributes else list(names)[:MOST_COLUMNS])


def _schema(stream: BinaryIO, dump: Dump) -> pa.Schema | None:
    if is_parquet(stream):
        return rows.parquet_table(stream, dump.name).schema_arrow
    try:
        return arrow_batches.schema(stream) if is_arrow(stream) else None
    except (pa.ArrowException, OSError, TooLargeError) as error:
        raise ValueError(f"{dump.name}: the schema of the Arrow file cannot be read ({error})") from error


def _first_rows(stream: BinaryIO, dump: Dump) -> list[Row]:
    found: list[Row] = []
    size = 0
    for _, row in islice(numbered(stream, dump, None), _FIRST_ROWS):
        if not isinstance(row, rows.Unreadable):
            found.append(row)
            size += sum(len(part) for part in row.values() if isinstance(part, str | bytes))
        if size > _FIRST_BYTES:
            break
    return found


def _check_types(dump: Dump, fields: Fields, found: Types) -> None:
    """Raise ValueError for a field that a document has in another type than this file."""
    for own in _OWN:
        name = getattr(fields, own)
        kind = found.get(name)
        times = kind is not None and own == "timestamp" and (pa.types.is_timestamp(kind) or pa.types.is_date(kind))
        if own != "text" and kind is not None and not pa.types.is_string(kind) and not times:
            raise ValueError(
                f"{dump.name}: the field {name!r} is a {kind}, and a document's {own} is a string"
                f"{' of ISO 8601, or a time' if own == 'timestamp' else ''}; name another field with --set "
                f"texts.NAME.{own}=FIELD, or none with --set texts.NAME.{own}= (it is kept as {PREFIX}{name} then)"
            )


def numbered(stream: BinaryIO, dump: Dump, fields: Fields | None) -> Iterator[tuple[int, Row | rows.Unreadable]]:
    """Yield number and values of each row of a file; of a table the columns of these fields alone, or all.

    Raises ValueError for a file of another format, or a table without the text's column.
    """
    if is_parquet(stream):
        table = rows.parquet_table(stream, dump.name)
        wanted = _there(table.schema_arrow, fields, dump.name)
        yield from rows.parquet_rows(stream, table, wanted, MAX_TEXT_BYTES, BATCH_ROWS)
    elif is_arrow(stream):
        yield from _arrow_rows(stream, dump, fields)
    else:
        _refuse(_start(stream), dump.name)
        for number, line in enumerate(rows.lines(stream, MAX_TEXT_BYTES)):
            yield number, line if isinstance(line, rows.Unreadable) else _parsed(line)


def look(stream: BinaryIO, dump: Dump, fields: Fields) -> None:
    """Look at an input's beginning; raise ValueError if it has another format, or none of its first rows a text.

    A text is a string, empty or not: the rows of a file may have other fields later. The other fields must be such as
    can be kept.
    """
    if dump.attributes.get("format") == TEXT:
        return
    first = _first_rows(stream, dump)
    found = [value(row, fields.text) for row in first]
    kinds = {type(one).__name__ for one in found if one is not None and not isinstance(one, str)}
    names = {name for row in first for name in row}
    if any(isinstance(one, str) for one in found):
        _types(stream, dump, fields, first)
        return
    if not first and not any(numbered(stream, dump, None)):
        return
    if kinds:
        raise ValueError(f"{dump.name}: the field {fields.text!r} holds {', '.join(sorted(kinds))}, not strings")
    if names:
        there = f"their fields are {', '.join(sorted(names)[:20])}; name it with --set texts.NAME.text=FIELD"
        raise ValueError(f"{dump.name}: none of the first {len(first):,} rows has a field {fields.text!r}; {there}")
    stream.seek(0)
    is_array = stream.read(_FIRST_BYTES).lstrip().startswith(b"[")
    what = "this is a JSON array; write one object per line (jq -c '.[]')" if is_array else f"{_FORMATS} is expected"
    raise ValueError(f"{dump.name}: none of the first lines is a JSON object; {what}")


def is_table(stream: BinaryIO) -> bool:
    """Tell whether a file is Parquet or Arrow, and stand at its beginning."""
    return is_parquet(stream) or is_arrow(stream)


def is_parquet(stream: BinaryIO) -> bool:
    """Tell whether a file is Parquet by its first bytes, and stand at its beginning."""
    return _start(stream).startswith(rows.PARQUET_MAGIC)


def is_arrow(stream: BinaryIO) -> bool:
    """Tell whether a file is Arrow's IPC, a file or a stream, by its first bytes, and stand at its beginning."""
    return first_bytes.named(_start(stream)) == first_bytes.Kind.ARROW


def _start(stream: BinaryIO) -> bytes:
    stream.seek(0)
    start = stream.read(8)
    stream.seek(0)
    return start


def _named(fields: Fields) -> tuple[str, ...]:
    """Return the fields that a document has itself, that of the text first."""
    return tuple(name for own in _OWN if (name := getattr(fields, own)))


def _there(schema: pa.Schema, fields: Fields | None, name: str) -> list[str]:
    """Return the columns of a table that fields lie in; ValueError if the text's is not among them, or a name twice."""
    if twice := [column for column, count in Counter(schema.names).items() if count > 1]:
        raise ValueError(f"{name}: there are several columns {twice[0]!r}; column names must be unique")
    if fields is None:
        return list(schema.names)
    if _top(fields.text, schema) not in schema.names:
        raise ValueError(f"{name}: there is no column {fields.text!r}; its columns are {', '.join(schema.names)}")
    if not fields.attributes:
        return list(schema.names)
    found = dict.fromkeys(_top(field, schema) for field in (*_named(fields), *fields.attributes))
    return [column for column in found if column in schema.names]


def _top(field: str, schema: pa.Schema) -> str:
    return field if field in schema.names else field.partition(".")[0]


def _arrow_rows(stream: BinaryIO, dump: Dump, fields: Fields | None) -> Iterator[tuple[int, Row | rows.Unreadable]]:
    number = 0
    try:
        for batch in arrow_batches.batches(stream):
            narrow = rows.kept(batch.select(_there(batch.schema, fields, dump.name)))
            for index in range(narrow.num_rows):
                # Row by row: a value that a dictionary holds once is made for each row that names it.
                yield number, rows.row_of(narrow.slice(index, 1), MAX_TEXT_BYTES)
                number += 1
    except TooLargeError as error:
        yield number, rows.Unreadable(rows.Reason.TOO_LARGE, str(error)[:EXCERPT_CHARACTERS])
    except (pa.ArrowException, OSError) as error:
        yield number, rows.Unreadable(rows.Reason.TRUNCATED, str(error)[:EXCERPT_CHARACTERS])


def _refuse(start: bytes, name: str) -> None:
    if (what := first_bytes.named(start)) not in _READ:
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


def _document(
    row: Row,
    dump: Dump,
    number: int,
    source: str,
    fields: Fields,
    attributes: Callable[[Row], dict[str, Any]],
    counts: Counter[str],
) -> Document | Drop:
    text = value(row, fields.text)
    if text is None or (isinstance(text, str) and not text.strip()):
        return rows.drop(source, dump, number, Reason.NO_TEXT)
    if not isinstance(text, str):
        told = f"{fields.text} is a {type(text).__name__}, not a string"
        return rows.drop(source, dump, number, Reason.BAD_FIELD, told)
    stated = said(value(row, fields.timestamp))
    timestamp = timestamps.canonical(stated)
    counts["unreadable:timestamp"] += stated is not None and timestamp is None
    return Document(
        id=f"{source}/{dump.digest}/{number}",
        source=source,
        text=well_formed(text),
        dump=dump.digest,
        offset=number,
        url=said(value(row, fields.url)),
        title=said(value(row, fields.title)),
        license=said(value(row, fields.license)),
        language=said(value(row, fields.language)),
        timestamp=timestamp,
        attributes=attributes(row),
    )


def _whole(stream: BinaryIO, dump: Dump, source: str) -> Document | Drop:
    try:
        content = _unpacked(stream)
    except (EOFError, OSError, zlib.error) as error:
        return rows.drop(source, dump, 0, Reason.TRUNCATED, str(error)[:EXCERPT_CHARACTERS])
    if len(content) > MAX_TEXT_BYTES:
        scores = {VALUE: len(content), LIMIT: MAX_TEXT_BYTES}
        return rows.drop(source, dump, 0, Reason.TOO_LONG, size=len(content), scores=scores)
    text = decode(content)
    if text is None:
        return rows.drop(source, dump, 0, Reason.BINARY, size=len(content))
    if not text.strip():
        return rows.drop(source, dump, 0, Reason.NO_TEXT)
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
