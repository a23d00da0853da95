"""What a build would do, without doing it: its inputs, its first wave, and how an engine would be given it."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice

from pipelines import work
from pipelines.build import Build
from pipelines.files import storage
from pipelines.inputs import inputs, paper
from pipelines.models import by_path
from pipelines.options import PAPER_LIST, asked
from pipelines.recipes import RECIPES
from pipelines.runners import choice
from pipelines.stages.jobs import Job, Shuffle

NAMED = 10  # inputs of a source


def said(options: argparse.Namespace, beam_arguments: Sequence[str]) -> Iterator[str]:
    """Yield the paper's list, which needs no network, or what a build of given inputs would read and do first.

    Everything is looked at as a build looks at it, but no input is read whole, and none is fetched; a listing on the
    web is read, and not kept. Raises ValueError as `options.prepare` does.
    """
    names = options.source or RECIPES[options.recipe].sources
    if options.recipe != "sample" and options.input in ([], [PAPER_LIST]):
        yield from paper.lines(names, options.output)
        return
    with tempfile.TemporaryDirectory() as folder:
        request = asked(options, beam_arguments, folder)
        yield from (f"warning: {told}" for told in by_path.warnings(request.models))
        yield from by_path.origins(request.models)
        for name, found in request.found.items():
            yield from _inputs(name, found)
        cache = f"{options.output}/work/inputs.json"
        there = {name: inputs.at_hand(request.sources[name], one, cache) for name, one in request.found.items()}
        away = sum(missing for _, missing in there.values())
        prepared = request.build({name: found for name, (found, _) in there.items()})
        for name, chain in prepared.chains.items():
            yield f"{name}: {' -> '.join(stage.name for stage in chain.source.stages)}"
        if made := [node.name for node in prepared.nodes() if node.name.startswith("models/") and node.needs]:
            yield f"made here: {', '.join(name for name in made if not name.endswith('_draw'))}"
        if away:
            yield f"first wave: known once {away:,} files are downloaded"
        else:
            yield from lines(prepared, options.runner, beam_arguments, options.sources)


def _inputs(name: str, found: inputs.Found) -> Iterator[str]:
    size = sum(storage.size(path) for path in found.files if not storage.is_remote(path))
    away = sum(storage.is_remote(path) for path in found.files)
    elsewhere = f", {away:,} of them elsewhere, whose sizes were not requested" if away else ""
    yield f"{name}: {len(found.files):,} inputs, {size:,} bytes{elsewhere}"
    yield from (f"    {path}" for path in islice(found.files, NAMED))
    if len(found.files) > NAMED:
        yield f"    and {len(found.files) - NAMED:,} more"


def lines(prepared: Build, runner: str, beam_arguments: Sequence[str], sources: str | None = None) -> Iterator[str]:
    """Yield what the first wave would run, and for an engine how it would be submitted."""
    jobs: list[Job | Shuffle] = []
    done: set[str] = set()
    for node in prepared.nodes():
        if done.issuperset(node.needs):
            planned = node.plan()
            jobs += planned
            if not planned:
                done.add(node.name)
    for job in jobs:
        items = job.elements if isinstance(job, Job) else job.buckets
        yield f"first wave: {job.label}, {len(items):,} items"
    if not jobs:
        yield "first wave: nothing is left to do"
    if not choice.on_beam(runner) or not jobs:
        return
    from pipelines.runners.beam import submission
    from pipelines.runners.beam.engines import engine_of

    engine, beam_arguments = engine_of(runner), work.with_machines(beam_arguments, runner, prepared)
    yield f"engine: {engine.runner} {' '.join(beam_arguments)}"
    with tempfile.TemporaryDirectory() as folder:
        plan = f"{folder}/first.plan"
        listed = work.worklist(prepared, sources)
        pipeline = submission.compiled(jobs, listed, plan, engine=engine, beam_arguments=beam_arguments)
        yield f"graph: {pipeline.to_runner_api().ByteSize():,} bytes, no text crosses a shuffle"
