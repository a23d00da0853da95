"""The one command: each of its names is a `python -m`, with help at once, an example that parses, and agreed exits."""

from __future__ import annotations

import importlib
import os
import re
import resource
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import altiplano
from pipelines import command_lines as corpus_lines
from pipelines import recipes
from pipelines.export.__main__ import FORMATS
from pipelines.files import commands
from pipelines.tokens import shards
from tests.slowness import slowness
from train import command_lines as run_lines

ROOT = Path(__file__).parents[1]
NAMES = list(altiplano.COMMANDS)
HELP_SECONDS = 0.3


def called(words: Sequence[str], cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `altiplano` as its script does: its folder is on the path, the working directory is not."""
    start = "import altiplano; altiplano.main()"
    return python("-P", "-c", start, *words, cwd=cwd, PYTHONPATH=str(ROOT), **environment)


def python(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, env={**os.environ, **environment}
    )


def module(name: str) -> str:
    return altiplano.COMMANDS[name].module.removesuffix(".__main__")


def main_of(name: str) -> Any:
    return importlib.import_module(altiplano.COMMANDS[name].module).main


def ended(name: str, arguments: Sequence[str]) -> object:
    try:
        return main_of(name)(arguments)
    except SystemExit as end:
        return end.code


@cache
def help_of(name: str) -> tuple[str, set[str], float]:
    """Return a command's help, the modules that were imported for it, and its CPU seconds."""
    script = (
        "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "
        "import altiplano; altiplano.main()"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = python("-c", script, *name.split(), "--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.stdout, set(done.stderr.split()), seconds


@pytest.mark.parametrize("name", NAMES)
class TestHelp:
    def test_is_that_of_the_module(self, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert ended(name, ["--help"]) == 0
        words = capsys.readouterr().out.replace(f"python -m {module(name)}", f"altiplano {name}").split()
        assert help_of(name)[0].split() == words
        assert help_of(name)[0].startswith(f"usage: altiplano {name} ")

    def test_ends_with_an_example_that_parses(self, name: str) -> None:
        one, *example = shlex.split(help_of(name)[0].splitlines()[-1].removeprefix("example: "))
        assert one == "altiplano"
        found, arguments = altiplano.split(example)
        assert found == name
        assert arguments
        altiplano.command_line(name).parse_args(arguments)

    def test_is_there_at_once_without_what_the_command_imports(self, name: str) -> None:
        _, loaded, seconds = help_of(name)
        assert "argparse" in loaded
        assert not {"torch", "apache_beam", "pyarrow", "rich"}.intersection(loaded)
        assert seconds < HELP_SECONDS * slowness()


def test_python_m_says_its_own_name() -> None:
    said = python("-m", "pipelines.clean", "--help")
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.startswith("usage: python -m pipelines.clean ")
    assert said.stdout.endswith("\nexample: python -m pipelines.clean data/corpus data/run\n")


def test_the_overview_names_all_and_its_example_parses() -> None:
    said = called(["--help"])
    assert (said.returncode, said.stderr) == (0, "")
    listed = said.stdout.partition("commands:\n")[2].partition("\n\n")[0]
    assert [line.strip().split("  ")[0] for line in listed.splitlines()] == NAMES
    for words, name in (["--help"], "verify"), (["run", "--help"], "run report"):
        example = called(words).stdout.splitlines()[-1].removeprefix("example: altiplano ")
        assert altiplano.split(shlex.split(example))[0] == name


def test_what_names_no_command_is_wrong_use() -> None:
    for words in ([], ["run"]):
        said = called(words)
        assert (said.returncode, said.stdout) == (2, "")
        assert said.stderr.startswith(" ".join(["usage: altiplano", *words, "COMMAND ..."]))
    for words, known in ((["nothing"], "sample, corpus"), (["run", "verify"], "report, trace")):
        said = called(words)
        assert said.returncode == 2
        (line,) = said.stderr.splitlines()
        assert f"invalid choice: {words[-1]} (choose from {known}" in line.replace("'", "")


def test_lists_in_command_lines_are_those_of_the_modules() -> None:
    from pipelines import contamination
    from train import export
    from train.evaluation.tasks import registry
    from train.evaluation.tasks.kinds import Format

    assert tuple(sorted(recipes.RECIPES)) == corpus_lines.RECIPES
    assert tuple(FORMATS) == corpus_lines.FORMATS
    assert tuple(registry.TASKS) == run_lines.TASKS
    for format in Format:
        run_lines.evaluate().parse_args(["boolq=x", "--format", format])
    given = corpus_lines.trace().parse_args(["corpus", "--source", "c4", "--token", "0"])
    assert given.split == shards.SPLITS[0]
    for split in shards.SPLITS:
        corpus_lines.trace().parse_args(["corpus", "--source", "c4", "--token", "0", "--split", split])
    given = corpus_lines.contamination().parse_args(["corpus", "benchmark"])
    assert (given.n, given.max_documents) == (contamination.LONGEST, contamination.MAX_DOCUMENTS)
    for name in export.TYPES:
        run_lines.export().parse_args(["--output", "x", "--dtype", name])


@pytest.mark.parametrize("way", ["script", "module"])
def test_files_of_the_working_directory_are_none_of_ours(way: str, tmp_path: Path) -> None:
    for name in ("pipelines", "train", "model", "tokenizer", "filters", "numpy"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('taken from the working directory')")
    (tmp_path / "torch").mkdir()
    for words in (["verify", "corpus"], ["run", "report", "run"], ["--help"]):
        said = (
            called(words, tmp_path)
            if way == "script"
            else python("-m", "altiplano", *words, cwd=tmp_path, PYTHONPATH=str(ROOT))
        )
        assert "working directory" not in said.stderr
        assert "Traceback" not in said.stderr
        assert said.stdout + said.stderr


def test_nor_are_they_for_processes_that_a_command_starts(tmp_path: Path) -> None:
    (tmp_path / "selectors.py").write_text("raise SystemExit('taken from the working directory')")
    script = (
        "import altiplano, subprocess, sys, pipelines.verify as v\n"
        "v.main = lambda: subprocess.run([sys.executable, '-c', 'import selectors']).returncode\n"
        "altiplano.main()"
    )
    said = python("-P", "-c", script, "verify", cwd=tmp_path, PYTHONPATH=str(ROOT))
    assert (said.returncode, said.stderr) == (0, "")


class TestWithoutExtras:
    """Without `site` there are no installed packages."""

    def called(self, *words: str) -> subprocess.CompletedProcess[str]:
        return python("-S", "-c", "import altiplano; altiplano.main()", *words)

    @pytest.mark.parametrize("name", [name for name in NAMES if name != "tokenizer"])
    def test_help_is_there(self, name: str) -> None:
        said = self.called(*name.split(), "--help")
        assert (said.returncode, said.stderr) == (0, "")

    @pytest.mark.parametrize("name", [name for name in NAMES if name != "clean"])
    def test_a_call_names_the_extra_in_one_line(self, name: str) -> None:
        example = shlex.split(getattr(altiplano.command_line(name), "example", "tokenizer.model"))
        said = self.called(*name.split(), *example)
        (line,) = said.stderr.splitlines()
        extras = altiplano.COMMANDS[name].extras
        assert (said.returncode, said.stdout) == (2, "")
        assert re.match(
            rf"error: \w+: not installed; this needs the extra '{extras.split(',')[-1]}': make setup-", line
        )
        assert line.endswith(f"pip install 'altiplano-corpus[{extras}]'")

    def test_clean_needs_none(self, tmp_path: Path) -> None:
        said = self.called("clean", str(tmp_path / "nothing"))
        assert (said.returncode, said.stderr) == (0, "")


def completed(line: str, tmp_path: Path, start: int = 1) -> list[str]:
    """Return what the shell is told may come at the end of a line."""
    pytest.importorskip("argcomplete")
    answer = tmp_path / "answer"
    asked = {"_ARGCOMPLETE": str(start), "_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_STDOUT_FILENAME": str(answer)}
    said = called([], ROOT, COMP_LINE=line, COMP_POINT=str(len(line)), **asked)
    assert said.returncode == 0
    return [word.strip() for word in answer.read_text().split("\n")]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("altiplano re", ["report"]),
        ("altiplano run ", ["-h", "--help", "report", "trace", "export", "evaluate"]),
        ("altiplano corpus --recipe ", ["llama2", "paper", "sample", "texts"]),
        ("altiplano pretrain --lear", ["--learning-rate"]),
        ("altiplano run evaluate --li", ["--limit"]),
        ("altiplano tokenizer --voc", ["--vocabulary"]),
    ],
)
def test_a_shell_completes_names_options_and_choices(line: str, expected: list[str], tmp_path: Path) -> None:
    assert completed(line, tmp_path) == expected


def test_completion_counts_the_words_before_ours(tmp_path: Path) -> None:
    assert completed("python -m altiplano export m", tmp_path, start=3) == ["megatron", "mds"]


def test_the_name_of_the_program_is_the_one_it_was_called_by(monkeypatch: pytest.MonkeyPatch) -> None:
    for argument, name in (
        ("altiplano report", "altiplano report"),
        ("/bin/altiplano", "python -m pipelines.report"),
        ("altiplanoes/report.py", "python -m pipelines.report"),
    ):
        monkeypatch.setattr(sys, "argv", [argument])
        parser = commands.Parser("pipelines.report", "data/corpus")
        assert (parser.prog, parser.epilog) == (name, f"example: {name} data/corpus")


def test_the_page_lists_every_command_with_its_module_and_extra() -> None:
    page = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z ]+)` \| `([a-z_.]+)` \| `([a-z,]+)` \| (.+) \|$", page, re.MULTILINE)
    assert rows == [(name, module(name), one.extras, one.does) for name, one in altiplano.COMMANDS.items()]
    codes = [int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)]
    known = [0, commands.FAILED, commands.WRONG_USE, commands.INTERRUPTED, commands.TERMINATED]
    assert codes == known == [0, 1, 2, 130, 143]


class TestExitCodes:
    @pytest.mark.parametrize("name", NAMES)
    def test_an_option_that_is_none_is_wrong_use(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert ended(name, ["--no-such-option"]) == 2
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("error", [ValueError("x"), FileNotFoundError(2, "No such file", "x"), OSError(28, "full")])
    @pytest.mark.parametrize(
        ("name", "broken", "arguments"),
        [
            ("run report", "write", ["run"]),
            ("run export", "open_checkpoint", ["--output", "x"]),
            ("run evaluate", "_evaluate", ["piqa=x"]),
            ("generate", "_print", ["words"]),
            ("report", "print_summary", ["corpus"]),
            ("clean", "files_of", ["."]),
        ],
    )
    def test_what_fails_on_the_way_is_not_wrong_use(
        self, name: str, broken: str, arguments: list[str], error: Exception, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_arguments: object, **_options: object) -> None:
            raise error

        monkeypatch.setattr(importlib.import_module(altiplano.COMMANDS[name].module), broken, fail)
        assert ended(name, arguments) == (1 if error.args == (28, "full") else 2)

    def test_what_is_unsound_is_a_failure(self, tmp_path: Path) -> None:
        said = called(["verify", str(tmp_path)])
        assert (said.returncode, said.stderr) == (1, "")
        assert "missing or damaged" in said.stdout

    @pytest.mark.parametrize(("end", "code"), [("KeyboardInterrupt", 130), ("OSError(28, 'full')", 1)])
    def test_what_ends_a_command_is_one_line(self, end: str, code: int) -> None:
        script = f"import altiplano, pipelines.verify as v\ndef main(): raise {end}\nv.main = main\naltiplano.main()"
        said = python("-c", script, "verify", "corpus")
        assert (said.returncode, said.stdout, len(said.stderr.splitlines())) == (code, "", 1)


def test_sources_of_the_working_directory_are_found_there(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("from tests.letters import SOURCES\nprint('imported')")
    words = ["corpus", "--sources", "mine:SOURCES", "--source", "nothing", "--output", "corpus"]
    said = called(words, tmp_path)
    assert (said.returncode, said.stdout) == (2, "imported\n")
    assert "there is no such source" in said.stderr
    assert "letters" in said.stderr


def test_the_changelog_begins_with_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[(.+?)\] - (unreleased|\d{4}-\d\d-\d\d)$", changes, re.MULTILINE)
    assert headings[0][0] == version
    assert set(re.findall("^### (.+)$", changes, re.MULTILINE)) <= {
        *("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"),
    }
