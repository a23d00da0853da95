"""Which document stays for which copies: a table beside the documents, with a row for each copy that was dropped.

    Map of each stage that drops copies ─> runs by cluster: who stays, who goes ─ shuffle ─> pairs (stays, goes)
    pairs of earlier stages, by who stays ─┐
    pairs of this stage, by who goes ──────┴ shuffle ─> who stays in the end ... ─ shuffle by who stays ─> table

A cluster is known by a key: that of the equal texts, or the place of the document that stays. Every step reads its
slices of the runs before it, and no text. A document that stays for a copy and is dropped later for another reason than
that it is a copy itself is still the one that the row names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

import orjson

from pipelines.document import LIMIT, VALUE, Drop
from pipelines.files import runs, storage, tables
from pipelines.files.current import renewed
from pipelines.hashing import digest_of, keyed
from pipelines.stages.decisions import reducers_for
from pipelines.stages.jobs import Job, Shuffle, not_done
from pipelines.stages.kinds import Clusters, Paths, reducer_name

R = TypeVar("R")

# What the steps' folders are called, under work/SOURCE; the first two are followed by the stage's name.
PAIRS, FOLLOWED, TABLE = "kept_pairs", "kept_followed", "kept_copies"
ROWS = 1 << 20  # that a reducer may hold


class Copy(NamedTuple):
    """A copy that was dropped, and the document that stays for it; `share` of the copy is in that one, if known."""

    kept: str
    id: str
    stage: str
    reason: str
    share: float | None

    def packed(self) -> bytes:
        """Return it as bytes."""
        return orjson.dumps(list(self))

    def behind(self, later: Copy) -> Copy:
        """Return this copy of a document that turned out to be a copy itself."""
        known = [share for share in (self.share, later.share) if share is not None]
        whole = len(known) == 2 and 1.0 in known  # of two parts nobody knows what they have in common
        return self._replace(kept=later.kept, share=min(known) if whole else None)


class Collector:
    """Collects of one item which of its documents are in a cluster of copies, and which go for that reason."""

    def __init__(self, clusters: Clusters, reasons: Sequence[str]) -> None:
        self._clusters, self._reasons, self._limit = clusters.read(), frozenset(reasons), clusters.limit
        self._keys: list[int] = []
        self._payloads: list[bytes] = []
        self.copies = 0

    def measured(self, row: int, outcome: R) -> R | Drop:
        """Return what became of the document of a row, with the overlap for which it goes as a near-duplicate."""
        if self._limit is None or not isinstance(outcome, Drop) or outcome.reason not in self._reasons:
            return outcome
        found = self._clusters.get(row)
        if found is None or found.overlap is None:
            return outcome
        return replace(outcome, scores={**outcome.scores, VALUE: found.overlap, LIMIT: self._limit})

    def add(self, row: int, identifier: str, outcome: object, *, marked: bool) -> None:
        """Take note of what became of the document of a row."""
        if row not in self._clusters:
            return
        cluster, share, _ = self._clusters[row]
        if not marked:
            self._keys.append(cluster)
            self._payloads.append(orjson.dumps([identifier]))
        elif isinstance(outcome, Drop) and outcome.reason in self._reasons:
            self._keys.append(cluster)
            self._payloads.append(orjson.dumps([identifier, outcome.reason, share]))
            self.copies += 1

    def write(self, path: str, buckets: int) -> None:
        """Write the run."""
        runs.write_blobs(path, self._keys, self._payloads, buckets)


@dataclass(frozen=True)
class Step:
    """What the steps have in common: where they write, and of which stage; `parts` reducers, a power of two."""

    paths: Paths
    identity: str
    folder: str
    parts: int
    buckets: int

    def split(self, element: tuple[int, str]) -> Iterator[tuple[int, runs.Slice]]:
        """Yield (reducer, slice) of one run."""
        yield from runs.slices(*element, self.parts)

    def file(self, reducer: int, kind: str) -> str:
        """Return the path of a reducer's file."""
        return self.paths.work(self.folder, f"{reducer_name(reducer)}.{kind}")

    def files(self, kind: str) -> list[str]:
        """Return the paths of all reducers' files of a kind."""
        return [self.file(reducer, kind) for reducer in range(self.parts)]

    def _write(self, reducer: int, found: Sequence[Copy], by: str) -> None:
        hashes = [keyed("copy", getattr(copy, by)) for copy in found]
        runs.write_blobs(self.file(reducer, f"{by}.run"), hashes, [copy.packed() for copy in found], self.buckets)


