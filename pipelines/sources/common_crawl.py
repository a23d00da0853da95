"""CommonCrawl by CCNet: lines deduplicated, language, perplexity, and "used as a reference in Wikipedia".

WET or WARC ─ paragraphs ─> staged, keys of lines ─ duplicate_lines (decide) ─┐
┌─────────────────────────────────────────────────────────────────────────────┘
└ quality (lines removed, language, perplexity) ─> staged, keys of URLs ─ cited (join with Wikipedia) ─┐
┌─────────────────────────────────── cut-offs and classifier are trained here ─────────────────────────┘
└ reference (bucket, classifier) ─> documents
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from filters import packages
from filters.native.web import Firsts
from filters.web import paragraphs, perplexity, reference
from filters.web.language import LanguageIdentifier
from filters.web.language import reason as language_reason
from filters.web.quality_models import load_cutoffs, load_language_model
from pipelines.dedup import exact, lines
from pipelines.dedup.citations import URL, citation_keys
from pipelines.document import Document, Drop
from pipelines.files.runs import Keys, Lines
from pipelines.files.tables import columns, merged
from pipelines.optional import personal_information
from pipelines.readers import warc
from pipelines.recipes import CommonCrawl, Paragraphs, Quality, Recipe, Reference
from pipelines.sources import wikipedia
from pipelines.stages import losses
from pipelines.stages.kinds import Context, Decide, Map, Stage, StageOf
from pipelines.stages.last_call import last_call
from pipelines.stages.source import Breakdown, Measured, Shown, Source
from pipelines.stages.steps import dropped


def long_enough(page: Document, context: Context[Paragraphs]) -> Document | Drop:
    """Drop listed sites, take the title off, drop short pages, and keep the first of each repeated line."""
    if drop := personal_information.listed(page, context):
        return drop
    found = _firsts(page.text, context.recipe)
    reason = paragraphs.too_short(found.characters, context.recipe.min_characters)
    if reason := reason or paragraphs.nothing_left(found.hashes):
        return dropped(page, reason)
    return page.with_text(found.text)


def line_keys(page: Document, body: Document, context: Context[Paragraphs]) -> Keys:
    """Return the keys of the page's lines, each once."""
    hashes = _firsts(page.text, context.recipe).hashes
    return hashes, None, np.arange(len(hashes), dtype=np.uint32)


@last_call
def _firsts(text: str, recipe: Paragraphs) -> Firsts:
    """Return the first of each repeated line of a page's body."""
    return paragraphs.firsts(
        text, remove_nul=recipe.remove_nul, add_last_line=recipe.add_last_line, lose_zero=recipe.lose_hash_zero
    )


def quality(page: Document, removed: Lines, context: Context[Quality]) -> Document | Drop:
    """Remove the lines that other pages have too, identify the language, and score the text."""
    left = lines.without(page.text, removed, context.counts)
    if left is None:
        return page.drop(paragraphs.Reason.ALL_DUPLICATES)
    return scored(page.with_text(left), context)


def scored(page: Document, context: Context[Quality]) -> Document | Drop:
    """Identify the language and score the text, as far as there are models for it."""
    if "lid" not in context.models:
        return page
    recipe, identifier = context.recipe, _identifier(context.models["lid"])
    label, score = identifier.identify(page.text, recipe.newlines, recipe.score_decimals)
    if unwanted := language_reason(label, score, recipe.languages, recipe.threshold):
        return dropped(page.in_language(label), unwanted, language_score=score)
    models = context.models.get("language_models")
    model = _language_model(models, label) if models else None
    found = perplexity.NO_PERPLEXITY if model is None else model.perplexity(page.text)
    known = None if found == perplexity.NO_PERPLEXITY else found
    return page.with_attributes(language_score=score, perplexity=known).in_language(label)


def url_keys(raw: Document, page: Document, context: Context[Quality]) -> Keys:
    """Return the keys that meet those of the URLs that Wikipedia cites, and of the hosts if the recipe counts them.

    A large host has many millions of pages, all of one key: no key is written that nobody asks for.
    """
    return citation_keys([page.url or ""], hosts=context.recipe.match == "host")


def like_a_reference(page: Document, cited: Lines, context: Context[Reference]) -> Document | Drop:
    """Drop pages outside the wanted buckets, and those that the classifier does not take for references."""
    kept = in_bucket(page, context)
    if isinstance(kept, Drop):
        return kept
    kept = kept.with_attributes(cited=URL in cited.tolist())
    path = context.models["reference"]
    probability = _classifier(path, context.recipe.label).probability(page.text)
    threshold = _chosen_threshold(path) if context.recipe.threshold is None else context.recipe.threshold
    if reason := reference.reason(probability, threshold):
        return dropped(page, reason, **_measured(page), reference_probability=probability)
    return personal_information.masked(kept.with_attributes(reference_probability=probability), context)


