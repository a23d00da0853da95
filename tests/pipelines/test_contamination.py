import gzip
import json
import random
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import contamination
from pipelines.contamination import Overlap, benchmark_files, build, examples, main, scan
from pipelines.files import storage
from tests.pipelines import made

QUESTION = "Which of the two bridges over the slow river was built first, and who paid for its nine stone arches?"
ENDING = "the miller's daughter walked home along the towpath before the lamps were lit"
NINE = "Nobody at the fair could guess the heaviest pumpkin."


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    return write(
        tmp_path / "questions.jsonl",
        [{"question": QUESTION, "choices": {"text": [ENDING, "no"]}}, {"question": NINE}, {"question": "Too short?"}],
    )


def found(benchmark: Path, *texts: str, limit: int = 10) -> list[str]:
    overlap = Overlap(build([str(benchmark)]), limit)
    for number, text in enumerate(texts):
        overlap.add("web", f"web/{number}", text)
    return [identifier for _, identifier in overlap.contaminated()]


@pytest.mark.parametrize(
    "text",
    [
        QUESTION,
        f"Before. {QUESTION} After.",
        "the two bridges over the slow river was built first and who paid",  # the runs of 13 words inside
        "of THE two bridges... over the (slow) river -- was built first,\nand_who paid for",
        f"He wrote that {ENDING.upper()}.",
        f"x{'y' * 50} {NINE} z",  # a text of nine words is one run
    ],
)
def test_a_run_of_thirteen_words_or_a_whole_short_text_is_found(questions: Path, text: str) -> None:
    assert found(questions, "nothing here", text) == ["web/1"]


@pytest.mark.parametrize(
    "text",
    [
        "the two bridges over the slow river was built first and who",  # twelve words of a longer text
        "Nobody at the fair could guess the heaviest",  # eight of a text of nine
        "Too short?",
        f"{' '.join(QUESTION.split()[-6:])} {' '.join(ENDING.split()[:7])}",  # across two texts
        "",
        "… — !",
    ],
)
def test_less_is_not(questions: Path, text: str) -> None:
    assert found(questions, text) == []


def test_a_run_in_many_documents_is_common_language(questions: Path) -> None:
    assert found(questions, *[QUESTION] * 3, limit=3) == ["web/0", "web/1", "web/2"]
    assert found(questions, *[QUESTION] * 4, limit=3) == []
    # What only one of them has beyond the common run is evidence still.
    assert found(questions, *[QUESTION] * 4, ENDING, limit=3) == ["web/4"]


def test_memory_does_not_grow_with_the_documents(questions: Path) -> None:
    overlap = Overlap(build([str(questions)]), limit=5)
    for number in range(1000):
        overlap.add("web", str(number), QUESTION)
    assert all(len(documents) == 6 for documents in overlap.documents.values())


