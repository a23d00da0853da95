"""datatrove's four stages of deduplication by MinHash on JSON lines, in the environment that `peers` makes for it.

Run by the benchmark as `python own_texts_peers.py FOLDER OUTPUT`; rows go to OUTPUT/rows.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

TASKS = 8


def main() -> None:
    folder, output = Path(sys.argv[1]), Path(sys.argv[2])
    minhash = import_module("datatrove.pipeline.dedup.minhash")
    readers, writers = import_module("datatrove.pipeline.readers"), import_module("datatrove.pipeline.writers.jsonl")
    executor = import_module("datatrove.executor").LocalPipelineExecutor
    config = minhash.MinhashConfig(num_buckets=14, hashes_per_bucket=8)
    reader = readers.JsonlReader(str(folder))
    signatures, buckets, removed = (str(output / name) for name in ("signatures", "buckets", "removed"))
    stages = (
        ([reader, minhash.MinhashDedupSignature(signatures, config)], TASKS),
        ([minhash.MinhashDedupBuckets(signatures, buckets, config=config)], config.num_buckets),
        ([minhash.MinhashDedupCluster(buckets, removed, config=config)], 1),
        ([reader, minhash.MinhashDedupFilter(removed),
          writers.JsonlWriter(str(output / "rows"), compression=None)], TASKS),
    )  # fmt: skip
    for number, (steps, tasks) in enumerate(stages):
        # One worker: its tasks run in this process, whose CPU seconds are counted.
        executor(pipeline=steps, tasks=tasks, workers=1, logging_dir=str(output / f"log{number}")).run()


if __name__ == "__main__":
    main()
