"""The first hour with the command: what is wrong is said before any work starts, all at once, by option and value."""

from __future__ import annotations

import errno
import gzip
import json
import os
import random
import shutil
import socket
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest

from pipelines import corpus, options
from pipelines.build import SOURCES
from pipelines.files import storage, tables
from pipelines.inputs import inputs
from tests.pipelines import tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("dumps")
    tiny.write(made)
    return made


def lines_of(capsys: pytest.CaptureFixture[str], code: int, arguments: list[str]) -> list[str]:
    assert corpus.main(arguments) == code
    return capsys.readouterr().err.splitlines()


def web(folder: Path, *more: str) -> list[str]:
    given = ["--recipe", "paper", "--source", "common_crawl", "--runner", "plain", "--set", "buckets=2"]
    given += ["--input", f"common_crawl={folder}/common_crawl/*.gz", "--model", f"lid={folder}/models/lid.bin"]
    return [*given, *more]


class TestAllAtOnce:
    def test_every_wrong_option_has_a_line_that_names_it(
        self, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "rows.jsonl").write_text('{"text": "a"}\n')
        wrong = ["--recipe", "paper", "--workers", "0", "--set", "c4.english.threshold=2", "--set", "no.such=1"]
        wrong += ["--source", "usenet", "--source", "books", "--source", "c4", "--model", "lid=nothing"]
        wrong += ["--set", "buckets=3", "--set", "c4.filters.language.languages=en", "--model", "parrot=x"]
        wrong += ["--input", f"books={tmp_path}/rows.jsonl", "--input", f"c4={tmp_path}/none*.gz", "--input", "c4"]
        lines = lines_of(capsys, 2, [*wrong, "--output", str(tmp_path / "new/corpus")])
        for named in (
            "--workers 0: at least 1",
            "--set no.such=1: there is no field 'no'",
            "c4.english.threshold is 2.0; it must be a share",
            "buckets is 3; it must be a power of two",
            "--source usenet: there is no such source",
            "--model parrot=x: there is no model",
            f"--input books={tmp_path}/rows.jsonl: this is JSON",
            f"--input c4={tmp_path}/none*.gz: no such file",
            "--input c4: write it as NAME=GLOB",
        ):
            assert len([line for line in lines if line.startswith(f"error: {named}")]) == 1, (named, lines)
        assert not (tmp_path / "new").exists()

    def test_shares_that_leave_nothing_are_the_only_error(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "rows.jsonl").write_text('{"text": "a"}\n')
        given = ["--recipe", "paper", "--input", f"own={tmp_path}/rows.jsonl", "--set", "texts.own.share=1"]
        (line,) = lines_of(capsys, 2, [*given, "--output", str(tmp_path / "corpus")])
        assert line == "error: --set texts: the shares of own leave nothing for the sources of Table 1"

    def test_a_folder_of_the_wrong_kind_is_named_by_its_first_files(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "in").mkdir()
        for number in range(20):
            (tmp_path / f"in/{number:02d}.warc.wet.gz").write_bytes(gzip.compress(b"no WARC"))
        given = ["--source", "c4", "--recipe", "paper", "--input", f"c4={tmp_path}/in"]
        given += ["--output", str(tmp_path / "corpus")]
        lines = [line for line in lines_of(capsys, 2, given) if "--input" in line]
        assert len(lines) == 6
        assert lines[-1] == "error: --input c4: and 15 more files like these"


