"""The command line of a build, checked before any work starts, and the inputs and models that it names."""

from __future__ import annotations

import argparse
import shutil
import socket
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from filters.packages import MissingError
from pipelines import build, command_lines
from pipelines.build import Build, source_of, with_own_texts, with_parts
from pipelines.files import ours, storage
from pipelines.inputs import fetching, inputs, paper, part
from pipelines.models import by_path, wanted
from pipelines.optional import decontamination
from pipelines.problems import Problems, RefusedError
from pipelines.recipes import RECIPES, TEXTS, Recipe
from pipelines.runners import choice, events
from pipelines.sample import layout
from pipelines.settings import check, override, with_texts
from pipelines.stages.source import Input, Source
from pipelines.tokens import tokenizers

# What `--input` takes besides single dumps.
PAPER_LIST = "paper"
TRIAL_SUFFIX = "-trial"  # of OUTPUT: what a trial builds is never in the way of the whole
TRIAL_FILE = "work/trial.json"  # says of a corpus that it is a trial, and which
MB = 1_000_000
FREE_BYTES = 50 * MB  # without which not even the smallest corpus and its models can be written


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Parse the command line; what it does not know goes to Beam. A trial has a folder of its own."""
    options, beam_arguments = command_lines.corpus().parse_known_args(arguments)
    if options.trial is not None:
        options.output += TRIAL_SUFFIX
    return options, beam_arguments


def prepare(options: argparse.Namespace, beam_arguments: Sequence[str]) -> Build:
    """Check all that can be known before any work starts, find the inputs and identify them by their content.

    Nothing is fetched before all that is given here is right. Raises RefusedError with everything that is wrong, each
    line naming the option.
    """
    with claimed(options, beam_arguments):
        cache = _cache(options)
        request = _looked_at(options, beam_arguments, _downloads(options))
        problems = Problems()
        files: dict[str, Mapping[str, inputs.Attributes]] = {}
        for name, found in request.found.items():
            with problems.noted():
                files[name] = inputs.fetched(request.sources[name], found, cache)
        problems.refuse()
        return request.build({name: inputs.identified(request.sources[name], files[name], cache) for name in files})


def asked(options: argparse.Namespace, beam_arguments: Sequence[str], folder: str) -> Request:
    """Check all that `prepare` checks but the content of what is elsewhere; `folder` keeps listings from the web."""
    with claimed(options, beam_arguments):
        return _looked_at(options, beam_arguments, folder)


@dataclass(frozen=True)
class Request:
    """What is asked for, looked at and found right: nothing of it is fetched, and no input read whole."""

    recipe: Recipe
    output: str
    only_models: bool
    sources: Mapping[str, Source]
    found: Mapping[str, inputs.Found]
    models: Mapping[str, by_path.Given]
    whole: Mapping[str, part.Whole]

    def build(self, found: Mapping[str, Sequence[Input]]) -> Build:
        """Return the build of these inputs."""
        return Build(self.recipe, found, self.output, dict(self.models), self.only_models, self.sources, self.whole)


def _looked_at(options: argparse.Namespace, beam_arguments: Sequence[str], folder: str) -> Request:
    """Look at all that is given, whatever is wrong with any of it; listings on the web are kept in `folder`."""
    problems = Problems()
    for check_option in (_check_workers, _check_runner, _check_trial):
        with problems.noted():
            check_option(options, beam_arguments)
    with problems.noted():
        storage.check(options.output)
    recipe, sources = _recipe(options, problems)
    for unknown in sorted(set(options.source or ()) - sources.keys()):
        problems.found.append(
            f"--source {unknown}: there is no such source; available: {', '.join(sources)}; your own texts are "
            f"named in the recipe: --set texts.{unknown}.share=0"
        )
    for loaded in (tokenizers.loaded, decontamination.load):
        loaded.cache_clear()  # files that an earlier build of this process read may have changed
    names = [name for name in recipe.sources if not options.source or name in options.source]
    if options.models:
        names = [name for name in names if name in ("common_crawl", "wikipedia")]
    patterns = _patterns(options, sources, names, folder, problems)
    models, made = _models(options, recipe, sources, list(patterns), problems)
    for name in patterns:
        problems.found += _missing_packages(source_of(sources[name], recipe))
    ordered = {name: patterns[name] for name in names if name in patterns}
    found = _found(options, sources, ordered, folder, problems)
    whole: dict[str, part.Whole] = {}
    if options.trial is not None:
        for name, files in found.items():
            languages = recipe.language_models.languages if name == "wikipedia" else None
            found[name], whole[name] = part.taken(files, part.Draw(options.trial, options.trial_seed), languages)
    articles = found["wikipedia"].files.values() if "wikipedia" in found else ()
    if "wikipedia" in found or "wikipedia" not in patterns:  # else what is wrong with its inputs was said
        with problems.noted():
            made |= {"language_models"} if options.models else set()
            wanted.check(recipe, patterns, made, {dict(attributes).get("language", "") for attributes in articles})
    with problems.noted():
        _check_disk(options.output, found)
    problems.refuse()
    return Request(recipe, options.output, options.models, sources, found, models, whole)


def _check_workers(options: argparse.Namespace, beam_arguments: Sequence[str]) -> None:
    if options.workers < 1:
        raise ValueError(f"--workers {options.workers}: at least 1")


def _check_trial(options: argparse.Namespace, beam_arguments: Sequence[str]) -> None:
    there = not storage.is_remote(options.output) and storage.exists(f"{options.output}/{TRIAL_FILE}")
    if options.trial is None:
        if there:
            raise ValueError(
                f"--output {options.output}: this is a trial's folder; name another, or go on with --trial"
            )
        return
    if options.models:
        raise ValueError("--trial: a forecast is of a whole build, so it does not go with --models")
    if not choice.on_this_machine(options.runner) or storage.is_remote(options.output):
        raise ValueError("--trial: a trial is measured on this machine: --runner local or plain, --output here")
    if not there and storage.exists(f"{options.output}/manifest.json"):
        raise ValueError(
            f"--trial: {options.output}, where a trial goes, holds a corpus that is none; name another --output, "
            f"to which {TRIAL_SUFFIX} is added"
        )


def _check_runner(options: argparse.Namespace, beam_arguments: Sequence[str]) -> None:
    if options.runner == "local" and (why := _no_loopback()):
        raise ValueError(
            f"--runner local: its workers talk over this machine's loopback, 127.0.0.1, which does not answer ({why}); "
            "set it up (ip link set lo up), or build in one process: --runner plain"
        )
    for name, value in vars(options).items():
        if value and name.partition("_")[0] in choice.TASKS and name.partition("_")[0] != options.runner:
            raise ValueError(f"--{name.replace('_', '-')}: it goes with --runner {name.partition('_')[0]}")
    choice.check(options.runner, beam_arguments, options.output)


def _no_loopback() -> str:
    """Return why a socket of this machine cannot be reached from it, or nothing."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname(), 10):
            return ""
    except OSError as error:
        return error.strerror or str(error)


