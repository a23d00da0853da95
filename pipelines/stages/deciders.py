"""The links that decide over all items: `Decide`, on keys alone, and `Resolve`, on near-duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from pipelines.dedup import clusters
from pipelines.files import runs, storage
from pipelines.files.current import is_current
from pipelines.files.ours import ACROSS
from pipelines.hashing import digest_of
from pipelines.stages.decisions import Cut, Decision, reducers_for
from pipelines.stages.jobs import Job, Shuffle, first_not_done
from pipelines.stages.kinds import Clusters, Decide, Item, Paths, Removals, Resolve, reducer_name
from pipelines.stages.link import Decider, Writer
from pipelines.stages.resolution import Resolution, Together, buckets_for, clusters_file


class DecideLink(Decider[Decide]):
    """A `Decide` in its place, with the other source's stage whose keys it compares, where that source is built."""

    @property
    def duplicates(self) -> bool:
        """Whether what it marks are duplicates."""
        return self.stage.duplicates

    @property
    def needs(self) -> tuple[str, ...]:
        """The names of the nodes that it needs besides the one before."""
        return (self.other.name,) if self.other else ()

    @property
    def other(self) -> Writer[Any] | None:
        """The other source's link, None if there is none or that source is not built."""
        wanted = self.stage.other
        neighbour = self.setting.neighbours.get(wanted.source) if wanted else None
        return neighbour.writer(wanted.stage.name) if wanted and neighbour else None

    @property
    def window(self) -> int:
        """How many items are compared with each other, 0 for all."""
        return self.stage.window(self.setting.recipe) if self.stage.window else 0

    def others(self) -> list[str]:
        """Return what identifies the other source's items."""
        return self.other.identities() if self.other else []

    def plan(self) -> list[Job | Shuffle]:
        """Return what is left of the first step that is not done."""
        return first_not_done(self.decision.steps(self.name, self.compared), self.decision.step_identity)

    @cached_property
    def compared(self) -> list[str]:
        """The runs that are compared: this source's in the order of items, then the other source's."""
        return self.texts.run_paths() + (self.other.run_paths() if self.other else [])

    @cached_property
    def _keys(self) -> list[int]:
        """How many keys each of the runs has, which must have been written."""
        return storage.together(runs.records, self.compared, self.setting.output)

    @cached_property
    def decision(self) -> Decision:
        """The decision over the items; what it compares must have been written."""
        recipe = self.setting.recipe
        items = len(self.items())
        cut = Cut(items, len(self.compared) - items, self.window, recipe.fan_in)
        # A window's keys are those of its items and, in each window, the other source's.
        most = max((sum(self._keys[start : start + cut.width]) for start in range(0, items, cut.width)), default=0)
        return Decision(
            stage=self.stage,
            paths=self.paths,
            identity=self.identity(),
            cut=cut,
            buckets=recipe.buckets,
            reducers=reducers_for(most + sum(self._keys[items:]), recipe.buckets, recipe.reducer_keys),
            reducer_keys=recipe.reducer_keys,
        )

    def removals_of(self, ordinal: int) -> Removals:
        """Return where an item finds what it must remove."""
        return self.decision.removals_of(ordinal)

    def clusters_of(self, ordinal: int, item: Item) -> Clusters:
        """Return where an item finds which of its documents are copies of one: documents of one key are."""
        return Clusters(self.paths.work(self.texts.stage.name, f"{item.key}.run"), share=self.stage.share)

    def manifests(self) -> list[dict[str, Any]]:
        """Return how many keys were compared and marked; RuntimeError if one was lost on the way."""
        return [self.decision.facts(self.compared, self._keys)]

    def clusters(self) -> dict[str, Any] | None:
        """Return how large the clusters of copies are within the first window, None if it marks something else."""
        if not self.duplicates:
            return None
        cut = self.decision.cut
        return clusters.of_runs(self.compared[: min(cut.width, cut.items)], self.decision.dtype)


