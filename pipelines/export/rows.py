"""A corpus of documents alone, as Parquet with the columns and types that came in, and the document's `id`.

    OUTPUT/README.md                  names the files of each source
    OUTPUT/SOURCE/NUMBER.parquet      a file for each input, in the order of their paths; rows in the input's order

Own texts are read again where the corpus' manifest says that they are, and a document's row is found by its number; its
text is the corpus', cleaned as the recipe says. Where a column `id` came in, ours is `document_id`. Columns of JSON get
the type that holds all their values; where there is none, texts stay and other values are written as JSON. Files of
plain text become rows of `file`, `text` and `id`, those of other sources their documents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count, islice
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.account.finished import corpus_manifest, source_manifest
from pipelines.export.common import link
from pipelines.export.parquet import write_readme
from pipelines.files import arrow_batches, parquet_pages, storage, tables
from pipelines.files.blocks import TooLargeError
from pipelines.readers import Dump, rows, texts
from pipelines.readers.columns import as_text, type_of, widened
from pipelines.recipe_parts import Fields
from pipelines.stages.source import input_digest

_AT_ONCE: Final = 4_096  # rows of JSON
_BATCH_ROWS: Final = 16_384
_TEXT: Final = (
    "Rows as they came in, of the documents that were kept; `id` is that of the corpus' document (`document_id` "
    "where a column `id` came in)."
)

Json = dict[str, Any]
Types = dict[str, pa.DataType]


@dataclass(frozen=True, slots=True)
class Kept:
    """A document that was kept: the number of its row, its id, its text."""

    number: int
    id: str
    text: str


def export(corpus: Path, names: Sequence[str], output: Path) -> dict[str, int]:
    """Write some sources of a corpus, or all; return how many documents each has.

    Raises ValueError naming what is missing, and for an input that is gone or has changed since the corpus was built.
    """
    there = _manifests(corpus)
    if missing := [name for name in names if name not in there]:
        raise ValueError(f"{corpus}: there is no source {', '.join(missing)}; available: {', '.join(there)}")
    written: dict[str, dict[str, list[str]]] = {}
    for name in names or there:
        make = _own_texts if "fields" in there[name] else _documents
        files = [f"{name}/{path}" for path in make(corpus, there[name], output / name)]
        written[name] = {"train": files}
    write_readme(output, written, _TEXT)
    return {name: there[name]["documents"]["count"] for name in written}


def has_documents_alone(corpus: Path) -> bool:
    """Tell whether a corpus is finished and was not tokenised."""
    whole = storage.read_json(f"{corpus}/manifest.json")
    return isinstance(whole, dict) and whole.get("tokenizer", "") is None


def _manifests(corpus: Path) -> dict[str, Json]:
    return {name: source_manifest(str(corpus), name) for name in corpus_manifest(str(corpus))["sources"]}


def _documents(corpus: Path, manifest: Json, output: Path) -> Iterator[str]:
    """Link a source's documents."""
    for entry in manifest["documents"]["files"]:
        name = storage.inside(entry["path"], f"{corpus}/{manifest['source']}/manifest.json")
        link(corpus / name, output / Path(name).name)
        yield Path(name).name


def _own_texts(corpus: Path, manifest: Json, output: Path) -> Iterator[str]:
    """Write a file for each input of rows, and one for all of plain text; yield their names."""
    told: Json = {name: tuple(part) if isinstance(part, list) else part for name, part in manifest["fields"].items()}
    named_by = f"{corpus}/{manifest['source']}/manifest.json"
    files = [storage.inside(entry["path"], named_by) for entry in manifest["documents"]["files"]]
    documents = {Path(name).stem: corpus / name for name in files}
    inputs = sorted(manifest["inputs"], key=lambda entry: str(entry["path"]))
    found = [Dump(entry["path"], entry["digest"], dict(entry["attributes"])) for entry in inputs]
    # An item is a file of rows by its digest, or a group of files of plain text.
    tabular = [_Input(dump, documents.pop(dump.digest), Fields(**told)) for dump in found if dump.digest in documents]
    plain = {dump.digest: dump.name for dump in found if dump.digest not in {one.dump.digest for one in tabular}}
    for one in tabular:
        one.check()
    types: Types = {}
    for one in tabular:
        one.add_types(types)
    for number, one in enumerate(tabular):
        if _write(output / f"{number:05d}.parquet", one.tables(types)):
            yield f"{number:05d}.parquet"
    if plain and _write(output / "plain.parquet", _plain(sorted(documents.values()), plain)):
        yield "plain.parquet"


