"""However a folder is written, every command means the same one, and none takes a stranger's file for its own."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from pipelines import clean, contamination, corpus, report, trace, verify
from pipelines import export as export_package
from pipelines.account import summary
from pipelines.export import __main__ as export
from pipelines.sample import layout
from tests.pipelines import tiny
from tokenizer import check

NAME = "my données"
SETTINGS = ("tokenizer.vocabulary=500", "shards.shard_tokens=300", "buckets=2", "shards.validation=0.3")
SPELLINGS = (
    *(NAME, f"{NAME}/", f"{NAME}//", f"./{NAME}", f".//{NAME}/.", f"dumps/../{NAME}/"),
    *(f"{{here}}/{NAME}", f"{{here}}//{NAME}/", f"file://{{here}}/{NAME}/", "file:{here}/my%20donn%C3%A9es"),
    *(f"~/{NAME}/", "link", "link/", "dumps/up/../other/../link"),
)
assert export_package


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with dumps and the corpus made of them."""
    here = tmp_path_factory.mktemp("spellings")
    (here / "dumps").mkdir()
    tiny.arxiv(here / "dumps/arXiv_src_1904_001.tar", 6)
    tiny.books(here / "dumps", 3)
    assert corpus.main(build_options(here, f"{here}/{NAME}", "plain")) == 0
    return here


