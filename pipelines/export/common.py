"""What every export does: the shards of a source in order, links instead of copies, and one result to report."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines import table1
from pipelines.account.finished import corpus_manifest
from pipelines.files import tables
from pipelines.tokens import shards
from pipelines.tokens.shards import Manifest, Shard

Tokens = NDArray[np.unsignedinteger[Any]]


@dataclass(frozen=True, slots=True)
class Source:
    """One source's token shards."""

    directory: Path
    manifest: Manifest

    @property
    def name(self) -> str:
        """Return the source's name."""
        return self.manifest.source

    def shards(self) -> Iterator[tuple[str, Shard]]:
        """Yield (split, shard) in the manifest's order, without those that hold nothing."""
        for split, entries in self.manifest.splits.items():
            yield from ((split, shard) for shard in entries if shard.documents)

    def file(self, shard: Shard, suffix: str) -> Path:
        """Return the path of one of a shard's files; raise ValueError if it is missing."""
        path = self.directory / f"{shard.name}.{suffix}"
        if not path.exists():
            raise ValueError(f"{path}: the manifest names this shard, but the file is missing")
        return path

    def documents(self, shard: Shard) -> Iterator[tuple[str, Tokens]]:
        """Yield (id, tokens) of a shard's documents in order, the tokens mapped from the shard."""
        tokens = shards.tokens(self.directory, shard, self.manifest.token)
        ends = [0, *shards.document_ends(self.directory, shard).tolist()]
        rows = tables.read_rows(str(self.file(shard, "documents.parquet")), ["id"])
        for row, (start, stop) in zip(rows, pairwise(ends), strict=True):
            yield row["id"], tokens[start:stop]


def open_sources(corpus: Path, names: Sequence[str] = ()) -> list[Source]:
    """Open these sources of a corpus, or all; raise ValueError naming one that has no token shards."""
    if not (corpus / "manifest.json").exists():
        raise ValueError(f"{corpus}: no corpus here (there is no manifest.json; was the build finished?)")
    there = list(shards.sources(corpus / "tokens"))
    if not there:
        raise ValueError(f"{corpus}: there are no token shards (was the build finished?)")
    if missing := [name for name in names if name not in there]:
        raise ValueError(f"{corpus}: no tokens of {', '.join(missing)}; available: {', '.join(there)}")
    directories = [corpus / "tokens" / name for name in names or there]
    return [Source(directory, Manifest.load(directory)) for directory in directories]


Shares = Sequence[tuple[Source, float]]


def shares_of(corpus: Path, sources: Sequence[Source]) -> Shares:
    """Return the sources that a trainer should see, each with its share: Table 1's, and the corpus' own for others."""
    added = corpus_manifest(str(corpus)).get("shares", {})
    found = {source.name: source for source in sources}
    own = {name: added.get(name, 0.0) for name in found if name not in table1.SOURCES}
    return [(found[name], share) for name, share in table1.shares(own, found).items() if share]


def link(source: Path, target: Path) -> None:
    """Make `target` another name of the file `source`: a hard link, or a symbolic one on another file system.

    A corpus that is built again replaces its files, so a hard link keeps the tokens that were exported.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        target.symlink_to(source.resolve())
