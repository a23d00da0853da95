"""What readers found damaged: said when it is found, and kept among a source's warnings.

A file that is cut off or corrupt costs only the records that it no longer holds; each of them that can be told is a
drop with its reason. But what goes wrong later for want of them must not be the first that is heard of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from pipelines.document import READ
from pipelines.files import tables
from pipelines.stages.chain import Chain
from pipelines.stages.kinds import Item, Part

# Reasons of readers that speak of the file, not of what is in it.
REASONS = frozenset(
    {
        *("content_length", "corrupt", "cut_row", "damaged", "damaged_archive", "duplicate_id", "invalid_utf8"),
        "malformed",
        *("malformed_row", "truncated"),
    }
)
LISTED = 20  # files that are named


def warnings(chain: Chain, manifests: Sequence[dict[str, Any]]) -> list[str]:
    """Return what is to be said of inputs: what their source remarks, and in which items records could not be read.

    `manifests` are those of the first stage.
    """
    remarks = list(chain.source.remarks(chain.inputs)) if chain.source.remarks else []
    found = _damaged(chain, manifests)
    listed = list(islice(found, LISTED))
    more = sum(1 for _ in found)
    return (
        remarks
        + listed
        + ([f"{chain.source.name}: {more:,} more files have records that cannot be read"] if more else [])
    )


def _damaged(chain: Chain, manifests: Sequence[dict[str, Any]]) -> Iterator[str]:
    for item, row in zip(chain.items(), manifests, strict=True):
        reasons = {
            reason: documents
            for reason, (documents, _) in sorted(row["dropped"].get("read", {}).items())
            if reason in REASONS
        }
        if reasons:
            told = ", ".join(f"{reason} {documents:,}" for reason, documents in reasons.items())
            names = sorted({part.path.rpartition("/")[2] for part in _damaged_parts(chain, item)})
            where = ", ".join(names[:3]) + (f" and {len(names) - 3} more files" if len(names) > 3 else "")
            yield f"{chain.links[0].name}: {where}: records that cannot be read: {told}"


def _damaged_parts(chain: Chain, item: Item) -> Sequence[Part]:
    """Return the files of an item that are damaged, told by the ids of what was dropped; all, if these do not tell."""
    if len(item.parts) == 1:
        return item.parts
    rows = tables.read_rows(chain.paths.drops(chain.links[0].stage.name, item.key), ["id", "stage", "reason"])
    ids = [row["id"] for row in rows if row["stage"] == READ and row["reason"] in REASONS]
    return [part for part in item.parts if any(part.digest in found for found in ids)] or item.parts
