"""What the tests of runners share: a Python with the wheel alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipelines.runners import wheel


@pytest.fixture(scope="session")
def wheel_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a Python that has the dependencies and the built wheel, and does not see this checkout."""
    return wheel.installed(tmp_path_factory.mktemp("wheel"))
