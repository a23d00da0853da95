"""The corpus card says what the manifests say, for the corpus that is there, and loads nothing from elsewhere."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, BinaryIO

import lxml.html
import pyarrow.parquet as pq
import pytest

from pipelines import report
from pipelines.card import counted, facts, publish, training
from pipelines.card import page as card
from pipelines.files import cached, remote
from pipelines.table1 import TABLE_1
from pipelines.tokens import shards
from tests.pipelines.card import card_corpus, strange


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return card_corpus.build(tmp_path_factory.mktemp("card") / "dumps")


class Page(HTMLParser):
    """Collects a page's table rows, its summaries, its styles, and every attribute that a browser would load."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.summaries: list[str] = []
        self.styles = ""
        self.tags: set[str] = set()
        self.loads: list[str] = []
        self.links: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "a" and dict(attributes).get("rel") == "noreferrer noopener nofollow":
            self.links.append(dict(attributes)["href"] or "")  # where a reader may go
            attributes = []
        self.loads += [f"{value}" for name, value in attributes if name in ("src", "href", "srcset", "xlink:href")]
        self.loads += [f"{value}" for name, value in attributes if name == "style" and "url(" in (value or "")]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
        if tag == "summary":
            self.summaries.append("")
        if tag in ("td", "th", "summary", "style"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()

    def handle_data(self, text: str) -> None:
        if not self._open:
            return
        if self._open[-1] == "summary":
            self.summaries[-1] += f" {text.strip()}"
        elif self._open[-1] == "style":
            self.styles += text
        else:
            self.rows[-1][-1] += text.strip()


def page(output: Path, **options: Any) -> Page:
    parsed = Page()
    parsed.feed(Path(report.write_page(facts.load(str(output)), **options)).read_text())
    return parsed


def test_the_page_loads_nothing_and_runs_nothing(built: Path) -> None:
    parsed = page(built)
    assert parsed.loads
    assert all(target.startswith("#") for target in parsed.loads)
    assert all(target.startswith(("https://", "http://")) for target in parsed.links)
    assert not parsed.tags & {"script", "link", "iframe", "img", "object", "embed", "video", "audio", "form"}
    assert not re.search(r"url\(|@import", parsed.styles)


def test_the_funnel_has_the_manifests_numbers(built: Path) -> None:
    parsed = page(built)
    for source in ("arxiv", "books"):
        manifest = json.loads((built / source / "manifest.json").read_text())
        for account in manifest["stages"]:
            stage = account["stage"].partition("/")[2]
            row = next(row for row in parsed.rows if row and row[0] == stage)
            gone = sum(documents for group in account["dropped"].values() for documents, _ in group.values())
            assert row[1:3] == [f"{account['in']:,}", f"{account['kept']:,}"]
            assert row[5] == f"{gone:,}"
            for group in account["dropped"].values():
                for reason, (documents, _) in group.items():
                    named = [text for text in parsed.summaries if reason.replace("_", " ") in text]
                    assert any(f"{documents:,} documents" in text for text in named)


def test_the_mixture_has_the_shards_numbers(built: Path) -> None:
    parsed = page(built)
    mixed = {found.name: found for found in facts.mixture(facts.load(str(built)))}
    assert set(mixed) == {"books", "arxiv"}
    run = sum(found.tokens for found in mixed.values())
    for name, found in mixed.items():
        manifest = shards.Manifest.load(built / "tokens" / name)
        assert found.tokens == manifest.grand_total("tokens")
        assert found.documents == manifest.grand_total("documents")
        assert found.bytes_per_token == manifest.grand_total("text_bytes") / manifest.grand_total("tokens")
        row = next(row for row in parsed.rows if row and row[0] == found.title)
        assert f"{found.tokens:,}" in row
        assert f"{found.documents:,}" in row
        assert found.epochs == pytest.approx({"books": 0.045, "arxiv": 0.025}[name] / 0.07 * run / found.tokens)


def test_epochs_are_those_of_the_run_asked_for(built: Path) -> None:
    manifest = shards.Manifest.load(built / "tokens" / "books")
    row = next(row for row in page(built, run_tokens=10**9).rows if row and row[0] == "Books")
    assert row[7] == f"{0.045 / 0.07 * 10**9 / manifest.grand_total('tokens'):.2f}"


def test_the_papers_column_follows_from_table_1() -> None:
    rows = {row.name: row for row in TABLE_1}
    assert sum(row.proportion for row in TABLE_1) == 1000
    wikipedia = facts.Mixed("wikipedia", "Wikipedia", 0.045, rows["wikipedia"], 1, 8, 2, 100)
    assert wikipedia.paper_bytes_per_token == pytest.approx(83e9 / (0.045 * 1.4e12 / 2.45))
    assert wikipedia.bytes_per_token == 4
    assert wikipedia.epochs == pytest.approx(0.045 * 100 / 2)
    empty = facts.Mixed("wikipedia", "Wikipedia", 0.045, rows["wikipedia"], 0, 0, 0, 100)
    assert (empty.bytes_per_token, empty.epochs) == (0, 0)


def test_what_is_missing_is_said_of_every_source(built: Path) -> None:
    told = facts.notes(facts.load(str(built)))
    assert set(told) == {"", *(row.name for row in TABLE_1)}
    assert told["wikipedia"] == ["not built here: no input was given for it"]
    assert any("Books3" in note for note in told["books"])
    assert any("a sample: " in note for note in told["arxiv"])
    assert "500 pieces" in told[""][0]


def test_the_terminal_is_short_and_shows_the_same(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report.main([str(built)]) == 0
    shown = capsys.readouterr().out
    for found in facts.mixture(facts.load(str(built))):
        assert f"{found.tokens:,}" in shown
    assert "contained_in_another 2" in shown
    assert "100.0 %" in shown
    assert "Our Table 1 beside the paper's" in shown
    said = "shares rescaled over the 2 sources of this corpus: books 64.3%, arxiv 35.7%; Table 1's are of all seven"
    assert facts.notes(facts.load(str(built)))[""][-1] == said
    assert str(built / "report.html") in shown.replace("\n", "")
    assert len(shown.splitlines()) < 30


def test_sources_of_another_build_are_left_out(tmp_path: Path, built: Path) -> None:
    output = tmp_path / "corpus"
    shutil.copytree(built, output)
    (output / "manifest.json").write_text(
        json.dumps({**json.loads((output / "manifest.json").read_text()), "sources": ["books"]})
    )
    found = facts.load(str(output))
    assert list(found.manifests) == ["books"]
    assert [mixed.name for mixed in facts.mixture(found)] == ["books"]


def test_an_account_that_does_not_add_up_is_shown(
    tmp_path: Path, built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "corpus"
    shutil.copytree(built, output)
    assert all(check.holds for name in ("books", "arxiv") for check in facts.checks(facts.load(str(built)), name))
    manifest = json.loads((output / "books" / "manifest.json").read_text())
    manifest["stages"][0]["kept"] -= 1
    (output / "books" / "manifest.json").write_text(json.dumps(manifest))
    assert [check.holds for check in facts.checks(facts.load(str(output)), "books")].count(False) == 2
    assert report.main([str(output)]) == 0
    assert "books does not add up" in capsys.readouterr().out
    assert "✗" in (output / "report.html").read_text()


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ([], "no corpus here"),
        (["--tokens", "many"], "'many' is not a positive whole number"),
        (["--tokens", "0"], "'0' is not a positive"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], what: str) -> None:
    assert report.main([str(tmp_path), *options]) == 2
    assert what in capsys.readouterr().err


def test_a_run_that_is_not_there_is_an_error(built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report.main([str(built), "--run", str(tmp_path)]) == 2
    assert "no run here" in capsys.readouterr().err


def on_this_machine(path: str) -> Path:
    """Return where an object of the made-up remote filesystem lies."""
    assert path.startswith("elsewhere://")
    return Path(path.removeprefix("elsewhere://"))


def facts_of(path: str) -> remote.Facts | None:
    there = on_this_machine(path)
    return remote.Facts(path, there.stat().st_size, 0.0) if there.is_file() else None


def in_folder(folder: str, *, deep: bool = True) -> list[remote.Facts]:
    """Return the objects in a folder."""
    files = sorted(on_this_machine(folder).glob("**/*" if deep else "*"))
    return [found for path in files if (found := facts_of(f"elsewhere://{path}"))]


def upload(stream: BinaryIO, size: int, path: str, check: object = None) -> None:
    stream.seek(0)
    on_this_machine(path).write_bytes(stream.read(size))


def test_a_remote_corpus_has_the_same_card(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "open_read", lambda path: on_this_machine(path).open("rb"))
    monkeypatch.setattr(remote, "facts", facts_of)
    monkeypatch.setattr(remote, "in_folder", in_folder)
    monkeypatch.setenv(cached.FOLDER, str(tmp_path / "cache"))
    monkeypatch.setattr(remote, "upload", upload)
    output = tmp_path / "corpus"
    shutil.copytree(built, output)
    here = Path(report.write_page(facts.load(str(output)))).read_bytes()
    (output / "report.html").unlink()
    there = report.write_page(facts.load(f"elsewhere://{output}"), compare=f"elsewhere://{built}")
    assert there == f"elsewhere://{output}/report.html"
    compared = (output / "report.html").read_bytes()
    assert b"the same documents are kept" in compared
    report.write_page(facts.load(f"elsewhere://{output}"))
    assert (output / "report.html").read_bytes() == here
    publish.write(facts.load(f"elsewhere://{output}"))
    assert (output / "croissant.json").exists()


def test_reasons_are_in_order_of_their_number() -> None:
    account = {"dropped": {"read": {"b": [2, 1], "c": [5, 1]}, "x": {"a": [2, 1]}}, "merged": 1_200}
    assert report.reasons(account) == "c 5, a 2, b 2, (merged into their question: 1,200)"
    many = {"dropped": {"x": {name: [1, 1] for name in "abcdef"}}, "merged": 0}
    assert report.reasons(many) == "a 1, b 1, c 1, d 1, 2 other reasons 2"


LOGS = {
    "a line that is no JSON": ("log.jsonl", "{}}", "line 2"),
    "a step without tokens": ("log.jsonl", '{"loss": 1, "sources": {}}', "line 2"),
    "tokens without an end": ("log.jsonl", '{"tokens": 1e999, "loss": 1, "sources": {}}', "line 2"),
    "a loss that is a text": ("log.jsonl", '{"tokens": 1, "loss": "x", "sources": {}}', "line 2"),
    "a huge number": ("log.jsonl", '{"tokens": 1, "loss": 1' + "0" * 400 + ', "sources": {}}', "line 2"),
    "sources in a list": ("log.jsonl", '{"tokens": 1, "loss": 1, "sources": [1]}', "line 2"),
    "a deep line": ("log.jsonl", "[" * 100_000, "line 2"),
    "an evaluation without a step": ("evaluations.jsonl", "{}", "line 1"),
    "a summary of another form": ("summary.json", '{"sources": 7}', "summary.json: not in the form that a run writes"),
    "a summary that is no number": ("summary.json", '{"table_1_scale": "x"}', "summary.json: not in the form"),
}


@pytest.mark.parametrize("name", LOGS)
def test_a_strange_record_of_a_run_is_named(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    file, text, place = LOGS[name]
    rows = ['{"tokens": 10, "loss": 2.0, "sources": {"books": [2.0, 10]}}', *([text] if file == "log.jsonl" else [])]
    (tmp_path / "log.jsonl").write_text("\n".join(rows) + "\n")
    if file != "log.jsonl":
        (tmp_path / file).write_text(text + "\n")
    assert report.main([str(built), "--run", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path}/{file}" in said
    assert place in said


def test_values_that_are_no_numbers_leave_the_curves(tmp_path: Path) -> None:
    losses = ("2.0", "NaN", "Infinity", "1e308", "1e308", "4.0")
    rows = [f'{{"tokens": {n}, "loss": {loss}, "sources": {{}}}}\n' for n, loss in enumerate(losses, 1)]
    (tmp_path / "log.jsonl").write_text("".join(rows))
    run = training.load(str(tmp_path))
    assert run
    assert run.curves[0].series[training.WHOLE] == [(1, 2.0), (4, 1e308), (5, 1e308), (6, 4.0)]


def test_each_id_has_the_command_that_traces_it(tmp_path: Path) -> None:
    output = card_corpus.build(tmp_path / "dumps")
    before = card_corpus.build(tmp_path / "dumps", "--set", "books.overlap.threshold=1")
    page = lxml.html.parse(report.write_page(facts.load(str(output)), compare=str(before))).getroot()
    seen = set()
    for one in page.xpath("//ol[@class='examples']/li | //details[@class='change' or @class='kept']"):
        identifier = one.xpath(".//bdi[starts-with(@class, 'mono')] | .//dd[@class='mono']")[0].text_content()
        (command,) = one.xpath(".//code")
        assert shlex.split(command.text_content()) == ["altiplano", "trace", "CORPUS", "--id", identifier]
        seen.add((one.xpath("ancestor::section/@id")[0], one.get("class")))
    assert seen >= {("comparison", None), ("books", None), ("arxiv", "change"), ("arxiv", "kept")}


def test_a_document_before_and_after_has_its_language(tmp_path: Path) -> None:
    noted = json.loads((card_corpus.wiki(tmp_path, "A [[link]].") / "wikipedia/changes.json").read_text())
    assert {pair["language"] for pairs in noted.values() for pair in pairs} == {"en"}
    rows = [{"text": text * 20, "language": code} for text, code in ((strange.ARABIC, "ar"), (strange.HEBREW, "he"))]
    output = strange.build(tmp_path, rows=tuple(rows))
    manifest = json.loads((output / "strange/manifest.json").read_text())
    kept = [path for entry in manifest["documents"]["files"] for path in [output / entry["path"]]]
    ids = {row["language"]: row["id"] for path in kept for row in pq.read_table(path).to_pylist()}
    pair = {"before": f"{strange.ARABIC}\nleft out", "after": strange.ARABIC}
    # The last is of an older build, which noted no language, or of a stage that did not know it yet.
    pairs = [{"id": "gone", "language": "fa", **pair}, {"id": ids["he"], "language": "", **pair}]
    stage = manifest["stages"][0]["stage"].partition("/")[2]
    (output / "strange/changes.json").write_text(json.dumps({stage: pairs}))
    page = lxml.html.parse(report.write_page(facts.load(str(output)))).getroot()
    cells = page.xpath("//div[@class='diff']/div[@class='first' or @class='then' or @class='again']")
    assert [(cell.get("lang"), cell.get("dir")) for cell in cells] == [("fa", "rtl")] * 4 + [("he", "rtl")] * 4


def test_a_number_that_is_a_name_has_no_percentiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = facts.load(str(card_corpus.build(tmp_path / "dumps")))
    shown = counted.Percentiles("number", 4, [(1.0, 2.0)] * len(counted.PERCENTS))
    length = counted.Percentiles("length", 4, [(1.0, 2.0)] * len(counted.PERCENTS))
    monkeypatch.setattr(counted, "percentiles", lambda _: [length, shown])
    page = lxml.html.fromstring(card.render(corpus))
    rows = {
        name: page.xpath(f"//section[@id='{name}']//div[starts-with(@aria-label, 'Percentiles')]//tbody/tr/th/text()")
        for name in ("books", "arxiv")
    }
    assert rows == {
        "books": ["bytes of text"],
        "arxiv": ["bytes of text", "number"],
    }  # of papers nobody knows what it is
