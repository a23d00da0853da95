"""Flink and Spark as far as a job server: submission, what it is told, and how a build ends early on an engine."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from pipelines.files import commands
from pipelines.runners.beam import job_servers, submission
from pipelines.runners.beam.engines import engine_of, worker_arguments
from pipelines.runners.errors import reason
from pipelines.stages.jobs import Job
from tests.pipelines.runners.beam import job_server
from tests.pipelines.runners.listed import worklist

REPOSITORY = Path(__file__).parents[4]
WORKER = Path(sys.executable).with_name("altiplano-worker")
pytestmark = pytest.mark.skipif(not WORKER.exists(), reason="the package is not installed: make setup")


@dataclass(frozen=True)
class Place:
    """Where a test's build writes, and what the stand-in for a job server was asked."""

    folder: Path

    @property
    def plan(self) -> str:
        return f"{self.folder}/work/plan/{'0' * 16}.plan"

    def calls(self) -> list[str]:
        return Path(self.folder, "calls").read_text().splitlines()

    def left(self) -> list[str]:
        return sorted(path.name for path in Path(self.plan).parent.glob("*"))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Put the stand-in on the PATH as `java`."""
    job_server.put_on_path(tmp_path, monkeypatch)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))  # workers know the functions of this module
    return Place(tmp_path)


def touch(path: str) -> None:
    Path(path).touch()


def sleep(path: str) -> None:
    Path(path).touch()
    time.sleep(600)


def fail(path: str) -> None:
    raise ValueError(f"{path} is bad")


def run(place: Place, jobs: Sequence[Job], runner: str = "flink", deadline: float | None = 120, **how: Any) -> None:
    engine = engine_of(runner)
    with job_servers.running(engine.runner, "localhost:8081", str(place.folder / "server.jar")) as endpoint:
        arguments = [f"--job_endpoint={endpoint}", *worker_arguments(engine, [], place.plan)]
        submission.run(
            jobs,
            worklist(__name__),
            place.plan,
            engine=engine,
            beam_arguments=arguments,
            name="altiplano-test-1",
            deadline=deadline,
            **how,
        )


@pytest.mark.parametrize("runner", ["flink", pytest.param("spark", marks=pytest.mark.full)])
def test_a_wave_runs_through_a_job_server_of_the_build_s_own(
    place: Place, runner: str, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [f"{place.folder}/done-{n}" for n in range(3)]
    run(place, [Job("touch", touch, files, files)], runner)
    assert all(Path(path).exists() for path in files)
    assert "the engine counts" not in capsys.readouterr().err
    master = {"flink": "--flink-master", "spark": "--spark-master-url"}[runner]
    assert place.calls() == [
        f"started {master} localhost:8081",
        "prepare altiplano-test-1",
        "state STARTING",
        "state RUNNING",
        "state DONE",
        "ended",
    ]
    assert place.left() == []


@pytest.fixture
def late(place: Place, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the clock of a build jump by an hour when its item, which writes the file that is returned, has begun."""
    began = place.folder / "began"

    def clock() -> float:
        return time.monotonic() + 3_600 * began.exists()

    monkeypatch.setattr(submission, "time", SimpleNamespace(monotonic=clock, sleep=time.sleep))
    return began


def test_a_deadline_cancels_the_job_and_waits_until_it_has_ended(place: Place, late: Path) -> None:
    with pytest.raises(TimeoutError, match="the wave did not end within 120 s"):
        run(place, [Job("sleep", sleep, [str(late)], [])], deadline=120)
    assert late.exists()
    assert place.calls()[-4:] == ["cancel", "state CANCELLING", "state CANCELLED", "ended"]
    assert place.left() == []


