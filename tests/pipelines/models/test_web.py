"""CommonCrawl's models through the whole command: made alone, made with the corpus, given by path, or left out."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from filters.web import perplexity, reference
from pipelines import corpus
from pipelines.card import facts
from pipelines.document import Document
from pipelines.files import tables
from tests.pipelines import tiny

SETTINGS = (
    "tokenizer.vocabulary=400",
    "shards.validation=0.1",
    "buckets=2",
    "common_crawl.reference.buckets=head,middle,tail,all",
    "common_crawl.training.held_out=0.4",
)


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("web")
    for number in range(2):
        tiny.wet(folder / f"{number}.warc.wet.gz", number, 60)
    tiny.wikipedia(folder / "enwiki-20220601-pages-articles.xml.bz2", 20)
    tiny.language_model(folder / "lid.bin", folder)
    found = ["--runner", "plain", "--input", f"common_crawl={folder}/*.wet.gz", "--model", f"lid={folder}/lid.bin"]
    found += ["--input", f"wikipedia={folder}/enwiki-*"]
    return found + [word for setting in SETTINGS for word in ("--set", setting)]


def run(output: Path, *arguments: str) -> int:
    return corpus.main([*arguments, "--output", str(output)])


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def pages(output: Path) -> list[Document]:
    paths = sorted(output.glob("common_crawl/documents/*.parquet"))
    return [document for path in paths for document in tables.read_documents(str(path))]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, options: list[str]) -> Path:
    output = tmp_path_factory.mktemp("made") / "corpus"
    assert run(output, *options, "--models") == 0
    return output


def test_the_models_can_be_made_alone_and_are_there_for_the_corpus(made: Path, options: list[str]) -> None:
    listed = read(made / "models/manifest.json")
    assert {name: row["trained"] for name, row in listed.items()} == {
        "cutoffs": True,
        "language_models": True,
        "lid": False,
        "reference": True,
        "templates": True,
    }
    assert listed["language_models"]["files"].keys() == {"en/model.arpa", "en/pieces.model"}
    assert not (made / "manifest.json").exists()
    assert not (made / "common_crawl/documents").exists()
    before = {path: path.stat().st_mtime_ns for path in made.glob("models/*/**/*") if path.is_file()}
    assert len(before) == 9
    assert run(made, *options) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert pages(made)
    assert listed.items() < read(made / "models/manifest.json").items()


def test_manifest_and_card_say_what_line_deduplication_removed(made: Path, options: list[str]) -> None:
    assert run(made, *options) == 0
    manifest = read(made / "common_crawl/manifest.json")
    found = manifest["stages"][1]["statistics"]
    (decision,) = (row for row in manifest["decisions"] if row["stage"] == "duplicate_lines")
    assert (found["lines"], found["lines_removed"]) == (decision["keys"], decision["marked"])
    assert found["bytes_removed"] > found["lines_removed"] > 0
    assert found["bytes"] - found["bytes_removed"] >= manifest["stages"][1]["kept_bytes"]
    (note,) = (note for note in facts.notes(facts.load(str(made)))["common_crawl"] if "windows of" in note)
    assert f"windows of {decision['items']} of {decision['items']} files" in note
    for unit in ("lines", "bytes"):
        removed, there = found[f"{unit}_removed"], found[unit]
        assert f"{removed:,} of {there:,} {unit} ({removed / there:.1%})" in note


def test_models_of_every_language_that_wikipedia_gives(tmp_path: Path, options: list[str]) -> None:
    wikipedia = options[options.index("--input", 3) + 1].partition("=")[2].replace("enwiki-*", "")
    tiny.wikipedia(tmp_path / "dewiki-20220601-pages-articles.xml.bz2", 20)
    inputs = ["--input", f"wikipedia={wikipedia}enwiki-*", "--input", f"wikipedia={tmp_path}/dewiki-*"]
    assert (
        run(tmp_path / "corpus", "--models", "--runner", "plain", *inputs, "--set", "language_models.languages=") == 0
    )
    made = tmp_path / "corpus/models/language_models"
    assert sorted(path.name for path in made.iterdir()) == ["de", "en"]
    inputs_of = {name: read(made / name / "manifest.json")["inputs"] for name in ("de", "en")}
    assert inputs_of["de"] != inputs_of["en"]
    assert all(len(found) == 1 for found in inputs_of.values())


def test_ccnets_files_and_a_users_classifier_are_dropped_in(made: Path, tmp_path: Path, options: list[str]) -> None:
    models, sentences = tmp_path / "lm_sp", random.Random(3)
    models.mkdir()
    shutil.copy(made / "models/language_models/en/pieces.model", models / "en.sp.model")
    shutil.copy(made / "models/language_models/en/model.arpa", models / "en.arpa.bin")
    rows = "".join(f"{percentile},{5 + percentile}\n" for percentile in range(100))
    (tmp_path / "cutoff.csv").write_text(f",en\n{rows}")
    texts = [tiny.prose(sentences, 9) for _ in range(20)]
    settings = reference.Training(dimension=4, epochs=2)
    (tmp_path / "mine.bin").write_bytes(reference.train(texts, [tiny.GERMAN], settings))
    given = [f"language_models={models}", f"cutoffs={tmp_path}/cutoff.csv", f"reference={tmp_path}/mine.bin"]
    own = ["common_crawl.reference.threshold=0.25", "common_crawl.reference.label=reference"]
    arguments = [word for model in given for word in ("--model", model)]
    arguments += [word for setting in own for word in ("--set", setting)]
    # No Wikipedia is needed where all models are given.
    alone = [*options[: options.index("--input", 3)], *options[options.index("--input", 3) + 2 :]]
    assert run(tmp_path / "corpus", *alone, *arguments) == 0
    found = pages(tmp_path / "corpus")
    assert len(found) > 20
    cutoffs = perplexity.Cutoffs(35.0, 65.0)
    for document in found:
        value = float(document.attributes["perplexity"])
        assert document.attributes["bucket"] == perplexity.bucket(value, cutoffs)
        assert float(document.attributes["reference_probability"]) >= 0.25
    listed = read(tmp_path / "corpus/models/manifest.json")
    assert not any(listed[name]["trained"] for name in ("language_models", "cutoffs", "reference"))
    assert listed["language_models"]["files"].keys() == {"en.arpa.bin", "en.sp.model"}
    assert listed["reference"]["path"] == f"{tmp_path}/mine.bin"


def test_without_the_classifier_every_page_of_the_buckets_is_kept(
    made: Path, tmp_path: Path, options: list[str]
) -> None:
    assert run(tmp_path, *options, "--set", "common_crawl.reference.classifier=false") == 0
    assert not (tmp_path / "models/reference").exists()
    assert "reference" not in read(tmp_path / "models/manifest.json")
    found = pages(tmp_path)
    assert len(found) == read(tmp_path / "common_crawl/manifest.json")["stages"][1]["kept"]
    assert all("reference_probability" not in document.attributes for document in found)


def test_where_nothing_is_cited_the_error_says_what_can_be_done(
    tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, *options, "--set", "common_crawl.quality.match=url") == 1
    error = capsys.readouterr().err
    assert "models/reference: 0 cited and " in error
    assert "--set common_crawl.quality.match=host" in error


def test_a_missing_lmplz_is_an_error_before_any_work(
    tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ["--set", "language_models.estimator=lmplz", "--set", "language_models.lmplz=/nowhere/lmplz"]
    assert run(tmp_path, *options, *settings) == 2
    error = capsys.readouterr().err
    assert "/nowhere/lmplz: there is no such program; build KenLM" in error
    assert "--set language_models.estimator=kneser_ney" in error
    assert not (tmp_path / "work/wikipedia").exists()
