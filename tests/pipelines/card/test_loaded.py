"""A published corpus is loaded by the programs that people have: datasets, DuckDB, pandas, Polars, and Arrow's own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from pipelines import build, corpus, report
from pipelines.card.publish import NAME
from pipelines.document import Document
from pipelines.files import tables
from tests.pipelines import tiny

SNIPPET = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a published corpus of the seven, and of own texts, under the name that its card says."""
    found = tmp_path_factory.mktemp("loaded")
    rows = [{"text": f"A text of our own, number {n}.", "n": n, "at": {"x": 0.5}} for n in range(4)]
    (found / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    given = ["--input", f"own={found}/own.jsonl", "--set", "texts.own.share=0.01", "--runner", "plain"]
    assert corpus.main([*tiny.write(found / "dumps"), *given, "--output", str(found / NAME)]) == 0
    assert report.main([str(found / NAME), "--publish"]) == 0
    return found


def run(folder: Path, script: str) -> str:
    """Run a script in a process of its own, which has no network and whose caches are in the folder."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "cache")}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def manifests(folder: Path) -> dict[str, dict[str, int]]:
    """Return how many documents and drops each source has."""
    found = {}
    for path in sorted((folder / NAME).glob("*/manifest.json")):
        manifest = json.loads(path.read_text())
        if "drops" in manifest:
            found[path.parent.name] = {kind: manifest[kind]["count"] for kind in ("documents", "drops")}
    return found


def test_all_sources_begin_with_the_same_columns(folder: Path) -> None:
    for kind, schema in (("documents", tables.DOCUMENT_SCHEMA), ("drops", tables.DROP_SCHEMA)):
        for name in manifests(folder):
            files = sorted((folder / NAME / name / kind).glob("*.parquet"))
            found = {pq.read_schema(path).to_string() for path in files}
            assert len(found) == 1, name
            assert pq.read_schema(files[0]).names[: len(schema)] == schema.names
    assert "text" not in tables.DROP_SCHEMA.names


def test_the_page_of_the_schema_names_every_column(folder: Path) -> None:
    page = (Path(__file__).parents[3] / "docs/schema.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+)`", page))
    assert {*tables.DOCUMENT_SCHEMA.names, *tables.DROP_SCHEMA.names} <= named
    for name, source in build.SOURCES.items():
        own = {column for stage in source.stages for column in getattr(stage, "columns", tables.NO_COLUMNS).names}
        assert own <= named, name
    assert f"The format has a number, in every manifest: {tables.VERSION}." in page


def test_a_filter_by_perplexity_skips_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "ROW_GROUP_BYTES", 1_000)
    path = tmp_path / "a.parquet"
    with path.open("wb") as stream:
        writer = tables.DocumentWriter(stream, tables.columns(perplexity=pa.float64()))
        for number in range(40):
            document = Document(id=f"c4/{number}", source="c4", text="x" * 300, dump="d", offset=number)
            writer.write(document.with_attributes(perplexity=float(number)))
        writer.close()
    (fragment,) = ds.dataset(path).get_fragments()
    every = len(fragment.row_groups)
    left = fragment.subset(ds.field("perplexity") < 2)
    assert every >= 8
    assert len(left.row_groups) == 1


@pytest.mark.full
def test_the_cards_own_snippets_run(folder: Path) -> None:
    found = SNIPPET.findall((folder / NAME / "README.md").read_text())
    assert [snippet.splitlines()[0].split()[1] for snippet in found] == ["datasets", "duckdb"]
    script = found[0] + "\nrows = list(everything)\nprint(len(one), len(rows), list(rows[0]))"
    counts = manifests(folder)
    every = sum(row["documents"] for row in counts.values())
    name = re.findall(r'load_dataset\("[^"]+", "(\w+)"', found[0])[0]
    assert run(folder, script).split(" ", 2) == [
        str(counts[name]["documents"]),
        str(every),
        f"{tables.DOCUMENT_SCHEMA.names}\n",
    ]
    assert "perplexity" in run(folder, found[1].replace("duckdb.sql(", "print(duckdb.sql(").rstrip() + ")")


@pytest.mark.full
@pytest.mark.parametrize("streaming", [False, True])
def test_datasets_loads_documents_and_drops(folder: Path, streaming: bool) -> None:
    # Of what has no row it makes nothing.
    there = {f"{name}/{kind}": count for name, row in manifests(folder).items() for kind, count in row.items() if count}
    script = f"""
import json
from datasets import load_dataset
found = {{}}
for name in {list(there)!r}:
    rows = load_dataset("parquet", data_files=f"{NAME}/{{name}}/*.parquet", split="train", streaming={streaming})
    found[name] = sum(1 for _ in rows)
print(json.dumps(found))
"""
    assert json.loads(run(folder, script)) == there


@pytest.mark.full
@pytest.mark.parametrize(
    "count",
    [
        "import duckdb; count = lambda files: duckdb.sql(f\"SELECT count(*) FROM '{files}'\").fetchall()[0][0]",
        "import duckdb; count = lambda files: len(duckdb.sql(f\"SELECT * FROM '{files}'\").fetchall())",
        "import polars; count = lambda files: polars.scan_parquet(files).collect().height",
        "import pandas, glob; count = lambda files: sum(len(pandas.read_parquet(path)) for path in glob.glob(files))",
    ],
    ids=["duckdb", "duckdb, rows", "polars", "pandas"],
)
def test_programs_read_documents_and_drops(folder: Path, count: str) -> None:
    script = f"""
import json
{count}
found = {{
    name: {{kind: count(f"{NAME}/{{name}}/{{kind}}/*.parquet") for kind in ("documents", "drops")}}
    for name in {list(manifests(folder))!r}
}}
print(json.dumps(found))
"""
    assert json.loads(run(folder, script)) == manifests(folder)


def test_a_corpus_of_another_format_is_refused_by_all_that_reads_it(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tmp_path / "old"
    shutil.copytree(folder / NAME, old)
    for path in (old / "manifest.json", *old.glob("*/manifest.json")):
        manifest = json.loads(path.read_text())
        manifest.pop("format", None)
        path.write_text(json.dumps(manifest))
    commands = [
        ["pipelines.report", str(old)],
        ["pipelines.verify", str(old)],
        ["pipelines.trace", str(old), "--source", "books", "--token", "1"],
        ["pipelines.contamination", str(old), str(tmp_path / "questions.jsonl")],
    ]
    (tmp_path / "questions.jsonl").write_text(json.dumps({"question": "one two three " * 9, "answer": True}) + "\n")
    for module, *arguments in commands:
        done = subprocess.run([sys.executable, "-m", module, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode != 0
        assert "build it again into another folder" in done.stdout + done.stderr, module
        assert "Traceback" not in done.stderr
    before = sorted(path.name for path in old.rglob("*"))
    assert corpus.main(["--recipe", "texts", "--input", f"own={folder}/own.jsonl", "--output", str(old)]) == 2
    assert "build it again into another folder" in capsys.readouterr().err
    assert sorted(path.name for path in old.rglob("*")) == before
