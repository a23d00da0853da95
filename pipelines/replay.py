"""A document sent through its source's stages once more, from its raw record: what each stage was given, what it made.

    SOURCE/manifest.json ─> recipe, inputs, models ─> chain ─> the item whose dump has the record
    item ─ reader ─> records ─ stages before the last decision ─> rows ─┐
    work/SOURCE ─ what was decided of a row ────────────────────────────┴─> the record's own way, stage by stage

It takes the dump and the models, both compared with their digests, and the code of today: whoever shows the steps
compares their end with what the corpus has. Decisions over all documents are read, never made again; where they are
gone with `work`, a stage goes by what the corpus says of this document, and the step says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from pipelines.account.finished import source_manifest
from pipelines.build import SOURCES, made_of, source_of, with_own_texts
from pipelines.document import READ, Document, Drop
from pipelines.files import runs, storage
from pipelines.files.runs import Lines
from pipelines.optional.near_duplicates import NEAR
from pipelines.optional.once import REMOVING
from pipelines.recipe_parts import Across, Texts
from pipelines.recipes import PAPER, RECIPES, Recipe
from pipelines.stages import run
from pipelines.stages.chain import Chain
from pipelines.stages.copies import Collector
from pipelines.stages.kinds import Context, Item, Join
from pipelines.stages.link import Decider
from pipelines.stages.run import MapTask
from pipelines.stages.source import Input, Model, Source, input_digest
from pipelines.stages.writers import JoinLink, MapLink
from pipelines.table1 import SOURCES as TABLE_1

Json = dict[str, Any]
R = TypeVar("R")

_COPIES: Final = 64  # inputs of the same content that are told apart
_WHOLE: Final = np.array([runs.WHOLE], np.uint32)
_NONE: Final = np.array([], np.uint32)


class NotAtHandError(ValueError):
    """What a document would be made of again is not there any more, or is not what it was."""


@dataclass(frozen=True)
class Given:
    """Where things lie now, if not where the manifests say: the dump, and models by name."""

    dump: str | None = None
    models: Mapping[str, str] = field(default_factory=dict)


HERE: Final = Given()


@dataclass(frozen=True)
class Step:
    """What a stage was given and what it made of it; `after` is None where it dropped it, for `reason`."""

    stage: str
    before: str
    after: str | None
    reason: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    detail: str | None = None


@dataclass(frozen=True)
class Known:
    """What the corpus itself says of a document: its id, its dump, and at which stage it was dropped, if it was."""

    id: str
    stage: str = ""
    reason: str = ""


def steps(output: str, source: str, known: Known, given: Given = HERE) -> list[Step]:
    """Return the way of a document through its source's stages.

    Raises NotAtHandError saying what is missing, or is not what the manifests name.
    """
    try:
        chain = chain_of(output, source, given)
    except (KeyError, TypeError, AttributeError) as error:
        raise NotAtHandError(f"the manifests are not in the form that a build writes ({error!r})") from None
    digest = dump_of(known.id, chain.inputs)
    _check_dump(chain, digest)
    _check_models(output, chain, given)
    places = [
        (ordinal, item) for ordinal, item in enumerate(_items(chain)) if digest in {part.digest for part in item.parts}
    ]
    walk = _Walk(chain, known, places)
    found = walk.joined() if chain.writers[0].stage.spill else walk.mapped()
    if not found:
        raise NotAtHandError(f"{known.id}: no record of {_input(chain, digest).path} has this id")
    return found


def dump_of(identifier: str, inputs: Sequence[Input]) -> str:
    """Return the digest of the dump that an id names."""
    parts = set(identifier.split("/"))
    found = [one.digest for one in inputs if one.digest in parts]
    if not found:
        raise NotAtHandError(f"{identifier}: the manifest names no dump of it")
    return found[0]


def chain_of(output: str, name: str, given: Given = HERE) -> Chain:
    """Return a source's chain as its manifest says that it was, beside those of the corpus' other sources."""
    corpus = storage.read_json(f"{output}/manifest.json") or {}
    chains: dict[str, Chain] = {}
    for other in dict.fromkeys((*corpus.get("sources", ()), name)):
        manifest = source_manifest(output, other)
        inputs = [_given_input(entry, name == other, given) for entry in manifest["inputs"]]
        recipe, source = _recipe_and_source(manifest, other)
        if other == name and source.learn:
            source = made_of(source, _learned(source, inputs))
        models = _models(output, manifest, given)
        chains[other] = Chain(source_of(source, recipe), recipe, inputs, output, models, chains)
    chain = chains[name]
    told = [account["stage"] for account in source_manifest(output, name)["stages"]]
    if told != [link.name for link in chain.writers]:
        raise NotAtHandError(
            f"it was built by another version, whose stages were {', '.join(told)}; this one has "
            f"{', '.join(link.name for link in chain.writers)}"
        )
    return chain


def _learned(source: Source, inputs: Sequence[Input]) -> Any:
    assert source.learn is not None
    try:
        return source.learn(inputs)
    except (OSError, ValueError) as error:
        raise NotAtHandError(f"the inputs of {source.name} cannot be read: {error}") from None


def _given_input(entry: Json, own: bool, given: Given) -> Input:
    """Return an input as a manifest names it; the dump that is given takes the place of the one of its content."""
    made = Input(
        entry["path"],
        entry["digest"],
        entry["size"],
        tuple((name, value) for name, value in entry.get("attributes", ())),
        tuple(entry.get("copies", ())),
    )
    if own and given.dump is not None and _is_content(made, given.dump):
        return replace(made, path=given.dump)
    return made


def _is_content(one: Input, path: str) -> bool:
    """Tell whether a file is what an input was."""
    if not storage.exists(path) or storage.size(path) != one.size:
        return False
    content = storage.sha256(path)
    return any(input_digest(content, one.attributes, number) == one.digest for number in range(_COPIES))


def _recipe_and_source(manifest: Json, name: str) -> tuple[Recipe, Source]:
    told = manifest["recipe"]
    recipe = replace(RECIPES.get(told["name"], PAPER), excerpts=told["excerpts"])
    if any(account["stage"] == f"{name}/{REMOVING}" for account in manifest["stages"]):
        recipe = replace(recipe, across=Across(remove=True))
    if "contamination" in told:
        recipe = replace(recipe, contamination=_like(recipe.contamination, told["contamination"]))
    if name in TABLE_1:
        part = _like(getattr(recipe, name), told)
        return replace(recipe, **{name: part}), SOURCES[name]
    if "fields" not in manifest:
        raise NotAtHandError(f"{name}: it was built by another list of sources, whose code no manifest names")
    recipe, sources = with_own_texts(replace(recipe, added=((name, _like(Texts(), told)),)), SOURCES)
    return recipe, sources[name]


def _like(usual: R, told: Mapping[str, Any]) -> R:
    """Return a part of a recipe with the values that a manifest has of it."""
    found = {}
    for one in fields(usual):  # type: ignore[arg-type]
        if one.name in told:
            before, value = getattr(usual, one.name), told[one.name]
            found[one.name] = _like(before, value) if is_dataclass(before) else _tuples(value)
    return replace(usual, **found)  # type: ignore[type-var]


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _listed(output: str) -> Json:
    return storage.read_json(f"{output}/models/manifest.json") or {}


def _models(output: str, manifest: Json, given: Given) -> Callable[[str], Model]:
    listed = _listed(output)

    def model(name: str) -> Model:
        return Model(given.models.get(name) or _model_path(output, name, listed), manifest["models"].get(name, ""))

    return model


def _model_path(output: str, name: str, listed: Json) -> str:
    entry = listed.get(name) or {"path": "(unread)", "trained": False}
    path = f"{output}/{entry['path']}" if entry["trained"] else str(entry["path"])
    return f"{path}/tokenizer.model" if entry["trained"] and name == "tokenizer" else path


def _check_models(output: str, chain: Chain, given: Given) -> None:
    """Raise NotAtHandError for a model that is not there, or has not the files that it had."""
    listed = _listed(output)
    for name in chain.models_read:
        path = chain.models(name).path
        for file, digest in listed.get(name, {}).get("files", {}).items():
            folder = Path(path) if Path(path).is_dir() else Path(path).parent
            found = str(Path(path) if len(listed[name]["files"]) == 1 and Path(path).is_file() else folder / file)
            if not storage.exists(found):
                raise NotAtHandError(f"the model {name} is not at hand: {found} is missing; --model {name}=PATH")
            if storage.sha256(found) != digest:
                raise NotAtHandError(f"the model {name} is another one: {found} is not what it was")


def _input(chain: Chain, digest: str) -> Input:
    return next(one for one in chain.inputs if one.digest == digest)


def _check_dump(chain: Chain, digest: str) -> None:
    """Raise NotAtHandError for a dump that is not there, or whose content is another."""
    one = _input(chain, digest)
    if not storage.exists(one.path):
        raise NotAtHandError(f"the dump is not at hand: {one.path} is missing; --dump FILE says where it lies now")
    if not _is_content(one, one.path):
        raise NotAtHandError(f"the dump is another one: {one.path} is not what was read")


def _items(chain: Chain) -> list[Item]:
    if chain.source.unpack and not all(storage.exists(task.manifest) for task in chain.unpackings()):
        raise NotAtHandError(f"what was unpacked of the dump is not in {chain.output}/work any more")
    try:
        return chain.items()
    except OSError as error:
        raise NotAtHandError(f"the inputs of {chain.source.name} are not all at hand: {error}") from None


def identifier(record: Any) -> str:
    """Return the id of a record of any reader."""
    return record.id if isinstance(record.id, str) else str(record.record)


@dataclass
class _Stage:
    """A stage of one item: what a decision marked, by row, None where that is gone; the next record's row."""

    task: MapTask
    decision: Decider[Any] | None
    lines: Mapping[int, Lines] | None
    row: int = 0

    @property
    def name(self) -> str:
        return self.task.stage.name

    @property
    def decided(self) -> bool:
        return self.decision is not None

    def said(self, marked: Lines) -> str:
        """Return what a decision marked, in words."""
        assert self.decision is not None
        if not len(marked):
            what = "nothing of it was marked"
        elif marked[0] == runs.WHOLE or not self.decision.duplicates:
            what = "it was marked"
        else:
            what = f"{len(marked):,} of its lines {'was' if len(marked) == 1 else 'were'} marked"
        return f"{self.decision.stage.name}: {what}"

    @cached_property
    def _context(self) -> Context[Any]:
        return Context(self.task.recipe, run.local_models(self.task.models))

    def marked(self) -> Lines | None:
        """Return what was marked of the next record; None where nothing is decided, or nobody knows."""
        return self.lines.get(self.row, _NONE) if self.decided and self.lines is not None else None

    def apply(self, record: Any, removed: Lines | None) -> Any:
        """Return what becomes of a record."""
        return run.apply(self.task, record, removed, self._context)[0]

    def measured(self, outcome: Any) -> Any:
        """Return what became of the next record, with the overlap by which it goes as a near-duplicate, if known."""
        if self.task.clusters is None or self.lines is None or not isinstance(outcome, Drop):
            return outcome
        try:
            return Collector(self.task.clusters, self.task.stage.copies).measured(self.row, outcome)
        except (OSError, ValueError):
            return outcome


