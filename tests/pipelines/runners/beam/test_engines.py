"""The corpus beyond one process: through Beam's Job API, and by workers in another network that know only the wheel."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.files import storage
from pipelines.runners import events
from pipelines.runners.beam import submission
from pipelines.runners.beam.engines import engine_of
from pipelines.runners.progress import Progress
from pipelines.stages.graph import Node
from pipelines.stages.jobs import Job
from tests.pipelines import servers
from tests.pipelines.runners.beam import job_server
from tests.pipelines.runners.listed import worklist
from tests.pipelines.runners.wheel import build, clean
from tests.pipelines.tiny import identity

pytestmark = pytest.mark.full
REPOSITORY = Path(__file__).parents[4]
JOB_SERVICE = "apache_beam.runners.portability.local_job_service_main"
SUBPROCESS = "beam:env:harness_subprocess_python:v1"


@pytest.fixture(scope="module")
def job_service(wheel_python: Path) -> Iterator[str]:
    port = servers.free_port()
    with servers.server([str(wheel_python), "-m", JOB_SERVICE, "-p", str(port)], port, clean(), "/"):
        yield f"localhost:{port}"


def test_the_job_api_leaves_what_the_plain_loop_leaves(
    tmp_path: Path, options: list[str], built: Path, wheel_python: Path, job_service: str
) -> None:
    log = tmp_path / "events.jsonl"
    more = [
        "--log-json",
        str(log),
        "--runner",
        "portable",
        f"--job_endpoint={job_service}",
        f"--environment_type={SUBPROCESS}",
    ]
    worker = f"--environment_config={wheel_python} -m apache_beam.runners.worker.sdk_worker_main"
    done = build(wheel_python, options, tmp_path / "corpus", *more, worker)
    assert done.returncode == 0, done.stderr[-3000:]
    assert identity(tmp_path / "corpus") == identity(built)
    assert not (tmp_path / "corpus/work/plan").exists()
    _says_what_the_plain_loop_says(tmp_path / "corpus", built, log)


def _says_what_the_plain_loop_says(output: Path, built: Path, log: Path) -> None:
    """Assert that an engine's summary and events have the stages, items and documents of a plain build."""
    ours, theirs = (json.loads((folder / "summary.json").read_text()) for folder in (output, built))
    assert (ours["build"]["runner"], theirs["build"]["runner"]) == ("portable", "plain")
    ran, expected = ({row["stage"]: row["items"] for row in found["build"]["stages_run"]} for found in (ours, theirs))
    assert ran == expected
    assert len(ran) > 30
    measured = {"cpu_seconds", "worker_memory_bytes"}
    for name, source in theirs["sources"].items():
        for stage, other in zip(ours["sources"][name]["stages"], source["stages"], strict=True):
            assert {key: stage[key] for key in stage.keys() - measured} == {
                k: other[k] for k in other.keys() - measured
            }
            assert stage["worker_memory_bytes"] > 50 << 20
        assert {**ours["sources"][name], "stages": []} == {**source, "stages": []}
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert [rows[0]["event"], rows[-1]["event"]] == ["build_started", "build_finished"]
    assert {row["stage"]: row["items"] for row in rows if row["event"] == "stage_finished"} == ran


def slowly(path: str) -> None:
    """Leave a result, a while later."""
    time.sleep(0.5)
    storage.write_json(path, {})


def test_progress_on_an_engine_is_what_its_workers_have_left_so_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = [f"{tmp_path}/out/{number}.json" for number in range(12)]
    storage.write_json(outputs[3], {"of": "an earlier run"})
    job = Job("slow", slowly, outputs, outputs)
    log = events.write_to(str(tmp_path / "events.jsonl"))
    port = servers.free_port()
    environment = {**clean(), "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", JOB_SERVICE, "-p", str(port)]
    worker = f"--environment_config={sys.executable} -m apache_beam.runners.worker.sdk_worker_main"
    more = [f"--job_endpoint=localhost:{port}", f"--environment_type={SUBPROCESS}", worker]
    node = Node("slow", (), lambda: [job])
    seen: list[tuple[float, int]] = []
    with servers.server(command, port, environment, str(REPOSITORY)), Progress([node]) as progress:
        progress.start([job])

        def poll() -> None:
            progress.poll()
            there = [path for path in outputs if storage.read_json(path) == {}]
            seen.append((progress._bars.tasks[0].completed, len(there)))

        submission.run(
            [job],
            worklist(__name__),
            str(tmp_path / "plan"),
            engine=engine_of("portable"),
            beam_arguments=more,
            name="slow",
            deadline=300,
            poll=poll,
        )
        poll()
        progress.finish(node)
    events.stop(log)
    counts = [count for count, _ in seen]
    assert counts == sorted(counts)
    assert len(set(counts)) > 4  # it moves while the engine works
    assert all(count <= there for count, there in seen)  # and is never ahead of what is there
    (stage,) = progress.stages
    assert (stage["stage"], stage["items"]) == ("slow", 12)
    rows = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    events_of_it = ["wave_started", "job_submitted", "job_finished", "stage_finished"]
    assert [row["event"] for row in rows] == events_of_it
    assert rows[0]["stages"] == {"slow": 12}