@contextmanager
def claimed(options: argparse.Namespace, beam_arguments: Sequence[str]) -> Iterator[None]:
    """Mark the output as ours, and take the mark off again where nothing was begun; errors as `prepare`'s."""
    was_there = Path(options.output).is_dir()
    here = not storage.is_remote(options.output)
    above = [path for path in Path(options.output).parents if here and not path.exists()]
    try:
        ours.claim(options.output, ours.Kind.CORPUS)
    except (ValueError, OSError) as error:
        if isinstance(error, OSError) and storage.is_remote(options.output):
            raise  # a server fails, and may not the next time
        _refuse_output(options, beam_arguments, error)
    try:
        yield
    finally:
        # A build that is refused, or only asked for, leaves no trace.
        ours.give_back_unused(options.output, was_there=was_there)
        for folder in above:
            with suppress(OSError):  # it holds something
                folder.rmdir()


def _refuse_output(options: argparse.Namespace, beam_arguments: Sequence[str], error: ValueError | OSError) -> NoReturn:
    """Raise RefusedError for an output that cannot be had, and for all else that is wrong."""
    problems = Problems()
    if isinstance(error, ValueError):
        problems.found.append(f"--output {error}")
    else:
        why = error.strerror or str(error)
        problems.found.append(f"--output {options.output}: it cannot be written: {why}; name another folder")
    with tempfile.TemporaryDirectory() as folder, problems.noted():
        _looked_at(options, beam_arguments, folder)
    raise RefusedError(problems.found) from None


