"""What a user may set of a recipe: one field by its path, or by `mode` all that differ from what was published.

    "common_crawl.quality.threshold=0.65" -> override -> recipe -> check

`SOURCE.STAGE.mode=published`, `SOURCE.mode=published` and `mode=published` set the fields of `pipelines.divergences` of
a stage, a source or the whole recipe; what is set after it stands.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any

from filters.wikitext.names import LANGUAGES
from pipelines import fields
from pipelines.divergences import Mode, divergences, in_mode
from pipelines.problems import RefusedError
from pipelines.recipe_parts import Filters, NearDuplicates, Texts
from pipelines.recipes import PAPER, Recipe

TEXTS = "texts"  # the group of a recipe that names own texts


# What "all" stands for in fields of languages.
_ALL = {
    "common_crawl.quality.languages": "",
    "language_models.languages": "",
    "wikipedia.articles.languages": ",".join(LANGUAGES),
}


def override(recipe: Recipe, assignment: str) -> Recipe:
    """Return the recipe with one field changed by "path.to.field=value"; raise ValueError saying what is wrong."""
    path, value = fields.split(assignment)
    found = _ALL.get(".".join(path), value) if value.strip().lower() == "all" else value
    changed: Recipe = _override(recipe, path, found, assignment)
    return changed


def _override(node: Any, path: list[str], value: str, assignment: str) -> Any:
    if path == ["mode"] and any(divergences(node)):
        return in_mode(node, fields.parse(Mode, value, assignment))
    if isinstance(node, Recipe) and path[0] == TEXTS and len(path) > 2:
        return _own_texts(node, path[1], path[2:], value, assignment)
    if isinstance(node, Recipe) and path[0] in (added := dict(node.added)) and len(path) > 1:
        part = _override(added[path[0]], path[1:], value, assignment)
        return replace(node, added=tuple((added | {path[0]: part}).items()))
    if isinstance(node, Recipe) and len(path) > 1 and path[0] not in (known := fields.names(node)):
        raise ValueError(
            f"--set {assignment}: there is no field {path[0]!r}; for texts of your own write texts.{'.'.join(path)}; "
            f"available: {', '.join(known)}"
        )
    return fields.changed(node, path, value, assignment, _override)


def with_texts(recipe: Recipe, name: str) -> Recipe:
    """Return the recipe with a part for own texts of this name, which makes them a source; as it is if it has one."""
    return recipe if name in dict(recipe.added) else replace(recipe, added=(*recipe.added, (name, Texts())))


def _own_texts(recipe: Recipe, name: str, path: list[str], value: str, assignment: str) -> Recipe:
    added = dict(with_texts(recipe, name).added)
    if not isinstance(added[name], Texts):
        raise ValueError(f"--set {assignment}: {name} is a source of the list; set its fields by {name}.FIELD=VALUE")
    part = _override(added[name], path, value, assignment)
    return replace(recipe, added=tuple((added | {name: part}).items()))


def check(recipe: Recipe) -> None:
    """Raise ValueError naming each field whose value makes no sense, and what would be right."""
    if wrong := list(_wrong(recipe)):
        raise RefusedError(wrong)


def _wrong(recipe: Recipe) -> Iterator[str]:
    parts = {name: getattr(recipe, name) for name in PAPER.sources}
    parts |= {f"{TEXTS}.{name}" if isinstance(part, Texts) else name: part for name, part in recipe.added}
    known = ("sources", *_among((*PAPER.sources, *dict(recipe.added))))
    rules = [("", recipe, rule) for rule in (known, *_RULES)]
    rules += [(f"{name}.", part, rule) for name, part in parts.items() for rule in _rules_of(part)]
    for prefix, node, (path, right, what) in rules:
        if not right(value := attrgetter(path)(node)):
            yield f"{prefix}{path} is {value!r}; it must be {what}"
    for name, part in parts.items():
        near = getattr(part, "near", None)
        if isinstance(near, NearDuplicates) and near.measure == "off" and near != NearDuplicates():
            yield f"{name}.near.measure is off, so its other fields have no effect; set it to jaccard or containment"
    web = recipe.common_crawl
    if web.perplexity and not web.language:
        yield "common_crawl.perplexity is True, but no language is identified: also --set common_crawl.perplexity=false"
    added = (row for name, part in parts.items() if not hasattr(recipe, name) for row in _numbers(part, f"{name}."))
    for path, value in (*_numbers(recipe, ""), *added):
        if value < 0:
            yield f"{path} is {value!r}; it must be at least 0"


def _rules_of(part: Any) -> Iterator[Rule]:
    """Yield the rules for what a source's part may have as others have it, and for own texts."""
    if hasattr(part, "least_kept"):
        yield ("least_kept", *_SHARE)
    if isinstance(getattr(part, "near", None), NearDuplicates):
        yield from _NEAR_RULES
    if isinstance(getattr(part, "filters", None), Filters):
        yield from _FILTER_RULES
    if isinstance(part, Texts):
        yield from _TEXT_RULES


