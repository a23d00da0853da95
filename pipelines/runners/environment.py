"""What a worker is told by its environment, on any engine: the driver's working directory, and its list of sources."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

SOURCES = "ALTIPLANO_SOURCES"  # a list of sources outside the package, MODULE:NAME: see `pipelines.work`
FOLDER = "ALTIPLANO_FOLDER"  # the driver's working directory, which relative paths are meant from


def of_workers() -> dict[str, str]:
    """Return what the workers of this driver are told."""
    return {FOLDER: str(Path.cwd()), SOURCES: os.environ.get(SOURCES, "")}


def settle() -> None:
    """Work in the driver's working directory; raise OSError if there is none of that name here."""
    if folder := os.environ.get(FOLDER):
        os.chdir(folder)


@contextmanager
def told(settings: Mapping[str, str]) -> Iterator[None]:
    """Set what the user has not set of the environment."""
    added = {name: value for name, value in settings.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
