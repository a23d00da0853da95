"""The data cards are read back by the libraries of those who publish them, and say what the manifests say."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import lxml.html
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipelines import report
from pipelines.card import facts, markdown, overview, publish
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


def test_every_stage_of_the_dataset_card_adds_up(published: Path) -> None:
    text, stages = (published / "README.md").read_text(), 0
    for manifest in facts.load(str(published)).manifests.values():
        for account in manifest["stages"]:
            stages += 1
            (line,) = [found for found in text.splitlines() if told(account) in found]
            kept, *gone = [int(n.replace(",", "")) for n in re.findall(r"\b[0-9][0-9,]*\b", line.partition(" in, ")[2])]
            assert account["in"] == kept + sum(gone)
    assert stages >= 4


def told(account: dict[str, Any]) -> str:
    merged = f", {account['merged']:,} merged into others" if account["merged"] else ""
    return f"- *{account['stage'].partition('/')[2]}*: {account['in']:,} in, {account['kept']:,} kept{merged}"


def test_the_dataset_card_says_what_was_merged_and_how_tokens_are_written(published: Path, tmp_path: Path) -> None:
    corpus = facts.load(str(published))
    account = {**corpus.manifests["books"]["stages"][0], "in": 128, "kept": 47, "merged": 79}
    books = {**corpus.manifests["books"], "stages": [account]}
    changed = replace(corpus, manifests={**corpus.manifests, "books": books})
    assert "128 in, 47 kept, 79 merged into others" in publish.dataset_card(changed)
    assert "`tokens/SOURCE` (uint16)" in publish.dataset_card(corpus)
    wide = {name: {**tokens, "dtype": "uint32"} for name, tokens in corpus.tokens.items()}
    assert "`tokens/SOURCE` (uint32)" in publish.dataset_card(replace(corpus, tokens=wide))
    mixed = {**wide, "arxiv": corpus.tokens["arxiv"]}
    assert "`tokens/SOURCE` (Books uint32, ArXiv uint16)" in publish.dataset_card(replace(corpus, tokens=mixed))


STRANGERS = "<img src=x onerror=alert(1)> *bold* `x` [click](javascript:alert(1)) a|b ~~c~~ www.x.com &amp; _d_ a_b \\ "


def read(markdown_text: str) -> tuple[str, set[str]]:
    """Return the text of Markdown as GitHub reads it, and the elements in it."""
    markdown_it = pytest.importorskip("markdown_it", reason="markdown-it-py is in the extra sample")
    page = lxml.html.fromstring(
        f"<div>{markdown_it.MarkdownIt('commonmark').enable(['table', 'strikethrough']).render(markdown_text)}</div>"
    )
    return str(page.xpath("string()")).strip(), {element.tag for element in page.iter()} - {"div"}


@settings(deadline=None, max_examples=200)
@given(st.text(st.sampled_from("*_`[]()<>&|~\\a1 .:/@!#\n{}\"'^=-+"), max_size=30))
@example(STRANGERS)
def test_a_strangers_text_is_no_markdown(text: str) -> None:
    whole = f"x{text}x"
    one_line = re.sub("[\r\n]+", " ", whole)
    assert read(f"**so:** {markdown.plain(whole)}.") == (f"so: {one_line}.", {"p", "strong"})
    cell = read(f"| head |\n|---|\n| {markdown.plain(whole)} |\n")
    assert cell[0].split("\n")[-1] == one_line
    assert cell[1] == {"table", "thead", "tbody", "tr", "th", "td"}
    shown = read(f"| head |\n|---|\n| {markdown.code(whole)} |\n")
    assert shown[1] == cell[1] | {"code"}
    assert shown[0].split("\n")[-1] == one_line


def test_a_wikis_templates_are_no_markdown(tmp_path: Path) -> None:
    names = ("<img src=x onerror=alert(1)>", "*bold* `x`", "a_b [click](javascript:alert(1))")
    output = card_corpus.wiki(tmp_path, " and ".join(f"words {{{{{name}|some text}}}}" for name in names))
    assert report.main([str(output), "--publish"]) == 0
    written = (output / "README.md").read_text()
    text, elements = read(written.partition("\n---\n")[2])
    assert "<img src=x onerror=alert(1)> (8 uses" in text
    assert "*bold* `x` (8 uses" in text
    assert "img" not in elements
    assert "U+0005" not in written
    assert "javascript:" not in "".join(re.findall(r"\]\(([^)]*)", written))


@pytest.mark.parametrize(
    ("rows", "name"),
    [(0, "n<1K"), (999, "n<1K"), (1_000, "1K<n<10K"), (99_999, "10K<n<100K"), (10**9, "1B<n<10B"), (10**14, "n>1T")],
)
def test_sizes_have_hugging_faces_names(rows: int, name: str) -> None:
    assert publish.size_category(rows) == name
