"""Readers: one module for each dump format, raw bytes to records.

A reader is a function `read(stream, dump, counts)` that yields a `Document` (its text still raw) or another record for
each record of the dump, and a `Drop` with stage "read" for a record that cannot be read (`document.unread(reason)`
makes one). Ids differ within a dump. It counts what it meets in
`counts["records"]` as soon as it recognises a record, independently of what it yields, so that a record lost on the way
is found; kinds that are no records of the source (a WET file's warcinfo, a page list's site header) are counted under
`counts["other:KIND"]`. Damage that ends a dump early (a truncated archive) is one more record, counted and dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Dump:
    """An input file as a reader sees it.

    `digest` identifies the content (and the attributes that are part of its identity: `language`, `site`, `month`);
    `name` is the path or URL for messages only, it must never reach a document.
    """

    name: str
    digest: str
    attributes: Mapping[str, str] = field(default_factory=dict)
