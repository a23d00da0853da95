"""What the scores of a corpus measure, from which model, and where they lie in it: what is known, and no more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pipelines import scores
from pipelines.explore.catalogue import Measured
from pipelines.explore.search import Explorer
from pipelines.files import addresses, storage
from pipelines.scores import Score

_GIVEN: Final = scores.SCORES["classifier_probability"]  # says what is known of a classifier that was given
_OWN: Final = Score("a column of the source's own: what it measures, only who made it knows", "", "")


@dataclass(frozen=True)
class Meaning:
    """What a score measures in some sources: `model` says in words where its model is from, "" without one."""

    score: Score
    model: str
    sources: Sequence[str]


@dataclass(frozen=True)
class Explained:
    """A score by its name: what it measures, and what each source has of it."""

    name: str
    meanings: Sequence[Meaning]
    measured: dict[str, Measured]


class Explanations:
    """What the scores of one corpus measure."""

    def __init__(self, explorer: Explorer) -> None:
        self._given = explorer.given
        self._recipes = {name: manifest.get("recipe", {}) for name, manifest in explorer.corpus.sources.items()}
        self._models: dict[str, Any] = storage.read_json(f"{explorer.corpus.corpus}/models/manifest.json") or {}
        self.all = [self.of(name) for name in explorer.given]

    def of(self, name: str) -> Explained:
        """Return what a score measures."""
        found: dict[tuple[Score, str], list[str]] = {}
        measured = self._given.get(name, {})
        for source in measured:
            found.setdefault(self._meaning(name, source), []).append(source)
        return Explained(name, [Meaning(*one, sources) for one, sources in found.items()], measured)

    def in_short(self, name: str, source: str) -> str:
        """Return in a line what a column of a source measures, "" for what is no score or not known."""
        score, _ = self._meaning(name, source)
        return "" if score is _OWN else "; ".join([score.what, score.range, score.better])

    def _meaning(self, name: str, source: str) -> tuple[Score, str]:
        score = scores.known(name, source) or _OWN
        model = self._models.get(score.model)
        if model is None:
            return score, ""
        if model["trained"]:
            return score, "its model was made in the build of this corpus"
        label = "; ".join([f"its model is {addresses.hide(model['path'])}", *self._labels(score, source)])
        return (_GIVEN if score.model == "reference" else score), label

    def _labels(self, score: Score, source: str) -> Iterator[str]:
        """Yield the label of a classifier that was given, and what probability is kept."""
        recipe = self._recipes.get(source, {})
        part = {"classifier": recipe.get("filters", {}).get("classifier"), "reference": recipe.get("reference")}
        if chosen := part.get(score.model):
            yield f"the label is “{chosen['label']}”"
            if chosen["threshold"] is not None:
                yield f"at least {chosen['threshold']:g} was kept"
