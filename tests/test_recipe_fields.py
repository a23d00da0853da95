"""docs/recipe_fields.md names every field that may be set, as the recipes have it."""

from __future__ import annotations

import re

from pipelines.recipe_parts import Texts
from pipelines.recipes import PAPER
from tests import recipe_fields
from tests.pipelines import tiny


def test_the_page_is_current() -> None:
    said = f"the recipes have changed: run {recipe_fields.COMMAND}"
    assert recipe_fields.PAGE.read_text(encoding="utf-8") == recipe_fields.page(), said


def test_it_has_every_field_once() -> None:
    page = recipe_fields.page()
    named = re.findall(r"^\| `([^`]+)` \| (?:`|empty)", page, re.MULTILINE)
    assert len(named) == len(set(named))
    paths = [path for path, _ in tiny.leaves(PAPER)] + [f"texts.NAME.{path}" for path, _ in tiny.leaves(Texts())]
    shared = re.compile(r"^[a-z0-9_]+\.(?:NAME\.)?(filters|near)\.")
    wanted = {shared.sub(r"SOURCE.\1.", path) for path in paths} - {"name", "added"}
    assert set(named) == wanted


def test_comments_and_other_recipes_are_shown() -> None:
    page = recipe_fields.page()
    assert "| `common_crawl.paragraphs.min_characters` | `300` | CCNet, Config.min_len |" in page
    assert "| `tokenizer.vocabulary` | `32000`; sample: `8000` | section 2.1 |" in page
    assert "| `books.least_kept` | `0.01` | a build warns of a source that keeps a smaller share |" in page
    assert "| `buckets` | `4096`; sample: `16`; texts: `256` | How global decisions are cut" in page
