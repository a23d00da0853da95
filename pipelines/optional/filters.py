"""Rules that any source may have behind its own, switched on by its recipe; before near-duplicates.

documents ─ filtered (rules, masks) ─> staged, key of the text ─ copies (decide) ─┐
┌──────────────────────────────────────────────────────────────────────────────────┘
└ distinct ─> staged, keys of lines ─ repeated_lines (decide) ─ lines_removed ─> documents

`--set c4.filters.gopher.quality=true` is all there is to do; stages that nothing asks for are not there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from filters import packages
from filters.broken import Broken
from filters.web import c4, fineweb, gopher, paragraphs, perplexity, reference, words
from filters.web.language import LanguageIdentifier
from filters.web.language import reason as language_reason
from filters.web.quality_models import load_cutoffs, load_language_model
from pipelines.dedup import exact, lines, ranks
from pipelines.document import Document, Drop
from pipelines.files.runs import Keys, Lines
from pipelines.files.tables import columns, merged
from pipelines.hashing import keyed
from pipelines.optional import personal_information
from pipelines.recipe_parts import Filters
from pipelines.recipes import Recipe
from pipelines.stages.kinds import Context, Decide, Map, Stage
from pipelines.stages.source import Source
from pipelines.stages.steps import drop_marked, dropped

DUPLICATE = "duplicate"
CLASSIFIER = "classifier"  # the model: a fastText classifier
MEASURED = ("language_score", "perplexity", "classifier_probability")
COLUMNS = merged(columns(**dict.fromkeys(MEASURED, pa.float64()), bucket=pa.string()), personal_information.COLUMNS)
Outcome = Document | Drop


def filtered(document: Document, context: Context[Filters]) -> Outcome:
    """Apply the rules that are switched on, one after the other; the first that a document breaks drops it."""
    for rule in (_in_language, _by_c4, _by_words, _by_perplexity, _by_classifier):
        outcome = rule(document, context)
        if isinstance(outcome, Drop):
            return outcome
        document = outcome
    return personal_information.masked(document, context)


def _in_language(document: Document, context: Context[Filters]) -> Outcome:
    wanted = context.recipe.language
    if not wanted.languages:
        return document
    label, score = _identifier(context.models["lid"]).identify(document.text)
    if reason := language_reason(label, score, wanted.languages, wanted.threshold):
        return dropped(document.in_language(label), reason, language_score=score)
    return document.with_attributes(language_score=score).in_language(label)


def _by_c4(document: Document, context: Context[Filters]) -> Outcome:
    wanted = context.recipe.c4
    if wanted.lines:
        cleaned = c4.clean(document.text, wanted.min_sentences)
        if cleaned.text is None:
            assert cleaned.reason is not None
            return dropped(document, cleaned.reason)
        document = document.with_text(cleaned.text)
    if wanted.bad_words and (reason := _bad_words(context.models["bad_words"]).reason(document.text)):
        return dropped(document, reason)
    return document


def _by_words(document: Document, context: Context[Filters]) -> Outcome:
    wanted = context.recipe
    if not (wanted.gopher.quality or wanted.gopher.repetition or wanted.fineweb):
        return document
    text = document.text.replace("\r\n", "\n")
    found = words.words(text)
    broken = (
        (gopher.quality(text, found) if wanted.gopher.quality else None)
        or (gopher.repetition(text, found) if wanted.gopher.repetition else None)
        or (fineweb.quality(text, found) if wanted.fineweb else None)
    )
    return dropped(document, broken) if broken else document


def _by_perplexity(document: Document, context: Context[Filters]) -> Outcome:
    wanted = context.recipe.perplexity
    if not (wanted.buckets or wanted.most):
        return document
    language = document.language or ""
    model = _language_model(context.models["language_models"], language)
    if model is None:
        return document.drop("no_language_model", detail=language or None)
    found = model.perplexity(document.text)
    known = {} if found == perplexity.NO_PERPLEXITY else {"perplexity": found}
    if wanted.most and found > wanted.most:
        return dropped(document, Broken("perplexity", found, wanted.most), **known)
    if wanted.buckets:
        cutoffs = _cutoffs(context.models["cutoffs"]).get(language)
        bucket = perplexity.bucket(found, cutoffs)
        if bucket not in wanted.buckets:
            return dropped(document, perplexity.outside(bucket, found, cutoffs, wanted.buckets), **known)
        document = document.with_attributes(bucket=bucket)
    return document.with_attributes(**known)


def _by_classifier(document: Document, context: Context[Filters]) -> Outcome:
    wanted = context.recipe.classifier
    if not wanted.label:
        return document
    probability = _classifier(context.models[CLASSIFIER], wanted.label).probability(document.text)
    if probability < wanted.threshold:
        return dropped(
            document, Broken("classifier", probability, wanted.threshold), classifier_probability=probability
        )
    return document.with_attributes(classifier_probability=probability)


def text_key(raw: Document, document: Document, context: Context[Filters]) -> Keys:
    """Return the hash of a document's text, and the rank that chooses one of those of the same text."""
    hashes = np.array([keyed("text", document.text)], np.uint64)
    rank = ranks.packed(ranks.of_document(document), keyed("text_owner", document.id))
    return hashes, np.array([rank], np.uint64), None


