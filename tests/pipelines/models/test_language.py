"""Language models and cut-offs: which text they are made of, both estimators, and CCNet's own files dropped in."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from filters.models import lmplz
from filters.web import perplexity, quality_models
from pipelines.files import storage
from pipelines.hashing import keyed
from pipelines.models import language as language_models
from pipelines.models import training
from pipelines.recipes import LanguageModels
from tests.pipelines.tokens import shards

OURS = LanguageModels(estimator="kneser_ney", order=3)
WORDS = ["herd", "snow", "road", "bridge", "village", "school", "winter", "grass", "lake", "stone"]


def articles() -> list[str]:
    rng = np.random.default_rng(1)
    return ["\n".join(" ".join(rng.choice(WORDS, 12)) for _ in range(20)) for _ in range(40)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with our model of English, made of 40 articles in two orders."""
    folder = tmp_path_factory.mktemp("models")
    documents = [shards.page(n, text=text, language="en") for n, text in enumerate(articles())]
    documents += [shards.page(100 + n, text="zzz qqq " * 50, language="de") for n in range(5)]
    results = []
    for name, order in (("one", documents), ("two", documents[::-1])):
        shard = shards.write(folder / name / "a.parquet", order)
        make = language_models.make_language_model
        task = shards.training(folder / name, make, OURS, [shard], "language_models/en")
        training.train(task)
        results.append(storage.read_json(task.manifest))
    assert results[0]["files"] == results[1]["files"]
    assert (results[0]["documents"], results[0]["estimator"]) == (40, "kneser_ney")
    return folder / "one/models/language_models"


def test_a_language_model_prefers_its_own_language(trained: Path) -> None:
    model = quality_models.load_language_model(str(trained), "en")
    assert model is not None
    assert model.perplexity("snow road bridge village") < model.perplexity("zzz qqq zzz qqq")
    assert quality_models.load_language_model(str(trained), "de") is None
    assert quality_models.load_language_model(str(trained), "") is None


def test_a_language_without_articles_has_no_model(tmp_path: Path) -> None:
    shard = shards.write(tmp_path / "a.parquet", [shards.page(n, language="en") for n in range(3)])
    make = language_models.make_language_model
    training.train(shards.training(tmp_path, make, OURS, [shard], "language_models/sl"))
    assert quality_models.load_language_model(str(tmp_path / "models/language_models"), "sl") is None
    assert storage.read_json(str(tmp_path / "models/language_models/sl/manifest.json"))["documents"] == 0
    training.model(str(tmp_path / "models/language_models"), ["sl"])


@pytest.mark.parametrize(
    ("recipe", "wanted"),
    [(replace(OURS, documents=7), 7), (replace(OURS, text_bytes=95), 9), (replace(OURS, text_bytes=1), 1)],
)
def test_of_more_articles_the_smallest_hashes_are_taken(tmp_path: Path, recipe: LanguageModels, wanted: int) -> None:
    documents = [shards.page(n, text=f"article {n:02}", language="en") for n in range(50)]
    shard = shards.write(tmp_path / "a.parquet", documents)
    ranked = sorted(documents, key=lambda found: keyed("language_model", found.id))
    texts = language_models._articles([shard], "en", recipe)
    assert texts == [found.text for found in ranked[:wanted]]
    assert language_models._articles([shard], "de", OURS) == []


# --- lmplz ----------------------------------------------------------------------------------------------------------


def real_lmplz() -> str:
    found = shutil.which("lmplz")
    if found is None:
        pytest.skip("no lmplz on PATH")
    return found


