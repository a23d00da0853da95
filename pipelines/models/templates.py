"""The wikis' own templates, a model for each language, which the cleaner of articles asks what it does not know itself.

wikipedia/pages, less what revisions decided ─ drawn, shard by shard: redirects and plain templates ─> OUTPUT/models

`filters.wikitext.definitions` says what is kept of a template, and reads what is made here. A dump without the
namespace of templates leaves no file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from filters.wikitext import definitions
from filters.wikitext.definitions import FILE, Record
from pipelines.files import tables
from pipelines.hashing import digest_of, keyed
from pipelines.models import draws, training
from pipelines.models.training import Training
from pipelines.recipes import Recipe
from pipelines.stages.chain import Chain
from pipelines.stages.graph import Node
from pipelines.stages.jobs import Job, pending
from pipelines.stages.kinds import Item, Paths, Removals

NAME = "templates"
NAMESPACE = "10"
VERSION = 1
_GROUP = "templates"


@dataclass(frozen=True)
class Newest:
    """What tells which pages of a shard are older revisions."""

    paths: Paths
    removals: Removals

    def older(self) -> frozenset[int]:
        """Return the rows of the shard that another dump has a newer revision of."""
        return frozenset(self.removals.read(self.paths)["doc"].tolist())


def take_templates(task: draws.Draw) -> Iterator[tuple[str, int, bytes]]:
    """Take what the model needs of the pages of templates; the payload is a record as JSON."""
    newest: Newest = task.detail
    older = newest.older()
    for number, row in enumerate(tables.read_rows(task.path, ["id", "language", "namespace", "title", "text"])):
        if row["namespace"] == NAMESPACE and number not in older:
            record = definitions.record(row["title"] or "", row["text"], row["language"])
            if record is not None:
                yield _GROUP, keyed("template", row["id"]), orjson.dumps(list(record))


def make_templates(task: Training) -> dict[str, Any]:
    """Write the model of one language; `inputs` are draws. A language without templates gets no file."""
    records = [Record(*orjson.loads(payload)) for payload in draws.drawn(task.inputs)]
    if not records:
        return {"pages": 0}
    counts = definitions.write(records, task.path(FILE))
    return {"pages": len(records), **dict(sorted(counts.items())), "bytes": task.path(FILE).stat().st_size}


@dataclass(frozen=True)
class TemplateModels:
    """The models of one build's wikis."""

    recipe: Recipe
    output: str
    chains: Mapping[str, Chain]

    def nodes(self) -> Iterator[Node]:
        """Yield the nodes, if the articles of this build read the models."""
        if self._is_read:
            yield Node(f"models/{NAME}_draw", ("wikipedia/revisions",), self._plan_draw)
            yield Node(f"models/{NAME}", (f"models/{NAME}_draw",), self._plan, training=True)

    @property
    def _is_read(self) -> bool:
        return "wikipedia" in self.chains and NAME in self.chains["wikipedia"].models_read

    def languages(self) -> tuple[str, ...]:
        """Return the languages that get a model: those of the wikis."""
        if not self._is_read:
            return ()
        given = {dict(found.attributes).get("language", "") for found in self.chains["wikipedia"].inputs}
        return tuple(sorted(given & set(self.recipe.wikipedia.articles.languages)))

    def _draws(self) -> list[tuple[Item, draws.Draw]]:
        chain = self.chains["wikipedia"]
        pages, revisions = chain.writer("pages"), chain.decider("revisions")
        rates = {_GROUP: 1.0}
        return [
            (
                item,
                draws.Draw(
                    path=pages.staged(item),
                    run=f"{self.output}/work/models/{NAME}/{item.key}",
                    rates=rates,
                    identity=digest_of(VERSION, pages.identity(item), item.key, revisions.identity()),
                    take=take_templates,
                    detail=Newest(chain.paths, revisions.removals_of(ordinal)),
                ),
            )
            for ordinal, item in enumerate(pages.items())
        ]

    def _plan_draw(self) -> list[Job]:
        pages = self.chains["wikipedia"].writer("pages")
        label = f"{NAME}_draw"
        jobs = pending(f"models/{label}", draws.draw, [task for _, task in self._draws()])
        paths = {task.path for job in jobs for task in job.elements}
        items = [(ordinal, item) for ordinal, item in enumerate(pages.items()) if pages.staged(item) in paths]
        return pages.restore(label, items) or jobs

    def _plan(self) -> list[Job]:
        found = self._draws()
        tasks = []
        for language in self.languages():
            drawn = [
                (task.run_of(_GROUP), task.identity)
                for item, task in found
                if dict(item.parts[0].attributes).get("language", language) == language
            ]
            name, make = f"{NAME}/{language}", make_templates
            tasks.append(training.training_of(self.output, name, make, None, drawn, VERSION))
        return training.unfinished(tasks)
