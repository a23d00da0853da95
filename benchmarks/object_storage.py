"""What object storage costs beside local disk: the sample built on each, requests by kind, the client's CPU seconds.

    sample -> a corpus on local disk, then the same with nothing changed
    sample -> a corpus on versitygw, an S3 server over a folder, then the same with nothing changed

Usage: `python benchmarks/object_storage.py [--raw data/raw] [--versitygw PROGRAM] [--workers 2]`, after
`go install github.com/versity/versitygw/cmd/versitygw@v1.8.0`. Builds run one after the other as commands of their own;
their CPU seconds are those of the command and its workers, without the server's. Requests are those of the server's
access log. Both corpora are compared, file by file. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.pipelines import servers  # noqa: E402

REQUESTS_BAR = 6_700  # of a build of the sample
FRESH_BAR = 1.3  # times the CPU seconds on local disk
AGAIN_BAR = 1.5
OPERATION = 7  # the field of a line of the access log


def cpu(command: list[str], environment: dict[str, str]) -> float:
    """Run a command; return the CPU seconds of it and of its children, exit if it fails."""
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with exit code {process.returncode}")
    return used.ru_utime + used.ru_stime


def build(output: str, options: argparse.Namespace, environment: dict[str, str]) -> float:
    """Build the sample's corpus, or look that it is there; return the CPU seconds."""
    command = [sys.executable, "-P", "-m", "pipelines.corpus", "--recipe", "sample", "--raw", str(options.raw)]
    return cpu([*command, "--output", output, "--workers", str(options.workers)], environment)


def kinds(lines: Iterable[str]) -> Counter[str]:
    """Count the requests of an access log by operation."""
    fields = (line.replace(" +0000]", "]").split(" ") for line in lines)
    return Counter(row[OPERATION - 1].removeprefix("s3_") for row in fields if len(row) > OPERATION)


def files(folder: Path) -> dict[str, bytes]:
    """Return what makes up a corpus by name: documents, drops, tokens and models."""
    names = (
        "*/documents/*.parquet",
        "*/drops/*.parquet",
        "*/copies/*.parquet",
        "tokens/**/*.bin",
        "tokens/**/*.index",
        "models/**/*",
    )
    found = {path for name in names for path in folder.glob(name) if path.is_file() and path.name != "manifest.json"}
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def show(name: str, found: Counter[str]) -> None:
    """Print requests by kind."""
    print(
        f"{name}: {found.total():,} requests: {', '.join(f'{kind} {count:,}' for kind, count in found.most_common())}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--raw", type=Path, default=ROOT / "data/raw")
    parser.add_argument("--versitygw", help="the server's program (default: as on the path)")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    program = options.versitygw or servers.program("versitygw")
    if program is None:
        sys.exit("versitygw is not there: go install github.com/versity/versitygw/cmd/versitygw@v1.8.0")
    with tempfile.TemporaryDirectory() as folder:
        measured(Path(folder), program, options)


def measured(folder: Path, program: str, options: argparse.Namespace) -> None:
    """Build on both, and print what it took."""
    local, remote, log = folder / "local", "s3://corpus/sample", folder / "access.log"
    seconds = {name: build(str(local), options, dict(os.environ)) for name in ("fresh", "again")}
    ratios = {}
    with servers.versitygw(program, folder / "store", log) as environment:
        for name, bar in (("fresh", FRESH_BAR), ("again", AGAIN_BAR)):
            before = len(log.read_text().splitlines()) if log.exists() else 0
            used = build(remote, options, {**os.environ, **environment})
            requests = kinds(log.read_text().splitlines()[before:])
            show(name, requests)
            print(f"{name}: {used:.1f} CPU seconds, {seconds[name]:.1f} on local disk")
            ratios[f"{name} build beside local disk, CPU"] = {"ratio": round(used / seconds[name], 2), "bar": bar}
            if name == "fresh":
                ratios["requests of a fresh build"] = {"ratio": requests.total(), "bar": REQUESTS_BAR}
        assert files(folder / "store/corpus/sample") == files(local), "the two corpora differ"
        shutil.rmtree(folder / "store")
    print(json.dumps(ratios))


if __name__ == "__main__":
    main()
