"""A source as its file in `pipelines.sources` tells it, its inputs, and what becomes of them first: items."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from operator import attrgetter
from typing import Any, BinaryIO, Literal

from pipelines.document import LIMIT, VALUE
from pipelines.files import storage
from pipelines.files.current import TOOK
from pipelines.hashing import digest_of, keyed
from pipelines.readers import Dump
from pipelines.recipe_parts import Fields
from pipelines.stages import losses
from pipelines.stages.kinds import Decide, Item, Part, Read, Resolve, Stage

_ATTRIBUTES = "attributes."


@dataclass(frozen=True, slots=True)
class Input:
    """One input file: where it is, what it is (by content), and the attributes that belong to its identity.

    `copies` are other files of the same content that are not read.
    """

    path: str
    digest: str
    size: int
    attributes: tuple[tuple[str, str], ...] = ()
    copies: tuple[str, ...] = ()


def input_digest(content: str, attributes: tuple[tuple[str, str], ...], number: int = 0) -> str:
    """Return what identifies an input: its content's SHA-256, its attributes, and which of several copies it is."""
    return digest_of(content, attributes, *([number] if number else []))


@dataclass(frozen=True)
class Measured:
    """What the card says of drops for a `reason`: the measurement and the threshold that it was compared with.

    `value` is "characters", "bytes" or "attributes.NAME" for one that is a number, `threshold` the path of a field in
    the source's part of the recipe; documents on the side that `keeps` names stay.
    """

    reason: str
    what: str
    value: str
    threshold: str
    keeps: Literal["above", "below"] = "above"


@dataclass(frozen=True)
class Breakdown:
    """What the card counts documents by: `of` is "language", "license", "host", "year" or "attributes.NAME"."""

    title: str
    what: str
    of: str


@dataclass(frozen=True)
class Shown:
    """What the card shows of a source besides what it shows of all: notes, measures of its drops, breakdowns."""

    notes: tuple[str, ...] = ()
    measures: tuple[Measured, ...] = ()
    breakdowns: tuple[Breakdown, ...] = ()


