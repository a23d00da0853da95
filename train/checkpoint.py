"""Checkpoints: a directory per step, whole or not there, loaded without executing code.

    RUN/checkpoints/step-00000100/model.pt, optimizer.pt   tensors (or each rank's parts of them: sharded.py)
                                  state.json               step, configuration, digests of the corpus
                                  manifest.json            bytes and SHA-256 of the others, written last

A checkpoint is written under a temporary name and renamed, so that a kill or a full disk leaves the one before.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from model import tensor_files
from pipelines.files import storage

FORMAT = "altiplano-checkpoint/1"
Digests = Mapping[str, Mapping[str, Any]]
MANIFEST, STATE = "manifest.json", "state.json"
# Of the names in a run's folder, those that are ours; a copy that somebody made beside them is not.
_STEP = re.compile(r"step-\d{8}")
_UNFINISHED = re.compile(r"\.step-\d{8}\.(?:\d+|sharded)")
_FILE = re.compile(r"(?:model|optimizer)\.pt|state\.json|manifest\.json|\.metadata|__\d+_\d+\.distcp")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that was read: `tensors` by the names they were saved under, `state` from JSON.

    One that several ranks wrote has no tensors here: `sharded` reads each rank's own.
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


def save(directory: Path, step: int, tensors: Mapping[str, Any], state: Mapping[str, Any], keep: int) -> Path:
    """Write a checkpoint, then remove all but the last `keep`; return its path.

    Raises OSError, with nothing changed, if it cannot be written whole.
    """
    final = directory / name(step)
    temporary = directory / f".{name(step)}.{os.getpid()}"
    temporary.mkdir(parents=True)
    try:
        for part, value in tensors.items():
            _write_tensors(temporary / f"{part}.pt", value)
        seal(temporary, final, digests(temporary), state, keep)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return final


def _write_tensors(path: Path, value: Any) -> None:
    try:
        torch.save(value, path)
    except RuntimeError as error:  # what PyTorch's writer makes of a full disk
        raise OSError(f"{path}: could not be written: {error}") from error


def seal(temporary: Path, final: Path, files: Digests, state: Mapping[str, Any], keep: int) -> None:
    """Add state and manifest to what was written, give it its final name, and remove all but the last `keep`."""
    _write_json(temporary / STATE, state)
    written = {**files, **digests(temporary, STATE)}
    _write_json(temporary / MANIFEST, {"format": FORMAT, "files": written})
    _flush(temporary / MANIFEST)
    if final.exists():  # only ever a damaged one
        _discard(final)
    temporary.replace(final)
    directory = final.parent
    later = [path for path in _steps(directory) if path.name > final.name]  # damaged ones that the run went back behind
    for old in later + _steps(directory)[: -max(1, keep) - len(later)]:
        _discard(old)


def _discard(path: Path) -> None:
    """Remove a checkpoint's files by their names, and its folder unless somebody keeps other files there."""
    if not _is_checkpoint(path):
        return
    # Of a damaged one, whose manifest names nothing, by the names that all have.
    named = _named(path) or {file.name for file in path.iterdir() if _FILE.fullmatch(file.name)}
    for file in [file for file in path.iterdir() if file.name in named | {MANIFEST}]:
        file.unlink()
    if not any(path.iterdir()):
        path.rmdir()


def _named(path: Path) -> set[str]:
    """Return the names of the files that a checkpoint's manifest names; none if it is missing or damaged."""
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        return {str(name) for name in manifest["files"]} if manifest["format"] == FORMAT else set()
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return set()


def _is_checkpoint(path: Path) -> bool:
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


def digests(directory: Path, pattern: str = "*") -> Digests:
    """Return bytes and SHA-256 of the files of a directory, each forced to disk."""
    result = {}
    for path in sorted(directory.glob(pattern)):
        _flush(path)
        result[path.name] = {"bytes": path.stat().st_size, "sha256": storage.sha256(path)}
    return result


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def _flush(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def find_latest(directory: Path, report: Callable[[str], None], before: int | None = None) -> Path | None:
    """Return where the newest whole checkpoint is, of those before step `before` if given, or None if there is none.

    Each damaged one that is passed over is told to `report`. Raises ValueError if there are only damaged ones.
    """
    steps = [path for path in _steps(directory) if before is None or path.name < name(before)]
    for path in reversed(steps):
        try:
            _verify(path)
            return path
        except ValueError as error:
            report(f"{error}; going back to the checkpoint before it")
    if steps:
        raise ValueError(f"{directory}: no checkpoint is whole; move the directory away to start over")
    return None


def load(path: Path) -> Checkpoint:
    """Read a checkpoint that was found whole; raise ValueError naming a file that holds anything but tensors."""
    files = [path / file for file in sorted(_named(path)) if file.endswith(".pt")]
    tensors = {file.stem: tensor_files.load(file) for file in files}
    return Checkpoint(path, tensors, state(path))


def state(path: Path) -> dict[str, Any]:
    """Return what a checkpoint that was found whole says beside its tensors."""
    result: dict[str, Any] = json.loads((path / STATE).read_text(encoding="utf-8"))
    return result


def _verify(path: Path) -> None:
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        files = dict(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: its {MANIFEST} is missing or damaged ({type(error).__name__})") from None
    if manifest.get("format") != FORMAT:
        raise ValueError(f"{path}: format is {manifest.get('format')!r}, this reads {FORMAT!r}")
    for file_name, expected in files.items():
        if Path(file_name).name != file_name or not isinstance(expected, dict) or {"bytes", "sha256"} - expected.keys():
            raise ValueError(
                f"{path / MANIFEST}: names {file_name!r}, a file of its own folder and its digest belong here"
            )
        file = path / file_name
        if not file.exists():
            raise ValueError(f"{file}: missing")
        if file.stat().st_size != expected["bytes"]:
            raise ValueError(f"{file}: {file.stat().st_size} bytes, its manifest says {expected['bytes']}")
        if storage.sha256(file) != expected["sha256"]:
            raise ValueError(f"{file}: its contents do not have the SHA-256 that its manifest says")


def _steps(directory: Path) -> list[Path]:
    return sorted(filter(_is_checkpoint, directory.glob("step-*")))


def clear_unfinished(directory: Path) -> None:
    """Remove what a killed process left half written."""
    for path in directory.glob(".step-*"):
        if _UNFINISHED.fullmatch(path.name):
            shutil.rmtree(path)
