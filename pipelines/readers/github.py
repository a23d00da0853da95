"""GitHub reader: rows of a BigQuery-style export (JSON lines: plain, gzip or zstd) to documents.

    bytes -> lines -> rows {repo_name, ref, path, content, license, ...} -> Document | Drop

The rows are those of BigQuery's `github_repos` data set: `contents` joined with `files` and `licenses`, or its
`sample_contents` (columns `sample_repo_name`, `sample_path`, `sample_ref`). A row is one file of one repository, or one
blob with all that hold it: `repo_name` and its neighbours are lists, or `files` is a list of records. Of those the
smallest name stands for the blob among the repositories whose licence is permissive, as it would if each had a row of
its own; among all if there is none. `offset` and the last part of the id are the row's number, from 0.
`github_tables` reads the same rows as Parquet and Avro.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any, BinaryIO
from urllib.parse import quote

from filters import unicode_bytes
from filters.code import license
from filters.code.languages import language_of
from pipelines.document import EXCERPT_CHARACTERS, Document, Drop
from pipelines.files.tables import well_formed
from pipelines.readers import Dump, rows

SOURCE = "github"
# BigQuery's `contents` holds no text over 1 MiB; as JSON a byte takes at most six characters, so that a longer line is
# no row.
MAX_LINE_BYTES = 16 << 20
# Of one blob, beyond one for each of its records: records that hold lists multiply.
MOST_PLACES = 1 << 20

# BigQuery's names for a column, in `contents` joined with `files` and in `sample_contents`.
COLUMNS = {
    "repo_name": ("repo_name", "sample_repo_name"),
    "ref": ("ref", "sample_ref"),
    "path": ("path", "sample_path"),
    "content": ("content", "contents"),
    "license": ("license", "licenses"),
    "binary": ("binary",),
    "files": ("files",),
}


Place = tuple[str, str, str, str]  # repository, path, ref and licence


class Reason(StrEnum):
    """Why a record cannot be read."""

    MALFORMED = "malformed"
    BAD_FIELD = "bad_field"
    BINARY = "binary"
    NO_CONTENT = "no_content"
    TOO_LONG = "too_long"
    TRUNCATED = "truncated"
    TOO_LARGE = "too_large"


class _FieldError(ValueError):
    """A column that is missing, or whose value is of another type than BigQuery's."""


def read(stream: BinaryIO, dump: Dump, counts: Counter[str]) -> Iterator[Document | Drop]:
    """Yield a Document for each row of the export, or a Drop for a row that holds no text or cannot be read.

    `counts["records"]` counts lines that are not blank. A compressed stream that is damaged or ends early yields one
    more record, dropped as truncated; what came before it is kept. Constant memory but for one line. Where rows have no
    column for it, `dump.attributes["license"]` is the licence of all.
    """
    for number, line in enumerate(rows.lines(stream, MAX_LINE_BYTES)):
        if isinstance(line, bytes) and not line.strip():
            counts["other:blank_line"] += 1
            continue
        counts["records"] += 1
        if isinstance(line, rows.Unreadable):
            yield unreadable(line, dump, number)
        else:
            yield _record(line, dump, number)


def record(row: Any, dump: Dump, number: int, size: int) -> Document | Drop:
    """Return the Document of the row with this number, or its Drop; `size` is that of the row in bytes."""
    try:
        if not isinstance(row, dict):
            raise _FieldError("the row is not an object")
        return _document(row, dump, number)
    except _FieldError as error:
        return drop(dump, number, Reason.BAD_FIELD, str(error)[:EXCERPT_CHARACTERS], size)


def drop(dump: Dump, number: int, reason: Reason, excerpt: str, size: int, scores: Mapping[str, float] = {}) -> Drop:
    """Return the Drop of the row with this number, of which nothing else is known."""
    return rows.drop(SOURCE, dump, number, reason, excerpt, size, scores)


def unreadable(row: rows.Unreadable, dump: Dump, number: int) -> Drop:
    """Return the Drop of a row that cannot be read."""
    return drop(dump, number, Reason(row.reason), row.told, row.size, row.scores)


def decode(data: bytes) -> str | None:
    """Return the text of a file, or None if it is binary.

    A byte order mark decides (and is removed); else a NUL makes it binary, then UTF-8, then Latin-1, which reads any
    bytes. UTF-16 and UTF-32 without a mark hold NULs and so count as binary, as they do for git.
    """
    if marked := unicode_bytes.by_mark(data):
        text = data[marked[1] :].decode(marked[0], "replace")
        return None if "\0" in text else text
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _record(line: bytes, dump: Dump, number: int) -> Document | Drop:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return drop(dump, number, Reason.MALFORMED, line[:EXCERPT_CHARACTERS].decode("utf-8", "replace"), len(line))
    return record(row, dump, number, len(line))


