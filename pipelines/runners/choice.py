"""Which runner a build has: this machine, an engine for tasks (`runners.tasks`) or one of Beam (`runners.beam`)."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

HERE = ("local", "plain")
# Engines for tasks; each is a module of its name, which says what keeps a build from using it.
TASKS = ("ray", "slurm")


def on_this_machine(runner: str) -> bool:
    """Tell whether all work is done by this process and its own workers."""
    return runner in HERE


def on_beam(runner: str) -> bool:
    """Tell whether a runner is an engine of Beam."""
    return runner not in (*HERE, *TASKS)


def check(runner: str, beam_arguments: Sequence[str], output: str) -> None:
    """Raise ValueError naming what a runner lacks, or an option that is not its."""
    if on_beam(runner):
        from pipelines.runners.beam import engines

        engines.check_engine(runner, beam_arguments, output)
    elif beam_arguments:
        raise ValueError(f"{beam_arguments[0]}: no such option (Beam's options go with --runner of an engine)")
    elif runner in TASKS:
        importlib.import_module(f"pipelines.runners.tasks.{runner}").check(output)


def check_reached(runner: str, paths: Sequence[str]) -> None:
    """Raise ValueError naming the first input that the workers of a runner cannot reach."""
    if on_beam(runner):
        from pipelines.runners.beam import engines

        engines.check_reached(runner, paths)
