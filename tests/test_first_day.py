"""Every task of docs/first_day.md is done as it is typed, and left what its user wanted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pyarrow.parquet as pq
import pytest

from pipelines import verify
from pipelines.tokens.shards import Manifest, Shard
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
    assert len([path for path in (desk.folder / "book").rglob("*") if path.is_file()]) < 120


def test_6_two_of_nine_files_are_named_and_none_is_fetched(desk: Desk) -> None:
    assert desk.do(6).count("https://data.example.org/crawl-data/") == 2
    assert not (desk.folder / "dry").exists()


@pytest.mark.full
def test_7_two_processes_go_on_where_one_stopped(desk: Desk) -> None:
    desk.do(7, 4)
    assert [row["step"] for row in log(desk, "run")] == [1, 2, 3, 4]
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


def test_11_each_line_is_a_document(desk: Desk) -> None:
    desk.do(11)
    lines = (desk.folder / "lines.txt").read_text(encoding="utf-8").splitlines()
    assert [row["text"] for row in desk.documents("lines", "lines")] == lines


def test_12_near_duplicates_of_another_folder_are_gone(desk: Desk) -> None:
    desk.do(12)
    assert desk.reasons("global", "crawl") == {"near_duplicate": 4}
    assert len({row["text"] for row in desk.documents("global", "crawl")}) == 13


def test_13_equal_documents_are_gone(desk: Desk) -> None:
    desk.do(13)
    assert desk.reasons("exact", "crawl") == {"duplicate": 4}
    assert len({row["text"] for row in desk.documents("exact", "crawl")}) == 13


def test_14_what_was_interrupted_ends_as_if_it_had_not_been(desk: Desk) -> None:
    desk.do(14)
    again = first_day.tasks()[14].commands[-1]
    desk.type(again.replace("--output resumed", "--output straight"))
    found = tiny.identity(desk.folder / "resumed")
    assert found == tiny.identity(desk.folder / "straight")
    assert "tokens/crawl/train-00000.bin" in found


def test_15_tokens_lead_to_their_text_and_file(desk: Desk) -> None:
    lines = desk.do(15, 4).splitlines()
    (told,) = (line for line in lines if line.startswith("  dump "))
    (shown,) = (line for line in lines if "▸" in line and not line.startswith("character"))
    assert shown.replace("▸", "") in (desk.folder / told.split()[1]).read_text(encoding="utf-8")


def test_16_other_trainers_files_are_there(desk: Desk) -> None:
    desk.do(16, 4)
    tokens = sum(shard.tokens for shard in splits(desk)["train"])
    assert (desk.folder / "megatron/stories/train-00000.bin").stat().st_size == 2 * tokens
    assert desk.json("mds/stories/train/index.json")["shards"]


def test_17_lines_have_the_keys_that_were_asked_for(desk: Desk) -> None:
    desk.do(17)
    rows = [json.loads(line) for line in (desk.folder / "renamed.jsonl").read_text().splitlines()]
    assert len(rows) == 17
    assert set(rows[0]) == {"content", "meta", "version"}
    assert {row["meta"]["id"] for row in rows} == own_ids()


def test_18_what_is_missing_has_a_reason(desk: Desk) -> None:
    printed = desk.do(18)
    assert "no_text 2, malformed 1" in printed
    assert "broken.jsonl: records that cannot be read: malformed 1" in printed
    assert desk.reasons("counted", "broken") == {"no_text": 2, "malformed": 1}


def test_19_numpy_reads_as_many_tokens_as_the_manifest_says(desk: Desk) -> None:
    assert desk.do(19, 4) == f"{splits(desk)['train'][0].tokens} tokens\n"


def test_20_the_document_with_the_question_is_gone(desk: Desk) -> None:
    desk.do(20)
    assert desk.reasons("clean", "crawl") == {"contaminated:boolq": 1}
    assert {row["row_id"] for row in desk.documents("clean", "crawl")} == {
        *(f"doc-{n}" for n in range(4)),
        "new-1",
        "new-2",
    }
    assert first_day.QUESTION not in str(desk.documents("clean", "crawl"))


def test_21_a_repeated_line_stays_once(desk: Desk) -> None:
    desk.do(21)
    found = [row["text"] for row in desk.documents("forum", "forum")]
    assert len(found) == 5
    assert sum("Log in" in text for text in found) == 1


def test_22_crawled_pages_are_documents_or_drops(desk: Desk) -> None:
    desk.do(22)
    found = desk.documents("c4", "c4")
    assert found
    assert len(found) + len(desk.drops("c4", "c4")) == 123
    assert not any("Der alte Mann" in row["text"] for row in found)


def test_23_ones_own_ids_are_those_that_came_in(desk: Desk) -> None:
    desk.do(23)
    kept = (desk.folder / "kept.txt").read_text().split()
    assert len(kept) == 13
    assert set(kept) == own_ids()


def test_24_one_language_stays(desk: Desk) -> None:
    desk.do(24)
    assert len(desk.documents("one_language", "mixed")) == 4
    assert all("Der alte Mann" in row["text"] for row in desk.documents("one_language", "mixed"))


def test_25_files_of_a_sentence_are_trained_on(desk: Desk) -> None:
    desk.do(25)
    rows = log(desk, "sentence_run")
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[-1]["loss"] < rows[0]["loss"]


@pytest.mark.full
def test_26_a_run_goes_on(desk: Desk) -> None:
    desk.do(26, 4)
    assert [row["step"] for row in log(desk, "paused")] == [1, 2, 3, 4]
    straight = first_day.tasks()[26].commands[-1].replace("--output paused", "--output straight_run")
    desk.type(straight)
    assert [row["loss"] for row in log(desk, "paused")] == [row["loss"] for row in log(desk, "straight_run")]


@pytest.mark.full
def test_27_transformers_loads_the_model(desk: Desk) -> None:
    (parameters,) = filter(str.isdigit, desk.do(27, 4, 7, 8).splitlines())
    assert int(parameters) == desk.json("run/summary.json")["parameters"]


def test_28_the_plan_has_the_shares_that_were_given(desk: Desk) -> None:
    rows = {line.split()[0]: line.split() for line in desk.do(28).splitlines() if line.strip()}
    assert "70.00%" in rows["tales"]
    assert "30.00%" in rows["essays"]


def test_29_held_out_documents_are_scored(desk: Desk) -> None:
    desk.do(29, 4)
    rows = [json.loads(line) for line in (desk.folder / "scored/evaluations.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4]
    assert all(row["bits_per_byte"]["stories"] > 0 for row in rows)


def test_30_a_tenth_is_held_out(desk: Desk) -> None:
    desk.do(30)
    sizes = [(desk.folder / f"nanogpt/tales/{name}.bin").stat().st_size for name in ("train", "val")]
    assert 0.05 < sizes[1] / sum(sizes) < 0.2


def splits(desk: Desk) -> Mapping[str, Sequence[Shard]]:
    return Manifest.load(desk.folder / "corpus/tokens/stories").splits


def own_ids() -> set[str]:
    return {*(f"doc-{number}" for number in range(10)), *(f"new-{number}" for number in range(3))}


def log(desk: Desk, run: str) -> list[first_day.Row]:
    return [json.loads(line) for line in (desk.folder / run / "log.jsonl").read_text().splitlines()]
