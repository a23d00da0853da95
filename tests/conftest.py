"""What all tests share: the folder of real dump slices, skipped where it is missing."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples in every run, so that what passes here passes everywhere; `ALTIPLANO_HYPOTHESIS=random` explores.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("random", deadline=None)
settings.load_profile(os.environ.get("ALTIPLANO_HYPOTHESIS", "steady"))

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def dumps() -> Path:
    """Return the folder of real dump slices ($ALTIPLANO_DUMPS, or shared/data beside the checkout), or skip."""
    folder = Path(os.environ.get("ALTIPLANO_DUMPS", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real dump slices in {folder}")
    return folder
