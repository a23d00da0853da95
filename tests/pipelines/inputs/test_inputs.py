"""Inputs are known by content and attributes, whatever their names and order; mistakes name the option."""

from __future__ import annotations

import bz2
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.build import SOURCES
from pipelines.files import storage
from pipelines.inputs import inputs, listings
from pipelines.recipes import Wikipedia
from pipelines.sources import wikipedia
from pipelines.stages.source import Input, Source

NAMES = ("c4", "wikipedia")


def attributes(name: str) -> dict[str, str]:
    language = Path(name).name[:2]
    if language not in ("en", "de"):
        raise ValueError("no language in the name")
    return {"language": language}


def source(*, copies: bool = False) -> Source:
    return Source(
        name="toy",
        read=wikipedia.SOURCE.read,
        stages=(),
        attributes=attributes,
        attribute_names=("language", "licence"),
        copies=copies,
    )


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, content in files.items():
        storage.write_bytes(str(folder / name), content.encode())


def find(folder: Path, *patterns: tuple[dict[str, str], str], copies: bool = False) -> list[Input]:
    found = [(given, f"{folder}/{pattern}") for given, pattern in patterns]
    return inputs.find(source(copies=copies), found, f"{folder}/.cache/inputs.json")


@pytest.mark.parametrize(
    ("option", "parsed"),
    [
        ("c4=/a/*.gz", ("c4", {}, "/a/*.gz")),
        ("c4=s3://bucket/a=b[1].gz", ("c4", {}, "s3://bucket/a=b[1].gz")),
        ("wikipedia[language=de]=x", ("wikipedia", {"language": "de"}, "x")),
        ("wikipedia[language=de, site = a.org]=x", ("wikipedia", {"language": "de", "site": "a.org"}, "x")),
        ("c4[]=x", ("c4", {}, "x")),
    ],
)
def test_options(option: str, parsed: tuple[str, dict[str, str], str]) -> None:
    assert inputs.parse_option(option, NAMES) == parsed


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("c4", "write it as NAME=GLOB_OR_URL"),
        ("c4=", "write it as NAME=GLOB_OR_URL"),
        ("C4=x", "write it as NAME=GLOB_OR_URL"),
        ("usenet=x", "there is no source 'usenet'; available: c4, wikipedia"),
        ("c4[month]=x", "write the attribute 'month' as name=value"),
        ("c4[=a]=x", "write the attribute '=a' as name=value"),
    ],
)
def test_options_with_mistakes(option: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        inputs.parse_option(option, NAMES)
    assert f"--input {option}" in str(raised.value)


def test_names_and_order_are_no_part_of_an_input(tmp_path: Path) -> None:
    write(tmp_path / "a", {"en-1": "one", "en-2": "two", "de-1": "one"})
    write(tmp_path / "b", {"deep/en-9": "one", "en-0": "two", "de": "one"})
    first = find(tmp_path / "a", ({}, "en-1"), ({}, "en-2"), ({}, "de*"))
    second = find(tmp_path / "b", ({}, "de"), ({}, "**/en*"))
    assert [entry.digest for entry in first] == [entry.digest for entry in second]
    assert len({entry.digest for entry in first}) == 3
    assert {(dict(entry.attributes)["language"], entry.size) for entry in first} == {("en", 3), ("de", 3)}


def test_given_attributes_stand_for_those_of_the_name(tmp_path: Path) -> None:
    write(tmp_path, {"en-1": "one", "nameless": "one"})
    told, given = find(tmp_path, ({}, "en-1")), find(tmp_path, ({"language": "en"}, "en-1"))
    assert told[0].digest == given[0].digest
    (other,) = find(tmp_path, ({"language": "de"}, "en-1"))
    assert other.digest != told[0].digest
    whole = {"language": "en", "licence": "mit"}
    assert find(tmp_path, (whole, "nameless"))[0].digest == find(tmp_path, (whole, "en-1"))[0].digest


def test_what_is_not_given_still_comes_from_the_name(tmp_path: Path) -> None:
    write(tmp_path, {"en-1": "one"})
    (one,) = find(tmp_path, ({"licence": "mit"}, "en-1"))
    assert dict(one.attributes) == {"language": "en", "licence": "mit"}
    (both,) = find(tmp_path, ({"language": "en", "licence": "mit"}, "en-1"))
    assert both.digest == one.digest != find(tmp_path, ({}, "en-1"))[0].digest


@pytest.mark.parametrize("found", SOURCES.values(), ids=SOURCES)
def test_every_source_names_the_attributes_it_knows(found: Source, tmp_path: Path) -> None:
    known = {**dict.fromkeys(found.attribute_names, "x"), "lnguage": "de"}
    with pytest.raises(
        ValueError, match=rf"--input {found.name}\[lnguage=de\]=.*: {found.name} has no attribute"
    ) as raised:
        inputs.find(found, [(known, f"{tmp_path}/dump")], f"{tmp_path}/inputs.json")
    assert all(f" {name}" in str(raised.value) for name in (*found.attribute_names, *listings.ATTRIBUTES))


@pytest.mark.parametrize(
    "name", ["1904/arXiv_src_1904_001.tar", "github.com/o/n/archive/v1.tar.gz", "books/shelf/a/b.txt"]
)
def test_what_a_name_tells_is_known(name: str) -> None:
    told = [(found, found.attributes(name)) for found in SOURCES.values() if found.name in ("arxiv", "github", "books")]
    assert any(attributes for _, attributes in told)
    assert all(attributes.keys() <= {*found.attribute_names} for found, attributes in told)


def test_files_of_one_content_are_one_input_or_copies(tmp_path: Path) -> None:
    write(tmp_path, {"en-1": "one", "en-2": "one", "en-3": "two"})
    found = find(tmp_path, ({}, "en-*"))
    assert sorted((Path(entry.path).name, len(entry.copies)) for entry in found) == [("en-1", 1), ("en-3", 0)]
    copies = find(tmp_path, ({}, "en-*"), copies=True)
    assert len({entry.digest for entry in copies}) == 3
    assert {entry.digest for entry in found} < {entry.digest for entry in copies}


def test_a_changed_file_is_read_again_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"en-1": "one", "en-2": "two"})
    before = {entry.path: entry.digest for entry in find(tmp_path, ({}, "en-*"))}
    read: list[str] = []
    sha256 = storage.sha256

    def spy(path: str) -> str:
        read.append(path)
        return sha256(path)

    monkeypatch.setattr(storage, "sha256", spy)
    find(tmp_path, ({}, "en-*"))
    assert read == []
    (tmp_path / "en-2").write_text("TWO")
    os.utime(tmp_path / "en-2", ns=(1, 1))
    after = {entry.path: entry.digest for entry in find(tmp_path, ({}, "en-*"))}
    assert read == [f"{tmp_path}/en-2"]
    assert [path for path in before if before[path] != after[path]] == read


