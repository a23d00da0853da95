"""CCNet's quality models: SentencePiece and 5-grams of each language's Wikipedia, and the cut-offs of perplexity.

    wikipedia documents of a language -> the smallest hashes, as many as fit -> pieces -> n-grams -> OUTPUT/models
    common_crawl pages with perplexity -> drawn by hash -> percentiles, by language -> cutoffs.json

Models come in two forms, told apart by their names: ours, LANG/pieces.model with LANG/model.arpa (or model.bin, KenLM's
binary form), and CCNet's, LANG.sp.model with LANG.arpa.bin. Cut-offs are a folder with cutoffs.json, or CCNet's table
of percentiles, a row for each percentile and a column for each language (cutoff.csv).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from filters.models import lmplz
from filters.web import perplexity
from pipelines.files import tables
from pipelines.hashing import keyed
from pipelines.models import draws
from pipelines.models.training import Training
from pipelines.recipes import LanguageModels

PIECES, ARPA, BINARY = "pieces.model", "model.arpa", "model.bin"
CCNET_PIECES, CCNET_BINARY = ".sp.model", ".arpa.bin"


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


def files_of(directory: str, language: str) -> tuple[Path, Path] | None:
    """Return a language's two files, pieces and n-grams, or None if there is no model; ValueError if one is missing."""
    for pieces, ngrams in _forms(Path(directory), language):
        found = next(filter(Path.exists, ngrams), None)
        if pieces.exists() and found:
            return pieces, found
        if pieces.exists() or found:
            missing = ngrams[0] if pieces.exists() else pieces
            raise ValueError(f"{missing} is missing, without which {found or pieces} is of no use")
    return None


def _forms(folder: Path, language: str) -> Iterator[tuple[Path, tuple[Path, ...]]]:
    yield folder / language / PIECES, (folder / language / BINARY, folder / language / ARPA)
    yield folder / f"{language}{CCNET_PIECES}", (folder / f"{language}{CCNET_BINARY}", folder / f"{language}.arpa")


def languages_of(directory: str) -> list[str]:
    """Return the languages of which a folder has a model."""
    folder = Path(directory)
    names = {path.parent.name for path in folder.glob(f"*/{PIECES}")}
    names |= {path.name.removesuffix(CCNET_PIECES) for path in folder.glob(f"*{CCNET_PIECES}")}
    return sorted(names)


def given_files(directory: str, languages: Collection[str]) -> list[Path]:
    """Return the files that a folder of models has for these languages (none given: for all); ValueError for none."""
    there = languages_of(directory)
    wanted = [language for language in there if not languages or language in languages]
    if not wanted:
        names = f"{', '.join(sorted(languages))}, only of {', '.join(there)}" if there else "any language"
        raise ValueError(
            f"a directory with LANG/{PIECES} and LANG/{ARPA}, or CCNet's LANG{CCNET_PIECES} and LANG{CCNET_BINARY}, "
            f"is expected; there is no model of {names}"
        )
    return [path for language in wanted for path in files_of(directory, language) or ()]


def load_language_model(directory: str, language: str) -> perplexity.PerplexityModel | None:
    """Load one language's model, or None if there is none."""
    found = files_of(directory, language) if language else None
    return perplexity.PerplexityModel(*found) if found else None


# --- cut-offs --------------------------------------------------------------------------------------------------------


def take_perplexities(task: draws.Draw) -> Iterator[tuple[str, int, bytes]]:
    """Take language and perplexity of the pages that have one."""
    for row in tables.read_rows(task.path, ["id", "language", "attributes"]):
        value = float(dict(row["attributes"]).get("perplexity", perplexity.NO_PERPLEXITY))
        key = keyed("cutoffs", row["id"])
        if value >= 0 and task.wants("pages", key):
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


def load_cutoffs(path: str) -> dict[str, perplexity.Cutoffs]:
    """Return the cut-offs of each language from a folder with cutoffs.json or a table like CCNet's.

    Raises ValueError naming the file and what is wrong with it.
    """
    if Path(path).is_file():
        return _ccnet_cutoffs(Path(path))
    file = Path(path, "cutoffs.json")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return {language: perplexity.Cutoffs(row["head"], row["middle"]) for language, row in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{file}: no cut-offs by language ({error!r})") from None


def _ccnet_cutoffs(file: Path) -> dict[str, perplexity.Cutoffs]:
    expected = "a row for each percentile and a column for each language is expected (CCNet's cutoff.csv)"
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            header, *rows = list(csv.reader(lines, strict=True))
        table = {int(row[0]): dict(zip(header[1:], map(float, row[1:]), strict=True)) for row in rows if row}
        head, middle = table[perplexity.HEAD_PERCENTILE], table[perplexity.MIDDLE_PERCENTILE]
    except (ValueError, KeyError, IndexError, csv.Error) as error:
        raise ValueError(f"{file}: {expected} ({error!r})") from None
    try:
        return {language: perplexity.Cutoffs(head[language], middle[language]) for language in header[1:]}
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
