"""A lock from which a package vanished is installed without it, where a build can do without."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from filters.packages import PACKAGES

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements" / "corpus.txt"


@pytest.fixture
def install() -> Any:
    spec = importlib.util.spec_from_file_location("install", ROOT / "requirements" / "install.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_a_build_needs_is_told_from_what_it_can_do_without(install: Any) -> None:
    blocks = install.blocks_of(LOCK.read_text(encoding="utf-8"))
    found = install.dispensable(blocks)
    assert {"gigatoken", "awkward", "awkward-cpp", "typer", "py7zr", "pyppmd", "fastwarc"} <= found
    assert not found & {"apache-beam", "numpy", "pyarrow", "lxml", "orjson", "sentencepiece", "requests", "packaging"}


def test_each_package_is_in_a_lock() -> None:
    locks = "".join(
        (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8") for name in ("corpus", "sample", "report")
    )
    assert [package.name for package in PACKAGES if f"\n{package.name}==" not in f"\n{locks}"] == []


@pytest.mark.parametrize(("vanished", "code"), [("gigatoken", 0), ("awkward", 0), ("numpy", 1)])
def test_the_rest_is_installed(
    install: Any, vanished: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    had: list[str] = []

    def pip(blocks: Iterable[str]) -> int:
        names = [block.partition("==")[0] for block in blocks]
        had.extend(names if vanished not in names else [])
        return int(vanished in names)

    monkeypatch.setattr(install, "installed", pip)
    assert install.main(str(LOCK)) == code
    if code == 0:
        assert sorted(had) == sorted(install.blocks_of(LOCK.read_text(encoding="utf-8")).keys() - {vanished})
        assert capsys.readouterr().err.startswith(f"{vanished} cannot be had")
