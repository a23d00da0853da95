"""What a build says of itself: its summary, its events, its progress, and what it would do."""

from __future__ import annotations

import json
import logging
import os
from itertools import pairwise
from pathlib import Path

import pytest

from pipelines import corpus
from pipelines.account import summary
from pipelines.files import storage
from pipelines.runners import events
from pipelines.runners.progress import Progress
from pipelines.stages.jobs import Job
from tests.pipelines import tiny

ENGINE = ["--runner", "portable", "--job_endpoint=localhost:1"]


@pytest.fixture(scope="module")
def c4(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the options that build C4 alone from tiny dumps."""
    folder = tmp_path_factory.mktemp("tiny")
    options = tiny.write(folder)
    return ["--source", "c4", "--input", f"c4={folder}/c4/*.gz", *options[options.index("--model") :]]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, c4: list[str]) -> Path:
    output = tmp_path_factory.mktemp("built") / "corpus"
    log = output.parent / "events.jsonl"
    assert corpus.main([*c4, "--output", str(output), "--runner", "plain", "--log-json", str(log)]) == 0
    return output


def test_the_summary_has_every_stage_s_documents_bytes_time_and_memory(built: Path) -> None:
    found = json.loads((built / "summary.json").read_text())
    assert (found["recipe"], found["build"]["runner"], list(found["sources"])) == ("sample", "plain", ["c4"])
    source = found["sources"]["c4"]
    manifest = json.loads((built / "c4/manifest.json").read_text())
    assert source["documents"] == manifest["documents"]["count"] > 0
    assert source["inputs"] == {"files": 2, "bytes": sum(entry["size"] for entry in manifest["inputs"])}
    stages = source["stages"]
    assert [stage["stage"] for stage in stages] == ["c4/pages", "c4/lines", "c4/english"]
    assert stages[0]["bytes_in"] == source["inputs"]["bytes"]
    for before, after in pairwise(stages):
        assert (after["documents_in"], after["bytes_in"]) == (before["documents_out"], before["bytes_out"])
    for stage in stages:
        assert stage["documents_in"] == stage["documents_out"] + sum(stage["dropped"].values())
        assert stage["worker_memory_bytes"] > 50 << 20
        assert stage["cpu_seconds"] >= 0
    ran = {row["stage"]: row["items"] for row in found["build"]["stages_run"]}
    assert ran["c4/pages"] == 2


def test_the_summary_is_printed_again(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert summary.main([str(built)]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((built / "summary.json").read_text())
    with pytest.raises(SystemExit):
        summary.main([str(built / "nothing")])
    assert "the corpus is not finished" in capsys.readouterr().err


def test_events_are_json_lines(built: Path) -> None:
    rows = [json.loads(line) for line in (built.parent / "events.jsonl").read_text().splitlines()]
    assert [rows[0]["event"], rows[-1]["event"]] == ["build_started", "build_finished"]
    started = [stage for row in rows if row["event"] == "wave_started" for stage in row["stages"]]
    finished = [row["stage"] for row in rows if row["event"] == "stage_finished"]
    assert set(finished) <= set(started)
    assert {"c4/pages", "c4/lines", "models/tokenizer", "c4/shards"} <= set(finished)
    assert all(row["time"] and row["level"] == "INFO" for row in rows)


def test_a_build_that_fails_says_why_in_its_events(tmp_path: Path, c4: list[str]) -> None:
    bad = tmp_path / "bad.warc.wet.gz"
    bad.write_bytes(b"\x1f\x8b damaged")
    options = [f"c4={bad}" if word.startswith("c4=") else word for word in c4]
    log = tmp_path / "events.jsonl"
    arguments = [*options, "--output", str(tmp_path / "corpus"), "--runner", "plain", "--log-json", str(log)]
    assert corpus.main(arguments) == 2
    last = json.loads(log.read_text().splitlines()[-1])
    assert (last["event"], last["level"]) == ("build_failed", "ERROR")
    assert "bad.warc.wet.gz" in last["error"]
    assert not [handler for handler in events.LOGGER.handlers if isinstance(handler, logging.FileHandler)]


def test_progress_counts_what_appears_by_one_listing_and_not_all_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = [f"{tmp_path}/{number}.json" for number in range(50)]
    for path in outputs[:10]:  # of an earlier run: these are written again
        storage.write_json(path, {"identity": "old"})
    listed: list[str] = []
    stamps = storage.stamps

    def listing(folder: str) -> dict[str, tuple[int, int]]:
        listed.append(folder)
        return stamps(folder)

    monkeypatch.setattr(storage, "stamps", listing)
    progress = Progress([])
    progress.start([Job("stage", print, list(range(50)), outputs)])
    progress.poll()
    assert progress._bars.tasks[0].completed == 0
    for path in outputs[5:20]:
        storage.write_json(path, {"identity": "newer"})
        os.utime(path, ns=(1, 1))
    progress._next_poll = 0.0
    progress.poll()
    assert progress._bars.tasks[0].completed == 15
    assert len(listed) == 3
    progress._next_poll = float("inf")
    progress.poll()
    assert len(listed) == 3


def test_a_dry_run_on_an_engine_prints_the_graph_and_starts_nothing(
    tmp_path: Path, c4: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert corpus.main([*c4, "--output", str(tmp_path / "corpus"), "--dry-run", *ENGINE]) == 0
    said = capsys.readouterr().out
    assert "first wave: c4/pages, 2 items" in said
    assert "engine: PortableRunner --job_endpoint=localhost:1" in said
    assert "no text crosses a shuffle" in said
    assert not (tmp_path / "corpus/c4").exists()


def test_a_dry_run_names_what_is_missing(c4: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert corpus.main([*c4, "--dry-run", "--runner", "flink"]) == 2
    assert "--runner flink needs --flink_master" in capsys.readouterr().err
