"""What a filter says of a text that it drops, as plain values to compare with."""

from __future__ import annotations

from filters.broken import Broken

Told = tuple[str, float | None, float | None, str | None]


def told(found: Broken | None) -> Told | None:
    """Return reason, value, limit and detail; None for a text that is kept."""
    return None if found is None else (str(found), found.value, found.limit, found.detail)


def alone(reason: str) -> Told:
    """Return a reason that says all by itself."""
    return str(reason), None, None, None
