"""The nodes over all sources of a build: signatures of their finished documents, and what overlaps.

documents of every source ─ signatures ─ overlaps ─> OUTPUT/across/manifest.json; what leaves the held-out documents
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from pipelines.across.overlaps import STAGE, Overlaps
from pipelines.across.signatures import VERSION, Sign, sign
from pipelines.files import runs, storage
from pipelines.files.current import is_current
from pipelines.files.ours import ACROSS
from pipelines.hashing import digest_of
from pipelines.recipes import Recipe
from pipelines.stages.decisions import reducers_for
from pipelines.stages.graph import Node
from pipelines.stages.jobs import Job, Shuffle, first_not_done, pending
from pipelines.stages.kinds import Paths
from pipelines.stages.resolution import BUCKET_KEYS

FILE = f"{ACROSS}/manifest.json"
NODE = f"{ACROSS}/overlaps"
SIGNATURES = f"{ACROSS}/signatures"

# (path, identity) of each file of documents that a source finished.
Shards = Callable[[], Sequence[tuple[str, str]]]


@dataclass
class Together:
    """All sources of one build: `documents` of each, when they are finished, and the share that it holds out."""

    output: str
    recipe: Recipe
    documents: Mapping[str, Shards]
    validation: Mapping[str, float]

    def nodes(self, after: Sequence[str]) -> Iterator[Node]:
        """Yield the nodes; `after` are those that finish the sources' documents."""
        yield Node(SIGNATURES, tuple(after), self._plan_signatures)
        yield Node(NODE, (SIGNATURES,), self._plan_overlaps)

    @cached_property
    def _tasks(self) -> dict[str, list[Sign]]:
        return {
            source: [self._task(source, path, identity) for path, identity in sorted(shards())]
            for source, shards in self.documents.items()
        }

    def _task(self, source: str, path: str, identity: str) -> Sign:
        # What happens to near-duplicates is no part of how they are found.
        recipe = replace(self.recipe.across, remove=False, preferred=())
        validation, buckets = self.validation.get(source, 0.0), self.recipe.buckets
        return Sign(
            documents=path,
            run=self._paths.work("signatures", f"{source}-{path.rpartition('/')[2].removesuffix('.parquet')}.run"),
            recipe=recipe,
            validation=validation,
            buckets=buckets,
            identity=digest_of(VERSION, identity, recipe, validation, buckets),
        )

    @property
    def _paths(self) -> Paths:
        return Paths(self.output, ACROSS)

    def _plan_signatures(self) -> list[Job]:
        def weigh(tasks: Sequence[Sign]) -> list[float]:
            return storage.together(lambda task: float(storage.size(task.documents)), tasks, self.output)

        return pending(SIGNATURES, sign, self._all, weigh)

    @property
    def _all(self) -> list[Sign]:
        return [task for tasks in self._tasks.values() for task in tasks]

    @cached_property
    def _overlaps(self) -> Overlaps:
        """What compares the signatures, which must have been written."""
        keys = sum(storage.together(runs.records, [task.run for task in self._all], self.output))
        return Overlaps(
            stage=STAGE,
            paths=self._paths,
            identity=digest_of(VERSION, [task.identity for task in self._all]),
            items=len(self._all),
            buckets=reducers_for(
                keys, self.recipe.buckets, BUCKET_KEYS
            ),  # few pairs are made: one does for a small corpus
            threshold=self.recipe.across.threshold,
            sources=tuple((source, len(tasks)) for source, tasks in self._tasks.items()),
        )

    def _plan_overlaps(self) -> Sequence[Job | Shuffle]:
        found = self._overlaps
        if is_current(found.manifest, found.identity):
            return []
        shards, run_files = [task.documents for task in self._all], [task.run for task in self._all]
        return first_not_done(found.steps(NODE, shards, run_files), found.step_identity)

    @cached_property
    def _leaving(self) -> dict[str, tuple[int, ...]]:
        removals = runs.read_removals([self._overlaps.leaving_file], 0, len(self._all))
        rows = (tuple(found["doc"].tolist()) for found in removals)
        return {task.documents: found for task, found in zip(self._all, rows, strict=True) if found}

    def leaving(self, documents: str) -> tuple[int, ...]:
        """Return the rows of a file of documents that are not held out, though the hash of their id says so."""
        return self._leaving.get(documents, ())

    def finish(self) -> None:
        """Write OUTPUT/across/manifest.json: what other sources have of each one's sample, and what is not held out."""
        decided = storage.read_json(self._overlaps.manifest)
        content = storage.as_json({"recipe": asdict(self.recipe.across), "sources": dict(self._facts(decided))})
        path = f"{self.output}/{FILE}"
        if storage.read_json(path) != json.loads(content):  # a build that changes nothing leaves every file as it was
            storage.write_bytes(path, content)

    def _facts(self, decided: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        for source, tasks in self._tasks.items():
            rows = storage.read_jsons([task.manifest for task in tasks])
            counts = {name: sum(row[name] for row in rows) for name in ("documents", "held_out", "sampled")}
            beside = {name: decided[name].get(source, 0) for name in ("near_training", "leaving")}
            yield source, {**counts, **beside, "elsewhere": decided["elsewhere"].get(source, {})}
