"""From a token back to its raw record: the document, its URL, the dump file and the offset in it.

    python -m pipelines.trace data/corpus --source wikipedia --token 123456 [--count 2048] [--split validation]
    python -m pipelines.trace data/corpus --id wikipedia/en/0a1b2c3d4e5f6a7b/12 [--dump FILE] [--json]

    token ─ shards' counts ─> shard ─ .index, by halves ─> row of .documents.parquet ─> id, file and row of documents
          ─ that row group ─> provenance ─ source manifest ─> dump file

What is read for a token does not depend on the size of the corpus: of each Parquet file one row group for a document.
By an id both what was kept and what was dropped is found, and sent through the source's stages once more where its raw
record is at hand (`pipelines.trace_ids`).

Tokens are counted from 0 over a split's shards in the manifest's order, which is how the trainer reads them; what a
step of a run has read is answered by `python -m train.trace`, which is why this imports no Beam (but for a corpus on
s3:// or gs://, when one is read).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from pipelines import command_lines
from pipelines.account.finished import source_manifest
from pipelines.document import Document
from pipelines.files import commands, storage, tables
from pipelines.tokens import shards, tokenizers
from pipelines.tokens.shards import Manifest, Shard
from tokenizer.encode import Tokenizer

EXCERPT: Final = 200  # characters on each side of a token
_CUT: Final = "\ufffd"  # how a character cut between tokens ends when it is decoded


@dataclass(frozen=True, slots=True)
class Part:
    """Some tokens of one document: tokens [start, stop) of the split, in a document that is tokens [first, last).

    The document is in row `row` of SOURCE/documents/`file`.parquet.
    """

    source: str
    shard: str
    document: str
    file: str
    row: int
    first: int
    last: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Record:
    """A document and the raw record that it was made from; `dump` is None if the manifest names no such input."""

    document: Document
    file: str
    dump: str | None


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A token in its document: the text on both sides, its piece, and the character of the text that it begins at."""

    before: str
    piece: str
    after: str
    character: int


def parts(output: str | Path, source: str, start: int, stop: int, split: str = "train") -> list[Part]:
    """Return which documents tokens [start, stop) of a source's split are from, in order.

    Raises ValueError naming what is missing, for a token outside the split too.
    """
    directory = f"{output}/tokens/{source}"
    there = list(shards.sources(f"{output}/tokens"))
    if source not in there:
        names = f"available: {', '.join(there)}" if there else "there is no corpus with tokens"
        raise ValueError(f"{output}: no tokens of a source {source!r}; {names}")
    manifest = Manifest.load(directory)
    entries = manifest.splits.get(split, ())
    total = sum(entry.tokens for entry in entries)
    if not 0 <= start < stop <= total:
        raise ValueError(f"{directory}: the {split} split has tokens 0 to {total - 1}, not {start} to {stop - 1}")
    return list(_parts(directory, source, entries, start, stop))


def _parts(directory: str, source: str, entries: Iterable[Shard], start: int, stop: int) -> Iterator[Part]:
    base = 0
    for shard in entries:
        low, high = max(start, base), min(stop, base + shard.tokens)
        if low < high:
            ends = shards.document_ends(directory, shard)
            # The documents with the first and the last of the tokens: the first that end behind them.
            first_row, last_row = np.searchsorted(ends, np.array([low, high - 1], np.uint64) - np.uint64(base), "right")
            rows = range(int(first_row), int(last_row) + 1)
            for number, document in zip(rows, _located(directory, shard, rows), strict=True):
                first = base + (int(ends[number - 1]) if number else 0)
                last = base + int(ends[number])
                yield Part(source, shard.name, *document, first, last, max(first, low), min(last, high))
        base += shard.tokens


def _located(directory: str, shard: Shard, rows: range) -> Iterator[tuple[str, str, int]]:
    """Yield id, file and row of some documents of a shard."""
    path = f"{directory}/{shard.name}.documents.parquet"
    if not storage.exists(path):
        raise ValueError(f"{path}: the manifest names this shard, but the file is missing")
    for found in _rows(path, list(rows), ["id", "file", "row"]):
        if "/" in storage.inside(found["file"], path):
            raise ValueError(f"{path}: {found['id']} is in {found['file']!r}, a name without folders is expected")
        yield found["id"], found["file"], found["row"]


