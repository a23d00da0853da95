"""The corpus that exports are tested with, and its documents as they must come back."""

from pathlib import Path

import numpy as np

from pipelines.export.common import Source, open_sources
from pipelines.tokens.shards import Manifest, document_ends, tokens
from tests.pipelines import made


def write(directory: Path) -> Path:
    """Write it; books have one shard of training documents, as their manifest is cut to it, Wikipedia three."""
    sources = {"wikipedia": made.documents("wikipedia", 60), "books": made.documents("books", 30)}
    output = made.write(directory / "corpus", sources)
    path = output / "tokens" / "books" / "manifest.json"
    manifest = Manifest.load(path.parent)
    manifest.splits["train"] = manifest.splits["train"][:1]
    path.write_text(manifest.to_json())
    return output


def expected(corpus: Path, source: str) -> dict[str, dict[str, list[int]]]:
    """Return the token ids of each document of each shard, read without the exports' code."""
    directory = corpus / "tokens" / source
    found: dict[str, dict[str, list[int]]] = {}
    for entries in Manifest.load(directory).splits.values():
        for shard in entries:
            names = [f"{number}" for number in range(shard.documents)]
            ends = document_ends(directory, shard).astype(np.int64)
            parts = np.split(np.array(tokens(directory, shard)), ends[:-1])
            found[shard.name] = {name: part.tolist() for name, part in zip(names, parts, strict=True)}
    return found


def sources(corpus: Path) -> list[Source]:
    """Return both sources, opened."""
    return open_sources(corpus)
