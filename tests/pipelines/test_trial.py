"""Trials of the tiny corpus: in a folder of their own, forecasts beside the truth, and what is refused."""

from __future__ import annotations

import bz2
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipelines import build, clean, corpus, trial, verify
from pipelines.files import storage
from pipelines.files.current import TOOK
from tests.conftest import REPOSITORY
from tests.pipelines import tiny

Made = tuple[list[str], Path]


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("tiny")
    options = tiny.write(folder)
    for number in range(3, 12):
        tiny.wet(folder / f"common_crawl/{number}.warc.wet.gz", number, 40)
    return options


def arguments(options: list[str], output: Path, *further: str) -> list[str]:
    return [*options, "--output", str(output), "--runner", "plain", *further]


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory, options: list[str]) -> Path:
    output = tmp_path_factory.mktemp("tried") / "corpus"
    # A process of its own: what this one did before is no part of the trial.
    command = [sys.executable, "-m", "pipelines.corpus", *arguments(options, output, "--trial", "0.3")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (output.parent / "told").write_text(done.stdout + done.stderr)
    return output


@pytest.fixture(scope="module")
def found(tried: Path) -> dict[str, Any]:
    forecast: dict[str, Any] = json.loads(Path(f"{tried}-trial", trial.FILE).read_text())
    return forecast


def test_a_trial_has_a_folder_of_its_own_and_is_a_sound_corpus(tried: Path) -> None:
    assert not tried.exists()
    assert list(verify.problems(f"{tried}-trial")) == []
    told = (tried.parent / "told").read_text()
    assert f"everything goes to {tried}-trial" in told
    assert "hours: " in told
    assert "dollars: " in told


def test_every_source_is_there_and_says_what_was_taken(found: dict[str, Any]) -> None:
    assert found["sources"].keys() == build.SOURCES.keys()
    web = found["sources"]["common_crawl"]
    assert 2 <= web["taken"] < web["inputs"] == 12
    assert web["scaled_by"] == "bytes"
    single = found["sources"]["wikipedia"]
    assert (single["inputs"], single["taken"], single["scale"], single["taken_as"]) == (1, 1, 1, "whole")
    assert single["cpu_seconds"]["low"] == single["cpu_seconds"]["high"]


def test_intervals_hold_their_values_and_stages_are_named(found: dict[str, Any]) -> None:
    for name in ("cpu_seconds", "disk_bytes", "kept_bytes", "memory_bytes"):
        assert 0 < found[name]["low"] <= found[name]["value"] <= found[name]["high"], name
    stages = found["sources"]["common_crawl"]["cpu_seconds_a_byte"]
    assert {"paragraphs", "duplicate_lines", "quality", "cited", "reference", "tokens"} <= stages.keys()
    assert "unpack" in found["sources"]["stack_exchange"]["cpu_seconds_a_byte"]
    assert found["kept_bytes"]["value"] < found["disk_bytes"]["value"]


def test_models_grow_with_their_text_only(found: dict[str, Any]) -> None:
    scale = found["sources"]["common_crawl"]["scale"]
    assert scale > 1.5
    grows = {name: row["grows"] for name, row in found["models"].items()}
    # Wikipedia is there whole; pages of the web are not, and a part of the tokenizer's text is theirs.
    assert grows["models/language_models/en"] == 1
    assert grows["models/reference"] > 1.5
    assert 1 < grows["models/tokenizer"] < scale


def test_the_whole_is_about_as_large_as_was_forecast(tried: Path, options: list[str], found: dict[str, Any]) -> None:
    whole = tried.parent / "whole"
    assert corpus.main(arguments(options, whole, "--set", "keep_staged=true")) == 0
    size = sum(storage.size(path) for path in storage.files_in(str(whole)) if "/work/" not in path)
    assert found["kept_bytes"]["value"] == pytest.approx(size, rel=0.25)


def test_everything_that_runs_says_what_it_took(tried: Path) -> None:
    silent = [
        path
        for path in storage.files_in(f"{tried}-trial/work")
        if path.endswith(".json") and "identity" in (storage.read_json(path) or {}) and "/trial.json" not in path
        if TOOK not in storage.read_json(path)
    ]
    assert silent == []


def test_a_trial_goes_on_and_another_one_is_refused(
    tried: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert corpus.main(arguments(options, tried, "--trial", "0.3")) == 0
    capsys.readouterr()
    for further in (["--trial", "0.31"], ["--trial", "0.3", "--trial-seed", "1"]):
        assert corpus.main(arguments(options, tried, *further)) == 2
        assert "holds a trial of another share, seed or recipe" in capsys.readouterr().err
    assert corpus.main(arguments(options, Path(f"{tried}-trial"))) == 2
    assert "this is a trial's folder" in capsys.readouterr().err


def test_a_trial_is_removed_whole(tmp_path: Path) -> None:
    write_multistream(tmp_path, 4)
    folder = tmp_path / "corpus-trial"
    arguments = ["--recipe", "paper", "--source", "wikipedia", "--input", f"wikipedia={tmp_path}/*.xml.bz2"]
    arguments += ["--set", "tokenize=false", "--set", "buckets=4", "--runner", "plain"]
    assert corpus.main([*arguments, "--output", str(tmp_path / "corpus"), "--trial", "0.2"]) == 0
    assert (folder / trial.FILE).exists()
    assert clean.main([str(folder)]) == 0
    assert not folder.exists()


def test_a_corpus_that_is_no_trial_is_not_touched(
    tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "corpus-trial"
    folder.mkdir()
    (folder / "manifest.json").write_text("{}")
    assert corpus.main(arguments(options, tmp_path / "corpus", "--trial", "0.3")) == 2
    assert str(folder) in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["manifest.json"]


@pytest.mark.parametrize("share", ["0", "1", "-0.1", "much", "nan"])
def test_a_share_is_between_none_and_all(share: str, options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        corpus.main([*options, "--trial", share])
    assert ended.value.code == 2
    assert "a share between 0 and 1 is expected" in capsys.readouterr().err


def test_what_cannot_be_forecast_is_refused(
    tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert corpus.main([*arguments(options, tmp_path / "a", "--trial", "0.3"), "--models"]) == 2
    assert "does not go with --models" in capsys.readouterr().err
    assert not (tmp_path / "a-trial").exists()


def write_multistream(folder: Path, articles: int) -> None:
    """Write a dump of Wikipedia with its index, an article in each stream."""
    data = bz2.compress(
        b'<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/" version="0.10" xml:lang="en"><siteinfo/>\n'
    )
    index = ""
    for number in range(1, articles + 1):
        index += f"{len(data)}:{number}:Article {number}\n"
        text = f"This is article {number}. {tiny.prose(random.Random(number), 30)}"
        data += bz2.compress(tiny.page(number, f"Article {number}", 0, text).encode())
    name = "enwiki-20220601-pages-articles-multistream"
    (folder / f"{name}.xml.bz2").write_bytes(data + bz2.compress(b"</mediawiki>\n"))
    (folder / f"{name}-index.txt.bz2").write_bytes(bz2.compress(index.encode()))


def test_of_a_large_dump_byte_ranges_are_taken(tmp_path: Path) -> None:
    write_multistream(tmp_path, 100)
    arguments = ["--recipe", "paper", "--source", "wikipedia", "--input", f"wikipedia={tmp_path}/*.xml.bz2"]
    for setting in ("wikipedia.span_bytes=2000", "tokenize=false", "buckets=4"):
        arguments += ["--set", setting]
    arguments += ["--output", str(tmp_path / "corpus"), "--runner", "plain"]
    assert corpus.main([*arguments, "--trial", "0.2"]) == 0
    found = storage.read_json(f"{tmp_path}/corpus-trial/{trial.FILE}")["sources"]["wikipedia"]
    assert (found["inputs"], found["taken"], found["taken_as"]) == (1, 1, "byte ranges")
    assert 2 <= found["units"] < 50
    built = storage.read_json(f"{tmp_path}/corpus-trial/wikipedia/manifest.json")["documents"]["count"]
    assert built * found["scale"] == pytest.approx(100, rel=0.1)
    assert found["cpu_seconds"]["low"] < found["cpu_seconds"]["value"] < found["cpu_seconds"]["high"]
