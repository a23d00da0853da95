"""What it costs to count documents and drops as they are written: CPU seconds beside those of the build's stages.

Usage: `python benchmarks/counts.py CORPUS [--rounds N]`, a finished corpus. All tables of each source are counted from
memory as a build counts them, row group by row group; the stages' CPU seconds are those of the corpus' own manifests,
without models, tokens and shards. Printed for each source: CPU seconds of both, and bytes of the largest item's counts.
The last line is one JSON object: name -> {ratio, bar}, counting as a share of the stages, in percent, at most the bar.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipelines.account.finished import corpus_manifest, source_manifest
from pipelines.files import storage
from pipelines.stages import counts

BAR = 2.0  # per cent


def measured(output: str, source: str, rounds: int) -> tuple[float, float, int]:
    """Return CPU seconds of counting a source, those of its stages, and the bytes of the largest file of counts."""
    manifest = source_manifest(output, source)
    own = [
        row["of"].partition(".")[2] for row in manifest["shown"]["breakdowns"] if row["of"].startswith("attributes.")
    ]
    best = float("inf")
    groups = [
        (kind, counts.groups(f"{output}/{row['path']}"))
        for kind in ("documents", "drops")
        for row in manifest[kind]["files"]
    ]
    every = [(kind, list(tables)) for kind, tables in groups]
    for _ in range(rounds):
        started = time.process_time()
        for kind, tables in every:
            item = counts.ItemCounts(own)
            for table in tables:
                (item.documents if kind == "documents" else item.drops)(table)
            counts.as_json(item.summary())
        best = min(best, time.process_time() - started)
    sizes = [storage.size(path) for path in storage.files_in(f"{output}/work/{source}") if path.endswith(".counts")]
    return best, sum(account["cpu_seconds"] for account in manifest["stages"]), max(sizes, default=0)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("corpus")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    counting = stages = 0.0
    for source in corpus_manifest(options.corpus)["sources"]:
        own, whole, size = measured(options.corpus, source, options.rounds)
        print(f"{source:16} counted in {own:7.3f} s, stages {whole:8.1f} s; largest {size:,} bytes")
        counting, stages = counting + own, stages + whole
    print(json.dumps({"counts, % of the stages": {"ratio": round(100 * counting / stages, 2), "bar": BAR}}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
