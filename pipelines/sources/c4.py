"""C4: one page for each URL, the rules for lines, each line kept by one page, English, no bad words.

WET or WARC ─ pages ─> staged, keys of URLs ─ one_per_url (decide) ─> lines ─> staged, keys of lines
─ line_owners (decide) ─> english (sentences again, language, bad words) ─> documents
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from filters import packages
from filters.native.web import Firsts
from filters.web import c4
from pipelines.dedup import exact, lines
from pipelines.document import Document, Drop
from pipelines.files.runs import RANK_LIMIT, Keys, Lines
from pipelines.files.tables import columns, merged
from pipelines.hashing import keyed
from pipelines.optional import personal_information
from pipelines.readers import Dump, warc
from pipelines.recipes import C4English, C4Lines, C4Pages, Recipe
from pipelines.stages import losses
from pipelines.stages.kinds import Context, Decide, Map
from pipelines.stages.last_call import last_call
from pipelines.stages.source import Breakdown, Measured, Shown, Source
from pipelines.stages.steps import dropped


def read(stream: BinaryIO, dump: Dump, counts: Counter[str]) -> Iterator[Document | Drop]:
    """Read a WET or WARC file as this source."""
    return warc.read(stream, dump, counts, source="c4")


def page(raw: Document, context: Context[C4Pages]) -> Document | Drop:
    """Drop pages of listed sites, and those that are too long."""
    if drop := personal_information.listed(raw, context):
        return drop
    found = raw.with_text(_text(raw.text, context.recipe))
    if reason := c4.page_too_long(found.text, context.recipe.max_characters):
        return dropped(raw, reason)
    return found


def _text(text: str, recipe: C4Pages) -> str:
    return c4.page_text(text, remove_nul=recipe.remove_nul, lose_header_lines=recipe.lose_header_lines)


def url_key(raw: Document, found: Document, context: Context[C4Pages]) -> Keys:
    """Return the key of the page's normalised URL; the page with the largest hash of its text owns it."""
    url = c4.normalise_url(found.url or "")
    return (
        np.array([keyed("c4_url", url)], np.uint64),
        np.array([RANK_LIMIT - c4.text_rank(found.text)], np.uint64),
        None,
    )


def prose(found: Document, removed: Lines, context: Context[C4Lines]) -> Document | Drop:
    """Keep one page for each URL, and of it the lines that are prose, each once."""
    if len(removed):
        return found.drop("duplicate_url", detail=c4.normalise_url(found.url or ""))
    lines = _prose_lines(found.text, context.recipe.min_sentences)
    return found.with_text(lines.text) if isinstance(lines, Firsts) else dropped(found, lines)


def line_keys(raw: Document, found: Document, context: Context[C4Lines]) -> Keys:
    """Return the key of each line; the page whose URL has the smallest hash owns it."""
    lines = _prose_lines(raw.text, context.recipe.min_sentences)
    assert isinstance(lines, Firsts)
    rank = c4.url_rank(c4.normalise_url(found.url or ""))
    number = len(lines.hashes)
    return lines.hashes, np.full(number, rank, np.uint64), np.arange(number, dtype=np.uint32)


_prose_lines = last_call(c4.prose_lines)  # the step and its keys ask for the same page, one after the other


def english(found: Document, removed: Lines, context: Context[C4English]) -> Document | Drop:
    """Remove the lines that other pages own, then drop what is too short, not English, or has a bad word."""
    cleaned = found.with_text(lines.without(found.text, removed, context.counts) or "")
    if reason := c4.after_deduplication(cleaned.text, context.recipe.min_sentences):
        return dropped(cleaned if cleaned.text else found, reason)
    if reason := c4.language(cleaned.text, context.recipe.threshold):
        return dropped(cleaned.in_language(_plain(reason.detail)) if reason.detail else cleaned, reason)
    if reason := _bad_words(context.models["bad_words"]).reason(cleaned.text):
        return dropped(cleaned.in_language(c4.ENGLISH), reason)
    split = "validation" if c4.is_validation(c4.normalise_url(found.url or "")) else "train"
    kept = cleaned.with_attributes(c4_split=split).in_language(c4.ENGLISH)
    return personal_information.masked(kept, context)


def _plain(code: str) -> str:
    """Return a language as documents have it, without the script that langdetect tells Chinese apart by."""
    return code.partition("-")[0]


@cache
def _bad_words(path: str) -> c4.BadWords:
    return c4.BadWords(Path(path))


def pages_part(recipe: Recipe) -> C4Pages:
    """Return what `pages` reads of a recipe."""
    return recipe.c4.pages


def lines_part(recipe: Recipe) -> C4Lines:
    """Return what `lines` reads of a recipe."""
    return recipe.c4.lines


def english_part(recipe: Recipe) -> C4English:
    """Return what `english` reads of a recipe."""
    return recipe.c4.english


COLUMNS = merged(columns(c4_split=pa.string()), personal_information.COLUMNS)

SOURCE = Source(
    name="c4",
    read=read,
    look=warc.look,
    stages=(
        Map("pages", page, pages_part, models=(personal_information.SITES,), keys=url_key, ranked=True, version=7),
        Decide("one_per_url", exact.not_owner, ranked=True),
        Map("lines", prose, lines_part, keys=line_keys, ranked=True, packages=(packages.PUNKT,), version=2),
        Decide("line_owners", exact.not_owner, ranked=True),
        Map(
            "english",
            english,
            english_part,
            models=("bad_words",),
            columns=COLUMNS,
            packages=(packages.PUNKT, packages.LANGDETECT),
            version=4,
        ),
    ),
    group=losses.host,
    group_kind="host",
    title="C4",
    shown=Shown(
        measures=(Measured("page_too_long", "characters", "characters", "pages.max_characters", "below"),),
        breakdowns=(
            Breakdown("Sites", "site", "host"),
            Breakdown("Year of the crawl", "year", "year"),
        ),
    ),
)
