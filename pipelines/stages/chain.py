"""One source's stages in one build: which work items there are, what identifies each result, and what is still to do.

    items <- inputs;   identity <- content of the inputs, recipe part, models, version, and the stage before

Each stage is a node of the graph, whose `plan()` compares the manifests that are there with these identities.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from pipelines.files import runs, storage, tables
from pipelines.files.current import is_current, not_current
from pipelines.hashing import digest_of
from pipelines.recipes import Recipe
from pipelines.stages import losses
from pipelines.stages.decisions import Decision, reducers_for
from pipelines.stages.graph import Node
from pipelines.stages.jobs import Job, Shuffle
from pipelines.stages.kinds import (
    DECISIONS,
    Decide,
    Item,
    Join,
    Map,
    Part,
    Paths,
    Removals,
    Resolve,
    Stage,
    reducer_name,
)
from pipelines.stages.resolution import Resolution
from pipelines.stages.run import JoinTask, MapTask, run_map
from pipelines.stages.source import Input, Model, Source, Unpacking, one_item_per_file


@dataclass
class Chain:
    """One source's stages in one build: which items there are, what identifies each result, what is still to do."""

    source: Source
    recipe: Recipe
    inputs: Sequence[Input]
    output: str
    models: Callable[[str], Model]
    neighbours: Mapping[str, Chain] = field(default_factory=dict)
    _items: list[Item] | None = None
    _identities: dict[tuple[int, str], str] = field(default_factory=dict)
    _decisions: dict[int, Decision] = field(default_factory=dict)
    _keys: dict[int, list[int]] = field(default_factory=dict)

    @property
    def part(self) -> Any:
        """The source's part of the recipe."""
        return getattr(self.recipe, self.source.name)

    @property
    def paths(self) -> Paths:
        """Where the source writes."""
        return Paths(self.output, self.source.name)

    def items(self) -> list[Item]:
        """Return the work items, sorted by key: the order that ordinals refer to, whatever order inputs came in."""
        if self._items is None:
            if self.source.unpack:
                found = list(self._unpacked_items())
            elif self.source.items:
                found = self.source.items(self.inputs, self.part)
            else:
                found = one_item_per_file(self.inputs)
            self._items = sorted(found, key=lambda item: item.key)
        return self._items

    def _unpacked_items(self) -> Iterator[Item]:
        for task in self._unpackings():
            for name, offset in storage.read_json(task.manifest)["parts"]:
                attributes = (*task.part.attributes, ("base_offset", str(offset)))
                part = Part(f"{task.directory}/{name}", task.part.digest, attributes)
                yield Item(f"{task.part.digest}-{offset:012d}", (part,))

    def _unpackings(self) -> list[Unpacking]:
        assert self.source.unpack_part is not None
        recipe = self.source.unpack_part(self.recipe)
        directory = self.paths.work("unpack", "")[:-1]
        return [
            Unpacking(
                path=found.path,
                part=Part(found.path, found.digest, found.attributes),
                directory=directory,
                manifest=f"{directory}/{found.digest}.json",
                identity=digest_of("unpack", found.digest, found.attributes, recipe),
                recipe=recipe,
            )
            for found in sorted(self.inputs, key=lambda found: found.digest)
        ]

    def _plan_unpack(self) -> list[Job]:
        assert self.source.unpack is not None
        tasks = not_current(self._unpackings(), lambda task: (task.manifest, task.identity))
        label = f"{self.source.name}/unpack"
        return [Job(label, self.source.unpack, tasks, [task.manifest for task in tasks])] if tasks else []

    def nodes(self) -> Iterator[Node]:
        """Yield the source's nodes in order."""
        before: tuple[str, ...] = ()
        if self.source.unpack:
            before = (f"{self.source.name}/unpack",)
            yield Node(before[0], (), self._plan_unpack)
        for index, stage in enumerate(self.source.stages):
            name = f"{self.source.name}/{stage.name}"
            models = tuple(getattr(stage, "models", ()))
            other = (stage.other.name,) if isinstance(stage, Decide) and stage.other and self._has_other(stage) else ()
            needs = (*before, *(f"models/{model}" for model in models), *other)
            yield Node(name, needs, partial(self._plan, index))
            before = (name,)
        if self.watched:
            yield Node(self.last_node, before, self._plan_losses)

    @property
    def watched(self) -> list[int]:
        """The stages that carry out what deduplication decided, of a source whose documents have hosts or the like."""
        stages = self.source.stages
        return [
            index
            for index in range(1, len(stages))
            if self.source.group and isinstance(stages[index], Map) and _removes(stages[index - 1])
        ]

    @property
    def last_node(self) -> str:
        """The name of the node with which the source is finished."""
        return f"{self.source.name}/{'losses' if self.watched else self.source.stages[-1].name}"

    def _sums(self, index: int) -> list[losses.Sum]:
        stage = self.source.stages[index].name
        alarm = losses.Alarm(self.recipe.max_duplicates, self.recipe.alarm_documents)
        parts = losses.parts_of(len(self.items_of(index)), self.recipe.buckets)
        return [
            losses.Sum(
                listed=self.paths.work(f"{stage}_losses", "runs.json"),
                manifest=self.paths.manifest(f"{stage}_losses", f"part-{part:03d}"),
                identity=digest_of("losses", self.all_identities(index), alarm, parts),
                part=part,
                parts=parts,
                alarm=alarm,
            )
            for part in range(parts)
        ]

    def _plan_losses(self) -> list[Job]:
        pending = []
        for index in self.watched:
            stage, tasks = self.source.stages[index].name, self._sums(index)
            listed = [self.paths.losses(stage, item.key) for item in self.items_of(index)]
            if storage.read_json(tasks[0].listed) != listed:
                storage.write_json(tasks[0].listed, listed)
            pending += not_current(tasks, lambda task: (task.manifest, task.identity))
        return [Job(self.last_node, losses.add_up, pending, [task.manifest for task in pending])] if pending else []

    def lost(self) -> list[dict[str, Any]]:
        """Return what hosts, repositories or sites lost at each stage, see `pipelines.stages.losses.merged`."""
        return [
            {
                "stage": self.source.stages[index].name,
                "kind": self.source.group_kind,
                **losses.merged(storage.read_jsons([task.manifest for task in self._sums(index)])),
            }
            for index in self.watched
        ]

    def _plan(self, index: int) -> Sequence[Job | Shuffle]:
        stage = self.source.stages[index]
        if isinstance(stage, Map):
            return self._plan_map(index, stage)
        if isinstance(stage, Resolve):
            return self._plan_resolve(index, stage)
        return self._plan_decide(index) if isinstance(stage, Decide) else self._plan_join(index, stage)

    def stage_recipe(self, stage: Stage) -> Any:
        """Return the part of the recipe that a stage reads, None if it reads none."""
        return stage.part(self.recipe) if stage.part else None

    def identity(self, index: int, item: Item | None = None) -> str:
        """Return what identifies a stage's result: for one item of a `Map`, for all of a `Decide` or `Join`."""
        key = (index, item.key if item and isinstance(self.source.stages[index], Map) else "")
        if key not in self._identities:
            self._identities[key] = self._identity(index, item)
        return self._identities[key]

    def _identity(self, index: int, item: Item | None) -> str:
        stage = self.source.stages[index]
        models = {name: self.models(name).digest for name in getattr(stage, "models", ())}
        # Whether it is the last stage says where it writes: one that another recipe puts behind it leaves it staged.
        place = (index in self.watched, self.is_final(index))
        own = (tables.VERSION, stage.name, stage.version, self.stage_recipe(stage), models, place)
        if isinstance(stage, Map):
            assert item is not None
            if index == 0:
                before: list[Any] = [item.key]
            else:
                previous = self._previous_map(index)
                before = [self.identity(previous, item)]
                before += [self.identity(between) for between in range(previous + 1, index)]
            return digest_of(*own, before, self.recipe.excerpts, self.recipe.buckets)
        previous = self._previous_map(index)
        over = [self.identity(previous, found) for found in self.items_of(index)]
        other = self._other(stage).all_identities(self._other_stage(stage)) if self._has_other(stage) else []
        return digest_of(*own, over, other, self._window(stage), self.recipe.buckets)

    def all_identities(self, index: int) -> list[str]:
        """Return the identities of all items of a `Map`."""
        return [self.identity(index, item) for item in self.items_of(index)]

    def _previous_map(self, index: int) -> int:
        return max(i for i in range(index) if not isinstance(self.source.stages[i], DECISIONS))

    def _window(self, stage: Stage) -> int:
        return stage.window(self.recipe) if isinstance(stage, Decide) and stage.window else 0

    def _has_other(self, stage: Stage) -> bool:
        """Tell whether a stage compares with another source's keys, and that source is built."""
        return isinstance(stage, Decide) and stage.other is not None and stage.other.source in self.neighbours

    def _other(self, stage: Stage) -> Chain:
        assert isinstance(stage, Decide) and stage.other
        return self.neighbours[stage.other.source]

    def _other_stage(self, stage: Stage) -> int:
        assert isinstance(stage, Decide) and stage.other
        return self._other(stage).index_of(stage.other.stage.name)

    def index_of(self, name: str) -> int:
        """Return the position of a stage in the chain."""
        return next(i for i, stage in enumerate(self.source.stages) if stage.name == name)

    def _plan_map(self, index: int, stage: Map[Any]) -> list[Job]:
        pending = not_current(
            list(enumerate(self.items_of(index))),
            lambda entry: (self.paths.manifest(stage.name, entry[1].key), self.identity(index, entry[1])),
        )
        restored = self.restore(self._previous_map(index), stage.name, pending) if index else []
        return restored or self._map_jobs(index, stage, f"{self.source.name}/{stage.name}", pending)

    def _map_jobs(self, index: int, stage: Map[Any], label: str, items: Sequence[tuple[int, Item]]) -> list[Job]:
        tasks = [self._map_task(index, stage, ordinal, item) for ordinal, item in items]
        outputs = [self.paths.manifest(stage.name, task.item.key) for task in tasks]
        weights = storage.together(self._weight, tasks, self.output)
        return [Job(label, run_map, tasks, outputs, weights)] if tasks else []

    def restore(self, index: int, reader: str, items: Sequence[tuple[int, Item]] | None = None) -> list[Job]:
        """Return the job that writes the shards again which `reader` needs and which are no longer staged.

        A recipe that does not keep staged text deletes it when its source is finished; what a later change makes
        necessary is made again from the stage before, item by item. `items` are (ordinal, item), all if not given.
        """
        stage = self.source.stages[index]
        wanted = list(enumerate(self.items_of(index))) if items is None else items
        there = storage.together(lambda entry: storage.exists(self.staged(index, entry[1])), wanted, self.output)
        gone = [entry for entry, is_there in zip(wanted, there, strict=True) if not is_there]
        if not gone or not isinstance(stage, Map) or stage.spill:
            return []
        before = self.restore(self._previous_map(index), reader, gone) if index else []
        return before or self._map_jobs(index, stage, f"{self.source.name}/{stage.name}, for {reader}", gone)

    def _weight(self, task: MapTask) -> float:
        if task.previous:
            return float(storage.size(task.previous))
        return float(sum((part.end or storage.size(part.path)) - part.start for part in task.item.parts))

    def items_of(self, index: int) -> list[Item]:
        """Return the items of a stage: after a `Join` they are its reducers."""
        joins = [i for i in range(index) if isinstance(self.source.stages[i], Join)]
        if not joins:
            return self.items()
        return [Item(reducer_name(reducer), ()) for reducer in range(self.recipe.buckets)]

    def _map_task(self, index: int, stage: Map[Any], ordinal: int, item: Item) -> MapTask:
        decided = index > 0 and isinstance(self.source.stages[index - 1], DECISIONS)
        previous = self.staged(self._previous_map(index), item) if index else None
        return MapTask(
            stage=stage,
            paths=self.paths,
            item=item,
            identity=self.identity(index, item),
            recipe=self.stage_recipe(stage),
            models={name: self.models(name).path for name in stage.models},
            read=self.source.read if index == 0 else None,
            previous=previous,
            removals=self.removals_of(index - 1, ordinal) if decided else None,
            final=self.is_final(index),
            buckets=self.recipe.buckets,
            excerpts=self.recipe.excerpts,
            group=self.source.group if index in self.watched else None,
        )

    def is_final(self, index: int) -> bool:
        """Tell whether a stage writes the source's finished documents."""
        return index == max(i for i, stage in enumerate(self.source.stages) if not isinstance(stage, DECISIONS))

    def staged(self, index: int, item: Item) -> str:
        """Return the path of a stage's document shard for an item."""
        if self.is_final(index):
            return self.paths.documents(item.key)
        return self.paths.work(self.source.stages[index].name, f"{item.key}.parquet")

    def _plan_join(self, index: int, stage: Join[Any]) -> list[Shuffle]:
        task = JoinTask(
            stage=stage,
            paths=self.paths,
            identity=self.identity(index),
            recipe=self.stage_recipe(stage),
            models={name: self.models(name).path for name in stage.models},
            final=self.is_final(index),
            excerpts=self.recipe.excerpts,
        )
        manifests = [self.paths.manifest(stage.name, reducer_name(r)) for r in range(self.recipe.buckets)]
        pending = [r for r, _ in not_current(list(enumerate(manifests)), lambda entry: (entry[1], task.identity))]
        if not pending:
            return []
        elements = list(enumerate(self.run_paths(self._previous_map(index))))
        outputs = [manifests[r] for r in pending]
        return [Shuffle(f"{self.source.name}/{stage.name}", task.split, elements, task.reduce, pending, outputs)]

    def _plan_decide(self, index: int) -> list[Job | Shuffle]:
        task = self.decision(index)
        steps = task.steps(f"{self.source.name}/{task.stage.name}", self.compared(index))
        return _next_step(steps, task.step_identity)

    def decision(self, index: int) -> Decision:
        """Return a `Decide` over the items; what it compares must have been written."""
        if index not in self._decisions:
            self._decisions[index] = self._decision(index)
        return self._decisions[index]

    def _decision(self, index: int) -> Decision:
        stage = self.source.stages[index]
        assert isinstance(stage, Decide)
        items, window = len(self.items_of(index)), self._window(stage)
        files = self.compared(index)
        keys = self._written(index)
        width = max(1, window or items)
        # A window's keys are those of its items and, in each window, the other source's.
        most = max((sum(keys[start : start + width]) for start in range(0, items, width)), default=0)
        return Decision(
            stage=stage,
            paths=self.paths,
            identity=self.identity(index),
            items=items,
            others=len(files) - items,
            buckets=self.recipe.buckets,
            reducers=reducers_for(most + sum(keys[items:]), self.recipe.buckets, self.recipe.reducer_keys),
            window=window,
            fan_in=self.recipe.fan_in,
            reducer_keys=self.recipe.reducer_keys,
        )

    def _written(self, index: int) -> list[int]:
        """Return how many keys each of the runs has that a `Decide` compares, read once."""
        if index not in self._keys:
            self._keys[index] = storage.together(runs.records, self.compared(index), self.output)
        return self._keys[index]

    def compared(self, index: int) -> list[str]:
        """Return the runs that a `Decide` compares: this source's in the order of items, then the other source's."""
        stage = self.source.stages[index]
        other = self._other(stage).run_paths(self._other_stage(stage)) if self._has_other(stage) else []
        return self.run_paths(self._previous_map(index)) + other

    def removals_of(self, index: int, ordinal: int) -> Removals:
        """Return where an item finds what a decision says that it must remove."""
        stage = self.source.stages[index]
        if isinstance(stage, Decide):
            return self.decision(index).removals_of(ordinal)
        return Removals(stage.name, "bucket", range(1), ordinal)

    def run_paths(self, index: int) -> list[str]:
        """Return the run files of a `Map`, in the order of items."""
        name = self.source.stages[index].name
        return [self.paths.work(name, f"{item.key}.run") for item in self.items_of(index)]

    def manifests(self, index: int) -> list[dict[str, Any]]:
        """Return the manifests of a finished stage, in the order of items or reducers; of a decision its facts alone.

        Raises RuntimeError if a key was lost on the way to a decision.
        """
        stage = self.source.stages[index]
        if isinstance(stage, Decide):
            return [self.decision(index).facts(self.compared(index), self._written(index))]
        if isinstance(stage, Resolve):
            row = storage.read_json(self.paths.manifest(stage.name, reducer_name(0)))
            return [{name: value for name, value in row.items() if isinstance(value, int)}]
        if isinstance(stage, Map):
            keys = [item.key for item in self.items_of(index)]
        else:
            keys = [reducer_name(reducer) for reducer in range(self.recipe.buckets)]
        return storage.read_jsons([self.paths.manifest(stage.name, key) for key in keys])

    def _plan_resolve(self, index: int, stage: Resolve) -> Sequence[Job | Shuffle]:
        previous = self._previous_map(index)
        task = Resolution(
            stage=stage,
            paths=self.paths,
            identity=self.identity(index),
            items=len(self.items_of(index)),
            buckets=self.recipe.buckets,
            threshold=self.stage_recipe(stage).threshold,
        )
        if is_current(task.manifest, task.identity):
            return []
        shards = [self.staged(previous, item) for item in self.items_of(index)]
        steps = task.steps(f"{self.source.name}/{stage.name}", shards, self.run_paths(previous))
        return self.restore(previous, stage.name) or _next_step(steps, task.identity)


def _next_step(steps: Iterable[Job | Shuffle], identity: str) -> list[Job | Shuffle]:
    """Return what is left of the first step that is not done."""
    for step in steps:
        rows = list(enumerate(step.outputs))
        left = [number for number, _ in not_current(rows, lambda row: (row[1], identity))]
        outputs = [step.outputs[number] for number in left]
        if left and isinstance(step, Shuffle):
            return [replace(step, buckets=[step.buckets[number] for number in left], outputs=outputs)]
        if left and isinstance(step, Job):
            weights = [step.weights[number] for number in left] if step.weights else ()
            return [replace(step, elements=[step.elements[n] for n in left], outputs=outputs, weights=weights)]
    return []


def _removes(stage: Stage) -> bool:
    """Tell whether a stage decides which duplicates must go."""
    return isinstance(stage, Resolve) or (isinstance(stage, Decide) and stage.duplicates)
