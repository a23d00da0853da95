"""From a token back to its raw record: the document, its URL, the dump file and the offset in it.

    python -m pipelines.trace data/corpus --source wikipedia --token 123456 [--count 2048] [--split validation]

    token ─ shards' counts ─> shard ─ .index ─> document id ─ documents ─> provenance ─ source manifest ─> dump file

Tokens are counted from 0 over a split's shards in the manifest's order, which is how the trainer reads them; what a
step of a run has read is answered by `python -m train.trace`, which is why this imports no Beam, not even for remote
paths: a corpus is traced where its files are.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow.parquet as pq

from pipelines import shards
from pipelines.document import Document
from pipelines.shards import Manifest, Shard
from tokenizer.encode import Tokenizer

EXCERPT: Final = 200  # characters on each side of a token
_CUT: Final = "\ufffd"  # how a character cut between tokens ends when it is decoded


@dataclass(frozen=True, slots=True)
class Part:
    """Some tokens of one document: tokens [start, stop) of the split, in a document that is tokens [first, last)."""

    source: str
    shard: str
    document: str
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
    directory = Path(output, "tokens", source)
    manifest = Manifest.load(directory)
    entries = manifest.splits.get(split, ())
    total = sum(entry.tokens for entry in entries)
    if not 0 <= start < stop <= total:
        raise ValueError(f"{directory}: the {split} split has tokens 0 to {total - 1}, not {start} to {stop - 1}")
    return list(_parts(directory, source, entries, start, stop))


def _parts(directory: Path, source: str, entries: Iterable[Shard], start: int, stop: int) -> Iterator[Part]:
    base = 0
    for shard in entries:
        low, high = max(start, base), min(stop, base + shard.tokens)
        if low < high:
            ends = shards.document_ends(directory, shard)
            names = _identifiers(directory, shard)
            for row in range(int(np.searchsorted(ends, low - base, side="right")), shard.documents):
                first = base + (int(ends[row - 1]) if row else 0)
                last = base + int(ends[row])
                if first >= high:
                    break
                yield Part(source, shard.name, names[row], first, last, max(first, low), min(last, high))
        base += shard.tokens


def _identifiers(directory: Path, shard: Shard) -> list[str]:
    path = f"{directory}/{shard.name}.documents.parquet"
    if not Path(path).exists():
        raise ValueError(f"{path}: the manifest names this shard, but the file is missing")
    names = [str(name) for name in pq.read_table(path, columns=["id"])["id"].to_pylist()]
    if len(names) != shard.documents:
        raise ValueError(f"{path}: {len(names)} documents, the manifest says {shard.documents}")
    return names


def records(output: str | Path, source: str, identifiers: Iterable[str]) -> dict[str, Record]:
    """Return the documents with these ids and where they came from; raise ValueError for one that is not there.

    Reads the ids of the document files, those first whose names occur in an id, and the rows that are wanted.
    """
    where = Path(output, source, "manifest.json")
    if not where.exists():
        raise ValueError(f"{where}: missing, so {source} is not finished here")
    manifest = json.loads(where.read_text(encoding="utf-8"))
    inputs = {entry["digest"]: entry["path"] for entry in manifest["inputs"]}
    wanted = set(identifiers)
    parts_of_ids = {part for identifier in wanted for part in identifier.split("/")}
    paths = [entry["path"] for entry in manifest["documents"]["files"]]
    paths.sort(key=lambda path: (parts_of_ids.isdisjoint(Path(path).stem.split("-")), path))
    found: dict[str, Record] = {}
    for path in paths:
        if len(found) == len(wanted):
            break
        for document in _documents(f"{output}/{path}", wanted):
            found[document.id] = Record(document, path, inputs.get(document.dump))
    if missing := wanted - found.keys():
        raise ValueError(f"{output}/{source}: {len(missing)} documents of the shards are in no file: {min(missing)}")
    return found


def _documents(path: str, wanted: Set[str]) -> Iterator[Document]:
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            names = file.read_row_group(group, columns=["id"])["id"].to_pylist()
            if rows := [row for row, name in enumerate(names) if name in wanted]:
                for row in file.read_row_group(group).take(rows).to_pylist():
                    yield Document(**{**row, "attributes": dict(row["attributes"])})


def tokenizer_of(output: str | Path, manifest: Manifest) -> Tokenizer:
    """Load the tokenizer of a corpus; raise ValueError if it is missing or not the one of the shards."""
    path = Path(output, "models", "tokenizer", "tokenizer.model")
    if not path.exists():
        raise ValueError(f"{path}: missing")
    tokenizer = Tokenizer(path)
    if tokenizer.sha256 != manifest.tokenizer_sha256:
        raise ValueError(f"{path}: the shards of {manifest.source} were made with another tokenizer")
    return tokenizer


def excerpt(output: str | Path, part: Part, record: Record, split: str = "train") -> Excerpt:
    """Return the first token of `part` with the text around it; raise ValueError if the text is not that of the tokens.

    The text's beginning, decoded from the tokens before, must be the document's: a stale shard shows here.
    """
    directory = Path(output, "tokens", part.source)
    manifest = Manifest.load(directory)
    tokenizer = tokenizer_of(output, manifest)
    shard = next(entry for entry in manifest.splits[split] if entry.name == part.shard)
    base = sum(entry.tokens for entry in manifest.splits[split][: manifest.splits[split].index(shard)])
    ids = shards.tokens(directory, shard)[part.first - base : part.start - base + 1]
    before = tokenizer.decode(ids[:-1]).rstrip(_CUT)
    text = record.document.text
    if text[: len(before)].replace("\u2581", " ") != before:
        raise ValueError(f"{directory}/{part.shard}.bin: the tokens of {part.document} are not of its text")
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
        "document": f"{record.file}, {len(document.text.encode())} bytes of text",
        "tokens": f"{part.start} to {part.stop - 1}, of {part.first} to {part.last - 1} in {part.shard}",
    }
    yield from (f"  {name:10}{value}" for name, value in facts.items() if value)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the documents that some tokens of a source are from; the text around the first one."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.trace", description="Trace tokens to raw records.")
    parser.add_argument("corpus", help="corpus directory")
    parser.add_argument("--source", required=True, help="name of the source")
    parser.add_argument("--token", required=True, type=int, help="number of the token in the split, from 0")
    parser.add_argument("--count", type=int, default=1, help="how many tokens (default %(default)s)")
    parser.add_argument("--split", choices=shards.SPLITS, default="train")
    options = parser.parse_args(arguments)
    try:
        found = parts(options.corpus, options.source, options.token, options.token + options.count, options.split)
        documents = records(options.corpus, options.source, {part.document for part in found})
        for part in found:
            print(*lines(part, documents[part.document]), sep="\n")  # noqa: T201
        around = excerpt(options.corpus, found[0], documents[found[0].document], options.split)
    except ValueError as error:
        parser.error(str(error))
    print(f"\ncharacter {around.character}, token {around.piece!r}, which begins at ▸:\n")  # noqa: T201
    print(f"{around.before}▸{around.after}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
