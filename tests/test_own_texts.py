"""Own texts without code: the page's commands, what comes back, the filters, and what is refused before work starts."""

from __future__ import annotations

import gzip
import json
import random
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines import corpus, report, verify
from pipelines.export import __main__ as export
from pipelines.files import tables
from tests.pipelines import tiny

PAGE = Path(__file__).parent.parent / "docs" / "own_texts.md"
COMMANDS: Mapping[str, Callable[[list[str]], int]] = {
    "corpus": corpus.main,
    "export": export.main,
    "report": report.main,
}
Row = dict[str, Any]


def texts(count: int, seed: int = 1) -> list[str]:
    draw = random.Random(seed)
    return [tiny.prose(draw, 12) for _ in range(count)]


def write_lines(path: Path, rows: list[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def patents() -> list[Row]:
    """Return 40 rows, of which the last 10 are near-duplicates of the first."""
    rows = [{"body": text, "meta": {"n": n, "by": "Ada"}, "score": n / 7, "tags": ["a"] * (n % 3)}
            for n, text in enumerate(texts(30))]  # fmt: skip
    return rows + [{**row, "body": f"{row['body']} Added.", "score": 1} for row in rows[:10]]


def documents(output: Path, source: str) -> list[Row]:
    return [row for path in sorted(output.glob(f"{source}/documents/*.parquet")) for row in tables.read_rows(str(path))]


def reasons(output: Path, source: str) -> Counter[str]:
    paths = sorted(output.glob(f"{source}/drops/*.parquet"))
    return Counter(row["reason"] for path in paths for row in tables.read_rows(str(path)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files that the page's commands name."""
    found = tmp_path_factory.mktemp("own")
    rows = patents()
    write_lines(found / "patents/a.jsonl", rows[:20])
    write_lines(found / "patents/b.jsonl", rows[20:])
    (found / "pages").mkdir()
    table = pa.table({"text": texts(20, 2), "id": list(range(20)), "when": pa.array(range(20), pa.timestamp("us"))})
    pq.write_table(table, found / "pages/one.parquet")
    tiny.language_model(found / "lid.176.ftz", found)
    (found / "notes").mkdir()
    for number, text in enumerate(texts(12, 3)):
        (found / "notes" / f"{number}.txt").write_text(text, encoding="utf-8")
    tiny.wikipedia(found / "wiki.xml.bz2", 6)
    return found


def run(command: str) -> int:
    program, name, *arguments = shlex.split(command)
    assert program == "altiplano"
    return COMMANDS[name]([*arguments, "--runner", "plain"] if name == "corpus" else arguments)


@pytest.fixture(scope="module")
def done(folder: Path) -> Path:
    """Run all commands of the page, in its order, in that folder."""
    blocks = re.findall(r"^```\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    commands = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    assert len(commands) == 6
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for command in commands:
            assert run(command) == 0, command
    return folder


def test_the_pages_corpora_are_sound(done: Path) -> None:
    for name in ("deduplicated", "cleaned", "corpus"):
        assert list(verify.problems(str(done / name))) == []


def test_deduplicating_gives_back_the_columns_and_types_that_came_in(done: Path) -> None:
    files = sorted((done / "deduplicated_rows/patents").glob("*.parquet"))
    assert [path.name for path in files] == ["00000.parquet", "00001.parquet"]
    found = pa.concat_tables([pq.read_table(path) for path in files])
    assert found.schema.remove_metadata() == pa.schema(
        [
            ("body", pa.string()),
            ("meta", pa.struct([("n", pa.int64()), ("by", pa.string())])),
            ("score", pa.float64()),
            ("tags", pa.list_(pa.string())),
            ("id", pa.string()),
        ]
    )
    rows = [{name: value for name, value in row.items() if name != "id"} for row in found.to_pylist()]
    given = patents()
    assert len(rows) == 30
    assert all({**row, "score": pytest.approx(row["score"])} in given for row in rows)
    assert {row["meta"]["n"] for row in rows} == set(range(30))
    ids = [str(row) for row in found["id"].to_pylist()]
    assert sorted(ids) == sorted(row["id"] for row in documents(done / "deduplicated", "patents"))
    assert reasons(done / "deduplicated", "patents") == {"near_duplicate": 10}


def test_cleaning_says_why(done: Path) -> None:
    # The tiny model of languages knows its prose, and the tiny dumps' hosts; all sentences are of one generator.
    manifest = json.loads((done / "cleaned/pages/manifest.json").read_text())
    assert manifest["documents"]["count"] + sum(reasons(done / "cleaned", "pages").values()) == 20
    assert set(manifest["models"]) == {"lid"}
    assert not (done / "cleaned/tokens").exists()
    page = (done / "cleaned/report.html").read_text()
    assert ">The sources</h2>" in page
    assert "token" not in page.partition("<main>")[2].partition('<section id="pages"')[0]


def test_added_to_the_seven_it_takes_its_share(done: Path) -> None:
    assert json.loads((done / "corpus/manifest.json").read_text())["shares"] == {"notes": 0.05}
    assert len(documents(done / "corpus", "notes")) == 12
    assert {row["offset"] for row in documents(done / "corpus", "notes")} == {0}


def build(output: Path, *options: str, runner: str = "plain") -> int:
    return corpus.main(["--recipe", "texts", "--runner", runner, "--output", str(output), *options])


def test_parquet_arrow_and_packed_lines_give_the_same_documents(tmp_path: Path) -> None:
    rows = [{"text": text, "number": n} for n, text in enumerate(texts(6))]
    write_lines(tmp_path / "a.jsonl", rows)
    plain = (tmp_path / "a.jsonl").read_bytes()
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(plain))
    with pa.CompressedOutputStream(str(tmp_path / "c.jsonl.zst"), "zstd") as stream:
        stream.write(plain)
    table = pa.Table.from_pylist(rows)
    pq.write_table(table, tmp_path / "d.parquet", row_group_size=2)
    for name, make in (("e.arrow", pa.ipc.new_file), ("f.arrows", pa.ipc.new_stream)):
        with pa.OSFile(str(tmp_path / name), "wb") as file, make(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=4)
    assert build(tmp_path / "out", "--input", f"own={tmp_path}/?.*") == 0
    found = documents(tmp_path / "out", "own")
    assert Counter(row["text"] for row in found) == dict.fromkeys((row["text"] for row in rows), 6)
    assert Counter(row["offset"] for row in found) == dict.fromkeys(range(6), 6)
    assert export.main(["parquet", str(tmp_path / "out"), str(tmp_path / "rows")]) == 0
    for path in sorted((tmp_path / "rows/own").glob("*.parquet")):
        back = pq.read_table(path)
        assert back.drop_columns(["id"]).to_pylist() == rows
        assert back.schema.field("number").type == pa.int64()


def test_every_row_is_a_document_or_a_typed_drop(tmp_path: Path) -> None:
    kept = {"text": "kept", "url": "http://a/", "meta": {"at": 3, "by": {"who": "x"}}, "title": "t", "language": "en"}
    lines = [kept, {"other": 1}, {"text": ""}, {"text": None}, {"text": 7}, {"text": ["a"]}]
    content = (
        "".join(json.dumps(row) + "\n" for row in lines) + '{"text": "cut\n[1]\n\n{"text": NaN}\n' + json.dumps(kept)
    )
    (tmp_path / "a.jsonl").write_text(content, encoding="utf-8")
    (tmp_path / "b.jsonl").write_text('{"text": "half \\ud83d of a pair"}\n', encoding="utf-8")
    fields = ["--set", "texts.own.attributes=meta.by.who,meta.at"]
    assert build(tmp_path / "out", "--input", f"own={tmp_path}/*.jsonl", *fields) == 0
    assert reasons(tmp_path / "out", "own") == {"no_text": 3, "bad_field": 3, "malformed": 3}
    found = {row["text"]: row for row in documents(tmp_path / "out", "own")}
    assert set(found) == {"kept", "half \ufffd of a pair"}
    row = found["kept"]
    assert (row["url"], row["title"], row["language"]) == ("http://a/", "t", "en")
    assert (row["meta.by.who"], row["meta.at"]) == ("x", 3)
    manifest = json.loads((tmp_path / "out/own/manifest.json").read_text())
    assert {entry["digest"] for entry in manifest["inputs"]} >= {row["dump"]}


def test_columns_come_along_with_their_types(tmp_path: Path) -> None:
    when = datetime(2024, 5, 6, 7, 8, 9, 123_456, UTC)
    table = pa.table(
        {
            "content": [{"body": "one", "by": "Ada"}, {"body": "two", "by": None}],
            "id": pa.array([7, 8], pa.int32()),
            "ratio": pa.array([0.1, None], pa.float32()),
            "when": pa.array([when, None], pa.timestamp("ns", "UTC")),
            "kind": pa.array(["a", "b"]).dictionary_encode(),
            "vector": pa.array([[1.0, 2.0], [3.0, 4.0]], pa.list_(pa.float32(), 2)),
            "timestamp": pa.array([when, None], pa.timestamp("us", "Asia/Tokyo")),
            "language": ["en", "de"],
            "bucket": [1, 2],
            "row_id": ["x", "y"],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    assert build(tmp_path / "out", "--input", f"own={tmp_path}/a.parquet", "--set", "texts.own.text=content.body") == 0
    (path,) = (tmp_path / "out/own/documents").glob("*.parquet")
    found = pq.read_table(path)
    assert found.schema.names[: len(tables.DOCUMENT_SCHEMA)] == tables.DOCUMENT_SCHEMA.names
    assert found.select(found.schema.names[len(tables.DOCUMENT_SCHEMA) :]).schema.remove_metadata() == pa.schema(
        [
            ("content", pa.struct([("by", pa.string())])),
            ("row_row_id", pa.int32()),
            ("ratio", pa.float32()),
            ("when", pa.timestamp("us", "UTC")),
            ("kind", pa.string()),
            ("vector", pa.list_(pa.float32())),
            ("row_bucket", pa.int64()),
            ("row_id", pa.string()),
        ]
    )
    first, second = found.to_pylist()
    assert (first["text"], first["content"], first["row_row_id"], first["when"]) == ("one", {"by": "Ada"}, 7, when)
    assert (first["ratio"], first["kind"], first["vector"]) == (table["ratio"][0].as_py(), "a", [1.0, 2.0])
    assert (first["timestamp"], first["timestamp_precision"]) == (when, "microsecond")
    assert (second["timestamp"], second["when"], second["ratio"], second["language"]) == (None, None, None, "de")
    assert list(verify.problems(str(tmp_path / "out"))) == []


def test_a_name_that_two_columns_have_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = pa.table([pa.array(["a"]), pa.array([1]), pa.array([2])], names=["text", "n", "n"])
    with pa.OSFile(str(tmp_path / "a.arrow"), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    assert build(tmp_path / "out", "--input", f"own={tmp_path}/a.arrow") == 2
    assert "a.arrow: there are several columns 'n'" in capsys.readouterr().err


def test_a_misspelt_attribute_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_lines(tmp_path / "a.jsonl", [{"text": "a", "score": None}])
    write_lines(tmp_path / "b.jsonl", [{"text": "b", "tags": ["x"]}])
    given = ["--input", f"own={tmp_path}/*.jsonl", "--set", "texts.own.attributes=score,tags"]
    assert build(tmp_path / "out", *given) == 0
    assert build(tmp_path / "other", *given[:-1], "texts.own.attributes=score,tgas") == 2
    assert "no input has a field 'tgas' in its columns or first 1,000 rows" in capsys.readouterr().err


def test_what_fits_no_column_of_json_is_kept_as_text(tmp_path: Path) -> None:
    early = [{"text": f"text {n}", "n": n, "at": {"x": n}, "tags": []} for n in range(1_000)]
    late = {"text": "late", "n": "many", "at": {"x": 1, "y": 2}, "new": True, "tags": ["a"], "timestamp": "yesterday"}
    write_lines(tmp_path / "a.jsonl", [*early, late, {"text": "last", "n": (1 << 60) + 1, "at": None}])
    write_lines(tmp_path / "b.jsonl", [{"text": "other file", "n": 0.5, "mixed": 1}, {"text": "b", "mixed": "two"}])
    assert build(tmp_path / "out", "--input", f"own={tmp_path}/*.jsonl") == 0
    found = {row["text"]: row for row in documents(tmp_path / "out", "own")}
    assert found["text 3"]["n"] == 3.0 and isinstance(found["text 3"]["n"], float)
    assert (found["text 3"]["at"], found["text 3"]["other_fields"]) == ({"x": 3}, None)
    assert json.loads(found["late"]["other_fields"]) == {"n": "many", "at": {"x": 1, "y": 2}, "new": True}
    assert (found["late"]["n"], found["late"]["tags"], found["late"]["timestamp"]) == (None, ["a"], None)
    assert json.loads(found["last"]["other_fields"]) == {"n": (1 << 60) + 1}
    assert (found["other file"]["mixed"], found["b"]["mixed"], found["late"]["mixed"]) == ("1", "two", None)
    manifest = json.loads((tmp_path / "out/own/manifest.json").read_text())
    assert manifest["stages"][0]["read"]["unreadable:timestamp"] == 1
    assert list(verify.problems(str(tmp_path / "out"))) == []


def test_the_same_rows_give_the_same_bytes_whoever_runs_them(tmp_path: Path) -> None:
    for number, part in enumerate((patents()[:20], patents()[20:])):
        write_lines(tmp_path / f"{number}.jsonl", part)
    settings = ("text=body", "filters.copies=true", "near.measure=containment")
    options = ["--input", f"own={tmp_path}/*.jsonl", "--workers", "2"]
    options += [word for setting in settings for word in ("--set", f"texts.own.{setting}")]
    digests = []
    for runner in ("plain", "local"):
        assert build(tmp_path / runner, *options, runner=runner) == 0
        manifest = json.loads((tmp_path / runner / "own/manifest.json").read_text())
        digests.append((manifest["documents"]["digest"], manifest["drops"]["digest"]))
    assert digests[0] == digests[1]


def test_another_field_is_no_other_input(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", [{"text": "one", "body": "two"}])
    found = []
    for field in ("text", "body"):
        assert build(tmp_path / "out", "--input", f"own={tmp_path}/a.jsonl", "--set", f"texts.own.text={field}") == 0
        found.append(documents(tmp_path / "out", "own")[0])
    assert [row["text"] for row in found] == ["one", "two"]
    assert found[0]["dump"] == found[1]["dump"]


def test_copies_and_lines(tmp_path: Path) -> None:
    head, rows = "A Heading, 2024", texts(4)
    given = [f"{head}\n\n{row}\n{head}" for row in rows] + [rows[0], rows[0]]
    write_lines(tmp_path / "a.jsonl", [{"text": text} for text in given])
    for lines, headings in (("off", 8), ("all", 0), ("all_but_one", 2)):
        options = ["--set", "texts.own.filters.copies=true", "--set", f"texts.own.filters.lines={lines}"]
        assert build(tmp_path / lines, "--input", f"own={tmp_path}/a.jsonl", *options) == 0
        found = [row["text"] for row in documents(tmp_path / lines, "own")]
        assert "\n".join(found).count(head) == headings
        assert reasons(tmp_path / lines, "own")["duplicate"] == 1
        if lines == "off":
            assert len(found) == 5
        else:
            assert all(text.startswith("\n") or head in text for text in found if text not in rows)


def test_the_seven_take_the_same_filters(tmp_path: Path) -> None:
    written = tiny.write(tmp_path / "dumps")
    options = ["--output", str(tmp_path / "out")]
    for name, word in pairwise(written):
        if name == "--set" or (name == "--input" and word.startswith(("books=", "github="))):
            options += [name, word]
    filters = [word for name in ("books", "github") for word in ("--set", f"{name}.filters.gopher.quality=true")]
    assert corpus.main([*options, *filters, "--runner", "plain"]) == 0
    assert list(verify.problems(str(tmp_path / "out"))) == []
    stages = {name: [row["stage"] for row in json.loads((tmp_path / f"out/{name}/manifest.json").read_text())["stages"]]
              for name in ("books", "github")}  # fmt: skip
    assert stages["books"][-1] == "books/filtered"
    assert stages["github"][-2:] == ["github/filtered", "github/tokens"]
    assert any(reason.startswith("gopher_") for reason in reasons(tmp_path / "out", "github"))


def test_perplexity_by_a_model_of_the_same_build(tmp_path: Path) -> None:
    tiny.write(tmp_path / "dumps")
    strange = " ".join("".join(random.Random(n).sample("qxzvkjwy", 8)) for n in range(40))
    rows = [{"text": text} for text in [*texts(6), tiny.GERMAN * 9, f"{strange} the {strange} was a {strange}"]]
    write_lines(tmp_path / "a.jsonl", rows)
    settings = (
        "texts.own.filters.perplexity.most=50",
        "language_models.estimator=kneser_ney",
        "tokenizer.vocabulary=400",
    )
    options = ["--input", f"wikipedia={tmp_path}/dumps/enwiki-*.bz2", "--input", f"own={tmp_path}/a.jsonl"]
    options += [word for setting in settings for word in ("--set", setting)]
    options += ["--set", "texts.own.filters.language.languages=en", "--model", f"lid={tmp_path}/dumps/models/lid.bin"]
    assert corpus.main(["--recipe", "paper", "--runner", "plain", "--output", str(tmp_path / "out"), *options]) == 0
    kept = documents(tmp_path / "out", "own")
    assert [row["text"] for row in kept] == [row["text"] for row in rows[:6]]
    assert all(row["perplexity"] <= 50 for row in kept)
    assert reasons(tmp_path / "out", "own") == {"other_language": 1, "perplexity": 1}


class TestWhatIsRefused:
    """Before work starts, naming the option and what is wrong; nothing is written."""

    def refused(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], *options: str, recipe: str = "texts") -> str:
        output = tmp_path / "out"
        assert corpus.main(["--recipe", recipe, "--runner", "plain", "--output", str(output), *options]) == 2
        assert not output.exists()
        return capsys.readouterr().err

    @pytest.fixture
    def own(self, tmp_path: Path) -> str:
        write_lines(tmp_path / "a.jsonl", [{"text": "a", "body": {"html": "b"}}])
        return f"own={tmp_path}/a.jsonl"

    @pytest.mark.parametrize(
        ("setting", "said"),
        [
            ("texts.c4.share=0.1", "source 'c4' is listed twice"),
            ("texts.models.share=0.1", "source 'models' has a name that is taken"),
            ("texts.Own.share=0.1", "source 'Own' has a name that is taken or invalid"),
            ("texts.own.share=0.1234", "the share of own is 0.1234"),
            ("texts.own.share=-1", "the share of own is -1.0"),
            ("texts.own.field=a", "there is no field 'field'; available: text"),
            (
                "texts.own.title=body",
                "a.jsonl: the field 'body' is a struct<html: string>, and a document's title is a string",
            ),
            ("own.near.measure=jaccard", "for texts of your own write texts.own.near.measure; available: name"),
            ("texts.own.text=", "texts.own.text is ''; it must be the name of a field"),
            ("texts.own.near.threshold=2", "texts.own.near.threshold is 2.0"),
            ("texts.own.filters.language.threshold=2", "texts.own.filters.language.threshold is 2.0"),
            ("texts.own.filters.lines=some", "'some' is not one of off, all, all_but_one"),
            ("texts.own.filters.perplexity.buckets=best", "one or more of head, middle, tail"),
            ("texts.own.filters.classifier.label=good", "give the classifier with --model classifier=FILE"),
            ("texts.own.filters.language.languages=en", "the model lid is needed: give it with --model lid=FILE"),
            ("texts.own.filters.perplexity.most=500", "filters.perplexity needs language models"),
            ("texts.own", "write it as path.to.field=value"),
            ("texts.others.share=0.1", "--set texts.others: no input is given for it"),
            ("texts.own.near.threshold=0.8", "texts.own.near.measure is off, so its other fields have no effect"),
        ],
    )
    def test_a_setting(
        self, tmp_path: Path, own: str, capsys: pytest.CaptureFixture[str], setting: str, said: str
    ) -> None:
        assert said in self.refused(tmp_path, capsys, "--input", own, "--set", setting, "--raw", "none")

    def test_shares_that_leave_nothing(self, tmp_path: Path, own: str, capsys: pytest.CaptureFixture[str]) -> None:
        options = ["--input", own, "--set", "texts.own.share=1"]
        assert "leave nothing for the sources of Table 1" in self.refused(tmp_path, capsys, *options, recipe="paper")

    def test_a_name_that_the_recipe_does_not_know(
        self, tmp_path: Path, own: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert "--set texts.own.share=0" in self.refused(tmp_path, capsys, "--input", own, recipe="paper")

    def test_a_source_of_the_paper(self, tmp_path: Path, own: str, capsys: pytest.CaptureFixture[str]) -> None:
        said = self.refused(tmp_path, capsys, "--input", own, "--input", f"c4={tmp_path}/a.jsonl")
        assert "--recipe texts builds own texts alone, and c4 is a source's name" in said

    def test_a_language_that_the_model_does_not_know(
        self, tmp_path: Path, own: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        tiny.language_model(tmp_path / "lid.bin", tmp_path)
        options = ["--set", "texts.own.filters.language.languages=english", "--model", f"lid={tmp_path}/lid.bin"]
        assert "it has no label 'english'; english is en" in self.refused(tmp_path, capsys, "--input", own, *options)

    def test_nothing_named(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert "--recipe texts: own texts are built alone" in self.refused(tmp_path, capsys)

    def test_an_empty_folder(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "empty").mkdir()
        assert f"--input own={tmp_path}/empty: this folder holds no file" in self.refused(
            tmp_path, capsys, "--input", f"own={tmp_path}/empty"
        )

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (
                b'{"body": 1}\n{"title": "a"}\n',
                "none of the first 2 rows has a field 'text'; their fields are body, title; name it with --set "
                "texts.own.text=FIELD",
            ),
            (b'{"text": 1}\n{"text": ["a"]}\n{}', "the field 'text' holds int, list, not strings"),
            (b"a,b\n1,2\n", "JSON lines (plain, gzip, zstd), Parquet, Arrow, or plain text named .txt is expected"),
            (b' [{"text": "a"},\n{"text": "b"}]\n', "this is a JSON array; write one object per line"),
            (b"PK\x03\x04abc", "this is a zip archive"),
            (b"%PDF-1.4", "this is a PDF"),
            (b"BZh91AY", "this is bzip2"),
            (b"\x89PNG\r\n\x1a\n", "this is an image"),
            (b"Obj\x01abc", "this is an Avro file"),
            (b"PAR1abc", "the footer of the Parquet file is missing or damaged"),
        ],
    )
    def test_a_file(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, said: str) -> None:
        (tmp_path / "a.bin").write_bytes(content)
        found = self.refused(tmp_path, capsys, "--input", f"own={tmp_path}/a.bin")
        assert said in found
        assert f"{tmp_path}/a.bin" in found

    def test_a_table_without_the_column(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        pq.write_table(pa.table({"body": ["a"], "n": [1]}), tmp_path / "a.parquet")
        said = self.refused(tmp_path, capsys, "--input", f"own={tmp_path}/a.parquet")
        assert "a.parquet: none of the first 1 rows has a field 'text'; their fields are body, n" in said


def test_an_input_that_is_gone_or_changed_is_named_by_the_export(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_lines(tmp_path / "a.jsonl", [{"text": "one"}])
    assert build(tmp_path / "out", "--input", f"own={tmp_path}/a.jsonl") == 0
    write_lines(tmp_path / "a.jsonl", [{"text": "two"}])
    for said in ("has changed since the corpus was built", "cannot be read"):
        with pytest.raises(SystemExit):
            export.main(["parquet", str(tmp_path / "out"), str(tmp_path / "rows")])
        assert said in capsys.readouterr().err
        assert not list((tmp_path / "rows").glob("*/*"))
        (tmp_path / "a.jsonl").unlink(missing_ok=True)


def test_columns_of_json_without_a_common_type(tmp_path: Path) -> None:
    rows: list[Row] = [
        {"text": "a", "x": 1, "o": {}},
        {"text": "b", "x": "s", "o": None},
        {"text": "c", "x": [1], "y": 2.5},
    ]
    write_lines(tmp_path / "a.jsonl", rows)
    write_lines(tmp_path / "b.jsonl", [{"text": "d", "y": 3, "id": "mine"}])
    assert build(tmp_path / "out", "--input", f"own={tmp_path}/*.jsonl") == 0
    assert export.main(["parquet", str(tmp_path / "out"), str(tmp_path / "rows")]) == 0
    found = pa.concat_tables([pq.read_table(path) for path in sorted((tmp_path / "rows/own").glob("*.parquet"))])
    assert [row["x"] for row in found.to_pylist()] == ["1", "s", "[1]", None]
    assert found["y"].to_pylist() == [None, None, 2.5, 3.0]
    assert found["o"].to_pylist() == ["{}", None, None, None]
    assert found["id"].to_pylist()[3] == "mine"
    assert all(str(value).startswith("own/") for value in found["document_id"].to_pylist())


def test_columns_of_any_type_and_name_come_back(tmp_path: Path) -> None:
    columns: dict[str, Any] = {
        "text": pa.array(["a", "b", "c"], pa.string_view()),
        "id": pa.array([1, None, 3], pa.int8()),
        "document_id": pa.array([b"x", b"y", b"z"], pa.binary_view()),
        "when": pa.array([1, 2, None], pa.duration("ms")),
        "map": pa.array([[("k", 1)], [], None], pa.map_(pa.string(), pa.int16())),
        "kind": pa.array(["u", "v", "u"]).dictionary_encode(),
    }
    table = pa.table(columns)
    with pa.OSFile(str(tmp_path / "a.arrow"), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    assert build(tmp_path / "out", "--input", f"own={tmp_path}/a.arrow", "--set", "texts.own.filters.copies=true") == 0
    assert export.main(["parquet", str(tmp_path / "out"), str(tmp_path / "rows")]) == 0
    back = pq.read_table(tmp_path / "rows/own/00000.parquet")
    assert back.column_names == [*columns, "document_id_2"]
    assert back.drop_columns(["document_id_2"]).to_pylist() == table.to_pylist()
    assert back.schema.remove_metadata().field("when").type == pa.duration("ms")


def test_windows_line_ends_and_blank_lines_are_no_reason(tmp_path: Path) -> None:
    paragraphs = [tiny.prose(random.Random(n), 2) for n in range(6)]
    rows = [{"text": end.join(paragraphs).replace("\n", line)} for end, line in (("\n\n", "\n"), ("\n \n", "\n"))]
    rows.append({"text": rows[0]["text"].replace("\n", "\r\n")})
    write_lines(tmp_path / "a.jsonl", rows)
    (tmp_path / "empty.jsonl").touch()
    settings = ("gopher.quality=true", "fineweb=true")
    options = [word for setting in settings for word in ("--set", f"texts.own.filters.{setting}")]
    assert build(tmp_path / "out", "--input", f"own={tmp_path}/*.jsonl", *options) == 0
    assert [row["text"] for row in documents(tmp_path / "out", "own")] == [row["text"] for row in rows]


@pytest.mark.full
def test_a_text_of_two_gigabytes_is_dropped_in_bounded_memory(tmp_path: Path) -> None:
    with (tmp_path / "a.jsonl").open("wb") as stream:
        stream.write(b'{"text": "first"}\n{"text": "')
        for _ in range(2_048):
            stream.write(b"a" * (1 << 20))
        stream.write(b'"}\n{"text": "last"}\n')
    # A shell forks the command: a process has at least the memory that its parent had when it was made.
    command = [sys.executable, "-m", "pipelines.corpus", "--recipe", "texts", "--input", f"own={tmp_path}/a.jsonl"]
    subprocess.run(["sh", "-c", '"$@"; exit $?', "sh", *command, "--output", f"{tmp_path}/out"], check=True)
    assert reasons(tmp_path / "out", "own") == {"too_long": 1}
    assert [row["offset"] for row in documents(tmp_path / "out", "own")] == [0, 2]
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert max(stage["worker_memory_bytes"] for stage in summary["sources"]["own"]["stages"]) < 1 << 30
