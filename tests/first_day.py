"""A desk on a first day: the page docs/first_day.md, small files of the names that it uses, and a shell to type in."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import shlex
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.files import tables
from tests.pipelines import tiny
from tests.tokenizer import json_files

REPOSITORY = Path(__file__).parent.parent
PAGE = REPOSITORY / "docs" / "first_day.md"
Row = dict[str, Any]
QUESTION = "How many of the seven brown llamas came back from the far pasture after the first snow of that winter"


@dataclass(frozen=True)
class Task:
    """A section of the page: its commands, a line each, and the modules that it shows."""

    title: str
    commands: tuple[str, ...]
    modules: tuple[str, ...]


def tasks() -> dict[int, Task]:
    """Return the sections of the page by their numbers."""
    found = {}
    for section in re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        number, _, title = section.partition("\n")[0].partition(". ")
        blocks = re.findall(r"^```(\w*)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
        typed = "".join(text for language, text in blocks if not language).replace("\\\n", " ")
        modules = tuple(text for language, text in blocks if language == "python")
        found[int(number)] = Task(title, tuple(typed.splitlines()), modules)
    return found


@dataclass
class Desk:
    """A folder, and the tasks that were done in it: each is done once, when it is first asked for."""

    folder: Path
    done: dict[int, str] = field(default_factory=dict)

    def do(self, number: int, *before: int) -> str:
        """Do a task, after those that make what it reads, and return all that it printed."""
        for other in before:
            self.do(other)
        if number not in self.done:
            self.done[number] = self.type("\n".join(tasks()[number].commands))
        return self.done[number]

    def type(self, commands: str, code: int = 0) -> str:
        """Run commands in a shell that stops at the first that fails, and return all that was printed."""
        environment = {
            **os.environ,
            "PATH": f"{self.folder / '.bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]),
            "COLUMNS": "160",
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
            "HF_HOME": str(self.folder / ".cache"),
        }
        shell = ["bash", "-euo", "pipefail", "-c", commands]
        ran = subprocess.run(shell, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        assert ran.returncode == code, f"{commands}\n{ran.stdout}{ran.stderr}"
        return ran.stdout + ran.stderr

    def documents(self, corpus: str, source: str) -> list[Row]:
        """Return the documents of a source."""
        return _rows(self.folder / corpus / source / "documents")

    def drops(self, corpus: str, source: str) -> list[Row]:
        """Return what was dropped of a source."""
        return _rows(self.folder / corpus / source / "drops")

    def reasons(self, corpus: str, source: str) -> Counter[str]:
        """Return how many documents were dropped for which reason."""
        return Counter(row["reason"] for row in self.drops(corpus, source))

    def json(self, path: str) -> Any:
        """Return the content of a file of JSON."""
        return json.loads((self.folder / path).read_text(encoding="utf-8"))


def _rows(folder: Path) -> list[Row]:
    return [row for path in sorted(folder.glob("*.parquet")) for row in tables.read_rows(str(path))]


def desk(folder: Path) -> Desk:
    """Return a desk with the programs and the files that the page's commands name."""
    _programs(folder / ".bin")
    _texts(folder)
    _rows_of_text(folder)
    _dumps(folder)
    for task in tasks().values():
        for module in task.modules:
            (folder / "mine.py").write_text(module, encoding="utf-8")
    return Desk(folder)


def _programs(folder: Path) -> None:
    """Write what an installed package brings; the runner is the plain one, which starts in a fifth of the time."""
    folder.mkdir()
    python = shlex.quote(sys.executable)
    plain = 'if [ "$1" = corpus ]; then set -- "$@" --runner plain; fi\n'
    for name, line in (
        ("python", f'exec {python} "$@"'),
        ("altiplano", f'{plain}exec {python} -P -m altiplano "$@"'),
        ("torchrun", f'exec {python} -m torch.distributed.run "$@"'),
    ):
        (folder / name).write_text(f"#!/bin/bash\n{line}\n", encoding="utf-8")
        (folder / name).chmod(0o755)


def texts(count: int, seed: int) -> list[str]:
    """Return so many texts of a dozen lines."""
    draw = random.Random(seed)
    return [tiny.prose(draw, 12) for _ in range(count)]


def write_lines(path: Path, rows: list[Row]) -> None:
    """Write JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _rows_of_text(folder: Path) -> None:
    """Write JSON lines as people have them: crawled twice, broken, with a benchmark's question, of two languages."""
    old: list[Row] = [{"id": f"doc-{number}", "text": text} for number, text in enumerate(texts(10, 5))]
    new: list[Row] = [{"id": f"new-{number}", "text": text} for number, text in enumerate(texts(3, 6))]
    new[0]["text"] += f"\n{QUESTION}?"
    write_lines(folder / "crawl/2023/one.jsonl", old)
    write_lines(folder / "crawl/2024/spring/two.jsonl", [*old[:4], *new])
    write_lines(folder / "benchmarks/boolq.jsonl", [{"question": QUESTION, "passage": "None.", "answer": True}])
    write_lines(folder / "broken.jsonl", [{"text": "One."}, {"other": 1}, {"text": ""}])
    with (folder / "broken.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"text": "cut')
    german = [{"text": f"{tiny.GERMAN * 5}{number}"} for number in range(4)]
    write_lines(folder / "mixed.jsonl", [*german, *({"text": text} for text in texts(6, 7))])
    write_lines(folder / "forum.jsonl", [{"text": f"Log in | Register\n{text}"} for text in texts(5, 8)])
    draw = random.Random(9)
    (folder / "sentences").mkdir()
    for number in range(120):
        (folder / f"sentences/{number}.txt").write_text(tiny.sentence(draw), encoding="utf-8")


def _texts(folder: Path) -> None:
    (folder / "stories").mkdir()
    for number, text in enumerate(texts(20, 1)):
        (folder / f"stories/{number}.txt").write_text(text, encoding="utf-8")
    rows: list[Row] = [{"body": text, "number": number} for number, text in enumerate(texts(30, 2))]
    rows += [{"body": f"{row['body']} Added.", "number": 100 + row["number"]} for row in rows[:10]]
    write_lines(folder / "patents/a.jsonl", rows[:20])
    write_lines(folder / "patents/b.jsonl", rows[20:])
    (folder / "book.txt").write_text(tiny.prose(random.Random(3), 60), encoding="utf-8")
    (folder / "lines.txt").write_text(f"Too short.\n{tiny.prose(random.Random(4), 9)}\n", encoding="utf-8")
    (folder / "words.txt").write_text("unmentionable\n", encoding="utf-8")
    json_files.llama3().save(str(folder / "tokenizer.json"))


def _dumps(folder: Path) -> None:
    (folder / "wet").mkdir()
    for number in range(3):
        tiny.wet(folder / f"wet/{number}.warc.wet.gz", number, 40)
    tiny.language_model(folder / "lid.176.ftz", folder)
    tiny.wikipedia(folder / "enwiki-20220601-pages-articles.xml.bz2", 6)
    paths = "".join(f"crawl-data/{number}.warc.wet.gz\n" for number in range(9))
    (folder / "wet.paths.gz").write_bytes(gzip.compress(paths.encode()))
