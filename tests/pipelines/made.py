"""A small finished corpus, made without a build: two sources, documents, manifests, a tokenizer and token shards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.account.manifest import write_corpus_manifest
from pipelines.document import Document
from pipelines.files import storage, tables
from pipelines.hashing import SCALE, keyed, share
from pipelines.tokens.shards import END, SPLITS, SUFFIXES, TOKEN, Manifest, Shard, document_table
from tests.tokenizer.texts import SENTENCES, corpus
from tokenizer.encode import Tokenizer
from tokenizer.spec import LLAMA
from tokenizer.training import train

DUMPS = ("00aa00aa00aa00aa", "11bb11bb11bb11bb")
# Each source has three shards of training documents and one of validation.
SHARDS = {"train": 3, "validation": 1}
VALIDATION = 0.2


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
                attributes={"number": number},
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
    storage.write_json(f"{model.parent}/manifest.json", {"files": {model.name: tokenizer.sha256}})
    write_corpus_manifest(str(output), "made", list(sources), tokenizer.sha256, {})
    return output


def _write_documents(output: Path, source: str, found: Sequence[Document]) -> None:
    files: list[dict[str, str]] = []
    for dump in DUMPS:
        path = f"{source}/documents/{dump}.parquet"
        with storage.write(f"{output}/{path}") as stream:
            writer = tables.DocumentWriter(stream, tables.columns(number=pa.int32()))
            for document in found:
                if document.dump == dump:
                    writer.write(document)
            files.append(writer.close().named(path))
    manifest: dict[str, Any] = {
        "format": tables.VERSION,
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
    places = {document.id: number // 2 for number, document in enumerate(found)}  # the dumps take turns
    splits: dict[str, tuple[Shard, ...]] = {}
    for split in SPLITS:
        members = [d for d in found if (share("split", d.id) < VALIDATION) == (split == "validation")]
        members.sort(key=lambda document: keyed("shard", document.id))
        parts: list[list[Document]] = [[] for _ in range(SHARDS[split])]
        for document in members:
            parts[keyed("shard", document.id) * SHARDS[split] // SCALE].append(document)
        splits[split] = tuple(
            _shard(directory, f"{split}-{n:05d}", tokenizer, part, places) for n, part in enumerate(parts)
        )
    languages = {
        split: {
            "en": {
                "documents": sum(shard.documents for shard in entries),
                "tokens": sum(shard.tokens for shard in entries),
                "text_bytes": sum(shard.text_bytes for shard in entries),
            }
        }
        for split, entries in splits.items()
    }
    recipe = {"validation": VALIDATION}
    manifest = Manifest(directory.name, tokenizer.sha256, tokenizer.vocabulary, 1, 2, recipe, splits, languages)
    (directory / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")


def _shard(
    directory: Path, name: str, tokenizer: Tokenizer, found: Sequence[Document], places: Mapping[str, int]
) -> Shard:
    encoded = tokenizer.encode_batch([document.text for document in found], bos=True, eos=True)
    tokens = np.concatenate([np.empty(0, TOKEN), *encoded]).astype(TOKEN)
    paths = [directory / f"{name}.{suffix}" for suffix in SUFFIXES]
    tokens.tofile(paths[0])
    np.cumsum([len(ids) for ids in encoded]).astype(END).tofile(paths[1])
    sizes = [len(document.text.encode()) for document in found]
    rows = [(d.id, size, d.dump, places[d.id]) for d, size in zip(found, sizes, strict=True)]
    paths[2].write_bytes(document_table(rows))
    return Shard(name, len(tokens), len(found), sum(sizes), *(storage.sha256(path) for path in paths))
