"""Folders that are ours: each has a mark, and nothing of anybody else's is removed, renamed or overwritten.

    FOLDER/.altiplano    {"made_by": "altiplano-corpus", "kind": "corpus", "files": {"report.html": SHA-256 or null}}
                         and "sources": [...], a corpus' sources that are not in Table 1

    claim        a new or empty folder gets its mark; one with others' files, or of another kind, is refused
    owner        the marked folder that a path lies in: what we made is never an input
    write        one file for people, never over one that is not as we left it
    replacing    all files of a folder made anew: those that its mark names give way, all others stay

`files` names what a later command may overwrite or remove. What a build writes is named by its own manifests.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any, Final

from pipelines.files import paths, storage
from pipelines.files.lock import is_running
from pipelines.hashing import seal

MARK: Final = ".altiplano"
MADE_BY: Final = "altiplano-corpus"
ACROSS: Final = "across"  # where a corpus has what is made over all sources, as if they were one
GENERATOR: Final = b'<meta name="generator" content="altiplano-corpus">'
_SIGNATURE: Final = re.compile(rb'<meta name="generator" content="altiplano-corpus [0-9a-f]{64}">')
# What a new disk has before anything is on it.
_BARE: Final = frozenset({"lost+found"})
_MAKING: Final = ".making-"
_HALF_MADE: Final = re.compile(r"\.making-(\d+)-[a-z0-9_]{8}")
# Under work/plan: a wave's plan, and what workers leave beside it (that they began, what they said last, pointers, what
# a task is and that it is done, its log).
PLAN_FILE: Final = re.compile(r"[0-9a-f]{16}(?:\.plan|-[0-9a-f]{8}\.(?:begun|failed|pointers|tasks|done|log))")
_NAMED: Final = 3  # files of others that a refusal names


class Kind(StrEnum):
    """What a folder of ours holds."""

    CORPUS = "corpus"
    RUN = "run"
    EXPORT = "export"
    MODEL = "model"
    SAMPLE = "sample"
    DUMPS = "dumps"
    INDEX = "index"

    @property
    def is_input(self) -> bool:
        """Whether a corpus may be made of what lies in the folder."""
        return self in (Kind.SAMPLE, Kind.DUMPS)


def kind_of(folder: str) -> Kind | None:
    """Return what a folder of ours holds, None for any other."""
    mark = _mark(folder)
    if mark is not None:
        return Kind(mark["kind"])
    # A corpus that was copied without its hidden files is known by its seal.
    manifest = storage.read_json(f"{folder}/manifest.json")
    sealed = isinstance(manifest, dict) and "seal" in manifest and manifest["seal"] == seal(manifest)
    return Kind.CORPUS if sealed else None


def named(folder: str) -> set[str]:
    """Return the names of the files that the mark of a folder names; ValueError if one of them leads out of it."""
    return set(_files(folder))


def unchanged(folder: str) -> set[str]:
    """Return the names of those files that are as we left them: one that somebody has changed is theirs.

    A corpus' mark has a digest for each of its files.
    """
    in_corpus = kind_of(folder) is Kind.CORPUS
    return {
        name
        for name, digest in _files(folder).items()
        if (digest is None and not in_corpus)
        or (storage.exists(f"{folder}/{name}") and storage.sha256(f"{folder}/{name}") == digest)
    }


def _files(folder: str) -> dict[str, str | None]:
    found: dict[str, str | None] = (_mark(folder) or {"files": {}})["files"]
    for name in found:
        paths.within(folder, name)
    return found


def require(folder: str, kind: Kind) -> None:
    """Raise ValueError unless a folder is ours and holds what it should."""
    found = kind_of(folder)
    if found is None:
        raise ValueError(f"{folder}: this folder is not marked as our {kind} (no {MARK} says so); nothing was changed")
    if found is not kind:
        raise ValueError(f"{folder}: this folder is marked as {found}, not as {kind}; name another")


def claim(folder: str, kind: Kind) -> None:
    """Mark a new or empty folder as ours; ValueError if it holds what is not, or something of ours of another kind."""
    if may_claim(folder, kind) or _mark(folder) is None:
        _write_mark(folder, kind, {})


def may_claim(folder: str, kind: Kind) -> bool:
    """Return whether a folder is new or empty, False for one of ours of that kind; errors as `claim`'s."""
    if not storage.is_remote(folder):
        for path in (Path(folder), *Path(folder).parents):
            if path.exists() and not path.is_dir():
                raise ValueError(f"{folder}: {path} is a file; a folder is expected")
    if kind_of(folder) is None:
        wrong = _holds_of_others(folder, kind)
        if not wrong:
            return True
        if kind_of(folder) is None:  # another command of ours has not marked it meanwhile
            raise ValueError(wrong)
    require(folder, kind)
    return False