def _document(row: Mapping[str, Any], dump: Dump, number: int) -> Document | Drop:
    repository, path, ref, spdx = _provenance(row, dump.attributes.get("license", "unknown"))
    content = _value(row, "content")
    marked = row.get("binary") in (True, "true")
    if not (marked or content is None or isinstance(content, str)):
        raise _FieldError(f"content is a {type(content).__name__}, not a string")
    text = "" if marked or content is None else well_formed(content)
    language = language_of(path)
    attributes = {"repository": repository, "path": path, "release": ref}
    attributes |= {"code_language": language} if language else {}
    file = Document(
        id=f"{SOURCE}/{dump.digest}/{number}",
        source=SOURCE,
        text=text.removeprefix("\ufeff"),
        dump=dump.digest,
        offset=number,
        url=f"https://github.com/{quote(repository)}/blob/{quote(ref)}/{quote(path)}",
        title=path,
        license=license.spelled(spdx),
        attributes=attributes,
    )
    if marked or "\0" in text:
        return _unread(file, Reason.BINARY, len(text.encode()))
    return file if content is not None else _unread(file, Reason.NO_CONTENT, 0)


def _unread(file: Document, reason: Reason, size: int) -> Drop:
    """Return the drop of a file that holds no text, with its place for an excerpt."""
    where = f"{file.attributes['repository']}/{file.title}"[:EXCERPT_CHARACTERS]
    return replace(file.unread(reason), excerpt=where, size=size)


def _provenance(row: Mapping[str, Any], unsaid: str) -> tuple[str, str, str, str]:
    """Return repository, path, ref (without `refs/heads/`) and licence of a row; `unsaid` where it has no licence."""
    places = _own_places(row, unsaid)
    name, path, ref, spdx = min(places, key=lambda place: (license.reason(place[3]) is not None, place))
    return name, path, ref.removeprefix("refs/heads/").removeprefix("refs/tags/"), spdx


def _own_places(row: Mapping[str, Any], unsaid: str) -> Iterator[Place]:
    """Yield all places that a row lists, in its own columns or in records; one at least."""
    read: dict[int, list[str]] = {}
    files = _value(row, "files")
    if files is None:
        yield from _places(row, unsaid, read)
        return
    if not isinstance(files, list) or not files or not all(isinstance(file, dict) for file in files):
        raise _FieldError("files is not a list of records")
    shared = {name: row[name] for names in COLUMNS.values() for name in names if name in row}
    more = 0
    for file in files:
        places = _places({**shared, **file}, unsaid, read)
        more += len(places) - 1
        if more > MOST_PLACES:
            raise _FieldError(f"files, and in each of them a list: more than {MOST_PLACES:,} places")
        yield from places


def _places(row: Mapping[str, Any], unsaid: str, read: dict[int, list[str]]) -> list[Place]:
    """Return all that a row's columns list; `read` keeps what was read of values, by their ids."""
    names = _strings(row, "repo_name", None, read)
    paths = _strings(row, "path", None, read)
    refs = _strings(row, "ref", "HEAD", read)
    licenses = _strings(row, "license", unsaid, read)
    for column in (paths, refs, licenses):
        if len(column) not in (1, len(names)):
            raise _FieldError(f"{len(column)} values beside {len(names)} repositories")
    paths, refs, licenses = (column * len(names) if len(column) == 1 else column for column in (paths, refs, licenses))
    return list(zip(names, paths, refs, licenses, strict=True))


def _strings(row: Mapping[str, Any], column: str, default: str | None, read: dict[int, list[str]]) -> list[str]:
    value = _value(row, column)
    if value is None or value == []:
        if default is None:
            raise _FieldError(f"{column} is missing")
        return [default]
    if id(value) not in read:
        values = value if isinstance(value, list) else [value]
        texts = [well_formed(text) for text in values if isinstance(text, str)]
        if len(texts) != len(values):
            raise _FieldError(f"{column} is not a string or a list of strings")
        read[id(value)] = texts
    return read[id(value)]


def _value(row: Mapping[str, Any], column: str) -> Any:
    return next((row[name] for name in COLUMNS[column] if row.get(name) is not None), None)
