"""GitHub: licence, heuristics, boilerplate, exact deduplication, and last the rule that needs the tokenizer.

BigQuery rows ─ files ─> staged ─ duplicates (exact, owner by keyed hash) ─ unique ─> staged ─ tokens ─> documents
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from filters import boilerplate, code, license
from pipelines.dedup import exact
from pipelines.document import Document, Drop
from pipelines.graph import Source
from pipelines.hashing import keyed
from pipelines.readers import Dump, github
from pipelines.stages import Context, Decide, Keys, Lines, Map
from pipelines.tokens import load_tokenizer


def read(stream: BinaryIO, dump: Dump, counts: Counter[str]) -> Iterator[Document | Drop]:
    """Read an export; raise ValueError for a file without a single line, which is no export."""
    before = counts.total()
    yield from github.read(stream, dump, counts)
    if counts.total() == before:
        raise ValueError(f"{dump.name}: the file is empty; rows of JSON, one a line, are expected")


def clean(file: Document, context: Context) -> Document | Drop:
    """Drop by licence, remove boilerplate, drop by the heuristics on what is left."""
    path = file.attributes["path"]
    if refused := license.reason(file.license):
        return file.drop("files", refused)
    if unfit := code.reason(file.text, path):
        return file.drop("files", unfit)
    cleaned = file.with_text(boilerplate.clean(file.text, path, context.recipe.mode))
    if not cleaned.text.strip():
        return file.drop("files", "only_boilerplate")
    return cleaned


def content_key(raw: Document, file: Document, context: Context) -> Keys:
    """Return the key of the resulting file: its content, owned by the smallest keyed hash of the id."""
    content = hashlib.sha256(file.text.encode("utf-8", "replace")).digest()
    return np.frombuffer(content[:8], ">u8").astype(np.uint64), np.array([keyed("owner", file.id)], np.uint64), None


def unique(file: Document, removed: Lines, context: Context) -> Document | Drop:
    """Drop the copies."""
    return file.drop("unique", "duplicate") if len(removed) else file


def enough_letters(file: Document, context: Context) -> Document | Drop:
    """Drop files with too few letters per token."""
    tokens = len(load_tokenizer(context.models["tokenizer"]).encode(file.text))
    if reason := code.letters_per_token_reason(file.text, tokens, context.recipe.min_letters_per_token):
        return file.drop("tokens", reason)
    return file


SOURCE = Source(
    name="github",
    read=read,
    stages=(
        Map("files", clean, recipe="files", keys=content_key, ranked=True),
        Decide("duplicates", exact.not_owner, ranked=True),
        Map("unique", unique, recipe="files"),
        Map("tokens", enough_letters, recipe="tokens", models=("tokenizer",)),
    ),
)