def _holds_of_others(folder: str, kind: Kind) -> str:
    """Return what a folder without a mark of ours holds that is others', "" if nothing."""
    if storage.exists(f"{folder}/{MARK}"):
        return f"{folder}/{MARK}: this is not a mark of ours, so it is not overwritten; name another folder"
    if others := _others(folder):
        more = ", ..." if len(others) > _NAMED else ""
        return (
            f"{folder}: this folder is not empty (it holds {', '.join(others[:_NAMED])}{more}) and is not "
            f"marked as our {kind}; "
            "name a new or an empty folder"
        )
    return ""


def note_sources(folder: str, names: Collection[str]) -> None:
    """Note in a corpus' mark which sources are built in it besides those of Table 1: so their folders are ours too."""
    if not set(names) <= set(sources_of(folder)):
        _write_mark(folder, Kind.CORPUS, _files(folder), names)


def sources_of(folder: str) -> list[str]:
    """Return the sources that the mark of a corpus notes."""
    found = (_mark(folder) or {}).get("sources", [])
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def give_back_unused(folder: str, *, was_there: bool) -> None:
    """Take the mark off a folder that holds nothing else: what it was claimed for did not begin.

    A store that is gone keeps it, so that the error which it was gone with is the one that is said.
    """
    with suppress(OSError) if storage.is_remote(folder) else nullcontext():
        _give_back_unused(folder, was_there)


def _give_back_unused(folder: str, was_there: bool) -> None:
    if kind_of(folder) is not None and not [name for name in _others(folder) if name != MARK]:
        storage.remove(f"{folder}/{MARK}")
        if not storage.is_remote(folder) and not was_there:
            Path(folder).rmdir()


def give_back(folder: str) -> None:
    """Take the mark off a folder in which nothing of ours is left, and the folder away if nothing else is in it."""
    storage.remove(f"{folder}/{MARK}")
    if not storage.is_remote(folder) and not Path(folder).is_symlink() and not any(Path(folder).iterdir()):
        Path(folder).rmdir()


def owner(path: str, known: dict[str, tuple[str, Kind] | None]) -> tuple[str, Kind] | None:
    """Return the nearest folder of ours that a file lies in, links followed, and its kind; `known` remembers folders.

    A store that does not let us look for a mark has none of ours.
    """
    above = path.rpartition("/")[0] if storage.is_remote(path) else str(Path(path).resolve().parent)
    if above not in known:
        known[above] = _owner(above, known)
    return known[above]


def _owner(folder: str, known: dict[str, tuple[str, Kind] | None]) -> tuple[str, Kind] | None:
    try:
        kind = kind_of(folder)
    except PermissionError:
        kind = None
    if kind is not None:
        return folder, kind
    is_top = folder.partition("://")[2].count("/") == 0 if storage.is_remote(folder) else folder == os.sep
    return None if is_top else owner(folder, known)


def write(folder: str, name: str, content: bytes) -> str:
    """Write a file for people into a folder of ours and return its path.

    Raises ValueError if a file of that name is there that is not as we left it.
    """
    content = _signed(content)
    path, digest = f"{folder}/{name}", hashlib.sha256(content).hexdigest()
    mark = _mark(folder) or {"kind": kind_of(folder), "files": {}}
    if storage.exists(path) and not _is_left(path, digest, mark["files"].get(name)):
        raise ValueError(f"{path}: this file has changed since we wrote it, so it is not overwritten; move it away")
    storage.write_bytes(path, content)
    if mark["kind"] is not None and mark["files"].get(name) != digest:
        _write_mark(folder, mark["kind"], {**mark["files"], name: digest})
    return path


def _is_left(path: str, digest: str, recorded: str | None) -> bool:
    """Tell whether a file is as we left it, or as it is to be; a page of ours says so itself, if no mark does."""
    if storage.sha256(path) in (digest, recorded):
        return True
    found = storage.read_bytes(path)
    return recorded is None and bool(_SIGNATURE.search(found)) and _signed(_SIGNATURE.sub(GENERATOR, found)) == found


