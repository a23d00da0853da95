"""The classifier "used as a reference in Wikipedia", trained on crawled pages.

    crawled pages, cited or not -> drawn by hash, the same rules for both -> as many random pages as cited ones
      -> held out by hash of the URL and the seed -> fastText -> threshold, precision, recall, ROC (scores.json)

Which pages are cited a `Decide` has joined, by hashes of normalised URLs (or of hosts); text is read only of the pages
that are drawn.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from filters.web import reference
from pipelines.dedup.citations import HOST, URL
from pipelines.files import runs, tables
from pipelines.hashing import keyed, share
from pipelines.models import draws
from pipelines.models.training import Training
from pipelines.recipes import Match, ReferenceTraining
from pipelines.stages.kinds import Paths, Removals

CITED, RANDOM = "cited", "random"
DECIMALS = 6
LEAST_PAGES = 10  # of each class, to train and to choose a threshold with

Labelled = tuple[str, bool]


@dataclass(frozen=True)
class Pages:
    """What tells the cited pages of one shard: where its part of the decision lies, and what is compared."""

    paths: Paths
    removals: Removals
    match: Match
    language: str
    short_negatives: bool

    def cited(self) -> frozenset[int]:
        """Return the rows of the shard whose URL, or whose host, is cited."""
        marks = self.removals.read(self.paths)
        line = URL if self.match == "url" else HOST
        return frozenset(marks["doc"][marks["line"] == line].tolist())


@dataclass(frozen=True)
class Examples:
    """The runs of what was drawn of each class, and what made a page a cited one."""

    cited: tuple[str, ...]
    random: tuple[str, ...]
    match: Match


def take_pages(task: draws.Draw) -> Iterator[tuple[str, int, bytes]]:
    """Take the pages of one language, cited ones and others, that are long enough; the payload is URL and text."""
    pages: Pages = task.detail
    cited = pages.cited()
    for number, row in enumerate(tables.read_rows(task.path, ["id", "language", "url", "text"])):
        group, key = CITED if number in cited else RANDOM, keyed("reference", row["id"])
        wanted = task.wants(group, key) and row["language"] == pages.language
        any_length = group == RANDOM and pages.short_negatives
        if wanted and (any_length or not reference.too_short(row["text"])):
            yield group, key, f"{row['url'] or ''}\n{row['text']}".encode()


def make_reference(task: Training) -> dict[str, Any]:
    """Train the classifier and choose its threshold.

    The only input is `Examples`. Both classes are pages of one language that went through the same steps and have the
    same least length, as many random ones as cited ones. Raises ValueError if a class has too few pages to train and to
    choose with, saying what can be done.
    """
    recipe: ReferenceTraining = task.recipe
    (examples,) = task.inputs
    cited, others = _classes(examples, recipe)
    training, held_out = _parts(cited, True, recipe), _parts(others, False, recipe)
    learned, judged = (one + other for one, other in zip(training, held_out, strict=True))
    model_path = task.path("reference.bin")
    model_path.write_bytes(
        reference.train(
            [text for text, label in learned if label],
            [text for text, label in learned if not label],
            _settings(recipe),
        )
    )
    classifier = reference.ReferenceClassifier(model_path)
    scores = reference.choose_threshold(
        [classifier.probability(text) for text, _ in judged], [label for _, label in judged]
    )
    facts = {
        "match": examples.match,
        "threshold": scores.threshold,
        "precision": round(scores.precision, 4),
        "recall": round(scores.recall, 4),
        "area_under_roc": round(scores.area, 4),
        "pages": {"positive": len(cited), "negative": len(others), "held_out": len(judged)},
        # threshold, share of random pages kept, share of cited pages kept
        "roc": [[round(value, DECIMALS) for value in point] for point in scores.roc.tolist()],
    }
    task.path("scores.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    return facts


def _settings(recipe: ReferenceTraining) -> reference.Training:
    return reference.Training(
        dimension=recipe.dimension,
        epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
        word_ngrams=recipe.word_ngrams,
        seed=recipe.seed,
    )


def _parts(pages: Sequence[tuple[str, str]], label: bool, recipe: ReferenceTraining) -> tuple[list[Labelled], ...]:
    """Return what is trained on and what is held out of a class, by a hash of the URL; at least one page of each."""
    parts: tuple[list[Labelled], ...] = ([], [])
    for url, text in pages:
        parts[share(f"held_out/{recipe.seed}", url) < recipe.held_out].append((text, label))
    if not all(parts):
        raise ValueError(
            f"common_crawl.training.held_out is {recipe.held_out}: one of the two classes has "
            "no page to train on, or none to hold out"
        )
    return parts


def _classes(examples: Examples, recipe: ReferenceTraining) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return (URL, text) of cited and of other pages, as many of one as of the other, in the order of their hash."""
    there, others = (sum(map(runs.records, paths)) for paths in (examples.cited, examples.random))
    size = min(there, others, recipe.pages)
    if size < LEAST_PAGES:
        raise ValueError(
            f"{there} cited and {others} other pages (language {recipe.language}, at least {reference.MIN_CHARACTERS} "
            f"characters, cited by {examples.match}) are too few: {LEAST_PAGES} of each are needed. Give more of the "
            "crawl or of Wikipedia; count pages of hosts that are cited (--set common_crawl.quality.match=host); give "
            "a classifier (--model reference=PATH); or keep all pages (--set common_crawl.reference.classifier=false)"
        )
    return _pages(examples.cited, size), _pages(examples.random, size)


def _pages(paths: Sequence[str], size: int) -> list[tuple[str, str]]:
    found = (payload.decode().partition("\n") for payload in draws.drawn(paths, size))
    return [(url, text) for url, _, text in found]
