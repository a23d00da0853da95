"""The whole graph of the paper's recipe at the paper's size, compiled offline: each wave small, each shuffle sound.

Nothing is read or run: files are said to exist, and manifests to hold what a finished stage would have left. Of WET
files there are 90,000 in each of five crawls, as many in C4's.
"""

from __future__ import annotations

import importlib
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipelines import work
from pipelines.build import Build
from pipelines.files import runs, storage
from pipelines.models.by_path import GIVEN, Given
from pipelines.recipes import PAPER
from pipelines.runners import plans
from pipelines.runners.beam import submission
from pipelines.runners.beam.engines import ENGINES, Engine
from pipelines.runners.needs import Needs
from pipelines.runners.tasks import protocol
from pipelines.runners.tasks.pieces import Outcome, Piece
from pipelines.runners.tasks.protocol import Wave
from pipelines.stages.jobs import Job, Shuffle
from pipelines.stages.source import Input, Model
from pipelines.table1 import TABLE_1
from pipelines.tokens import shards, tokenizers

pytestmark = pytest.mark.full
OUTPUT = "gs://bucket/corpus"
MODELS = ("lid", "bad_words", "language_models", "cutoffs", "reference", "stack_exchange_sites", "tokenizer")
FILES = {"common_crawl": 450_000, "c4": 90_000, "github": 1_000, "books": 60_000, "arxiv": 6_000, "stack_exchange": 28}
TOKENS = {row.name: int(row.unique_tokens) for row in TABLE_1}
LARGEST_GRAPH = 1 << 20  # Dataflow takes ten times that
SOURCES = PAPER.sources


def inputs_of(source: str, count: int) -> list[Input]:
    names = {"stack_exchange": (("site", "s{n}.stackexchange.com"),), "books": ()}.get(source, ())
    return [
        Input(
            path=f"gs://bucket/dumps/{source}/CC-MAIN-20190418101243-20190418123243-{n:06d}.gz",
            digest=f"{source[:2]}{n:014x}",
            size=100_000_000,
            attributes=tuple((name, value.format(n=n)) for name, value in names),
        )
        for n in range(count)
    ]


@pytest.fixture(scope="module")
def build() -> Build:
    found = {source: inputs_of(source, FILES[source]) for source in FILES if source in SOURCES}
    given = {name: Given(Model(f"{OUTPUT}/work/given/{name}", name), {name: name}) for name in (*MODELS, *GIVEN)}
    return Build(PAPER, found, OUTPUT, given)


