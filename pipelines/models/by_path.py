"""Models given by path: what each has to be, checked before any work starts, and its digest by content.

--model language_models=DIR   LANG/pieces.model and LANG/model.arpa, or CCNet's LANG.sp.model and LANG.arpa.bin
--model cutoffs=PATH          a folder with cutoffs.json, or CCNet's cutoff.csv
--model reference=PATH        a folder with reference.bin and scores.json, or any fastText classifier
--model templates=DIR         LANG/definitions.bin, templates of wikis made by another build (OUTPUT/models/templates)
--model benchmarks=DIR        a file or folder for each benchmark, see `pipelines.contamination`
--model classifier=FILE       any fastText classifier, for a source's `filters.classifier`
--model NAME=FILE             lid, bad_words, personal_information_sites, tokenizer
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

from filters.models import fast_text, kenlm_file
from filters.web import c4, personal_info, quality_models, reference
from filters.wikitext.definitions import FILE as FILE_OF_DEFINITIONS
from filters.wikitext.definitions import Definitions
from pipelines import contamination, languages
from pipelines.files import cached, storage
from pipelines.files import paths as places
from pipelines.files.current import is_current
from pipelines.hashing import digest_of
from pipelines.models.templates import NAME as TEMPLATES
from pipelines.models.training import FILE, TOKENIZER, copied
from pipelines.optional import decontamination, filters
from pipelines.optional.personal_information import DEFAULT_SITES, SITES
from pipelines.problems import Problems, RefusedError
from pipelines.recipe_parts import Filters
from pipelines.recipes import Recipe
from pipelines.stages.source import Model
from pipelines.tokens import tokenizers
from tokenizer.encode import Tokenizer
from tokenizer.loading import load_engine

# Models that are given, not trained, and where the sample keeps them.
GIVEN = {"lid": "models/lid.176.ftz", "bad_words": "models/bad_words_en.txt"}
# Models that are trained, and may be given instead.
TRAINED = ("language_models", "cutoffs", "reference", TEMPLATES, "stack_exchange_sites", TOKENIZER)
_FOLDERS = ("language_models", "cutoffs", "reference", TEMPLATES, "stack_exchange_sites", "benchmarks")


@dataclass(frozen=True)
class Given:
    """A model given by path, with the SHA-256 of each file that is used of it, and what its user should know.

    `found` says where it was found if no option names it.
    """

    model: Model
    files: dict[str, str]
    warnings: tuple[str, ...] = ()
    found: str = ""


UNREAD = Given(Model("(unread)", ""), {})  # a model that the recipe does not use


def paths(options: Sequence[str], raw: str, recipe: Recipe) -> dict[str, str]:
    """Return the path of each model that is given: by an option NAME=PATH, in the sample's folder, or with the package.

    Raises ValueError for an option that is none, or that the recipe has no use for.
    """
    found = {name: f"{raw}/{path}" for name, path in GIVEN.items()}
    found[SITES] = str(DEFAULT_SITES)
    problems = Problems()
    for option in options:
        with problems.noted():
            name, path = _option(option, recipe)
            found[name] = path
    if recipe.contamination.drop and decontamination.MODEL not in found:
        problems.found.append("contamination.drop is True: give the benchmarks with --model benchmarks=DIRECTORY")
    if (labels := _labels(recipe)) and filters.CLASSIFIER not in found:
        problems.found.append(
            f"filters.classifier.label is {labels[0]!r}: give the classifier with --model classifier=FILE"
        )
    problems.refuse()
    return found


def _option(option: str, recipe: Recipe) -> tuple[str, str]:
    """Return name and path of an option NAME=PATH; ValueError for one that is none, or that the recipe does not use."""
    known = (*GIVEN, SITES, decontamination.MODEL, filters.CLASSIFIER, *TRAINED)
    name, equals, path = option.partition("=")
    if not equals:
        raise ValueError(f"--model {option}: write it as NAME=PATH")
    if name not in known:
        raise ValueError(f"--model {option}: there is no model {name!r}; available: {', '.join(known)}")
    if name == decontamination.MODEL and not recipe.contamination.drop:
        raise ValueError(
            f"--model {option}: the recipe has no use for it; to drop contaminated documents, add "
            "--set contamination.drop=true"
        )
    if name == filters.CLASSIFIER and not _labels(recipe):
        field = f"{next(iter(recipe.sources), 'SOURCE')}.filters.classifier.label=LABEL"
        raise ValueError(f"--model {option}: no source uses it; add, for example, --set {field}")
    if name == SITES and not recipe.excludes_sites:
        field = "common_crawl.paragraphs.exclude_personal_information_sites=true"
        raise ValueError(f"--model {option}: the recipe {recipe.name} leaves no site out; add --set {field}")
    try:
        return name, places.form(path)
    except ValueError as error:
        raise ValueError(f"--model {option}: {error}") from None


def named(options: Sequence[str]) -> set[str]:
    """Return the names of the models that options name."""
    return {option.partition("=")[0] for option in options}


def chosen(found: Mapping[str, str], recipe: Recipe, needed: Set[str], typed: Set[str]) -> dict[str, Given]:
    """Return the models that stages need of those at these paths; raise RefusedError naming each option that is wrong.

    The recipe's sources are those that are built; `typed` are the models that options name.
    """
    models = {}
    problems = Problems()
    for name, path in found.items():
        if name in needed | {TOKENIZER}:
            with problems.noted():
                models[name] = _given(name, path, recipe) if name in typed else _found_there(name, path, recipe)
    problems.refuse()
    if SITES in models and not recipe.excludes_sites:
        models[SITES] = UNREAD  # a list that is not read is no part of a result's identity
    return models


def _found_there(name: str, path: str, recipe: Recipe) -> Given:
    """Return a model that no option names: the sample's, or the package's; errors as `_given`'s."""
    if name == SITES:
        return replace(_given(name, path, recipe), found="comes with the package")
    if not storage.exists(path):
        raise ValueError(
            f"the model {name} is needed: give it with --model {name}=FILE (there is none in {path}, where "
            "`altiplano sample` puts the sample's)"
        )
    one = _given(name, path, recipe, f"the model {name} that was found in {path} (--model {name}=FILE names another)")
    return replace(one, found=f"found in {path}")


