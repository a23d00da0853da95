"""The steps of a run that have read a document, from the training side's own process."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlencode

import pytest

from pipelines.explore.pages import Pages
from pipelines.explore.questions import Question
from pipelines.explore.runs import StepsOfRun
from tests.pipelines.explore import corpora

pytest.importorskip("torch", reason="the training side is not installed")

from train import trace
from train.corpus import open_corpus

BOOKS = [corpora.page(n, f"llama number {n} " * 20) for n in range(60)]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpora.write(tmp_path_factory.mktemp("made") / "corpus", {"books": BOOKS}, {"books": []})


@pytest.fixture
def run(corpus: Path, tmp_path: Path) -> Path:
    config = {"proportions": "books=1", "sequence_length": 32, "batch_sequences": 3, "seed": 5}
    digests = open_corpus(corpus, ["books"]).digests()
    path = tmp_path / "run" / "checkpoints" / "step-00000040" / "state.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"step": 40, "config": config, "corpus": digests}))
    return tmp_path / "run"


def test_a_document_s_page_lists_the_steps_that_read_it(corpus: Path, run: Path, tmp_path: Path) -> None:
    explorer = corpora.explorer(corpus, tmp_path / "index")
    sequences = trace.open_run(run, corpus)
    read: dict[str, set[int]] = {}
    for step in range(1, 41):
        for k in sequences.step(step):
            for part in sequences.documents(k)[2]:
                read.setdefault(part.document, set()).add(step)
    pages = Pages([explorer], ["a corpus"])
    steps = StepsOfRun(str(run), str(corpus))
    row = explorer.by_id(next(page.id for page in BOOKS if page.id in read))
    assert row is not None
    body = pages.document(0, row.id, Question(), whole=False, replay=False, steps=steps, seed=0)
    expected = sorted(read[row.id])
    assert f"In {len(expected):,} steps: {', '.join(map(str, expected))}." in body
    assert urlencode({"id": row.id}) in body


def test_what_is_wrong_with_the_run_is_said(corpus: Path, tmp_path: Path) -> None:
    found = StepsOfRun(str(tmp_path / "nothing"), str(corpus)).of("books", 0, 10)
    assert found.steps == ()
    assert "no checkpoint, so there is no run to trace" in found.error