@dataclass(frozen=True)
class Pairs(Step):
    """The copies of one stage with those that stay for them: the runs of all items, by cluster.

    Documents of other sources may stay for this one's; their own copies have rows in their own tables.
    """

    stage: str

    def reduce(self, reducer: int, found: Sequence[runs.Slice]) -> None:
        """Write the pairs of some clusters twice: by who stays, and by who goes; RuntimeError if none stays."""
        with renewed(self.file(reducer, "json"), self.identity) as facts:
            kept: dict[int, str] = {}
            copies: list[tuple[int, Any]] = []
            for cluster, payload, own in self._blobs(found):
                row = orjson.loads(payload)
                if len(row) > 1:
                    copies += [(cluster, row)] if own else []
                elif kept.setdefault(cluster, row[0]) != row[0]:
                    raise RuntimeError(f"{self._name}: both {kept[cluster]} and {row[0]} stay")
            pairs = []
            for cluster, (identifier, reason, share) in copies:
                if cluster not in kept:
                    raise RuntimeError(f"{self._name}: nothing stays for the copy {identifier}")
                pairs.append(Copy(kept[cluster], identifier, self.stage, reason, share))
            for by in ("kept", "id"):
                self._write(reducer, pairs, by)
            facts |= {"item": reducer_name(reducer), "copies": len(pairs)}

    def _blobs(self, found: Sequence[runs.Slice]) -> Iterator[tuple[int, bytes, bool]]:
        """Yield cluster and payload of each document, and whether it is of this source."""
        for path, slices in groupby(sorted(found, key=lambda where: (where.path, where.start)), attrgetter("path")):
            own = path.startswith(f"{self.paths.output}/work/{self.paths.source}/")
            yield from ((cluster, payload, own) for cluster, payload in _blobs(list(slices)))

    @property
    def _name(self) -> str:
        return f"{self.paths.source}/{self.stage}"


@dataclass(frozen=True)
class Followed(Step):
    """The copies of earlier stages, where the document that stayed went at this stage as a copy of another."""

    def reduce(self, reducer: int, found: Sequence[runs.Slice]) -> None:
        """Write the copies of earlier stages by who stays now."""
        with renewed(self.file(reducer, "json"), self.identity) as facts:
            later = {copy.id: copy for copy in _copies([where for where in found if _by_who_goes(where)])}
            earlier = _copies([where for where in found if not _by_who_goes(where)])
            now = [copy.behind(later[copy.kept]) if copy.kept in later else copy for copy in earlier]
            self._write(reducer, now, "kept")
            facts |= {"item": reducer_name(reducer), "copies": len(now)}


@dataclass(frozen=True)
class Table(Step):
    """The table: all copies of a source, sorted by who stays."""

    def reduce(self, reducer: int, found: Sequence[runs.Slice]) -> None:
        """Write one file of the table."""
        name = reducer_name(reducer)
        with renewed(self.file(reducer, "json"), self.identity) as facts:
            copies = sorted(_copies(found), key=lambda copy: copy[:2])
            path = self.paths.copies(name)
            with storage.write(path) as stream:
                writer = tables.CopyWriter(stream)
                for copy in copies:
                    writer.write(copy._asdict())
                written = writer.close()
            counts = Counter(copy.kept for copy in copies)
            largest = min(counts.items(), key=lambda row: (-row[1], row[0]), default=None)
            facts |= {"item": name, "copies": written.named(path.removeprefix(f"{self.paths.output}/"))}
            facts |= {"rows": len(copies), "kept": len(counts), "largest": largest and [largest[0], largest[1]]}


def _by_who_goes(where: runs.Slice) -> bool:
    return where.path.endswith(".id.run")


def _blobs(found: Sequence[runs.Slice]) -> Iterator[tuple[int, bytes]]:
    for where in sorted(found, key=lambda where: (where.item, where.start)):
        yield from runs.read_blobs(where)


def _copies(found: Sequence[runs.Slice]) -> Iterator[Copy]:
    return (Copy(*orjson.loads(payload)) for _, payload in _blobs(found))


@dataclass
class Plan:
    """What there is to do for one source: `runs` are those of each stage that drops copies, in the stages' order."""

    paths: Paths
    identity: str
    buckets: int
    runs: Mapping[str, Sequence[str]]
    _records: dict[str, int] = field(default_factory=dict)  # that each step takes, read once

    def left(self, label: str) -> list[Job | Shuffle]:
        """Return what is left of the first step that is not done."""
        found = (not_done(shuffle, step.identity) for step, shuffle in self._steps(label))
        return next((rest for rest in found if rest), [])

    def manifests(self) -> list[str]:
        """Return the paths of the manifests of the table's files, which must have been written."""
        *_, (_, table) = self._steps("")
        return list(table.outputs)

    def _steps(self, label: str) -> Iterator[tuple[Step, Shuffle]]:
        """Yield the steps in order, each complete: a step runs when those before it are done."""
        held: list[str] = []
        for stage, found in self.runs.items():
            pairs = Pairs(**self._common(f"{PAIRS}_{stage}", found), stage=stage)
            yield _shuffle(f"{label}, pairs of {stage}", pairs, found)
            if held:
                together = [*held, *pairs.files("id.run")]
                followed = Followed(**self._common(f"{FOLLOWED}_{stage}", together))
                yield _shuffle(f"{label}, followed through {stage}", followed, together)
                held = followed.files("kept.run")
            held += pairs.files("kept.run")
        yield _shuffle(label, Table(**self._common(TABLE, held)), held)

    def _common(self, folder: str, found: Sequence[str]) -> dict[str, Any]:
        if folder not in self._records:
            self._records[folder] = sum(storage.together(runs.records, found, self.paths.output))
        parts = reducers_for(self._records[folder], self.buckets, ROWS)
        given = {"paths": self.paths, "folder": folder, "parts": parts, "buckets": self.buckets}
        return given | {"identity": digest_of(self.identity, parts)}


def _shuffle(label: str, step: Pairs | Followed | Table, found: Sequence[str]) -> tuple[Step, Shuffle]:
    outputs = step.files("json")
    return step, Shuffle(label, step.split, list(enumerate(found)), step.reduce, range(step.parts), outputs)
