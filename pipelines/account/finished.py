"""The manifests of a finished corpus, read by the commands over it; a corpus of another format is refused."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pipelines.files import storage, tables
from pipelines.table1 import SOURCES

Json = dict[str, Any]


def corpus_manifest(output: str) -> Json:
    """Return OUTPUT/manifest.json; raise ValueError if it is missing or damaged, or of another format."""
    path = f"{output}/manifest.json"
    found = storage.read_json(path)
    if not isinstance(found, dict) or not isinstance(found.get("sources"), list):
        raise ValueError(f"{path}: missing or damaged, so the corpus is not finished")
    check_format(path, found)
    return found


def source_manifest(output: str, name: str) -> Json:
    """Return the manifest of a source; raise ValueError if it is missing or damaged, or of another format."""
    path = f"{output}/{storage.inside(name, f'{output}/manifest.json')}/manifest.json"
    found = storage.read_json(path)
    if not isinstance(found, dict):
        raise ValueError(f"{path}: missing or damaged, so {name} is not finished here")
    check_format(path, found)
    return found


def check_format(path: str, manifest: Json, formats: Collection[int] = tables.READ) -> None:
    """Raise ValueError, saying what to do, if a manifest says that its tables have other columns than are read."""
    found = manifest.get("format", "from before formats had numbers")
    if found not in formats:
        raise ValueError(
            f"{path}: this corpus has the format {found}, and this version of Altiplano reads and writes format "
            f"{tables.VERSION}: build it again into another folder, or use the version that built it"
        )


def check_before_building(output: str) -> None:
    """Raise ValueError if a corpus of another format, or one of its sources, is where a build would write."""
    paths = [f"{output}/manifest.json", *(f"{output}/{name}/manifest.json" for name in SOURCES)]
    for path, found in zip(paths, map(storage.read_json, paths), strict=True):
        if isinstance(found, dict):
            check_format(path, found, (tables.VERSION,))
