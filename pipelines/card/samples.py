"""Bounded samples of what a source kept and dropped: files by hash, row groups of them by hash, a budget of bytes.

    OUTPUT/SOURCE/documents/*.parquet ─ FILES, BYTES ─> documents
    OUTPUT/SOURCE/drops/STAGE-*.parquet ─ FILES, ROWS of each stage ─> drops

A source that fits the budget is read whole, and then every number made of it is exact.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.card.facts import Json
from pipelines.document import Document
from pipelines.files import tables
from pipelines.hashing import keyed

FILES = 32  # of a source's document files, and of each stage's files of drops
BYTES = 64 << 20  # of the documents' row groups, uncompressed
ROWS = 50_000  # of a stage's drops
EXAMPLES = 20


@dataclass
class Sample:
    """What was read of a source: documents, and drops by (stage, reason); `total` is how many documents it has."""

    documents: list[Document] = field(default_factory=list)
    drops: dict[tuple[str, str], list[Json]] = field(default_factory=lambda: defaultdict(list))
    total: int = 0
    dropped: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def whole(self) -> bool:
        """Tell whether nothing was left out."""
        return len(self.documents) == self.total and all(
            len(self.drops.get(reason, ())) == count for reason, count in self.dropped.items()
        )

    def describe(self) -> str:
        """Return what was read, in words."""
        drops = sum(map(len, self.drops.values()))
        if self.whole:
            return f"all {self.total:,} documents and all {drops:,} drops were read"
        return (
            f"a sample, files and row groups by hash: {len(self.documents):,} of {self.total:,} documents and "
            f"{drops:,} of {sum(self.dropped.values()):,} drops were read; counts are scaled up to all of them"
        )

    def weight(self, reason: tuple[str, str] | None) -> float:
        """Return for how many one document read (None), or one drop of a reason read, stands."""
        if reason is None:
            return self.total / len(self.documents) if self.documents else 0.0
        return self.dropped[reason] / len(self.drops[reason]) if self.drops.get(reason) else 0.0


def read(output: str, manifest: Json) -> Sample:
    """Read a source's sample; in memory are at most the budgets."""
    sample = Sample(total=manifest["documents"]["count"])
    for account in manifest["stages"]:
        for stage, group in account["dropped"].items():
            for reason, (documents, _) in group.items():
                sample.dropped[stage, reason] += documents
    paths = [entry["path"] for entry in manifest["documents"]["files"]]
    for row in _rows(output, paths, BYTES):
        sample.documents.append(tables.document_of(row))
    for paths in _by_stage(manifest).values():
        left = ROWS
        for row in _rows(output, paths, BYTES):
            sample.drops[row["stage"], row["reason"]].append({**row, "scores": tables.scores_of(row)})
            left -= 1
            if not left:
                break
    return sample


def _by_stage(manifest: Json) -> dict[str, list[str]]:
    """Return the files of drops by the stage that wrote them."""
    found: dict[str, list[str]] = defaultdict(list)
    for entry in manifest["drops"]["files"]:
        found[entry["path"].rpartition("/")[2].partition("-")[0]].append(entry["path"])
    return found


def _rows(output: str, paths: Sequence[str], budget: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of row groups chosen by hash, until the budget is used up; of one at least."""
    chosen = sorted(paths, key=lambda path: keyed("card", path.rpartition("/")[2]))[:FILES]
    groups = sorted(
        (keyed("card", f"{path}/{group}"), path, group, size)
        for path in chosen
        for group, size in enumerate(_group_sizes(f"{output}/{path}"))
    )
    for _, path, group, size in groups:
        with tables.opened(f"{output}/{path}") as file:
            yield from file.read_row_group(group, use_threads=False).to_pylist()
        budget -= size
        if budget <= 0:
            return


def _group_sizes(path: str) -> list[int]:
    with tables.opened(path) as file:
        metadata = file.metadata
        return [metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups)]


def by_hash(documents: Sequence[Document], count: int = EXAMPLES) -> list[Document]:
    """Return some documents, by the hash of their ids."""
    return sorted(documents, key=lambda document: keyed("example", document.id))[:count]


def dropped_examples(rows: Sequence[Json], count: int = EXAMPLES) -> list[Json]:
    """Return some drops that have an excerpt, by the hash of their ids."""
    told = (row for row in rows if row["excerpt"])
    return sorted(told, key=lambda row: keyed("example", row["id"]))[:count]