@pytest.fixture(autouse=True)
def finished(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every file exist, and every manifest of a stage say what the paper's size makes of it, but be of before."""

    def manifest(path: str) -> dict[str, Any] | None:
        if "/unpack/" in path:
            return {"identity": "before", "parts": [[f"{path[-20:-5]}-{n:06d}.xml", n << 26] for n in range(1_600)]}
        if "/work/tokens/" in path:
            source = path.split("/work/tokens/")[1].partition("/")[0]
            share = TOKENS[source] // max(1, FILES.get(source, 1))
            totals = {split: {"en": [1_000, share, 4 * share]} for split in shards.SPLITS}
            return {"identity": "before", "totals": totals}
        return {
            "identity": "before",
            "files": {},
            "keys": 1_000_000,
            "kept_bytes": 1 << 30,
            "in": 1_000,
            "item": "bucket-000000",
            "documents": {"path": "stack_exchange/documents/bucket-000000.parquet"},
        }

    monkeypatch.setattr(storage, "read_json", manifest)
    monkeypatch.setattr(storage, "read_jsons", lambda paths: [manifest(path) for path in paths])
    monkeypatch.setattr(storage, "exists", lambda path: True)
    monkeypatch.setattr(storage, "size", lambda path: 100_000_000)
    monkeypatch.setattr(storage, "write_json", lambda path, content: None)
    monkeypatch.setattr("pipelines.files.runs.records", lambda path: 1_000_000)
    none = np.empty(0, runs.REMOVAL)
    monkeypatch.setattr("pipelines.files.runs.read_removals", lambda paths, item, count=1: [none] * count)
    monkeypatch.setattr(tokenizers, "loaded", lambda path: SimpleNamespace(dtype=np.dtype(np.uint16)))


def arguments() -> tuple[Engine, list[str]]:
    options = ["--project=project", "--region=europe-west1", "--temp_location=gs://bucket/tmp", "--dry_run=True"]
    try:
        importlib.import_module("apache_beam.runners.dataflow.internal.apiclient")
    except ImportError:  # without apache-beam[gcp]
        return ENGINES["portable"], ["--job_endpoint=localhost:1"]
    return ENGINES["dataflow"], options


def peak_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def test_every_wave_of_the_paper_s_corpus_is_a_small_graph_that_shuffles_pointers_only(
    build: Build, tmp_path: Path
) -> None:
    engine, options = arguments()
    items, waves, sizes, started, listed = 0, 0, [], time.process_time(), work.worklist(build)
    for node in build.nodes():
        jobs: Sequence[Job | Shuffle] = node.plan()
        if not jobs:
            continue
        items += sum(len(job.elements) for job in jobs)
        waves += 1
        pipeline = submission.compiled(jobs, listed, f"{tmp_path}/plan", engine=engine, beam_arguments=options)
        sizes.append(pipeline.to_runner_api().ByteSize())
        if "--dry_run=True" in options:
            compiled: Any = pipeline.run()  # Dataflow's own compilation, up to what would be sent
            assert len(compiled.job.json()) < LARGEST_GRAPH
    facts = {"engine": engine.runner, "waves": waves, "items": items, "largest_graph_bytes": max(sizes)}
    cost = {"cpu_seconds": round(time.process_time() - started), "peak_mib": peak_mib()}
    print(json.dumps({**facts, **cost}))
    assert waves > 20
    assert items > 2_000_000
    assert max(sizes) < LARGEST_GRAPH


class Counted:
    """A cluster that is given the paper's waves, and only counts."""

    name, link = "counted", ""

    def deal(self, weights: list[float]) -> list[list[int]]:
        return protocol.one_by_one(weights)

    def submit(self, wanted: Sequence[Piece]) -> None:
        raise AssertionError(wanted)

    def ended(self) -> Iterator[tuple[Piece, Outcome]]:
        raise AssertionError

    def cancel(self) -> None:
        raise AssertionError

    def log(self, piece: Piece) -> Sequence[str]:
        raise AssertionError(piece)


def test_every_wave_of_the_paper_s_corpus_is_tasks_whose_driver_holds_no_pointers(build: Build, tmp_path: Path) -> None:
    items, waves, widest, started, listed = 0, 0, (0, 0), time.process_time(), work.worklist(build)
    for node in build.nodes():
        jobs: Sequence[Job | Shuffle] = node.plan()
        if not jobs:
            continue
        wave = Wave.planned(f"{tmp_path}/plan", jobs, listed, Counted(), Needs(PAPER.reducer_keys))
        items += sum(len(job.elements) for job in jobs)
        waves += 1
        shuffles = [job for job in jobs if isinstance(job, Shuffle)]
        splits = [piece for piece in wave.first if piece.splits]
        chunks = sum(-(-len(job.elements) // plans.CHUNK) for job in shuffles)
        assert len(splits) <= min(chunks, protocol.FILES * len(shuffles)), "a file of pointers for each"
        tasks = len(wave.first) - len(splits) + sum(len(one.tasks) for one in wave.shuffles)
        assert tasks == sum(len(job.elements if isinstance(job, Job) else job.buckets) for job in jobs)
        widest = max(widest, *((len(job.elements), len(job.buckets)) for job in shuffles), (0, 0))
    facts = {"waves": waves, "items": items, "widest_shuffle": widest}
    print(json.dumps({**facts, "cpu_seconds": round(time.process_time() - started), "peak_mib": peak_mib()}))
    assert items > 2_000_000
    assert peak_mib() < 4 << 10


# A task that splits a chunk of runs into so many buckets, and one whose bucket has a pointer of each run.
TASKS = """
import sys
from pipelines.files import memory
from pipelines.files.runs import Slice
from pipelines.runners import plans, pointers
runs, buckets, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
path = "s3://bucket/" + "x" * 100
every = ((n, bucket) for n in range(min(runs, plans.CHUNK)) for bucket in range(buckets))
pointers.write(f"{folder}/chunk", ((bucket, Slice(n, f"{path}/{n:08d}", bucket, 5)) for n, bucket in every))
files = -(-runs // plans.CHUNK)
one = ((0, Slice(n, f"{path}/{n:08d}", n, 5)) for n in range(plans.CHUNK))
pointers.write(f"{folder}/one", one)
held = [pointer for _ in range(files) for pointer in pointers.read(f"{folder}/one", 0)]
assert len(held) >= runs
print(memory.peak_bytes() >> 20)
"""


def test_a_task_of_the_widest_shuffle_takes_less_than_a_gibibyte(tmp_path: Path) -> None:
    command = [sys.executable, "-c", TASKS, "620000", str(PAPER.buckets), str(tmp_path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    print(done.stdout)
    assert int(done.stdout) < 1 << 10