def without_classifier(page: Document, context: Context[Reference]) -> Document | Drop:
    """Drop pages outside the wanted buckets."""
    kept = in_bucket(page, context)
    return kept if isinstance(kept, Drop) else personal_information.masked(kept, context)


def in_bucket(page: Document, context: Context[Reference]) -> Document | Drop:
    """Return the page with its bucket, its drop if that is not wanted, or as it is without models of perplexity."""
    if "cutoffs" not in context.models:
        return page
    cutoffs = _cutoffs(context.models["cutoffs"]).get(page.language or "")
    found = _measured(page).get("perplexity", perplexity.NO_PERPLEXITY)
    bucket, wanted = perplexity.bucket(found, cutoffs), context.recipe.buckets
    if bucket not in wanted:
        return dropped(page, perplexity.outside(bucket, found, cutoffs, wanted), **_measured(page))
    return page.with_attributes(bucket=bucket)


def _measured(page: Document) -> dict[str, float]:
    found: float | None = page.attributes.get("perplexity")
    return {} if found is None else {"perplexity": found}


@cache
def _identifier(path: str) -> LanguageIdentifier:
    return LanguageIdentifier(Path(path))


_language_model = cache(load_language_model)
_cutoffs = cache(load_cutoffs)


@cache
def _chosen_threshold(directory: str) -> float:
    return float(json.loads(Path(directory, "scores.json").read_text(encoding="utf-8-sig"))["threshold"])


@cache
def _classifier(path: str, label: str) -> reference.ReferenceClassifier:
    return reference.ReferenceClassifier(Path(path, "reference.bin") if Path(path).is_dir() else Path(path), label)


def paragraphs_part(recipe: Recipe) -> Paragraphs:
    """Return what `paragraphs` reads of a recipe."""
    return recipe.common_crawl.paragraphs


def window(recipe: Recipe) -> int:
    """Return how many files are compared with each other."""
    return recipe.common_crawl.window


def quality_part(recipe: Recipe) -> Quality:
    """Return what `quality` reads of a recipe."""
    return recipe.common_crawl.quality


def reference_part(recipe: Recipe) -> Reference:
    """Return what `reference` reads of a recipe."""
    return recipe.common_crawl.reference


LANGUAGE = columns(language_score=pa.float64(), perplexity=pa.float64())
REFERENCE = merged(
    columns(bucket=pa.string(), cited=pa.bool_(), reference_probability=pa.float64()), personal_information.COLUMNS
)
CITED = Decide(
    "cited", exact.in_other_source, other=StageOf(wikipedia.SOURCE.name, wikipedia.ARTICLES), duplicates=False
)


def stages(recipe: CommonCrawl) -> tuple[Stage, ...]:
    """Return the stages that a recipe leaves; each asks for no model and writes no key that none of them reads."""
    by_lines, by_classifier = recipe.duplicate_lines, recipe.reference.classifier
    identified, scores = ("lid",) * recipe.language, ("language_models",) * recipe.perplexity
    cutoffs, sites = ("cutoffs",) * recipe.perplexity, (personal_information.SITES,)
    return (
        Map(
            "paragraphs",
            long_enough,
            paragraphs_part,
            models=sites,
            keys=line_keys if by_lines else None,
            version=7,
        ),
        *((Decide("duplicate_lines", lines.seen_twice, window=window),) * by_lines),
        Map(
            "quality",
            quality if by_lines else scored,
            quality_part,
            models=identified + scores,
            keys=url_keys if by_classifier else None,
            columns=LANGUAGE,
            scores=("language_score",),
            packages=(packages.KENLM,) * recipe.perplexity,
            version=3,
        ),
        *((CITED,) * by_classifier),
        Map(
            "reference",
            like_a_reference if by_classifier else without_classifier,
            reference_part,
            models=(*cutoffs, "reference") if by_classifier else cutoffs,
            columns=REFERENCE,
            scores=("perplexity", "reference_probability"),
            packages=(packages.FASTTEXT,) * by_classifier,
            version=4,
        ),
    )


SOURCE = Source(
    name="common_crawl",
    read=warc.read,
    look=warc.look,
    stages=stages(CommonCrawl()),
    stages_of=stages,
    group=losses.host,
    group_kind="host",
    title="CommonCrawl",
    shown=Shown(
        notes=("the paper names none of its five dumps of 2017 to 2020",),
        measures=(
            Measured("language_score", "score of the language", "attributes.language_score", "quality.threshold"),
            Measured("other_language", "score of the language", "attributes.language_score", "quality.threshold"),
        ),
        breakdowns=(
            Breakdown("Languages", "language", "language"),
            Breakdown("Sites", "site", "host"),
            Breakdown("Year of the crawl", "year", "year"),
        ),
    ),
)
