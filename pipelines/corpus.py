"""The whole corpus: seven sources from raw dumps to documents to token shards, on any runner.

    python -m pipelines.corpus --recipe sample --raw data/raw --output data/corpus
    python -m pipelines.corpus --recipe paper --source wikipedia --input 'wikipedia=/dumps/*.xml.bz2' --output /corpus

    wikipedia ──> language models ──> common_crawl (quality) ──> cut-offs, reference classifier ──> common_crawl
    c4, github, books, arxiv, stack_exchange ─────────────────────────────┐
    all of them ──> tokenizer ──> github's token rule ──> token shards of each source

Nodes that are ready run together, as one pipeline; finished work items are not run again (see `pipelines.chain`).
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from filters import lmplz
from pipelines import (
    addresses,
    damage,
    draws,
    events,
    execution,
    given,
    inputs,
    lock,
    manifest,
    models,
    ours,
    paper_inputs,
    paths,
    sample,
    shards,
    storage,
    strays,
    summary,
    web_models,
)
from pipelines.chain import Chain
from pipelines.given import Given
from pipelines.graph import Input, Model, Node, Source, needed, run_waves
from pipelines.hashing import digest_of
from pipelines.jobs import Job, Shuffle
from pipelines.progress import Progress
from pipelines.recipes import RECIPES, Recipe, Shards
from pipelines.report import print_summary
from pipelines.settings import check, override
from pipelines.sources import (
    arxiv,
    benchmarks,
    books,
    c4,
    common_crawl,
    github,
    near_duplicates,
    stack_exchange,
    wikipedia,
)
from pipelines.stages import Join, Map
from pipelines.table1 import TABLE_1
from pipelines.tokens import Tokens, load_tokenizer

SOURCES: Mapping[str, Source] = {
    source.name: source
    for source in (
        common_crawl.SOURCE,
        c4.SOURCE,
        github.SOURCE,
        wikipedia.SOURCE,
        books.SOURCE,
        arxiv.SOURCE,
        stack_exchange.SOURCE,
    )
}
# What `--input` takes besides single dumps.
PAPER_LIST = "paper"
PROPORTION = {row.name: row.proportion for row in TABLE_1}


def source_of(name: str, recipe: Recipe) -> Source:
    """Return a source with the stages that the recipe switches on."""
    return benchmarks.chosen(near_duplicates.chosen(SOURCES[name], getattr(recipe, name)), recipe)


@dataclass
class Build:
    """One build: the recipe, the inputs of each source, the given models, and where everything is written."""

    recipe: Recipe
    inputs: Mapping[str, Sequence[Input]]
    output: str
    given: Mapping[str, Given]
    only_models: bool = False
    chains: dict[str, Chain] = field(init=False)

    def __post_init__(self) -> None:
        self.chains = {}
        for name, found in self.inputs.items():
            chain = Chain(source_of(name, self.recipe), self.recipe, found, self.output, self.model, self.chains)
            self.chains[name] = chain
        self.web_models = web_models.WebModels(self.recipe, self.output, self.chains)
        self.tokens = {
            name: Tokens(name, self.output, self._shards_recipe(name), self._documents_of(chain), self._tokenizer)
            for name, chain in self.chains.items()
        }

    def model(self, name: str) -> Model:
        """Return a model by name, given or finished."""
        if name in self.given:
            return self.given[name].model
        found = models.model(f"{self.output}/models/{name}", self.parts_of(name))
        return replace(found, path=f"{found.path}/tokenizer.model") if name == "tokenizer" else found

    def parts_of(self, name: str) -> Sequence[str]:
        """Return the names of the parts that a model is made in; one that is made whole has none."""
        return self.web_models.languages() if name == "language_models" else ()

    def _shards_recipe(self, name: str) -> Shards:
        recipe = self.recipe.shards
        return replace(recipe, validation=dict(recipe.validation_of).get(name, recipe.validation), validation_of=())

    def _tokenizer(self) -> Model:
        return self.model("tokenizer")

    def _documents_of(self, chain: Chain) -> Any:
        return lambda: self.shards_of(chain, len(chain.source.stages) - 1)

    def shards_of(self, chain: Chain, index: int) -> list[tuple[str, str]]:
        """Return (path, identity) of the document shards that a stage left."""
        stage = chain.source.stages[index]
        if isinstance(stage, Join):
            rows = chain.manifests(index)
            return [(f"{self.output}/{row['documents']['path']}", f"{row['identity']}/{row['item']}") for row in rows]
        return [(chain.staged(index, item), chain.identity(index, item)) for item in chain.items_of(index)]

    def nodes(self) -> list[Node]:
        """Return every node of the build; of a build of models only, what the models of CommonCrawl need."""
        found = list(self._nodes())
        return needed(found, {f"models/{name}" for name in web_models.NAMES}) if self.only_models else found

    def _nodes(self) -> Iterator[Node]:
        for name in self.given:
            yield Node(f"models/{name}", (), list)
        for chain in self.chains.values():
            yield from chain.nodes()
        not_trained = {f"models/{name}{draw}" for name in self.given for draw in ("", "_draw")}
        yield from (node for node in self._model_nodes() if node.name not in not_trained)
        for name, tokens in self.tokens.items():
            yield from tokens.nodes(self._last(name))

    def _last(self, name: str) -> str:
        return f"{name}/{self.chains[name].source.stages[-1].name}"

    def _model_nodes(self) -> Iterator[Node]:
        if "common_crawl" in self.chains or self.only_models:
            yield from self.web_models.nodes()
        if "stack_exchange" in self.chains:
            yield Node("models/stack_exchange_sites", ("stack_exchange/posts",), self._plan_sites)
        before = tuple(f"{name}/{self._before_tokenizer(name).name}" for name in self.chains)
        yield Node("models/tokenizer_draw", before, self._plan_draw)
        yield Node("models/tokenizer", ("models/tokenizer_draw",), self._plan_tokenizer, training=True)

    def _before_tokenizer(self, name: str) -> Map | Join:
        """Return a source's last stage that does not need the tokenizer."""
        source = self.chains[name].source
        found = source.stages[near_duplicates.last_before_tokenizer(source)]
        assert isinstance(found, Map | Join)
        return found

    def _plan_sites(self) -> list[Job]:
        chain = self.chains["stack_exchange"]
        posts: Counter[str] = Counter()
        sizes: Counter[str] = Counter()
        for item, row in zip(chain.items(), chain.manifests(0), strict=True):
            posts[dict(item.parts[0].attributes)["site"]] += row["in"]
        for found in chain.inputs:
            sizes[dict(found.attributes)["site"]] += found.size
        questions = self.recipe.stack_exchange.questions
        recipe = (questions.largest_sites, questions.meta_sites)
        ranked = [(entry, entry) for entry in ((site, posts[site], sizes[site]) for site in sorted(posts))]
        return models.pending(
            [models.training_of(self.output, "stack_exchange_sites", models.make_sites, recipe, ranked)]
        )

    def _draws(self) -> list[tuple[str, draws.Draw]]:
        total = self.recipe.tokenizer.training_bytes / sum(PROPORTION[name] for name in self.chains)
        found = []
        for name, chain in self.chains.items():
            index = chain.index_of(self._before_tokenizer(name).name)
            rate = draws.rate(total * PROPORTION[name], sum(row["kept_bytes"] for row in chain.manifests(index)))
            for path, identity in self.shards_of(chain, index):
                task = draws.Draw(
                    path=path,
                    run=f"{self.output}/work/models/tokenizer/{name}-{Path(path).stem}",
                    rates={"text": rate},
                    identity=digest_of(models.VERSION, identity, rate),
                    take=draws.take_texts,
                )
                found.append((name, task))
        return found

    def _plan_draw(self) -> list[Job]:
        jobs = draws.pending("models/tokenizer_draw", [task for _, task in self._draws()])
        return self._restored({task.path for job in jobs for task in job.elements}) or jobs

    def _restored(self, paths: Set[str]) -> list[Job]:
        jobs = []
        for name, chain in self.chains.items():
            index = chain.index_of(self._before_tokenizer(name).name)
            items = [(n, item) for n, item in enumerate(chain.items_of(index)) if chain.staged(index, item) in paths]
            jobs += chain.restore(index, "tokenizer_draw", items)
        return jobs

    def _plan_tokenizer(self) -> list[Job]:
        drawn = [((source, task.run_of("text")), task.identity) for source, task in self._draws()]
        recipe = self.recipe.tokenizer
        return models.pending([models.training_of(self.output, "tokenizer", models.make_tokenizer, recipe, drawn)])

    def finished(self, node: Node) -> list[str]:
        """Write what a finished node completes: a source's manifest, or its token manifest. Return what to tell."""
        told: list[str] = []
        for name, chain in self.chains.items():
            if node.name == f"{name}/{chain.source.stages[0].name}":
                told += damage.warnings(chain, chain.manifests(0))
            if node.name == chain.last_node:
                told += manifest.remove_strays(chain)
                manifest.write_source_manifest(chain)
            elif node.name == f"{name}/shards":
                told += self.tokens[name].remove_strays()
                self.tokens[name].finish()
        return told


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Parse the command line; what it does not know goes to Beam."""
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.corpus", description="Build the corpus.", allow_abbrev=False
    )
    parser.add_argument("--recipe", choices=sorted(RECIPES), default="sample", help="which recipe (default: sample)")
    parser.add_argument("--source", action="append", choices=list(SOURCES), metavar="NAME", help="only this source")
    parser.add_argument("--input", action="append", default=[], metavar="NAME=GLOB_OR_URL", help="dumps; or: paper")
    parser.add_argument("--raw", type=paths.option, default="data/raw", help="folder of the sample (default: data/raw)")
    parser.add_argument(
        "--output", type=paths.output_option, default="data/corpus", help="corpus directory (default: data/corpus)"
    )
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="override a recipe's field")
    parser.add_argument("--model", action="append", default=[], metavar="NAME=PATH", help="a model given by path")
    parser.add_argument("--models", action="store_true", help="only CommonCrawl's models, and what they are made of")
    parser.add_argument("--runner", default="local", help="local (default), plain, or dataflow, flink, spark, portable")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="local processes (default: cores)")
    parser.add_argument("--deadline", type=float, help="seconds after which a wave that hangs is ended")
    parser.add_argument("--log-json", metavar="FILE", help="write events as JSON lines (- for the standard error)")
    parser.add_argument("--dry-run", action="store_true", help="say what would be read and run, and do nothing")
    return parser.parse_known_args(arguments)


def prepare(options: argparse.Namespace, beam_arguments: Sequence[str]) -> Build:
    """Check all options and find the inputs; raise ValueError naming the option, before any work starts."""
    storage.check(options.output)
    if options.workers < 1:
        raise ValueError(f"--workers {options.workers}: at least 1")
    if options.runner not in ("local", "plain"):
        from pipelines import runners

        runners.check_engine(options.runner, beam_arguments, options.output)
    elif beam_arguments:
        raise ValueError(f"{beam_arguments[0]}: no such option (Beam's options go with --runner of an engine)")
    recipe = RECIPES[options.recipe]
    for assignment in options.set:
        recipe = override(recipe, assignment)
    check(recipe)
    for loaded in (load_tokenizer, benchmarks.load):
        loaded.cache_clear()  # files that an earlier build of this process read may have changed
    names = [name for name in recipe.sources if not options.source or name in options.source]
    if options.models:
        names = [name for name in names if name in ("common_crawl", "wikipedia")]
    named = given.paths(options.model, options.raw, recipe)
    try:
        ours.claim(options.output, ours.Kind.CORPUS)
    except ValueError as error:
        raise ValueError(f"--output {error}") from None
    found = _find_inputs(options, names)
    if options.runner not in ("local", "plain"):
        runners.check_reached(options.runner, [entry.path for inputs_of in found.values() for entry in inputs_of])
    stages = [stage for name in found for stage in source_of(name, recipe).stages]
    chosen = given.chosen(named, recipe, {name for stage in stages for name in getattr(stage, "models", ())})
    if "common_crawl" in found and "wikipedia" not in found and not {"language_models", "reference"} <= set(chosen):
        raise ValueError(
            "--source common_crawl needs --source wikipedia, whose articles its language models and its classifier are "
            "made from, or --model language_models=DIR and --model reference=DIR"
        )
    if ("common_crawl" in found or options.models) and "language_models" not in chosen:
        _check_estimator(recipe)
    return Build(recipe, found, options.output, chosen, options.models)


def _check_estimator(recipe: Recipe) -> None:
    if recipe.language_models.estimator == "lmplz":
        try:
            lmplz.find(recipe.language_models.lmplz)
        except ValueError as error:
            raise ValueError(
                f"language_models.lmplz is {error} (--set language_models.lmplz=PATH); or use our own estimator, which "
                "holds the text in memory: --set language_models.estimator=kneser_ney"
            ) from None


def _input_options(options: argparse.Namespace, names: Sequence[str]) -> list[str]:
    """Return the options of single inputs: `paper` stands for those that the paper's list names."""
    listed = paper_inputs.given(names, f"{options.output}/work/downloads") if PAPER_LIST in options.input else []
    return [option for option in options.input if option != PAPER_LIST] + listed


