"""The corpus card says what the manifests say, for the corpus that is there, and loads nothing from elsewhere."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pipelines import corpus, report, shards
from pipelines.table1 import TABLE_1
from tests.pipelines import tiny


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dumps")
    tiny.arxiv(folder / "arXiv_src_1904_001.tar", 6)
    tiny.books(folder, 4)
    options = ["--input", f"arxiv={folder}/*.tar", "--input", f"books={folder}/*.txt", "--recipe", "paper"]
    options += ["--set", "tokenizer.vocabulary=500", "--set", "buckets=2", "--runner", "plain"]
    assert corpus.main([*options, "--output", str(folder / "corpus")]) == 0
    return folder / "corpus"


class Page(HTMLParser):
    """Collects a page's table rows, and every attribute that a browser would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.loads: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.loads += [f"{tag} {name}={value}" for name, value in attributes if name in ("src", "href", "srcset")]
        self.loads += [tag] if tag in ("script", "link", "iframe", "img", "object") else []
        if tag == "tr":
            self.rows.append([])
        self._inside = tag in ("td", "th", "b") or (self._inside and tag not in ("table", "p", "h2"))
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag not in ("td", "th", "table")

    def handle_data(self, text: str) -> None:
        if self._inside and self.rows and self.rows[-1]:
            self.rows[-1][-1] += text.strip()


def page(output: Path) -> tuple[str, Page]:
    text = Path(report.write_page(str(output))).read_text()
    parsed = Page()
    parsed.feed(text)
    return text, parsed


def test_the_page_loads_nothing(built: Path) -> None:
    text, parsed = page(built)
    assert parsed.loads == []
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org)", text)


def test_the_funnel_has_the_manifests_numbers(built: Path) -> None:
    _, parsed = page(built)
    for source in ("arxiv", "books"):
        manifest = json.loads((built / source / "manifest.json").read_text())
        for account in manifest["stages"]:
            stage = account["stage"].partition("/")[2]
            row = next(row for row in parsed.rows if row and row[0] == stage)
            assert row[1:3] == [f"{account['in']:,}", f"{account['kept']:,}"]
            for group in account["dropped"].values():
                for reason, (documents, _) in group.items():
                    assert f"{reason} {documents:,}" in row[-1]


def test_the_mixture_has_the_shards_numbers(built: Path) -> None:
    _, parsed = page(built)
    mixed = {found.row.name: found for found in report.mixture(str(built))}
    assert set(mixed) == {"books", "arxiv"}
    run = sum(found.tokens for found in mixed.values())
    for name, found in mixed.items():
        manifest = shards.Manifest.load(built / "tokens" / name)
        assert found.tokens == manifest.grand_total("tokens")
        assert found.documents == manifest.grand_total("documents")
        assert found.bytes_per_token == manifest.grand_total("text_bytes") / manifest.grand_total("tokens")
        row = next(row for row in parsed.rows if row and row[0] == found.row.title)
        assert f"{found.tokens:,}" in row
        assert f"{found.documents:,}" in row
        assert found.epochs == pytest.approx(found.row.proportion / 1000 * run / found.tokens)


def test_the_papers_column_follows_from_table_1() -> None:
    rows = {row.name: row for row in TABLE_1}
    assert sum(row.proportion for row in TABLE_1) == 1000
    wikipedia = report.Mixed(rows["wikipedia"], 1, 8, 2, 100)
    assert wikipedia.paper_bytes_per_token == pytest.approx(83e9 / (0.045 * 1.4e12 / 2.45))
    assert wikipedia.bytes_per_token == 4
    assert wikipedia.epochs == pytest.approx(0.045 * 100 / 2)
    empty = report.Mixed(rows["wikipedia"], 0, 0, 0, 100)
    assert (empty.bytes_per_token, empty.epochs) == (0, 0)


def test_the_terminal_shows_the_same(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report.main([str(built)]) == 0
    shown = capsys.readouterr().out
    for found in report.mixture(str(built)):
        assert f"{found.tokens:,}" in shown
    assert "contained_in_another 2" in shown
    assert str(built / "report.html") in shown.replace("\n", "")


def test_sources_of_another_build_are_left_out(tmp_path: Path, built: Path) -> None:
    output = tmp_path / "corpus"
    shutil.copytree(built, output)
    (output / "manifest.json").write_text(
        json.dumps({**json.loads((output / "manifest.json").read_text()), "sources": ["books"]})
    )
    assert list(report.load(str(output))) == ["books"]
    assert [found.row.name for found in report.mixture(str(output))] == ["books"]


def test_no_corpus_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report.main([str(tmp_path)]) == 2
    assert "no corpus here" in capsys.readouterr().err


def test_reasons_are_in_order_of_their_number() -> None:
    account = {"dropped": {"read": {"b": [2, 1], "c": [5, 1]}, "x": {"a": [2, 1]}}, "merged": 1_200}
    assert report.reasons(account) == "c 5, a 2, b 2, (merged into their question: 1,200)"
