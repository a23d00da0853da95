"""Builds on a Ray of this machine, for tests: how they are started, how they end, and what they leave."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.pipelines.runners.tasks import ray_here, tried
from tests.pipelines.runners.tasks.tried import LIMIT
from tests.pipelines.runners.wheel import REPOSITORY

# Ray's own records: which node did which task, from when to when (microseconds).
RECORDS = """
rows = [e for e in ray.timeline() if e["cat"].startswith("task::")]
print(json.dumps([[e["pid"], e["cat"].removeprefix("task::"), e["ts"], e["ts"] + e["dur"]] for e in rows]))
"""
RECORDING = {"RAY_PROFILING": "1", "RAY_task_events_report_interval_ms": "100"}


def build(
    python: Path, options: Sequence[str], output: Path, environment: Mapping[str, str], *more: str, cwd: str = "/"
) -> subprocess.Popen[str]:
    """Start a build on Ray, whose driver is a Python's; its temporary files are beside the output."""
    temporary = output.parent / "temporary"
    temporary.mkdir(parents=True, exist_ok=True)
    return subprocess.Popen(
        [str(python), "-P", "-m", "pipelines.corpus", *options, "--output", str(output), "--runner", "ray", *more],
        env={**environment, "TMPDIR": str(temporary)},
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ended(process: subprocess.Popen[str], code: int = 0) -> str:
    """Return what a build has said on the error stream; it ends with this code, and nothing that it started is left."""
    out, said = process.communicate(timeout=LIMIT)
    assert process.returncode == code, said[-3_000:]
    assert bool(out) == (code == 0), out
    assert ray_here.of_session(process.pid) == []
    return said


def nothing_left(output: Path, *, killed: bool = False) -> None:
    """Check that no file of the waves is left, nor a temporary one.

    What a worker had half written that was `killed` lies under a name of its own until the next build; the folder of
    Python's own multiprocessing stays if its process is.
    """
    assert not (output / "work/plan").exists()
    assert killed or [path for path in output.rglob(".*") if path.name != ".altiplano"] == []
    temporary = [path.name for path in (output.parent / "temporary").iterdir()]
    assert [name for name in temporary if not name.startswith("pymp-")] == []


def records(where: ray_here.Ray) -> list[tuple[str, str, float, float]]:
    """Return what Ray has recorded: node, name, begin and end of each task."""
    found = where.ask(RECORDS)
    assert isinstance(found, list)
    return [(node, name, begin, end) for node, name, begin, end in found]


class Tried(tried.Tried):
    """A build on a cluster, or on a Ray of its own; its Python sees the tests."""

    def __init__(self, folder: Path, where: ray_here.Ray | None, items: Sequence[str] = ("sleep 1",) * 12) -> None:
        super().__init__(folder, items)
        self.where = where

    def start(self, *more: str, cwd: str = "/", **settings: str) -> subprocess.Popen[str]:
        """Start it."""
        where = ["--ray", self.where.address] if self.where and "--ray" not in more else []
        environment = self.where.environment if self.where else ray_here.clean()
        environment = {**environment, "PYTHONPATH": str(REPOSITORY), **settings}
        return build(Path(sys.executable), self.options(), self.output, environment, *where, *more, cwd=cwd)

    def nothing_left(self, *, killed: bool = False) -> None:
        """Check that no file of the waves is left."""
        nothing_left(self.output, killed=killed)


@contextmanager
def one_node(*more: str, cpus: int = 1, settings: Mapping[str, str] | None = None) -> Iterator[ray_here.Ray]:
    """Run a head alone, which sees the tests."""
    with ray_here.running(Path(sys.executable), nodes=()) as found:
        found.start("head", *more, cpus=cpus, environment={"PYTHONPATH": str(REPOSITORY), **(settings or {})})
        yield found