def _find_inputs(options: argparse.Namespace, names: Sequence[str]) -> dict[str, list[Input]]:
    patterns: dict[str, list[tuple[Mapping[str, str], str]]] = {}
    for option in _input_options(options, names):
        name, attributes, pattern = inputs.parse_option(option, list(SOURCES))
        if name not in names:
            raise ValueError(f"--input {option}: the source {name} is not built (--source, or the recipe)")
        patterns.setdefault(name, []).append((attributes, pattern))
    if options.recipe == "sample" and not options.input:
        for name, dumps in sample.inputs(Path(options.raw)).items():
            if name in names and not dumps:
                raise ValueError(f"--raw {options.raw}: no dumps of {name}; run python -m pipelines.sample first")
            if name in names:
                patterns[name] = [({}, path) for path in dumps]
    if not patterns:
        raise ValueError("--input: no input is given; write --input NAME=GLOB_OR_URL for each source")
    if left := [name for name in options.source or () if name not in patterns]:
        raise ValueError(f"--source {left[0]}: no input is given for it; write --input {left[0]}=GLOB_OR_URL")
    cache = f"{options.output}/work/inputs.json"
    return {name: inputs.find(SOURCES[name], patterns[name], cache) for name in names if name in patterns}


def build(options: argparse.Namespace, beam_arguments: Sequence[str]) -> Build:
    """Run a whole build."""
    started = time.monotonic()
    prepared = prepare(options, beam_arguments)
    facts = {"recipe": prepared.recipe.name, "runner": options.runner, "output": options.output}
    events.tell("build_started", **facts, sources=list(prepared.chains))
    with lock.alone(options.output) as check_lock:
        check_neighbours(prepared)
        if storage.is_remote(options.output):
            stage_models(prepared)
        nodes = prepared.nodes()
        with Progress(nodes) as progress:

            def begin(jobs: Sequence[Job | Shuffle]) -> None:
                check_lock()
                withdraw(prepared, jobs)
                strays.begin(path for job in jobs for path in job.outputs if path.startswith(f"{options.output}/work/"))
                progress.start(jobs)

            def poll() -> None:
                check_lock()
                progress.poll()

            def finished(node: Node) -> None:
                told = prepared.finished(node)
                progress.finish(node)
                progress.warn(told)

            with execution.Execution(options, beam_arguments, begin, poll) as executed:
                run_waves(nodes, executed.run, finished, executed.beside)
        check_lock()
        write_models_manifest(prepared)
        seconds = round(time.monotonic() - started, 1)
        if not prepared.only_models:
            write_corpus_manifest(prepared)
            summary.write(options.output, {**facts, "seconds": seconds, "stages_run": progress.stages})
    events.tell("build_finished", **facts, seconds=seconds)
    return prepared


