"""What a step reads of a recipe is typed: a misspelt field, or another part than the step's, fails `make check`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
PLANTED = """
from pipelines.document import Document, Drop
from pipelines.files.runs import Lines
from pipelines.recipes import C4Lines, C4Pages, Recipe
from pipelines.stages.kinds import Context, Map


def pages_part(recipe: Recipe) -> C4Pages:
    return recipe.c4.pages


def lines_part(recipe: Recipe) -> C4Lines:
    return recipe.c4.lines


def page(raw: Document, context: Context[C4Pages]) -> Document | Drop:
    return raw if len(raw.text) < context.recipe.max_characters else raw.drop("too_long")


PAGES = Map("pages", page, pages_part)
"""


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("", "", "Success"),
        ("recipe.max_characters", "recipe.max_charcters", '"C4Pages" has no attribute "max_charcters"'),
        ("page, pages_part", "page, lines_part", 'Cannot infer value of type parameter "R" of "Map"'),
        ("recipe.c4.pages", "recipe.c4.page", '"C4" has no attribute "page"'),
        ("context: Context[C4Pages]", "context: Context", "Missing type arguments"),
    ],
)
def test_a_planted_mistake_fails_the_check(tmp_path: Path, right: str, wrong: str, said: str) -> None:
    assert right in PLANTED
    path = tmp_path / "planted.py"
    path.write_text(PLANTED.replace(right, wrong) if right else PLANTED)
    command = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", str(path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert said in done.stdout
    assert (done.returncode == 0) == (said == "Success")
