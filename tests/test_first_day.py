"""Every task of docs/first_day.md is done as it is typed, and left what its user wanted."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest

from pipelines import verify
from tests import first_day
from tests.first_day import Desk
from tests.pipelines import tiny


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return first_day.desk(tmp_path_factory.mktemp("desk"))


def test_the_page_has_a_row_commands_and_a_test_for_each_task() -> None:
    tasks = first_day.tasks()
    assert list(tasks) == list(range(1, 1 + len(tasks)))
    rows = [line.split("|")[1].strip() for line in first_day.PAGE.read_text().splitlines() if line.startswith("| ")][1:]
    assert [int(row.rstrip("*")) for row in rows] == list(tasks)
    tests = {name.split("_")[1]: test for name, test in globals().items() if name.startswith("test_")}
    for row, task in zip(rows, tasks.values(), strict=True):
        assert 1 <= len(task.commands) <= 4
        marks = [mark.name for mark in getattr(tests[row.rstrip("*")], "pytestmark", [])]
        assert ("full" in marks) == row.endswith("*")


@pytest.mark.full
def test_1_a_published_corpus_is_loaded(desk: Desk) -> None:
    assert "20" in desk.do(1).splitlines()


def test_2_german_pages_alone_are_kept(desk: Desk) -> None:
    desk.do(2)
    found = desk.documents("german", "common_crawl")
    assert len(found) == 12
    assert {row["language"] for row in found} == {"de"}
    assert desk.reasons("german", "common_crawl") == {"too_short": 12, "other_language": 99}


def test_3_near_duplicates_are_gone_and_the_columns_are_back(desk: Desk) -> None:
    desk.do(3)
    files = sorted((desk.folder / "deduplicated_rows/patents").glob("*.parquet"))
    rows = [row for path in files for row in pq.read_table(path).to_pylist()]
    assert set(rows[0]) == {"body", "number", "id"}
    assert {row["number"] % 100 for row in rows} == set(range(30))
    assert len(rows) == 30


def test_4_the_given_tokenizer_made_the_tokens(desk: Desk) -> None:
    desk.do(4)
    given = (desk.folder / "tokenizer.json").read_bytes()
    assert (desk.folder / "corpus/models/tokenizer/tokenizer.json").read_bytes() == given
    assert set(desk.json("corpus/tokens/stories/manifest.json")["splits"]) == {"train", "validation"}


def test_5_one_book_is_a_corpus(desk: Desk) -> None:
    desk.do(5)
    (book,) = desk.documents("book", "books")
    assert book["text"] == (desk.folder / "book.txt").read_text(encoding="utf-8").strip()
    assert list(verify.problems(str(desk.folder / "book"))) == []


def test_6_two_of_nine_files_are_named_and_none_is_fetched(desk: Desk) -> None:
    assert desk.do(6).count("https://data.example.org/crawl-data/") == 2
    assert not (desk.folder / "dry").exists()


@pytest.mark.full
def test_7_two_processes_go_on_where_one_stopped(desk: Desk) -> None:
    desk.do(7, 4)
    rows = [json.loads(line) for line in (desk.folder / "run/log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    assert (desk.folder / "run/summary.json").exists()


@pytest.mark.full
def test_8_the_exported_model_is_there_and_a_text_is_written(desk: Desk) -> None:
    printed = desk.do(8, 4, 7)
    assert "The old engineer" in printed
    names = {path.name for path in (desk.folder / "hugging_face").iterdir()}
    assert names >= {"config.json", "model.safetensors", "tokenizer.json"}


def test_9_joined_parts_are_the_whole(desk: Desk) -> None:
    desk.do(9)
    *_, whole = first_day.tasks()[9].commands
    desk.type(whole.replace("--output one", "--output whole"))
    assert tiny.identity(desk.folder / "one") == tiny.identity(desk.folder / "whole")
    assert any(name.startswith("tokens/books") for name in tiny.identity(desk.folder / "one"))


def test_10_the_filter_of_ones_own_drops_the_short_line(desk: Desk) -> None:
    desk.do(10)
    assert desk.reasons("filtered", "mine") == {"few_words": 1}
    assert len(desk.documents("filtered", "mine")) == 9