def test_both_estimators_give_the_same_perplexities(trained: Path, tmp_path: Path) -> None:
    recipe = replace(OURS, estimator="lmplz", lmplz=real_lmplz())
    documents = [shards.page(n, text=text, language="en") for n, text in enumerate(articles())]
    shard = shards.write(tmp_path / "a.parquet", documents)
    make = language_models.make_language_model
    task = shards.training(tmp_path, make, recipe, [shard], "language_models/en")
    training.train(task)
    found = storage.read_json(task.manifest)
    assert found["estimator"] == "lmplz"
    assert found["ngrams"] == storage.read_json(f"{trained}/en/manifest.json")["ngrams"]
    ours, theirs = (
        quality_models.load_language_model(str(folder), "en")
        for folder in (trained, tmp_path / "models/language_models")
    )
    assert ours and theirs
    for text in [*articles()[:5], "snow road zzz bridge", "an unseen word"]:
        assert ours.perplexity(text) == pytest.approx(theirs.perplexity(text), rel=0.01)


def script(folder: Path, body: str) -> str:
    program = folder / "lmplz"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    return str(program)


def test_lmplz_is_called_as_ccnet_calls_it(tmp_path: Path) -> None:
    program = script(
        tmp_path, f'echo "$@" > {tmp_path}/options; cat > {tmp_path}/text; printf "ngram 1=3\\nngram 2=4\\n"'
    )
    build = tmp_path / "build_binary"
    build.write_text('#!/bin/sh\ncp "$1" "$2"\n')
    summary = lmplz.estimate([["a", "b"], ["c"]], tmp_path / "model.arpa", order=4, prune=(0, 1), program=program)
    assert (tmp_path / "text").read_text() == "a b\nc\n"
    options = (tmp_path / "options").read_text()
    assert options.startswith("-o 4 -S 50% --discount_fallback --prune 0 1 -T ")
    assert (summary.ngrams, summary.words) == ((3, 4), 5)
    assert lmplz.to_binary(tmp_path / "model.arpa", tmp_path / "model.bin", program) is False
    build.chmod(0o755)
    assert lmplz.to_binary(tmp_path / "model.arpa", tmp_path / "model.bin", program) is True
    assert (tmp_path / "model.bin").read_bytes() == (tmp_path / "model.arpa").read_bytes()


def test_a_program_that_is_missing_or_fails_is_an_error_that_says_why(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no-such-lmplz: there is no such program; build KenLM"):
        lmplz.estimate([["a"]], tmp_path / "m", program="no-such-lmplz")
    program = script(tmp_path, "echo half a model; echo out of disk >&2; exit 3")
    with pytest.raises(ValueError, match=r"lmplz failed with status 3: out of disk"):
        lmplz.estimate([["a"]], tmp_path / "m", program=program)
    with pytest.raises(ValueError, match="no sentences"):
        lmplz.estimate([], tmp_path / "m", program=program)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lmplz"]


# --- CCNet's files --------------------------------------------------------------------------------------------------


@pytest.fixture
def ccnet(trained: Path, tmp_path: Path) -> Path:
    """Return a folder like CCNet's data/lm_sp: en.sp.model and en.arpa.bin, as KenLM's binaries where there are any."""
    folder = tmp_path / "lm_sp"
    folder.mkdir()
    shutil.copy(trained / "en/pieces.model", folder / "en.sp.model")
    program = shutil.which("lmplz")
    if program is None or not lmplz.to_binary(trained / "en/model.arpa", folder / "en.arpa.bin", program):
        shutil.copy(trained / "en/model.arpa", folder / "en.arpa.bin")
    return folder


def test_ccnets_models_are_dropped_in(trained: Path, ccnet: Path) -> None:
    ours, theirs = (quality_models.load_language_model(str(folder), "en") for folder in (trained, ccnet))
    assert ours and theirs
    assert [ours.perplexity(text) for text in articles()] == [theirs.perplexity(text) for text in articles()]
    assert quality_models.languages_of(str(ccnet)) == quality_models.languages_of(str(trained)) == ["en"]
    (ccnet / "de.sp.model").touch()
    with pytest.raises(ValueError, match=r"de\.arpa\.bin is missing, without which .*de\.sp\.model is of no use"):
        quality_models.given_files(str(ccnet), ())
    wanted = quality_models.given_files(str(ccnet), ("en",))
    assert [path.name for path in wanted] == ["en.sp.model", "en.arpa.bin"]
    with pytest.raises(ValueError, match="there is no model for fr; available: de, en"):
        quality_models.given_files(str(ccnet), ("fr",))


CUTOFFS = ",en,de\n" + "".join(f"{percentile},{10 * percentile},{20 * percentile}\n" for percentile in range(100))


def test_ccnets_cutoffs_are_dropped_in(tmp_path: Path) -> None:
    (tmp_path / "cutoff.csv").write_text(CUTOFFS)
    found = quality_models.load_cutoffs(str(tmp_path / "cutoff.csv"))
    assert found == {"en": perplexity.Cutoffs(300.0, 600.0), "de": perplexity.Cutoffs(600.0, 1200.0)}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "a row for each percentile"),
        (",en\n30,1\n", "a row for each percentile.*60"),
        (",en,de\n30,1\n60,2,3\n", "a row for each percentile"),
        (",en\n30,one\n60,2\n", "a row for each percentile.*one"),
        (",en\n30,5\n60,2\n", "cut-offs are head 5.0, middle 2.0"),
        ("\0\xff", "a row for each percentile"),
    ],
)
def test_other_tables_are_refused_by_name(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "cutoff.csv").write_text(content, encoding="latin-1")
    with pytest.raises(ValueError, match=rf"cutoff\.csv: {message}"):
        quality_models.load_cutoffs(str(tmp_path / "cutoff.csv"))
    (tmp_path / "cutoffs.json").write_text(json.dumps({"en": {"head": 1}}))
    with pytest.raises(ValueError, match=r"cutoffs\.json: no cut-offs by language"):
        quality_models.load_cutoffs(str(tmp_path))


