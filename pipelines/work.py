"""What a worker can do: the functions and stages that a plan names, made on each worker from its own list of sources.

    driver   the build's chains ──────────────────────────────────────────┐
    worker   recipe, what inputs told of own texts <─ the plan's header ─ its own sources ─> the same names

A list of sources outside the package is given to workers by their environment, as MODULE:NAME in ALTIPLANO_SOURCES: a
plan, which is a file, only says which list the build had.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pipelines import recipe_parts, recipes
from pipelines.across import overlaps
from pipelines.across.overlaps import Overlaps
from pipelines.across.signatures import Sign, sign
from pipelines.build import Build, listed, made_of, source_of, with_own_texts
from pipelines.files import storage
from pipelines.models import draws, language, reference, templates, training
from pipelines.readers.columns import Columns
from pipelines.recipes import Recipe
from pipelines.runners import choice
from pipelines.runners.beam import dataflow
from pipelines.runners.beam.engines import engine_of
from pipelines.runners.environment import SOURCES
from pipelines.runners.names import Names, kinds_in
from pipelines.runners.needs import Needs
from pipelines.runners.plans import Worklist
from pipelines.stages import copies, kinds, losses, run
from pipelines.stages.decisions import Cut, Decision, Group
from pipelines.stages.resolution import Resolution, Together, run_resolve
from pipelines.stages.source import Source, Unpacking
from pipelines.tokens.encode import Encode, WriteShards, encode

MADE_BY = "pipelines.work:names"

# All that a job calls: functions, and methods of the tasks of a shuffle.
_CALLED = (
    run.run_map,
    run.JoinTask.split,
    run.JoinTask.reduce,
    Decision.merge,
    Decision.split,
    Decision.reduce,
    Decision.by_item,
    Resolution.split_keys,
    Resolution.split_pairs,
    Resolution.find,
    Resolution.verify,
    run_resolve,
    sign,
    losses.add_up,
    copies.Step.split,
    copies.Pairs.reduce,
    copies.Followed.reduce,
    copies.Table.reduce,
    draws.draw,
    training.train,
    encode,
    WriteShards.split,
    WriteShards.reduce,
)
# What draws take, and what trainings make.
_MODELS = (
    draws.take_texts,
    language.take_perplexities,
    reference.take_pages,
    templates.take_templates,
    templates.make_templates,
    language.make_language_model,
    language.make_cutoffs,
    reference.make_reference,
    training.make_sites,
    training.make_tokenizer,
)
_TASKS = (
    run.MapTask,
    run.JoinTask,
    Decision,
    Cut,
    Group,
    Resolution,
    Together,
    Overlaps,
    Sign,
    losses.Sum,
    losses.Alarm,
    copies.Pairs,
    copies.Followed,
    copies.Table,
    draws.Draw,
    reference.Pages,
    reference.Examples,
    templates.Newest,
    training.Training,
    Encode,
    WriteShards,
    Unpacking,
    kinds.Item,
    kinds.Part,
    kinds.Paths,
    kinds.Removals,
    kinds.Clusters,
    kinds.Schema,
    Columns,
)


def worklist(build: Build, named: str | None = None) -> Worklist:
    """Return what the plans of a build may name; `named` is its list of sources, MODULE:NAME, if it is not our own."""
    return of_sources([chain.source for chain in build.chains.values()], build.recipe, build.learned, named)


def of_sources(
    sources: Sequence[Source], recipe: Recipe, learned: Mapping[str, Any] | None = None, named: str | None = None
) -> Worklist:
    """Return what plans over some sources, with the stages that a recipe gives them, may name; see `worklist`."""
    known = _names(sources, recipe)
    facts = {
        "sources": named,
        "built": [source.name for source in sources],
        "recipe": known.packed(recipe),
        "learned": {name: known.packed(columns) for name, columns in (learned or {}).items()},
    }
    return Worklist(known, MADE_BY, facts)


def with_machines(beam_arguments: Sequence[str], runner: str, build: Build) -> list[str]:
    """Return Beam's arguments with what Dataflow's machines should be, where none of it is given; others as they are.

    Models that the build makes itself are not counted: nobody knows before how large they become.
    """
    if not choice.on_beam(runner) or engine_of(runner).runner != "DataflowRunner":
        return list(beam_arguments)
    models = sum(_size(given.model.path) for given in build.given.values())
    inputs = [one.size for found in build.inputs.values() for one in found]
    machines = dataflow.Machines(build.recipe.reducer_keys, models, inputs)
    return [*beam_arguments, *machines.flags(beam_arguments)]


def needs(build: Build) -> Needs:
    """Return what the tasks of a build need of memory."""
    return Needs(build.recipe.reducer_keys, _size)


def _size(path: str) -> int:
    """Return the bytes of a model: of its only file, or of those in its folder; 0 if it is not there yet."""
    return sum(map(storage.size, storage.files_in(path)))


@contextmanager
def listing(named: str | None) -> Iterator[None]:
    """Give the workers of this machine, which have this process' environment, a list of sources."""
    before = os.environ.get(SOURCES)
    os.environ[SOURCES] = named or ""
    try:
        yield
    finally:
        os.environ[SOURCES] = before or ""


def names(facts: Mapping[str, Any]) -> Names:
    """Return what a worker's tasks may name, of what its plan's header says.

    Raises ValueError if the worker has another list of sources than the build.
    """
    ours = os.environ.get(SOURCES) or None
    if facts["sources"] != ours:
        raise ValueError(
            f"the build has the sources of {facts['sources'] or 'the package'}, this worker those of "
            f"{ours or 'the package'}: set {SOURCES}={facts['sources'] or ''} in the environment of workers"
        )
    sources = listed(ours)
    plain = _names((), *(source.recipe for source in sources.values()))
    recipe: Recipe = plain.unpacked(facts["recipe"])
    _, sources = with_own_texts(recipe, sources)
    learned = {name: plain.unpacked(columns) for name, columns in facts["learned"].items()}
    return _names([source_of(made_of(sources[name], learned.get(name)), recipe) for name in facts["built"]], recipe)


def _names(sources: Iterable[Source], *given: Any) -> Names:
    things: dict[str, Any] = {f"{called.__module__}.{called.__qualname__}": called for called in (*_CALLED, *_MODELS)}
    things[f"across/{overlaps.STAGE.name}"] = overlaps.STAGE
    for source in sources:
        things |= {f"{source.name}/{stage.name}": stage for stage in source.stages}
        own = {"read": source.read, "group": source.group, "unpack": source.unpack}
        things |= {f"{source.name} {what}": thing for what, thing in own.items() if thing is not None}
    known = (*vars(recipes).values(), *vars(recipe_parts).values())
    parts = {one for one in known if isinstance(one, type) and hasattr(one, "__dataclass_fields__")}
    return Names(things, {*_TASKS, *parts, *kinds_in(given)})
