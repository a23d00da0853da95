"""Models made from shards: what they are made of, what identifies them, and models given by path."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines import models, runs, storage, tables
from pipelines.document import Document
from pipelines.hashing import keyed, share
from pipelines.recipes import LanguageModels, ReferenceTraining
from pipelines.sources.wikipedia import HOST, URL


def page(number: int, **fields: Any) -> Document:
    return Document(
        **{"id": f"p/{number}", "source": "common_crawl", "text": f"page {number}", "dump": "d", "offset": 0, **fields}
    )


def write(path: Path, documents: Sequence[Document]) -> str:
    with storage.write(str(path)) as stream:
        writer = tables.DocumentWriter(stream)
        for document in documents:
            writer.write(document)
        writer.close()
    return str(path)


def training(folder: Path, make: Any, recipe: Any, inputs: Sequence[Any], name: str = "model") -> models.Training:
    return models.training_of(str(folder), name, make, recipe, [(found, str(found)) for found in inputs])


def scored(number: int, value: float, language: str = "en") -> Document:
    return page(number, language=language, attributes={"perplexity": f"{value:.1f}"})


def test_cutoffs_are_percentiles_of_each_language(tmp_path: Path) -> None:
    pages = [scored(n, n + 1) for n in range(100)] + [scored(200 + n, 10.0 * n + 10, "de") for n in range(10)]
    pages += [page(300, language="fr"), scored(301, -1.0, "fr"), scored(302, -1.0)]
    shards = [write(tmp_path / "a.parquet", pages[::2]), write(tmp_path / "b.parquet", pages[1::2])]
    task = training(tmp_path, models.make_cutoffs, 1_000, shards)
    models.train(task)
    found = json.loads((tmp_path / "models/model/cutoffs.json").read_text())
    assert found == {
        "en": {"head": 30.0, "middle": 60.0, "pages": 100},
        "de": {"head": 30.0, "middle": 60.0, "pages": 10},
    }


def test_cutoffs_are_taken_on_the_smallest_hashes(tmp_path: Path) -> None:
    pages = [scored(n, n + 1) for n in range(50)]
    task = training(tmp_path, models.make_cutoffs, 10, [write(tmp_path / "a.parquet", pages)])
    models.train(task)
    chosen = sorted(sorted(range(50), key=lambda n: keyed("cutoffs", f"p/{n}"))[:10])
    found = json.loads((tmp_path / "models/model/cutoffs.json").read_text())["en"]
    assert found == {"head": chosen[2] + 1.0, "middle": chosen[5] + 1.0, "pages": 10}


def test_a_language_without_articles_has_no_model(tmp_path: Path) -> None:
    articles = write(tmp_path / "a.parquet", [page(n, language="en") for n in range(3)])
    recipe = LanguageModels()
    models.train(training(tmp_path, models.make_language_model, recipe, [articles], "language_models/sl"))
    assert models.load_language_model(str(tmp_path / "models/language_models"), "sl") is None
    assert storage.read_json(str(tmp_path / "models/language_models/sl/manifest.json"))["documents"] == 0
    models.model(str(tmp_path / "models/language_models"), "sl")


def test_a_language_model_prefers_its_own_language(tmp_path: Path) -> None:
    words = ["herd", "snow", "road", "bridge", "village", "school", "winter", "grass", "lake", "stone"]
    rng = np.random.default_rng(1)
    texts = ["\n".join(" ".join(rng.choice(words, 12)) for _ in range(20)) for _ in range(40)]
    documents = [page(n, text=text, language="en") for n, text in enumerate(texts)]
    documents += [page(100 + n, text="zzz qqq " * 50, language="de") for n in range(5)]
    recipe = replace(LanguageModels(), order=3)
    results = []
    for name, order in (("one", documents), ("two", documents[::-1])):
        (tmp_path / name).mkdir()
        shard = write(tmp_path / name / "a.parquet", order)
        task = training(tmp_path / name, models.make_language_model, recipe, [shard], "language_models/en")
        models.train(task)
        results.append(storage.read_json(task.manifest))
    assert results[0]["files"] == results[1]["files"]
    assert results[0]["documents"] == 40
    model = models.load_language_model(str(tmp_path / "one/models/language_models"), "en")
    assert model is not None
    assert model.perplexity("snow road bridge village") < model.perplexity("zzz qqq zzz qqq")


def marked(path: Path, rows: Sequence[tuple[int, int, int]], items: int) -> str:
    """Write a decision file: (item, document, line)."""
    found = np.array([(document, line) for _, document, line in rows], runs.REMOVAL)
    runs.write_removals(str(path), np.array([item for item, _, _ in rows], np.uint32), found, items)
    return str(path)


def test_pages_cited_by_url_and_by_host(tmp_path: Path) -> None:
    decided = marked(tmp_path / "removals", [(0, 1, URL), (0, 2, HOST), (1, 0, URL), (0, 1, HOST)], 2)
    first, second = (models.Pages("unused", (decided,), ordinal) for ordinal in (0, 1))
    assert first.cited("url") == {1}
    assert first.cited("host") == {1, 2}
    assert second.cited("url") == {0}
    assert second.cited("host") == frozenset()


def test_the_classifier_is_trained_on_as_many_of_each_class(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)

    def text(words: Sequence[str]) -> str:
        return " ".join(rng.choice(words, 300))

    official, shop = ["report", "record", "official", "survey"], ["buy", "cheap", "click", "offers"]
    documents = [page(n, url=f"http://a/{n}", language="en", text=text(official)) for n in range(30)]
    documents += [page(n, url=f"http://b/{n}", language="en", text=text(shop)) for n in range(30, 90)]
    documents += [page(90, url="http://c", language="en", text="short"), page(91, language="de", text=text(shop))]
    shard = write(tmp_path / "a.parquet", documents)
    decided = marked(tmp_path / "removals", [(0, n, HOST) for n in range(30)], 1)
    recipe = ReferenceTraining(match="host", pages=25)
    task = training(tmp_path, models.make_reference, recipe, [models.Pages(shard, (decided,), 0)])
    models.train(task)
    facts = storage.read_json(task.manifest)
    assert facts["pages"]["positive"] == facts["pages"]["negative"] == 25
    assert facts["area_under_roc"] == 1.0
    nobody = training(tmp_path, models.make_reference, replace(recipe, match="url"), task.inputs)
    with pytest.raises(RuntimeError, match="models/model: reference classifier: no page of the class 'reference'"):
        models.train(nobody)
    assert storage.read_json(nobody.manifest) is None


def test_sites_are_ranked_by_posts_then_by_name(tmp_path: Path) -> None:
    posts = [("b.org", 5, 30), ("a.org", 5, 20), ("a.meta.org", 50, 90), ("c.org", 1, 10)]
    for meta, wanted in ((False, ["a.org", "b.org"]), (True, ["a.meta.org", "a.org"])):
        models.train(training(tmp_path, models.make_sites, (2, meta), posts))
        found = json.loads((tmp_path / "models/model/sites.json").read_text())
        assert found["chosen"] == wanted
        assert bool(found["warnings"]) is meta  # of the two largest archives a.org's is none


def test_a_ranking_by_size_that_the_posts_do_not_confirm_is_warned_of(tmp_path: Path) -> None:
    posts = [("a.org", 9, 10), ("b.org", 5, 30), ("c.org", 7, 20)]
    models.train(training(tmp_path, models.make_sites, (2, False), posts))
    (warning,) = storage.read_json(f"{tmp_path}/models/model/manifest.json")["warnings"]
    assert "by posts a.org are among the 2 largest sites, by the size of their archives b.org" in warning


def test_the_tokenizers_text_is_drawn_by_hash_and_put_in_order(tmp_path: Path) -> None:
    found = [page(n, text=f"text {n}") for n in range(60)]
    for cut in (10, 40):
        shards = {
            "c4": [
                (write(tmp_path / f"{cut}/{i}.parquet", part), f"{i}")
                for i, part in enumerate((found[:cut], found[cut:]))
            ]
        }
        tasks = models.draws(str(tmp_path / f"{cut}"), shards, {"c4": 1_000}, {"c4": 400.0})
        for task in tasks:
            models.draw(task)
        chosen = [page for page in found if share("tokenizer", page.id) < 0.4]
        wanted = [page.text for page in sorted(chosen, key=lambda page: keyed("tokenizer", page.id))]
        drawn = models._drawn([(task.source, task.run) for task in tasks])
        assert [payload.decode() for _, payload, _ in drawn] == wanted
        assert 10 < len(wanted) < 40
    few = models.draws("o", {"c4": [("p", "i")]}, {"c4": 0}, {"c4": 5.0})
    assert few[0].rate == 1.0


def test_identities_know_what_a_model_is_made_of(tmp_path: Path) -> None:
    def identity(recipe: Any = 1, inputs: Sequence[tuple[str, str]] = (("path", "key"),), name: str = "m") -> str:
        return models.training_of(str(tmp_path), name, models.make_sites, recipe, inputs).identity

    assert identity() == identity(inputs=[("another path", "key")])
    assert len({identity(), identity(recipe=2), identity(inputs=[("path", "other")]), identity(name="n")}) == 4


def test_only_what_is_not_there_is_trained(tmp_path: Path) -> None:
    task = training(tmp_path, models.make_sites, (1, False), [("a.org", 1, 1)])
    (job,) = models.pending([task])
    assert job.outputs == [task.manifest]
    models.train(task)
    assert models.pending([task]) == []
    changed = training(tmp_path, models.make_sites, (2, False), [("a.org", 1, 1)])
    assert [job.elements for job in models.pending([changed])] == [[changed]]


def test_files_of_an_older_model_go(tmp_path: Path) -> None:
    task = training(tmp_path, models.make_sites, (1, False), [("a.org", 1, 1)])
    task.path("old.bin").write_bytes(b"old")
    models.train(task)
    assert list(storage.read_json(task.manifest)["files"]) == ["sites.json"]


def test_given_models_are_known_by_content(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "en").mkdir(parents=True)
        (tmp_path / name / "en/pieces.model").write_bytes(b"pieces")
        (tmp_path / name / "en/model.arpa").write_bytes(b"arpa")
    (tmp_path / "b/manifest.json").write_text("{}")
    digests = [models.given("language_models", str(tmp_path / name)).digest for name in ("a", "b")]
    (tmp_path / "b/en/model.arpa").write_bytes(b"other")
    digests.append(models.given("language_models", str(tmp_path / "b")).digest)
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("name", "path", "message"),
    [
        ("lid", "none", "no such file"),
        ("lid", ".", "this is no file"),
        ("reference", "none", "no such file or directory"),
        ("reference", ".", r"a directory with reference\.bin is expected"),
        ("language_models", "file", r"a directory with \*/pieces\.model is expected"),
        ("tokenizer", ".", "no such file"),
    ],
)
def test_given_models_of_another_form_are_refused(tmp_path: Path, name: str, path: str, message: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ValueError, match=message):
        models.given(name, str(tmp_path / path))


def test_a_classifier_needs_no_scores_where_the_recipe_has_a_threshold(tmp_path: Path) -> None:
    (tmp_path / "reference.bin").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"scores\.json"):
        models.given("reference", str(tmp_path))
    assert models.given("reference", str(tmp_path), chosen_threshold=False).path == str(tmp_path)


def test_a_tokenizer_is_given_as_a_file_or_its_folder(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes(b"x")
    assert models.given("tokenizer", str(tmp_path)) == models.given("tokenizer", str(tmp_path / "tokenizer.model"))