def test_a_folder_is_its_files_but_not_the_hidden_ones(tmp_path: Path) -> None:
    write(tmp_path, {"dumps/en-1": "one", "dumps/sub/de-2": "two", "dumps/.listing": "x", ".en": "y"})
    assert sorted(Path(entry.path).name for entry in find(tmp_path, ({}, "dumps"))) == ["de-2", "en-1"]
    assert len(find(tmp_path, ({"language": "en", "licence": "mit"}, ".en"))) == 1


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        ([({}, "none*")], r"--input toy=.*/none\*: no such file"),
        ([({}, "fr-1")], "--input toy=.*/fr-1: no language in the name"),
        ([({"licence": "mit"}, "fr-1")], "--input toy=.*/fr-1: no language in the name"),
        (
            [({"langauge": "de"}, "en-1")],
            r"--input toy\[langauge=de\]=.*/en-1: toy has no attribute 'langauge'; available: language, licence, and "
            "for a listing files and base",
        ),
        ([({}, "en-1"), ({"language": "de"}, "en*")], "en-1 is given twice, with different attributes"),
    ],
)
def test_mistakes_name_the_option(tmp_path: Path, patterns: list[tuple[dict[str, str], str]], message: str) -> None:
    write(tmp_path, {"en-1": "one", "fr-1": "two"})
    with pytest.raises(ValueError, match=message):
        find(tmp_path, *patterns)


def multistream(folder: Path) -> Input:
    """Write a multistream dump of four pages in streams of their own, and its index."""
    pages = [f"<page><id>{number}</id></page>" for number in range(1, 5)]
    streams = [bz2.compress(text.encode()) for text in ("<siteinfo></siteinfo>", *pages)]
    offsets = [sum(map(len, streams[:number])) for number in range(6)]
    lines = "".join(f"{offset}:{number}:Page {number}\n" for number, offset in enumerate(offsets[1:5], 1))
    path = folder / "enwiki-pages-articles-multistream.xml.bz2"
    path.write_bytes(b"".join(streams))
    (folder / "enwiki-pages-articles-multistream-index.txt.bz2").write_bytes(bz2.compress(lines.encode()))
    return Input(str(path), "d", offsets[5], (("language", "en"),))


def test_a_range_with_another_end_is_another_item(tmp_path: Path) -> None:
    dump = multistream(tmp_path)
    pages = wikipedia.items([dump], Wikipedia(span_bytes=1))
    whole = wikipedia.items([dump], Wikipedia(span_bytes=1 << 20))
    assert (len(pages), len(whole)) == (4, 1)
    assert pages[0].parts[0].start == whole[0].parts[0].start
    assert not {item.key for item in pages} & {item.key for item in whole}
    ends = [(item.parts[0].start, item.parts[0].end) for item in pages]
    assert [end for _, end in ends] == [*(start for start, _ in ends[1:]), dump.size]


def test_a_language_that_is_none_of_the_twenty_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    dump = replace(multistream(tmp_path), attributes=(("language", "eo"),))
    with pytest.raises(ValueError, match=f"--input wikipedia={dump.path}: language 'eo' is not one of the 20"):
        wikipedia.items([dump], Wikipedia())


def test_an_index_that_says_nothing_is_named(tmp_path: Path) -> None:
    dump = multistream(tmp_path)
    index = tmp_path / "enwiki-pages-articles-multistream-index.txt.bz2"
    for content, message in ((b"", "the index is empty"), (b"x:y\n", "line 1 of the multistream index")):
        index.write_bytes(bz2.compress(content))
        with pytest.raises(ValueError, match=f"{index}: {message}"):
            wikipedia.items([dump], Wikipedia())
