"""What all tests share: no waiting for the disk, and the folder of real dump slices, skipped where it is missing."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples in every run, so that what passes here passes everywhere; `ALTIPLANO_HYPOTHESIS=random` explores.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("random", deadline=None)
settings.load_profile(os.environ.get("ALTIPLANO_HYPOTHESIS", "steady"))

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(scope="session", autouse=True)
def unsynced() -> Iterator[None]:
    """Leave out the waiting for the disk: a build writes hundreds of files, and no test outlives a power cut."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", os.fstat)  # which refuses a closed file too
        yield


@pytest.fixture(scope="session")
def dumps() -> Path:
    """Return the folder of real dump slices ($ALTIPLANO_DUMPS, or shared/data beside the checkout), or skip."""
    folder = Path(os.environ.get("ALTIPLANO_DUMPS", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real dump slices in {folder}")
    return folder