def _plain(files: Sequence[Path], paths: Mapping[str, str]) -> Iterator[pa.Table]:
    for path in files:
        found = tables.read_rows(str(path), ["id", "text", "dump"])
        while chunk := list(islice(found, _AT_ONCE)):
            columns = {"file": [paths[row["dump"]] for row in chunk], "text": [row["text"] for row in chunk]}
            yield pa.table({**columns, "id": [row["id"] for row in chunk]})


@dataclass(frozen=True)
class _Input:
    """An input of rows, and the documents that were kept of it."""

    dump: Dump
    documents: Path
    fields: Fields

    def check(self) -> None:
        """Raise ValueError if the file is gone, or another than the corpus was built of: rows would be those of it."""
        name = self.dump.name
        try:
            content = storage.sha256(name)
        except OSError as error:
            said = f"this input of the corpus is needed and cannot be read ({error})"
            raise ValueError(f"{name}: {said}; if it was moved, build again from its new place") from None
        if input_digest(content, tuple(sorted(self.dump.attributes.items()))) != self.dump.digest:
            raise ValueError(f"{name}: this input has changed since the corpus was built; build again")

    def kept(self) -> Iterator[Kept]:
        """Yield the documents, in the order of their rows."""
        for row in tables.read_rows(str(self.documents), ["id", "text", "offset"]):
            yield Kept(row["offset"], row["id"], row["text"])

    def tables(self, types: Types) -> Iterator[pa.Table]:
        """Yield the rows whose documents were kept; `types` are those of columns of JSON."""
        with storage.open_read(self.dump.name) as stream:
            if texts.is_parquet(stream):
                yield from _of_batches(_parquet(stream, self.dump.name), self.fields, self.kept())
            elif texts.is_arrow(stream):
                yield from _of_batches(_arrow(stream), self.fields, self.kept())
            else:
                for chunk in _chunks(self._json(stream)):
                    columns = {name: _column([row.get(name) for row, _ in chunk], kind) for name, kind in types.items()}
                    yield _with_id(pa.table(columns), [one.id for _, one in chunk])

    def add_types(self, types: Types) -> None:
        """Widen the types of columns so that they hold the values of these rows of JSON."""
        with storage.open_read(self.dump.name) as stream:
            if texts.is_parquet(stream) or texts.is_arrow(stream):
                return
            for chunk in _chunks(self._json(stream)):
                names = dict.fromkeys(name for row, _ in chunk for name in row)
                types.update(widened(types, {name: type_of([row.get(name) for row, _ in chunk]) for name in names}))

    def _json(self, stream: BinaryIO) -> Iterator[tuple[Json, Kept]]:
        kept = self.kept()
        waiting = next(kept, None)
        for number, row in texts.numbered(stream, self.dump, None):
            if waiting is not None and number == waiting.number and isinstance(row, dict):
                path = [self.fields.text] if self.fields.text in row else self.fields.text.split(".")
                _put(row, path, waiting.text)
                yield row, waiting
                waiting = next(kept, None)
        if waiting is not None:
            raise ValueError(f"{waiting.id}: its row is not in {self.dump.name}")


