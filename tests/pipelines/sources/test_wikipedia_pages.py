"""Wikipedia's pages over several dumps: one revision of each; whose header and index fit; whole builds of them."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from filters.wikitext import definitions
from pipelines import corpus
from pipelines.document import Document
from pipelines.files import tables
from pipelines.models import templates
from pipelines.readers import mediawiki_header
from pipelines.recipes import Wikipedia
from pipelines.sources import wikipedia
from pipelines.stages.kinds import Context
from pipelines.stages.source import Input
from tests.pipelines.tiny import page

SETTINGS = ("--runner", "plain", "--recipe", "paper", "--source", "wikipedia", "--set", "tokenize=false", "--set")
PROSE = "Three llamas walked over the bridge, and the herder counted them twice."


def revision(number: int, day: int, text: str = "") -> str:
    """Return a page as it was on a day of June."""
    made = page(number, f"Title {number}", 0, text or f"{PROSE} That was on day {day}.")
    return made.replace("2022-06-01T00", f"2022-06-{day:02d}T00")


def dump(*pages: str, wiki: str = "enwiki", language: str = "en") -> bytes:
    header = f'<mediawiki version="0.10" xml:lang="{language}"><siteinfo><dbname>{wiki}</dbname></siteinfo>'
    return f"{header}{''.join(pages)}</mediawiki>".encode()


def build(output: Path, *inputs: str) -> int:
    words = [word for one in inputs for word in ("--input", f"wikipedia{one}")]
    return corpus.main([*SETTINGS, "buckets=2", *words, "--output", str(output)])


def manifest(output: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((output / "wikipedia/manifest.json").read_text())
    return found


def texts(output: Path) -> dict[str, str]:
    """Return the texts by language and page id."""
    rows = [row for path in output.glob("wikipedia/documents/*.parquet") for row in tables.read_documents(str(path))]
    found = {"/".join(row.id.split("/")[1::2]): row.text for row in rows}
    assert len(found) == len(rows)
    return found


def dropped(output: Path) -> dict[str, int]:
    stages = manifest(output)["stages"]
    return {
        f"{stage}/{reason}": count
        for account in stages
        for stage, reasons in account["dropped"].items()
        for reason, (count, _) in reasons.items()
    }


def test_of_two_dates_the_newest_revision_stays_in_any_order(tmp_path: Path) -> None:
    redirect = revision(4, 9, "#REDIRECT [[Title 1]]").replace("<revision>", '<redirect title="Title 1" /><revision>')
    june = [revision(1, 1), revision(2, 8), revision(3, 1), revision(4, 1)]
    july = [revision(1, 9), revision(2, 2), revision(5, 9), redirect]
    (tmp_path / "enwiki-20220601-pages.xml").write_bytes(dump(*june))
    (tmp_path / "enwiki-20220701-pages.xml.gz").write_bytes(gzip.compress(dump(*july)))
    (tmp_path / "dewiki-20220701-pages.xml.xz").write_bytes(lzma.compress(dump(revision(1, 5), wiki="dewiki")))
    names = [f"={tmp_path}/{name}" for name in ("enwiki-20220601*", "enwiki-20220701*", "dewiki-*")]
    assert build(tmp_path / "one", *names) == 0
    assert build(tmp_path / "other", *reversed(names)) == 0
    found = {name: int(text.rpartition("day ")[2].rstrip(".")) for name, text in texts(tmp_path / "one").items()}
    assert found == {"en/1": 9, "en/2": 8, "en/3": 1, "en/5": 9, "de/1": 5}
    assert dropped(tmp_path / "one") == {"articles/older_revision": 3, "articles/redirect": 1}
    for kind in ("documents", "drops"):
        assert manifest(tmp_path / "one")[kind]["digest"] == manifest(tmp_path / "other")[kind]["digest"]


def multistream(folder: Path, groups: int = 4, wiki: str = "enwiki") -> tuple[Path, Path]:
    """Write a multistream dump of pages 1, 2, 11, 12 ... with its index."""
    data, lines = bz2.compress(dump(wiki=wiki).removesuffix(b"</mediawiki>")), ""
    for group in range(groups):
        numbers = (10 * group + 1, 10 * group + 2)
        lines += "".join(f"{len(data)}:{number}:Title {number}\n" for number in numbers)
        data += bz2.compress("".join(revision(number, 1) for number in numbers).encode())
    whole = folder / f"{wiki}-20220601-pages-articles-multistream.xml.bz2"
    whole.write_bytes(data + bz2.compress(b"</mediawiki>"))
    index = folder / f"{wiki}-20220601-pages-articles-multistream-index.txt.bz2"
    index.write_bytes(bz2.compress(lines.encode()))
    return whole, index


def test_a_dump_whole_and_as_multistream_by_one_glob(tmp_path: Path) -> None:
    whole, _ = multistream(tmp_path)
    (tmp_path / "enwiki-20220601-pages-articles.xml.bz2").write_bytes(whole.read_bytes() + bytes(10_240))
    assert build(tmp_path / "corpus", f"={tmp_path}/*.xml.bz2") == 0
    assert texts(tmp_path / "corpus").keys() == {f"en/{10 * group + one}" for group in range(4) for one in (1, 2)}
    assert dropped(tmp_path / "corpus") == {"articles/older_revision": 8}
    assert manifest(tmp_path / "corpus")["warnings"] == []


@pytest.mark.parametrize("lost", ["first lines", "another dump's"])
def test_an_index_that_does_not_fit_is_refused(tmp_path: Path, lost: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, index = multistream(tmp_path)
    if lost == "first lines":
        lines = bz2.decompress(index.read_bytes()).splitlines(keepends=True)
        index.write_bytes(bz2.compress(b"".join(lines[4:])))
    else:
        (tmp_path / "other").mkdir()
        index.write_bytes(multistream(tmp_path / "other", 3, "frwiki")[1].read_bytes())
    assert build(tmp_path / "corpus", f"={tmp_path}/*.xml.bz2") == 2
    told = capsys.readouterr().err
    assert f"{index}: the index does not fit the dump" in told


def test_an_index_is_no_dump(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, index = multistream(tmp_path)
    assert build(tmp_path / "corpus", f"={index}") == 2
    told = capsys.readouterr().err
    assert f"{index}: this is text in bzip2" in told
    assert "an index is found beside it" in told


@pytest.mark.parametrize(
    ("name", "wiki"), [("itwiki-1.xml", "itwiki"), ("enwiktionary-1.xml", "enwiktionary"), ("enwiki-1.xml", "itwiki")]
)
def test_a_dump_of_another_wiki_is_refused(
    tmp_path: Path, name: str, wiki: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(dump(revision(1, 1, "Prosa. [[Categoria:Animali]]"), wiki=wiki))
    given = f"[language=en]={tmp_path / name}"
    assert build(tmp_path / "corpus", given) == 2
    assert f"{tmp_path / name}: the header of the dump names {wiki}" in capsys.readouterr().err
    assert build(tmp_path / "corpus", given, "=x") == 2  # and again with what else is wrong


def test_a_wrong_header_can_be_overruled_and_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "enwiki-1.xml"
    path.write_bytes(dump(revision(1, 1), wiki="mywiki"))
    words = ["--input", f"wikipedia={path}", "--set", "wikipedia.check_header=false"]
    assert corpus.main([*SETTINGS, "buckets=2", *words, "--output", str(tmp_path / "corpus")]) == 0
    told = f"wikipedia: {path}: its header says mywiki; it is taken for 'en', as it is named"
    assert f"warning: {told}" in capsys.readouterr().err
    assert manifest(tmp_path / "corpus")["warnings"] == [told]


def test_real_dumps_whose_headers_are_wrong_are_built_by_their_pages(tmp_path: Path, dumps: Path) -> None:
    assert build(tmp_path / "corpus", f"={dumps}/wikipedia/*.xml.bz2") == 0
    assert len(texts(tmp_path / "corpus")) == 14
    assert len(manifest(tmp_path / "corpus")["warnings"]) == 10


def test_a_dump_without_a_page_fails_and_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "enwiki-1.xml").write_bytes(dump())
    assert build(tmp_path / "corpus", f"={tmp_path}/enwiki-1.xml") == 1
    assert "enwiki-1.xml: no page is in it" in capsys.readouterr().err


def test_a_header_is_read_once_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "enwiki-1.xml"
    path.write_bytes(dump(revision(1, 1), wiki="mywiki"))
    given = [Input(str(path), f"digest of {path}", path.stat().st_size, (("language", "en"),))]
    opened: list[BinaryIO] = []

    def header_of(stream: BinaryIO) -> mediawiki_header.Header:
        opened.append(stream)
        return read(stream)

    read = mediawiki_header.header_of
    monkeypatch.setattr(mediawiki_header, "header_of", header_of)
    recipe = replace(Wikipedia(), check_header=True)
    with pytest.raises(ValueError, match="names mywiki"):
        wikipedia.items(given, recipe)
    assert len(list(wikipedia.remarks(given))) == 1
    assert len(opened) == 1
    assert len(list(wikipedia.remarks([replace(given[0], digest="of other content")]))) == 1
    assert len(opened) == 2


def test_a_model_made_again_in_its_place_is_read_anew(tmp_path: Path) -> None:
    def text(meaning: str) -> str:
        path = tmp_path / "new"
        found = definitions.record("Template:Xyzzy", meaning, "en")
        assert found is not None
        definitions.write([found], path)
        (tmp_path / "en").mkdir(exist_ok=True)
        path.replace(tmp_path / "en" / definitions.FILE)
        context = Context(Wikipedia().articles, {templates.NAME: str(tmp_path)})
        page = Document(
            id="en/1",
            source="wikipedia",
            text="A {{xyzzy}} of prose.",
            dump="0",
            offset=0,
            language="en",
            attributes={"namespace": "0"},
        )
        done = wikipedia.clean(page, context)
        assert isinstance(done, Document)
        return done.text

    assert text("first") == "A first of prose."
    assert text("later") == "A later of prose."