def stage_models(prepared: Build) -> None:
    """Copy the given models to OUTPUT/work/given, where every worker reaches them."""
    prepared.given = {
        name: given.staged(model, f"{prepared.output}/work/given/{name}") for name, model in prepared.given.items()
    }


def withdraw(prepared: Build, jobs: Sequence[Job | Shuffle]) -> None:
    """Remove the manifests of what these jobs are about to change: until they are written again, it is not there."""
    labels = [job.label.partition("/") for job in jobs]
    changed = {source for source, _, _ in labels if source in prepared.chains}
    documents = {source for source, _, stage in labels if stage not in ("encode", "shards")}
    for path in ("manifest.json", "models/manifest.json"):
        storage.remove(f"{prepared.output}/{path}")
    for source in sorted(changed):
        storage.remove(f"{prepared.output}/tokens/{source}/manifest.json")
        if source in documents:
            storage.remove(f"{prepared.output}/{source}/manifest.json")


def write_corpus_manifest(prepared: Build) -> None:
    """Complete the corpus: its tokenizer beside its tokens, and its manifest over every source that is finished here.

    Sources of earlier builds have the same tokenizer, or `check_neighbours` would have refused the build.
    """
    output = prepared.output
    if "tokenizer" in prepared.given:
        models.place_tokenizer(output, prepared.given["tokenizer"].model.path)
    finished = [
        name
        for name in SOURCES
        if name in prepared.chains
        or all(storage.exists(f"{output}/{folder}{name}/manifest.json") for folder in ("", "tokens/"))
    ]
    digest = shards.Manifest.load(f"{output}/tokens/{next(iter(prepared.chains))}").tokenizer_sha256
    manifest.write_corpus_manifest(output, prepared.recipe.name, finished, digest)