def test_the_table_counts_examples_and_documents(questions: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other.jsonl", [{"a": QUESTION}, {"a": ENDING}, {"a": "unrelated words " * 10}])
    overlap = Overlap(build([str(questions), f"mine={other}"]))
    overlap.add("web", "web/0", QUESTION + " " + ENDING)
    overlap.add("web", "web/1", ENDING)
    overlap.add("books", "books/0", NINE)
    overlap.add("books", "books/1", "nothing")
    rows = {(row["benchmark"], row["source"]): row for row in overlap.table()}
    assert set(rows) == {("questions", "web"), ("questions", "books"), ("mine", "web")}
    assert rows["questions", "web"] | {"examples": 1, "documents": 2, "of_documents": 2} == rows["questions", "web"]
    assert rows["questions", "books"] | {"examples": 1, "documents": 1} == rows["questions", "books"]
    assert rows["mine", "web"] | {"examples": 2, "of_examples": 3, "too_short": 0} == rows["mine", "web"]
    assert rows["questions", "web"] | {"of_examples": 3, "too_short": 1} == rows["questions", "web"]


def slow(benchmark: list[list[str]], text: str, n: int) -> set[tuple[int, tuple[str, ...]]]:
    """Return (example, run) pairs found, by sets of tuples."""

    def split(value: str) -> list[str]:
        return re.sub(r"[\W_]+", " ", value.lower()).split()

    wanted: dict[tuple[str, ...], set[int]] = {}
    for number, example in enumerate(benchmark):
        for value in example:
            tokens = split(value)
            size = min(n, len(tokens))
            if size >= min(8, n):
                for at in range(len(tokens) - size + 1):
                    wanted.setdefault(tuple(tokens[at : at + size]), set()).add(number)
    tokens = split(text)
    there = {tuple(tokens[at : at + size]) for size in range(2, n + 1) for at in range(len(tokens) - size + 1)}
    return {(number, run) for run in there & wanted.keys() for number in wanted[run]}


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_the_same_is_found_as_with_sets_of_words(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    n = data.draw(st.sampled_from([2, 3, 9, 13]))
    word = st.sampled_from(["a", "B", "c,", "d_e", "é", "中", "'", "7"])
    text = st.lists(word, max_size=25).map(" ".join)
    benchmark = data.draw(st.lists(st.lists(text, max_size=3), max_size=5))
    document = data.draw(text)
    path = write(tmp_path_factory.mktemp("set") / "b.jsonl", benchmark)
    index = build([str(path)], n)
    pairs = [
        (example, run)
        for run in index.hits(document).tolist()
        for example in index.owners[index.starts[run] : index.starts[run + 1]].tolist()
    ]
    right = slow(benchmark, document, n)
    assert len(set(pairs)) == len(pairs) == len(right)
    assert sorted(example for example, _ in pairs) == sorted(example for example, _ in right)


def test_a_million_words_are_compared_without_chance_hits(questions: Path) -> None:
    draw = random.Random(3)
    vocabulary = [f"w{number}" for number in range(50)]
    index = build([str(questions)])
    assert index.hits(" ".join(draw.choices(vocabulary, k=300_000))).tolist() == []


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".parquet", ".arrow", "file.arrow"])
def test_every_format_is_read(tmp_path: Path, suffix: str) -> None:
    rows = [{"q": QUESTION, "n": 1, "c": [ENDING, None]}, {"q": NINE, "n": 2, "c": []}]
    path = tmp_path / f"set{suffix}"
    table = pa.Table.from_pylist(rows)
    if suffix == ".jsonl":
        write(path, rows)
    elif suffix == ".jsonl.gz":
        path.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    elif suffix == ".parquet":
        pq.write_table(table, path)
    else:
        new = pa.ipc.new_file if suffix == "file.arrow" else pa.ipc.new_stream
        with path.open("wb") as stream, new(stream, table.schema) as writer:
            writer.write_table(table)
    assert list(examples(path)) == rows
    assert found(path, QUESTION, ENDING, NINE) == ["web/0", "web/1", "web/2"]


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz", "x.parquet", "x.arrow"])
@pytest.mark.parametrize("content", [b"\xff\xfe nonsense", b"{"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{re.escape(name)}: cannot be read"):
        build([str(tmp_path / name)])


def test_a_folder_is_one_benchmark(tmp_path: Path) -> None:
    (tmp_path / "set" / "test").mkdir(parents=True)
    write(tmp_path / "set" / "a.jsonl", [{}])
    write(tmp_path / "set" / "test" / "b.jsonl", [{}])
    (tmp_path / "set" / "dataset_info.json").write_text("{}")
    assert benchmark_files(str(tmp_path / "set")) == (
        "set",
        [tmp_path / "set" / "a.jsonl", tmp_path / "set" / "test" / "b.jsonl"],
    )
    assert benchmark_files(f"name={tmp_path / 'set'}")[0] == "name"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    web = made.documents("wikipedia", 20)
    web[3] = web[3].with_text(f"Long before this. {QUESTION} So it was asked.")
    books = made.documents("books", 10)
    books[4] = books[4].with_text(f"{ENDING}, {QUESTION}")
    return made.write(tmp_path_factory.mktemp("made") / "corpus", {"wikipedia": web, "books": books})


class TestCommand:
    def test_the_documents_to_drop_are_written(
        self, corpus: Path, questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        drop, table = tmp_path / "drop.txt", tmp_path / "table.json"
        assert main([str(corpus), str(questions), "--drop", str(drop), "--json", str(table)]) == 0
        assert drop.read_text().split() == ["books/00aa00aa00aa00aa/4", "wikipedia/11bb11bb11bb11bb/3"]
        rows = {row["source"]: row for row in storage.read_json(str(table))}
        assert {name: row["documents"] for name, row in rows.items()} == {"wikipedia": 1, "books": 1}
        said = capsys.readouterr().out
        assert re.search(r"questions\s+wikipedia\s+1\s+2\s+50\.00%\s+1\s+20", said)
        assert "2 documents to drop" in said

    def test_one_source_and_a_benchmark_that_is_not_there(
        self, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        other = write(tmp_path / "clean.jsonl", [{"q": f"{QUESTION[::-1]} {ENDING[::-1]}"}, {"q": "short"}])
        assert main([str(corpus), str(other), "--source", "books"]) == 0
        assert capsys.readouterr().out.strip() == "clean: none of 1 examples (1 more are too short to tell)"

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--source", "bokks"], "no source bokks; available: wikipedia, books"),
            (["-n", "1"], "n is 1"),
            (["missing"], "missing: no file of"),
        ],
    )
    def test_errors_of_use_are_named(
        self, corpus: Path, questions: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit):
            main([str(corpus), str(questions), *arguments])
        assert message in capsys.readouterr().err

    def test_no_corpus(self, questions: Path, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="the corpus is not finished"):
            scan(str(tmp_path), build([str(questions)]))

    def test_two_benchmarks_of_one_name(self, questions: Path) -> None:
        with pytest.raises(ValueError, match="two benchmarks are called questions"):
            build([str(questions), str(questions)])


def test_words_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contamination, "_CACHED_WORDS", 10)
    text = " ".join(f"word{number}" for number in range(100))
    once = contamination.words(text).tolist()
    assert len(contamination._HASHES) <= 10
    assert contamination.words(text).tolist() == once
