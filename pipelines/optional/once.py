"""Each document once in the whole corpus, switched on by the recipe: three stages after all others of every source.

documents ─ across_keys ─> staged, band keys ─ once (resolve, over all sources) ─ unique_across ─> documents

`--set across.remove=true` is all there is to do. Of near-duplicates, in whatever sources or crawls they are, the one
stays that `across.preferred` puts first, of one source's the longest; so each source is finished only when all are
cleaned. The texts are staged once more for it.
"""

from __future__ import annotations

from functools import partial

from pipelines.across.overlaps import across_part
from pipelines.across.signatures import PERMUTATIONS
from pipelines.dedup import near, pairs
from pipelines.document import Document
from pipelines.files.runs import Keys
from pipelines.optional.near_duplicates import NEAR
from pipelines.recipe_parts import Across
from pipelines.recipes import Recipe
from pipelines.stages.kinds import Context, Map, ResolveTogether, Stage
from pipelines.stages.source import Source
from pipelines.stages.steps import drop_marked, same

REMOVING = "unique_across"  # the stage that drops the copies


def keys(raw: Document, document: Document, context: Context[Across], *, place: int) -> Keys:
    """Return the bands of a document's signature, and a key of the whole."""
    return pairs.jaccard_keys(document, near.bands(context.recipe.threshold, context.recipe.recall), place)


def place_of(source: str, preferred: tuple[str, ...]) -> int:
    """Return where a source stands among those whose copies stay; ValueError for more than a rank has places for."""
    if len(preferred) > pairs.LAST_PLACE:
        raise ValueError(f"across.preferred names {len(preferred)} sources; {pairs.LAST_PLACE} at most")
    return 1 + preferred.index(source) if source in preferred else 0


def chosen(source: Source, recipe: Recipe) -> Source:
    """Return the source with these stages, if the recipe switches them on."""
    wanted = recipe.across
    for permutations in (PERMUTATIONS, near.PERMUTATIONS):  # what no signature finds is a mistake to name now
        near.bands(wanted.threshold, wanted.recall, permutations)
    if not wanted.remove:
        return source
    added: tuple[Stage, ...] = (
        Map(
            "across_keys",
            same,
            across_part,
            keys=partial(keys, place=place_of(source.name, wanted.preferred)),
            ranked=True,
            version=2,
        ),
        ResolveTogether("once", across_part, measure="jaccard", version=2),
        Map(REMOVING, drop_marked(NEAR), across_part, copies=(NEAR,), version=2),
    )
    return source.extended(added)
