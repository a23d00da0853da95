"""The kinds of stage that a source's chain is made of; `pipelines.stages.run` executes one work item of each.

Map      read a dump (or the previous stage's shard), clean and filter each record; write documents, drops, and the
         packed keys on which something global is decided
Decide   for each bucket of keys over all items: which documents or lines must go
Resolve  the same for near-duplicates: pairs by bucket, verified on the documents' texts, and one small decision
Join     for each bucket of spilled records over all items: documents made of several records
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan
from operator import attrgetter
from typing import Any, BinaryIO, ClassVar, Generic, Literal, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from filters.packages import Package
from pipelines.document import Document, Drop
from pipelines.files import runs
from pipelines.files.runs import Keys, Lines
from pipelines.files.tables import NO_COLUMNS
from pipelines.readers import Dump

R = TypeVar("R")  # the part of a recipe that a stage reads
R_co = TypeVar("R_co", covariant=True)


class Read(Protocol):
    """A reader: see `pipelines.readers`."""

    def __call__(self, stream: BinaryIO, dump: Dump, counts: Counter[str]) -> Iterator[Any]:
        """Yield records and drops, counting records independently."""
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """A file, or the byte range [start, end) of one, with the attributes that belong to its identity."""

    path: str
    digest: str
    attributes: tuple[tuple[str, str], ...] = ()
    start: int = 0
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """A unit of work: a file, a byte range, or a group of small files. `key` depends on their content only."""

    key: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Context(Generic[R_co]):
    """What a step may know: its own part of the recipe, and the paths of the models it asked for.

    What it adds to `counts` is added up in the stage's manifest, over all documents, those that it drops too.
    """

    recipe: R_co
    models: Mapping[str, str]
    counts: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class StageOf:
    """A stage of a source, by the source's name."""

    source: str
    stage: Map[Any]

    @property
    def name(self) -> str:
        """SOURCE/STAGE, the name of its node."""
        return f"{self.source}/{self.stage.name}"


class HasThreshold(Protocol):
    """A part of a recipe that says how alike is too alike."""

    @property
    def threshold(self) -> float:
        """From 0 to 1."""
        ...


@dataclass(frozen=True)
class Map(Generic[R]):
    """Clean and filter each record by itself.

    `step(record, context)` answers the document or its drop; after a `Decide` it is `step(document, removed, context)`
    with the removed line numbers (`runs.WHOLE` for the whole document). `part` gives the part of a recipe that the step
    reads, `models` names the models. `keys(record, document, context)` gives what a later `Decide` compares, from the
    record that came in and the document that is kept: hashes, ranks that say who owns a key (`ranked`) or None, and
    line numbers or None (`pipelines.files.runs.Keys`).
    `spill(record)` turns what is kept into a (hash, payload) for a later `Join` instead of a document.
    `statistics(document)` says what to add up, for the manifest, over the documents that are kept; `raw(record)` is the
    text of a record that is no document yet, to be shown beside what became of it. `copies` are the reasons of drops
    for which, by the decision before, another document stays: `pipelines.stages.copies` says which.
    `columns` are those of the attributes that the step (of the first stage: the reader too) adds to a document, with
    their types; `scores` names what it measures of a document that it drops, numbers each, besides `value` and `limit`,
    which say what decided (`pipelines.document.Drop`) and which every source has. `packages` are those that it
    cannot do without: a build that lacks one is refused.
    """

    decides: ClassVar[bool] = False

    name: str
    step: Callable[[Any, Context[R]], Any] | Callable[[Any, Lines, Context[R]], Any]
    part: Callable[[Any], R]
    models: tuple[str, ...] = ()
    keys: Callable[[Any, Document, Context[R]], Keys] | None = None
    ranked: bool = False
    spill: Callable[[Any], tuple[int, bytes]] | None = None
    statistics: Callable[[Document], Mapping[str, int]] | None = None
    raw: Callable[[Any], str] = attrgetter("text")
    columns: pa.Schema = NO_COLUMNS
    scores: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    packages: tuple[Package, ...] = ()
    version: int = 1


@dataclass(frozen=True)
class Decide:
    """Decide over all items, bucket by bucket: `rule(records, items, own)` marks the records that must go.

    `items` says which item each record came from; those below `own` are this source's. `other` is a stage of another
    source whose keys are compared too. `window` gives the number of items, by a recipe, that are compared with each
    other (0: all of them), `part` the part of a recipe that the rule was made with. `duplicates` says that what is
    marked is a copy: then too many raise an alarm, and what is marked among some records is marked among more. `share`
    is how much of such a copy is in the document that stays, if the keys tell: 1.0 where they are of whole texts.
    """

    decides: ClassVar[bool] = True

    name: str
    rule: Callable[[runs.Records, npt.NDArray[np.uint32], int], npt.NDArray[np.bool_]]
    ranked: bool = False
    window: Callable[[Any], int] | None = None
    other: StageOf | None = None
    part: Callable[[Any], Any] | None = None
    duplicates: bool = True
    share: float | None = None
    version: int = 1


