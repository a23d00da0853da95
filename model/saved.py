"""Checkpoints as a reader sees them: found, checked and loaded without executing code; nothing here writes.

RUN/checkpoints/step-00000100/model.pt, optimizer.pt   tensors (or each rank's parts of them: sharded_files.py)
                              state.json               step, configuration, digests of the corpus
                              manifest.json            bytes and SHA-256 of the others, written last
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model import tensor_files
from pipelines.files import storage

FORMAT = "altiplano-checkpoint/1"
MANIFEST, STATE = "manifest.json", "state.json"
# Of the names in a run's folder, those that are ours; a copy that somebody made beside them is not.
_STEP = re.compile(r"step-\d{8}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that was read: `tensors` by the names they were saved under, `state` from JSON.

    One that several ranks wrote has no tensors here: `sharded_files` reads each rank's own.
    """

    path: Path
    tensors: Mapping[str, Any]
    state: Mapping[str, Any]


def directory_of(run: str) -> Path:
    """Return the directory of a run's checkpoints."""
    return Path(run) / "checkpoints"


def name(step: int) -> str:
    """Return the name of the checkpoint of a step."""
    return f"step-{step:08d}"


def steps(directory: Path) -> list[Path]:
    """Return the checkpoints in a directory, whole or damaged, in the order of their steps."""
    return sorted(filter(is_checkpoint, directory.glob("step-*")))


def find_latest(
    directory: Path, report: Callable[[str], None], before: int | None = None, files: Collection[str] = ()
) -> Path | None:
    """Return where the newest whole checkpoint is, of those before step `before` if given, or None if there is none.

    Each damaged one that is passed over is told to `report`; of `files` alone it is checked, if they are given, that
    they are whole. Raises ValueError if there are only damaged ones.
    """
    found = [path for path in steps(directory) if before is None or path.name < name(before)]
    for path in reversed(found):
        try:
            verify(path, files)
            return path
        except ValueError as error:
            report(f"{error}; going back to the checkpoint before it")
    if found:
        raise ValueError(f"{directory}: no checkpoint is complete; move the directory away to start over")
    return None


def find_step(directory: Path, step: int, files: Collection[str] = ()) -> Path:
    """Return where the checkpoint of a step is; raise ValueError if it is damaged, or naming the steps there are."""
    there = {path.name: path for path in steps(directory)}
    if name(step) not in there:
        kept = ", ".join(str(int(found.removeprefix("step-"))) for found in there) or "none"
        raise ValueError(
            f"{directory}: no checkpoint of step {step}; available: {kept} (--keep-checkpoints keeps more)"
        )
    verify(there[name(step)], files)
    return there[name(step)]


def load(path: Path) -> Checkpoint:
    """Read a checkpoint that was found whole; raise ValueError naming a file that holds anything but tensors."""
    files = [path / file for file in sorted(named(path)) if file.endswith(".pt")]
    tensors = {file.stem: tensor_files.load(file) for file in files}
    return Checkpoint(path, tensors, state(path))


def state(path: Path) -> dict[str, Any]:
    """Return what a checkpoint that was found whole says beside its tensors."""
    result: dict[str, Any] = json.loads((path / STATE).read_text(encoding="utf-8"))
    return result


def verify(path: Path, files: Collection[str] = ()) -> None:
    """Raise ValueError naming what is missing or damaged in a checkpoint, of `files` alone if they are in it."""
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        named = dict(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: its {MANIFEST} is missing or damaged ({type(error).__name__})") from None
    if manifest.get("format") != FORMAT:
        raise ValueError(f"{path}: format is {manifest.get('format')!r}, this reads {FORMAT!r}")
    wanted = named.keys() & files or named.keys()
    for file_name, expected in named.items():
        if Path(file_name).name != file_name or not isinstance(expected, dict) or {"bytes", "sha256"} - expected.keys():
            raise ValueError(
                f"{path / MANIFEST}: names {file_name!r}; a file of its own folder and its digest belong here"
            )
        file = path / file_name
        if file_name not in wanted:
            continue
        if not file.exists():
            raise ValueError(f"{file}: missing")
        if file.stat().st_size != expected["bytes"]:
            raise ValueError(f"{file}: it has {file.stat().st_size} bytes, but its manifest says {expected['bytes']}")
        if storage.sha256(file) != expected["sha256"]:
            raise ValueError(f"{file}: its contents do not have the SHA-256 in its manifest")


def named(path: Path) -> set[str]:
    """Return the names of the files that a checkpoint's manifest names; none if it is missing or damaged."""
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        return {str(name) for name in manifest["files"]} if manifest["format"] == FORMAT else set()
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return set()


def is_checkpoint(path: Path) -> bool:
    """Tell whether a folder is a checkpoint of its name's step, whole or damaged; a copy under another name is none."""
    if not (_STEP.fullmatch(path.name) and path.is_dir()) or not any(
        (path / file).is_file() for file in (MANIFEST, STATE)
    ):
        return False
    try:
        step = json.loads((path / STATE).read_text(encoding="utf-8")).get("step")
    except (OSError, ValueError, AttributeError, RecursionError):
        return True
    return not isinstance(step, int) or name(step) == path.name
