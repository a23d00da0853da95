"""Draws by hash: what is drawn, in which order, and how it is cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.files import storage
from pipelines.hashing import keyed, share
from pipelines.models import draws
from pipelines.stages.jobs import pending
from tests.pipelines.tokens import shards

PAGES = [shards.page(number, text=f"text {number}") for number in range(60)]


@pytest.mark.parametrize("cut", [10, 40])
def test_what_falls_under_the_rate_comes_in_the_order_of_its_hash(tmp_path: Path, cut: int) -> None:
    paths = [shards.write(tmp_path / f"{i}.parquet", part) for i, part in enumerate((PAGES[:cut], PAGES[cut:]))]
    tasks = [shards.draw(path, tmp_path / f"run{path[-9]}", draws.take_texts, {"text": 0.4}) for path in paths]
    chosen = [page for page in PAGES if share("tokenizer", page.id) < 0.4]
    wanted = [page.text.encode() for page in sorted(chosen, key=lambda page: keyed("tokenizer", page.id))]
    runs = [task.run_of("text") for task in tasks]
    assert 10 < len(wanted) < 40
    assert list(draws.drawn(runs)) == list(draws.drawn(runs[::-1])) == wanted
    for limit in (0, 1, 7, len(wanted), 1_000):
        assert list(draws.drawn(runs, limit)) == wanted[:limit]
    assert sum(storage.read_json(task.manifest)["drawn"]["text"] for task in tasks) == len(wanted)


def test_only_what_is_not_there_is_drawn(tmp_path: Path) -> None:
    task = shards.draw(shards.write(tmp_path / "a", PAGES), tmp_path / "run", draws.take_texts, {"text": 0.1})
    assert pending("label", draws.draw, [task]) == []
    (job,) = pending("label", draws.draw, [draws.Draw(task.path, task.run, task.rates, "other", draws.take_texts)])
    assert job.outputs == [task.manifest]


def test_a_rate_is_a_share() -> None:
    assert (draws.rate(10, 0), draws.rate(10, 5), draws.rate(1, 3)) == (1.0, 1.0, 0.333333333)


def test_nothing_is_drawn_of_nothing() -> None:
    assert list(draws.drawn([])) == []