@dataclass(frozen=True)
class Join(Generic[R]):
    """Make documents of spilled records: `reduce(payloads, context)` yields documents, drops, or (document, merged).

    `merged` is how many records went into the document besides the one that it stands for; `raw(payloads, document)` is
    the text that a document was made of, to be shown beside it. `columns` and `scores` are as those of a `Map`.
    """

    decides: ClassVar[bool] = False

    name: str
    reduce: Callable[[Iterable[bytes], Context[R]], Iterator[tuple[Document, int] | Drop]]
    part: Callable[[Any], R]
    models: tuple[str, ...] = ()
    raw: Callable[[Sequence[bytes], Document], str] | None = None
    columns: pa.Schema = NO_COLUMNS
    scores: tuple[str, ...] = ()
    version: int = 1


@dataclass(frozen=True)
class Resolve:
    """Decide over all items which documents are near-duplicates of one that stays, by containment or Jaccard.

    The `Map` before gives the keys of `pipelines.dedup.pairs`; `part` gives the part of a recipe that has a
    `threshold`. The steps are those of `pipelines.stages.resolution`.
    """

    decides: ClassVar[bool] = True

    name: str
    part: Callable[[Any], HasThreshold]
    measure: Literal["containment", "jaccard"] = "containment"
    version: int = 1


class ResolveTogether(Resolve):
    """Decide the same over the documents of all sources of a build: each has this stage, and one decision is made."""


Stage = Map[Any] | Decide | Resolve | Join[Any]


@dataclass(frozen=True)
class Paths:
    """Where a source's stages write: everything under the corpus directory."""

    output: str
    source: str

    def work(self, stage: str, name: str) -> str:
        """Return the path of a staged file."""
        return f"{self.output}/work/{self.source}/{stage}/{name}"

    def documents(self, item: str) -> str:
        """Return the path of a finished document shard."""
        return f"{self.output}/{self.source}/documents/{item}.parquet"

    def drops(self, stage: str, item: str) -> str:
        """Return the path of a shard of drops."""
        return f"{self.output}/{self.source}/drops/{stage}-{item}.parquet"

    def copies(self, name: str) -> str:
        """Return the path of a file of the table of copies."""
        return f"{self.output}/{self.source}/copies/{name}.parquet"

    def standing(self, stage: str, item: str) -> str:
        """Return the path of the run in which an item says which documents stay or go as copies."""
        return self.work(stage, f"{item}.copies.run")

    def losses(self, stage: str, item: str) -> str:
        """Return the path of the run in which an item says what each host or repository lost."""
        return self.work(stage, f"{item}.losses")

    def manifest(self, stage: str, item: str) -> str:
        """Return the path of an item's manifest for a stage."""
        return self.work(stage, f"{item}.json")

    def counts(self, stage: str, item: str) -> str:
        """Return the path of what an item's documents and drops are counted by."""
        return self.work(stage, f"{item}.counts")

    def changes(self, stage: str, item: str) -> str:
        """Return the path of what an item shows of a stage's documents, before and after."""
        return self.work(stage, f"{item}.changes")


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns of what a stage writes besides those that all tables have: of documents, and scores of drops.

    Documents are counted by the values of the columns `counted`.
    """

    columns: pa.Schema = NO_COLUMNS
    scores: tuple[str, ...] = ()
    counted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Removals:
    """Where an item finds what it must remove: as the `place`-th item in each of the `files` that a stage wrote.

    `of` is what the stage's files lie under, if that is not the item's own source.
    """

    stage: str
    kind: str
    files: range
    place: int
    of: str = ""

    def paths(self, paths: Paths) -> list[str]:
        """Return the paths of the files."""
        paths = Paths(paths.output, self.of) if self.of else paths
        return [paths.work(self.stage, f"{self.kind}-{number:06d}.removals") for number in self.files]

    def read(self, paths: Paths) -> runs.Records:
        """Return the removals, shape (n,), sorted by document and line."""
        return runs.read_removals(self.paths(paths), self.place)[0]


# A document, the cluster of copies that it is of, how much of it is in the one that stays (nan: nobody knows), and the
# overlap that was compared with the threshold.
MEMBER = np.dtype([("doc", "<u4"), ("cluster", "<u8"), ("share", "<f8"), ("overlap", "<f8")])


class Membership(NamedTuple):
    """What a decision says of a document that is in a cluster; `overlap` is None where none was measured."""

    cluster: int
    share: float | None
    overlap: float | None = None


@dataclass(frozen=True, slots=True)
class Clusters:
    """Where an item finds the clusters of its documents: the `place`-th part of a decision's file, or its own keys.

    `share` goes with keys: how much of a copy is in the document that stays, if they tell. `limit` goes with a decision
    on near-duplicates: what overlaps one that stays by more than that goes.
    """

    path: str
    place: int | None = None
    share: float | None = None
    limit: float | None = None

    def read(self) -> dict[int, Membership]:
        """Return what is said of the item's documents, by row."""
        if self.place is None:
            every = runs.Slice(0, self.path, 0, runs.records(self.path))
            keys = runs.read_keys(every, runs.RANKED_KEY)
            both = zip(keys["doc"].tolist(), keys["hash"].tolist(), strict=True)
            return {row: Membership(key, self.share) for row, key in both}
        found = runs.read_by_item(self.path, self.place, MEMBER)[0].tolist()
        return {
            row: Membership(cluster, None if isnan(share) else share, overlap) for row, cluster, share, overlap in found
        }


def reducer_name(reducer: int) -> str:
    """Return the name under which a reducer's files lie."""
    return f"bucket-{reducer:06d}"