def _check_disk(output: str, found: Mapping[str, inputs.Found]) -> None:
    """Raise ValueError where there is no room for what is fetched and written; warn where there may not be."""
    if storage.is_remote(output):
        return
    there = next(path for path in (Path(output), *Path(output).absolute().parents) if path.is_dir())
    free = shutil.disk_usage(there).free
    needed = FREE_BYTES + sum(one.size for files in found.values() for one in files.listings)
    if free < needed:
        raise ValueError(
            f"--output {output}: {free / MB:,.0f} MB are free there, and at least {needed / MB:,.0f} MB are needed; "
            "free some, or name a folder on another disk"
        )
    local = [path for files in found.values() for path in files.files if not storage.is_remote(path)]
    if free < (size := sum(map(storage.size, local))):
        events.warn(
            f"--output {output}: {free / MB:,.0f} MB are free there, less than the inputs have ({size / MB:,.0f} MB), "
            "and a corpus takes about as much while it is made"
        )


def _cache(options: argparse.Namespace) -> str:
    return f"{options.output}/work/inputs.json"


def _downloads(options: argparse.Namespace) -> str:
    return f"{options.output}/work/downloads"


def _recipe(options: argparse.Namespace, problems: Problems) -> tuple[Recipe, dict[str, Source]]:
    """Return the recipe that is built, as far as what is said of it makes sense, and the sources, own texts too."""
    sources = dict(build.SOURCES)
    with problems.noted():
        sources = build.listed(options.sources)
    recipe = with_parts(RECIPES[options.recipe], sources)
    for assignment in options.set:
        with problems.noted():
            recipe = override(recipe, assignment)
    if options.recipe == TEXTS.name:
        for option in options.input:
            with problems.noted():
                recipe = _with_own_text(recipe, option, sources)
        if not recipe.added and not options.input:
            problems.found.append("--recipe texts: own texts are built alone; name them by --input NAME=GLOB_OR_URL")
    try:
        recipe, sources = with_own_texts(recipe, sources)
    except ValueError as error:
        problems.found.append(f"--set texts: {error}")
        problems.refuse()  # without these sources, what is said of them next would be false
    with problems.noted():
        check(recipe)
    return recipe, sources


def _with_own_text(recipe: Recipe, option: str, sources: Mapping[str, Source]) -> Recipe:
    if (name := inputs.name_of(option)) in dict(recipe.added):  # of a list of sources that is named
        return recipe
    if name in sources:
        raise ValueError(f"--input {option}: --recipe texts builds own texts alone, and {name} is a source's name")
    return with_texts(recipe, name)


def _models(
    options: argparse.Namespace,
    recipe: Recipe,
    sources: Mapping[str, Source],
    built: Sequence[str],
    problems: Problems,
) -> tuple[dict[str, by_path.Given], set[str]]:
    """Return the given models that a stage of the sources that are built reads, each opened, and those to be made."""
    named: dict[str, str] = {}
    with problems.noted():
        named = by_path.paths(options.model, options.raw, replace(recipe, sources=tuple(built)))
    stages = [stage for name in built for stage in source_of(sources[name], recipe).stages]
    read = {name for stage in stages for name in getattr(stage, "models", ())}
    chosen: dict[str, by_path.Given] = {}
    with problems.noted():
        typed = by_path.named(options.model)
        chosen = by_path.chosen(named, replace(recipe, sources=tuple(built)), read, typed)
    return chosen, read - set(named)