def line_keys(raw: Document, document: Document, context: Context[Filters]) -> Keys:
    """Return the hash of each line of a text that has letters or digits, each once, and the rank of the document."""
    found = _line_hashes(document.text)
    numbers = np.sort(np.unique(found, return_index=True)[1]).astype(np.uint32)
    numbers = numbers[found[numbers] != _empty_line()]
    ranks = np.full(len(numbers), keyed("line_owner", document.id), np.uint64)
    return found[numbers], ranks, numbers


def without_lines(document: Document, removed: Lines, context: Context[Filters]) -> Outcome:
    """Remove the lines that other documents have, wherever they stand; drop a document of which nothing is left."""
    if len(removed):
        found = _line_hashes(document.text)
        removed = np.flatnonzero(np.isin(found, found[removed])).astype(np.uint32)
    left = lines.without(document.text, removed, context.counts)
    if left is None or not left.strip():
        return document.drop(paragraphs.Reason.ALL_DUPLICATES)
    return document.with_text(left)


def _line_hashes(text: str) -> npt.NDArray[np.uint64]:
    """Return the hash of each line of a text, of what CCNet compares of it."""
    return paragraphs.packed(paragraphs.keys("\n".join(map(str.strip, text.split("\n")))))


@cache
def _empty_line() -> np.uint64:
    return np.uint64(paragraphs.packed(paragraphs.keys(""))[0])


@cache
def _identifier(path: str) -> LanguageIdentifier:
    return LanguageIdentifier(Path(path))


@cache
def _bad_words(path: str) -> c4.BadWords:
    return c4.BadWords(Path(path))


_language_model = cache(load_language_model)
_cutoffs = cache(load_cutoffs)


@cache
def _classifier(path: str, label: str) -> reference.ReferenceClassifier:
    return reference.ReferenceClassifier(Path(path), label)


def filters_part(source: str, recipe: Recipe) -> Filters:
    """Return what these stages read of a recipe, for a source by its name."""
    found: Filters = recipe.part(source).filters
    return found


def models(wanted: Filters) -> tuple[str, ...]:
    """Return the names of the models that the rules need."""
    rules = {
        "lid": wanted.language.languages,
        "bad_words": wanted.c4.bad_words,
        "language_models": wanted.perplexity.buckets or wanted.perplexity.most,
        "cutoffs": wanted.perplexity.buckets,
        CLASSIFIER: wanted.classifier.label,
    }
    return tuple(name for name, is_on in rules.items() if is_on)


def needed(wanted: Filters) -> tuple[packages.Package, ...]:
    """Return the packages that the rules need."""
    rules = {
        packages.PUNKT: wanted.c4.lines,
        packages.KENLM: wanted.perplexity.buckets or wanted.perplexity.most,
        packages.FASTTEXT: wanted.classifier.label,
    }
    return tuple(package for package, is_on in rules.items() if is_on)


def chosen(source: Source, recipe: Recipe) -> Source:
    """Return the source with the stages that its recipe switches on."""
    wanted = getattr(recipe.part(source.name), "filters", None)
    if wanted is None:
        return source
    added = tuple(_stages(source.name, wanted)) if wanted != Filters() else ()
    return replace(source.extended(added), scores=MEASURED)


def _stages(source: str, wanted: Filters) -> Iterator[Stage]:
    part, names = partial(filters_part, source), models(wanted)
    by_lines = None if wanted.lines == "off" else line_keys
    keys = text_key if wanted.copies else by_lines
    yield Map(
        "filtered",
        filtered,
        part,
        models=names,
        keys=keys,
        ranked=keys is not None,
        columns=COLUMNS,
        scores=MEASURED,
        packages=needed(wanted),
        version=5,
    )
    if wanted.copies:
        yield Decide("copies", exact.not_owner, ranked=True, share=1.0)
        yield Map(
            "distinct",
            drop_marked(DUPLICATE),
            part,
            keys=by_lines,
            ranked=by_lines is not None,
            copies=(DUPLICATE,),
            version=2,
        )
    if by_lines:
        rule = exact.not_owner if wanted.lines == "all_but_one" else lines.seen_twice
        yield Decide("repeated_lines", rule, ranked=True, part=part)
        yield Map("lines_removed", without_lines, part)