@pytest.mark.full
def test_a_job_that_never_ends_is_said_to_be_there(
    place: Place, late: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STAND_IN_CANCELS", "never")
    monkeypatch.setattr(submission, "CANCEL_SECONDS", 2.0)
    with pytest.raises(TimeoutError):
        run(place, [Job("sleep", sleep, [str(late)], [])], deadline=120)
    assert "the job is still CANCELLING 2 s after it was cancelled" in capsys.readouterr().err
    assert "state CANCELLED" not in place.calls()


def test_a_cluster_without_a_slot_is_waited_for_and_given_up(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STAND_IN_SLOTS", "0")
    monkeypatch.setattr("pipelines.files.waits.SECONDS", 0.5)
    with pytest.raises(TimeoutError, match=r"no worker of FlinkRunner has begun within 1 s: there may be no free slot"):
        run(place, [Job("touch", touch, [f"{place.folder}/a"], [])], patience=1)
    assert "waiting for a worker of FlinkRunner" in capsys.readouterr().err
    assert "cancel" in place.calls()


def test_a_failing_item_is_named(place: Place) -> None:
    with pytest.raises(RuntimeError, match=r"FlinkRunner: ValueError: a.gz is bad"):
        run(place, [Job("fail", fail, ["a.gz"], [])])
    assert place.left() == []


def test_a_worker_that_cannot_start_says_why(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    started = time.monotonic()
    monkeypatch.setattr("pipelines.runners.beam.engines.worker_command", lambda: str(_without_service(place)))
    with pytest.raises(RuntimeError, match=r"FlinkRunner: worker \S+: ModuleNotFoundError: No module named 'laws'"):
        run(place, [Job("touch", touch, ["a"], [])])
    assert time.monotonic() - started < 60


def _without_service(place: Place) -> Path:
    """Return a command that starts a worker whose start fails."""
    command = place.folder / "worker"
    code = (
        "from pipelines.runners.beam import boot; import sys; sys.exit(boot.main(None, lambda *_: __import__('laws')))"
    )
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{code}" "$@"\n')
    command.chmod(0o755)
    return command


def test_what_java_and_the_file_must_be(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"--job-server /no/such.jar: there is no such file"):
        job_servers.running("FlinkRunner", "h:1", "/no/such.jar").__enter__()
    other = place.folder / "beam-runners-flink-1.20-job-server-2.70.0.jar"
    other.touch()
    with pytest.raises(ValueError, match=r"it is of Beam 2.70.0, this is Beam 2\."):
        job_servers.running("FlinkRunner", "h:1", str(other)).__enter__()
    java = place.folder / "bin/java"
    java.write_text("#!/bin/sh\necho 'java version \"1.8.0_202\"' >&2\n")
    with pytest.raises(ValueError, match=r"is Java 8; the job server of Flink and Spark needs 11 or later"):
        job_servers.running("FlinkRunner", "h:1", str(other)).__enter__()
    java.write_text('#!/bin/sh\n[ "$1" = -version ] && echo version "\\"17\\"" || { echo no memory; exit 3; }\n')
    with pytest.raises(RuntimeError, match=r"the job server ended with exit code 3: no memory"):
        job_servers.running("FlinkRunner", "h:1", str(place.folder / "server.jar")).__enter__()
    java.unlink()
    monkeypatch.setenv("PATH", str(java.parent))
    with pytest.raises(ValueError, match="there is no `java` on the PATH"):
        job_servers.running("FlinkRunner", "h:1", str(other)).__enter__()


def interrupted(folder: str) -> int:
    """Run a build's wave until somebody ends it."""
    with commands.heeding_sigterm():
        run(Place(Path(folder)), [Job("sleep", sleep, [f"{folder}/began"], [])], deadline=None)
    return 0


@pytest.mark.parametrize("how", [pytest.param(signal.SIGINT, marks=pytest.mark.full), signal.SIGTERM])
def test_a_build_that_is_interrupted_cancels_its_job(place: Place, how: signal.Signals) -> None:
    began = place.folder / "began"
    code = (
        "import signal, sys; from pipelines.files import commands; "
        "signal.signal(signal.SIGINT, signal.default_int_handler); "  # ignored by what runs in the background
        "from tests.pipelines.runners.beam import test_submission as t; "
        "commands.run(lambda: t.interrupted(sys.argv[1]))"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(place.folder)], cwd=REPOSITORY) as build:
        limit = time.monotonic() + 60
        while not began.exists():
            assert time.monotonic() < limit
            assert build.poll() is None
            time.sleep(0.1)
        build.send_signal(how)
        assert build.wait(60) != 0
    assert place.calls()[-4:] == ["cancel", "state CANCELLING", "state CANCELLED", "ended"]
    assert place.left() == []


@pytest.mark.full
def test_a_driver_that_is_killed_leaves_no_job_server(place: Place) -> None:
    code = "import sys; from tests.pipelines.runners.beam import test_submission as t; t.interrupted(sys.argv[1])"
    with subprocess.Popen([sys.executable, "-c", code, str(place.folder)], cwd=REPOSITORY) as build:
        limit = time.monotonic() + 60
        while not Path(place.folder, "began").exists():
            assert time.monotonic() < limit
            time.sleep(0.1)
        build.kill()
        build.wait()
    while "ended" not in place.calls():
        assert time.monotonic() < limit + 30
        time.sleep(0.1)


class Broken(grpc.RpcError, grpc.Call):  # type: ignore[misc]
    """What Beam raises when a job server is gone: as text it says nothing."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str:
        return "Connection reset by peer"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Broken(), "the connection to the engine failed: Connection reset by peer"),
        (
            RuntimeError(
                "Traceback (most recent call last):\n  File x\nModuleNotFoundError: No module named 'pipelines'"
            ),
            "workers do not have the package altiplano-corpus: install it where they run (ModuleNotFoundError: "
            "No module named 'pipelines')",
        ),
        (RuntimeError("Traceback\n x\nValueError: a.gz is bad [while running 'run']"), "ValueError: a.gz is bad"),
        (RuntimeError("the job failed. State: CANCELLED, Error:\nNone"), "the job failed. State: CANCELLED"),
    ],
)
def test_what_an_error_says(error: BaseException, told: str) -> None:
    assert reason(error) == told


@pytest.mark.parametrize("endpoint", ["localhost:1", "nowhere", "localhost:x", "localhost:99999999"])
def test_a_job_server_that_does_not_answer_is_named(endpoint: str) -> None:
    with pytest.raises(ValueError, match=f"--job_endpoint {endpoint}: no job server answers there"):
        job_servers.check_endpoint(endpoint)


def test_what_an_engine_counts_otherwise_is_said() -> None:
    jobs = [Job("touch", touch, ["a", "b", "c"], [])]
    assert submission.difference({"items": 2, "items_done_before": 1, "bytes": 7}, jobs) == ""
    assert submission.difference({}, jobs) == ""
    more = submission.difference({"items": 4}, jobs)
    assert more.startswith("the engine counts 4 items of 3: it repeated bundles whose workers were lost")
    assert "it lost the counts of workers" in submission.difference({"items": 1}, jobs)


@pytest.mark.parametrize(
    ("runner", "arguments", "link"),
    [
        ("flink", ["--flink_master=h:8081"], "http://h:8081/#/overview"),
        ("flink", ["--flink_master", "http://h:8081"], "http://h:8081/#/overview"),
        ("spark", ["--spark_master_url=spark://h:7077"], "spark://h:7077"),
        ("dataflow", ["--project=p"], "https://console.cloud.google.com/dataflow/jobs?project=p"),
        ("portable", ["--job_endpoint=h:8073"], "h:8073"),
    ],
)
def test_where_an_engine_s_jobs_are_seen(runner: str, arguments: list[str], link: str) -> None:
    assert engine_of(runner).link(arguments) == link
