"""The paper's inputs: the list without the network, and `--input paper` against servers that stand in for its hosts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from filters.wikitext.names import LANGUAGES
from pipelines import build, corpus
from pipelines.inputs import inputs, listings, paper
from pipelines.inputs.paper import PAPER_INPUTS

DRY_RUN = ["--recipe", "paper", "--dry-run"]
NO_NETWORK = ["unshare", "--user", "--map-root-user", "--net"]


def test_the_list_is_printed_without_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("socket.socket", lambda *_: pytest.fail("the network was used"))
    output = ["--output", str(tmp_path / "corpus")]
    assert corpus.main([*DRY_RUN, *output]) == 0
    said = capsys.readouterr().out
    assert "books           Books3: NOT AVAILABLE; no longer distributed\n" in said
    assert "common_crawl    CC-MAIN-2018-39: 56,320 files, 8,653 GB" in said
    assert "enwiki-20220620-pages-articles-multistream: 62 files, 21 GB" in said
    assert said.count("--input 'wikipedia[") == 1
    assert "rsync://aleph.gutenberg.org/gutenberg/\n                (by hand: give --input)" in said
    assert "of 27 of 30 dumps; the size of" in said.splitlines()[-1]
    assert corpus.main([*DRY_RUN, *output, "--source", "books"]) == 0
    assert "CC-MAIN" not in capsys.readouterr().out
    assert not (tmp_path / "corpus").exists()


def test_the_list_is_printed_where_there_is_no_network() -> None:
    if subprocess.run([*NO_NETWORK, "true"], capture_output=True).returncode:
        pytest.skip("this kernel gives no network namespaces here")
    for more in ([], ["--input", "paper"]):
        done = subprocess.run(
            [*NO_NETWORK, sys.executable, "-m", "pipelines.corpus", *DRY_RUN, *more], capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "NOT AVAILABLE" in done.stdout


def test_five_crawls_of_2017_to_2020_and_twenty_wikipedias_are_listed_with_sizes() -> None:
    by_source = {name: [listed for listed in PAPER_INPUTS if listed.source == name] for name in build.SOURCES}
    crawls = [listed.name for listed in by_source["common_crawl"]]
    assert len(set(crawls)) == 5
    assert {name.split("-")[2] for name in crawls} == {"2017", "2018", "2019", "2020"}
    assert [listed.name for listed in by_source["c4"]] == ["CC-MAIN-2019-18"]
    assert [listed.name[:2] for listed in by_source["wikipedia"]] == list(LANGUAGES)
    assert all(by_source.values())
    unknown = [listed.name for listed in PAPER_INPUTS if listed.size is None]
    assert unknown == ["bigquery-public-data.github_repos", "Project Gutenberg", "Books3", "the largest sites"]


def test_every_option_of_the_list_is_one_that_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("pipelines.inputs.stack_exchange_sites.urls", lambda *_, **named: ["https://a.example/a.7z"])
    options = paper.given(list(build.SOURCES), str(tmp_path))
    assert len(options) == len(set(options)) == 5 + 1 + 1 + 6 + 1
    parsed = [inputs.parse_option(option, list(build.SOURCES)) for option in options]
    assert {source for source, _, _ in parsed} == set(build.SOURCES) - {"github", "books"}
    assert (tmp_path / "stack_exchange.paths").read_text() == "https://a.example/a.7z\n"


def test_wikipedia_s_listing_has_each_part_of_each_language_with_its_digest() -> None:
    entries = listings.entries_of(str(paper.WIKIPEDIA_LISTING))
    assert all(entry.size and entry.sha256 for entry in entries)
    assert len({entry.sha256 for entry in entries}) == len(entries) == 168
    ends: dict[str, int] = {}
    for entry in entries:
        name = entry.path.removesuffix(".bz2")
        language, _, pages = name.partition("wiki/")[0], *name.rpartition(".xml-p")[1:]
        if "multistream.xml" not in name:  # a part: its pages begin where those of the part before end
            first, last = map(int, pages.split("p"))
            assert first == ends.get(language, 0) + 1
            ends[language] = last
    assert set(ends) == {"de", "en", "es", "fr", "hu", "it", "nl", "pl", "pt", "ru", "sv", "uk"}


def test_what_was_read_is_listed_with_its_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work = tmp_path / "work"
    (work / "downloads").mkdir(parents=True)
    crawl, wiki = "s3://commoncrawl/crawl-data/CC-MAIN-2019-18/", "https://dumps.wikimedia.your.org/slwiki/20220620/"
    rows = {f"{crawl}{n}.warc.wet.gz": [1_000 + n, 0, "0" * 64] for n in range(3)}
    rows["/dumps/own.warc.wet.gz"] = [10**9, 0, "1" * 64]
    (work / "inputs.json").write_text(json.dumps(rows))
    record = {"url": f"{wiki}slwiki.xml.bz2", "size": 271_633_989, "sha256": "2" * 64}
    (work / "downloads/a-slwiki.xml.bz2.json").write_text(json.dumps(record))
    assert corpus.main([*DRY_RUN, "--output", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert said.count("(read here: ") == 2
    assert f"{crawl} (read here: 3 files, 3,003 bytes, SHA-256 recorded)" in said
    assert f"{wiki} (read here: 1 files, 271,633,989 bytes, SHA-256 recorded)" in said
