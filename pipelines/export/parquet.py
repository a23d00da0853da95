"""Parquet, laid out so that Hugging Face's `load_dataset(OUTPUT, SOURCE)` finds a configuration for each source.

    OUTPUT/README.md                          names the files of each configuration and split
    OUTPUT/SOURCE/SHARD.parquet               id, input_ids (list of uint16 or uint32), one row a document, zstd

Texts with their provenance are Parquet already, in the corpus' own documents; `id` joins the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.export.common import Source, Tokens
from pipelines.files import storage

Row = tuple[str, Tokens]
GROUP_TOKENS: Final = 4 << 20  # a row group's, which is what a reader holds in memory


def schema(dtype: str) -> pa.Schema:
    """Return the columns; `dtype` is that of the tokens."""
    ids = pa.list_(pa.from_numpy_dtype(np.dtype(dtype)))
    return pa.schema([pa.field("id", pa.string()), pa.field("input_ids", ids)])


def export(sources: Iterable[Source], output: Path) -> None:
    """Write OUTPUT/SOURCE/SHARD.parquet and OUTPUT/README.md."""
    written: dict[str, dict[str, list[str]]] = {}
    for source in sources:
        files, columns = written.setdefault(source.name, {}), schema(source.manifest.dtype)
        for split, shard in source.shards():
            files.setdefault(split, []).append(f"{source.name}/{shard.name}.parquet")
            with (
                storage.write(f"{output}/{files[split][-1]}") as stream,
                pq.ParquetWriter(stream, columns, compression="zstd") as writer,
            ):
                for table in _tables(source.documents(shard), columns):
                    writer.write_table(table)
    text = "Documents as token ids; `id` is that of the corpus' documents, which hold the text and its origin."
    write_readme(output, written, text)


def read_by(source: Source, output: Path) -> Iterator[str]:
    """Yield the call that reads a source."""
    yield f"load_dataset({str(output)!r}, {source.name!r})"


def write_readme(output: Path, written: Mapping[str, Mapping[str, Sequence[str]]], text: str) -> None:
    """Write OUTPUT/README.md, which names the files of each source and split."""
    head = ["---", "configs:"]
    for source, files in written.items():
        head += [f"- config_name: {source}", "  data_files:"]
        for split, paths in files.items():
            head += [f"  - split: {split}", "    path:", *(f"    - {path}" for path in paths)]
    storage.write_bytes(f"{output}/README.md", "\n".join([*head, "---", "", text, ""]).encode())


def _tables(documents: Iterable[Row], columns: pa.Schema) -> Iterator[pa.Table]:
    rows: list[Row] = []
    size = 0
    for row in documents:
        rows.append(row)
        size += len(row[1])
        if size >= GROUP_TOKENS:
            yield _table(rows, columns)
            rows, size = [], 0
    if rows:
        yield _table(rows, columns)


def _table(rows: Sequence[Row], columns: pa.Schema) -> pa.Table:
    arrays = [pa.array([row[i] for row in rows], field.type) for i, field in enumerate(columns)]
    return pa.table(arrays, schema=columns)
