"""The command line of a build, checked before any work starts, and the inputs and models that it names."""

from __future__ import annotations

import argparse
import importlib
import os
from collections.abc import Collection, Mapping, Sequence, Set
from pathlib import Path

from filters.models import lmplz
from pipelines import build
from pipelines.build import Build, by_name, source_of, with_own_texts, with_parts
from pipelines.files import commands, ours, paths, storage
from pipelines.inputs import inputs, paper
from pipelines.models import by_path
from pipelines.optional import decontamination
from pipelines.recipes import RECIPES, TEXTS, Recipe
from pipelines.sample import layout
from pipelines.settings import check, override, with_texts
from pipelines.stages.source import Source
from pipelines.tokens.encode import load_tokenizer

# What `--input` takes besides single dumps.
PAPER_LIST = "paper"


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Parse the command line; what it does not know goes to Beam."""
    parser = commands.Parser(prog="python -m pipelines.corpus", description="Build the corpus.", allow_abbrev=False)
    parser.add_argument("--recipe", choices=sorted(RECIPES), default="sample", help="which recipe (default: sample)")
    parser.add_argument("--source", action="append", metavar="NAME", help="only this source")
    parser.add_argument(
        "--sources",
        metavar="MODULE:NAME",
        help="another list of sources: a tuple of Source (default: pipelines.build:SOURCES)",
    )
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
        from pipelines.runners import beam

        beam.check_engine(options.runner, beam_arguments, options.output)
    elif beam_arguments:
        raise ValueError(f"{beam_arguments[0]}: no such option (Beam's options go with --runner of an engine)")
    recipe, sources = _recipe(options)
    if unknown := sorted(set(options.source or ()) - sources.keys()):
        raise ValueError(
            f"--source {unknown[0]}: there is no such source, only {', '.join(sources)}; texts of your own are "
            f"named in the recipe: --set texts.{unknown[0]}.share=0"
        )
    for loaded in (load_tokenizer, decontamination.load):
        loaded.cache_clear()  # files that an earlier build of this process read may have changed
    names = [name for name in recipe.sources if not options.source or name in options.source]
    if options.models:
        names = [name for name in names if name in ("common_crawl", "wikipedia")]
    was_there = Path(options.output).is_dir()
    try:
        ours.claim(options.output, ours.Kind.CORPUS)
    except ValueError as error:
        raise ValueError(f"--output {error}") from None
    try:
        return _prepared(options, recipe, sources, names)
    finally:
        # A build that is refused, or only asked for, leaves no trace.
        ours.give_back_unused(options.output, was_there=was_there)


def _recipe(options: argparse.Namespace) -> tuple[Recipe, dict[str, Source]]:
    """Return the recipe that is built, and the list of sources with the own texts that it names."""
    sources = _sources(options.sources)
    recipe = with_parts(RECIPES[options.recipe], sources)
    for assignment in options.set:
        recipe = override(recipe, assignment)
    if options.recipe == TEXTS.name:
        for option in options.input:
            if (name := inputs.name_of(option)) in sources:
                raise ValueError(
                    f"--input {option}: --recipe texts builds own texts alone, and {name} is a source's name"
                )
            recipe = with_texts(recipe, name)
        if not recipe.added:
            raise ValueError("--recipe texts: own texts are built alone; name them by --input NAME=GLOB_OR_URL")
    try:
        recipe, sources = with_own_texts(recipe, sources)
    except ValueError as error:
        raise ValueError(f"--set texts: {error}") from None
    check(recipe)
    return recipe, sources


def _sources(option: str | None) -> dict[str, Source]:
    """Return the sources of a list that is named as MODULE:NAME, our own if none is named."""
    if option is None:
        return dict(build.SOURCES)
    module, colon, name = option.partition(":")
    try:
        if not colon:
            raise ValueError("write it as MODULE:NAME")
        named = getattr(importlib.import_module(module), name)
        if isinstance(named, Source):
            raise ValueError(f"{name} is one source, a list of sources is expected, such as ({name},)")
        return by_name(named.values() if isinstance(named, Mapping) else named)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"--sources {option}: {error}") from error


def _prepared(
    options: argparse.Namespace, recipe: Recipe, sources: Mapping[str, Source], names: Sequence[str]
) -> Build:
    named = by_path.paths(options.model, options.raw, recipe)
    patterns = _patterns(options, sources, names)
    stages = [stage for name in patterns for stage in source_of(sources[name], recipe).stages]
    read = {name for stage in stages for name in getattr(stage, "models", ())}
    chosen = by_path.chosen(named, recipe, read)
    if (
        "common_crawl" in patterns
        and "wikipedia" not in patterns
        and not {"language_models", "reference"} <= set(chosen)
    ):
        raise ValueError(
            "--source common_crawl needs --source wikipedia, whose articles its language models and its classifier are "
            "made from, or --model language_models=DIR and --model reference=DIR"
        )
    _check_filters(patterns, read - set(chosen))
    if ("language_models" in read or options.models) and "language_models" not in chosen:
        _check_estimator(recipe)
    cache = f"{options.output}/work/inputs.json"
    files = {name: inputs.listed(sources[name], patterns[name], cache) for name in names if name in patterns}
    if options.runner not in ("local", "plain"):
        from pipelines.runners import beam

        beam.check_reached(options.runner, [path for listed in files.values() for path in listed])
    remember = not options.dry_run
    found = {name: inputs.identified(sources[name], listed, cache, remember) for name, listed in files.items()}
    return Build(recipe, found, options.output, chosen, options.models, sources)


def _check_filters(built: Collection[str], made: Set[str]) -> None:
    """Raise ValueError if the filter by perplexity needs models that are neither given nor made in this build."""
    for name, source in (("language_models", "wikipedia"), ("cutoffs", "common_crawl")):
        if name in made and source not in built:
            raise ValueError(
                f"filters.perplexity needs {name.replace('_', ' ')}: give them with --model {name}=PATH, or build "
                f"{source} too, on which they are made"
            )


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
    listed = paper.given(names, f"{options.output}/work/downloads") if PAPER_LIST in options.input else []
    return [option for option in options.input if option != PAPER_LIST] + listed


def _patterns(
    options: argparse.Namespace, sources: Mapping[str, Source], names: Sequence[str]
) -> dict[str, list[tuple[Mapping[str, str], str]]]:
    """Return the attributes and patterns of the inputs that are given for each source."""
    patterns: dict[str, list[tuple[Mapping[str, str], str]]] = {}
    for option in _input_options(options, names):
        name, attributes, pattern = inputs.parse_option(option, list(sources))
        if name not in names:
            built = f"only {', '.join(names)}" if names else "no source"
            raise ValueError(f"--input {option}: {name} is not built, {built} (by --source, --models and the recipe)")
        patterns.setdefault(name, []).append((attributes, pattern))
    if options.recipe == "sample" and not options.input:
        for name, dumps in layout.inputs(Path(options.raw)).items():
            if name in names and not dumps:
                raise ValueError(f"--raw {options.raw}: no dumps of {name}; run python -m pipelines.sample first")
            if name in names:
                patterns[name] = [({}, path) for path in dumps]
    if not patterns:
        raise ValueError("--input: no input is given; write --input NAME=GLOB_OR_URL for each source")
    own = [name for name, source in sources.items() if source.fields and (name in names)]
    if left := [name for name in own if name not in patterns]:
        raise ValueError(f"--set texts.{left[0]}: no input is given for it; write --input {left[0]}=GLOB_OR_URL")
    if left := [name for name in options.source or () if name not in patterns]:
        raise ValueError(f"--source {left[0]}: no input is given for it; write --input {left[0]}=GLOB_OR_URL")
    return patterns
