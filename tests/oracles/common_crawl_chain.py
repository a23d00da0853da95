"""CCNet's whole chain over WET files, the slow obvious way: every page in memory, one rule after the other.

WET bytes -> payload of each record -> body -> lines seen on other pages go -> language -> perplexity -> bucket
"""

from __future__ import annotations

import csv
import functools
import hashlib
import io
import math
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import fasttext
import kenlm
import numpy as np
import sentencepiece

from tests.oracles import ccnet, ccnet_text

# Of CCNet's table of percentiles, the languages that these tests meet: its columns, and the rows of 30 and 60.
CUTOFFS = "percentile,de,en,fr,it\n30,370,340,180,220\n60,590,520,330,360\n"

Key = tuple[str, int]  # digest of the file, and where in it the record starts


@dataclass
class Page:
    """What the chain makes of one page; `dropped` says where it left."""

    hashes: set[int] = field(default_factory=set)
    kept: str = ""
    language: str = ""
    score: float = 0.0
    perplexity: float | None = None
    bucket: str = ""
    dropped: str = ""


@dataclass
class Record:
    """A conversion record."""

    url: str
    payload: str


def records(path: Path) -> dict[Key, Record]:
    """Return the conversion records of a WET file, a gzip member each, whose lengths can be trusted."""
    left, found = path.read_bytes(), {}
    digest, size = hashlib.sha256(left).hexdigest(), len(left)
    while left:
        member = zlib.decompressobj(wbits=31)
        offset, content = size - len(left), member.decompress(left)
        left = member.unused_data
        head, _, rest = content.partition(b"\r\n\r\n")
        lines = [line.partition(":") for line in head.decode().split("\r\n")]
        headers = {name.lower(): value.strip() for name, _, value in lines}
        if headers["warc-type"] == "conversion":
            payload = rest[: int(headers["content-length"])].decode()
            found[digest, offset] = Record(headers["warc-target-uri"], payload)
    return found


def mine(
    pages: Mapping[Key, Record],
    lid: Path,
    models: Mapping[str, tuple[Path, Path]],
    languages: Iterable[str] = (),
) -> dict[Key, Page]:
    """Return what CCNet makes of the pages of one window; `models` are (SentencePiece, KenLM) by language."""
    bodies = {key: ccnet.body(record.payload) for key, record in pages.items()}
    mined = {key: Page() if len(body) >= 300 else Page(dropped="too_short") for key, body in bodies.items()}
    window = [key for key in bodies if not mined[key].dropped]
    seen_on: dict[int, set[Key]] = {}
    for key in window:
        mined[key].hashes = {line_key(line) for line in _unique(bodies[key].split("\n"))}
        for line in mined[key].hashes:
            seen_on.setdefault(line, set()).add(key)
    identifier = fasttext.load_model(str(lid))
    for key in window:
        lines = _unique(bodies[key].split("\n"))
        kept = [line for line in lines if len(seen_on[line_key(line)]) == 1]
        if not kept:
            mined[key].dropped = "all_duplicates"
            continue
        page = mined[key]
        page.kept = "\n".join(kept)
        page.language, page.score = _language(identifier, page.kept)
        if page.score < 0.5:
            page.dropped = "language_score"
        elif languages and page.language not in languages:
            page.dropped = "other_language"
        else:
            page.perplexity = _perplexity(page.kept, models.get(page.language))
            page.bucket = _bucket(page)
    return mined


@functools.cache
def line_key(line: str) -> int:
    return ccnet.key(line)


def _unique(lines: Iterable[str]) -> list[str]:
    """Return the first line of each key; 0 is how CCNet marks a removed line, so none of that key is left."""
    kept, seen = [], {0}
    for line in lines:
        if line_key(line) not in seen:
            kept.append(line)
        seen.add(line_key(line))
    return kept


def _language(identifier: fasttext.FastText._FastText, text: str) -> tuple[str, float]:
    labels, scores = identifier.predict(text.replace("\n", ""))
    return (labels[0].replace("__label__", ""), float(np.asarray(scores).round(2)[0])) if labels else ("", 0.0)


@functools.cache
def _load(pieces: Path, model: Path) -> tuple[sentencepiece.SentencePieceProcessor, kenlm.Model]:
    return sentencepiece.SentencePieceProcessor(model_file=str(pieces)), kenlm.Model(str(model))


def _perplexity(text: str, paths: tuple[Path, Path] | None) -> float | None:
    if paths is None:
        return None
    pieces, model = _load(*paths)
    tokenized = " ".join(pieces.encode(ccnet_text.normalise(text), out_type=str))
    if not tokenized:
        return None
    return round(math.pow(10, -model.score(tokenized) / (len(tokenized.split()) + 1)), 1)


def _bucket(page: Page) -> str:
    rows = {row["percentile"]: row for row in csv.DictReader(io.StringIO(CUTOFFS))}
    if page.perplexity is None or page.language not in rows["30"]:
        return "all"
    if page.perplexity < float(rows["30"][page.language]):
        return "head"
    return "middle" if page.perplexity < float(rows["60"][page.language]) else "tail"
