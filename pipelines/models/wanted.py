"""What the models that a build makes are made of, and whether it is there: known before any work starts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Set

from filters.models import lmplz
from pipelines.problems import RefusedError
from pipelines.recipes import LanguageModels, Recipe

# Of a model of CommonCrawl's: what it is called, how it is given, and how to do without.
_OF_WEB = {
    "language_models": ("language models", "--model language_models=DIR", "--set common_crawl.perplexity=false"),
    "reference": ("classifier", "--model reference=DIR", "--set common_crawl.reference.classifier=false"),
}


def check(recipe: Recipe, built: Collection[str], made: Set[str], wikipedia: Collection[str]) -> None:
    """Raise RefusedError for each model of those that are to be made that cannot be, or would be of no use.

    `built` are the sources, `wikipedia` the languages of its inputs.
    """
    problems = [*_sources(built, made), *_filters(built, made)]
    if "language_models" in made and "wikipedia" in built:  # else they are made of nothing here
        problems += _estimator(recipe.language_models)
    if not problems and "common_crawl" in built:
        problems += _languages(recipe, made, wikipedia)
    if problems:
        raise RefusedError(problems)


def _sources(built: Collection[str], made: Set[str]) -> Iterator[str]:
    missing = [_OF_WEB[name] for name in _OF_WEB if name in made]
    if "common_crawl" in built and "wikipedia" not in built and missing:
        names, given, off = (list(column) for column in zip(*missing, strict=True))
        yield (
            "--source common_crawl needs --source wikipedia, from whose articles it makes its "
            f"{' and '.join(names)}, or "
            f"{' and '.join(given)}; to do without: {' '.join(off)}"
        )


def _filters(built: Collection[str], made: Set[str]) -> Iterator[str]:
    """Say whether the filter by perplexity needs models that are neither given nor made in this build."""
    for name, source in (("language_models", "wikipedia"), ("cutoffs", "common_crawl")):
        if name in made and source not in built and "common_crawl" not in built:
            yield (
                f"filters.perplexity needs {name.replace('_', ' ')}: give them with --model {name}=PATH, or build "
                f"{source} too, on which they are made"
            )


def _estimator(recipe: LanguageModels) -> Iterator[str]:
    if recipe.estimator == "lmplz":
        try:
            lmplz.find(recipe.lmplz)
        except ValueError as error:
            yield (
                "language models are made by lmplz, which is not there: use our own estimator, which needs no program "
                "and holds the text in memory (--set language_models.estimator=kneser_ney), or name the program with "
                f"--set language_models.lmplz=PATH (it is {error})"
            )


def _languages(recipe: Recipe, made: Set[str], wikipedia: Collection[str]) -> Iterator[str]:
    """Say for which languages of CommonCrawl's pages no model is made: all of them would be dropped."""
    wanted, web = recipe.common_crawl.quality.languages, recipe.common_crawl
    trained = recipe.language_models.languages or tuple(sorted(wikipedia))
    if "language_models" in made and "all" not in web.reference.buckets:
        for language in (language for language in wanted if language not in trained):
            also = ",".join(dict.fromkeys((*trained, language)))
            yield (
                f"common_crawl.quality.languages has {language!r}, for which no language model is made: --set "
                f"language_models.languages={also}, or --set common_crawl.perplexity=false"
            )
        for language in (language for language in wanted if language in trained and language not in wikipedia):
            yield (
                f"--input wikipedia: no dump is in {language!r}, for which common_crawl.quality.languages needs a "
                f"language model; add one, or --set common_crawl.perplexity=false"
            )
    if "reference" in made and wanted and web.training.language not in wanted:
        yield (
            f"common_crawl.training.language is {web.training.language!r}, but no pages in that language are kept: "
            f"--set common_crawl.training.language={wanted[0]}, or --set common_crawl.reference.classifier=false"
        )
