"""The card over all sources together: what another source has, and what is held out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.card import facts, page
from tests.pipelines.across.test_together import build, written


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("card")
    written(folder)
    return build(folder)


def test_each_source_has_a_row(output: Path) -> None:
    corpus = facts.load(str(output))
    rows = facts.shared(corpus)
    assert [row.name for row in rows] == list(corpus.manifests)
    for row in rows:
        (other,) = row.by_source
        assert other != row.title and row.by_source[other] == row.elsewhere > row.same_words > 0
        assert row.elsewhere < row.sampled == corpus.manifests[row.name]["documents"]["count"]


def test_lines_say_it(output: Path) -> None:
    rows = facts.shared(corpus := facts.load(str(output)))
    shares, held = facts.shared_lines(corpus)
    assert all(f"{row.title} {100 * row.elsewhere / row.sampled:.1f} %" in shares for row in rows)
    chosen, leaving = sum(row.held_out for row in rows), sum(row.leaving for row in rows)
    assert f"held out: {chosen - leaving:,} documents" in held and f"and {leaving:,} are trained on" in held


def test_the_page_has_a_section(output: Path) -> None:
    rendered = page.render(facts.load(str(output)))
    assert "None of them has a near-duplicate in training." in rendered
    assert "more than 80 % of their shingles" in rendered


def test_what_a_sample_shows_has_an_interval(output: Path) -> None:
    (row, *_) = facts.shared(facts.load(str(output)))
    assert row.margin == 0.0
    half = replace(row, documents=2 * row.sampled)
    assert 0 < half.margin < 0.5
    assert (
        half.margin
        > replace(half, sampled=4 * row.sampled, documents=9 * row.sampled, elsewhere=4 * row.elsewhere).margin
    )
