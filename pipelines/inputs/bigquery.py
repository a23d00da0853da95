"""GitHub's export out of BigQuery's public data set: the query, and the pipeline that runs it and writes the rows.

    bigquery-public-data.github_repos: contents JOIN files JOIN licenses ──> one row for each blob with all that hold it
    rows ─ by a keyed hash of the blob's id ─ GroupByKey ─ sorted by id ──> OUTPUT/contents-00000-of-08192.parquet

`contents` has one row for each blob: text under 1 MiB, null for larger and binary ones. `files` says where a blob is,
in every repository; `licenses` gives each repository one lower-case SPDX key. Only repositories under the four licences
of the corpus are asked for: a file that also lies in another is kept for those it lies in here, and no file is lost by
it, as every licence is checked again by `filters.code.license`. The query reads the whole of `contents` (2.7 TB), which
BigQuery charges for: run it once, keep the files, and give them to the corpus. Rows come out of BigQuery in any order;
the files are the same bytes whatever it was.

    python -m pipelines.inputs.bigquery --output gs://BUCKET/github --runner DataflowRunner \\
        --project PROJECT --region REGION --temp_location gs://BUCKET/tmp
    python -m pipelines.corpus --recipe paper --source github --input 'github=gs://BUCKET/github/*.parquet' ...

`--commands` runs nothing: it prints the commands of Google's own tools that make such files without Dataflow.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import apache_beam as beam
import pyarrow
import pyarrow.parquet
from apache_beam.io.gcp.bigquery import ReadFromBigQuery
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions, StandardOptions

from filters.code.license import PERMISSIVE
from pipelines.files import commands, ours, paths, storage
from pipelines.hashing import keyed
from pipelines.runners import choice
from pipelines.runners.beam import engines

QUERY = """\
SELECT
  c.id,
  c.size,
  c.binary,
  c.content,
  f.files
FROM `bigquery-public-data.github_repos.contents` AS c
JOIN (
  SELECT
    files.id,
    ARRAY_AGG(STRUCT(files.repo_name, files.ref, files.path, licenses.license)
              ORDER BY files.repo_name, files.path LIMIT {places}) AS files
  FROM `bigquery-public-data.github_repos.files` AS files
  JOIN `bigquery-public-data.github_repos.licenses` AS licenses USING (repo_name)
  WHERE licenses.license IN ({licenses})
  GROUP BY files.id
) AS f USING (id)
"""
# The document takes the smallest repository's name: more of them than this say nothing and make a row too large.
PLACES = 100
# A file of all of `contents` cut so has 330 MB, which one worker sorts in memory.
SHARDS = 8_192
ROW_GROUP = 1_024
PLACE = pyarrow.struct([pyarrow.field(name, pyarrow.string()) for name in ("repo_name", "ref", "path", "license")])
COLUMNS: dict[str, pyarrow.DataType] = {
    "id": pyarrow.string(),
    "size": pyarrow.int64(),
    "binary": pyarrow.bool_(),
    "content": pyarrow.large_string(),
    "files": pyarrow.list_(PLACE),
}


def query() -> str:
    """Return the query in BigQuery's SQL; its columns are those that the readers of GitHub know."""
    return QUERY.format(places=PLACES, licenses=", ".join(f"'{name}'" for name in sorted(PERMISSIVE)))


def build(pipeline: beam.Pipeline, output: str, shards: int = SHARDS, rows: Any = None) -> None:
    """Add the export to a pipeline; `rows` is a transform that stands for BigQuery, with rows of the same columns."""
    read = rows or ReadFromBigQuery(query=query(), use_standard_sql=True)
    names = [name_of(number, shards).encode() for number in range(shards)]
    found = pipeline | "rows" >> read | "by blob" >> beam.Map(_with_name, shards).with_output_types(tuple[bytes, bytes])
    # So that a file without rows is there too, and its absence is an error.
    every = pipeline | "files" >> beam.Create([(name, b"") for name in names])
    ((found, every) | beam.Flatten() | beam.GroupByKey() | "write" >> beam.Map(_write, output))


def name_of(number: int, shards: int) -> str:
    """Return the name of one file of the export."""
    return f"contents-{number:05d}-of-{shards:05d}.parquet"


