"""Bounded samples of what a source kept and dropped: files by hash, row groups of them by hash, a budget of bytes.

    OUTPUT/SOURCE/documents/*.parquet ─ FILES, BYTES ─> documents
    OUTPUT/SOURCE/drops/STAGE-*.parquet ─ FILES, ROWS of each stage ─> drops

Each kind of dump (a crawl, a wiki, a site) has its part of the budget, and at least one file of it is read. A document
stands for those of its kind of dump and language, whose number is counted. A source that fits the budget is read whole.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

from pipelines.card.facts import Json
from pipelines.document import Document
from pipelines.files import tables
from pipelines.hashing import keyed
from pipelines.stages import counts
from pipelines.stages.counts import NOT_SAID

FILES = 32  # of a source's document files, and of each stage's files of drops
BYTES = 64 << 20  # of the documents' row groups, uncompressed
ROWS = 50_000  # of a stage's drops
EXAMPLES = 20


@dataclass
class Sample:
    """What was read of a source: documents, and drops by (stage, reason); `total` is how many documents it has.

    `of` has by kind of dump and language how many there are, `labels` the kind of dump by id.
    """

    documents: list[Document] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    of: Mapping[tuple[str, str], int] = field(default_factory=dict)
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
        strata = sum(1 for number in self.of.values() if number)
        seen = f", {len(self._read)} of {strata} pairs of dump and language" if strata else ""
        return (
            "a sample for reading and for what is said to be estimated, by kind of dump, files and row groups by "
            f"hash: {len(self.documents):,} of {self.total:,} documents{seen}, and {drops:,} of "
            f"{sum(self.dropped.values()):,} drops"
        )

    @cached_property
    def _read(self) -> Counter[tuple[str, str]]:
        return Counter(map(self._stratum, self.documents))

    def _stratum(self, document: Document) -> tuple[str, str]:
        return self.labels.get(document.id, ""), document.language or NOT_SAID

    def weight(self, document: Document) -> float:
        """Return for how many a document read stands: those of its kind of dump and language, as far as counted."""
        stratum = self._stratum(document)
        if stratum in self.of:
            return self.of[stratum] / self._read[stratum]
        return self.total / len(self.documents)


def read(output: str, manifest: Json, of: Mapping[tuple[str, str], int] | None = None) -> Sample:
    """Read a source's sample; in memory are at most the budgets, or a row group of each kind of dump."""
    sample = Sample(total=manifest["documents"]["count"], of=of or {})
    for account in manifest["stages"]:
        for stage, group in account["dropped"].items():
            for reason, (documents, _) in group.items():
                sample.dropped[stage, reason] += documents
    inputs = {entry["digest"]: entry for entry in manifest["inputs"]}
    paths = [entry["path"] for entry in manifest["documents"]["files"]]
    for label, row in _by_label(output, paths, inputs, sample.total):
        document = tables.document_of(row)
        sample.documents.append(document)
        sample.labels[document.id] = label
    for paths in _by_stage(manifest).values():
        for _, row in _by_label(output, paths, inputs, ROWS):
            sample.drops[row["stage"], row["reason"]].append({**row, "scores": tables.scores_of(row)})
    return sample


def _by_label(
    output: str, paths: Sequence[str], inputs: Mapping[str, Mapping[str, Any]], rows: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield rows with the kinds of their dumps; each kind has its part of the files, of the bytes and of the rows."""
    labelled: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        item = path.rpartition("/")[2].removesuffix(".parquet")
        of_drops = item.partition("-")[2]
        labelled[counts.label_of(item, inputs) or counts.label_of(of_drops, inputs)].append(path)
    files, budget, most = (max(1, limit // max(1, len(labelled))) for limit in (FILES, BYTES, rows))
    for label, found in sorted(labelled.items()):
        yield from ((label, row) for row in islice(_rows(output, found, files, budget), most))


def _by_stage(manifest: Json) -> dict[str, list[str]]:
    """Return the files of drops by the stage that wrote them."""
    found: dict[str, list[str]] = defaultdict(list)
    for entry in manifest["drops"]["files"]:
        found[entry["path"].rpartition("/")[2].partition("-")[0]].append(entry["path"])
    return found


def _rows(output: str, paths: Sequence[str], files: int, budget: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of row groups chosen by hash, until the budget is used up; of one at least."""
    chosen = sorted(paths, key=lambda path: keyed("card", path.rpartition("/")[2]))[:files]
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
