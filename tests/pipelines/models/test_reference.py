"""The reference classifier: which pages are cited, what it is trained on, and the split that chooses the threshold."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.dedup.citations import HOST, URL
from pipelines.document import Document
from pipelines.files import storage
from pipelines.hashing import keyed, share
from pipelines.models import draws, reference, training
from pipelines.models.reference import CITED, RANDOM, Examples, Pages, make_reference, take_pages
from pipelines.recipes import Match, ReferenceTraining
from pipelines.stages.kinds import Paths, Removals
from tests.pipelines.tokens import shards

RECIPE = ReferenceTraining(pages=25, epochs=5, dimension=10)
OFFICIAL, SHOP = ["report", "record", "official", "survey"], ["buy", "cheap", "click", "offers"]


def decided(folder: Path, rows: Sequence[tuple[int, int, int]], items: int) -> Paths:
    """Write a decision by two reducers."""
    paths = Paths(str(folder), "common_crawl")
    for reducer in range(2):
        path = Path(paths.work("cited", f"bucket-{reducer:06d}.removals"))
        shards.marked(path, [row for row in rows if row[1] % 2 == reducer], items)
    return paths


def test_pages_cited_by_url_and_by_host(tmp_path: Path) -> None:
    paths = decided(tmp_path, [(0, 1, URL), (0, 2, HOST), (1, 0, URL), (0, 1, HOST)], 2)

    def cited(ordinal: int, match: Match) -> frozenset[int]:
        return Pages(paths, Removals("cited", "bucket", range(2), ordinal), match, "en", short_negatives=False).cited()

    assert cited(0, "url") == {1}
    assert cited(0, "host") == {1, 2}
    assert cited(1, "url") == {0}
    assert cited(1, "host") == frozenset()


def some_pages() -> list[Document]:
    """Return 30 pages that are cited (rows 0 to 29), 60 that are not, a short one and a German one."""
    rng = np.random.default_rng(2)

    def text(words: Sequence[str]) -> str:
        return " ".join(rng.choice(words, 300))

    found = [shards.page(n, url=f"http://a/{n}", language="en", text=text(OFFICIAL)) for n in range(30)]
    found += [shards.page(n, url=f"http://b/{n}", language="en", text=text(SHOP)) for n in range(30, 90)]
    found.append(shards.page(90, url="http://c", language="en", text="short"))
    return [*found, shards.page(91, language="de", text=text(SHOP))]


def examples(
    folder: Path, match: Match = "host", cuts: tuple[int, ...] = (), *, short_negatives: bool = False
) -> Examples:
    """Draw from the pages, in shards cut at these rows."""
    found, ends = some_pages(), [*cuts, len(some_pages())]
    parts = [found[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    rows = [
        (item, row, HOST)
        for item, part in enumerate(parts)
        for row, page in enumerate(part)
        if page.url and "/a/" in page.url
    ]
    paths = decided(folder, rows, len(parts))
    tasks = []
    for item, part in enumerate(parts):
        detail = Pages(paths, Removals("cited", "bucket", range(2), item), match, "en", short_negatives)
        path = shards.write(folder / f"{item}.parquet", part)
        tasks.append(shards.draw(path, folder / f"run{item}", take_pages, {CITED: 1.0, RANDOM: 1.0}, detail))
    cited, others = (tuple(task.run_of(group) for task in tasks) for group in (CITED, RANDOM))
    return Examples(cited, others, match)


def train(folder: Path, found: Examples, recipe: ReferenceTraining = RECIPE) -> dict[str, Any]:
    task = shards.training(folder, make_reference, recipe, [found])
    training.train(task)
    facts: dict[str, Any] = storage.read_json(task.manifest)
    return facts


def test_both_classes_go_through_the_same_rules(tmp_path: Path) -> None:
    found = examples(tmp_path)
    kept = [page for page in some_pages() if page.language == "en" and len(page.text) >= 1000]
    for group, paths, cited in ((CITED, found.cited, "/a/"), (RANDOM, found.random, "/b/")):
        wanted = sorted((keyed("reference", p.id), f"{p.url}\n{p.text}") for p in kept if cited in (p.url or ""))
        assert [payload.decode() for payload in draws.drawn(paths)] == [payload for _, payload in wanted], group


def test_only_as_published_others_may_be_shorter_than_cited_pages(tmp_path: Path) -> None:
    both, published = (examples(tmp_path / f"{short}", short_negatives=short) for short in (False, True))
    (short,) = (f"{page.url}\n{page.text}".encode() for page in some_pages() if page.text == "short")
    assert set(draws.drawn(published.random)) - set(draws.drawn(both.random)) == {short}
    assert list(draws.drawn(published.cited)) == list(draws.drawn(both.cited))


def test_it_is_trained_on_as_many_of_each_class(tmp_path: Path) -> None:
    facts = train(tmp_path, examples(tmp_path))
    assert facts["pages"]["positive"] == facts["pages"]["negative"] == 25
    assert facts["area_under_roc"] == facts["precision"] == facts["recall"] == 1.0
    scores = json.loads((tmp_path / "models/model/scores.json").read_text())
    assert {name: facts[name] for name in scores} == scores
    assert scores["roc"][-1][1:] == [1.0, 1.0]
    assert facts["recipe"]["seed"] == 0


def test_the_split_is_by_url_and_seed(tmp_path: Path) -> None:
    held_out = set()
    for seed in range(3):
        recipe = replace(RECIPE, seed=seed, held_out=0.3)
        facts = train(tmp_path / f"{seed}", examples(tmp_path / f"{seed}"), recipe)
        chosen = [page for page in some_pages()[:90] if share(f"held_out/{seed}", page.url or "") < 0.3]
        assert 0 < facts["pages"]["held_out"] <= len(chosen)
        held_out.add(facts["pages"]["held_out"])
    assert len(held_out) > 1


def test_how_pages_are_spread_over_shards_makes_no_difference(tmp_path: Path) -> None:
    one, three = (
        train(tmp_path / name, examples(tmp_path / name, cuts=cuts)) for name, cuts in (("1", ()), ("3", (20, 60)))
    )
    assert one["files"] == three["files"]


def test_where_nothing_is_cited_the_error_says_what_can_be_done(tmp_path: Path) -> None:
    found = examples(tmp_path, match="url")
    with pytest.raises(
        RuntimeError, match=r"0 cited and 90 other pages .*match=host.*--model reference=PATH.*classifier=false"
    ):
        train(tmp_path, found)
    assert storage.read_json(str(tmp_path / "models/model/manifest.json")) is None


def test_a_split_that_leaves_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="held_out is 1e-09: one of the two classes has no page"):
        train(tmp_path, examples(tmp_path), replace(RECIPE, held_out=1e-9))
    assert reference.LEAST_PAGES <= 25
