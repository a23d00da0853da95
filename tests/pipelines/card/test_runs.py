"""Several runs over each other: which lines they share, and whether they read the same tokens."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pipelines import report
from pipelines.card import facts, run_page, runs, training
from pipelines.card.shapes import Curves
from tests.pipelines.card import card_corpus


def loaded(path: Path) -> training.Run:
    found = training.load(str(path))
    assert found
    return found


def with_checkpoint(run: Path, corpus: dict[str, str]) -> Path:
    """Say in a run's checkpoint which tokens it reads."""
    folder = run / "checkpoints/step-00000009"
    folder.mkdir(parents=True)
    (folder / "state.json").write_text(json.dumps({"corpus": corpus}))
    return run


def test_lines_of_the_same_measure_come_together(tmp_path: Path) -> None:
    first, other = (loaded(card_corpus.log_run(tmp_path / name, steps)) for name, steps in (("a", 30), ("b", 20)))
    found = runs.over_each_other([first, other])
    assert [curves.title for curves in found] == [
        "Training loss, whole and by source: whole mixture of each run",
        "Learning rate of each run",
        "Throughput of each run",
        "Training loss, whole and by source: Books of each run",
        "Training loss, whole and by source: ArXiv of each run",
    ]
    assert all(list(curves.series) == ["a", "b"] for curves in found)
    assert len(found[0].series["b"]) == 20


def test_a_measure_of_one_run_is_left_to_it() -> None:
    one, two = (
        training.Run(name, 1, 1, [Curves(title, "x", "y", {"l": [(0.0, 0.0), (1.0, 1.0)]})], [], [], [], True)
        for name, title in (("a", "Loss"), ("b", "Memory"))
    )
    assert runs.over_each_other([one, two]) == []


def test_runs_of_the_same_name_are_told_apart() -> None:
    assert runs.names(["x/run", "y/run/", "z/other"]) == ["x/run", "y/run/", "other"]


@pytest.mark.parametrize(
    ("first", "other", "said"),
    [
        ({"books": "1"}, {"books": "1"}, "the same tokens"),
        (
            {"books": "1", "arxiv": "2"},
            {"books": "1", "arxiv": "3"},
            "another corpus (c): all tokens are the same of books only",
        ),
        ({"books": "1"}, {"books": "2"}, "another corpus (c): of no source are all tokens the same"),
        ({}, {"books": "2"}, "not known which tokens it reads: neither a summary nor a checkpoint says so"),
    ],
)
def test_whether_they_read_the_same_is_said(first: dict[str, str], other: dict[str, str], said: str) -> None:
    assert runs.compared(first, other, "c") == said


def test_the_newest_checkpoint_says_what_an_unfinished_run_reads(tmp_path: Path) -> None:
    run = with_checkpoint(card_corpus.log_run(tmp_path / "run [1]", 3), {"books": "old"})
    later = run / "checkpoints/step-00000010"
    later.mkdir()
    (later / "state.json").write_text(json.dumps({"corpus": {"books": "new"}}))
    assert loaded(run).corpus == {"books": "new"}
    (run / "summary.json").write_text(
        json.dumps({"corpus": {"books": "last"}, "config": {"corpus": "c"}, "parameters": 1})
    )
    found = loaded(run)
    assert (found.corpus, found.corpus_path) == ({"books": "last"}, "c")


def test_the_page_of_a_run_lays_others_over_it(tmp_path: Path) -> None:
    first = with_checkpoint(card_corpus.log_run(tmp_path / "a", 30), {"books": "1"})
    other = with_checkpoint(card_corpus.log_run(tmp_path / "b", 20), {"books": "2"})
    page = run_page.render(loaded(first), "<a run>", others=[loaded(other)])
    assert "<h1><bdi>&lt;a run&gt;</bdi></h1>" in page
    assert "another corpus: of no source are all tokens the same" in page
    assert page.count('id="beside-') == 5


def test_a_run_of_one_step_has_no_curve(tmp_path: Path) -> None:
    page = run_page.render(loaded(card_corpus.log_run(tmp_path / "a", 1)), "one step")
    assert "<figure" not in page
    assert "One step makes no curve" in page


def test_a_run_of_another_corpus_is_named_beside_a_card(tmp_path: Path) -> None:
    output = card_corpus.build(tmp_path / "dumps")
    corpus = facts.load(str(output))
    from train.corpus import open_corpus

    digests = open_corpus(output, ["books", "arxiv"]).digests()
    run = with_checkpoint(card_corpus.log_run(tmp_path / "run", 9), digests)
    own = Path(report.write_page(corpus, run=str(run))).read_text(encoding="utf-8")
    assert "This run is of another corpus" not in own
    shutil.rmtree(run / "checkpoints")
    with_checkpoint(run, {**digests, "books": "other"})
    page = Path(report.write_page(corpus, run=str(run))).read_text(encoding="utf-8")
    assert "it reads a corpus whose tokens of Books are others than those here" in page
