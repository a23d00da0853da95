"""Start and stop a cluster of Flink or Spark on this machine.

python -m pipelines.runners.clusters start flink --workers 2
python -m pipelines.runners.clusters status
python -m pipelines.runners.clusters stop
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pipelines.files import commands
from pipelines.runners.clusters import flink, machine, spark

ENGINES = {engine.name: engine for engine in (flink.ENGINE, spark.ENGINE)}


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    found = argparse.ArgumentParser("clusters", description="Clusters of Flink and Spark on this machine.")
    actions = found.add_subparsers(dest="action", required=True)
    start = actions.add_parser("start", help="start one, and say where its page is")
    start.add_argument("engine", choices=list(ENGINES))
    start.add_argument("--workers", type=int, default=2, help="TaskManagers, or workers, of one slot each (2)")
    start.add_argument("--port", type=int, help="where jobs are sent (Flink 8081, Spark 7077)")
    for action, told in (("stop", "end all that was started"), ("status", "say what runs, and what has ended")):
        actions.add_parser(action, help=told).add_argument("engine", nargs="*", choices=[*ENGINES, []])
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is asked; return the exit code: 1 if a process has ended, 2 for a user's mistake."""
    options = parser().parse_args(arguments)
    try:
        if options.action == "start":
            return _start(options)
        wanted = [ENGINES[name] for name in options.engine or ENGINES]
        return _stop(wanted) if options.action == "stop" else _status(wanted)
    except (ValueError, RuntimeError, OSError) as error:
        return commands.failed(error, code=commands.code_of(error))


def _start(options: argparse.Namespace) -> int:
    engine = ENGINES[options.engine]
    if not machine.unpacked(engine).exists():
        _say(f"{engine.title}: fetching {engine.package.size / 1e6:.0f} MB to {machine.cache()}")
    plan = machine.start(engine, options.workers, options.port)
    _say(f"{engine.title}: {options.workers} {engine.worker}s, {plan.page}")
    _say(f"build on it: {plan.told}")
    _say("stop it: make cluster-stop")
    return 0


def _stop(engines: Sequence[machine.Engine]) -> int:
    for engine in engines:
        if ended := machine.stop(engine):
            _say(f"{engine.title}: ended {', '.join(ended)}")
    return 0


def _status(engines: Sequence[machine.Engine]) -> int:
    code = 0
    for engine in engines:
        there = machine.noted(engine)
        if there is None:
            _say(f"{engine.title}: not started")
            continue
        gone = machine.missing(engine)
        _say(f"{engine.title}: {len(there[1]) - len(gone)} of {len(there[1])} processes run, {there[0]}")
        for sentence in gone:
            _say(f"{engine.title}: {sentence}")
        if gone:
            _say("start it anew: make cluster-stop, then make cluster")
            code = 1
    return code


def _say(text: str) -> None:
    print(text)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
