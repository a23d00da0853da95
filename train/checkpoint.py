"""Checkpoints: a directory per step, whole or not there; `model.saved` says what is in it, and reads it.

A checkpoint is written under a temporary name and renamed, so that a kill or a full disk leaves the one before.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from model.saved import FORMAT, MANIFEST, STATE, is_checkpoint, name, named, steps
from pipelines.files import storage

Digests = Mapping[str, Mapping[str, Any]]
# Of the names in a run's folder, those that are ours; a copy that somebody made beside them is not.
_UNFINISHED = re.compile(r"\.step-\d{8}\.(?:\d+|sharded)")
_FILE = re.compile(r"(?:model|optimizer)\.pt|state\.json|manifest\.json|\.metadata|__\d+_\d+\.distcp")


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
    later = [path for path in steps(directory) if path.name > final.name]  # damaged ones that the run went back behind
    for old in later + steps(directory)[: -max(1, keep) - len(later)]:
        _discard(old)


def _discard(path: Path) -> None:
    """Remove a checkpoint's files by their names, and its folder unless somebody keeps other files there."""
    if not is_checkpoint(path):
        return
    # Of a damaged one, whose manifest names nothing, by the names that all have.
    names = named(path) or {file.name for file in path.iterdir() if _FILE.fullmatch(file.name)}
    for file in [file for file in path.iterdir() if file.name in names | {MANIFEST}]:
        file.unlink()
    if not any(path.iterdir()):
        path.rmdir()


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


def clear_unfinished(directory: Path) -> None:
    """Remove what a killed process left half written."""
    for path in directory.glob(".step-*"):
        if _UNFINISHED.fullmatch(path.name):
            shutil.rmtree(path)
