"""A stage in its place in one source's chain: each kind says itself what it takes, left, and still has to do.

    items ─> Link ─ plan ─> jobs ─> manifests;   identity <- recipe part, models, version, and the links before
             ├─ Writer    writes documents and drops, an item or a reducer at a time: `Map`, `Join`
             └─ Decider   marks what must go over all items: `Decide`, `Resolve`

`plan()` compares the manifests that are there with the identities. The kinds are in `writers` and `deciders`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import pyarrow as pa

from pipelines.files import storage, tables
from pipelines.hashing import digest_of
from pipelines.recipes import Recipe
from pipelines.stages import unpacking
from pipelines.stages.jobs import Job, Shuffle
from pipelines.stages.kinds import Clusters, Decide, Item, Join, Map, Paths, Removals, Resolve, Schema
from pipelines.stages.source import Input, Model, Source, Unpacking, one_item_per_file

S = TypeVar("S", bound=Map[Any] | Join[Any] | Decide | Resolve)
W = TypeVar("W", bound=Map[Any] | Join[Any])
D = TypeVar("D", bound=Decide | Resolve)
# A writer's items with their ordinals, which is how decisions name them.
Entries = Sequence[tuple[int, Item]]


class Neighbour(Protocol):
    """Another source's chain of the same build."""

    def writer(self, name: str) -> Writer[Any]:
        """Return the link of a stage that writes documents."""
        ...

    def decider(self, name: str) -> Decider[Any]:
        """Return the link of a stage that decides."""
        ...


@dataclass
class Setting:
    """One source in one build: what the links of its chain share. `models` gives a finished model by name.

    `chosen` takes some of the items, of a trial.
    """

    source: Source
    recipe: Recipe
    inputs: Sequence[Input]
    output: str
    models: Callable[[str], Model]
    neighbours: Mapping[str, Neighbour] = field(default_factory=dict)
    chosen: Callable[[Sequence[Item]], list[Item]] = list
    _items: list[Item] | None = None

    @property
    def part(self) -> Any:
        """The source's part of the recipe."""
        return self.recipe.part(self.source.name)

    @property
    def paths(self) -> Paths:
        """Where the source writes."""
        return Paths(self.output, self.source.name)

    def items(self) -> list[Item]:
        """Return the work items, sorted by key: the order that ordinals refer to, whatever order inputs came in."""
        if self._items is None:
            self._items = sorted(self.chosen(self.all_items()), key=lambda item: item.key)
        return self._items

    def all_items(self) -> list[Item]:
        """Return the items of all inputs, of which `chosen` takes some."""
        if self.source.unpack:
            return list(unpacking.items(self.unpackings()))
        return self.source.items(self.inputs, self.part) if self.source.items else one_item_per_file(self.inputs)

    def unpackings(self) -> list[Unpacking]:
        """Return what is to be unpacked before there are items, of a source that is unpacked."""
        return unpacking.tasks(self.source, self.inputs, self.recipe, self.paths)


