"""Builds on a Ray of this machine, for tests: how they are started, how they end, and what they leave."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines import corpus
from tests.pipelines.runners import trying
from tests.pipelines.runners.tasks import ray_here
from tests.pipelines.runners.wheel import REPOSITORY
from tests.pipelines.tiny import identity

LIMIT = 240.0
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


@dataclass
class Tried:
    """A build of items that say what is done with them; its Python sees the tests."""

    folder: Path
    where: ray_here.Ray | None
    items: Sequence[str] = ("sleep 1",) * 12

    @property
    def output(self) -> Path:
        return self.folder / "corpus"

    def start(self, *more: str, cwd: str = "/", **settings: str) -> subprocess.Popen[str]:
        """Start it on the cluster, or on a Ray of its own."""
        options = trying.write(self.folder / "dumps", self.items)
        where = ["--ray", self.where.address] if self.where and "--ray" not in more else []
        environment = self.where.environment if self.where else ray_here.clean()
        environment = {**environment, "PYTHONPATH": str(REPOSITORY), **settings}
        return build(Path(sys.executable), options, self.output, environment, *where, *more, cwd=cwd)

    def plain(self) -> dict[str, Any]:
        """Return what the plain runner makes of it."""
        output = self.folder / "plain"
        options = trying.write(self.folder / "dumps", self.items)
        assert corpus.main([*options, "--output", str(output), "--runner", "plain"]) == 0
        return identity(output)

    def some_done(self, number: int = 4) -> dict[str, tuple[int, int]]:
        """Wait until some items are done, and return them."""
        until(lambda: len(trying.finished(self.output)) >= number, LIMIT)
        return trying.finished(self.output)

    def is_right(self, before: Mapping[str, tuple[int, int]]) -> None:
        """Check that it is what the plain runner makes, and that what was done before was not done again."""
        now = trying.finished(self.output)
        assert {name: now[name] for name in before} == before
        assert len(now) == len(self.items)
        nothing_left(self.output)
        assert identity(self.output) == self.plain()


def until(true: Callable[[], bool], seconds: float) -> None:
    """Wait until something is true, for some seconds at most."""
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit
        time.sleep(0.1)


@contextmanager
def one_node(*more: str, cpus: int = 1, settings: Mapping[str, str] | None = None) -> Iterator[ray_here.Ray]:
    """Run a head alone, which sees the tests."""
    with ray_here.running(Path(sys.executable), nodes=()) as found:
        found.start("head", *more, cpus=cpus, environment={"PYTHONPATH": str(REPOSITORY), **(settings or {})})
        yield found
