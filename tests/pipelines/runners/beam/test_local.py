"""Every runner leaves the files that the plain loop leaves, and a dead worker ends a run."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipelines.files import storage
from pipelines.runners.beam import engines, local, waves
from pipelines.runners.plans import Row
from pipelines.stages.jobs import Job, Shuffle
from tests.pipelines import loop
from tests.pipelines.runners.listed import worklist


@dataclass(frozen=True)
class Write:
    """A job's element: a file to write."""

    path: str
    text: str


def write(element: Write) -> None:
    Path(element.path).write_text(element.text)


def digits(number: int) -> Iterator[tuple[int, int]]:
    for place, digit in enumerate(str(number)):
        yield int(digit), number * 10 + place


@dataclass(frozen=True)
class Total:
    """What a shuffle's buckets are written by."""

    folder: str

    def write(self, bucket: int, found: Sequence[int]) -> None:
        """Write a bucket."""
        Path(self.folder, f"bucket-{bucket}").write_text(f"{sorted(found)}")


def run(jobs: Sequence[Job | Shuffle], folder: Path, workers: int, **how: Any) -> None:
    local.run(jobs, worklist(__name__), f"{folder}.plan", workers=workers, **how)
    assert not Path(f"{folder}.plan").exists()


def jobs(folder: Path) -> list[Job | Shuffle]:
    elements = [Write(f"{folder}/item-{n}", "x" * n) for n in range(23)]
    buckets = list(range(9))
    return [
        Job("write", write, elements, [element.path for element in elements], [float(n) for n in range(23)]),
        Shuffle(
            "digits",
            digits,
            list(range(1000)),
            Total(str(folder)).write,
            buckets,
            [f"{folder}/bucket-{bucket}" for bucket in buckets],
        ),
    ]


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.mark.parametrize("workers", [1, 2])
def test_equals_the_plain_loop(tmp_path: Path, workers: int) -> None:
    for name in ("plain", "beam"):
        (tmp_path / name).mkdir()
    loop.run(jobs(tmp_path / "plain"))
    run(jobs(tmp_path / "beam"), tmp_path / "beam", workers)
    assert contents(tmp_path / "beam") == contents(tmp_path / "plain")
    assert len(contents(tmp_path / "plain")) == 32


def test_reducers_without_slices_run_and_unwanted_buckets_do_not(tmp_path: Path) -> None:
    shuffle = Shuffle("few", digits, [77], Total(str(tmp_path)).write, [3, 7], [])
    run([shuffle], tmp_path, 1)
    assert contents(tmp_path) == {"bucket-3": "[]", "bucket-7": "[770, 771]"}


def die(element: Write) -> None:
    if element.text == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.1)


def fail(element: Write) -> None:
    raise ValueError(f"{element.path} is bad")


def listening() -> set[str]:
    """Return the addresses, as the kernel prints them, on which this process and its children listen."""
    processes = [str(os.getpid()), *Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    sockets = set()
    for link in (link for process in processes for link in Path(f"/proc/{process}/fd").iterdir()):
        with suppress(OSError):
            sockets.add(str(link.readlink()))
    rows = [row.split() for kind in ("tcp", "tcp6") for row in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]]
    return {row[1].rpartition(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in sockets}


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="sockets are looked up as Linux lists them")
def test_beam_s_services_listen_on_loopback_alone(tmp_path: Path) -> None:
    found: set[str] = set()
    elements = [Write(f"{tmp_path}/{number}", "x") for number in range(4)]
    job = Job("slow", slow, elements, [])
    run([job], tmp_path, 2, poll=lambda: found.update(listening()))
    assert found
    assert found <= {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}


def slow(element: Write) -> None:
    time.sleep(0.4)
    write(element)


def test_a_dead_worker_ends_the_run(tmp_path: Path) -> None:
    elements = [Write("a", "die"), Write("b", "live")]
    started = time.monotonic()
    with pytest.raises(local.WorkerDiedError, match="a worker process died"):
        run([Job("die", die, elements, [])], tmp_path, 2)
    assert time.monotonic() - started < 60


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failing_task_is_named(tmp_path: Path, workers: int) -> None:
    elements = [Write("a.gz", ""), Write("b.gz", "")]
    with pytest.raises(RuntimeError, match=r"ValueError: [ab]\.gz is bad$"):
        run([Job("fail", fail, elements, [])], tmp_path, workers)


@pytest.mark.parametrize(
    ("runner", "arguments", "reason"),
    [
        ("DirectRunner", [], "another engine"),
        ("direct", [], "another engine"),
        ("DaskRunner", [], "wrong results"),
        ("local", ["--direct_running_mode=multi_threading"], "lose elements"),
    ],
)
def test_wrong_runners_are_refused(runner: str, arguments: list[str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        engines.check(runner, arguments)


def test_balanced_lanes() -> None:
    weights = [9.0, 1.0, 1.0, 1.0, 1.0, 1.0, 4.0, 4.0]
    job = Job("weighed", write, [""] * len(weights), [])
    rows = [(weight, Row(f"{n}".encode(), job, "")) for n, weight in enumerate(weights)]
    ordered = waves._balanced(rows, 2)
    lanes = [[weights[int(row.key)] for row in ordered[lane::2] if row.job] for lane in range(2)]
    assert sorted(map(sum, lanes)) == [11.0, 11.0]
    assert len(ordered) % 2 == 0


def work_once(element: Write) -> None:
    """Leave a line for each time, and the manifest of the item."""
    with Path(element.text).open("a") as log:
        log.write(f"{element.path}\n")
    storage.write_json(element.path, {"identity": "now"})


@pytest.mark.parametrize("workers", [1, 2])
def test_what_was_done_meanwhile_is_not_done_again(tmp_path: Path, workers: int) -> None:
    log = tmp_path / "log"
    elements = [Write(f"{tmp_path}/{n}.json", str(log)) for n in range(4)]
    storage.write_json(elements[1].path, {"identity": "now"})
    storage.write_json(elements[2].path, {"identity": "before"})
    outputs = [element.path for element in elements]
    run([Job("once", work_once, elements, outputs, identities=["now"] * 4)], tmp_path, workers)
    assert sorted(log.read_text().split()) == [outputs[0], outputs[2], outputs[3]]
    run([Job("again", work_once, elements, outputs)], tmp_path, workers)  # without identities: whatever there is
    assert sorted(log.read_text().split())[-1:] == [outputs[3]]
    assert len(log.read_text().split()) == 7