class Link(ABC, Generic[S]):
    """One stage of one source in one build. `final` is the link that writes the source's finished documents."""

    decides: ClassVar[bool]

    def __init__(self, setting: Setting, stage: S, before: Link[Any] | None, *, final: bool) -> None:
        self.setting, self.stage, self.before, self.final = setting, stage, before, final
        self.paths = setting.paths

    @property
    def name(self) -> str:
        """SOURCE/STAGE, the name of its node."""
        return f"{self.setting.source.name}/{self.stage.name}"

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the models that it reads."""
        return ()

    @property
    def needs(self) -> tuple[str, ...]:
        """The names of the nodes that it needs besides the one before."""
        return tuple(f"models/{model}" for model in self.models)

    @cached_property
    def recipe(self) -> Any:
        """The part of the recipe that it reads, None if it reads none."""
        return self.stage.part(self.setting.recipe) if self.stage.part else None

    @property
    def watched(self) -> bool:
        """Whether it carries out a decision on duplicates, and names are counted that lose implausibly many."""
        return False

    @cached_property
    def texts(self) -> Writer[Any]:
        """The last link before that wrote documents; there must be one."""
        link = self.before
        while not isinstance(link, Writer):
            assert link is not None, f"{self.name} is the first stage and decides on nothing"
            link = link.before
        return link

    def items(self) -> list[Item]:
        """Return the items that it takes: after a `Join` they are its reducers."""
        return self.before.results() if self.before else self.setting.items()

    def results(self) -> list[Item]:
        """Return the items that it leaves."""
        return self.items()

    @cached_property
    def own_identity(self) -> tuple[Any, ...]:
        """What identifies the stage itself, without what it is given.

        Whether it is the last stage says where it writes: one that another recipe puts behind it leaves it staged.
        """
        models = {name: self.setting.models(name).digest for name in self.models}
        place = (self.watched, self.final)
        return (tables.VERSION, self.stage.name, self.stage.version, self.recipe, models, place)

    def identity(self, item: Item | None = None) -> str:
        """Return what identifies its result: for one item of a `Map`, for all items of another kind."""
        return self._over_all

    @cached_property
    def _over_all(self) -> str:
        over = [self.texts.identity(item) for item in self.items()]
        return digest_of(*self.own_identity, over, self.others(), self.window, self.setting.recipe.buckets)

    def others(self) -> list[str]:
        """Return what identifies another source's items that are compared too."""
        return []

    @property
    def window(self) -> int:
        """How many items are compared with each other, 0 for all."""
        return 0

    def identities(self) -> list[str]:
        """Return the identity for each item that it takes."""
        return [self.identity(item) for item in self.items()]

    @abstractmethod
    def plan(self) -> Sequence[Job | Shuffle]:
        """Return the jobs that are still to be run."""

    @abstractmethod
    def manifests(self) -> list[dict[str, Any]]:
        """Return the manifests that it left, in the order of items or reducers; of a decision its facts alone."""


class Writer(Link[W]):
    """A link that writes documents and drops."""

    decides: ClassVar[bool] = False

    @cached_property
    def columns(self) -> pa.Schema:
        """The columns of the attributes of documents that it writes: its own behind those of the stages before."""
        return tables.merged(self.texts.columns if self.before else tables.NO_COLUMNS, self.stage.columns)

    @property
    def schema(self) -> Schema:
        """What its tables have besides the columns of all; those of drops are the same for all stages of a source."""
        source = self.setting.source
        return Schema(self.columns, source.all_scores, source.counted)

    @cached_property
    def own_identity(self) -> tuple[Any, ...]:
        """What identifies the stage itself, without what it is given."""
        columns = [(column.name, str(column.type)) for column in self.columns]
        return (*super().own_identity, columns)

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the models that it reads."""
        return self.stage.models

    def staged(self, item: Item) -> str:
        """Return the path of the shard of documents of an item that it leaves."""
        if self.final:
            return self.paths.documents(item.key)
        return self.paths.work(self.stage.name, f"{item.key}.parquet")

    def run_paths(self) -> list[str]:
        """Return its runs of keys or spilled records, in the order of items."""
        return [self.paths.work(self.stage.name, f"{item.key}.run") for item in self.results()]

    @abstractmethod
    def shards(self) -> list[tuple[str, str]]:
        """Return (path, identity) of each shard of documents that it left."""

    def manifest_paths(self) -> list[str]:
        """Return the paths of the manifests of its items, in their order."""
        return [self.paths.manifest(self.stage.name, item.key) for item in self.results()]

    def manifests(self) -> list[dict[str, Any]]:
        """Return the manifests of its items, in their order."""
        return storage.read_jsons(self.manifest_paths())

    def restore(self, reader: str, entries: Entries) -> list[Job]:
        """Return the job that writes the shards again which `reader` needs and which are no longer staged."""
        return []

    def unstage(self) -> None:
        """Remove the shards that nothing reads once the source is finished."""


class Decider(Link[D]):
    """A link that marks what the writer behind it must remove."""

    decides: ClassVar[bool] = True

    @property
    @abstractmethod
    def duplicates(self) -> bool:
        """Whether what it marks are duplicates."""

    @abstractmethod
    def removals_of(self, ordinal: int) -> Removals:
        """Return where an item finds what it must remove."""

    @abstractmethod
    def clusters_of(self, ordinal: int, item: Item) -> Clusters:
        """Return where an item finds which of its documents are copies of one."""

    @abstractmethod
    def clusters(self) -> dict[str, Any] | None:
        """Return how large the clusters of copies are, of a decision on duplicates."""
