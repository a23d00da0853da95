"""Documents that hold a benchmark's text dropped from every source, switched on by the recipe; off by default.

documents ─ overlap ─> staged, hashes of the runs that a benchmark has ─ rare (by bucket) ─ decontaminate ─> documents

`--set contamination.drop=true --model benchmarks=DIRECTORY` is all there is to do: each entry of the directory is a
benchmark. The rules are those of `pipelines.contamination` (GPT-3's study): a run that more than so many documents of
the source have is common language and no evidence. It comes after near-duplicates and before everything that needs the
tokenizer, which is trained on what is left. The texts are staged once more for it.
"""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipelines import contamination
from pipelines.document import Document, Drop
from pipelines.files import runs
from pipelines.files.runs import Keys, Lines
from pipelines.recipe_parts import Contamination
from pipelines.recipes import Recipe
from pipelines.stages.kinds import Context, Decide, Map, Stage
from pipelines.stages.source import Source
from pipelines.stages.steps import same

MODEL = "benchmarks"


@cache
def load(directory: str, words: int) -> contamination.Index:
    """Index the benchmarks of a directory once per process, in the order of their names."""
    return contamination.build([str(path) for path in contamination.benchmarks_in(Path(directory))], words)


def keys(raw: Document, document: Document, context: Context[Contamination]) -> Keys:
    """Return the runs that a benchmark has, each with the number of the first such benchmark as its line."""
    index = load(context.models[MODEL], context.recipe.words)
    found = index.hits(document.text)
    first = index.benchmark[index.owners[index.starts[found]]]
    return index.hashes[found], None, first.astype(np.uint32)


def rare(records: runs.Records, items: npt.NDArray[np.uint32], own: int, max_documents: int) -> npt.NDArray[np.bool_]:
    """Mark the runs that at most so many documents have: a document names each of its runs once."""
    _, run, documents = np.unique(records["hash"], return_inverse=True, return_counts=True)
    marks: npt.NDArray[np.bool_] = (documents <= max_documents)[run]
    return marks


def names(directory: str) -> list[str]:
    """Return the names of the benchmarks of a directory, in the order of their numbers."""
    return [contamination.benchmark_files(str(path))[0] for path in contamination.benchmarks_in(Path(directory))]


def decontaminate(document: Document, removed: Lines, context: Context[Contamination]) -> Document | Drop:
    """Drop a document with such a run; the reason names the first benchmark, in the order of names."""
    if not len(removed):
        return document
    return document.drop(f"contaminated:{names(context.models[MODEL])[int(removed.min())]}")


def contamination_part(recipe: Recipe) -> Contamination:
    """Return what these stages read of a recipe."""
    return recipe.contamination


def chosen(source: Source, recipe: Recipe) -> Source:
    """Return the source with these stages, if the recipe switches them on."""
    wanted: Contamination = recipe.contamination
    if not wanted.drop:
        return source
    added: tuple[Stage, ...] = (
        Map("overlap", same, contamination_part, models=(MODEL,), keys=keys),
        Decide("rare", partial(rare, max_documents=wanted.max_documents), part=contamination_part, duplicates=False),
        Map("decontaminate", decontaminate, contamination_part, models=(MODEL,)),
    )
    return source.extended(added)