def _missing_packages(source: Source) -> list[str]:
    """Return what to say of each package that a stage of a source cannot do without, and that is not installed."""
    wanted = {package: stage.name for stage in source.stages for package in getattr(stage, "packages", ())}
    found = []
    for package, stage in wanted.items():
        try:
            package.load()
        except MissingError as error:
            found.append(f"{source.name}, stage {stage}: {error}")
    return found


def _found(
    options: argparse.Namespace,
    sources: Mapping[str, Source],
    patterns: Mapping[str, Sequence[tuple[Mapping[str, str], str]]],
    folder: str,
    problems: Problems,
) -> dict[str, inputs.Found]:
    found: dict[str, inputs.Found] = {}
    # Those on the web last: a server may take its time, and what is wrong here is known at once.
    for name in sorted(patterns, key=lambda name: any(fetching.is_web(pattern) for _, pattern in patterns[name])):
        if problems.found and any(fetching.is_web(pattern) for _, pattern in patterns[name]):
            continue
        with problems.noted():
            found[name] = inputs.listed(sources[name], patterns[name], _cache(options), folder)
            choice.check_reached(options.runner, list(found[name].files))
    return {name: found[name] for name in patterns if name in found}


def _input_options(options: argparse.Namespace, names: Sequence[str], folder: str) -> list[str]:
    """Return the options of single inputs: `paper` stands for those that the paper's list names."""
    listed = paper.given(names, folder) if PAPER_LIST in options.input else []
    return [option for option in options.input if option != PAPER_LIST] + listed


def _patterns(
    options: argparse.Namespace, sources: Mapping[str, Source], names: Sequence[str], folder: str, problems: Problems
) -> dict[str, list[tuple[Mapping[str, str], str]]]:
    """Return the attributes and patterns of the inputs that are given for each source."""
    patterns: dict[str, list[tuple[Mapping[str, str], str]]] = {}
    for option in _input_options(options, names, folder):
        with problems.noted():
            name, attributes, pattern = inputs.parse_option(option, list(sources))
            if name not in names:
                built = f"only {', '.join(names)}" if names else "no source"
                raise ValueError(
                    f"--input {option}: {name} is not built, {built} (by --source, --models and the recipe)"
                )
            patterns.setdefault(name, []).append((attributes, pattern))
    with problems.noted():
        if options.recipe == "sample" and not options.input:
            patterns = _of_the_sample(options.raw, names)
    if not problems.found:
        with problems.noted():
            _check_inputs(options, sources, names, patterns)
    return patterns


def _of_the_sample(raw: str, names: Sequence[str]) -> dict[str, list[tuple[Mapping[str, str], str]]]:
    found = {name: dumps for name, dumps in layout.inputs(Path(raw)).items() if name in names}
    if missing := [name for name, dumps in found.items() if not dumps]:
        raise ValueError(f"--raw {raw}: no dumps of {', '.join(missing)}; run python -m pipelines.sample first")
    return {name: [({}, path) for path in dumps] for name, dumps in found.items()}


def _check_inputs(
    options: argparse.Namespace, sources: Mapping[str, Source], names: Sequence[str], given: Collection[str]
) -> None:
    """Raise ValueError for a source that is asked for by name and has no input."""
    if not given:
        raise ValueError("--input: no input is given; write --input NAME=GLOB_OR_URL for each source")
    own = [name for name, source in sources.items() if source.fields and name in names]
    wanted = [(name, f"--set texts.{name}") for name in own] + [
        (name, f"--source {name}") for name in options.source or ()
    ]
    for name, option in wanted:
        if name not in given:
            raise ValueError(f"{option}: no input is given for it; write --input {name}=GLOB_OR_URL")
