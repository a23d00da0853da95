"""A source whose records say what is done with them, to see how an engine bears it: work, failures, deaths, memory.

    --sources tests.pipelines.runners.trying:SOURCES --input trying='FOLDER/*.jsonl'      {"does": "work 2.5"}

Each file is an item of its stage `trying/items`.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pipelines.document import Document
from pipelines.readers import Dump
from pipelines.stages.kinds import Context, Map
from pipelines.stages.source import Source

OPTIONS = ("--sources", f"{__name__}:SOURCES", "--source", "trying", "--set", "tokenize=false")
MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Trying:
    """It has no rules."""


def read(stream: BinaryIO, dump: Dump, counts: Counter[str]) -> Iterator[Document]:
    """Yield a document for each line."""
    for number, line in enumerate(stream):
        counts["records"] += 1
        yield Document(
            id=f"trying/{dump.digest}/{number}", source="trying", text=json.loads(line)["does"], dump="t", offset=number
        )


def act(record: Document, context: Context[Trying]) -> Document:
    """Do what a record says: `work SECONDS` of CPU, `sleep SECONDS`, `fail`, `die`, `hold MEGABYTES`."""
    what, _, much = record.text.partition(" ")
    if what == "work":
        end = time.process_time() + float(much)
        while time.process_time() < end:
            sum(range(10_000))
    elif what == "sleep":
        time.sleep(float(much))
    elif what == "fail":
        raise ValueError("the field is missing")
    elif what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "hold":
        held = [b"x" * MEGABYTE for _ in range(int(much))]  # of zeros none would be taken
        time.sleep(len(held) / 1_000)
    return record


def part(recipe: Any) -> Trying:
    """Return its rules."""
    found: Trying = recipe.part("trying")
    return found


def write(folder: Path, items: Sequence[str]) -> list[str]:
    """Write a file for each item, which says what is done; return the options of the build."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, does in enumerate(items):
        row = json.dumps({"does": does, "number": number})  # files of equal content are one input
        (folder / f"{number:03d}.jsonl").write_text(f"{row}\n")
    return [*OPTIONS, "--input", f"trying={folder}/*.jsonl"]


def finished(output: Path) -> dict[str, tuple[int, int]]:
    """Return which items are done: each manifest's inode and time, which change if one is done again."""
    found = {path.name: path.stat() for path in output.glob("work/trying/items/*.json")}
    return {name: (status.st_ino, status.st_mtime_ns) for name, status in found.items()}


SOURCES = (
    Source(
        name="trying",
        title="Trying",
        share=0.05,
        recipe=Trying(),
        read=read,
        stages=(Map("items", act, part),),
    ),
)