def _rows(path: str, wanted: Sequence[int], columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """Yield rows by number, in rising order, reading the row groups that hold them; ValueError for one beyond them."""
    with tables.opened(path) as file:
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        starts = np.cumsum([0, *sizes])
        if wanted and wanted[-1] >= starts[-1]:
            raise ValueError(f"{path}: there are {starts[-1]} documents; there is no number {wanted[-1]}")
        groups = np.searchsorted(starts, wanted, side="right") - 1
        for group in np.unique(groups).tolist():
            here = np.array(wanted)[groups == group] - starts[group]
            yield from file.read_row_group(group, columns=columns, use_threads=False).take(here).to_pylist()


def records(output: str | Path, source: str, found: Iterable[Part]) -> dict[str, Record]:
    """Return the documents of these parts by id and where they came from.

    Raises ValueError for a source that is not finished, and for a document that is not where its shard says.
    """
    inputs = {entry["digest"]: entry["path"] for entry in source_manifest(str(output), source)["inputs"]}
    places: dict[str, dict[int, str]] = {}
    for part in found:
        places.setdefault(part.file, {})[part.row] = part.document
    answer: dict[str, Record] = {}
    for file, rows in sorted(places.items()):
        name = f"{source}/documents/{file}.parquet"
        path = f"{output}/{name}"
        if not storage.exists(path):
            raise ValueError(f"{path}: missing, the shards of {source} have documents of it")
        for (row, identifier), document in zip(sorted(rows.items()), _rows(path, sorted(rows)), strict=True):
            if document["id"] != identifier:
                raise ValueError(f"{path}: row {row} is {document['id']}, the shards say {identifier}")
            made = tables.document_of(document)
            answer[identifier] = Record(made, name, inputs.get(made.dump))
    return answer


def tokenizer_of(output: str | Path, manifest: Manifest) -> Tokenizer:
    """Load the tokenizer of a corpus; raise ValueError if it is missing or not the one of the shards."""
    path = tokenizers.of_corpus(str(output))
    if path is None:
        raise ValueError(f"{output}/models/tokenizer: there is no tokenizer")
    tokenizer = tokenizers.load(path)
    if tokenizer.sha256 != manifest.tokenizer_sha256:
        raise ValueError(f"{path}: the shards of {manifest.source} were made with another tokenizer")
    return tokenizer


def excerpt(output: str | Path, part: Part, record: Record, split: str = "train") -> Excerpt:
    """Return the first token of `part` with the text around it; raise ValueError if the text is not that of the tokens.

    The text's beginning, decoded from the tokens before, must be the document's: a stale shard shows here.
    """
    directory = f"{output}/tokens/{part.source}"
    manifest = Manifest.load(directory)
    tokenizer = tokenizer_of(output, manifest)
    shard = next(entry for entry in manifest.splits[split] if entry.name == part.shard)
    base = sum(entry.tokens for entry in manifest.splits[split][: manifest.splits[split].index(shard)])
    ids = shards.tokens(directory, shard, manifest.token)[part.first - base : part.start - base + 1]
    before = tokenizer.decode(ids[:-1]).rstrip(_CUT)
    text = record.document.text
    if text[: len(before)].replace("\u2581", " ") != before:
        raise ValueError(f"{directory}/{part.shard}.bin: the tokens of {part.document} do not match its text")
    here = len(before)
    return Excerpt(text[max(0, here - EXCERPT) : here], tokenizer.piece(int(ids[-1])), text[here:][:EXCERPT], here)


def lines(part: Part, record: Record) -> Iterator[str]:
    """Yield what is known of a part's document, a line each."""
    document = record.document
    yield f"{document.id}"
    facts: Mapping[str, str | None] = {
        "title": document.title,
        "url": document.url,
        "license": document.license,
        "language": document.language,
        "timestamp": document.timestamp,
        "dump": f"{record.dump or '(not among the inputs of the manifest)'}  {document.dump}",
        "offset": str(document.offset),
        "document": f"{record.file}, row {part.row}, {len(document.text.encode())} bytes of text",
        "tokens": f"{part.start} to {part.stop - 1}, of {part.first} to {part.last - 1} in {part.shard}",
    }
    yield from (f"  {name:10}{value}" for name, value in facts.items() if value)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the documents that some tokens of a source are from, the text around the first one; or one by its id."""
    parser = command_lines.trace()
    options = parser.parse_args(arguments)
    if options.id is not None:
        from pipelines import trace_ids  # what builds documents: the training side, which traces tokens, has none of it

        return trace_ids.show(parser, options)
    if options.source is None or options.token is None:
        parser.error("--id, or --source with --token, is needed: which document, or which token of which source")
    try:
        found = parts(options.corpus, options.source, options.token, options.token + options.count, options.split)
        documents = records(options.corpus, options.source, found)
        for part in found:
            print(*lines(part, documents[part.document]), sep="\n")  # noqa: T201
        around = excerpt(options.corpus, found[0], documents[found[0].document], options.split)
    except ValueError as error:
        parser.error(str(error))
    print(f"\ncharacter {around.character}, token {around.piece!r}, which begins at ▸:\n")  # noqa: T201
    print(f"{around.before}▸{around.after}")  # noqa: T201
    return 0


if __name__ == "__main__":
    commands.run(main)
