"""Builds that drop what holds a benchmark's text: which documents, why, and what identifies the result."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines import corpus, verify
from pipelines.document import Document, Drop
from pipelines.files import runs, tables
from pipelines.optional import decontamination
from pipelines.recipe_parts import Contamination
from pipelines.stages.kinds import Context
from tests.pipelines import tiny

FIRST = (
    "Under the arcade a cobbler mends one yellow boot while his parrot recites the railway timetable backwards, "
    "pausing only at stations whose names begin with a vowel or end with a sneeze."
)
SECOND = "Eleven violins were hidden inside the clock tower, and only the deaf sacristan knew how each had been tuned."
PLAIN = ["--runner", "plain", "--recipe", "paper", "--set", "tokenizer.vocabulary=500", "--set", "buckets=2"]


def write(path: Path, texts: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"question": text, "label": 1}) + "\n" for text in texts))


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dumps")
    tiny.books(folder, 5)
    for number, passage in ((3, FIRST), (4, SECOND)):
        path = folder / f"{number}.txt"
        path.write_text(path.read_text().replace("\n\n*** END", f"\n\n{passage}\n\n*** END"))
    tiny.arxiv(folder / "arXiv_src_1904_001.tar", 4)
    return folder


def build(dumps: Path, output: Path, *options: str) -> int:
    inputs = ["--input", f"books={dumps}/*.txt", "--input", f"arxiv={dumps}/*.tar"]
    return corpus.main([*inputs, *PLAIN, "--output", str(output), *options])


def documents(output: Path) -> dict[str, str]:
    paths = [path for source in ("books", "arxiv") for path in output.glob(f"{source}/documents/*.parquet")]
    return {document.id: document.text for path in paths for document in tables.read_documents(str(path))}


def reasons(output: Path) -> dict[str, str]:
    paths = [path for source in ("books", "arxiv") for path in output.glob(f"{source}/drops/decontaminate-*.parquet")]
    return {row["id"]: row["reason"] for path in paths for row in tables.read_rows(str(path))}


def test_a_build_drops_what_holds_a_benchmarks_text_and_says_which(dumps: Path, tmp_path: Path) -> None:
    output, given = tmp_path / "corpus", tmp_path / "benchmarks"
    assert build(dumps, output) == 0
    before = documents(output)
    names = [next(name for name, text in before.items() if passage in text) for passage in (FIRST, SECOND)]
    write(given / "quiz" / "test.jsonl", ["nothing that stands anywhere " * 4, FIRST.upper()])
    write(given / "riddles.jsonl", [" ".join(SECOND.split()[2:16]), FIRST])
    (given / "LICENSE").write_text("no benchmark")
    model = ["--set", "contamination.drop=true", "--model", f"benchmarks={given}"]
    assert build(dumps, output, *model) == 0
    # The smaller name stands for both of a document's benchmarks.
    assert reasons(output) == {names[0]: "contaminated:quiz", names[1]: "contaminated:riddles"}
    assert documents(output) == {name: text for name, text in before.items() if name not in names}
    assert list(verify.problems(str(output))) == []
    manifest = json.loads((output / "books" / "manifest.json").read_text())
    assert manifest["stages"][-1]["dropped"]["decontaminate"].keys() == {"contaminated:quiz", "contaminated:riddles"}
    assert manifest["recipe"]["contamination"] == {"drop": True, "words": 13, "max_documents": 10}
    tokens = json.loads((output / "tokens" / "books" / "manifest.json").read_text())
    assert sum(shard["documents"] for split in tokens["splits"].values() for shard in split) == sum(
        name.startswith("books") for name in documents(output)
    )
    # Another benchmark is another corpus; without any it is the one before.
    write(given / "riddles.jsonl", ["none of it stands in any of these books or papers, not one of its words"])
    assert build(dumps, output, *model) == 0
    assert reasons(output) == {names[0]: "contaminated:quiz"}
    assert build(dumps, output) == 0
    assert documents(output) == before


def document(text: str) -> Document:
    return Document(id="books/1", source="books", text=text, dump="d", offset=0)


def test_a_run_in_many_documents_is_no_evidence() -> None:
    records = np.zeros(9, runs.KEY)
    records["hash"] = [5, 7, 5, 5, 9, 7, 5, 2**63, 2**63]
    items = np.zeros(9, np.uint32)
    marked = decontamination.rare(records, items, 1, max_documents=2)
    assert marked.tolist() == [False, True, False, False, True, True, False, True, True]
    assert decontamination.rare(records[:0], items[:0], 1, max_documents=2).tolist() == []


def test_keys_name_a_run_and_its_first_benchmark(tmp_path: Path) -> None:
    text = "a heron stands in the shallow water of the lake and waits for a slow fish"
    write(tmp_path / "b.jsonl", [text])
    write(tmp_path / "a.jsonl", [" ".join(text.split()[:13])])
    context = Context(Contamination(words=13), {"benchmarks": str(tmp_path)})
    hashes, ranks, lines = decontamination.keys(document(text), document(text), context)
    assert ranks is None
    assert lines is not None
    assert sorted(lines.tolist()) == [0, 1, 1, 1]
    assert len(set(hashes.tolist())) == 4
    kept = decontamination.decontaminate(document(text), np.empty(0, np.uint32), context)
    assert isinstance(kept, Document)
    gone: Any = decontamination.decontaminate(document(text), np.array([1], np.uint32), context)
    assert isinstance(gone, Drop)
    assert gone.reason == "contaminated:b"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--set", "contamination.drop=true"], "give the benchmarks with --model benchmarks=DIRECTORY"),
        (["--model", "benchmarks=."], "add --set contamination.drop=true"),
        (["--set", "contamination.words=1"], "contamination.words is 1; it must be at least 2"),
        (["--set", "contamination.max_documents=0"], "contamination.max_documents is 0; it must be at least 1"),
        (["--set", "contamination.drop=true", "--model", "benchmarks={empty}"], "a directory with a file or folder of"),
        (["--set", "contamination.drop=true", "--model", "benchmarks={broken}"], "x.jsonl: cannot be read"),
        (["--set", "contamination.drop=true", "--model", "benchmarks={twice}"], "two benchmarks are called x"),
        (["--set", "contamination.drop=true", "--model", "benchmarks=nowhere"], "no such file"),
    ],
)
def test_mistakes_are_named_before_any_work(
    dumps: Path, tmp_path: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {name: tmp_path / name for name in ("empty", "broken", "twice")}
    places["empty"].mkdir()
    write(places["twice"] / "x.jsonl", ["one"])
    write(places["twice"] / "x" / "y.jsonl", ["two"])
    places["broken"].mkdir()
    (places["broken"] / "x.jsonl").write_text("{")
    filled = [option.format(**places) for option in options]
    assert build(dumps, tmp_path / "corpus", *filled) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "corpus" / "books").exists()