@pytest.mark.parametrize("runner", ["flink", "spark"])
def test_a_build_that_is_ended_on_the_way_goes_on_where_it_stopped(
    tmp_path: Path, options: list[str], built: Path, runner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not Path(sys.executable).with_name("altiplano-worker").exists():
        pytest.skip("the package is not installed: make setup")
    jar = job_server.put_on_path(tmp_path, monkeypatch)
    master = {"flink": "--flink_master=localhost:8081", "spark": "--spark_master_url=spark://localhost:7077"}[runner]
    output, log = tmp_path / "corpus", tmp_path / "events.jsonl"
    more = ["--runner", runner, master, "--job-server", str(jar), "--log-json", str(log)]
    command = [sys.executable, "-m", "pipelines.corpus", *options, "--output", str(output), *more]
    with subprocess.Popen(command, env=clean(), cwd=REPOSITORY, stderr=subprocess.PIPE, text=True) as first:
        deadline = time.monotonic() + 600
        while not log.exists() or log.read_text().count('"job_submitted"') < 5:
            assert first.poll() is None, first.communicate()[1][-2000:]
            assert time.monotonic() < deadline
            time.sleep(0.2)
        first.terminate()
        said = first.communicate(timeout=120)[1]
    assert first.returncode == 143, said[-2000:]
    assert "run again to continue where it stopped" in said
    calls = (tmp_path / "calls").read_text().splitlines()
    assert "state CANCELLED" in calls
    assert calls[-1] == "ended"
    assert not (output / "work/plan").exists()
    finished = _finished(log)
    log.unlink()
    done = build(Path(sys.executable), options, output, *more)
    assert done.returncode == 0, done.stderr[-3000:]
    assert identity(output) == identity(built)
    assert finished
    assert finished.isdisjoint(_finished(log))  # nothing that was done was submitted again


def _finished(log: Path) -> set[str]:
    return {row["stage"] for row in map(json.loads, log.read_text().splitlines()) if row["event"] == "stage_finished"}


def test_a_failing_item_is_named_by_the_job_api(
    tmp_path: Path, options: list[str], wheel_python: Path, job_service: str
) -> None:
    bad = tmp_path / "bad.warc.wet.gz"
    bad.write_bytes(gzip.compress(b"WARC/1.0\r\n" + b"x" * 40))  # it begins as it should
    models = options[options.index("--model") :]
    more = ["--runner", "portable", f"--job_endpoint={job_service}", f"--environment_type={SUBPROCESS}"]
    worker = f"--environment_config={wheel_python} -m apache_beam.runners.worker.sdk_worker_main"
    started = time.monotonic()
    arguments = ["--source", "c4", "--input", f"c4={bad}", *models]
    done = build(wheel_python, arguments, tmp_path / "corpus", *more, worker)
    assert done.returncode == 1
    assert "c4/pages" in done.stderr
    assert "bad.warc.wet.gz" in done.stderr
    assert time.monotonic() - started < 300


# Two networks that see each other by one pair of interfaces: the driver and its job service in one, the workers in the
# other. Beam tells workers the driver's host name, so the driver has one that both know.
NETWORKS = """
set -e
export PATH="$(dirname "$PYTHON"):$PATH"  # the pool starts its workers by the name `python`
hostname driver
printf '127.0.0.1 localhost\\n10.77.0.1 driver\\n' > "$FOLDER/hosts"
mount --bind "$FOLDER/hosts" /etc/hosts
ip link set lo up
unshare -n sleep 3600 & WORKERS=$!
trap 'kill $(jobs -p)' EXIT
sleep 1
ip link add name driver0 type veth peer name workers0
ip link set workers0 netns $WORKERS
ip addr add 10.77.0.1/24 dev driver0
ip link set driver0 up
inside="nsenter -t $WORKERS -n"
$inside ip addr add 10.77.0.2/24 dev workers0
$inside ip link set workers0 up
$inside ip link set lo up
cd /
$inside "$PYTHON" -m apache_beam.runners.worker.worker_pool_main --service_port=50700 &
"$PYTHON" -m apache_beam.runners.portability.local_job_service_main -p 50701 &
for address in 10.77.0.2/50700 127.0.0.1/50701; do
    for attempt in $(seq 120); do (exec 3<>/dev/tcp/$address) 2>/dev/null && break; sleep 0.5; done
done
"$@" --runner portable --job_endpoint=localhost:50701 --environment_type=EXTERNAL --environment_config=10.77.0.2:50700
"""


def test_workers_in_another_network_leave_what_the_plain_loop_leaves(
    tmp_path: Path, options: list[str], built: Path, wheel_python: Path
) -> None:
    space = ["unshare", "--user", "--map-root-user", "--net", "--mount", "--uts"]
    try:
        subprocess.run(
            [*space, "ip", "link", "add", "name", "driver0", "type", "veth"], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this kernel gives no network namespaces here: {getattr(error, 'stderr', error)!r}")
    environment = {**clean(), "FOLDER": str(tmp_path), "PYTHON": str(wheel_python)}
    command = [str(wheel_python), "-m", "pipelines.corpus", *options, "--output", str(tmp_path / "corpus")]
    done = subprocess.run(
        [*space, "bash", "-c", NETWORKS, "networks", *command, "--deadline", "900"],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert identity(tmp_path / "corpus") == identity(built)