def _given(name: str, path: str, recipe: Recipe, called: str = "") -> Given:
    try:
        return given(name, path, recipe)
    except (ValueError, OSError) as error:
        what = str(error) if isinstance(error, ValueError) else error.strerror or str(error)
        raise RefusedError(f"{called or f'--model {name}={path}'}: {told}" for told in what.split("\n")) from None


def origins(models: Mapping[str, Given]) -> list[str]:
    """Return where each model that is read comes from, a line each."""
    read = {name: one for name, one in models.items() if one.files}
    return [f"model {name}: {one.found or f'given, {one.model.path}'}" for name, one in read.items()]


def warnings(models: Mapping[str, Given]) -> list[str]:
    """Return what the user should know of the given models, a line each."""
    return [f"--model {name}={one.model.path}: {said}" for name, one in models.items() for said in one.warnings]


def given(name: str, path: str, recipe: Recipe) -> Given:
    """Return a model given by path; raise ValueError if it is not there or not of the right form."""
    try:
        found = Path(cached.local(path))
    except FileNotFoundError as error:
        raise ValueError(str(error)) from None
    if not found.exists():
        raise ValueError("no such file or directory" if name in _FOLDERS else "no such file")
    if name == "language_models":
        return _language_models(found, recipe)
    if name == "cutoffs":
        file = _there(found / "cutoffs.json") if found.is_dir() else found
        quality_models.load_cutoffs(str(found))
        return _hashed(found, [file])
    if name == "reference":
        return _hashed(found, _classifier_files(found, recipe))
    if name == TEMPLATES:
        return _hashed(found, _definitions(found))
    if name == "benchmarks":
        files = contamination.digests(found)
        return Given(Model(path, digest_of(files)), files)
    if name in _FOLDERS:
        return _hashed(found, [_sites(_there(found / "sites.json"))])
    if name == TOKENIZER and found.is_dir():
        found = Path(tokenizers.find(str(found)) or f"{found}/{FILE}")
    if not found.is_file():
        raise ValueError("this is not a file" if found.exists() else f"no such file as {found}")
    if name == "personal_information_sites":
        personal_info.Sites.load(found)
    if name == TOKENIZER:
        return _tokenizer(found, recipe)
    if name == "lid":
        _check_labels(found, _languages_wanted(recipe))
    if name == "bad_words":
        c4.BadWords(found)
    if name == filters.CLASSIFIER:
        for label in _labels(recipe):
            reference.ReferenceClassifier(found, label)
    return _hashed(found, [found])


def _language_models(folder: Path, recipe: Recipe) -> Given:
    """Return the models of the languages that are wanted, each file opened; ValueError for one that is not there."""
    languages = _languages(recipe)
    files = quality_models.given_files(str(folder), languages)
    there = quality_models.languages_of(str(folder))
    missing = [language for language in languages if language not in there]
    if missing and "all" not in recipe.common_crawl.reference.buckets:
        raise ValueError(f"there is no model for {', '.join(missing)}; available: {', '.join(there)}")
    for language in languages or there:
        if found := quality_models.files_of(str(folder), language):
            load_engine(found[0])
            kenlm_file.check(found[1])
    return _hashed(folder, files)


def _definitions(folder: Path) -> list[Path]:
    """Return the models of wikis' templates in a folder, each opened; ValueError if there is none."""
    files = sorted(folder.glob(f"*/{FILE_OF_DEFINITIONS}"))
    if not files:
        raise ValueError(f"a directory with LANGUAGE/{FILE_OF_DEFINITIONS} is expected")
    for file in files:
        Definitions(file, file.parent.name)
    return files


def _sites(file: Path) -> Path:
    try:
        chosen = json.loads(file.read_text(encoding="utf-8-sig"))["chosen"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file}: not a list of sites ({error!r})") from None
    if not (isinstance(chosen, list) and chosen):
        raise ValueError(f"{file}: 'chosen' names no site")
    return file


