"""The nodes of CommonCrawl's models in a build: what is drawn, what is trained, and what it depends on.

wikipedia/articles ──> language_models ──> common_crawl/quality ─┬─> cutoffs_draw ──────────> cutoffs
                                                                 └─> common_crawl/cited ──> reference_draw ──> reference
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipelines.hashing import digest_of
from pipelines.models import draws, reference, training
from pipelines.models import language as language_models
from pipelines.models.reference import CITED, RANDOM, Examples, Pages
from pipelines.recipes import Recipe
from pipelines.stages.chain import Chain
from pipelines.stages.graph import Node
from pipelines.stages.jobs import Job, pending
from pipelines.stages.link import Writer
from pipelines.stages.source import Input

NAMES = ("language_models", "cutoffs", "reference")
VERSION = 1


def languages(recipe: Recipe, wikipedia: list[Input]) -> tuple[str, ...]:
    """Return the languages that get a model: the recipe's, or those of the Wikipedia inputs."""
    given = {dict(found.attributes).get("language", "") for found in wikipedia}
    return recipe.language_models.languages or tuple(sorted(given & set(recipe.wikipedia.articles.languages)))


@dataclass(frozen=True)
class WebModels:
    """The models of one build's CommonCrawl, made of its own pages and Wikipedia's articles."""

    recipe: Recipe
    output: str
    chains: Mapping[str, Chain]
    only_models: bool = False

    def nodes(self) -> Iterator[Node]:
        """Yield the nodes that the sources of this build can feed."""
        read = {name for chain in self.chains.values() for name in chain.models_read}
        if "wikipedia" in self.chains and ("language_models" in read or self.only_models):
            yield Node("models/language_models", ("wikipedia/articles",), self._plan_language_models, training=True)
        if "common_crawl" in self.chains and self.recipe.common_crawl.perplexity:
            yield Node("models/cutoffs_draw", ("common_crawl/quality",), self._plan_cutoffs_draw)
            yield Node("models/cutoffs", ("models/cutoffs_draw",), self._plan_cutoffs)
        if "common_crawl" in self.chains and self.recipe.common_crawl.reference.classifier:
            yield Node("models/reference_draw", ("common_crawl/cited",), self._plan_reference_draw)
            yield Node("models/reference", ("models/reference_draw",), self._plan_reference, training=True)

    def languages(self) -> tuple[str, ...]:
        """Return the languages that get a model."""
        return languages(self.recipe, list(self.chains["wikipedia"].inputs) if "wikipedia" in self.chains else [])

    def _plan_language_models(self) -> list[Job]:
        chain = self.chains["wikipedia"]
        written = chain.writer("articles")
        # What else the group says is no part of a single model: another language, another sample for the cut-offs.
        recipe = replace(self.recipe.language_models, languages=(), cutoff_documents=0)
        tasks = []
        for language in self.languages():
            items = [
                item for item in chain.items() if dict(item.parts[0].attributes).get("language", language) == language
            ]
            articles = [(written.staged(item), f"{written.identity(item)}/{item.key}") for item in items]
            make = language_models.make_language_model
            tasks.append(training.training_of(self.output, f"language_models/{language}", make, recipe, articles))
        return training.unfinished(tasks)

    @property
    def _quality(self) -> Writer[Any]:
        return self.chains["common_crawl"].writer("quality")

    def _cutoff_draws(self) -> list[draws.Draw]:
        quality = self._quality
        wanted = draws.OVERSAMPLE * self.recipe.language_models.cutoff_documents
        rates = {"pages": draws.rate(wanted, self._pages())}
        return [
            draws.Draw(
                path=quality.staged(item),
                run=f"{self.output}/work/models/cutoffs/{item.key}",
                rates=rates,
                identity=digest_of(VERSION, quality.identity(item), item.key, rates),
                take=language_models.take_perplexities,
            )
            for item in quality.items()
        ]

    def _reference_draws(self) -> list[draws.Draw]:
        chain, recipe = self.chains["common_crawl"], self.recipe.common_crawl
        quality, cited = self._quality, chain.decider("cited")
        wanted = draws.OVERSAMPLE * recipe.training.pages
        marked = sum(row["marked"] for row in cited.manifests())
        rates = {CITED: draws.rate(wanted, marked), RANDOM: draws.rate(wanted, self._pages())}
        rules = (recipe.quality.match, recipe.training.language, recipe.training.short_negatives)
        before = (cited.identity(), rates, rules)
        return [
            draws.Draw(
                path=quality.staged(item),
                run=f"{self.output}/work/models/reference/{item.key}",
                rates=rates,
                identity=digest_of(VERSION, quality.identity(item), item.key, before),
                take=reference.take_pages,
                detail=Pages(chain.paths, cited.removals_of(ordinal), *rules),
            )
            for ordinal, item in enumerate(quality.items())
        ]

    def _pages(self) -> int:
        return sum(row["kept"] for row in self._quality.manifests())

    def _plan_draw(self, label: str, tasks: Sequence[draws.Draw]) -> list[Job]:
        quality, jobs = self._quality, pending(f"models/{label}", draws.draw, tasks)
        paths = {task.path for job in jobs for task in job.elements}
        items = [(n, item) for n, item in enumerate(quality.items()) if quality.staged(item) in paths]
        return quality.restore(label, items) or jobs

    def _plan_cutoffs_draw(self) -> list[Job]:
        return self._plan_draw("cutoffs_draw", self._cutoff_draws())

    def _plan_cutoffs(self) -> list[Job]:
        drawn = [(task.run_of("pages"), task.identity) for task in self._cutoff_draws()]
        limit = self.recipe.language_models.cutoff_documents
        return training.unfinished(
            [training.training_of(self.output, "cutoffs", language_models.make_cutoffs, limit, drawn)]
        )

    def _plan_reference_draw(self) -> list[Job]:
        return self._plan_draw("reference_draw", self._reference_draws())

    def _plan_reference(self) -> list[Job]:
        tasks = self._reference_draws()
        match = self.recipe.common_crawl.quality.match
        cited, others = (tuple(task.run_of(group) for task in tasks) for group in (CITED, RANDOM))
        inputs = [(Examples(cited, others, match), [task.identity for task in tasks])]
        make, recipe = reference.make_reference, self.recipe.common_crawl.training
        return training.unfinished([training.training_of(self.output, "reference", make, recipe, inputs)])
