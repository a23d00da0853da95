"""A source as its file in `pipelines.sources` tells it, its inputs, and what becomes of them first: items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipelines.files import storage
from pipelines.stages import losses
from pipelines.stages.kinds import Item, Part, Read, Stage


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


@dataclass(frozen=True)
class Source:
    """One source: how its dumps are read, the chain of its stages, and how its inputs become work items.

    `attributes(name)` says what a file's name tells (language, site, month) and raises ValueError if the name must tell
    and does not; `attribute_names` are all that can be given. With `copies` a second input of the same content is an
    input of its own (a copy of a book is a book that deduplication must find); otherwise it is left out and named in
    the manifest. `unpack` cuts inputs that cannot be read from the middle into parts, once, before anything else.
    `group(document)` names the host, repository or site (`group_kind`) of a document: one that loses an implausible
    share of its documents to deduplication raises an alarm.
    """

    name: str
    read: Read
    stages: tuple[Stage, ...]
    attributes: Callable[[str], dict[str, str]] = lambda name: {}
    attribute_names: tuple[str, ...] = ()
    items: Callable[[Sequence[Input], Any], list[Item]] | None = None
    unpack: Callable[[Unpacking], None] | None = None
    unpack_part: Callable[[Any], Any] | None = None
    copies: bool = False
    group: losses.Group | None = None
    group_kind: str = ""

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

    def write_parts(self, parts: Sequence[tuple[str, int]]) -> None:
        """Write the manifest: the name of each part and the offset in the unpacked stream where it begins."""
        storage.write_json(self.manifest, {"identity": self.identity, "parts": [list(part) for part in parts]})


@dataclass(frozen=True, slots=True)
class Model:
    """A trained or given model: its file or directory, and the digest that identifies it."""

    path: str
    digest: str


def one_item_per_file(inputs: Sequence[Input]) -> list[Item]:
    """Return an item for each input."""
    return [Item(found.digest, (Part(found.path, found.digest, found.attributes),)) for found in inputs]
