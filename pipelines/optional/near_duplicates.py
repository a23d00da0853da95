"""Near-duplicates of any source, switched on by its recipe: three stages after the source's own (before GitHub's last).

documents ─ near_keys ─> staged, band keys or anchors ─ near (resolve) ─ near_unique ─> documents

The texts are staged once more for it; `--set c4.near.measure=jaccard` is all there is to do.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from filters.code import places
from pipelines.dedup import near, pairs, ranks
from pipelines.document import Document
from pipelines.files.runs import Keys
from pipelines.recipe_parts import NearDuplicates
from pipelines.recipes import Recipe
from pipelines.stages.kinds import Context, Map, Resolve, Stage
from pipelines.stages.source import Source
from pipelines.stages.steps import drop_marked, same

NEAR = "near_duplicate"


def keys(raw: Document, document: Document, context: Context[NearDuplicates]) -> Keys:
    """Return what finds the document among its like: anchors, or the bands of its signature; and a key of the whole.

    What stands among a project's own files stays before a fuller copy that another project carries along. Of files the
    newest release comes before a fuller one, but not where the larger has to stay for the smaller.
    """
    cut, window = _found_by(context.recipe)
    standing = ranks.standing(document)
    if context.recipe.measure == "containment":
        return pairs.containment_keys(document, window, pairs.LAST_PLACE - places.CARRIED_TWICE + standing)
    first = pairs.NEWEST_FIRST if "path" in document.attributes else pairs.LAST_PLACE - places.CARRIED_TWICE
    return pairs.jaccard_keys(document, cut, first + standing)


@cache
def _found_by(recipe: NearDuplicates) -> tuple[near.Bands, int]:
    """Return the bands of a signature, and in how many shingles in a row there is an anchor."""
    return near.bands(recipe.threshold, recipe.recall), near.window(recipe.threshold, recipe.shortest)


def near_part(source: str, recipe: Recipe) -> NearDuplicates:
    """Return what these stages read of a recipe, for a source by its name."""
    found: NearDuplicates = recipe.part(source).near
    return found


def chosen(source: Source, recipe: Any) -> Source:
    """Return the source with the stages that its recipe switches on."""
    wanted: NearDuplicates | None = getattr(recipe, "near", None)
    if wanted is None or wanted.measure == "off":
        return source
    _found_by(wanted)  # a threshold that no signature finds is a mistake to name now
    part = partial(near_part, source.name)
    added: tuple[Stage, ...] = (
        Map("near_keys", same, part, keys=keys, ranked=True, version=6),
        Resolve("near", part, measure=wanted.measure, version=3),
        Map("near_unique", drop_marked(NEAR), part, copies=(NEAR,), version=3),
    )
    return source.extended(added)