# --- cut-offs made here ---------------------------------------------------------------------------------------------


def cutoffs(folder: Path, pages: list[list[tuple[int, float, str]]], limit: int) -> dict[str, dict[str, float]]:
    runs = []
    for number, part in enumerate(pages):
        scored = [
            shards.page(n, language=language, attributes={"perplexity": round(value, 1)} if value else {})
            for n, value, language in part
        ]
        path = shards.write(folder / f"{number}.parquet", scored)
        task = shards.draw(path, folder / f"run{number}", language_models.take_perplexities, {"pages": 1.0})
        runs.append(task.run_of("pages"))
    training.train(shards.training(folder, language_models.make_cutoffs, limit, runs))
    found = quality_models.load_cutoffs(str(folder / "models/model"))
    written: dict[str, dict[str, float]] = json.loads((folder / "models/model/cutoffs.json").read_text())
    assert {language: (row.head, row.middle) for language, row in found.items()} == {
        language: (row["head"], row["middle"]) for language, row in written.items()
    }
    return written


def test_cutoffs_are_percentiles_of_each_language(tmp_path: Path) -> None:
    pages = [(n, n + 1.0, "en") for n in range(100)] + [(200 + n, 10.0 * n + 10, "de") for n in range(10)]
    pages += [(300, 0.0, "fr"), (301, -1.0, "fr"), (302, -1.0, "en")]
    assert cutoffs(tmp_path, [pages[::2], pages[1::2]], 1_000) == {
        "en": {"head": 30.0, "middle": 60.0, "pages": 100},
        "de": {"head": 30.0, "middle": 60.0, "pages": 10},
    }


def test_cutoffs_are_taken_on_the_smallest_hashes(tmp_path: Path) -> None:
    found = cutoffs(tmp_path, [[(n, n + 1.0, "en") for n in range(50)]], 10)["en"]
    chosen = sorted(sorted(range(50), key=lambda n: keyed("cutoffs", f"p/{n}"))[:10])
    assert found == {"head": chosen[2] + 1.0, "middle": chosen[5] + 1.0, "pages": 10}


def test_no_temporary_file_is_left(trained: Path) -> None:
    assert sorted(path.name for path in (trained / "en").iterdir()) == ["manifest.json", "model.arpa", "pieces.model"]
