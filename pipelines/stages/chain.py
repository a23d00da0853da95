"""One source's stages in one build, in order: a link for each, and the nodes of the graph that they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

from pipelines.files import storage
from pipelines.hashing import digest_of
from pipelines.stages import copies, losses, unpacking
from pipelines.stages.deciders import DecideLink, ResolveLink, TogetherLink
from pipelines.stages.graph import Node
from pipelines.stages.jobs import Job, Shuffle, pending
from pipelines.stages.kinds import Decide, Join, Map, Resolve, ResolveTogether
from pipelines.stages.link import Decider, Link, Setting, Writer
from pipelines.stages.writers import JoinLink, MapLink

# The one place that tells the kinds of stage apart.
_LINKS: Mapping[type, Callable[..., Link[Any]]] = {
    Map: MapLink,
    Join: JoinLink,
    Decide: DecideLink,
    Resolve: ResolveLink,
    ResolveTogether: TogetherLink,
}


class Chain(Setting):
    """One source in one build, and its stages as links."""

    @cached_property
    def links(self) -> list[Link[Any]]:
        """All links, in order."""
        last = max(place for place, stage in enumerate(self.source.stages) if not stage.decides)
        links: list[Link[Any]] = []
        for place, stage in enumerate(self.source.stages):
            before = links[-1] if links else None
            links.append(_LINKS[type(stage)](self, stage, before, final=place == last))
        return links

    @property
    def writers(self) -> list[Writer[Any]]:
        """The links that write documents."""
        return [link for link in self.links if isinstance(link, Writer)]

    @property
    def deciders(self) -> list[Decider[Any]]:
        """The links that decide what must go."""
        return [link for link in self.links if isinstance(link, Decider)]

    @property
    def final(self) -> Writer[Any]:
        """The link that writes the finished documents."""
        return self.writers[-1]

    def writer(self, name: str) -> Writer[Any]:
        """Return the link of a stage that writes documents."""
        return next(link for link in self.writers if link.stage.name == name)

    def decider(self, name: str) -> Decider[Any]:
        """Return the link of a stage that decides."""
        return next(link for link in self.deciders if link.stage.name == name)

    @property
    def models_read(self) -> list[str]:
        """The names of all models that its stages read, sorted."""
        return sorted({name for link in self.links for name in link.models})

    def nodes(self) -> Iterator[Node]:
        """Yield the source's nodes in order."""
        before: tuple[str, ...] = ()
        if self.source.unpack:
            before = (f"{self.source.name}/unpack",)
            yield Node(before[0], (), lambda: unpacking.plan(self.source, self.unpackings()))
        for link in self.links:
            yield Node(link.name, (*before, *link.needs), link.plan)
            before = (link.name,)
        if self._watched:
            yield Node(self._losses, before, self._plan_losses)
            before = (self._losses,)
        if self._copying:
            others = (name for link in self._copying for name in self._with(link))
            yield Node(f"{self.source.name}/{copies.TABLE}", (*before, *others), self._plan_copies)

    @property
    def last_node(self) -> str:
        """The name of the node with which the source is finished."""
        if self._copying:
            return f"{self.source.name}/{copies.TABLE}"
        return self._losses if self._watched else self.links[-1].name

    @property
    def _losses(self) -> str:
        return f"{self.source.name}/losses"

    @cached_property
    def copies(self) -> copies.Plan | None:
        """What tells which document stays for which copies, of a source that drops some."""
        if not self._copying:
            return None
        return copies.Plan(
            paths=self.paths,
            identity=digest_of("copies", [link.identities() for link in self._copying]),
            buckets=self.recipe.buckets,
            runs={
                link.stage.name: [path for one in self._with(link).values() for path in one.standing_paths()]
                for link in self._copying
            },
        )

    @property
    def _copying(self) -> list[MapLink]:
        """The links that drop copies."""
        return [link for link in self.writers if isinstance(link, MapLink) and link.stage.copies]

    def _with(self, link: MapLink) -> dict[str, MapLink]:
        """Return a link that drops copies with those of other sources whose copies were decided with its own."""
        if not isinstance(link.before, TogetherLink):
            return {link.name: link}
        found = (chain.writer(link.stage.name) for _, chain in sorted(self.neighbours.items()))
        return {one.name: one for one in found if isinstance(one, MapLink)}

    def _plan_copies(self) -> list[Job | Shuffle]:
        assert self.copies is not None
        return self.copies.left(self.last_node)

    def copied(self) -> list[dict[str, Any]]:
        """Return the manifests of the files of the table of copies."""
        return storage.read_jsons(self.copies.manifests()) if self.copies else []

    def copy_reasons(self) -> dict[str, list[str]]:
        """Return for which reasons documents go as copies, by stage."""
        return {link.stage.name: list(link.stage.copies) for link in self.writers if getattr(link.stage, "copies", ())}

    @property
    def _watched(self) -> list[Writer[Any]]:
        """The links that carry out what deduplication decided, of a source whose documents have hosts or the like."""
        return [link for link in self.writers if link.watched]

    def _sums(self, link: Writer[Any]) -> list[losses.Sum]:
        stage = link.stage.name
        alarm = losses.Alarm(self.recipe.max_duplicates, self.recipe.alarm_documents)
        parts = losses.parts_of(len(link.items()), self.recipe.buckets)
        return [
            losses.Sum(
                listed=self.paths.work(f"{stage}_losses", "runs.json"),
                manifest=self.paths.manifest(f"{stage}_losses", f"part-{part:03d}"),
                identity=digest_of("losses", link.identities(), alarm, parts),
                part=part,
                parts=parts,
                alarm=alarm,
            )
            for part in range(parts)
        ]

    def _plan_losses(self) -> list[Job]:
        tasks = []
        for link in self._watched:
            sums = self._sums(link)
            listed = [self.paths.losses(link.stage.name, item.key) for item in link.items()]
            if storage.read_json(sums[0].listed) != listed:
                storage.write_json(sums[0].listed, listed)
            tasks += sums
        return pending(self._losses, losses.add_up, tasks)

    def lost(self) -> list[dict[str, Any]]:
        """Return what hosts, repositories or sites lost at each stage, see `pipelines.stages.losses.merged`."""
        return [
            {
                "stage": link.stage.name,
                "kind": self.source.group_kind,
                **losses.merged(storage.read_jsons([task.manifest for task in self._sums(link)])),
            }
            for link in self._watched
        ]
