"""What each host, repository or site loses to deduplication: exact counts in bounded memory, and the alarm.

    documents in and lost by name, of one item ─> run sorted by hash of the name ─┐
    ┌─────────────────────────────────────────────────────────────────────────────┘
    └ one part of the names, over the runs of all items ─> added up ─> the names that lost most, and alarms

A host of ten thousand pages has one of them in each of ten thousand files, so that no list of an item's worst tells:
each item writes all of its names, and what is added up is split by hash. An item holds the names of its own documents
in memory, a task those of its part; of the names only the `LISTED` that lost most go on.
"""

from __future__ import annotations

import heapq
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pipelines.document import Document, Drop
from pipelines.files import runs, storage
from pipelines.files.current import renewed
from pipelines.hashing import keyed

Group = Callable[[Document], str]
# Reasons for which a document goes because another one is like it, or has all its lines.
REASONS = frozenset({"duplicate", "duplicate_url", "all_duplicates", "contained_in_another", "near_duplicate"})
# Every page has three sentences before C4's lines are deduplicated: what has fewer then has lost them to other pages.
STAGE_REASONS = frozenset({("c4", "english", "too_few_sentences")})
# How many names a manifest lists, and how many items (of about 20,000 hosts at most) one task adds up.
LISTED = 20
ITEMS_OF_A_PART = 2_048

_COUNTS = struct.Struct("<II")
# With nothing to lower, strip or split, as most are: in a tenth of urlsplit's time.
_PLAIN_URL = re.compile(r"https?://([a-z0-9.-]+)/[!-~]*\Z")


def is_loss(source: str, stage: str, reason: str) -> bool:
    """Tell whether a drop for this reason is a loss to deduplication."""
    return reason in REASONS or (source, stage, reason) in STAGE_REASONS


def host(page: Document) -> str:
    """Return the host of a page's URL, "" if it has none."""
    plain = _PLAIN_URL.match(page.url or "")
    if plain:
        return plain[1]
    try:
        return urlsplit(page.url or "").hostname or ""
    except ValueError:
        return ""


def repository(file: Document) -> str:
    """Return the repository of a file."""
    return str(file.attributes.get("repository", ""))


def site(question: Document) -> str:
    """Return the site of a question."""
    return str(question.attributes.get("site", ""))


class Counts:
    """Counts one item's documents by name: how many came in, how many deduplication took."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self._found: dict[str, list[int]] = {}

    def add(self, document: Document, outcome: Document | Drop) -> None:
        """Take note of what became of a document."""
        row = self._found.setdefault(self._group(document), [0, 0])
        row[0] += 1
        row[1] += isinstance(outcome, Drop) and is_loss(outcome.source, outcome.stage, outcome.reason)

    def write(self, path: str, buckets: int) -> None:
        """Write the counts as a run."""
        names = sorted(self._found)
        payloads = [_COUNTS.pack(*self._found[name]) + name.encode("utf-8", "replace") for name in names]
        runs.write_blobs(path, [keyed("loss", name) for name in names], payloads, buckets)


@dataclass(frozen=True, slots=True)
class Alarm:
    """What is implausible: more than `share` of a name's documents lost, if it has `least` documents."""

    share: float
    least: int

    def rings(self, row: Sequence[Any]) -> bool:
        """Tell whether a row (name, in, lost) is implausible."""
        return bool(row[1] >= self.least and row[2] > self.share * row[1])


@dataclass(frozen=True)
class Sum:
    """One part of the names of one stage, added up over all items; `listed` is a file that names their runs."""

    listed: str
    manifest: str
    identity: str
    part: int
    parts: int
    alarm: Alarm


def parts_of(items: int, buckets: int) -> int:
    """Return into how many parts the names of so many items are split: a power of two."""
    wanted = -(-items // ITEMS_OF_A_PART)
    return min(1 << (max(wanted, 1) - 1).bit_length(), buckets)


def add_up(task: Sum) -> None:
    """Write what one part of the names lost, see `merged`."""
    with renewed(task.manifest, task.identity) as facts:
        totals: dict[bytes, list[int]] = {}
        for item, path in enumerate(storage.read_json(task.listed)):
            for _, payload in runs.read_blobs(_slice(item, path, task.part, task.parts)):
                total = totals.setdefault(payload[_COUNTS.size :], [0, 0])
                for place, count in enumerate(_COUNTS.unpack_from(payload)):
                    total[place] += count
        lost = [(name.decode(), *row) for name, row in totals.items() if name and row[1]]
        implausible = [row for row in lost if task.alarm.rings(row)]
        facts |= {"names": len(totals), "implausible": len(implausible)}
        facts |= {"worst": _most(implausible), "most": _most(lost)}


def _slice(item: int, path: str, part: int, parts: int) -> runs.Slice:
    starts = runs.bucket_starts(path)
    width = (len(starts) - 1) // parts
    first, last = int(starts[part * width]), int(starts[(part + 1) * width])
    return runs.Slice(item, path, first, last - first)


def _most(rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    return [list(row) for row in heapq.nsmallest(LISTED, rows, key=lambda row: (-row[2], row[0]))]


def merged(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a stage's parts as one.

    `names` counts hosts (or repositories, sites), `implausible` those that raise the alarm; of these `worst`, of all
    `most` lists the ones that lost most, each as [name, documents in, documents lost].
    """
    counts = {name: sum(part[name] for part in found) for name in ("names", "implausible")}
    return counts | {name: _most(row for part in found for row in part[name]) for name in ("worst", "most")}


def warnings(stage: str, kind: str, found: Mapping[str, Any], share: float) -> Iterator[str]:
    """Yield an alarm for each name listed that lost an implausible share, and one for those that are not listed."""
    for name, documents, lost in found["worst"]:
        part = f"{lost:,} of its {documents:,} documents ({lost / documents:.0%})"
        yield f"{stage}: the {kind} {name} lost {part} as duplicates: more than max_duplicates={share}"
    if (more := found["implausible"] - len(found["worst"])) > 0:
        yield f"{stage}: {more:,} more of this kind ({kind}) lost more than max_duplicates={share} of their documents"
