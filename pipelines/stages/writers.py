"""The links that write documents: `Map`, item by item, and `Join`, reducer by reducer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from pipelines.files import storage
from pipelines.files.current import not_current
from pipelines.hashing import digest_of
from pipelines.stages.jobs import Job, Shuffle, not_done
from pipelines.stages.kinds import Item, Join, Map, reducer_name
from pipelines.stages.link import Decider, Entries, Link, Setting, Writer
from pipelines.stages.run import JoinTask, MapTask, run_map


class MapLink(Writer[Map[Any]]):
    """A `Map` in its place: each item by itself, from the dump or from the shard that the writer before left."""

    def __init__(self, setting: Setting, stage: Map[Any], before: Link[Any] | None, *, final: bool) -> None:
        super().__init__(setting, stage, before, final=final)
        self._identities: dict[str, str] = {}

    @property
    def decision(self) -> Decider[Any] | None:
        """The decision that it carries out."""
        return self.before if isinstance(self.before, Decider) else None

    @property
    def watched(self) -> bool:
        """Whether it carries out a decision on duplicates, and names are counted that lose implausibly many."""
        return bool(self.setting.source.group and self.decision and self.decision.duplicates)

    @cached_property
    def own_identity(self) -> tuple[Any, ...]:
        """What identifies the stage itself, without what it is given."""
        return (*super().own_identity, *self.stage.copies)

    def identity(self, item: Item | None = None) -> str:
        """Return what identifies the result for one item."""
        assert item is not None
        if item.key not in self._identities:
            recipe = self.setting.recipe
            given = digest_of(*self.own_identity, self._given(item), recipe.excerpts, recipe.buckets)
            self._identities[item.key] = given
        return self._identities[item.key]

    def _given(self, item: Item) -> list[str]:
        """Return what identifies what an item comes from: the writer before and all decisions in between."""
        if self.before is None:
            return [item.key]
        between = []
        link = self.before
        while link is not self.texts:
            between.append(link.identity())
            assert link.before is not None
            link = link.before
        return [self.texts.identity(item), *reversed(between)]

    def plan(self) -> Sequence[Job]:
        """Return the job of the items that are not done, or first of the shards that they need again."""
        entries = not_current(
            list(enumerate(self.items())),
            lambda entry: (self.paths.manifest(self.stage.name, entry[1].key), self.identity(entry[1])),
        )
        before = self.texts.restore(self.stage.name, entries) if self.before else []
        if before:
            return before
        jobs = self._jobs(self.name, entries)
        return [replace(job, identities=[task.identity for task in job.elements]) for job in jobs]

    def restore(self, reader: str, entries: Entries) -> list[Job]:
        """Return the job that writes the shards again which `reader` needs and which are no longer staged.

        A recipe that does not keep staged text deletes it when its source is finished; what a later change makes
        necessary is made again from the stage before, item by item.
        """
        there = storage.together(lambda entry: storage.exists(self.staged(entry[1])), entries, self.setting.output)
        gone = [entry for entry, is_there in zip(entries, there, strict=True) if not is_there]
        if not gone or self.stage.spill:
            return []
        before = self.texts.restore(reader, gone) if self.before else []
        return before or self._jobs(f"{self.name}, for {reader}", gone)

    def _jobs(self, label: str, entries: Entries) -> list[Job]:
        tasks = [self.task_of(ordinal, item) for ordinal, item in entries]
        outputs = [self.paths.manifest(self.stage.name, task.item.key) for task in tasks]
        weights = storage.together(_weight, tasks, self.setting.output)
        return [Job(label, run_map, tasks, outputs, weights)] if tasks else []

    def task_of(self, ordinal: int, item: Item, *, decided: bool = True) -> MapTask:
        """Return the task of an item; not `decided`, as if no decision came before it."""
        recipe, source = self.setting.recipe, self.setting.source
        decision = self.decision if decided else None
        return MapTask(
            stage=self.stage,
            paths=self.paths,
            item=item,
            identity=self.identity(item),
            recipe=self.recipe,
            models={name: self.setting.models(name).path for name in self.models},
            read=None if self.before else source.read,
            previous=self.texts.staged(item) if self.before else None,
            removals=decision.removals_of(ordinal) if decision else None,
            final=self.final,
            buckets=recipe.buckets,
            schema=self.schema,
            excerpts=recipe.excerpts,
            group=source.group if self.watched else None,
            clusters=decision.clusters_of(ordinal, item) if decision and self.stage.copies else None,
        )

    def shards(self) -> list[tuple[str, str]]:
        """Return (path, identity) of each shard of documents."""
        return [(self.staged(item), self.identity(item)) for item in self.items()]

    def standing_paths(self) -> list[str]:
        """Return the runs in which its items say which documents stay or go as copies."""
        return [self.paths.standing(self.stage.name, item.key) for item in self.items()]

    def unstage(self) -> None:
        """Remove the shards that nothing reads once the source is finished."""
        if not self.final and not self.stage.spill:
            for item in self.items():
                storage.remove(self.staged(item))


def _weight(task: MapTask) -> float:
    if task.previous:
        return float(storage.size(task.previous))
    return float(sum((part.end or storage.size(part.path)) - part.start for part in task.item.parts))


class JoinLink(Writer[Join[Any]]):
    """A `Join` in its place: what the writer before spilled, bucket by bucket."""

    def results(self) -> list[Item]:
        """Return an item for each reducer."""
        return [Item(reducer_name(reducer), ()) for reducer in range(self.setting.recipe.buckets)]

    def plan(self) -> Sequence[Job | Shuffle]:
        """Return the shuffle into the reducers that are not done."""
        task = JoinTask(
            stage=self.stage,
            paths=self.paths,
            identity=self.identity(),
            recipe=self.recipe,
            models={name: self.setting.models(name).path for name in self.models},
            final=self.final,
            schema=self.schema,
            excerpts=self.setting.recipe.excerpts,
        )
        reducers = range(self.setting.recipe.buckets)
        outputs = [self.paths.manifest(self.stage.name, item.key) for item in self.results()]
        elements = list(enumerate(self.texts.run_paths()))
        return not_done(Shuffle(self.name, task.split, elements, task.reduce, reducers, outputs), task.identity)

    def shards(self) -> list[tuple[str, str]]:
        """Return (path, identity) of each shard of documents."""
        output = self.setting.output
        return [
            (f"{output}/{row['documents']['path']}", f"{row['identity']}/{row['item']}") for row in self.manifests()
        ]
