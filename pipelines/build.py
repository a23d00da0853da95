"""What is built: the recipe, a chain for each source, the models between them, and the nodes of it all."""

from __future__ import annotations

import importlib
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from pipelines.account import damage, manifest
from pipelines.across import together
from pipelines.across.together import Together
from pipelines.hashing import digest_of
from pipelines.inputs import part
from pipelines.models import draws, templates, training, web
from pipelines.models.by_path import Given
from pipelines.optional import decontamination, filters, near_duplicates, once
from pipelines.recipe_parts import Texts
from pipelines.recipes import Recipe, Shards
from pipelines.sources import arxiv, books, c4, common_crawl, github, stack_exchange, texts, wikipedia
from pipelines.stages.chain import Chain
from pipelines.stages.graph import Node, needed
from pipelines.stages.jobs import Job, pending
from pipelines.stages.kinds import Item
from pipelines.stages.link import Writer
from pipelines.stages.source import Input, Model, Source
from pipelines.table1 import SOURCES as TABLE_1
from pipelines.table1 import weights
from pipelines.tokens import shards
from pipelines.tokens.encode import Tokens

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TAKEN = frozenset({"models", "texts", "tokens", "work", *(one.name for one in fields(Recipe))}) - set(TABLE_1)


def shares_of(sources: Mapping[str, Source]) -> dict[str, float]:
    """Return the shares of the sources that are not in Table 1."""
    return {name: source.share for name, source in sources.items() if name not in TABLE_1}


def by_name(sources: Iterable[Source], *, alone: bool = False) -> dict[str, Source]:
    """Return a list of sources by their names, those of Table 1 first; `alone` if none of Table 1 is built.

    Raises ValueError for a name that is given twice, is taken or is none, for a share that `table1.weights` refuses,
    and for a source outside Table 1 without a recipe that is a dataclass.
    """
    found: dict[str, Source] = {}
    for source in sorted(sources, key=lambda source: source.name not in TABLE_1):
        if source.name in found or source.name in _TAKEN or not _NAME.fullmatch(source.name):
            wrong = (
                "is listed twice"
                if source.name in found
                else "has a name that is taken or invalid (lower-case letters, digits and _)"
            )
            raise ValueError(f"source {source.name!r} {wrong}")
        if source.name not in TABLE_1 and not is_dataclass(source.recipe):
            raise ValueError(
                f"source {source.name!r} is not in Table 1, so it needs a dataclass as its recipe (an "
                "empty one will do)"
            )
        source.check()
        found[source.name] = source
    weights(shares_of(found), () if alone else TABLE_1)
    return found


# The list of sources, by name. Another list is named by `--sources MODULE:NAME`.
SOURCES: Mapping[str, Source] = by_name(
    (
        common_crawl.SOURCE,
        c4.SOURCE,
        github.SOURCE,
        wikipedia.SOURCE,
        books.SOURCE,
        arxiv.SOURCE,
        stack_exchange.SOURCE,
    )
)


def listed(named: str | None) -> dict[str, Source]:
    """Return the sources of a list that is named as MODULE:NAME, our own if none is named.

    Modules are also looked for in the working directory. Raises ValueError saying what is wrong with the list.
    """
    if named is None:
        return dict(SOURCES)
    module, colon, name = named.partition(":")
    try:
        if not colon:
            raise ValueError("write it as MODULE:NAME")
        if (here := str(Path.cwd())) not in sys.path:  # last: nothing there is taken for what is installed
            sys.path.append(here)
        found = getattr(importlib.import_module(module), name)
        if isinstance(found, Source):
            raise ValueError(f"{name} is one source; a list of sources is expected, such as ({name},)")
        return by_name(found.values() if isinstance(found, Mapping) else found)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"--sources {named}: {error}") from error


def with_parts(recipe: Recipe, sources: Mapping[str, Source]) -> Recipe:
    """Return the recipe with the parts of sources that are not in Table 1, which it builds besides its own."""
    added = [(name, source.recipe) for name, source in sources.items() if name not in TABLE_1]
    return replace(recipe, added=tuple(added), sources=(*recipe.sources, *(name for name, _ in added)))


def with_own_texts(recipe: Recipe, sources: Mapping[str, Source]) -> tuple[Recipe, dict[str, Source]]:
    """Return the recipe and the sources with a source for each `texts.NAME` of the recipe; errors as `by_name`'s."""
    own = {name: texts.source(name, part) for name, part in recipe.added if isinstance(part, Texts)}
    names = (*recipe.sources, *(name for name in own if name not in recipe.sources))
    alone = not set(names) & set(TABLE_1)
    return replace(recipe, sources=names), by_name((*sources.values(), *own.values()), alone=alone)


