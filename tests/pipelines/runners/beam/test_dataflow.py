"""Dataflow's own compilation of a wave, and the template it leaves, without Google: a local server speaks for GCS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines import corpus, work
from pipelines.build import Build
from pipelines.files import storage
from pipelines.options import parse, prepare
from pipelines.runners.beam import submission
from pipelines.runners.beam.engines import engine_of
from pipelines.stages.jobs import Job
from tests.pipelines import servers, tiny

pytestmark = pytest.mark.full
FAKE_GCS = servers.program("fake-gcs-server")
if FAKE_GCS is None:
    pytest.skip("fake-gcs-server is not there: make setup-full builds it with Go", allow_module_level=True)
pytest.importorskip("apache_beam.runners.dataflow.internal.apiclient", reason="apache-beam[gcp] is not installed")

IMAGE = "europe-west1-docker.pkg.dev/project/repository/altiplano:0.1.0"
OPTIONS = ["--project=project", "--region=europe-west1", "--temp_location=gs://corpus/tmp", "--no_auth"]


@pytest.fixture(scope="module", autouse=True)
def google() -> Iterator[None]:
    assert FAKE_GCS is not None
    with pytest.MonkeyPatch.context() as patch, servers.gs(patch, FAKE_GCS):
        yield


@pytest.fixture(scope="module")
def c4(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the options that build C4 alone from tiny dumps on GCS, on Dataflow."""
    folder = tmp_path_factory.mktemp("tiny")
    options = tiny.write(folder)
    for path in (folder / "c4").glob("*.gz"):
        storage.write_bytes(f"gs://corpus/c4/{path.name}", path.read_bytes())
    models = options[options.index("--model") :]
    source = ["--source", "c4", "--input", "c4=gs://corpus/c4/*.gz", *models, "--output", "gs://corpus/out"]
    return [*source, "--runner", "dataflow", *OPTIONS, f"--sdk_container_image={IMAGE}"]


def first_wave(arguments: list[str]) -> tuple[Build, list[Job]]:
    parsed, beam_arguments = parse(arguments)
    prepared = prepare(parsed, beam_arguments)
    corpus.stage_models(prepared)
    (node,) = [node for node in prepared.nodes() if node.name == "c4/pages"]
    return prepared, [job for job in node.plan() if isinstance(job, Job)]


def test_dataflow_compiles_a_wave_to_a_template(c4: list[str]) -> None:
    engine, plan = engine_of("dataflow"), "gs://corpus/plan/first.plan"
    more = [*OPTIONS, f"--sdk_container_image={IMAGE}", "--template_location=gs://corpus/template.json"]
    prepared, jobs = first_wave(c4)
    submission.compiled(jobs, work.worklist(prepared), plan, engine=engine, beam_arguments=more).run()
    template = storage.read_json("gs://corpus/template.json")
    assert template["environment"]["workerPools"][0]["sdkHarnessContainerImages"][0]["containerImage"] == IMAGE
    (graph,) = [path for path in storage.files_in("gs://corpus/tmp") if path.endswith("/pipeline.pb")]
    assert IMAGE.encode() in storage.read_bytes(graph)
    assert storage.files_in("gs://corpus/plan") == [plan]
    assert not any(b"warc.wet.gz" in storage.read_bytes(path) for path in (graph, "gs://corpus/template.json"))
    assert b"warc.wet.gz" in storage.read_bytes(plan)  # items are in the plan file, and the graph names its chunks


def test_a_dry_run_says_what_would_be_submitted(c4: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    before = storage.files_in("gs://corpus/out")
    assert corpus.main([*c4, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "first wave: c4/pages, 2 items" in said
    assert f"engine: DataflowRunner {' '.join(OPTIONS)}" in said
    assert "no text crosses a shuffle" in said
    after = [path for path in storage.files_in("gs://corpus/out") if not path.endswith("/work/inputs.json")]
    assert after == [path for path in before if not path.endswith("/work/inputs.json")]


def test_inputs_and_output_must_be_where_workers_reach_them(
    c4: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    local = tmp_path / "page.warc.wet.gz"
    tiny.wet(local, 0, 20)
    arguments = [f"c4={local}" if word.startswith("c4=") else word for word in c4]
    assert corpus.main(arguments) == 2
    assert f"--input {local}: the workers of dataflow cannot reach it; it must be on gs://" in capsys.readouterr().err
    arguments = [str(tmp_path) if word == "gs://corpus/out" else word for word in c4]
    assert corpus.main(arguments) == 2
    assert "--output" in capsys.readouterr().err
