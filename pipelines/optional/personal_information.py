"""What the web sources do about personal information, if the recipe says so: leave sites out, mask in what is kept."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from filters.web import personal_info
from pipelines.document import Document, Drop
from pipelines.files.tables import columns
from pipelines.stages.kinds import Context

SITES = "personal_information_sites"  # the model: a list of hosts
MASKED = ("masked_emails", "masked_ip_addresses", "masked_telephones")
COLUMNS = columns(**dict.fromkeys(MASKED, pa.int32()))  # null where nothing was looked for
DEFAULT_SITES = Path(__file__).with_name("personal_information_sites.txt")


class LeavesOut(Protocol):
    """A part of a recipe that says whether the listed sites are left out."""

    @property
    def exclude_personal_information_sites(self) -> bool:
        """Whether they are."""
        ...


class Masks(Protocol):
    """A part of a recipe that says whether addresses and numbers are masked."""

    @property
    def mask_personal_information(self) -> bool:
        """Whether they are."""
        ...


def listed(page: Document, context: Context[LeavesOut]) -> Drop | None:
    """Return the drop of a page whose site is on the list, without excerpt, URL and title: they may name people.

    None where the recipe keeps it.
    """
    if not context.recipe.exclude_personal_information_sites:
        return None
    reason = _sites(context.models[SITES]).reason(page.url)
    return replace(page.drop(reason), excerpt="", url=None, title=None) if reason else None


def masked(page: Document, context: Context[Masks]) -> Document:
    """Return a page with addresses and numbers masked, and how many as attributes, if the recipe says so."""
    if not context.recipe.mask_personal_information:
        return page
    found = personal_info.masked(page.text)
    counts = dict(zip(MASKED, (found.emails, found.ip_addresses, found.telephones), strict=True))
    context.counts.update(counts)
    title = personal_info.mask(page.title) if page.title else page.title
    return replace(page, text=found.text, title=title).with_attributes(**counts)


@cache
def _sites(path: str) -> personal_info.Sites:
    return personal_info.Sites.load(Path(path))
