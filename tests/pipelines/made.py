"""A small finished corpus, made without a build: two sources, documents, manifests, a tokenizer and token shards."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines import storage, tables
from pipelines.document import Document
from pipelines.shards import END, SPLITS, TOKEN, Manifest, Shard, sha256_file
from tests.tokenizer.texts import SENTENCES, corpus
from tokenizer.encode import Tokenizer
from tokenizer.spec import LLAMA
from tokenizer.training import train

DUMPS = ("00aa00aa00aa00aa", "11bb11bb11bb11bb")
# Each source has three shards of training documents and one of validation.
SHARDS = {"train": 3, "validation": 1}


def documents(source: str, count: int) -> list[Document]:
    """Return documents of a few sentences each, from two dumps in turn."""
    found = []
    for number in range(count):
        dump = DUMPS[number % 2]
        text = " ".join(SENTENCES[(number * step + step) % len(SENTENCES)] for step in range(1, 4 + number % 3))
        found.append(
            Document(
                id=f"{source}/{dump}/{number}",
                source=source,
                text=f"{text} {source} {number}",
                dump=dump,
                offset=1000 + number,
                url=f"https://example.org/{source}/{number}",
                title=f"{source} {number}",
                language="en",
                attributes={"number": str(number)},
            )
        )
    return found


def write(output: Path, sources: Mapping[str, Sequence[Document]]) -> Path:
    """Write a corpus of these documents and return its directory."""
    model = output / "models" / "tokenizer" / "tokenizer.model"
    train(corpus(), model, replace(LLAMA, vocab_size=900))
    tokenizer = Tokenizer(model)
    for source, found in sources.items():
        _write_documents(output, source, found)
        _write_tokens(output / "tokens" / source, tokenizer, found)
    content = {"recipe": "made", "sources": list(sources), "tokenizer": tokenizer.sha256}
    storage.write_json(f"{output}/manifest.json", content)
    return output


def _write_documents(output: Path, source: str, found: Sequence[Document]) -> None:
    files: list[dict[str, str]] = []
    for dump in DUMPS:
        path = f"{source}/documents/{dump}.parquet"
        with storage.write(f"{output}/{path}") as stream:
            writer = tables.DocumentWriter(stream)
            for document in found:
                if document.dump == dump:
                    writer.write(document)
            files.append({"path": path, "digest": writer.close().digest})
    manifest: dict[str, Any] = {
        "source": source,
        "inputs": [
            {"digest": dump, "path": f"raw/{source}-{number}.gz", "size": 1} for number, dump in enumerate(DUMPS)
        ],
        "stages": [{"stage": f"{source}/read", "in": len(found), "kept": len(found), "merged": 0, "dropped": {}}],
        "documents": {"count": len(found), "files": files},
        "drops": {"count": 0, "files": []},
    }
    storage.write_json(f"{output}/{source}/manifest.json", manifest)


def _write_tokens(directory: Path, tokenizer: Tokenizer, found: Sequence[Document]) -> None:
    directory.mkdir(parents=True)
    shuffled = sorted(found, key=lambda document: hashlib.sha256(document.id.encode()).digest())
    groups = {"validation": shuffled[::7], "train": [d for n, d in enumerate(shuffled) if n % 7]}
    splits: dict[str, tuple[Shard, ...]] = {}
    for split in SPLITS:
        count = SHARDS[split]
        parts = [
            groups[split][len(groups[split]) * n // count : len(groups[split]) * (n + 1) // count] for n in range(count)
        ]
        splits[split] = tuple(_shard(directory, f"{split}-{n:05d}", tokenizer, part) for n, part in enumerate(parts))
    manifest = Manifest(directory.name, tokenizer.sha256, tokenizer.vocabulary, 1, 2, {}, splits)
    (directory / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")


def _shard(directory: Path, name: str, tokenizer: Tokenizer, found: Sequence[Document]) -> Shard:
    encoded = tokenizer.encode_batch([document.text for document in found], bos=True, eos=True)
    tokens = np.concatenate([np.empty(0, TOKEN), *encoded]).astype(TOKEN)
    paths = [directory / f"{name}.{suffix}" for suffix in ("bin", "index", "documents.parquet")]
    tokens.tofile(paths[0])
    np.cumsum([len(ids) for ids in encoded]).astype(END).tofile(paths[1])
    sizes = [len(document.text.encode()) for document in found]
    pq.write_table(pa.table({"id": pa.array([d.id for d in found], pa.string()), "bytes": sizes}), paths[2])
    return Shard(name, len(tokens), len(found), sum(sizes), *(sha256_file(path) for path in paths))
