"""Files in a folder of a corpus that no item stands for any more: those that we wrote go, all others stay and are said.

    a wave begins ─> the names of its items are added to the file `begun` beside their manifests
    file ─> the manifest of the item that writes a file of that name ─ once begun ─> both are removed
                                                                     └ never ─> left where it is

So what a killed build left is known too, and a stranger's file is never taken for ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set

from pipelines.files import storage

BEGUN = "begun"
_LISTED = 3  # files that are named of those that are removed or left


def begin(manifests: Iterable[str]) -> None:
    """Note that items are about to write, whose manifests these are."""
    folders: dict[str, set[str]] = {}
    for manifest in manifests:
        folder, _, name = manifest.rpartition("/")
        folders.setdefault(folder, set()).add(name)
    for folder, names in folders.items():
        known = _begun(folder)
        if names - known:
            storage.write_json(f"{folder}/{BEGUN}", sorted(known | names))


def clear(folder: str, kept: Set[str], manifest_of: Callable[[str], str]) -> list[str]:
    """Remove what we once wrote into a folder and is not `kept`; return lines that say what was removed and what not.

    `manifest_of(name)` is the path of the manifest of the item that writes a file of that name.
    """
    begun: dict[str, set[str]] = {}
    removed, left = [], []
    for path in sorted(set(storage.files_in(folder)) - kept):
        name = path.removeprefix(f"{folder}/")
        manifest = manifest_of(name)
        stage, _, item = manifest.rpartition("/")
        if stage not in begun:
            begun[stage] = _begun(stage)
        if storage.is_temporary(name):
            storage.remove(path)
        elif item in begun[stage]:
            # Its manifest goes first: an input that comes back must not be taken for written.
            storage.remove(manifest)
            storage.remove(path)
            removed.append(name)
        else:
            left.append(name)
    said = f"{folder}: removed {_listed(removed)}, of inputs or stages that are no longer part of the corpus"
    others = f"{folder}: {_listed(left)} not written by this corpus, and left there"
    return [said] * bool(removed) + [others] * bool(left)


def _begun(folder: str) -> set[str]:
    found = storage.read_json(f"{folder}/{BEGUN}")
    return {name for name in found if isinstance(name, str)} if isinstance(found, list) else set()


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more:,} more files" if more > 0 else "")