@pytest.fixture
def here(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of it that is the working folder and the home folder, with a link to the corpus."""
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "link").symlink_to(copy / NAME)
    (copy / "store/deep").mkdir(parents=True)
    (copy / "store/other").mkdir()
    (copy / "store/link").symlink_to(copy / NAME)
    (copy / "dumps/up").symlink_to(copy / "store/deep")
    assert corpus.main(build_options(copy, f"{copy}/{NAME}", "plain")) == 0  # manifests name the inputs of here
    monkeypatch.chdir(copy)
    monkeypatch.setenv("HOME", str(copy))
    return copy


def build_options(here: Path, output: str, runner: str) -> list[str]:
    inputs = ["--input", f"arxiv={here}/dumps/*.tar", "--input", f"books={here}/dumps/*.txt"]
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    return [*inputs, *settings, "--recipe", "paper", "--output", output, "--runner", runner, "--workers", "1"]


def state(output: Path) -> dict[str, tuple[int, bytes]]:
    """Return when each file was written and what it holds, but for what every build writes."""
    return {
        path.relative_to(output).as_posix(): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(output.rglob("*"))
        if path.is_file() and path.name not in ("report.html", "summary.json", "inputs.json", "lock", ".altiplano")
    }


@pytest.mark.parametrize("runner", ["plain", "local"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_finished_corpus_stays_as_it_is_however_it_is_written(here: Path, spelling: str, runner: str) -> None:
    before = state(here / NAME)
    assert len(before) > 50
    folders = sorted(path.name for path in here.iterdir())
    assert corpus.main(build_options(here, spelling.format(here=here), runner)) == 0
    assert state(here / NAME) == before
    assert sorted(path.name for path in here.iterdir()) == folders
    assert json.loads((here / NAME / "summary.json").read_text())["build"]["stages_run"] == []


COMMANDS: dict[str, Callable[[str], int]] = {
    "verify": lambda path: verify.main([path]),
    "withdraw": lambda path: verify.main([path, "--withdraw"]),
    "report": lambda path: report.main([path, "--compare", path]),
    "publish": lambda path: report.main([path, "--publish"]),
    "summary": lambda path: summary.main([path]),
    "trace": lambda path: trace.main([path, "--source", "books", "--token", "5"]),
    "contamination": lambda path: contamination.main([path, "questions.jsonl"]),
    "export": lambda path: export.main(["mds", path, "exported/"]),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_command_means_the_same_corpus(here: Path, command: str, spelling: str) -> None:
    (here / "questions.jsonl").write_text('{"question": "one two three four five six seven eight nine ten eleven"}\n')
    before = state(here / NAME)
    assert COMMANDS[command](spelling.format(here=here)) == 0
    after = state(here / NAME)
    for name in ("README.md", "croissant.json") if command == "publish" else ():
        assert after.pop(name)
    assert after == before


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_clean_means_the_same_folder_and_leaves_what_is_not_ours(here: Path, spelling: str) -> None:
    ours = state(here / NAME)
    theirs = ["notes.txt", "work/notes.json", "work/books/texts/notes.json", "books/documents/mine.parquet"]
    theirs += ["tokens/books/mine.bin", "models/mine/manifest.json", "work/downloads/0123456789abcdef-x.warc.gz"]
    theirs += ["books/drops/texts-mine.parquet", "work/books/texts/x.parquet", "models/tokenizer/tokenizer.vocab"]
    for name in theirs:
        (here / NAME / name).parent.mkdir(parents=True, exist_ok=True)
        (here / NAME / name).write_text('["of mine"]')
    assert clean.main([spelling.format(here=here)]) == 0
    assert set(state(here / NAME)) == set(theirs)
    assert ours.keys().isdisjoint(theirs)
    assert all((here / name).exists() for name in ("dumps", "store"))


def test_clean_leaves_nothing_of_a_corpus(here: Path) -> None:
    options = build_options(here, NAME, "plain")
    assert corpus.main([*options, "--set", "fan_in=2", "--set", "reducer_keys=5", "--set", "keep_staged=false"]) == 0
    assert report.main([NAME, "--publish"]) == 0
    # A killed attempt's file, and a killed build's that no manifest names.
    (here / NAME / "books/documents/.a.parquet.12-0123abcd.tmp").write_text("half")
    assert clean.main([NAME, "run"]) == 0
    assert not (here / NAME).exists()


@pytest.mark.parametrize("strange", ["thesis.tex", "work/thesis.json", "books/documents/thesis.parquet"])
@pytest.mark.parametrize("runner", ["plain", "local"])
def test_a_build_refuses_a_folder_of_somebody_and_touches_nothing(here: Path, strange: str, runner: str) -> None:
    path = here / "mine" / strange
    path.parent.mkdir(parents=True)
    path.write_text("years of work")
    for spelling in ("mine", "mine/", "./mine", f"{here}/mine"):
        assert corpus.main(build_options(here, spelling, runner)) == 2
    assert [found for found in (here / "mine").rglob("*") if found.is_file()] == [path]
    assert path.read_text() == "years of work"


@pytest.mark.parametrize(
    "output", ["", "/", "//", "file:///", "s3:/b/c", "s3://", "~nobody-of-this-name/x", "file://host/x"]
)
def test_what_names_no_folder_is_refused(here: Path, output: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        corpus.main(build_options(here, output, "plain"))
    assert ended.value.code == 2
    assert "argument --output" in capsys.readouterr().err


@pytest.mark.parametrize("runner", ["plain", "local"])
def test_files_of_an_input_that_is_gone_are_removed_and_said_and_strangers_stay(
    here: Path, runner: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stray = here / NAME / "books/documents/mine.parquet"
    stray.write_text("mine")
    documents = set(state(here / NAME / "arxiv/documents"))
    tiny.arxiv(here / "dumps/arXiv_src_1904_001.tar", 3)
    (here / "dumps/0.txt").unlink()
    assert corpus.main(build_options(here, f"./{NAME}/", runner)) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert f"{NAME}/arxiv/documents: removed {documents.pop()}" in said
    assert f"{NAME}/books/documents: mine.parquet not written by this corpus, and left there" in said
    assert stray.read_text() == "mine"
    stray.unlink()
    assert corpus.main(build_options(here, str(here / "again"), runner)) == 0
    assert tiny.identity(here / NAME) == tiny.identity(here / "again")


class TestNeverInputs:
    """The output, its downloads, exports, runs and other corpora."""

    def build(self, here: Path, pattern: str, output: str) -> int:
        options = build_options(here, output, "plain")
        at = options.index(f"books={here}/dumps/*.txt")
        return corpus.main([*options[:at], f"books={pattern}", *options[at + 1 :]])

    def inputs(self, output: Path) -> list[str]:
        manifest = json.loads((output / "books/manifest.json").read_text())
        return sorted(os.path.relpath(entry["path"], output.parent) for entry in manifest["inputs"])

    def test_the_output_inside_an_input_folder(self, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (here / "dumps/arXiv_src_1904_001.tar").rename(here / "papers.tar")
        (here / "dumps/up").unlink()
        shutil.copytree(here / "dumps", here / "books")
        (here / "dumps/papers.tar").symlink_to(here / "papers.tar")
        (here / "dumps/papers.tar").rename(here / "dumps/arXiv_src_1904_001.tar")
        identities = []
        for _ in range(3):
            assert self.build(here, "books", "books/corpus") == 0
            identities.append(tiny.identity(here / "books/corpus"))
            assert self.inputs(here / "books/corpus") == [f"{number}.txt" for number in range(4)]
        assert identities[0] == identities[1] == identities[2]
        assert "leaves out" in capsys.readouterr().err

    @pytest.mark.parametrize(
        "pattern",
        [NAME, f"{NAME}/books/changes.json", f"./{NAME}//work/**/*", "link/*", "here/**/*.txt", "run", "export"],
    )
    def test_what_was_made_here_is_refused(self, here: Path, pattern: str, capsys: pytest.CaptureFixture[str]) -> None:
        for name, kind in (("run", "run"), ("export", "export")):
            (here / name).mkdir()
            (here / name / "log.txt").write_text("x" * 400)
            (here / name / ".altiplano").write_text(
                json.dumps({"made_by": "altiplano-corpus", "kind": kind, "files": {}})
            )
        (here / "here").symlink_to(here / "run")
        assert self.build(here, pattern, "out") == 2
        assert "our own output is never an input" in capsys.readouterr().err
        assert not list((here / "out").rglob("*.parquet"))


def test_clean_keeps_copies_other_corpora_and_what_somebody_has_edited(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(here / NAME, here / "inner")
    (here / "inner").rename(here / NAME / "models/inner")
    inner = state(here / NAME / "models/inner")
    shutil.copytree(here / NAME / "models/tokenizer", here / NAME / "models/tokenizer-backup")
    shutil.copytree(here / NAME / "work/books", here / NAME / "work/books_backup")
    (here / NAME / "work/notes").mkdir()
    (here / NAME / "work/notes/deadbeefdeadbeef.json").write_text("mine")
    (here / NAME / "report.html").write_text("edited")
    assert clean.main([NAME]) == 0
    left = {path.split("/")[0] for path in state(here / NAME)}
    assert left == {"models", "work"}
    assert state(here / NAME / "models/inner") == inner
    assert verify.main([f"{NAME}/models/inner"]) == 0
    assert (here / NAME / "report.html").read_text() == "edited"
    assert sorted(path.name for path in (here / NAME / "work").iterdir()) == ["books_backup", "notes"]
    assert sorted(path.name for path in (here / NAME / "models").iterdir()) == ["inner", "tokenizer-backup"]
    assert clean.main([NAME]) == 2  # nothing of ours is left, so the folder is no longer ours


@pytest.mark.parametrize("was_there", [False, True])
def test_what_is_refused_or_only_asked_leaves_no_trace(here: Path, was_there: bool) -> None:
    if was_there:
        (here / "new").mkdir()
    options = build_options(here, "new", "plain")
    assert corpus.main([*options, "--dry-run"]) == 0
    assert corpus.main([*options, "--input", "books=none/*.txt"]) == 2
    assert corpus.main([*options, "--model", "lid"]) == 2
    assert list(here.glob("new/*") if was_there else here.glob("new*")) == []
    assert not list(here.glob("new/.*"))


ADDRESSES = (
    "s3://u:5ec7e7@b/c",
    "s3://b/c?X-Amz-Signature=5ec7e7",
    "https://u:5ec7e7@host/c?sig=5ec7e7",
    "ftp://u:5ec7e7@host/c",
    "ftp://u:'5ec\"7e7@host/c",
    "https:/u:5ec7e7@host/c",
    "u:5ec7e7@host/c",
    "u:'5ec/7e7@host/c",
)


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("command", [*COMMANDS, "clean", "compare", "run", "corpus", "dry run", "option", "tokenizer"])
def test_no_door_prints_a_secret(here: Path, command: str, address: str, capsys: pytest.CaptureFixture[str]) -> None:
    commands = COMMANDS | {
        "clean": lambda path: clean.main([path]),
        "compare": lambda path: report.main([NAME, "--compare", path]),
        "run": lambda path: report.main([NAME, "--run", path]),
        "corpus": lambda path: corpus.main(["--output", "new", "--input", f"c4={path}"]),
        "dry run": lambda path: corpus.main(["--output", "new", "--input", f"c4={path}", "--dry-run"]),
        "option": lambda path: corpus.main(["--output", "new", "--input", f"c4[files=1,base={path}]=none.txt"]),
        "tokenizer": lambda path: check.main([path]),
    }
    with suppress(SystemExit):
        commands[command](address)
    said = "".join(capsys.readouterr())
    assert said
    assert not [part for part in ("5ec", "7e7") if part in said]


@pytest.mark.parametrize("content", ["[1, 2]", '[["a"]]', "[null]", "{}", "7", "[" * 100_000, "\udc80"])
@pytest.mark.parametrize(
    "name", [".altiplano", "work/inputs.json", "work/books/books/begun", "work/tokens/books/begun"]
)
def test_what_lies_between_builds_may_be_anything(here: Path, name: str, content: str) -> None:
    identity = tiny.identity(here / NAME)
    (here / NAME / name).write_text(content, errors="surrogateescape")
    assert corpus.main(build_options(here, NAME, "plain")) == 0
    assert tiny.identity(here / NAME) == identity


def test_one_file_for_two_options(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "q.jsonl").write_text('{"question": "one two three four five six seven eight nine ten eleven"}\n')
    (here / "dangling").symlink_to(here / "nowhere")
    for options in (["--drop", "o", "--json", "./o"], ["--json", "dangling"], ["--drop", "dumps/0.txt"]):
        with pytest.raises(SystemExit):
            contamination.main([NAME, "q.jsonl", *options])
    assert not (here / "o").exists()
    assert (here / "dangling").is_symlink()


def test_the_samples_folder(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "raw").mkdir()
    (here / "raw/dump.xml").write_text("mine")
    assert layout.main(["--output", "raw/", "--cache", "none"]) == 2
    assert (here / "raw/dump.xml").read_text() == "mine"
    capsys.readouterr()


def test_clean_keeps_what_lies_beside_ours_and_only_looks_like_it(here: Path) -> None:
    corpus_folder = here / NAME
    theirs = {
        "tokens/books-backup/manifest.json": (corpus_folder / "tokens/books/manifest.json").read_text(),
        "models/language_models/bak/manifest.json": json.dumps({"files": {"model.arpa": "x"}}),
        "models/language_models/bak/model.arpa": "mine",
        "work/books/backup/0123456789abcdef.parquet": "mine",
        "mine/.draft.1-deadbeef.tmp": "mine",
        "photos/documents/holiday.parquet": "mine",
        "work/photos/x/begun": json.dumps(["holiday.json"]),
        "mine/diary.txt": "mine",
    }
    for name, content in theirs.items():
        (corpus_folder / name).parent.mkdir(parents=True, exist_ok=True)
        (corpus_folder / name).write_text(content)
    mark = json.loads((corpus_folder / ".altiplano").read_text())
    mark["files"]["mine/diary.txt"] = None
    (corpus_folder / ".altiplano").write_text(json.dumps(mark))
    assert clean.main([NAME]) == 0
    assert set(state(corpus_folder)) == set(theirs)


def test_a_mark_of_somebody_elses_is_left_by_a_build_that_is_only_asked_for(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "notes").mkdir()
    (here / "notes/.altiplano").write_text("my own notes")
    options = ["--output", "notes", "--recipe", "paper", "--input", f"books={here}/*.txt", "--dry-run"]
    assert corpus.main(options) == 2
    assert "this is not a mark of ours" in capsys.readouterr().err
    assert (here / "notes/.altiplano").read_text() == "my own notes"


def test_an_edited_page_is_kept_in_a_corpus_copied_without_its_hidden_files(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report.main([NAME]) == 0
    shutil.copytree(here / NAME, here / "copied", ignore=shutil.ignore_patterns(".altiplano"))
    assert report.main(["copied"]) == 0
    page = here / "copied/report.html"
    (here / "copied/.altiplano").unlink(missing_ok=True)
    page.write_text(page.read_text().replace("<body", '<body data-mine="notes"'))
    capsys.readouterr()
    assert report.main(["copied"]) == 2
    assert "has changed since we wrote it" in capsys.readouterr().err
    assert "data-mine" in page.read_text()


def test_a_summary_of_somebody_elses_is_not_overwritten(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = here / "books/corpus/summary.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.joinpath(".altiplano").write_text(
        json.dumps({"made_by": "altiplano-corpus", "kind": "corpus", "files": {}})
    )
    path.write_text('{"my": "own notes"}')
    with pytest.raises(ValueError, match=r"summary.json was not written by us, so it is not overwritten"):
        summary.check(str(path.parent))
    assert path.read_text() == '{"my": "own notes"}'
    summary.check(NAME)
