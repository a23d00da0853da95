"""What a build would do, without doing it: its inputs, its first wave, and how an engine would be given it."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence

from pipelines.build import Build
from pipelines.inputs import paper
from pipelines.options import PAPER_LIST, prepare
from pipelines.recipes import RECIPES
from pipelines.stages.jobs import Job, Shuffle


def said(options: argparse.Namespace, beam_arguments: Sequence[str]) -> Iterator[str]:
    """Yield the paper's list, which needs no network, or what a build of given inputs would do first."""
    names = options.source or RECIPES[options.recipe].sources
    if options.recipe != "sample" and options.input in ([], [PAPER_LIST]):
        yield from paper.lines(names, options.output)
    else:
        yield from lines(prepare(options, beam_arguments), options.runner, beam_arguments)


def lines(prepared: Build, runner: str, beam_arguments: Sequence[str]) -> Iterator[str]:
    """Yield what the first wave would run, and for an engine how it would be submitted."""
    jobs: list[Job | Shuffle] = []
    done: set[str] = set()
    for node in prepared.nodes():
        if done.issuperset(node.needs):
            planned = node.plan()
            jobs += planned
            if not planned:
                done.add(node.name)
    for name, chain in prepared.chains.items():
        yield f"{name}: {len(chain.inputs):,} inputs, {sum(found.size for found in chain.inputs):,} bytes"
    for job in jobs:
        items = job.elements if isinstance(job, Job) else job.buckets
        yield f"first wave: {job.label}, {len(items):,} items"
    if not jobs:
        yield "first wave: nothing is left to do"
    if runner in ("local", "plain") or not jobs:
        return
    from pipelines.runners import beam

    engine = beam.engine_of(runner)
    yield f"engine: {engine.runner} {' '.join(beam_arguments)}"
    with tempfile.TemporaryDirectory() as folder:
        pipeline, _ = beam.compiled(jobs, engine=engine, beam_arguments=beam_arguments, folder=folder)
        yield f"graph: {pipeline.to_runner_api().ByteSize():,} bytes, no text crosses a shuffle"
