"""What a score measures is said beside it; of what only its makers know, what is known."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipelines import scores
from pipelines.explore.explain import Explanations
from pipelines.explore.pages import Pages
from pipelines.explore.questions import Question
from pipelines.explore.search import Explorer
from pipelines.files import storage
from tests.pipelines.explore import corpora

PAGES = [corpora.page(n, f"the llama number {n}") for n in range(6)]
NOTES = [corpora.page(n, f"a note of {n}", source="notes") for n in range(4)]
DROPS = [corpora.drop(n, f"short {n}") for n in range(1, 6, 2)]


def explorer(folder: Path, *, trained: bool, name: str = "classifier_probability") -> Explorer:
    """Return a corpus whose drops have a score of a classifier in the place of a perplexity."""
    corpus = corpora.write(folder / "corpus", {"books": PAGES, "notes": NOTES}, {"books": DROPS, "notes": []})
    path = f"{corpus}/books/manifest.json"
    manifest = storage.read_json(path) or {}
    chosen = {"label": "toxic <b>", "threshold": 0.7}
    manifest["recipe"] = {"filters": {"classifier": chosen}, "reference": {"label": "good", "threshold": None}}
    storage.write_json(path, manifest)
    models = {one: {"path": f"/models/{one}.bin", "trained": trained} for one in ("classifier", "reference", "lid")}
    storage.write_json(f"{corpus}/models/manifest.json", models)
    made = corpora.explorer(corpus, folder / "index")
    made.index.catalogue.connection.execute("UPDATE scores SET name = ? WHERE name = 'perplexity'", [name])
    return Explorer(made.corpus, made.index)


def page(explorer: Explorer, question: Question) -> str:
    return re.sub(r"\s+", " ", Pages([explorer], ["corpus"]).answer(0, question, 0))


def test_a_score_is_explained_and_where_it_lies(tmp_path: Path) -> None:
    made = explorer(tmp_path, trained=True, name="perplexity")
    (meaning,) = Explanations(made).of("perplexity").meanings
    assert (meaning.score, meaning.model, meaning.sources) == (scores.SCORES["perplexity"], "", ["books"])
    body = page(made, Question(score="perplexity"))
    assert body.count("lower is more like Wikipedia") == 2  # beside its histogram, and with the form
    assert body.count("In this corpus: books 3 rows from 101 to 105.") == 2


def test_of_a_classifier_that_was_given_its_name_and_label_are_known(tmp_path: Path) -> None:
    made = explorer(tmp_path, trained=False)
    (meaning,) = Explanations(made).of("classifier_probability").meanings
    assert meaning.model == ("its model is /models/classifier.bin; the label is “toxic <b>”; at least 0.7 was kept")
    body = page(made, Question(score="classifier_probability"))
    assert "whether that is better, only who made the classifier knows; its model is" in body
    assert "the label is “toxic &lt;b&gt;”" in body


@pytest.mark.parametrize(("trained", "cited"), [(True, True), (False, False)])
def test_a_classifier_in_the_place_of_ours_is_not_taken_for_it(tmp_path: Path, trained: bool, cited: bool) -> None:
    made = explorer(tmp_path, trained=trained, name="reference_probability")
    found = Explanations(made)
    found._given["reference_probability"]["common_crawl"] = found._given["reference_probability"].pop("books")
    found._recipes["common_crawl"] = found._recipes["books"]
    (meaning,) = found.of("reference_probability").meanings
    assert ("Wikipedia cites" in meaning.score.what) == cited
    assert ("the label is “good”" in meaning.model) == (not cited)


def test_a_column_of_own_texts_is_named_and_not_guessed(tmp_path: Path) -> None:
    made = explorer(tmp_path, trained=True)
    number = Explanations(made).of("number")
    said = {tuple(one.sources): one.score.what for one in number.meanings}
    assert said == {
        ("books",): scores.SCORES["number"].what,
        ("notes",): "a column of the source's own: what it measures, only who made it knows",
    }
    body = page(made, Question(score="number"))
    assert "notes: a column of the source&#39;s own: what it measures, only who made it knows." in body


def test_a_document_s_scores_are_explained(tmp_path: Path) -> None:
    pages = Pages([explorer(tmp_path, trained=True)], ["corpus"])
    known, own = (
        pages.document(0, one.id, Question(), whole=False, replay=False, steps=None, seed=0)
        for one in (PAGES[1], NOTES[1])
    )
    assert "(the number of the book in its collection" in known
    assert "the number of the book" not in own


def test_the_fields_are_explained_without_script(tmp_path: Path) -> None:
    body = page(explorer(tmp_path, trained=True), Question())
    told = body.partition("<summary>What the fields take</summary>")[2].partition("</details>")[0]
    for said in ("Case does not count", "accents do", "RE2", "lines/duplicate_url"):
        assert said in told
