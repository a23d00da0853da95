"""Lists, listings and tables that a user gives, as editors save them: with a byte order mark or not, LF or CRLF."""

import bz2
import codecs
import io
import json
from collections import Counter
from pathlib import Path

import pytest

from filters.web import quality_models
from filters.web.c4 import BadWords
from filters.web.personal_info import Sites
from pipelines import contamination
from pipelines.inputs.listings import Entry, entries_of
from pipelines.models.by_path import given
from pipelines.readers import Dump, mediawiki_index, texts
from pipelines.readers.columns import Columns
from pipelines.recipe_parts import Fields
from pipelines.recipes import PAPER

MARKS = [b"", codecs.BOM_UTF8]
ENDS = [b"\n", b"\r\n"]


@pytest.fixture(params=[(mark, end) for mark in MARKS for end in ENDS], ids=str)
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> "Saved":
    return Saved(tmp_path, *request.param)


class Saved:
    """Writes files as one editor does."""

    def __init__(self, folder: Path, mark: bytes, end: bytes) -> None:
        self.folder, self.mark, self.end = folder, mark, end

    def bytes(self, *lines: str) -> bytes:
        return self.mark + b"".join(line.encode() + self.end for line in lines)

    def __call__(self, name: str, *lines: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(self.bytes(*lines))
        return path


def test_bad_words(saved: Saved) -> None:
    words = BadWords(saved("words.txt", "drat", "heck no"))
    assert all(map(words.reason, ["Oh drat.", "oh heck no"])) and not words.reason("hello")


def test_sites(saved: Saved) -> None:
    sites = Sites.load(saved("sites.txt", "people.example", "other.example"))
    assert sites.reason("http://people.example/1") and sites.reason("http://other.example/")


def test_cutoffs(saved: Saved) -> None:
    table = quality_models.load_cutoffs(str(saved("cutoff.csv", ",en,de", "30,1.5,2", "60,3,4")))
    assert table["en"].head == 1.5 and table["de"].middle == 4
    rows = json.dumps({"en": {"head": 1.5, "middle": 3}}, indent=1).splitlines()
    assert quality_models.load_cutoffs(str(saved("folder/cutoffs.json", *rows).parent)) == {"en": table["en"]}


def test_sites_of_stack_exchange(saved: Saved) -> None:
    path = saved("sites/sites.json", "{", '"chosen": ["coffee.stackexchange.com"]}')
    assert given("stack_exchange_sites", str(path.parent), PAPER).files


def test_listings(saved: Saved) -> None:
    listing = saved("wet.paths", "a/1.warc.wet.gz", "a/2.warc.wet.gz")
    assert entries_of(str(listing)) == [Entry("a/1.warc.wet.gz"), Entry("a/2.warc.wet.gz")]


@pytest.mark.parametrize("packed", [False, True])
def test_an_index_of_wikipedia(saved: Saved, packed: bool) -> None:
    index = saved.bytes("10:1:One", "500:2:Two")
    found = mediawiki_index.read(io.BytesIO(bz2.compress(index) if packed else index), 900).spans(1)
    assert found == [(10, 500), (500, 900)]


def test_rows_of_own_texts_and_benchmarks(saved: Saved) -> None:
    path = saved("rows.jsonl", '{"text": "one"}', '{"text": "two"}')
    counts, nothing = Counter[str](), Columns()
    with path.open("rb") as stream:
        found = [one.text for one in texts.read(stream, Dump("rows.jsonl", "d"), counts, "own", Fields(), nothing)]  # type: ignore[union-attr]
    assert found == [row["text"] for row in contamination.examples(path)] == ["one", "two"]


def test_a_list_in_utf_16_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("drat\n", encoding="utf-16")
    with pytest.raises(ValueError, match=r"words\.txt: not a list of words in UTF-8"):
        BadWords(path)
