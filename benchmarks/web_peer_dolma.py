"""dolma's C4 tagger (`c4_v2`) on documents, in the environment that `peers` makes for it.

    JSONL -> c4_v2 -> attributes as JSONL

Run by the benchmark as `python web_peer_dolma.py SETTINGS.json`, in one process.
"""

import importlib
import json
import resource
import sys
import tempfile
from pathlib import Path


def cpu_seconds() -> float:
    """Return the CPU seconds, user and system, of this process and of its children that ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def main() -> None:
    """Run what the settings say and print CPU seconds."""
    settings = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    runtime = importlib.import_module("dolma.core.runtime")
    with tempfile.TemporaryDirectory() as folder:
        before = cpu_seconds()
        runtime.create_and_run_tagger(
            documents=[f"{settings['documents']}/*.jsonl.gz"], destination=folder, taggers=["c4_v2"], debug=True
        )
        spent = cpu_seconds() - before
        tagged = sum(1 for path in Path(folder).rglob("*.gz") if path.stat().st_size)
    if not tagged:
        sys.exit("dolma wrote no attributes")
    print(json.dumps({"cpu_seconds": spent}))


if __name__ == "__main__":
    main()