class TestModels:
    @pytest.mark.parametrize(
        ("language", "near"),
        [
            ("deu", "deu is de"),
            ("ger", "ger is de"),
            ("German", "German is de"),
            ("english", "english is en"),
            ("DE", "its labels are like de"),
        ],
    )
    def test_a_language_that_the_model_has_no_label_of_is_named_with_those_near(
        self, folder: Path, tmp_path: Path, language: str, near: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        given = web(folder, "--set", f"common_crawl.quality.languages=en,{language}", "--output", str(tmp_path / "c"))
        given += ["--set", "common_crawl.perplexity=false", "--set", "common_crawl.reference.classifier=false"]
        (line,) = lines_of(capsys, 2, given)
        assert f"common_crawl.quality.languages: it has no label {language!r}; {near}" in line

    def test_what_is_missing_is_said_with_the_way_to_do_without(
        self, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        lines = lines_of(capsys, 2, web(folder, "--output", str(tmp_path / "c")))
        assert [line for line in lines if "needs --source wikipedia" in line]
        assert "--set common_crawl.perplexity=false --set common_crawl.reference.classifier=false" in lines[0]

    def test_a_language_of_which_no_language_model_is_made(
        self, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        given = web(folder, "--source", "wikipedia", "--input", f"wikipedia={folder}/enwiki-*.xml.bz2")
        given += ["--set", "language_models.estimator=kneser_ney", "--set", "common_crawl.quality.languages=de"]
        lines = lines_of(capsys, 2, [*given, "--output", str(tmp_path / "c")])
        assert "'de', for which no language model is made: --set language_models.languages=en,de, or" in lines[0]
        assert "common_crawl.training.language is 'en', but no pages in that language are kept" in lines[1]
        given += ["--set", "language_models.languages=de", "--set", "common_crawl.training.language=de"]
        lines = lines_of(capsys, 2, [*given, "--output", str(tmp_path / "c")])
        assert "--input wikipedia: no dump is in 'de', for which common_crawl.quality.languages needs" in lines[0]


class TestLocalInputs:
    def refused(self, tmp_path: Path, path: object, capsys: pytest.CaptureFixture[str]) -> str:
        given = ["--recipe", "paper", "--source", "books", "--input", f"books={path}", "--output", str(tmp_path / "c")]
        return "\n".join(lines_of(capsys, 2, given))

    def test_an_empty_folder_says_that_it_is_empty(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "empty").mkdir()
        assert "empty: this folder holds no file" in self.refused(tmp_path, tmp_path / "empty", capsys)
        (tmp_path / "empty/.hidden").touch()
        assert "empty: this folder holds only hidden files" in self.refused(tmp_path, tmp_path / "empty", capsys)

    def test_a_pipe_cannot_be_read_twice(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        reading, writing = os.pipe()
        try:
            said = self.refused(tmp_path, f"/dev/fd/{reading}", capsys)
        finally:
            os.close(reading)
            os.close(writing)
        assert f"--input books=/dev/fd/{reading}: this is not a regular file" in said

    def test_what_is_hidden_is_left_out_at_any_depth_and_links_are_followed(self, tmp_path: Path) -> None:
        for name in ("a/b.txt", "a/.git/config", "a/x/.ipynb_checkpoints/b.txt", "a/x/.c.txt", "far/d.txt"):
            storage.write_bytes(str(tmp_path / name), b"text")
        (tmp_path / "a/linked").symlink_to(tmp_path / "far", target_is_directory=True)
        (tmp_path / "far/loop").symlink_to(tmp_path / "a", target_is_directory=True)
        source = SOURCES["books"]
        for pattern in ("a", "a/**/*"):
            found = inputs.listed(source, [({}, str(tmp_path / pattern))], str(tmp_path / "work/inputs.json"))
            names = {str(Path(path).relative_to(tmp_path)) for path in found.files}
            assert names - {"a/linked/d.txt"} == {"a/b.txt"}
            assert ("a/linked/d.txt" in names) == (pattern == "a")
        hidden = inputs.listed(source, [({}, str(tmp_path / "a/.git/*"))], str(tmp_path / "work/inputs.json"))
        assert [Path(path).name for path in hidden.files] == ["config"]

    def test_a_name_that_is_not_utf8_is_an_error_with_the_name(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "d").mkdir()
        (tmp_path / "d/good.txt").write_text("a")
        Path(os.fsdecode(os.fsencode(tmp_path / "d") + b"/caf\xe9.txt")).write_text("b")
        assert "caf\\xe9.txt' is not UTF-8" in self.refused(tmp_path, tmp_path / "d", capsys)


class TestOutput:
    def test_a_folder_that_cannot_be_made(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        lines = lines_of(capsys, 2, web(folder, "--output", "/proc/nowhere"))
        assert lines[0].startswith("error: --output /proc/nowhere: it cannot be written: ")
        assert "needs --source wikipedia" in lines[1]

    def test_a_full_disk(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        given = ["--recipe", "paper", "--source", "books", "--input", f"books={folder}/books/*.txt"]
        given += ["--dry-run", "--output", str(tmp_path / "c")]
        monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1_000_000))
        lines = lines_of(capsys, 2, given)
        assert f"error: --output {tmp_path}/c: 1 MB are free there, and at least 50 MB are needed" in lines[0]
        monkeypatch.setattr(options, "FREE_BYTES", 0)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1))
        lines = lines_of(capsys, 0, given)
        assert lines[0].startswith(f"warning: --output {tmp_path}/c: 0 MB are free there, less than the inputs have")


@pytest.fixture
def server(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """A server of the dumps' folder, and what was asked of it."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            content = (folder / self.path.lstrip("/")).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=running.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_port}", asked
    finally:
        running.shutdown()
        thread.join()
        running.server_close()


class TestDryRun:
    @pytest.mark.parametrize("where", ["here", "there"])
    def test_a_listing_s_files_are_named_and_not_fetched(
        self,
        folder: Path,
        tmp_path: Path,
        server: tuple[str, list[str]],
        where: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        url, asked = server
        names = sorted(path.relative_to(folder).as_posix() for path in (folder / "common_crawl").glob("*.gz"))
        (folder / "wet.paths").write_text("\n".join(names))
        listing = str(folder / "wet.paths") if where == "here" else f"{url}/wet.paths"
        output = tmp_path / "corpus"
        given = ["--recipe", "paper", "--source", "c4", "--input", f"c4[files=all,base={url}/]={listing}"]
        given += ["--model", f"bad_words={folder}/models/bad_words.txt", "--output", str(output)]
        assert corpus.main([*given, "--dry-run"]) == 0
        said = capsys.readouterr().out
        assert all(f"{url}/{name}" in said for name in names)
        assert f"first wave: known once {len(names)} files are downloaded" in said
        assert asked == ([] if where == "here" else ["/wet.paths"])
        assert not output.exists()

    def test_the_same_is_wrong_as_in_a_build(
        self, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        wrong = web(folder, "--output", str(tmp_path / "c"), "--set", "buckets=3", "--model", "tokenizer=none")
        assert lines_of(capsys, 2, [*wrong, "--dry-run"]) == lines_of(capsys, 2, wrong)

    def test_nothing_is_read_whole_and_what_was_built_is_known(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        given = [
            "--recipe",
            "paper",
            "--source",
            "books",
            "--input",
            f"books={folder}/books/*.txt",
            "--runner",
            "plain",
        ]
        given += ["--set", "tokenize=false", "--output", str(tmp_path / "c")]
        with monkeypatch.context() as patch:
            patch.setattr(storage, "sha256", lambda path: pytest.fail(f"{path} is read whole"))
            assert corpus.main([*given, "--dry-run"]) == 0
        assert "first wave: books/texts, " in capsys.readouterr().out
        assert corpus.main(given) == 0
        capsys.readouterr()
        assert corpus.main([*given, "--dry-run"]) == 0
        assert "first wave: nothing is left to do" in capsys.readouterr().out


def pages(path: Path, texts: Mapping[str, list[str]]) -> None:
    records = [
        tiny.wet_record(f"https://{language}.example.org/{number}", text, number)
        for language, found in texts.items()
        for number, text in enumerate(found)
    ]
    storage.write_bytes(str(path), b"".join(records))


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three WET files of German and English pages, with lines that all have."""
    made = tmp_path_factory.mktemp("mixed")
    rng = random.Random(7)
    for number in range(3):
        german = [
            "\n".join(f"{' '.join(rng.choices(tiny.WORDS, k=5))} {tiny.GERMAN}" for _ in range(6)) + f"\n{tiny.MENU}"
            for _ in range(5)
        ]
        english = [f"{tiny.prose(rng, 6)}\n{tiny.MENU}" for _ in range(5)]
        pages(made / f"{number}.warc.wet.gz", {"de": german, "en": english})
    tiny.language_model(made / "lid.bin", made)
    return made


class TestCommonCrawlAlone:
    OFF = ("--set", "common_crawl.perplexity=false", "--set", "common_crawl.reference.classifier=false")

    def built(self, mixed: Path, tmp_path: Path, *more: str) -> tuple[dict[str | None, int], Path]:
        output = tmp_path / "corpus"
        given = ["--recipe", "paper", "--source", "common_crawl", "--input", f"common_crawl={mixed}/*.gz"]
        given += ["--set", "tokenize=false", "--set", "buckets=2", "--runner", "plain", "--output", str(output), *more]
        assert corpus.main(given) == 0
        rows = [
            row for path in sorted(output.glob("common_crawl/documents/*")) for row in tables.read_documents(str(path))
        ]
        return {
            language: [row.language for row in rows].count(language) for language in {row.language for row in rows}
        }, output

    def test_german_from_three_files_without_wikipedia(self, mixed: Path, tmp_path: Path) -> None:
        given = ("--model", f"lid={mixed}/lid.bin", "--set", "common_crawl.quality.languages=de", *self.OFF)
        found, output = self.built(mixed, tmp_path, *given)
        assert found == {"de": 15}
        made = json.loads((output / "models/manifest.json").read_text())
        assert set(made) == {"lid"}
        stages = json.loads((output / "common_crawl/manifest.json").read_text())["stages"]
        assert [row["stage"] for row in stages] == [
            "common_crawl/paragraphs",
            "common_crawl/quality",
            "common_crawl/reference",
        ]

    def test_where_each_model_is_from_is_said(
        self, mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        raw, given = tmp_path / "raw", ("--set", "common_crawl.quality.languages=de", *self.OFF)
        asked = ["--recipe", "paper", "--source", "common_crawl", "--input", f"common_crawl={mixed}/*.gz", *given]
        asked += ["--raw", str(raw), "--output", str(tmp_path / "corpus"), "--dry-run", "--set", "buckets=2"]
        (line,) = lines_of(capsys, 2, asked)
        place = f"{raw}/models/lid.176.ftz"
        assert line.startswith(
            f"error: the model lid is needed: give it with --model lid=FILE (there is none in {place}"
        )
        assert "altiplano sample" in line
        (raw / "models").mkdir(parents=True)
        Path(place).write_bytes((mixed / "lid.bin").read_bytes())
        assert corpus.main(asked) == 0
        said = capsys.readouterr().out
        assert f"model lid: found in {place}\n" in said
        assert "made here: models/tokenizer\n" in said
        assert corpus.main([*asked, "--model", f"lid={mixed}/lid.bin"]) == 0
        assert f"model lid: given, {mixed}/lid.bin\n" in capsys.readouterr().out
        self.built(mixed, tmp_path, "--raw", str(raw), *given)
        assert f"model lid: found in {place}\n" in capsys.readouterr().err
        Path(place).write_bytes(b"other")
        (line,) = lines_of(capsys, 2, asked)
        assert line.startswith(f"error: the model lid that was found in {place} (--model lid=FILE names another): ")

    @pytest.mark.parametrize("languages", ["all", "", "de,en"])
    def test_several_languages_and_all(self, mixed: Path, tmp_path: Path, languages: str) -> None:
        given = ("--model", f"lid={mixed}/lid.bin", "--set", f"common_crawl.quality.languages={languages}", *self.OFF)
        assert self.built(mixed, tmp_path, *given)[0] == {"de": 15, "en": 15}

    def test_no_stage_at_all(self, mixed: Path, tmp_path: Path) -> None:
        off = (*self.OFF, "--set", "common_crawl.language=false", "--set", "common_crawl.duplicate_lines=false")
        found, output = self.built(mixed, tmp_path, "--model", "lid=nothing/there", *off)
        assert found == {None: 30}
        rows = tables.read_documents(str(next(output.glob("common_crawl/documents/*"))))
        assert all(tiny.MENU in row.text for row in rows)

    def test_perplexity_needs_a_language(self, mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        given = ["--recipe", "paper", "--source", "common_crawl", "--input", f"common_crawl={mixed}/*.gz"]
        given += ["--output", str(tmp_path), "--set", "common_crawl.language=false"]
        assert "common_crawl.perplexity is True, but no language" in "\n".join(lines_of(capsys, 2, given))


def test_a_machine_without_loopback_is_told_before_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unreachable(*_: object) -> None:
        raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))

    monkeypatch.setattr(socket, "create_connection", unreachable)
    book = tmp_path / "a.txt"
    book.write_text("A book.")
    arguments = ["--input", f"books={book}", "--output", str(tmp_path / "corpus"), "--dry-run"]
    assert corpus.main(arguments) == 2
    said = capsys.readouterr().err
    assert "--runner local: its workers talk over this machine's loopback, 127.0.0.1" in said
    assert "Network is unreachable" in said
    corpus.main([*arguments, "--runner", "plain"])
    assert "loopback" not in capsys.readouterr().err
