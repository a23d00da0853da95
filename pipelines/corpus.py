"""The whole corpus: seven sources from raw dumps to documents to token shards, on any runner.

    python -m pipelines.corpus --recipe sample --raw data/raw --output data/corpus
    python -m pipelines.corpus --recipe paper --source wikipedia --input 'wikipedia=/dumps/*.xml.bz2' --output /corpus

    wikipedia ──> language models ──> common_crawl (quality) ──> cut-offs, reference classifier ──> common_crawl
    c4, github, books, arxiv, stack_exchange ─────────────────────────────┐
    all of them ──> tokenizer ──> github's token rule ──> token shards of each source

Nodes that are ready run together, as one pipeline; finished work items are not run again (see
`pipelines.stages.chain`).
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from rich.console import Console

from pipelines import trial, work
from pipelines.account import finished, summary
from pipelines.build import Build
from pipelines.completion import check_neighbours, withdraw, write_corpus_manifest, write_models_manifest
from pipelines.files import addresses, commands, lock, ours, storage, strays, temporary
from pipelines.models import by_path
from pipelines.options import claimed, parse, prepare
from pipelines.report import PLAIN_WIDTH, print_summary
from pipelines.runners import events, execution, plans
from pipelines.runners.progress import Progress
from pipelines.stages.graph import Node, run_waves
from pipelines.stages.jobs import Job, Shuffle
from pipelines.trial import Trial


def build(options: argparse.Namespace, beam_arguments: Sequence[str]) -> tuple[Build, Trial | None]:
    """Run a whole build; return it, and what has watched it if it was a trial."""
    started = time.monotonic()
    finished.check_before_building(options.output)
    # Before anything is read or written: of two builds one begins, and the other is told at once.
    left = execution.left(options)
    with claimed(options, beam_arguments), lock.alone(options.output, left.build if left else "") as held:
        prepared = prepare(options, beam_arguments)
        facts = {"recipe": prepared.recipe.name, "runner": options.runner, "output": options.output}
        events.tell("build_started", **facts, sources=list(prepared.chains))
        ours.note_sources(options.output, [name for name, _ in prepared.recipe.added if name in prepared.chains])
        summary.check(options.output)
        listed = replace(work.worklist(prepared, options.sources), fence=held.fence)
        if left:
            left.wait(listed, held.check)
        plans.remove_left(options.output)
        check_neighbours(prepared)
        if storage.is_remote(options.output):
            stage_models(prepared)
        watch = Trial(prepared, options) if options.trial is not None else None
        if watch:
            watch.begin()
        nodes = prepared.nodes()
        with Progress(nodes) as progress:
            if watch:
                progress.tell(list(watch.told()))
            progress.tell(by_path.origins({name: one for name, one in prepared.given.items() if one.found}))
            progress.warn(by_path.warnings(prepared.given))

            def begin(jobs: Sequence[Job | Shuffle]) -> None:
                held.check()
                withdraw(prepared, jobs)
                strays.begin(path for job in jobs for path in job.outputs if path.startswith(f"{options.output}/work/"))
                progress.start(jobs)

            def poll() -> None:
                held.check()
                progress.poll()

            def done(node: Node) -> None:
                if watch:
                    watch.look(node.name)
                told = prepared.finished(node)
                progress.finish(node)
                progress.warn(told)
                if options.strict and (silent := prepared.silent):
                    raise RuntimeError(f"--strict: {silent[0]}")

            beam_arguments = work.with_machines(beam_arguments, options.runner, prepared)
            with (
                work.listing(options.sources),
                execution.Execution(options, beam_arguments, listed, work.needs(prepared), begin, poll) as executed,
            ):
                run_waves(nodes, executed.run, done, executed.beside)
            if watch:
                watch.end()
        held.check()
        write_models_manifest(prepared)
        seconds = round(time.monotonic() - started, 1)
        if not prepared.only_models:
            write_corpus_manifest(prepared)
            told = {**facts, **summary.finished(), "seconds": seconds, "stages_run": progress.stages}
            summary.write(options.output, told)
    events.tell("build_finished", **facts, seconds=seconds)
    return prepared, watch


def stage_models(prepared: Build) -> None:
    """Copy the given models to OUTPUT/work/given, where every worker reaches them."""
    prepared.given = {
        name: by_path.staged(model, f"{prepared.output}/work/given/{name}") for name, model in prepared.given.items()
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the corpus and print the funnel and the mixture; return the exit code."""
    options, beam_arguments = parse(sys.argv[1:] if arguments is None else arguments)
    with commands.heeding_sigterm(), temporary.own():
        return _main(options, beam_arguments)


def _main(options: argparse.Namespace, beam_arguments: Sequence[str]) -> int:
    started = time.monotonic()
    log = None
    try:
        log = events.write_to(options.log_json)
        if options.dry_run:
            from pipelines import dry_run

            print(*map(addresses.hide, dry_run.said(options, beam_arguments)), sep="\n")  # noqa: T201
            return 0
        _, watch = build(options, beam_arguments)
        _show(options, time.monotonic() - started)
        if watch:
            watch.finish()
            _say(lambda: print_forecast(options.output))
        return 0
    except ValueError as error:
        events.tell("build_failed", level=logging.ERROR, error=str(error))
        return commands.failed(error)
    except KeyboardInterrupt as error:
        events.tell("build_failed", level=logging.ERROR, error="interrupted")
        return commands.stopped(error, "; run again to continue where it stopped")
    except (RuntimeError, OSError) as error:
        events.tell("build_failed", level=logging.ERROR, error=str(error))
        return commands.failed(f"{' '.join(str(error).splitlines())}{_logged(error, options)}", "failed", 1)
    except Exception as error:
        events.tell("build_failed", level=logging.ERROR, error=repr(error))
        what = f"{type(error).__name__}: {' '.join(str(error).splitlines())}: this is a bug in Altiplano"
        return commands.failed(f"{what}{_logged(error, options)}", "failed", 1)
    finally:
        events.stop(log)


def _show(options: argparse.Namespace, seconds: float) -> None:
    """Print what was built."""
    if options.models:
        _say(lambda: print(f"models: {options.output}/models/manifest.json in {seconds:.0f} s"))  # noqa: T201
    else:
        _say(lambda: print_summary(options.output, seconds))


def _say(tell: Callable[[], None]) -> None:
    """Print something; where nobody takes it, the build has not failed."""
    try:
        tell()
        sys.stdout.flush()
    except (BrokenPipeError, OSError) as error:
        if error.filename is not None:
            raise
        commands.failed(f"the summary cannot be printed: {error.strerror or 'its reader has gone'}", "warning")
        commands.discard_output()


def print_forecast(output: str) -> None:
    """Print what the whole will take, by a finished trial."""
    found = storage.read_json(f"{output}/{trial.FILE}")
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    console.print(trial.table(found))
    for line in (*trial.lines(found), f"trial: {output}; {output}/{trial.FILE} has each stage"):
        console.print(line, soft_wrap=True, markup=False, highlight=False)


def _logged(error: BaseException, options: argparse.Namespace) -> str:
    """Write the traceback of an error to the build's log; return what to say of it."""
    path = f"{options.output}/work/log.txt"
    try:
        if ours.kind_of(options.output) is None:  # nothing was begun there
            return ""
        commands.log(error, path)
    except (OSError, ValueError, RuntimeError) as another:
        return f" (the traceback cannot be written to {path}: {another})"
    return f" (the traceback is in {path})"


if __name__ == "__main__":
    commands.run(main)
