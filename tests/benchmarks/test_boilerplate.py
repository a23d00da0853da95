"""The packages that measure the boilerplate cleaner are not those that it was made with."""

from __future__ import annotations

from benchmarks import boilerplate
from pipelines.sample.packages import PACKAGES
from tests.conftest import REPOSITORY


def test_the_pinned_packages_are_none_of_the_samples() -> None:
    pinned = boilerplate.pinned()
    assert len(pinned) == len({package.name for package in pinned}) > 30
    assert not {package.name for package in pinned} & {package.name for package in PACKAGES}
    assert all(len(package.sha256) == 64 and package.filename.endswith(".tar.gz") for package in pinned)
    assert (REPOSITORY / "docs/github.md").read_text(encoding="utf-8").count("boilerplate_packages.txt") == 1
