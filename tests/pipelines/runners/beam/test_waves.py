"""What goes through the one shuffle of a wave, and the lint that looks for anything else in the compiled graph."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from pipelines.document import Document
from pipelines.files.runs import Slice
from pipelines.runners import plans, workplace
from pipelines.runners.beam import engines, lint, local, submission, waves
from pipelines.runners.beam.waves import Parcel
from pipelines.stages.jobs import Job, Shuffle
from tests.pipelines import loop
from tests.pipelines.runners.beam import test_local
from tests.pipelines.runners.beam.test_local import contents, jobs
from tests.pipelines.runners.listed import worklist

PORTABLE = engines.ENGINES["portable"]
WORK = worklist(test_local.__name__)
ENDPOINT = ["--job_endpoint=localhost:1"]


@pytest.mark.parametrize(
    "parcel",
    [
        Parcel(),
        Parcel(task=b"{}"),
        Parcel(pointer=-7),
        Parcel(pointer=Slice(3, "gs://b/é.run", 1 << 40, 5)),
        Parcel(pointer=Slice(3, "/a.run", 0, 5, True)),
    ],
)
def test_parcels_come_back(parcel: Parcel) -> None:
    coder = waves.ParcelCoder()
    assert coder.decode(coder.encode(parcel)) == parcel


def test_every_field_of_a_pointer_is_packed() -> None:
    names = [field.name for field in dataclasses.fields(Slice)]
    assert names == ["item", "path", "start", "count", "group"], "waves.ParcelCoder packs these"


@pytest.mark.parametrize(
    "content", ["a line of text", b"bytes", Document(id="a", source="b", text="c", dump="d", offset=0)]
)
def test_only_pointers_are_packed(content: Any) -> None:
    with pytest.raises(TypeError, match="only pointers are shuffled, not"):
        waves.ParcelCoder().encode(Parcel(pointer=content))
    with pytest.raises(TypeError, match="is not a path"):
        waves.ParcelCoder().encode(Parcel(pointer=Slice(0, "text " * 1_000, 0, 0)))


def leak(number: int) -> Iterator[tuple[int, Any]]:
    yield 0, f"the text of document {number}"


def ignore(bucket: int, found: Any) -> None:
    raise AssertionError(found)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_job_that_shuffles_text_fails(tmp_path: Path, workers: int) -> None:
    shuffle = Shuffle("leak", leak, [1, 2], ignore, [0, 1], [])
    with pytest.raises(RuntimeError, match="only pointers are shuffled, not str"):
        local.run([shuffle], worklist(__name__), f"{tmp_path}/plan", workers=workers)


def planted(build: Callable[[beam.Pipeline], Any]) -> list[str]:
    pipeline = beam.Pipeline(runner="PortableRunner")
    build(pipeline)
    return list(lint.problems(pipeline))


def parcels(key: Any, kind: Any) -> Any:
    return beam.Create([(key, Parcel())], reshuffle=False).with_output_types(tuple[kind, Parcel])


def test_the_lint_catches_planted_violations() -> None:
    document = Document(id="a", source="b", text="c", dump="d", offset=0)
    text = beam.Create([(b"key", "a line of text")], reshuffle=False)
    (found,) = planted(lambda pipeline: pipeline | text | "lines" >> beam.GroupByKey())
    assert found.startswith("lines shuffles StrUtf8Coder")
    documents = beam.Create([(b"key", document)], reshuffle=False).with_output_types(tuple[bytes, Document])
    (found,) = planted(lambda pipeline: pipeline | documents | "documents" >> beam.GroupByKey())
    assert found.startswith("documents shuffles ")
    packed = beam.Create([(b"key", b"text")], reshuffle=False).with_output_types(tuple[bytes, bytes])
    (found,) = planted(lambda pipeline: pipeline | packed | "bytes" >> beam.GroupByKey())
    assert found.startswith("bytes shuffles BytesCoder")
    (found,) = planted(
        lambda pipeline: pipeline | beam.Create(["text"], reshuffle=False) | "spread" >> beam.Reshuffle()
    )
    assert found.startswith("spread shuffles StrUtf8Coder")
    (found,) = planted(lambda pipeline: pipeline | parcels({"a": 1}, dict[str, int]) | "keys" >> beam.GroupByKey())
    assert "which need not be deterministic" in found
    assert planted(lambda pipeline: pipeline | parcels(b"key", bytes) | beam.GroupByKey()) == []


def test_the_lint_catches_a_graph_that_holds_its_items(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lint, "LARGEST_GRAPH", 100_000)
    large = beam.Create([(b"key", Parcel(task=os.urandom(200_000)))], reshuffle=False)
    (found,) = planted(lambda p: p | large.with_output_types(tuple[bytes, Parcel]) | beam.GroupByKey())
    assert found.endswith("bytes; an engine accepts 100,000")


def test_a_graph_names_chunks_of_a_plan_and_passes_the_lint(tmp_path: Path) -> None:
    sizes = []
    for count in (1_000, 20_000):
        many = [Job("many", test_local.write, [f"s3://bucket/{n:064d}" for n in range(count)], [])]
        plan = f"{tmp_path}/{count}.plan"
        pipeline = submission.compiled(many, WORK, plan, engine=PORTABLE, beam_arguments=ENDPOINT)
        assert Path(plan).stat().st_size > count * 64
        sizes.append(pipeline.to_runner_api().ByteSize())
    assert sizes[1] - sizes[0] < 38 * 300


def run(plan: plans.Plan) -> None:
    pipeline = beam.Pipeline(runner=FnApiRunner())
    waves.build(pipeline, plan)
    pipeline.run().wait_until_finish()


def test_a_graph_does_what_the_plain_loop_does(tmp_path: Path) -> None:
    for name in ("plain", "engine"):
        (tmp_path / name).mkdir()
    loop.run(jobs(tmp_path / "plain"))
    run(waves.planned(f"{tmp_path}/plan", jobs(tmp_path / "engine"), WORK))
    assert contents(tmp_path / "engine") == contents(tmp_path / "plain")


def test_a_plan_that_another_wrote_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "engine").mkdir()
    plan = Path(f"{tmp_path}/plan")
    planned = waves.planned(str(plan), jobs(tmp_path / "engine"), WORK)
    content = plan.read_bytes()
    plan.write_bytes(content.replace(b"item-3", b"item-4"))
    with pytest.raises(RuntimeError, match="this plan is not the one that this build wrote"):
        run(planned)
    assert contents(tmp_path / "engine") == {}


@pytest.mark.parametrize(
    ("runner", "arguments", "output", "message"),
    [
        ("dataflow", ["--project=p"], "gs://b/c", "needs --region, --temp_location"),
        ("DataflowRunner", ["--project=p", "--region=r", "--temp_location=gs://b/t"], "data/c", "must be on gs://"),
        ("flink", [], "s3://b/c", "needs --flink_master, or the --job_endpoint of a running job server"),
        ("spark", ["--flink_master=h:8081"], "data/corpus", "needs --spark_master_url"),
        ("portable", [], "data/corpus", "needs --job_endpoint"),
        (
            "beamish",
            [],
            "data/corpus",
            "there is no such runner; available: local, plain, dataflow, flink, spark, prism, portable",
        ),
        ("dask", [], "data/corpus", "wrong results"),
    ],
)
def test_what_an_engine_lacks_is_named(runner: str, arguments: list[str], output: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        engines.check_engine(runner, arguments, output)


def test_inputs_that_workers_do_not_reach_are_refused() -> None:
    with pytest.raises(ValueError, match=r"--input /dumps/x.gz: the workers of dataflow cannot reach it"):
        engines.check_reached("dataflow", ["gs://b/x.gz", "/dumps/x.gz"])
    engines.check_reached("dataflow", ["gs://b/x.gz"])
    engines.check_reached("portable", ["/dumps/x.gz"])


def test_plans_of_killed_builds_are_removed_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "work/plan"
    folder.mkdir(parents=True)
    ours = ["0123456789abcdef.plan", "0123456789abcdef-01234567.begun", "0123456789abcdef-01234567.failed"]
    others = ["mine.plan", "0123456789abcdef.planned"]
    for name in (*ours, *others):
        (folder / name).touch()
    plans.remove_left(str(tmp_path))
    assert sorted(path.name for path in folder.iterdir()) == sorted(others)


def test_a_worker_of_another_version_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = waves.planned(f"{tmp_path}/plan", jobs(tmp_path), WORK)
    monkeypatch.setattr(plans, "package_version", lambda: "0.0.7")
    with pytest.raises(RuntimeError, match=r"this worker has altiplano-corpus 0.0.7, the build has \d.*: give workers"):
        workplace.workplace(planned.header, planned.made_by)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux lets a process forget its peak")
def test_a_process_forgets_the_memory_of_the_item_before() -> None:
    code = (
        "from pipelines.files import memory; large = b'x' * (200 << 20); del large; before = memory.peak_bytes(); "
        "memory.forget_peak(); print(before - memory.peak_bytes())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 150 << 20


def test_prism_is_installed_by_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="--runner prism: Prism is not installed: make engines"):
        engines.check_engine("prism", [], "data/corpus")
    (tmp_path / "go").mkdir()
    (tmp_path / "go/prism").touch(0o755)
    assert engines.check_engine("prism", [], "data/corpus").served
    assert engines.prism() == f"{tmp_path}/go/prism"
