"""The documentation of divergences names every field in which the two rules differ, and no other."""

from __future__ import annotations

import re
from operator import attrgetter

from pipelines.divergences import divergences
from pipelines.recipes import RECIPES
from pipelines.settings import override
from tests.conftest import REPOSITORY

TABLE = REPOSITORY / "docs" / "divergences.md"


def test_every_divergence_is_documented_in_one_row() -> None:
    rows = [line.split("|")[1:-1] for line in TABLE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    assert all(len(row) == 5 and all(cell.strip() for cell in row) for row in rows)
    named = [name for row in rows for name in re.findall(r"`([a-z0-9_]+\.[a-z0-9_.]+)`", row[4])]
    assert sorted(named) == sorted(path for path, *_ in divergences(RECIPES["paper"]))


def test_recipes_are_corrected_and_each_divergence_can_be_set_by_itself() -> None:
    for recipe in RECIPES.values():
        for path, published, corrected in divergences(recipe):
            assert attrgetter(path)(recipe) == corrected != published
            toggled = override(recipe, f"{path}={published}")
            assert attrgetter(path)(toggled) == published
            assert override(toggled, f"{path}={corrected}") == recipe
