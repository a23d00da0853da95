"""Engines by name: what they are to Beam, what they need to be told and what they reach; and what is refused."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from pipelines.runners import environment
from pipelines.runners.beam.boot import FAILURES
from pipelines.runners.plans import stem

PRISM = "PrismRunner"  # Beam's own engine, whose jobs it takes itself
REFUSED = {
    "DirectRunner": "it is another engine online (Prism, downloaded) than offline; use --runner local",
    "SwitchingDirectRunner": "it is another engine online than offline; use --runner local",
    "BundleBasedDirectRunner": "it keeps everything in memory; use --runner local",
    "DaskRunner": "it gives wrong results: only the last sink runs and tagged outputs mix; use --runner local",
    "InteractiveRunner": "it caches every collection; use --runner local",
}


def option_of(beam_arguments: Sequence[str], name: str) -> str | None:
    """Return the value of an option among Beam's, given as --NAME=VALUE or --NAME VALUE; None without it."""
    for argument, following in zip_longest(beam_arguments, beam_arguments[1:], fillvalue=""):
        key, equals, value = argument.partition("=")
        if key == f"--{name}":
            return value if equals else following
    return None


@dataclass(frozen=True)
class Engine:
    """An engine by Beam's name: the options that it cannot do without, and the schemes of paths that it reaches.

    `master` is the option that says where a cluster is, of one that is reached through a job server; `served`: a
    build starts what takes its jobs.
    """

    runner: str
    needs: tuple[str, ...] = ()
    schemes: tuple[str, ...] = ()
    master: str = ""
    served: bool = False

    def link(self, beam_arguments: Sequence[str]) -> str:
        """Return where people see its jobs, as far as its options say."""
        if self.runner == "FlinkRunner":
            return f"http://{(option_of(beam_arguments, self.master) or '').removeprefix('http://')}/#/overview"
        if self.runner == "DataflowRunner":
            project = option_of(beam_arguments, "project")
            return f"https://console.cloud.google.com/dataflow/jobs?project={project}"
        return option_of(beam_arguments, self.master or "job_endpoint") or ""


# By the names of `--runner`; Beam's own names are taken too.
ENGINES: Mapping[str, Engine] = {
    "dataflow": Engine("DataflowRunner", ("project", "region", "temp_location"), ("gs",)),
    "flink": Engine("FlinkRunner", master="flink_master", served=True),
    "spark": Engine("SparkRunner", master="spark_master_url", served=True),
    "prism": Engine(PRISM, served=True),
    "portable": Engine("PortableRunner", ("job_endpoint",)),
}


def engine_of(runner: str) -> Engine:
    """Return the engine that a name or Beam's name stands for; raise ValueError naming those there are."""
    for name, engine in ENGINES.items():
        if runner.lower() in (name, engine.runner.lower()):
            return engine
    raise ValueError(f"--runner {runner}: there is no such runner; available: local, plain, {', '.join(ENGINES)}")


def prism() -> str:
    """Return the path of Prism, Beam's own engine, as `make engines` installs it; raise ValueError if it is missing."""
    found = shutil.which("prism", path=str(Path(sys.prefix, "go"))) or shutil.which("prism")
    if found is None:
        raise ValueError("--runner prism: Prism is not installed: make engines (it is built with Go)")
    return found


def check(runner: str, beam_arguments: Sequence[str]) -> None:
    """Raise ValueError naming the reason if a runner, or a mode of it, is known to be wrong."""
    for name, reason in REFUSED.items():
        if runner.lower() in (name.lower(), name.lower().removesuffix("runner")):
            raise ValueError(f"--runner {runner} is refused: {reason}")
    text = " ".join(beam_arguments)
    if "multi_threading" in text or "data_buffer_time_limit_ms" in text:
        raise ValueError(
            "--direct_running_mode multi_threading and data_buffer_time_limit_ms are refused: "
            "they lose elements silently; use --runner local"
        )


def check_engine(runner: str, beam_arguments: Sequence[str], output: str) -> Engine:
    """Return the engine; raise ValueError naming an option that is missing, or an output that it does not reach."""
    check(runner, beam_arguments)
    engine = engine_of(runner)
    given = {argument.partition("=")[0].removeprefix("--") for argument in beam_arguments}
    if missing := [f"--{name}" for name in engine.needs if name not in given]:
        raise ValueError(f"--runner {runner} needs {', '.join(missing)} (see docs/runners.md)")
    if engine.master and not given & {engine.master, "job_endpoint"}:
        raise ValueError(
            f"--runner {runner} needs --{engine.master}, or the --job_endpoint of a running job server "
            "(see docs/runners.md)"
        )
    if engine.runner == PRISM and "job_endpoint" not in given:
        prism()
    check_reached(runner, [output], "--output")
    return engine


def check_reached(runner: str, paths: Sequence[str], option: str = "--input") -> None:
    """Raise ValueError naming the first path that the workers of an engine do not reach."""
    schemes = engine_of(runner).schemes
    for path in paths:
        if schemes and path.partition("://")[0] not in schemes:
            right = " or ".join(f"{scheme}://" for scheme in schemes)
            raise ValueError(f"{option} {path}: the workers of {runner} cannot reach it; it must be on {right}")


def worker_arguments(engine: Engine, beam_arguments: Sequence[str], plan: str) -> list[str]:
    """Return Beam's options for workers that are processes of `runners.beam.boot`, unless others are asked for.

    They are started by the command `altiplano-worker` beside this Python, which must be there on each machine, work in
    the driver's working directory, and say what keeps them from starting in a file beside the plan.
    """
    given = {argument.partition("=")[0].removeprefix("--") for argument in beam_arguments}
    if engine.runner == "DataflowRunner" or given & {"environment_config", "sdk_container_image"}:
        return []
    if any(a.startswith("--environment_type=") and not a.endswith("=PROCESS") for a in beam_arguments):
        return []
    told = {
        FAILURES: stem(plan),
        **environment.of_workers(),
        "no_grpc_proxy": "localhost,127.0.0.1",  # an engine's services are beside its workers
    }
    config = json.dumps({"command": worker_command(), "env": told})
    kind = [] if "environment_type" in given else ["--environment_type=PROCESS"]
    return [*kind, f"--environment_config={config}"]


def worker_command() -> str:
    """Return the path of the command that starts a worker: that beside this Python."""
    return str(Path(sys.executable).with_name("altiplano-worker"))
