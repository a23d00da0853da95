"""GitHub: licence, boilerplate, heuristics, exact deduplication, and last the rule that needs the tokenizer.

BigQuery rows or source archives ─ files ─> staged ─ duplicates (exact, owner by rank) ─ unique ─> staged
─ tokens ─> documents

Of files with the same text one is kept: the same resulting text, as the paper says; with `copies="raw"` the same raw
content, as in RedPajama, so that boilerplate and heuristics come only after the decision, in `unique`. Which one stays
is `rank`'s to say.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from filters.code import boilerplate, heuristics, license, license_text
from pipelines.dedup import exact, ranks
from pipelines.document import Document, Drop
from pipelines.files.runs import Keys, Lines
from pipelines.files.tables import columns
from pipelines.hashing import keyed
from pipelines.readers import Dump, github_input
from pipelines.recipes import GitHubFiles, GitHubTokens, Recipe
from pipelines.stages import losses
from pipelines.stages.kinds import Context, Decide, Map
from pipelines.stages.source import Breakdown, Shown, Source
from pipelines.stages.steps import dropped
from pipelines.tokens import tokenizers

DUPLICATE = "duplicate"
_LICENSE_WORDS = ("SPDX", "spdx", *license_text.NOTICE_WORDS)


def read(stream: BinaryIO, dump: Dump, counts: Counter[str]) -> Iterator[Document | Drop]:
    """Read an export or an archive; raise ValueError for a file without a single record or member."""
    before = counts.total()
    yield from github_input.read(stream, dump, counts)
    if counts.total() == before:
        raise ValueError(f"{dump.name}: the file is empty; an export of BigQuery or a source archive is expected")


def clean(file: Document, context: Context[GitHubFiles]) -> Document | Drop:
    """Drop by licence, the file's own where it states one; clean too, unless raw content is compared."""
    if context.recipe.licenses == "file":
        file = with_own_license(file)
    if refused := license.reason(file.license):
        return file.drop(refused, detail=file.license)
    return file if context.recipe.copies == "raw" else without_boilerplate(file, context.recipe.boilerplate)


def with_own_license(file: Document) -> Document:
    """Return a file with the licence that it states of itself in the comments at its head, if it states one.

    By SPDX's identifier, else by the notice of a licence that binds what a file becomes part of.
    """
    if not any(word in file.text for word in _LICENSE_WORDS):
        return file
    comments = boilerplate.head_comments(file.text, file.attributes["path"])
    own = license.stated(comments) or license_text.notice(comments)
    return file if own is None else replace(file, license=license.spelled(own))


def without_boilerplate(file: Document, mode: boilerplate.Mode) -> Document | Drop:
    """Remove boilerplate, drop by the heuristics on what is left."""
    path = file.attributes["path"]
    cleaned = file.with_text(boilerplate.clean(file.text, path, mode))
    if file.text.strip() and not cleaned.text.strip():
        return file.drop("only_boilerplate")
    unfit = heuristics.reason(cleaned.text, path)
    return dropped(file, unfit) if unfit else cleaned


def content_key(raw: Document, file: Document, context: Context[GitHubFiles]) -> Keys:
    """Return the key of the file as it is staged (see the module): its text, and the rank that says who owns it."""
    content = hashlib.sha256(file.text.encode("utf-8", "replace")).digest()
    owner = keyed("owner", file.id) if context.recipe.kept == "any" else rank(raw, file)
    return np.frombuffer(content[:8], ">u8").astype(np.uint64), np.array([owner], np.uint64), None


def rank(raw: Document, file: Document) -> int:
    """Return which of several copies of a file stays, the smallest: see docs/copies.md.

    One in a project of its own before one that another project carries along, one that states its licence itself, the
    one of which most is known, the newest by its time or its release, the one that lies highest in its repository.
    """
    place, *others = ranks.of_document(file)
    states_none = with_own_license(raw) is raw
    path = file.attributes["path"]
    criteria = (place, (states_none, 1), *others, (path.count("/"), 6))
    return ranks.packed(criteria, keyed("owner", file.id))


def unique(file: Document, removed: Lines, context: Context[GitHubFiles]) -> Document | Drop:
    """Drop the copies; clean what is kept if raw content was compared."""
    if len(removed):
        return file.drop(DUPLICATE)
    return without_boilerplate(file, context.recipe.boilerplate) if context.recipe.copies == "raw" else file


def enough_letters(file: Document, context: Context[GitHubTokens]) -> Document | Drop:
    """Drop files with too few letters per token."""
    (ids,) = tokenizers.loaded(context.models["tokenizer"]).encode_batch([file.text], bos=False, eos=False)
    tokens = len(ids)
    if reason := heuristics.letters_per_token_reason(file.text, tokens, context.recipe.min_letters_per_token):
        measured = {} if reason.value is None else {"letters_per_token": round(reason.value, 4)}
        return dropped(file, reason, **measured)
    return file


def attributes(name: str) -> dict[str, str]:
    """Return the repository and ref that the address of a GitHub archive tells; other names tell nothing."""
    return github_input.told_by(name)


def files_part(recipe: Recipe) -> GitHubFiles:
    """Return what `files` and `unique` read of a recipe."""
    return recipe.github.files


def tokens_part(recipe: Recipe) -> GitHubTokens:
    """Return what `tokens` reads of a recipe."""
    return recipe.github.tokens


COLUMNS = columns(repository=pa.string(), path=pa.string(), code_language=pa.string(), release=pa.string())

SOURCE = Source(
    name="github",
    read=read,
    look=github_input.look,
    stages=(
        Map("files", clean, files_part, keys=content_key, ranked=True, columns=COLUMNS, version=14),
        Decide("duplicates", exact.not_owner, ranked=True, share=1.0),
        Map("unique", unique, files_part, copies=(DUPLICATE,), version=3),
        Map(
            "tokens",
            enough_letters,
            tokens_part,
            models=("tokenizer",),
            scores=("letters_per_token",),
            version=3,
        ),
    ),
    attributes=attributes,
    attribute_names=("repository", "ref", "license"),
    group=losses.repository,
    group_kind="repository",
    title="GitHub",
    shown=Shown(
        breakdowns=(
            Breakdown("Languages of code", "programming language", "attributes.code_language"),
            Breakdown("Licences", "licence", "license"),
        ),
    ),
)