@dataclass(frozen=True)
class Source:
    """One source: how its dumps are read, the chain of its stages, and how its inputs become work items.

    `attributes(name)` says what a file's name tells (language, site, month) and raises ValueError if the name must tell
    and does not; `attribute_names` are all that can be given. With `copies` a second input of the same content is an
    input of its own (a copy of a book is a book that deduplication must find); otherwise it is left out and named in
    the manifest. `look` raises ValueError if the beginning of an input shows that it cannot be read: inputs on this
    machine are looked at before any work starts. `learn(inputs)` answers what only its inputs tell, the columns of own
    texts, and `made_of` the source with it. `unpack` cuts inputs that cannot be read from the middle into parts,
    once, before anything else; `unpack_version` rises when it makes other parts of the same input.
    `stages_of(part)` gives the stages that a part of a recipe leaves, of a source some of whose stages can be left
    out; `stages` are all of them. `title` is its name for people. One that is not in Table 1 also says its `share`
    of the tokens seen in training (at most three decimals; 0: it is not trained on) and its part of a `recipe`, a
    frozen dataclass whose fields the command line can set. `group(document)` names the host, repository or site
    (`group_kind`) of a document: one that loses an implausible share of its documents to deduplication raises an
    alarm. `fields` says of own texts which field of a row holds what: an export finds the rows again by it.
    `remarks(inputs)` says what a user should know of inputs that are read all the same.
    `scores` are those that stages which may be added to the chain measure of drops, so that all corpora have the same
    columns of them.
    """

    name: str
    read: Read
    stages: tuple[Stage, ...]
    stages_of: Callable[[Any], tuple[Stage, ...]] | None = None
    attributes: Callable[[str], dict[str, str]] = lambda name: {}
    attribute_names: tuple[str, ...] = ()
    items: Callable[[Sequence[Input], Any], list[Item]] | None = None
    look: Callable[[BinaryIO, Dump], None] | None = None
    learn: Callable[[Sequence[Input]], Any] | None = None
    remarks: Callable[[Sequence[Input]], Iterable[str]] | None = None
    made_of: Callable[[Any], Source] | None = None
    unpack: Callable[[Unpacking], None] | None = None
    unpack_part: Callable[[Any], Any] | None = None
    unpack_version: int = 1
    copies: bool = False
    group: losses.Group | None = None
    group_kind: str = ""
    title: str = ""
    share: float = 0.0
    recipe: Any = None
    shown: Shown = Shown()
    fields: Fields | None = None
    scores: tuple[str, ...] = ()

    @property
    def all_scores(self) -> tuple[str, ...]:
        """The scores of all its stages, each once, and those that every source's drops may have."""
        own = (score for stage in self.stages for score in getattr(stage, "scores", ()))
        return tuple(dict.fromkeys((*own, *self.scores, VALUE, LIMIT)))

    @property
    def counted(self) -> tuple[str, ...]:
        """The columns of its own whose values documents are counted by: those of its breakdowns."""
        found = (row.of for row in self.shown.breakdowns if row.of.startswith(_ATTRIBUTES))
        return tuple(sorted({of.removeprefix(_ATTRIBUTES) for of in found}))

    def check(self) -> None:
        """Raise ValueError naming a stage or a fact for the card that cannot be right."""
        for before, stage in pairwise(self.stages):
            ranked = isinstance(stage, Resolve) or (isinstance(stage, Decide) and stage.ranked)
            if stage.decides and not before.decides and getattr(before, "ranked", False) != ranked:
                wants = "compares ranks" if ranked else "compares no ranks"
                raise ValueError(f"source {self.name!r}: {stage.name} {wants}: {before.name} needs ranked={ranked}")
            if getattr(stage, "copies", ()) and (not before.decides or getattr(before, "window", None)):
                raise ValueError(
                    f"source {self.name!r}: {stage.name} drops copies: the stage before must decide over all items"
                )
        for measure in self.shown.measures:
            place = attrgetter(measure.threshold)
            if self.recipe is not None and not _is_there(place, self.recipe):
                raise ValueError(
                    f"source {self.name!r}: a measure's threshold is {measure.threshold!r}, no field there"
                )
        measured = [("measure", one.value, ("characters", "bytes")) for one in self.shown.measures]
        counted = [("breakdown", one.of, ("language", "license", "host", "year")) for one in self.shown.breakdowns]
        for what, of, known in (*measured, *counted):
            if of not in known and not of.startswith(_ATTRIBUTES):
                raise ValueError(f"source {self.name!r}: a {what} is of {of!r}, neither attributes.NAME nor known")

    def extended(self, added: Sequence[Stage]) -> Source:
        """Return the source with stages added behind the last that writes documents and needs no tokenizer."""
        writes = [not stage.decides and "tokenizer" not in getattr(stage, "models", ()) for stage in self.stages]
        end = len(writes) - writes[::-1].index(True)
        return replace(self, stages=(*self.stages[:end], *added, *self.stages[end:]))


@dataclass(frozen=True)
class Unpacking:
    """One input to be cut into parts: write them under `directory`, then `manifest` by `write_parts`."""

    path: str
    part: Part
    directory: str
    manifest: str
    identity: str
    recipe: Any

    def write_parts(self, parts: Sequence[tuple[str, int]], took: Mapping[str, float] | None = None) -> None:
        """Write the manifest: each part with its offset in the unpacked stream, and what unpacking took."""
        content = {"identity": self.identity, "parts": [list(part) for part in parts], TOOK: took or {}}
        storage.write_json(self.manifest, content)


@dataclass(frozen=True, slots=True)
class Model:
    """A trained or given model: its file or directory, and the digest that identifies it."""

    path: str
    digest: str


def _is_there(place: Callable[[Any], Any], recipe: Any) -> bool:
    try:
        place(recipe)
    except AttributeError:
        return False
    return True


def one_item_per_file(inputs: Sequence[Input]) -> list[Item]:
    """Return an item for each input."""
    return [Item(found.digest, (Part(found.path, found.digest, found.attributes),)) for found in inputs]


def items_by_group(inputs: Sequence[Input], groups: int, salt: str) -> list[Item]:
    """Spread inputs, which may be many and small, over groups by a hash of their content; a group is one item."""
    found: dict[int, list[Part]] = defaultdict(list)
    for one in inputs:
        found[keyed(salt, one.digest) % groups].append(Part(one.path, one.digest, one.attributes))
    return [
        Item(f"{group:05d}-{digest_of([part.digest for part in parts])}", tuple(parts))
        for group, parts in sorted(found.items())
    ]