class ResolveLink(Decider[Resolve]):
    """A `Resolve` in its place."""

    @property
    def duplicates(self) -> bool:
        """Whether what it marks are duplicates: always."""
        return True

    def plan(self) -> Sequence[Job | Shuffle]:
        """Return what is left of the first step that is not done, or first of the shards that it needs again."""
        if is_current(self._decided, self.identity()):
            return []
        if before := self.texts.restore(self.stage.name, list(enumerate(self.items()))):
            return before
        task = self._resolution()
        shards = [self.texts.staged(item) for item in self.items()]
        return first_not_done(task.steps(self.name, shards, self.texts.run_paths()), task.step_identity)

    def _resolution(self) -> Resolution:
        """Return the decision; what it compares must have been written."""
        recipe, run_files = self.setting.recipe, self.texts.run_paths()
        return Resolution(
            stage=self.stage,
            paths=self.paths,
            identity=self.identity(),
            items=len(self.items()),
            buckets=buckets_for(sum(storage.together(runs.records, run_files, self.setting.output)), recipe.buckets),
            threshold=self.recipe.threshold,
        )

    @property
    def _decided(self) -> str:
        return self.paths.manifest(self.stage.name, reducer_name(0))

    def removals_of(self, ordinal: int) -> Removals:
        """Return where an item finds what it must remove."""
        return Removals(self.stage.name, "bucket", range(1), ordinal)

    def clusters_of(self, ordinal: int, item: Item) -> Clusters:
        """Return where an item finds which of its documents are copies of one."""
        return Clusters(clusters_file(self.paths, self.stage.name), ordinal, limit=self.recipe.threshold)

    def _manifest(self) -> dict[str, Any]:
        row: dict[str, Any] = storage.read_json(self._decided)
        return row

    def manifests(self) -> list[dict[str, Any]]:
        """Return how many pairs were verified and how many documents marked."""
        return [{name: value for name, value in self._manifest().items() if isinstance(value, int)}]

    def clusters(self) -> dict[str, Any] | None:
        """Return how large the clusters of near-duplicates are."""
        return {"cluster_sizes": self._manifest().get("cluster_sizes", {})}


class TogetherLink(ResolveLink):
    """A `ResolveTogether` in its place: the first source's link makes the decision, the others wait for it."""

    @cached_property
    def everyone(self) -> list[TogetherLink]:
        """The links of all sources, in the order of their names."""
        found = [chain.decider(self.stage.name) for _, chain in sorted(self.setting.neighbours.items())]
        return [link for link in found if isinstance(link, TogetherLink)]

    @property
    def needs(self) -> tuple[str, ...]:
        """The names of the nodes that it needs besides the one before."""
        first, *others = self.everyone
        if self is not first:
            return (first.name,)
        return tuple(link.before.name for link in others if link.before)

    @cached_property
    def _over_all(self) -> str:
        over = [[link.texts.identity(item) for item in link.items()] for link in self.everyone]
        return digest_of(*self.own_identity, over, self.setting.recipe.buckets)

    def plan(self) -> Sequence[Job | Shuffle]:
        """Return what is left of the first step that is not done, or first of the shards that it needs again."""
        if self is not self.everyone[0] or is_current(self._decided, self.identity()):
            return []
        restored = [link.texts.restore(self.stage.name, list(enumerate(link.items()))) for link in self.everyone]
        if before := [job for jobs in restored for job in jobs]:
            return before
        task = self._resolution()
        shards = [link.texts.staged(item) for link in self.everyone for item in link.items()]
        return first_not_done(task.steps(f"{ACROSS}/{self.stage.name}", shards, self._runs), task.step_identity)

    @property
    def _runs(self) -> list[str]:
        return [path for link in self.everyone for path in link.texts.run_paths()]

    def _resolution(self) -> Together:
        recipe, sizes = self.setting.recipe, [(link.setting.source.name, len(link.items())) for link in self.everyone]
        return Together(
            stage=self.stage,
            paths=Paths(self.setting.output, ACROSS),
            identity=self.identity(),
            items=sum(size for _, size in sizes),
            buckets=buckets_for(sum(storage.together(runs.records, self._runs, self.setting.output)), recipe.buckets),
            threshold=self.recipe.threshold,
            sources=tuple(sizes),
        )

    @property
    def _decided(self) -> str:
        return Paths(self.setting.output, ACROSS).manifest(self.stage.name, reducer_name(0))

    def removals_of(self, ordinal: int) -> Removals:
        """Return where an item finds what it must remove."""
        place = self.everyone.index(self)
        return Removals(self.stage.name, "bucket", range(place, place + 1), ordinal, ACROSS)

    def clusters_of(self, ordinal: int, item: Item) -> Clusters:
        """Return where an item finds the clusters of its documents."""
        before = sum(len(link.items()) for link in self.everyone[: self.everyone.index(self)])
        path = clusters_file(Paths(self.setting.output, ACROSS), self.stage.name)
        return Clusters(path, before + ordinal, limit=self.recipe.threshold)

    def manifests(self) -> list[dict[str, Any]]:
        """Return how many pairs were verified, of all sources, and how many documents marked, of this one."""
        (facts,) = super().manifests()
        return [{**facts, "marked": self._manifest()["marked_of"][self.setting.source.name]}]