def _numbers(node: Any, prefix: str) -> Iterator[tuple[str, float]]:
    for found in dataclasses.fields(node):
        value, path = getattr(node, found.name), f"{prefix}{found.name}"
        if dataclasses.is_dataclass(value):
            yield from _numbers(value, f"{path}.")
        elif isinstance(value, int | float):
            yield path, value


def _among(allowed: Sequence[str]) -> tuple[Callable[[Any], bool], str]:
    return lambda value: bool(value) and set(value) <= set(allowed), f"one or more of {', '.join(allowed)}"


Rule = tuple[str, Callable[[Any], bool], str]  # the path of a field, whether a value is right, what would be
_POSITIVE: tuple[Callable[[Any], bool], str] = (lambda value: value >= 1, "at least 1")
_SHARE: tuple[Callable[[Any], bool], str] = (lambda value: 0 <= value <= 1, "a share between 0 and 1")
_PART: tuple[Callable[[Any], bool], str] = (lambda value: 0 < value < 1, "a share above 0 and below 1")
_PRUNE = "counts that start with 0 and never decrease, such as 0,0,1"
_RULES: tuple[Rule, ...] = (
    ("buckets", lambda value: value >= 1 and value & (value - 1) == 0, "a power of two"),
    ("reducer_keys", *_POSITIVE),
    ("fan_in", lambda value: value >= 2, "at least 2"),
    ("excerpts", *_SHARE),
    ("common_crawl.quality.threshold", *_SHARE),
    ("common_crawl.quality.score_decimals", lambda value: value <= 15, "at most 15, the precision of a score"),
    ("common_crawl.reference.buckets", *_among(("head", "middle", "tail", "all"))),
    ("common_crawl.reference.threshold", lambda value: value is None or 0 <= value <= 1, "none, or a probability"),
    ("common_crawl.training.pages", *_POSITIVE),
    ("common_crawl.training.held_out", *_PART),
    ("common_crawl.training.epochs", *_POSITIVE),
    ("common_crawl.training.dimension", *_POSITIVE),
    ("common_crawl.training.word_ngrams", *_POSITIVE),
    ("common_crawl.training.learning_rate", lambda value: value > 0, "more than 0"),
    ("c4.english.threshold", *_SHARE),
    ("wikipedia.articles.languages", *_among(LANGUAGES)),
    ("wikipedia.span_bytes", *_POSITIVE),
    ("books.texts.sample", *_POSITIVE),
    ("books.overlap.threshold", *_SHARE),
    ("books.groups", *_POSITIVE),
    ("stack_exchange.posts.range_bytes", *_POSITIVE),
    ("language_models.languages", lambda value: set(value) <= set(LANGUAGES), f"one or more of {', '.join(LANGUAGES)}"),
    ("language_models.order", lambda value: value >= 2, "at least 2"),
    ("language_models.pieces", *_POSITIVE),
    ("language_models.documents", *_POSITIVE),
    ("language_models.text_bytes", *_POSITIVE),
    ("language_models.prune", lambda value: value == tuple(sorted(value)) and value[:1] in ((), (0,)), _PRUNE),
    ("tokenizer.vocabulary", lambda value: 260 <= value <= 1 << 20, "from 260 (the bytes) to 1,048,576"),
    ("tokenizer.training_bytes", *_POSITIVE),
    ("shards.shard_tokens", *_POSITIVE),
    ("shards.validation", *_SHARE),
    ("max_duplicates", *_SHARE),
    ("alarm_documents", *_POSITIVE),
    ("contamination.words", lambda value: value >= 2, "at least 2"),
    ("contamination.max_documents", *_POSITIVE),
)
_NEAR_RULES: tuple[Rule, ...] = (
    ("near.threshold", *_PART),
    ("near.recall", *_PART),
    ("near.shortest", *_POSITIVE),
)
_FILTER_RULES: tuple[Rule, ...] = (
    ("filters.language.threshold", *_SHARE),
    ("filters.classifier.threshold", *_SHARE),
    (
        "filters.perplexity.buckets",
        lambda value: set(value) <= {"head", "middle", "tail"},
        "one or more of head, middle, tail",
    ),
)
_TEXT_RULES: tuple[Rule, ...] = (
    ("text", bool, "the name of a field"),
    ("groups", *_POSITIVE),
)