def source_of(source: Source, recipe: Recipe) -> Source:
    """Return a source with the stages that the recipe leaves it and switches on."""
    if source.stages_of:
        source = replace(source, stages=source.stages_of(recipe.part(source.name)))
    filtered = filters.chosen(source, recipe)
    apart = decontamination.chosen(near_duplicates.chosen(filtered, recipe.part(source.name)), recipe)
    return once.chosen(apart, recipe)


def made_of(source: Source, learned: Any) -> Source:
    """Return a source with what its inputs told, None if they tell nothing."""
    return source.made_of(learned) if source.made_of and learned is not None else source


@dataclass
class Build:
    """One build: the recipe, the inputs of each source, the given models, and where everything is written.

    `learned` is what inputs told of their sources, `silent` what kept next to nothing, of those that are finished;
    `whole` is what a trial's inputs are a part of.
    """

    recipe: Recipe
    inputs: Mapping[str, Sequence[Input]]
    output: str
    given: Mapping[str, Given]
    only_models: bool = False
    sources: Mapping[str, Source] = field(default_factory=lambda: SOURCES)
    whole: Mapping[str, part.Whole] = field(default_factory=dict)
    chains: dict[str, Chain] = field(init=False)
    learned: dict[str, Any] = field(init=False, default_factory=dict)
    silent: list[str] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.chains = {}
        for name, found in self.inputs.items():
            source = self.sources[name]
            if source.learn:
                self.learned[name] = source.learn(found)
            source = source_of(made_of(source, self.learned.get(name)), self.recipe)
            chosen = self.whole[name].ranges if name in self.whole else list[Item]
            self.chains[name] = Chain(source, self.recipe, found, self.output, self.model, self.chains, chosen)
        self.web_models = web.WebModels(self.recipe, self.output, self.chains, self.only_models)
        self.template_models = templates.TemplateModels(self.recipe, self.output, self.chains)
        encoded = self.chains if self.recipe.tokenize else {}
        self.together = Together(
            self.output,
            self.recipe,
            {name: chain.final.shards for name, chain in self.chains.items()},
            {name: self._shards_recipe(name).validation for name in self.chains},
        )
        self.tokens = {
            name: Tokens(
                name,
                self.output,
                self._shards_recipe(name),
                chain.final.shards,
                self._tokenizer,
                self.together.leaving,
            )
            for name, chain in encoded.items()
        }

    def model(self, name: str) -> Model:
        """Return a model by name, given or finished."""
        if name in self.given:
            return self.given[name].model
        found = training.model(f"{self.output}/models/{name}", self.parts_of(name))
        return replace(found, path=f"{found.path}/tokenizer.model") if name == "tokenizer" else found

    def parts_of(self, name: str) -> Sequence[str]:
        """Return the names of the parts that a model is made in; one that is made whole has none."""
        if name == templates.NAME:
            return self.template_models.languages()
        return self.web_models.languages() if name == "language_models" else ()

    def _shards_recipe(self, name: str) -> Shards:
        recipe = self.recipe.shards
        return replace(recipe, validation=dict(recipe.validation_of).get(name, recipe.validation), validation_of=())

    def _tokenizer(self) -> Model:
        return self.model("tokenizer")

    def nodes(self) -> list[Node]:
        """Return every node of the build; of a build of models only, what the models of CommonCrawl need."""
        found = list(self._nodes())
        return needed(found, {f"models/{name}" for name in web.NAMES}) if self.only_models else found

    def _nodes(self) -> Iterator[Node]:
        for name in self.given:
            yield Node(f"models/{name}", (), list)
        for chain in self.chains.values():
            yield from chain.nodes()
        not_trained = {f"models/{name}{draw}" for name in self.given for draw in ("", "_draw")}
        yield from (node for node in self._model_nodes() if node.name not in not_trained)
        if self.looks_across:
            yield from self.together.nodes([chain.final.name for chain in self.chains.values()])
        for tokens in self.tokens.values():
            yield from tokens.nodes(together.NODE)

    @property
    def looks_across(self) -> bool:
        """Whether documents are compared with those of all sources: where some are held out, or there are several."""
        return bool(self.tokens) or len(self.chains) > 1

    def _model_nodes(self) -> Iterator[Node]:
        read = {name for link in self._links() for name in link.models}
        yield from self.template_models.nodes()
        if self.only_models or not read.isdisjoint(web.NAMES):
            yield from self.web_models.nodes()
        if "stack_exchange" in self.chains:
            yield Node("models/stack_exchange_sites", ("stack_exchange/posts",), self._plan_sites)
        if not self.tokens and "tokenizer" not in read:
            return
        before = tuple(self._before_tokenizer(name).name for name in self.chains)
        yield Node("models/tokenizer_draw", before, self._plan_draw)
        yield Node("models/tokenizer", ("models/tokenizer_draw",), self._plan_tokenizer, training=True)

    def _links(self) -> Iterator[Writer[Any]]:
        return (link for chain in self.chains.values() for link in chain.writers)

    def _before_tokenizer(self, name: str) -> Writer[Any]:
        """Return a source's last link that writes documents and does not need the tokenizer."""
        return [link for link in self.chains[name].writers if "tokenizer" not in link.models][-1]

    def _plan_sites(self) -> list[Job]:
        chain = self.chains["stack_exchange"]
        posts: Counter[str] = Counter()
        sizes: Counter[str] = Counter()
        for item, row in zip(chain.items(), chain.links[0].manifests(), strict=True):
            posts[dict(item.parts[0].attributes)["site"]] += row["in"]
        for found in chain.inputs:
            sizes[dict(found.attributes)["site"]] += found.size
        questions = self.recipe.stack_exchange.questions
        recipe = (questions.largest_sites, questions.meta_sites)
        ranked = [(entry, entry) for entry in ((site, posts[site], sizes[site]) for site in sorted(posts))]
        return training.unfinished(
            [training.training_of(self.output, "stack_exchange_sites", training.make_sites, recipe, ranked)]
        )

    def tokenizer_bytes(self) -> dict[str, float]:
        """Return how many bytes of each source the tokenizer is trained on, if there are as many."""
        proportion = weights(shares_of(self.sources), TABLE_1 if self.chains.keys() & set(TABLE_1) else ())
        total = self.recipe.tokenizer.training_bytes / max(1, sum(proportion[name] for name in self.chains))
        return {name: total * proportion[name] for name in self.chains}

    def _draws(self) -> list[tuple[str, draws.Draw]]:
        found = []
        for name, wanted in self.tokenizer_bytes().items():
            link = self._before_tokenizer(name)
            rate = draws.rate(wanted, sum(row["kept_bytes"] for row in link.manifests()))
            for path, identity in link.shards():
                task = draws.Draw(
                    path=path,
                    run=f"{self.output}/work/models/tokenizer/{name}-{Path(path).stem}",
                    rates={"text": rate},
                    identity=digest_of(training.VERSION, identity, rate),
                    take=draws.take_texts,
                )
                found.append((name, task))
        return found

    def _plan_draw(self) -> list[Job]:
        jobs = pending("models/tokenizer_draw", draws.draw, [task for _, task in self._draws()])
        return self._restored({task.path for job in jobs for task in job.elements}) or jobs

    def _restored(self, paths: Set[str]) -> list[Job]:
        jobs = []
        for name in self.chains:
            link = self._before_tokenizer(name)
            items = [(n, item) for n, item in enumerate(link.items()) if link.staged(item) in paths]
            jobs += link.restore("tokenizer_draw", items)
        return jobs

    def _plan_tokenizer(self) -> list[Job]:
        drawn = [((source, task.run_of("text")), task.identity) for source, task in self._draws()]
        recipe, version = self.recipe.tokenizer, training.TOKENIZER_VERSION
        return training.unfinished(
            [training.training_of(self.output, "tokenizer", training.make_tokenizer, recipe, drawn, version)]
        )

    def finished(self, node: Node) -> list[str]:
        """Write what a finished node completes: a source's manifest, or its token manifest. Return what to tell."""
        told: list[str] = []
        if node.name == together.NODE:
            self.together.finish()
        for name, chain in self.chains.items():
            if node.name == chain.links[0].name:
                told += damage.warnings(chain, chain.links[0].manifests())
            if node.name == chain.final.name and manifest.is_empty(chain):
                self._say_silent(manifest.silent(chain), told)  # now: what comes next may fail for it
            if node.name == chain.last_node:
                told += manifest.remove_strays(chain)
                self._say_silent(manifest.write_source_manifest(chain)["silent"], told)
            elif name in self.tokens and node.name == f"{name}/shards":
                told += self.tokens[name].remove_strays()
                told += _empty_splits(self.tokens[name].finish())
        return told

    def _say_silent(self, found: Sequence[str], told: list[str]) -> None:
        new = [line for line in found if line not in self.silent]
        self.silent += new
        told += new


def _empty_splits(found: shards.Manifest) -> list[str]:
    """Return what to tell of a source that has documents, but none in one of its splits."""
    if not found.grand_total("documents"):
        return []
    return [
        f"{found.source}: no document is in the {split} split ({found.grand_total('documents'):,} in all); "
        "--set shards.validation=SHARE sets what is held out"
        for split in found.empty_splits()
    ]
