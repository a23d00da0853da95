"""Verify a corpus: checksums, counts, token range, document ends, and that shards hold exactly the documents.

    python -m pipelines.verify data/corpus

Imports no Beam: it runs wherever the corpus is read.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipelines import shards, storage, tables


def problems(output: str) -> Iterator[str]:
    """Yield everything that is wrong with the corpus at `output`, each named by its file; nothing if it is sound."""
    corpus = storage.read_json(f"{output}/manifest.json")
    if not isinstance(corpus, dict) or not {"sources", "tokenizer"} <= corpus.keys():
        yield f"{output}/manifest.json: missing or damaged, so the corpus is not finished"
        return
    for source in corpus["sources"]:
        manifest = storage.read_json(f"{output}/{source}/manifest.json")
        if not isinstance(manifest, dict):
            yield f"{output}/{source}/manifest.json: missing or damaged"
            continue
        try:
            yield from _account_problems(source, manifest)
            identifiers = yield from _table_problems(output, source, manifest)
        except (KeyError, TypeError) as error:
            yield f"{output}/{source}/manifest.json: damaged: {error!r}"
            continue
        try:
            yield from _shard_problems(f"{output}/tokens/{source}", corpus["tokenizer"], identifiers)
        except ValueError as error:
            yield str(error)
        except (KeyError, TypeError) as error:
            yield f"{output}/tokens/{source}/manifest.json: damaged: {error!r}"


def _account_problems(source: str, manifest: dict[str, Any]) -> Iterator[str]:
    before = None
    for account in manifest["stages"]:
        gone = sum(documents for group in account["dropped"].values() for documents, _ in group.values())
        if account["in"] != account["kept"] + account["merged"] + gone:
            yield f"{source}: stage {account['stage']} does not add up"
        if before is not None and account["in"] != before:
            yield f"{source}: stage {account['stage']} took {account['in']} documents, the one before kept {before}"
        before = account["kept"]
    if before != manifest["documents"]["count"]:
        yield f"{source}: {manifest['documents']['count']} documents, the last stage kept {before}"
    gone = sum(n for account in manifest["stages"] for group in account["dropped"].values() for n, _ in group.values())
    if gone != manifest["drops"]["count"]:
        yield f"{source}: {manifest['drops']['count']} drops, the stages dropped {gone}"


def _table_problems(output: str, source: str, manifest: dict[str, Any]) -> Generator[str, None, set[str]]:
    identifiers: set[str] = set()
    for kind in ("documents", "drops"):
        count = 0
        for entry in manifest[kind]["files"]:
            path = f"{output}/{entry['path']}"
            try:
                found, digest = _read_table(path)
            except (OSError, ValueError) as error:
                yield f"{path}: cannot be read: {error}"
                continue
            if digest != entry["digest"]:
                yield f"{path}: its rows are not those that the manifest names"
            if kind == "documents":
                if not identifiers.isdisjoint(found) or len(set(found)) != len(found):
                    yield f"{path}: a document id stands twice"
                identifiers.update(found)
            count += len(found)
        if count != manifest[kind]["count"]:
            yield f"{source}: {count} {kind} in the files, the manifest says {manifest[kind]['count']}"
    return identifiers


def _read_table(path: str) -> tuple[list[str], str]:
    identifiers: list[str] = []
    digests: list[bytes] = []
    for row in tables.read_rows(path):
        identifiers.append(row["id"])
        digests.append(tables.row_digest(row))
    return identifiers, tables.table_digest(digests)


def _shard_problems(directory: str, tokenizer: str, identifiers: set[str]) -> Iterator[str]:
    manifest = shards.Manifest.load(directory)
    if manifest.tokenizer_sha256 != tokenizer:
        yield f"{directory}/manifest.json: made with another tokenizer than the corpus"
    seen: set[str] = set()
    for split, entries in manifest.splits.items():
        for shard in entries:
            try:
                found = yield from _one_shard(directory, manifest, shard)
            except (ValueError, OSError) as error:
                yield f"{directory} ({split}): {error}"
                continue
            if not seen.isdisjoint(found):
                yield f"{directory}/{shard.name}: a document is in two shards"
            seen.update(found)
    if seen != identifiers:
        lost, strange = len(identifiers - seen), len(seen - identifiers)
        yield f"{directory}: {lost} documents have no tokens, {strange} are in no document file"


def _one_shard(directory: str, manifest: shards.Manifest, shard: shards.Shard) -> Generator[str, None, set[str]]:
    for suffix, digest in (
        ("bin", shard.bin_sha256),
        ("index", shard.index_sha256),
        ("documents.parquet", shard.documents_sha256),
    ):
        path = Path(directory, f"{shard.name}.{suffix}")
        if not path.exists():
            raise ValueError(f"{path}: missing")
        if storage.sha256(str(path)) != digest:
            yield f"{path}: its SHA-256 is not the manifest's"
    tokens, ends = shards.tokens(directory, shard), shards.document_ends(directory, shard).astype(np.int64)
    if len(tokens) and int(tokens.max()) >= manifest.vocabulary:
        yield f"{directory}/{shard.name}.bin: token {int(tokens.max())} of a vocabulary of {manifest.vocabulary}"
    if np.any(np.diff(ends, prepend=0) <= 0) or (int(ends[-1]) if len(ends) else 0) != shard.tokens:
        yield f"{directory}/{shard.name}.index: document ends do not rise to {shard.tokens}"
    elif manifest.eos_id is not None and np.any(tokens[ends - 1] != manifest.eos_id):
        yield f"{directory}/{shard.name}.bin: a document does not end with eos"
    elif manifest.bos_id is not None and np.any(tokens[np.append(0, ends)[:-1]] != manifest.bos_id):
        yield f"{directory}/{shard.name}.bin: a document does not begin with bos"
    rows = list(tables.read_rows(f"{directory}/{shard.name}.documents.parquet"))
    if len(rows) != shard.documents or sum(row["bytes"] for row in rows) != shard.text_bytes:
        yield f"{directory}/{shard.name}.documents.parquet: counts are not the manifest's"
    found = {row["id"] for row in rows}
    if len(found) != len(rows):
        yield f"{directory}/{shard.name}.documents.parquet: a document is there twice"
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify a corpus directory; print what is wrong and return 1, or a line and 0."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.verify", description="Verify a corpus.")
    parser.add_argument("corpus", help="corpus directory")
    options = parser.parse_args(arguments)
    found = list(problems(options.corpus))
    for problem in found:
        print(problem)  # noqa: T201
    if not found:
        sources = storage.read_json(f"{options.corpus}/manifest.json")["sources"]
        print(f"{options.corpus}: sound, {len(sources)} sources verified")  # noqa: T201
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
