"""The query that makes GitHub's export of BigQuery's public data set, and the commands that run it.

    bigquery-public-data.github_repos: contents JOIN files JOIN licenses ──> one row for each blob with all that hold it
    bq query ──> table ──> bq extract ──> gs://BUCKET/github/contents-*.parquet ──> --input 'github=gs://...'

`contents` has one row for each blob: text under 1 MiB, null for larger and binary ones. `files` says where a blob is,
in every repository; `licenses` gives each repository one lower-case SPDX key. Only repositories under the four licences
of the corpus are asked for: a file that also lies in another is kept for those it lies in here, and no file is lost by
it, as every licence is checked again by `filters.license`. The query reads the whole of `contents` (2.7 TB), which
BigQuery charges for once: the result is kept in a table and exported from there.

`python -m pipelines.readers.bigquery --project P --dataset D --bucket B` prints the commands; nothing is run.
"""

from __future__ import annotations

import argparse
import sys

from filters.license import PERMISSIVE

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


def query() -> str:
    """Return the query in BigQuery's SQL; its columns are those that the readers of GitHub know."""
    return QUERY.format(places=PLACES, licenses=", ".join(f"'{name}'" for name in sorted(PERMISSIVE)))


def commands(project: str, dataset: str, bucket: str) -> list[str]:
    """Return the shell commands that run the query and export its table as Parquet to gs://BUCKET/github."""
    table = f"{project}:{dataset}.github_files"
    flat = " ".join(query().split()).replace("`", "\\`")
    files = f"gs://{bucket}/github/contents-*.parquet"
    return [
        f'bq query --project_id={project} --nouse_legacy_sql --destination_table={table} --max_rows=0 "{flat}"',
        f"bq extract --destination_format=PARQUET --compression=ZSTD '{table}' '{files}'",
    ]


def main(arguments: list[str] | None = None) -> int:
    """Print the commands."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.readers.bigquery", description=main.__doc__)
    for name in ("project", "dataset", "bucket"):
        parser.add_argument(f"--{name}", required=True)
    options = parser.parse_args(arguments)
    sys.stdout.write("\n".join(commands(options.project, options.dataset, options.bucket)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
