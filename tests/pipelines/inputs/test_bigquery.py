"""The query names what the readers know; its pipeline compiles without Google and writes the same from any order."""

from __future__ import annotations

import subprocess
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from filters.code import license
from pipelines.document import Document
from pipelines.files import remote
from pipelines.inputs import bigquery
from pipelines.readers import Dump, github_input

CLOUD = ["--project", "herders", "--temp_location", "gs://bucket/tmp", "--region", "europe-west4"]


def row(number: int) -> dict[str, Any]:
    places = [
        {"repo_name": f"herders/fork-{copy}", "ref": "refs/heads/main", "path": f"src/{number}.py", "license": "mit"}
        for copy in range(1 + number % 3)
    ]
    content = None if number % 10 == 9 else f"herd = {number}\n"
    return {"id": f"{number * 7919:040x}", "size": 9, "binary": False, "content": content, "files": places}


ROWS = [row(number) for number in range(40)]


def written(folder: Path, rows: list[dict[str, Any]], shards: int = 3) -> dict[str, bytes]:
    with beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions([])) as pipeline:
        bigquery.build(pipeline, str(folder), shards, beam.Create(rows))
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_query_asks_for_what_the_readers_know(tmp_path: Path) -> None:
    text = bigquery.query()
    for name in license.PERMISSIVE:
        assert f"'{name}'" in text
    for column in ("c.content", "f.files", "files.repo_name", "files.ref", "files.path", "licenses.license"):
        assert column in text
    run, extract = bigquery.shell_commands("p", "d", "b")
    assert "gs://b/github/contents-*.parquet" in extract
    # A shell gives bq the query as it is.
    seen = tmp_path / "seen"
    fake = tmp_path / "bq"
    fake.write_text(f'#!/bin/sh\nfor word; do :; done\nprintf %s "$word" > {seen}\n')
    fake.chmod(0o755)
    subprocess.run(["sh", "-c", run], check=True, env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert seen.read_text() == " ".join(text.split())


def test_the_pipeline_for_dataflow_compiles_without_google() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Beam's, about Google's libraries
        pipeline = beam.Pipeline(options=PipelineOptions(CLOUD))
        bigquery.build(pipeline, "gs://bucket/github", shards=16)
        transforms = pipeline.to_runner_api().components.transforms.values()
    reads = [found for found in transforms if found.unique_name == "rows/Read"]
    assert len(reads) == 1
    asked = next(
        part for found in transforms for part in found.display_data if b"github_repos.contents" in part.payload
    )
    assert b"ORDER BY files.repo_name" in asked.payload
    names = {found.unique_name for found in transforms}
    assert {"by blob", "files", "GroupByKey", "write"} <= names


def test_the_rows_in_any_order_give_the_same_files(tmp_path: Path) -> None:
    first = written(tmp_path / "a", ROWS)
    assert list(first) == [f"contents-{number:05d}-of-00003.parquet" for number in range(3)]
    assert written(tmp_path / "b", ROWS[::-1]) == first


def test_the_files_are_inputs_of_the_corpus_row_by_row(tmp_path: Path) -> None:
    written(tmp_path, ROWS)
    counts: Counter[str] = Counter()
    found = []
    for path in sorted(tmp_path.iterdir()):
        with path.open("rb") as stream:
            found += list(github_input.read(stream, Dump(name=path.name, digest=path.name), counts))
    documents = [record for record in found if isinstance(record, Document)]
    assert sorted(record.text for record in documents) == sorted(row["content"] for row in ROWS if row["content"])
    assert {record.license for record in documents} == {"MIT"}
    assert {record.attributes["repository"] for record in documents} == {"herders/fork-0"}
    assert (counts["records"], len(found) - len(documents)) == (40, 4)  # what is null in BigQuery is dropped, by reason


def test_a_file_without_rows_is_there_and_empty(tmp_path: Path) -> None:
    files = written(tmp_path, ROWS[:1], shards=4)
    assert len(files) == 4
    counts: Counter[str] = Counter()
    for path in tmp_path.iterdir():
        with path.open("rb") as stream:
            list(github_input.read(stream, Dump(name="x", digest="x"), counts))
    assert counts == {"records": 1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--output: a folder on Google's storage"),
        (["--output", "gs://b/g"], "--project is missing: BigQuery needs it"),
        (["--output", "gs://b/g", "--project", "p"], "--temp_location is missing: BigQuery needs it"),
        (["--output", "/tmp/g", *CLOUD], "/tmp/g: a folder on Google's storage"),
        (["--output", "gs://b/g", "--shards", "0", *CLOUD], "--shards 0: at least 1"),
        (["--output", "gs://b/g", "--runner", "DirectRunner", *CLOUD], "--runner DirectRunner is refused"),
        (["--output", "gs://b/g", "--runner", "local", *CLOUD], "--runner local: BigQuery's rows are too many"),
        (["--output", "gs://b/g", *CLOUD], r"gs:// needs google.cloud.storage, which is missing: pip install"),
    ],
)
def test_mistakes_are_named_before_anything_runs(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_is_installed", lambda module: False)
    assert bigquery.main(arguments) == 2
    assert message in capsys.readouterr().err


def test_a_file_that_is_missing_after_the_run_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = bigquery.build
    monkeypatch.setattr(
        bigquery, "build", lambda pipeline, output, shards: build(pipeline, output, 2, beam.Create(ROWS))
    )
    runner = f"{FnApiRunner.__module__}.{FnApiRunner.__name__}"
    options = PipelineOptions(["--runner", runner])
    bigquery.run(str(tmp_path), 2, options)
    with pytest.raises(RuntimeError, match=r"3 of 3 files are missing, the first contents-00000-of-00003\.parquet"):
        bigquery.run(str(tmp_path), 3, options)
