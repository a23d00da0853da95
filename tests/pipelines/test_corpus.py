"""Whole builds on tiny dumps: the plain loop, one worker and two leave the same corpus, again and after a kill."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pipelines import build, corpus, verify
from pipelines.files import tables
from pipelines.options import parse
from pipelines.tokens import shards
from tests.pipelines import tiny
from tests.pipelines.tiny import identity


def test_every_source_is_there_and_adds_up(built: Path) -> None:
    assert list(verify.problems(str(built))) == []
    for name in build.SOURCES:
        manifest = json.loads((built / name / "manifest.json").read_text())
        assert manifest["documents"]["count"] > 0, name
        read = manifest["stages"][0]
        assert read["in"] == read["read"].get("records"), name
        assert manifest["drops"]["count"] > 0, name


def reasons(built: Path, source: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for path in built.glob(f"{source}/drops/*.parquet"):
        for row in tables.read_rows(str(path)):
            found[row["reason"]] = found.get(row["reason"], 0) + 1
    return found


def test_drops_have_the_reasons_they_should(built: Path) -> None:
    web = reasons(built, "common_crawl")
    assert web["too_short"] == 3 * 4
    assert web["other_language"] == 3 * 4
    assert reasons(built, "c4")["duplicate_url"] == 2
    assert reasons(built, "wikipedia") == {"redirect": 1, "namespace": 1}
    code = reasons(built, "github")
    assert (code["license_not_permissive"], code["duplicate"], code["no_content"]) == (10, 1, 1)
    assert reasons(built, "books") == {"contained_in_another": 2}
    assert reasons(built, "arxiv") == {"pdf_only": 1}
    assert reasons(built, "stack_exchange") == {"no_question": 1}


def texts(built: Path, source: str) -> list[str]:
    paths = sorted(built.glob(f"{source}/documents/*.parquet"))
    return [document.text for path in paths for document in tables.read_documents(str(path))]


def test_texts_are_clean(built: Path) -> None:
    assert all(tiny.MENU not in text for text in texts(built, "common_crawl"))
    assert all("Copyright" not in text and text.startswith("import sys") for text in texts(built, "github"))
    assert all("Licence terms" not in text and "GUTENBERG" not in text for text in texts(built, "books"))
    assert all("comment" not in text and "alpaca" in text and "bibitem" not in text for text in texts(built, "arxiv"))
    assert all("[[" not in text and "ref>" not in text for text in texts(built, "wikipedia"))
    for text in texts(built, "stack_exchange"):
        assert text.index("Score 100.") < text.index("Score 9.") < text.index("Score -1.")
        assert "  x < " in text


def test_shards_hold_the_documents(built: Path) -> None:
    directory = built / "tokens" / "books"
    manifest = shards.Manifest.load(directory)
    assert len(manifest.splits["train"]) > 1
    assert manifest.vocabulary == 600
    for split in shards.SPLITS:
        for shard in manifest.splits[split]:
            ends = shards.document_ends(directory, shard).astype(np.int64)
            tokens = shards.tokens(directory, shard)
            starts = np.concatenate([[0], ends])[:-1]
            assert (tokens[ends - 1] == manifest.eos_id).all()
            assert (tokens[starts] == manifest.bos_id).all()


@pytest.mark.parametrize(("workers", "cut"), [(1, []), (2, ["--set", "fan_in=2", "--set", "reducer_keys=50"])])
def test_beam_leaves_what_the_plain_loop_leaves(
    tmp_path: Path, dumps_and_options: tuple[Path, list[str]], built: Path, workers: int, cut: list[str]
) -> None:
    options = [*dumps_and_options[1], "--output", str(tmp_path / "corpus"), "--workers", str(workers), *cut]
    assert corpus.main(options) == 0
    assert identity(tmp_path / "corpus") == identity(built)
    assert bool(list((tmp_path / "corpus/work").glob("*/*_by_item/*.removals"))) == bool(cut)


def test_renamed_and_reordered_inputs_leave_the_same(
    tmp_path: Path, dumps_and_options: tuple[Path, list[str]], built: Path
) -> None:
    folder, options = dumps_and_options
    renamed = tmp_path / "renamed"
    shutil.copytree(folder, renamed)
    for number, path in enumerate(sorted(renamed.glob("common_crawl/*"), reverse=True)):
        path.rename(path.with_name(f"z{number}.gz"))
    for number, path in enumerate(sorted(renamed.glob("books/*"), reverse=True)):
        path.rename(path.with_name(f"x{number}.txt"))
    (renamed / "enwiki-20220601-pages-articles.xml.bz2").rename(renamed / "some.xml.bz2")
    (renamed / "herders.stackexchange.com.7z").rename(renamed / "posts.7z")
    (renamed / "arXiv_src_1904_001.tar").rename(renamed / "papers.tar")
    given = {
        f"wikipedia={folder}/enwiki-*.xml.bz2": f"wikipedia[language=en]={renamed}/some.xml.bz2",
        f"stack_exchange={folder}/*.7z": f"stack_exchange[site=herders.stackexchange.com]={renamed}/posts.7z",
        f"arxiv={folder}/arXiv_src_*.tar": f"arxiv[month=2019-04]={renamed}/papers.tar",
    }
    changed = [given.get(word, word).replace(str(folder), str(renamed)) for word in options]
    pairs = [changed[i : i + 2] for i in range(0, len(changed), 2)]
    reordered = [word for pair in reversed(pairs) for word in pair]
    assert corpus.main([*reordered, "--output", str(tmp_path / "corpus"), "--runner", "plain"]) == 0
    assert identity(tmp_path / "corpus") == identity(built)


def stamps(output: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in output.rglob("*") if path.is_file()}


def test_a_second_run_does_nothing_and_a_changed_field_redoes_what_reads_it(
    tmp_path: Path, dumps_and_options: tuple[Path, list[str]], built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "corpus"
    shutil.copytree(built, output)
    options = [*dumps_and_options[1], "--output", str(output), "--runner", "plain"]
    ran: list[str] = []
    monkeypatch.setattr(
        "pipelines.runners.tasks.protocol.run", lambda jobs, *_, **how: ran.extend(job.label for job in jobs)
    )
    assert corpus.main(options) == 0
    assert ran == []
    with pytest.raises(RuntimeError, match="results are missing"):
        corpus.build(*parse([*options, "--set", "c4.english.threshold=0.5"]))
    assert ran == ["c4/english"]


def test_a_killed_run_goes_on(tmp_path: Path, dumps_and_options: tuple[Path, list[str]], built: Path) -> None:
    output = tmp_path / "corpus"
    command = [sys.executable, "-m", "pipelines.corpus", *dumps_and_options[1], "--output", str(output)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(output.glob("work/c4/lines/*.json")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (output / "manifest.json").exists()
    before = stamps(output)
    finished = [path for path in before if path.endswith(".json") and "/pages/" in path]
    assert finished
    assert corpus.main([*dumps_and_options[1], "--output", str(output), "--runner", "plain"]) == 0
    assert identity(output) == identity(built)
    assert all(stamps(output)[path] == before[path] for path in finished)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--input", "nothing"], "write it as NAME=GLOB_OR_URL"),
        (["--input", "usenet=x"], "there is no source 'usenet'"),
        (["--input", "wikipedia=/no/such/*.bz2"], "no such file"),
        (["--set", "c4.lines.min_words=3"], "there is no field 'min_words'; available: min_sentences"),
        (["--set", "c4.lines=3"], "is a group of fields"),
        (["--set", "c4.lines.min_sentences=three"], "'three' is no int"),
        (["--set", "c4.pages.mode=fast"], "'fast' is not one of published, corrected"),
        (["--runner", "DirectRunner"], "another engine"),
        (["--workers", "0"], "--workers 0: at least 1"),
        (["--frobnicate"], "--frobnicate: no such option"),
        (["--model", "lid"], "write it as NAME=PATH"),
        (["--raw", "/no/such/folder"], "no dumps of common_crawl"),
    ],
)
def test_mistakes_are_named_before_work_starts(
    tmp_path: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = [] if "--raw" in options else ["--raw", str(tmp_path / "raw")]
    assert corpus.main(["--output", str(tmp_path / "corpus"), *raw, *options]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.parquet"))


def test_an_empty_split_is_named(
    tmp_path: Path, dumps_and_options: tuple[Path, list[str]], built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "corpus"
    shutil.copytree(built, output)
    options = [*dumps_and_options[1], "--output", str(output), "--runner", "plain", "--set", "shards.validation=0"]
    assert corpus.main(options) == 0
    said = " ".join(capsys.readouterr())
    assert re.search(r"warning: books: no document is in the validation split \(\d+ in all\); --set shards", said)


def test_common_crawl_alone_says_what_it_needs(
    tmp_path: Path, dumps_and_options: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = dumps_and_options
    options = ["--source", "common_crawl", "--input", f"common_crawl={folder}/common_crawl/*.gz"]
    options += ["--model", f"lid={folder}/models/lid.bin"]
    assert corpus.main([*options, "--output", str(tmp_path / "corpus")]) == 2
    assert "needs --source wikipedia" in capsys.readouterr().err


def test_a_damaged_corpus_is_found(tmp_path: Path, built: Path) -> None:
    output = tmp_path / "corpus"
    shutil.copytree(built, output)
    victim = output / "tokens/arxiv/train-00000.bin"
    content = bytearray(victim.read_bytes())
    content[10] ^= 1
    victim.write_bytes(content)
    (output / "tokens/c4/train-00000.index").unlink()
    next(output.glob("wikipedia/documents/*.parquet")).unlink()
    found = list(verify.problems(str(output)))
    assert any("arxiv/train-00000.bin: its SHA-256" in problem for problem in found)
    assert any("c4/train-00000.index: missing" in problem for problem in found)
    assert any("wikipedia/documents" in problem and "cannot be read" in problem for problem in found)
    assert verify.main([str(output)]) == 1
