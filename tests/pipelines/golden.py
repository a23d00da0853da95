"""What every stage of every source makes of the tests' tiny dumps, as digests in golden.json, with the stage's version.

    python -m tests.pipelines.golden      rewrites the file

A result is kept as long as its stage has the same version. So a stage that makes something else of the same input, and
has the version that it had, would leave old results in every corpus: `problems` says where that is so.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipelines import corpus
from pipelines.build import SOURCES
from pipelines.files import tables
from tests.pipelines import tiny

FILE = Path(__file__).with_name("golden.json")
COMMAND = "python -m tests.pipelines.golden"
# What says how it was made, not what was made; and excerpts for people.
_LEFT_OUT = (".json", ".changes", "begun")


def stages() -> Iterator[tuple[str, int]]:
    """Yield source and place of every stage."""
    for name, source in SOURCES.items():
        yield from ((name, index) for index in range(len(source.stages)))


def digest(output: Path, source: str, index: int) -> str:
    """Return the digest of all that a stage has written: rows of tables in any order, other files byte for byte."""
    stage, last = SOURCES[source].stages[index].name, index == len(SOURCES[source].stages) - 1
    patterns = [f"work/{source}/{stage}/*", f"work/{source}/{stage}_*/*", f"{source}/drops/{stage}-*"]
    files = [
        path for pattern in (*patterns, *([f"{source}/documents/*"] if last else [])) for path in output.glob(pattern)
    ]
    rows = [(path.relative_to(output).as_posix(), _digest(path)) for path in files if not path.name.endswith(_LEFT_OUT)]
    return hashlib.sha256(json.dumps(sorted(rows)).encode()).hexdigest()[:16]


def _digest(path: Path) -> str:
    if path.suffix == ".parquet":
        return tables.table_digest(map(tables.row_digest, tables.read_rows(str(path))))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def found(output: Path) -> dict[str, dict[str, Any]]:
    """Return digest and version of every stage, by SOURCE/STAGE."""
    return {
        f"{source}/{stage.name}": {"digest": digest(output, source, index), "version": stage.version}
        for source, index in stages()
        for stage in [SOURCES[source].stages[index]]
    }


def problems(now: Mapping[str, Mapping[str, Any]], golden: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield what is not as the file says, each with its stage and what is to be done."""
    for name in [*golden, *(name for name in now if name not in golden)]:
        if name not in now or name not in golden:
            yield f"{name}: {'is gone' if name in golden else 'is new'}; record that with {COMMAND}"
        elif now[name]["version"] != golden[name]["version"]:
            yield f"{name}: has version {now[name]['version']}, {FILE.name} {golden[name]['version']}; run {COMMAND}"
        elif now[name]["digest"] != golden[name]["digest"]:
            yield (
                f"{name}: makes something else of the same dumps, with the same version {now[name]['version']}: if it "
                f"should, raise `version` of the stage in pipelines/sources/{name.partition('/')[0]}.py and run "
                f"{COMMAND}; if it should not, a step of it was changed by mistake"
            )


def build(folder: Path) -> Path:
    """Build the corpus of the tiny dumps and return its folder."""
    options = tiny.write(folder)
    if corpus.main([*options, "--output", str(folder / "corpus"), "--runner", "plain"]):
        raise RuntimeError("the tiny dumps cannot be built")
    return folder / "corpus"


def main() -> int:
    """Rewrite golden.json and say what has changed."""
    with tempfile.TemporaryDirectory() as folder:
        now = found(build(Path(folder)))
    golden = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    for name in sorted({*now, *golden}):
        was, became = golden.get(name), now.get(name)
        if was and became and was["version"] != became["version"] and was["digest"] == became["digest"]:
            print(f"recorded: {name} has another version and the same digest: no tiny dump reaches what was changed")
        elif was != became:
            print(f"recorded: {name}: {was} -> {became}")
    FILE.write_text(json.dumps(now, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