def _tokenizer(path: Path, recipe: Recipe) -> Given:
    tokenizer = Tokenizer(path)
    if recipe.shards.eos and tokenizer.eos is None:
        raise ValueError(
            f"{tokenizer.format} without a piece for the end of a document: name it as eos_token in a "
            "tokenizer_config.json beside a tokenizer.json, or build without one: --set shards.eos=false"
        )
    digests = {name: storage.sha256(str(file)) for name, file in tokenizer.files.items()}
    files = {file.name: digests[name] for name, file in tokenizer.files.items()}
    # By the names in a corpus it is known as one that is trained here.
    return Given(Model(str(path), digest_of([digests])), files, tuple(tokenizer.remarks()))


def _check_labels(model: Path, wanted: Mapping[str, Sequence[str]]) -> None:
    """Raise ValueError naming field and value of each language that a model of languages has no label of."""
    labels = sorted(label.removeprefix(fast_text.LABEL) for label in fast_text.Labeller(model).labels)
    unknown = [
        f"{field}: it has no label {language!r}; {_meant(language) or _near(language, labels)}"
        for field, names in wanted.items()
        for language in names
        if language not in labels
    ]
    if unknown:
        raise ValueError("\n".join(unknown))


def _meant(wanted: str) -> str:
    """Return which label stands for a language's name or three-letter code, nothing where we know none."""
    label = languages.code(wanted)
    return f"{wanted} is {label}" if label else ""


def _near(wanted: str, labels: Sequence[str]) -> str:
    """Return which labels may have been meant, or a few of all."""
    begun = [label for label in labels if wanted.lower().startswith(label)]
    near = dict.fromkeys((*begun, *difflib.get_close_matches(wanted.lower(), labels, 3)))
    return f"its labels are like {', '.join(near or labels[:5])} ({len(labels)} in all)"


def _languages_wanted(recipe: Recipe) -> dict[str, Sequence[str]]:
    """Return the languages that sources want, by the name of their fields."""
    parts = {name: getattr(recipe.part(name), "filters", None) for name in recipe.sources}
    found: dict[str, Sequence[str]] = {
        f"{name}.filters.language.languages": part.language.languages
        for name, part in parts.items()
        if isinstance(part, Filters)
    }
    web = {"common_crawl.quality.languages": recipe.common_crawl.quality.languages}
    return found | (web if "common_crawl" in recipe.sources and recipe.common_crawl.language else {})


def _filters(recipe: Recipe) -> list[Filters]:
    parts = (getattr(recipe.part(name), "filters", None) for name in recipe.sources)
    return [found for found in parts if isinstance(found, Filters)]


def _labels(recipe: Recipe) -> list[str]:
    """Return the labels that sources want of the classifier."""
    return sorted({found.classifier.label for found in _filters(recipe)} - {""})


def _languages(recipe: Recipe) -> tuple[str, ...]:
    """Return the languages whose models are read; none: all."""
    scored = [found for found in _filters(recipe) if found.perplexity.buckets or found.perplexity.most]
    wanted = [recipe.common_crawl.quality.languages] if "common_crawl" in recipe.sources else []
    wanted += [found.language.languages for found in scored]
    return tuple(sorted({name for names in wanted for name in names})) if all(wanted) else ()


def staged(one: Given, directory: str) -> Given:
    """Return a model as one in a directory that every worker reaches, copied there if it is not there yet."""
    if not one.files:  # a model that is not read
        return one
    source = Path(one.model.path)
    folder, manifest = source if source.is_dir() else source.parent, f"{directory}/manifest.json"
    if not is_current(manifest, one.model.digest):
        storage.remove(manifest)
        files = copied([folder / name for name in sorted(one.files)], folder, directory)
        storage.write_json(manifest, {"identity": one.model.digest, "files": files})
    path = directory if source.is_dir() else f"{directory}/{source.name}"
    return replace(one, model=replace(one.model, path=path))


def _classifier_files(path: Path, recipe: Recipe) -> list[Path]:
    wanted = recipe.common_crawl.reference
    file = _there(path / "reference.bin") if path.is_dir() else path
    reference.ReferenceClassifier(file, wanted.label)
    if wanted.threshold is not None:
        return [file]
    if not path.is_dir():
        raise ValueError("a classifier by itself needs a threshold: --set common_crawl.reference.threshold=0.25")
    scores = _there(path / "scores.json")
    try:
        float(json.loads(scores.read_text(encoding="utf-8-sig"))["threshold"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{scores}: no threshold ({error!r})") from None
    return [file, scores]


def _there(file: Path) -> Path:
    if not file.is_file():
        raise ValueError(f"a directory with {file.name} is expected")
    return file


def _hashed(path: Path, files: Sequence[Path]) -> Given:
    folder = path if path.is_dir() else path.parent
    return _found(str(path), {str(file.relative_to(folder)): storage.sha256(str(file)) for file in sorted(files)})


def _found(path: str, files: dict[str, str]) -> Given:
    # A file by itself is known by its content alone, whatever its name.
    one = next(iter(files.values())) if len(files) == 1 else digest_of(files)
    return Given(Model(path, one), files)
