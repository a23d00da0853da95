"""What finds a finished document among all of the corpus: the bands of its MinHash signature, one run for each file.

A key's rank begins with a mark: whether its document is held out, and whether it is of the sample that is compared with
other sources. Pairs without either are never made.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.dedup import near, pairs
from pipelines.document import Document
from pipelines.files import runs, tables
from pipelines.files.current import renewed
from pipelines.hashing import is_held_out, share
from pipelines.recipe_parts import Across

VERSION = 1
# Values of a signature: few, for a pair that shares a band by chance costs little where only marked documents are
# compared, and each band is a key.
PERMUTATIONS = 64
# Marks, as `pairs.rank` has places: those of held-out documents come first.
_HELD_OUT_AND_SAMPLED, _HELD_OUT, _SAMPLED, UNMARKED = range(4)

Marks = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Sign:
    """One file of documents to be signed: `validation` is the share that its source holds out."""

    documents: str
    run: str
    recipe: Across
    validation: float
    buckets: int
    identity: str

    @property
    def manifest(self) -> str:
        """The path of the manifest."""
        return f"{self.run}.json"


def sign(task: Sign) -> None:
    """Write the keys of a file's documents, and count them, by what they are marked for."""
    with renewed(task.manifest, task.identity) as facts:
        cut = near.bands(task.recipe.threshold, task.recipe.recall, PERMUTATIONS)
        found, marks = [np.empty(0, runs.RANKED_KEY)], []
        for row, document in enumerate(tables.read_rows(task.documents, ["id", "text"])):
            mark = mark_of(document["id"], task.recipe, task.validation)
            found.append(_keys(document["id"], document["text"], row, cut, mark))
            marks.append(mark)
        runs.write_keys(task.run, np.concatenate(found), task.buckets)
        each = np.array(marks, np.uint64)
        facts |= {
            "documents": len(marks),
            "held_out": int(held_out(each).sum()),
            "sampled": int(sampled(each).sum()),
        }


def _keys(identifier: str, text: str, row: int, cut: near.Bands, mark: int) -> runs.Records:
    document = Document(id=identifier, source="", text=text, dump="", offset=0)
    hashes, ranks, counts = pairs.jaccard_keys(document, cut, mark)
    found = np.empty(len(hashes), runs.RANKED_KEY)
    found["hash"], found["rank"], found["doc"], found["line"] = hashes, ranks, row, counts
    return found


def mark_of(identifier: str, recipe: Across, validation: float) -> int:
    """Return what a document is marked for."""
    wanted = recipe.apart and is_held_out(identifier, validation), share("across", identifier) < recipe.sample
    marks = {(True, True): _HELD_OUT_AND_SAMPLED, (True, False): _HELD_OUT, (False, True): _SAMPLED}
    return marks.get(wanted, UNMARKED)


def held_out(marks: npt.NDArray[np.uint64]) -> Marks:
    """Tell of marks which are those of held-out documents."""
    found: Marks = marks <= _HELD_OUT
    return found


def sampled(marks: npt.NDArray[np.uint64]) -> Marks:
    """Tell of marks which are those of the sample."""
    return np.isin(marks, (_HELD_OUT_AND_SAMPLED, _SAMPLED))
