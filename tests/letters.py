"""An eighth source as somebody outside the package writes it: letters, a JSON object a line; and its list of sources.

python -m pipelines.corpus --sources tests.letters:SOURCES --input letters='letters/*.jsonl' ...
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from pipelines import build
from pipelines.dedup import exact
from pipelines.document import Document, Drop
from pipelines.files.runs import Keys
from pipelines.files.tables import columns
from pipelines.hashing import keyed
from pipelines.readers import Dump
from pipelines.stages.kinds import Context, Decide, Map
from pipelines.stages.source import Breakdown, Measured, Shown, Source
from pipelines.stages.steps import drop_marked


@dataclass(frozen=True)
class Letters:
    """Rules for letters."""

    min_characters: int = 40


class Reason(StrEnum):
    """Why a letter is dropped."""

    UNDATED = "undated"
    TOO_SHORT = "too_short"
    DUPLICATE = "duplicate"


def read(stream: BinaryIO, dump: Dump, counts: Counter[str]) -> Iterator[Document | Drop]:
    """Yield a document for each line, whose offset is the number of the line; a drop for a letter without a date."""
    for number, line in enumerate(stream):
        counts["records"] += 1
        row = json.loads(line)
        letter = Document(
            id=f"letters/{dump.digest}/{number}",
            source="letters",
            text=row["text"],
            dump=dump.digest,
            offset=number,
            language="en",
            timestamp=row["date"] or None,
            attributes={"sender": row["sender"]},
        )
        yield letter if row["date"] else letter.unread(Reason.UNDATED)


def part(recipe: Any) -> Letters:
    found: Letters = recipe.part("letters")
    return found


def long_enough(letter: Document, context: Context[Letters]) -> Document | Drop:
    short = len(letter.text) < context.recipe.min_characters
    return letter.drop(Reason.TOO_SHORT) if short else letter


def key(raw: Document, letter: Document, context: Context[Letters]) -> Keys:
    """Return the hash of the text, and a rank by which one of its copies is the owner: that of the smallest."""
    hashes = np.array([keyed("letter", letter.text)], np.uint64)
    return hashes, np.array([keyed("owner", letter.id)], np.uint64), None


LETTERS = Source(
    name="letters",
    title="Letters",
    share=0.05,
    recipe=Letters(),
    read=read,
    stages=(
        Map("texts", long_enough, part, keys=key, ranked=True, columns=columns(sender=pa.string())),
        Decide("duplicates", exact.not_owner, ranked=True),
        Map("letters", drop_marked(Reason.DUPLICATE), part),
    ),
    shown=Shown(
        notes=("found in an attic",),
        measures=(Measured(Reason.TOO_SHORT, "characters of a letter", "characters", "min_characters"),),
        breakdowns=(Breakdown("Senders", "sender", "attributes.sender"), Breakdown("Years", "year", "year")),
    ),
)
SOURCES = (*build.SOURCES.values(), LETTERS)