def _signed(content: bytes) -> bytes:
    """Return a page with its own digest in the line that says who made it, so that an edited one is known."""
    if GENERATOR not in content:
        return content
    digest = hashlib.sha256(content).hexdigest().encode()
    return content.replace(GENERATOR, GENERATOR.replace(b'">', b" " + digest + b'">'), 1)


def refuse_overwriting(option: str, path: str | None) -> None:
    """Raise ValueError if a file that an option names to be written is there already: it may be anybody's."""
    if path is not None and (storage.exists(path) or Path(path).is_symlink()):
        raise ValueError(f"{option} {path}: this file exists and is not overwritten; name another")


@contextmanager
def replacing(folder: Path, kind: Kind) -> Iterator[Path]:
    """Give an empty folder to write to, whose files take the place of those that an earlier call left in `folder`.

    Nothing changes if the block raises. ValueError for a folder that is not ours, and if a new file would take the
    place of one that is not.
    """
    was_there, was_ours = folder.is_dir(), kind_of(str(folder)) is kind
    claim(str(folder), kind)
    if was_ours:
        _remove_unfinished(folder)
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=f"{_MAKING}{os.getpid()}-") as made:
            yield Path(made)
            _take_over(folder, kind, Path(made))
    finally:
        give_back_unused(str(folder), was_there=was_there)


def _take_over(folder: Path, kind: Kind, made: Path) -> None:
    names = {path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_symlink() or path.is_file()}
    before = named(str(folder))
    for name in sorted(names):
        in_the_way = [folder / parent for parent in PurePosixPath(name).parents if (folder / parent).is_file()]
        if (folder / name).is_dir() or (name not in before and os.path.lexists(folder / name)) or in_the_way:
            path = (in_the_way or [folder / name])[0]
            raise ValueError(f"{path}: we did not write this, so it is not overwritten; move it away")
    before = {name for name in before if not (folder / name).is_dir()}
    _write_mark(str(folder), kind, dict.fromkeys(sorted(names | before)))
    remove_named(str(folder), before - names)
    for name in sorted(names):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (made / name).replace(target)
    _write_mark(str(folder), kind, dict.fromkeys(sorted(names)))


def remove_named(folder: str, names: Collection[str]) -> None:
    """Remove files of a folder by their names, and those folders in it that held nothing else."""
    for name in names:
        storage.remove(f"{folder}/{name}")
    if storage.is_remote(folder):
        return
    emptied = {parent for name in names for parent in PurePosixPath(name).parents}
    for name in sorted(map(str, emptied), reverse=True):
        path = Path(folder, name)
        if name != "." and path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def _remove_unfinished(folder: Path) -> None:
    """Remove what killed calls left half made."""
    for path in folder.glob(f"{_MAKING}*"):
        made = _HALF_MADE.fullmatch(path.name)
        if made and not path.is_symlink() and not is_running(int(made[1])):
            shutil.rmtree(path, ignore_errors=True)


def _others(folder: str) -> list[str]:
    """Return names of a few things in a folder without a mark; hidden ones of a local folder do not count."""
    if storage.is_remote(folder):
        return [path.removeprefix(f"{folder}/") for path in storage.some(folder, _NAMED + 1)]
    if not Path(folder).is_dir():
        return []
    names = (path.name for path in Path(folder).iterdir())
    return sorted(name for name in names if not name.startswith(".") and name not in _BARE)


def _mark(folder: str) -> dict[str, Any] | None:
    found = storage.read_json(f"{folder}/{MARK}")
    if not isinstance(found, dict) or found.get("made_by") != MADE_BY:
        return None
    files = found.get("files")
    if found.get("kind") not in list(Kind) or not isinstance(files, dict):
        return None
    return found if all(digest is None or isinstance(digest, str) for digest in files.values()) else None


def _write_mark(folder: str, kind: str, files: Mapping[str, str | None], sources: Collection[str] = ()) -> None:
    sources = sorted({*sources_of(folder), *sources})
    content = {"made_by": MADE_BY, "kind": kind, "files": dict(files)}
    storage.write_json(f"{folder}/{MARK}", content | ({"sources": sources} if sources else {}))