def _stage(link: MapLink, ordinal: int, item: Item) -> _Stage:
    """Return a stage of an item, with what was decided before it."""
    try:
        task = link.task_of(ordinal, item)
        removals = task.removals.read(task.paths) if task.removals else None
    except (OSError, ValueError, TypeError):  # what it would be read from is gone, or its manifest is
        return _Stage(link.task_of(ordinal, item, decided=False), link.decision, None)
    if removals is None or not len(removals):
        return _Stage(task, link.decision, {})
    documents, starts = np.unique(removals["doc"], return_index=True)
    lines = np.split(removals["line"], starts[1:])
    return _Stage(task, link.decision, dict(zip(documents.tolist(), lines, strict=True)))


@dataclass
class _Walk:
    """The way of one record; `places` are the items, with their ordinals, that may have it."""

    chain: Chain
    known: Known
    places: Sequence[tuple[int, Item]]

    def mapped(self) -> list[Step]:
        """Return the steps of a record that is a document from the beginning."""
        for ordinal, item in self.places:
            stages = [_stage(link, ordinal, item) for link in self._maps()]
            if found := self._in_item(stages):
                return found
        return []

    def _maps(self) -> list[MapLink]:
        return [link for link in self.chain.writers if isinstance(link, MapLink)]

    def _in_item(self, stages: Sequence[_Stage]) -> list[Step]:
        """Return the steps of the record if it is in this item: rows are counted up to the last stage that needs them.

        Without all decisions, rows are of no use.
        """
        last = max((n for n, stage in enumerate(stages) if stage.decided), default=0)
        counted = 0 if any(stage.decided and stage.lines is None for stage in stages) else last
        seen = set[str]()
        for record, _ in run.records(stages[0].task, Counter()):
            if identifier(record) == self.known.id:
                return self._own(record, stages)
            value: Any = None if isinstance(record, Drop) or identifier(record) in seen else record
            seen.add(identifier(record))
            for stage in stages[:counted]:
                if value is not None:
                    value = _kept(stage.apply(value, stage.marked()))
                    stage.row += 1
            stages[counted].row += value is not None
        return []

    def _own(self, record: Any, stages: Sequence[_Stage]) -> list[Step]:
        if isinstance(record, Drop):
            return [_step(READ, record.excerpt, record, "")]
        found: list[Step] = []
        value = record
        for stage in stages:
            removed, note = self._removed(stage)
            before = value.text if found else stage.task.stage.raw(value)
            outcome = stage.measured(stage.apply(value, removed))
            found.append(_step(stage.name, before, outcome, note))
            if isinstance(outcome, Drop):
                break
            value = outcome
        return found

    def _removed(self, stage: _Stage) -> tuple[Lines | None, str]:
        """Return what was decided of the record, and what to say of it."""
        marked = stage.marked()
        if marked is not None:
            return marked, stage.said(marked)
        if not stage.decided:
            return None, ""
        gone = "what was decided over all documents is not in work any more: "
        if self.known.stage == stage.name and self.known.reason in (*stage.task.stage.copies, NEAR, "duplicate"):
            return _WHOLE, f"{gone}the corpus says that this one went"
        return _NONE, f"{gone}what it marked here, lines or the whole, is not known"

    def joined(self) -> list[Step]:
        """Return the steps of a record that becomes a document with others: those of its key are read again."""
        first, join = self._maps()[0], self.chain.writers[1]
        assert isinstance(join, JoinLink)
        tasks = [first.task_of(ordinal, item) for ordinal, item in self.places]
        key = self._key(tasks)
        if not isinstance(key, int):
            return key
        payloads = [payload for task in tasks for found, payload in _spilled(task) if found == key]
        context = Context(join.recipe, run.local_models({name: self.chain.models(name).path for name in join.models}))
        for outcome in join.stage.reduce(payloads, context):
            made = outcome if isinstance(outcome, Drop) else outcome[0]
            if made.id == self.known.id:
                return self._after_join(join.stage, payloads, made)
        return []

    def _key(self, tasks: Sequence[MapTask]) -> int | list[Step]:
        """Return the key by which the record meets others, else the step of one that was not read, if it is there."""
        for task in tasks:
            for record, _ in run.records(task, Counter()):
                if identifier(record) == self.known.id:
                    if isinstance(record, Drop):
                        return [_step(READ, record.excerpt, record, "")]
                    assert task.stage.spill is not None
                    return task.stage.spill(record)[0]
        return []

    def _after_join(self, stage: Join[Any], payloads: Sequence[bytes], made: Document | Drop) -> list[Step]:
        if isinstance(made, Drop):
            return [_step(stage.name, made.excerpt, made, "")]
        found = [_step(stage.name, stage.raw(payloads, made) if stage.raw else made.text, made, "")]
        rest = self._maps()[1:]
        if rest:
            stages = [_stage(link, 0, link.items()[0]) for link in rest]
            found += self._own(made, [replace(stage, lines=None) for stage in stages])
        return found


def _kept(outcome: Any) -> Any:
    return None if isinstance(outcome, Drop) else outcome


def _spilled(task: MapTask) -> Iterator[tuple[int, bytes]]:
    assert task.stage.spill is not None
    for record, _ in run.records(task, Counter()):
        if not isinstance(record, Drop):
            yield task.stage.spill(record)


def _step(stage: str, before: str, outcome: Document | Drop, note: str) -> Step:
    if isinstance(outcome, Drop):
        return Step(stage, before, None, outcome.reason, dict(outcome.scores), note, outcome.detail)
    return Step(stage, before, outcome.text, note=note)