def _with_name(row: Mapping[str, Any], shards: int) -> tuple[bytes, bytes]:
    return name_of(keyed("bigquery", row["id"]) % shards, shards).encode(), json.dumps(row).encode()


def _write(group: tuple[bytes, Iterable[bytes]], output: str) -> None:
    name, values = group
    rows = sorted((json.loads(value) for value in values if value), key=lambda row: str(row["id"]))
    table = pyarrow.Table.from_pylist(rows, schema=pyarrow.schema(COLUMNS))
    with storage.write(f"{output}/{name.decode()}") as stream:
        pyarrow.parquet.write_table(table, stream, compression="zstd", row_group_size=ROW_GROUP)


def shell_commands(project: str, dataset: str, bucket: str) -> list[str]:
    """Return the shell commands that run the query and export its table as Parquet to gs://BUCKET/github."""
    table = f"{project}:{dataset}.github_files"
    flat = " ".join(query().split()).replace("`", "\\`")
    files = f"gs://{bucket}/github/contents-*.parquet"
    return [
        f'bq query --project_id={project} --nouse_legacy_sql --destination_table={table} --max_rows=0 "{flat}"',
        f"bq extract --destination_format=PARQUET --compression=ZSTD '{table}' '{files}'",
    ]


def prepare(options: argparse.Namespace, beam_arguments: Sequence[str]) -> PipelineOptions:
    """Return Beam's options; raise ValueError naming what is missing, before anything runs or costs."""
    if options.shards < 1:
        raise ValueError(f"--shards {options.shards}: at least 1")
    engines.check(options.runner, beam_arguments)
    if not choice.on_beam(options.runner):
        raise ValueError(f"--runner {options.runner}: BigQuery's rows are too many for it; name an engine of Beam")
    found = PipelineOptions(list(beam_arguments))
    found.view_as(StandardOptions).runner = options.runner
    cloud = found.view_as(GoogleCloudOptions)
    for name in ("project", "temp_location"):
        if not getattr(cloud, name):
            raise ValueError(f"--{name} is missing: BigQuery needs it")
    for path in (options.output, cloud.temp_location):
        if not path.startswith("gs://"):
            raise ValueError(f"{path}: a folder on Google's storage (gs://) is expected")
        storage.check(path)
    return found


def run(output: str, shards: int, options: PipelineOptions) -> None:
    """Run the export; raise RuntimeError if a file is missing after it."""
    ours.claim(output, ours.Kind.DUMPS)
    pipeline = beam.Pipeline(options=options)
    build(pipeline, output, shards)
    pipeline.run().wait_until_finish()
    written = {path.rpartition("/")[2] for path in storage.files_in(output)}
    if missing := [name for name in (name_of(number, shards) for number in range(shards)) if name not in written]:
        raise RuntimeError(f"{output}: {len(missing)} of {shards} files are missing, the first {missing[0]}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the export of GitHub's files from BigQuery, or print the commands; return the exit code."""
    parser = commands.Parser(
        "pipelines.inputs.bigquery",
        "--output gs://BUCKET/github --project PROJECT --region REGION --temp_location gs://BUCKET/tmp",
        description="Export GitHub's files from BigQuery, or print the commands that do.",
        allow_abbrev=False,
    )
    parser.add_argument("--output", type=paths.output_option, help="folder on Google's storage for the files")
    parser.add_argument("--shards", type=int, default=SHARDS, help=f"how many files (default: {SHARDS})")
    parser.add_argument("--runner", default="DataflowRunner", help="the name of a Beam runner")
    parser.add_argument(
        "--commands", nargs=3, metavar=("PROJECT", "DATASET", "BUCKET"), help="only print the commands for bq"
    )
    options, beam_arguments = parser.parse_known_args(sys.argv[1:] if arguments is None else arguments)
    if options.commands:
        print("\n".join(shell_commands(*options.commands)))  # noqa: T201
        return 0
    try:
        if not options.output:
            raise ValueError("--output: a folder on Google's storage (gs://) is expected")
        run(options.output, options.shards, prepare(options, beam_arguments))
    except ValueError as error:
        return commands.failed(error)
    except (RuntimeError, OSError) as error:
        return commands.failed(error, "failed", 1)
    return 0


if __name__ == "__main__":
    commands.run(main)
