"""Modes: every field in which the two rules differ set at once, in a part of a recipe or in all of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from operator import attrgetter

import pytest

from pipelines.divergences import Mode, differs, divergences, in_mode
from pipelines.recipes import SAMPLE
from pipelines.settings import override


@dataclass(frozen=True)
class Inner:
    size: int = 3
    lose: bool = differs(False, published=True)


@dataclass(frozen=True)
class Outer:
    inner: Inner = Inner()
    join: str = differs("space", published="delete")


def test_a_mode_sets_what_differs_and_nothing_else() -> None:
    own = Outer(Inner(size=5))
    assert list(divergences(own)) == [("inner.lose", True, False), ("join", "delete", "space")]
    assert in_mode(own, "published") == Outer(Inner(size=5, lose=True), "delete")
    assert in_mode(in_mode(own, "published"), "corrected") == own
    assert in_mode(replace(own, join="delete"), "corrected") == own


@pytest.mark.parametrize("prefix", ["", "common_crawl.", "common_crawl.quality.", "c4.", "github.files.", "arxiv."])
@pytest.mark.parametrize("mode", ["published", "corrected"])
def test_a_mode_is_set_for_a_stage_a_source_or_all(prefix: str, mode: Mode) -> None:
    before = in_mode(SAMPLE, "published" if mode == "corrected" else "corrected")
    after = override(before, f"{prefix}mode={mode}")
    changed = {path for path, *_ in divergences(SAMPLE) if attrgetter(path)(before) != attrgetter(path)(after)}
    assert changed == {path for path, *_ in divergences(SAMPLE) if path.startswith(prefix)}
    assert in_mode(after, mode) == in_mode(before, mode)


def test_a_field_set_after_a_mode_stands() -> None:
    recipe = override(override(SAMPLE, "common_crawl.mode=published"), "common_crawl.quality.newlines=space")
    assert recipe.common_crawl.quality.newlines == "space"
    assert recipe.common_crawl.quality.score_decimals == 2


def test_a_part_without_divergences_has_no_mode() -> None:
    with pytest.raises(ValueError, match="there is no field 'mode'"):
        override(SAMPLE, "books.mode=published")
