"""The build as a graph: nodes that become ready as others finish, run together wave by wave.

    source node    one stage of one source        identities <- content of the inputs, recipe part, models, version
    other nodes    models, tokenizer, tokens      the same rule over what they read

Each work item of a node leaves a manifest with its identity; an item whose manifest is there with the same identity is
not run again. Between waves there is a barrier: only files and manifests go from one to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pipelines import losses, storage
from pipelines.jobs import Job, Shuffle
from pipelines.stages import Item, Part, Read, Stage

E = TypeVar("E")


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
    unpack_recipe: str = ""
    copies: bool = False
    group: losses.Group | None = None
    group_kind: str = ""


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


@dataclass(frozen=True)
class Node:
    """One step of the build: `plan()` answers the jobs that are still to be run, once all `needs` are done."""

    name: str
    needs: tuple[str, ...]
    plan: Callable[[], Sequence[Job | Shuffle]]


@dataclass(frozen=True, slots=True)
class Model:
    """A trained or given model: its file or directory, and the digest that identifies it."""

    path: str
    digest: str


def one_item_per_file(inputs: Sequence[Input]) -> list[Item]:
    """Return an item for each input."""
    return [Item(found.digest, (Part(found.path, found.digest, found.attributes),)) for found in inputs]


def is_current(manifest: str, identity: str) -> bool:
    """Tell whether a manifest is there and has this identity."""
    return _is_of(storage.read_json(manifest), identity)


def _is_of(found: Any, identity: str) -> bool:
    return isinstance(found, dict) and found.get("identity") == identity


def not_current(entries: Sequence[E], manifest_of: Callable[[E], tuple[str, str]]) -> list[E]:
    """Return the entries whose manifest, given by path and identity, is not there; reads remote ones together."""
    wanted = [manifest_of(entry) for entry in entries]
    found = storage.read_jsons([path for path, _ in wanted])
    rows = zip(entries, wanted, found, strict=True)
    return [entry for entry, (_, identity), row in rows if not _is_of(row, identity)]


def needed(nodes: Sequence[Node], names: Iterable[str]) -> list[Node]:
    """Return the nodes with these names, as far as they exist, and all that they need, in the same order."""
    needs = {node.name: node.needs for node in nodes}
    wanted: set[str] = set()
    left = [name for name in names if name in needs]
    while left:
        name = left.pop()
        if name not in wanted:
            wanted.add(name)
            left += needs[name]
    return [node for node in nodes if node.name in wanted]


def run_waves(
    nodes: Sequence[Node],
    execute: Callable[[Sequence[Job | Shuffle]], None],
    finished: Callable[[Node], None] = lambda node: None,
) -> None:
    """Run all nodes: in each wave the jobs of every node whose needs are done, together.

    A node that plans other work than it had after a wave (first what its work needs, then the work) has another turn.
    Raises ValueError if a node needs one that does not exist or the needs form a cycle, RuntimeError if work left no
    result.
    """
    done: set[str] = set()
    waiting = list(nodes)
    while waiting:
        ready = [node for node in waiting if done.issuperset(node.needs)]
        if not ready:
            raise ValueError(f"nothing can run: {', '.join(f'{n.name} needs {n.needs}' for n in waiting)}")
        again = []
        plans = {node.name: node.plan() for node in ready}
        jobs = [job for plan in plans.values() for job in plan]
        if jobs:
            execute(jobs)
        for node in ready:
            left = _outputs(node.plan()) if plans[node.name] else set()
            if left & _outputs(plans[node.name]):
                raise RuntimeError(f"{node.name}: the runner came back, but {len(left)} results are missing")
            if left:
                again.append(node)
            else:
                done.add(node.name)
                finished(node)
        waiting = again + [node for node in waiting if node not in ready]


def _outputs(jobs: Sequence[Job | Shuffle]) -> set[str]:
    return {path for job in jobs for path in job.outputs}
