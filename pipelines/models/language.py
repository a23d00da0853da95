"""CCNet's quality models: SentencePiece and 5-grams of each language's Wikipedia, and the cut-offs of perplexity.

    wikipedia documents of a language -> the smallest hashes, as many as fit -> pieces -> n-grams -> OUTPUT/models
    common_crawl pages with perplexity -> drawn by hash -> percentiles, by language -> cutoffs.json

`filters.web.quality_models` reads what is made here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from filters.models import lmplz
from filters.web import perplexity
from filters.web.quality_models import ARPA, BINARY, PIECES
from pipelines.files import tables
from pipelines.hashing import keyed
from pipelines.models import draws
from pipelines.models.training import Training
from pipelines.recipes import LanguageModels


def make_language_model(task: Training) -> dict[str, Any]:
    """Train one language's SentencePiece and n-gram model on its articles.

    `inputs` are document shards; of more articles or more text than the recipe wants, those with the smallest keyed
    hash are taken. A language without articles gets no files: its pages are in the bucket "all".
    """
    recipe: LanguageModels = task.recipe
    language = task.name.rpartition("/")[2]
    texts = _articles(task.inputs, language, recipe)
    if not texts:
        return {"documents": 0}
    pieces, arpa = task.path(PIECES), task.path(ARPA)
    size = sum(len(text.encode()) for text in texts)
    characters = len(set().union(*texts))
    perplexity.train_pieces(texts, pieces, pieces=min(recipe.pieces, perplexity.vocabulary_for(size, characters)))
    program = recipe.lmplz if recipe.estimator == "lmplz" else None
    summary = perplexity.train_language_model(
        texts, pieces, arpa, order=recipe.order, prune=recipe.prune, program=program
    )
    if program and lmplz.to_binary(arpa, task.path(BINARY), program):
        arpa.unlink()
    return {
        "documents": len(texts),
        "bytes": size,
        "words": summary.words,
        "ngrams": list(summary.ngrams),
        "estimator": recipe.estimator,
    }


def _articles(paths: Sequence[str], language: str, recipe: LanguageModels) -> list[str]:
    """Return the texts with the smallest hashes, in their order; only hashes and sizes of the others are held."""
    found = [(key, len(text.encode())) for key, text in _hashed(paths, language)]
    keys, sizes = np.array([key for key, _ in found], np.uint64), np.array([size for _, size in found], np.int64)
    order = np.argsort(keys, kind="stable")
    wanted = int(np.searchsorted(np.cumsum(sizes[order]), recipe.text_bytes, side="right"))
    wanted = min(max(wanted, 1), recipe.documents)
    if wanted >= len(order):
        return [text for _, text in sorted(_hashed(paths, language))]
    last = int(keys[order[wanted - 1]])
    return [text for _, text in sorted(pair for pair in _hashed(paths, language) if pair[0] <= last)][:wanted]


def _hashed(paths: Sequence[str], language: str) -> Iterator[tuple[int, str]]:
    for path in paths:
        for row in tables.read_rows(path, ["id", "language", "text"]):
            if row["language"] == language:
                yield keyed("language_model", row["id"]), row["text"]


def take_perplexities(task: draws.Draw) -> Iterator[tuple[str, int, bytes]]:
    """Take language and perplexity of the pages that have one."""
    for row in tables.read_rows(task.path, ["id", "language", "perplexity"]):
        value = row["perplexity"]
        key = keyed("cutoffs", row["id"])
        if value is not None and value >= 0 and task.wants("pages", key):
            yield "pages", key, f"{row['language']} {value}".encode()


def make_cutoffs(task: Training) -> dict[str, Any]:
    """Compute each language's head and middle cut-off as percentiles of the perplexity of crawled pages.

    `inputs` are draws, `recipe` how many pages of a language are wanted: of more, those with the smallest keyed hash
    are taken. A language of whose pages none has a perplexity has no cut-offs.
    """
    limit: int = task.recipe
    found: dict[str, list[float]] = {}
    for payload in draws.drawn(task.inputs):
        language, value = payload.decode().rsplit(" ", 1)
        values = found.setdefault(language, [])
        if len(values) < limit:
            values.append(float(value))
    cutoffs = {
        language: {**asdict(perplexity.percentile_cutoffs(np.array(values))), "pages": len(values)}
        for language, values in sorted(found.items())
    }
    task.path("cutoffs.json").write_text(json.dumps(cutoffs, indent=1, sort_keys=True), encoding="utf-8")
    return {"cutoffs": cutoffs}