def _parquet(stream: BinaryIO, name: str) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield the batches of a Parquet file with the number of their first rows; what is damaged had no documents."""
    table = rows.parquet_table(stream, name)
    names, first = table.schema_arrow.names, 0
    for group in range(table.metadata.num_row_groups):
        number = first
        try:
            size = parquet_pages.batch_rows(stream, table, group, names, _BATCH_ROWS)
            for batch in table.iter_batches(size, row_groups=[group], use_threads=False):
                yield number, batch
                number += batch.num_rows
        except (pa.ArrowException, OSError, ValueError):
            pass
        first += table.metadata.row_group(group).num_rows


def _arrow(stream: BinaryIO) -> Iterator[tuple[int, pa.RecordBatch]]:
    number = 0
    try:
        for batch in arrow_batches.batches(stream):
            yield number, batch
            number += batch.num_rows
    except (TooLargeError, pa.ArrowException, OSError):
        return


def _of_batches(
    batches: Iterator[tuple[int, pa.RecordBatch]], fields: Fields, kept: Iterator[Kept]
) -> Iterator[pa.Table]:
    waiting = next(kept, None)
    for first, batch in batches:
        here = []
        while waiting is not None and waiting.number < first + batch.num_rows:
            here.append(waiting)
            waiting = next(kept, None)
        chosen = _rows_of(batch, [one.number - first for one in here])
        yield _with_id(_with_texts(chosen, fields.text, [one.text for one in here]), [one.id for one in here])
    if waiting is not None:
        raise ValueError(f"{waiting.id}: its row is not in the input")


def _rows_of(batch: pa.RecordBatch, numbers: Sequence[int]) -> pa.Table:
    """Return some rows of a batch, in order."""
    try:
        return pa.table(batch.take(pa.array(numbers, pa.int64())))
    except pa.ArrowNotImplementedError:  # of views Arrow takes no single rows
        whole = pa.table(batch)
        return pa.concat_tables([whole.slice(0, 0), *(whole.slice(number, 1) for number in numbers)]).combine_chunks()


def _with_texts(table: pa.Table, field: str, found: Sequence[str]) -> pa.Table:
    """Return the table with these texts where the field is, in the column's type."""
    name = field if field in table.column_names else field.partition(".")[0]
    place, kind = table.column_names.index(name), table.schema.field(name).type
    if name == field:
        column = pa.array(found, pa.large_string()).cast(kind.value_type if pa.types.is_dictionary(kind) else kind)
        column = column.dictionary_encode().cast(kind) if pa.types.is_dictionary(kind) else column
    else:
        values = table.column(place).to_pylist()
        for value, text in zip(cast(list[Json], values), found, strict=True):
            _put(value, field.split(".")[1:], text)
        column = pa.array(values, kind)
    return table.set_column(place, table.schema.field(place), column)


def _with_id(table: pa.Table, ids: Sequence[str]) -> pa.Table:
    there = set(table.column_names)
    names = chain(("id", "document_id"), (f"document_id_{number}" for number in count(2)))
    name = next(name for name in names if name not in there)
    return table.append_column(pa.field(name, pa.string()), pa.array(ids, pa.string()))


def _put(row: Json, path: Sequence[str], text: str) -> None:
    for name in path[:-1]:
        row = row[name]
    row[path[-1]] = text


def _chunks(found: Iterator[tuple[Json, Kept]]) -> Iterator[list[tuple[Json, Kept]]]:
    while chunk := list(islice(found, _AT_ONCE)):
        yield chunk


def _column(values: Sequence[Any], kind: pa.DataType) -> Any:
    texts_alone = pa.types.is_string(kind)
    found = [None if value is None else as_text(value) for value in values] if texts_alone else values
    return pa.array(found, kind)


def _write(path: Path, found: Iterator[pa.Table]) -> bool:
    """Write a file of these tables; return False, and write none, if there are none."""
    first = next(found, None)
    if first is None:
        return False
    with storage.write(str(path)) as stream, pq.ParquetWriter(stream, first.schema, compression="zstd") as writer:
        for table in chain([first], found):
            writer.write_table(table)
    return True
