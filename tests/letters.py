"""An eighth source as somebody outside the package writes it: letters, a JSON object a line; and its list of sources.

python -m pipelines.corpus --sources tests.letters:SOURCES --input letters='letters/*.jsonl' ...
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from pipelines import build
from pipelines.dedup import exact
from pipelines.document import Document, Drop
from pipelines.files.runs import Keys
from pipelines.hashing import keyed
from pipelines.readers import Dump
from pipelines.stages.kinds import Context, Decide, Map
from pipelines.stages.source import Breakdown, Measured, Shown, Source
from pipelines.stages.steps import drop_marked


@dataclass(frozen=True)
class Letters:
    """Rules for letters."""

    min_characters: int = 40


def read(stream: BinaryIO, dump: Dump, counts: Counter[str]) -> Iterator[Document]:
    """Yield a document for each line; its offset is the number of the line."""
    for number, line in enumerate(stream):
        counts["records"] += 1
        row = json.loads(line)
        yield Document(
            id=f"letters/{dump.digest}/{number}",
            source="letters",
            text=row["text"],
            dump=dump.digest,
            offset=number,
            language="en",
            timestamp=row["date"],
            attributes={"sender": row["sender"]},
        )


def part(recipe: Any) -> Letters:
    found: Letters = recipe.part("letters")
    return found


def long_enough(letter: Document, context: Context[Letters]) -> Document | Drop:
    short = len(letter.text) < context.recipe.min_characters
    return letter.drop("too_short") if short else letter


def key(raw: Document, letter: Document, context: Context[Letters]) -> Keys:
    hashes = np.array([keyed("letter", letter.text)], np.uint64)
    return hashes, np.array([keyed("owner", letter.id)], np.uint64), None


LETTERS = Source(
    name="letters",
    title="Letters",
    share=0.05,
    recipe=Letters(),
    read=read,
    stages=(
        Map("texts", long_enough, part, keys=key, ranked=True),
        Decide("duplicates", exact.not_owner, ranked=True),
        Map("letters", drop_marked("duplicate"), part),
    ),
    shown=Shown(
        notes=("found in an attic",),
        measures=(Measured("too_short", "characters of a letter", "characters", "min_characters"),),
        breakdowns=(Breakdown("Senders", "sender", "attributes.sender"), Breakdown("Years", "year", "year")),
    ),
)
SOURCES = (*build.SOURCES.values(), LETTERS)