def check_neighbours(prepared: Build) -> None:
    """Raise ValueError if other sources in the corpus directory would be left with tokens of another tokenizer."""
    output, tokenizer = prepared.output, prepared.given.get("tokenizer")
    for name in SOURCES if not prepared.only_models else ():
        found = storage.read_json(f"{output}/tokens/{name}/manifest.json")
        if name in prepared.chains or not isinstance(found, dict):
            continue
        ours = storage.sha256(tokenizer.model.path) if tokenizer else None
        if found.get("tokenizer_sha256") == ours:
            continue
        would = "is not the one given" if tokenizer else "would not be the one trained now, on other sources"
        raise ValueError(
            f"--output {output}: the tokens of {name} are there, and their tokenizer {would}: build {name} too, keep "
            f"the corpus' tokenizer with --model tokenizer={output}/models/tokenizer, or name another --output"
        )


def write_models_manifest(prepared: Build) -> None:
    """Write OUTPUT/models/manifest.json: every model used, given or trained, and the SHA-256 of its files."""
    names = {name for node in prepared.nodes() if (name := node.name.removeprefix("models/")) != node.name}
    content: dict[str, Any] = {}
    for name in sorted(name for name in names if not name.endswith("_draw")):
        chosen = prepared.given.get(name)
        if chosen is None:
            parts = models.files_of(f"{prepared.output}/models/{name}", prepared.parts_of(name))
            files = {f"{part}{file}": digest for part, found in parts.items() for file, digest in found.items()}
            content[name] = {"trained": True, "path": f"models/{name}", "files": files}
        elif chosen is not given.UNREAD:
            content[name] = {"trained": False, "path": chosen.model.path, "files": chosen.files}
    manifest.write_if_changed(f"{prepared.output}/models/manifest.json", content)


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the corpus and print the funnel and the mixture; return the exit code."""
    options, beam_arguments = parse(sys.argv[1:] if arguments is None else arguments)
    started = time.monotonic()
    log = events.write_to(options.log_json)
    try:
        if options.dry_run:
            from pipelines import dry_run

            print(*map(addresses.hide, dry_run.said(options, beam_arguments)), sep="\n")  # noqa: T201
            return 0
        build(options, beam_arguments)
    except ValueError as error:
        events.tell("build_failed", level=logging.ERROR, error=str(error))
        print(f"error: {addresses.hide(str(error))}", file=sys.stderr)  # noqa: T201
        return 2
    except (RuntimeError, OSError) as error:
        events.tell("build_failed", level=logging.ERROR, error=str(error))
        print(f"failed: {addresses.hide(str(error))}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        events.tell("build_failed", level=logging.ERROR, error="interrupted")
        print("interrupted; run again to go on where it stopped", file=sys.stderr)  # noqa: T201
        return 130
    finally:
        events.stop(log)
    if options.models:
        print(f"models: {options.output}/models/manifest.json in {time.monotonic() - started:.0f} s")  # noqa: T201
        return 0
    print_summary(options.output, time.monotonic() - started)
    return 0


if __name__ == "__main__":
    sys.exit(main())
