"""What a build says: that it keeps nothing, what it waits for, why it fails; each in a line, without a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipelines import clean, corpus, export, report, trace
from pipelines.export import __main__ as exporting
from pipelines.files import commands, lock, ours, remote, storage, waits
from pipelines.inputs import fetching
from pipelines.runners.tasks import protocol
from tests.pipelines import tiny

assert export  # the folder of the command
REPOSITORY = Path(__file__).parents[2]


def own(tmp_path: Path, rows: Sequence[str], *more: str) -> list[str]:
    (tmp_path / "own.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in rows))
    given = ["--recipe", "texts", "--input", f"own={tmp_path}/own.jsonl", "--runner", "plain", "--set", "buckets=2"]
    return [*given, "--output", str(tmp_path / "corpus"), *more]


KEPT = "The herders have to be with the llamas of the valley, and that is what they do. " * 8


class TestSilence:
    STRICT = ("--set", "texts.own.filters.gopher.quality=true")

    def warned(self, tmp_path: Path, given: list[str], capsys: pytest.CaptureFixture[str]) -> list[str]:
        """Return the warnings, which stand everywhere."""
        capsys.readouterr()
        assert corpus.main(given) == 0
        said = capsys.readouterr()
        manifest = json.loads((tmp_path / "corpus/own/manifest.json").read_text())
        found: list[str] = manifest["silent"]
        assert set(found) <= set(manifest["warnings"])
        assert (
            json.loads((tmp_path / "corpus/summary.json").read_text())["sources"]["own"]["warnings"]
            == manifest["warnings"]
        )
        card = (tmp_path / "corpus/report.html").read_text()
        for warning in found:
            assert f"warning: {warning}" in said.out
            assert f"warning: {warning}" in said.err
            assert warning.partition(",")[0] in card
        return found

    def test_a_source_that_keeps_nothing(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        given = own(tmp_path, ["Too short.", "This is too short as well."], *self.STRICT)
        (warning,) = self.warned(tmp_path, given, capsys)
        assert warning.startswith(
            "own kept nothing of 2 documents; the stage filtered kept none of 2; most were dropped for"
        )
        assert "gopher_few_words in filtered: 2, such as own/" in warning
        assert "Too short." in warning or "too short as well" in warning

    def test_strict_makes_it_a_failure(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        given = own(tmp_path, ["Too short."], *self.STRICT, "--strict")
        for _ in range(2):
            assert corpus.main(given) == 1
            assert "failed: --strict: own kept nothing of 1 documents" in capsys.readouterr().err
            assert not (tmp_path / "corpus/manifest.json").exists()
        assert corpus.main(own(tmp_path, [KEPT], *self.STRICT, "--strict")) == 0

    def test_a_small_share_is_a_field_of_the_recipe(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        given = own(tmp_path, [KEPT, *["Too short."] * 3], *self.STRICT)
        assert self.warned(tmp_path, given, capsys) == []
        (warning,) = self.warned(tmp_path, [*given, "--set", "texts.own.least_kept=0.3"], capsys)
        assert warning.startswith(
            "own kept 1 (25.00%, less than own.least_kept=0.3) of 4 documents; most were dropped for"
        )

    def test_files_that_hold_or_keep_nothing_are_named(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "short.jsonl").write_text('{"text": "Too short."}\n' * 10)
        (tmp_path / "none.jsonl").write_text("")
        given = own(tmp_path, [KEPT], *self.STRICT, "--set", "texts.own.least_kept=0")
        given += ["--input", f"own={tmp_path}/short.jsonl", "--input", f"own={tmp_path}/none.jsonl"]
        assert sorted(self.warned(tmp_path, given, capsys)) == [
            "own: none.jsonl: no record was read",
            "own: short.jsonl: nothing of 10 was kept; most were dropped for gopher_few_words in filtered: 10",
        ]

    def test_a_source_that_reads_nothing(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (warning,) = self.warned(tmp_path, own(tmp_path, []), capsys)
        assert warning == "own read nothing: no record in own.jsonl"

    def test_nothing_to_train_a_tokenizer_on_names_the_source(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "a.txt").write_text("no book")
        given = ["--recipe", "paper", "--source", "books", "--input", f"books={tmp_path}/a.txt", "--runner", "plain"]
        assert corpus.main([*given, "--output", str(tmp_path / "corpus")]) == 1
        said = capsys.readouterr().err
        assert "warning: books kept nothing of 1 documents" in said
        assert "nothing was kept of books; the warnings above say why" in said


class TestWaiting:
    def test_silence_is_broken_once_and_the_end_of_it_is_said(self) -> None:
        said: list[str] = []
        told = threading.Event()

        def say(text: str) -> None:
            said.append(text)
            told.set()

        with waits.Wait("https://host/f", say, 0.01) as wait:
            wait.because = "no answer"
            assert told.wait(20)
            told.clear()
            wait.progressed()
            assert told.is_set()
        assert said[0].startswith("waiting for https://host/f")
        assert said[1].startswith("goes on: https://host/f, after ")

    def test_what_goes_on_says_nothing(self) -> None:
        with waits.Wait("x", lambda text: pytest.fail(text), 1000):
            pass

    def test_secrets_are_not_said(self, capsys: pytest.CaptureFixture[str]) -> None:
        waits.say("waiting for https://user:5ec7e7@host/f?sig=5ec7e7")
        assert "5ec7e7" not in capsys.readouterr().err

    def test_many_requests_that_wait_for_one_store_say_it_once(self) -> None:
        said: list[str] = []
        say = waits.OncePerPlace(said.append)
        for name in ("a", "b"):
            say(f"waiting for s3://bucket/{name} (down)")
        say("waiting for s3://other/c")
        for name in ("a", "b"):
            say(f"goes on: s3://bucket/{name}, after 50 s")
        say("waiting for s3://bucket/d")
        assert said == [
            "waiting for s3://bucket/a (down)",
            "waiting for s3://other/c",
            "goes on: s3://bucket/a, after 50 s",
            "waiting for s3://bucket/d",
        ]

    def test_a_request_to_a_store_that_is_away_says_so(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(waits, "SECONDS", 0.001)
        told = threading.Event()

        def say(text: str) -> None:
            print(text)
            told.set()

        monkeypatch.setattr(remote, "_say", say)
        monkeypatch.setattr(remote, "PAUSE_SECONDS", 0.0)
        monkeypatch.setattr(remote, "_store", lambda path: SimpleNamespace(facts=lambda path: told.wait(20) and None))
        assert remote.facts("s3://bucket/a") is None
        assert "waiting for s3://bucket/a" in capsys.readouterr().out

    def test_a_host_that_does_not_resolve_is_said_with_the_reason_while_it_is_tried(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(waits, "SECONDS", 0.001)
        said: list[str] = []
        told = threading.Event()

        def report(text: str) -> None:
            said.append(text)
            told.set()

        def pause(seconds: float) -> None:
            told.wait(20)

        url = "https://no-such-host.invalid/f.gz"
        with pytest.raises(fetching.DownloadError, match=r"no-such-host\.invalid/f\.gz: cannot be fetched after 8"):
            fetching.fetch([url], str(tmp_path), pause=pause, report=report)
        assert said[0].startswith(f"waiting for {url}")

    def test_a_held_lock_is_refused_before_anything_is_read_with_its_holder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        given = own(tmp_path, [KEPT])
        ours.claim(str(tmp_path / "corpus"), ours.Kind.CORPUS)
        with lock.alone(str(tmp_path / "corpus")), monkeypatch.context() as patch:
            patch.setattr(storage, "list_files", lambda pattern: pytest.fail("an input is looked for"))
            assert corpus.main(given) == 2
        said = capsys.readouterr().err
        assert f"another build is writing there: {os.uname().nodename}, process {os.getpid()}, since 20" in said
        assert corpus.main(given) == 0


class TestErrors:
    def test_what_workers_raise_is_one_line_and_its_traceback_in_the_log(self, tmp_path: Path) -> None:
        tiny.books(tmp_path, 4)
        given = ["--recipe", "paper", "--source", "books", "--input", f"books={tmp_path}/*.txt", "--workers", "2"]
        given += ["--set", "tokenizer.vocabulary=30000", "--output", f"{tmp_path}/corpus"]
        done = ran(["pipelines.corpus", *given])
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("failed: ")]
        assert "models/tokenizer: the largest vocabulary for this text is " in line
        assert f"(the traceback is in {tmp_path}/corpus/work/log.txt)" in line
        largest = line.partition("--set tokenizer.vocabulary=")[2].partition(" ")[0]
        log = (tmp_path / "corpus/work/log.txt").read_text()
        assert "Traceback" in log
        assert "make_tokenizer" in log
        given[given.index("tokenizer.vocabulary=30000")] = f"tokenizer.vocabulary={largest}"
        assert ran(["pipelines.corpus", *given]).returncode == 0

    def test_the_log_holds_no_secret(self, tmp_path: Path) -> None:
        error = RuntimeError("https://user:5ec7e7@host/f?sig=5ec7e7")
        for _ in range(2):
            commands.log(error, str(tmp_path / "log.txt"))
        log = (tmp_path / "log.txt").read_text()
        assert log.count("RuntimeError: https://host/f") == 2
        assert "5ec7e7" not in log

    def test_what_nobody_expected_is_one_line_too(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def broken(*jobs: object, **how: object) -> None:
            raise ZeroDivisionError("a mistake")

        monkeypatch.setattr(protocol, "run", broken)
        assert corpus.main(own(tmp_path, [KEPT])) == 1
        (line,) = [line for line in capsys.readouterr().err.splitlines() if line]
        assert line.startswith("failed: ZeroDivisionError: a mistake: this is a bug in Altiplano (the traceback is in ")
        assert (tmp_path / "corpus/work/log.txt").exists()
        assert clean.main([str(tmp_path / "corpus")]) == 0
        assert not (tmp_path / "corpus").exists()

    def test_a_filter_without_models_names_no_program_that_would_make_them_elsewhere(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert corpus.main(own(tmp_path, [KEPT], "--set", "texts.own.filters.perplexity.buckets=head")) == 2
        said = capsys.readouterr().err
        assert "filters.perplexity needs language models: give them with --model language_models=PATH" in said
        assert "lmplz" not in said

    def test_a_build_that_is_refused_leaves_no_trace(self, tmp_path: Path) -> None:
        assert corpus.main(own(tmp_path, [KEPT], "--set", "buckets=3")) == 2
        assert not (tmp_path / "corpus").exists()

    def test_ctrl_c_while_a_command_is_still_imported(self, tmp_path: Path) -> None:
        (tmp_path / "rich").mkdir()
        (tmp_path / "rich/__init__.py").write_text("raise KeyboardInterrupt")
        done = ran(["pipelines.report", "x"], PYTHONPATH=f"{tmp_path}:{REPOSITORY}")
        assert (done.returncode, done.stderr) == (-2, "stopped: interrupted\n")

    def test_several_things_are_a_line_each_and_what_has_line_ends_is_one(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert commands.failed(ValueError("one\ntwo")) == 2
        assert capsys.readouterr().err == "error: one two\n"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("built")
    given = own(folder, [KEPT])
    assert corpus.main(given) == 0
    return given


class TestOutputs:
    @pytest.mark.parametrize(("redirected", "said"), [(">&-", ""), (">/dev/full", "No space left"), ("| true", "")])
    def test_a_summary_that_nobody_takes_is_no_failed_build(self, built: list[str], redirected: str, said: str) -> None:
        done = shell(["pipelines.corpus", *built], redirected)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        assert said in done.stderr

    @pytest.mark.parametrize("command", ["pipelines.verify", "pipelines.report", "pipelines.account.summary"])
    @pytest.mark.parametrize("redirected", ["| true", ">/dev/full"])
    def test_an_output_that_cannot_be_written_is_one_line(
        self, built: list[str], command: str, redirected: str
    ) -> None:
        done = shell([command, built[built.index("--output") + 1]], redirected)
        assert len(done.stderr.splitlines()) <= 1
        assert "Traceback" not in done.stderr
        if redirected == ">/dev/full":
            assert done.returncode == 1
            assert "No space left on device" in done.stderr

    def test_an_output_that_a_command_finds_full_itself_is_one_line(self) -> None:
        code = (
            "from pipelines.files import commands\n"
            "def main():\n"
            "    print('it is kept until the end')\n"
            "    return commands.failed('No space left on device')\n"
            "commands.run(main)"
        )
        with Path("/dev/full").open("w") as full:
            buffered = {**os.environ, "PYTHONUNBUFFERED": ""}
            command = [sys.executable, "-c", code]
            done = subprocess.run(command, env=buffered, stdout=full, stderr=subprocess.PIPE, text=True)
        assert (done.returncode, done.stderr) == (2, "error: No space left on device\n")

    def test_a_card_that_cannot_be_written_is_one_line(
        self, built: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def refuse(path: str) -> None:
            raise OSError(30, "Read-only file system", f"{path}/report.html")

        monkeypatch.setattr(report, "write_page", lambda *given, **options: refuse("corpus"))
        assert report.main([built[built.index("--output") + 1]]) == 1
        assert capsys.readouterr().err == "error: corpus/report.html: Read-only file system\n"

    def test_a_source_that_is_not_there_names_those_that_are(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for name in ("books", "arxiv"):
            storage.write_json(f"{tmp_path}/tokens/{name}/manifest.json", {})
        with pytest.raises(SystemExit):
            trace.main([str(tmp_path), "--source", "bocks", "--token", "1"])
        assert "no tokens of a source 'bocks'; available: arxiv, books" in capsys.readouterr().err

    def test_an_export_of_what_is_no_corpus(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            exporting.main(["nanogpt", str(tmp_path), str(tmp_path / "out")])
        assert f"{tmp_path}: no corpus here (there is no manifest.json" in capsys.readouterr().err


def test_a_trainer_of_somebody_elses_in_the_working_directory_is_not_ours(tmp_path: Path) -> None:
    for name in ("train", "model", "pipelines"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not ours')")
    command = [sys.executable, "-P", "-m", "pipelines.corpus", "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = (REPOSITORY / "Makefile").read_text().splitlines()
    started = [line for line in lines if "/python" in line and " -m " in line]
    assert len(started) > 8
    assert [line for line in started if " -P" not in line] == []


def ran(arguments: Sequence[str], **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, env={**os.environ, **environment})


def shell(arguments: Sequence[str], redirected: str) -> SimpleNamespace:
    script = f'"$@" {redirected}; exit "${{PIPESTATUS[0]}}"'
    command = ["bash", "-c", script, "bash", sys.executable, "-m", *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    return SimpleNamespace(returncode=done.returncode, stderr=done.stderr)
