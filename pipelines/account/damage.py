"""What readers found damaged: said when it is found, and kept among a source's warnings.

A file that is cut off or corrupt costs only the records that it no longer holds; each of them that can be told is a
drop with its reason. But what goes wrong later for want of them must not be the first that is heard of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from pipelines.stages.chain import Chain

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
    """Return a line for each item in which records could not be read; `manifests` are those of the first stage."""
    found = _damaged(chain, manifests)
    listed = list(islice(found, LISTED))
    more = sum(1 for _ in found)
    return listed + ([f"{chain.source.name}: {more:,} more files have records that cannot be read"] if more else [])


def _damaged(chain: Chain, manifests: Sequence[dict[str, Any]]) -> Iterator[str]:
    for item, row in zip(chain.items(), manifests, strict=True):
        reasons = {
            reason: documents
            for reason, (documents, _) in sorted(row["dropped"].get("read", {}).items())
            if reason in REASONS
        }
        if reasons:
            told = ", ".join(f"{reason} {documents:,}" for reason, documents in reasons.items())
            names = sorted({part.path.rpartition("/")[2] for part in item.parts})
            where = ", ".join(names[:3]) + (f" and {len(names) - 3} more files" if len(names) > 3 else "")
            yield f"{chain.links[0].name}: {where}: records that cannot be read: {told}"
