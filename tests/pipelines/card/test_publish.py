"""The data cards are read back by the libraries of those who publish them, and say what the manifests say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipelines import report
from pipelines.card import facts, overview, publish
from tests.pipelines.card import card_corpus


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = card_corpus.build(tmp_path_factory.mktemp("publish") / "dumps")
    assert report.main([str(output), "--publish"]) == 0
    return output


def test_the_dataset_card_is_read_by_hugging_faces_own_parser(published: Path) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub is in the extra full")
    card = hub.DatasetCard.load(published / "README.md")
    assert card.data.license == "other"
    assert card.data.size_categories == ["n<1K"]
    assert card.data.language == ["en"]
    *each, every = card.data.configs
    files = {found["config_name"]: found["data_files"][0]["path"] for found in each}
    assert (every["config_name"], every["data_files"][0]["path"]) == ("all", list(files.values()))
    assert files == {name: f"{name}/documents/*.parquet" for name in ("books", "arxiv")}
    assert all(list(published.glob(pattern)) for pattern in files.values())


def test_the_dataset_card_has_the_manifests_numbers(published: Path) -> None:
    text = (published / "README.md").read_text()
    for mixed in facts.mixture(facts.load(str(published))):
        assert f"| {mixed.title} | {mixed.documents:,} | {mixed.size:,} | {mixed.tokens:,} |" in text
    assert "contained_in_another 2" in text
    assert "Books3" in text
    for split in overview.splits(facts.load(str(published))):
        assert f"| {split.title} | {split.train[0]:,} | {split.train[1]:,} | {split.validation[0]:,} |" in text
    for said in ("## Contamination\n\nNo benchmark was looked for.", "Here no recipe did.", "- built: 2", "- seed: "):
        assert said in text


@pytest.mark.filterwarnings("ignore")  # mlcroissant's own dependencies warn
def test_croissant_is_valid_and_yields_the_documents(published: Path) -> None:
    croissant = pytest.importorskip("mlcroissant", reason="mlcroissant is in the extra full")
    dataset = croissant.Dataset(jsonld=published / "croissant.json")
    issues = dataset.metadata.ctx.issues
    assert list(issues.errors) == []
    for name in ("books", "arxiv"):
        manifest = json.loads((published / name / "manifest.json").read_text())
        found: list[dict[str, Any]] = list(dataset.records(name))
        assert len(found) == manifest["documents"]["count"]
        assert all(row[f"{name}/id"].startswith(f"{name}/".encode()) for row in found)
        assert all(row[f"{name}/text"] for row in found)


@pytest.mark.parametrize(
    ("rows", "name"),
    [(0, "n<1K"), (999, "n<1K"), (1_000, "1K<n<10K"), (99_999, "10K<n<100K"), (10**9, "1B<n<10B"), (10**14, "n>1T")],
)
def test_sizes_have_hugging_faces_names(rows: int, name: str) -> None:
    assert publish.size_category(rows) == name
