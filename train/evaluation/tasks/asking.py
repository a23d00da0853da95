"""Rows made questions or prompts of a task, with their solved examples; what is wrong is said by file, row, field."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

from train.evaluation.tasks.kinds import Drawn, Form, Format, Likelihood, Prompt, Question, Row, Shots, Task
from train.evaluation.tasks.registry import TASKS
from train.evaluation.tasks.rows import Record, files, records

# What a row that is not as its task's rows are can raise when it is read.
_WRONG = (KeyError, ValueError, TypeError, IndexError, AttributeError, SyntaxError, RecursionError, MemoryError)
_HARNESS_SEED = 1234  # lm-evaluation-harness's own default for drawing examples


@dataclass(frozen=True, slots=True)
class Asking:
    """What is asked of a task: the task, its form, how many shots, the rows and what is made of each.

    `own_examples` says that the shots are among the rows themselves: others than the question's own.
    """

    task: Task
    form: Form
    shots: int
    rows: tuple[Row, ...]
    items: tuple[Question | Prompt, ...]
    own_examples: bool = False

    @property
    def questions(self) -> tuple[Question, ...]:
        """The questions of a likelihood task."""
        return tuple(item for item in self.items if isinstance(item, Question))

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """The prompts of a generation task."""
        return tuple(item for item in self.items if isinstance(item, Prompt))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a command asks for: NAME[@SHOTS]=PATH, and where examples are taken from."""

    name: str
    path: Path
    shots: int | None = None
    examples: Path | None = None

    @classmethod
    def parse(cls, text: str, form: Callable[[str], str] = str) -> Wanted:
        """Read `NAME=PATH` or `NAME@SHOTS=PATH`; raise ValueError saying what is wrong with it."""
        named, equals, path = text.partition("=")
        name, at, count = named.partition("@")
        if not equals or not path:
            raise ValueError(f"{text!r}: TASK=PATH is expected, such as boolq=boolq.jsonl")
        task(name)
        if at and not (count.isascii() and count.isdigit()):
            raise ValueError(f"{text!r}: {count!r} is no number of shots")
        return cls(name, Path(form(path)), int(count) if at else None)


def task(name: str) -> Task:
    """Return the task of a name; raise ValueError naming those there are."""
    if name not in TASKS:
        raise ValueError(f"task {name!r} is not known; available: {', '.join(TASKS)}")
    return TASKS[name]


def ask(wanted: Wanted, format: Format, limit: int = 0) -> Asking:
    """Read a benchmark and return what it asks, of the first `limit` rows if given.

    Raises ValueError for an unknown task, a file that cannot be read, and a row that is none of the task's.
    """
    of = task(wanted.name)
    form = of.forms[format]
    count = form.shots.count if wanted.shots is None else wanted.shots
    rows = read(of, wanted.path, of.split, limit, form.only)
    bare = [made(of, form, record) for record in rows]
    items = list(_with_shots(of, form, count, rows, bare, wanted)) if count or form.shots.description else bare
    own = bool(count) and are_own(of, form, wanted)
    return Asking(of, form, count, tuple(record.row for record in rows), tuple(items), own)


def are_own(of: Task, form: Form, wanted: Wanted) -> bool:
    """Return whether a task's examples are read from the files of its questions."""
    where = wanted.examples or wanted.path
    if form.shots.rows:
        return False
    try:
        return files(where, form.shots.split) == files(wanted.path, of.split)
    except ValueError as error:
        raise ValueError(
            f"{error}; solved examples of {of.name} are taken from its split {form.shots.split}: name their file with "
            f"--examples {of.name}=PATH, or ask for none with {of.name}@0=PATH"
        ) from None


def read(of: Task, path: Path, split: str, limit: int = 0, only: Callable[[Row], bool] | None = None) -> list[Record]:
    """Return the rows of a task's split, those for which `only` is true; the first `limit` if given.

    Raises ValueError naming the row and the fields that it lacks.
    """
    found: list[Record] = []
    for file in files(path, split):
        told = dict(of.of_path(_inside(file, path))) if of.of_path else {}
        for record in _unfolded(of, file, told):
            if only is None or only(record.row):
                found.append(record)
            if limit and len(found) == limit:
                return found
    if not found:
        raise ValueError(f"{path}: no row of {of.name}")
    return found


def _inside(file: Path, path: Path) -> PurePath:
    """Return a file as named from the folder that the path is, or is in."""
    return PurePath(path.name) / file.relative_to(path) if file != path else PurePath(path.parent.name, path.name)


def _unfolded(of: Task, file: Path, told: Row) -> Iterator[Record]:
    """Yield the rows of a file that are asked, checked."""
    raw = (replace(record, row={**told, **record.row}) for record in records(file, of.columns))
    if of.unfold is None:
        for record in raw:
            checked(of, record)
            yield record
        return
    whole = list(raw)
    for record in whole:
        checked(of, record)
    try:
        rows = of.unfold([record.row for record in whole])
    except _WRONG as error:
        raise ValueError(f"{file}: holds no rows of {of.name}: {_said(error)}") from None
    yield from (Record(dict(row), file, number) for number, row in enumerate(rows, 1))


def checked(of: Task, record: Record) -> None:
    """Raise ValueError for a row that lacks a field of the task, or that is another task's: it says whose."""
    lacks = of.lacks(record.row)
    others = [other for other in TASKS.values() if set(other.fields) != set(of.fields) and other.has(record.row)]
    # Of several the one that asks for most: a row of its has all that a smaller one needs.
    like = max(others, key=lambda other: len(other.fields), default=None)
    if lacks:
        looks = f"; it looks like a row of {like.name}" if like else f"; it has {', '.join(map(str, record.row))}"
        raise ValueError(f"{record.place} is no row of {of.name}: no field {' and no '.join(lacks)}{looks}")
    if like and set(like.fields) > set(of.fields):
        raise ValueError(f"{record.place} is a row of {like.name}, not of {of.name}")


def made(of: Task, form: Form, record: Record) -> Question | Prompt:
    """Return what a row asks; raise ValueError naming the row and the field that holds no answer."""
    try:
        item = form.question(record.row) if isinstance(form, Likelihood) else form.prompt(record.row)
        if isinstance(item, Question):
            _check_answers(item)
    except _WRONG as error:
        raise ValueError(f"{record.place} is not a question of {of.name}: {_said(error)}") from None
    return item


def _check_answers(question: Question) -> None:
    count = len(question.choices)
    if not question.answers:
        raise ValueError("no choice is right")
    if wrong := [answer for answer in question.answers if not 0 <= answer < count]:
        raise ValueError(f"the answer is number {wrong[0] + 1} of {count} choices")


def _said(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"no field {error.args[0]}" if error.args else "a field is missing"
    return str(error) if isinstance(error, ValueError) else repr(error)


def _with_shots(
    of: Task, form: Form, count: int, rows: Sequence[Record], items: Sequence[Question | Prompt], wanted: Wanted
) -> Iterator[Question | Prompt]:
    examples = _Examples(of, form, wanted, count)
    for record, item in zip(rows, items, strict=True):
        described = form.shots.description(record.row) if form.shots.description else ""
        yield before(described + examples.of(record.row, item), item)


def before(text: str, item: Question | Prompt) -> Question | Prompt:
    """Return a question or prompt behind a text."""
    if isinstance(item, Question):
        return replace(item, contexts=tuple(text + context for context in item.contexts))
    return replace(item, text=text + item.text)


class _Examples:
    """The rows that examples are taken from, made what they show; the text of those of a question."""

    def __init__(self, of: Task, form: Form, wanted: Wanted, count: int) -> None:
        self.shots: Shots = form.shots
        self.count = count
        self.random = random.Random(_HARNESS_SEED)
        self.where = wanted.examples or wanted.path
        own = bool(count) and are_own(of, form, wanted)
        self.more = own or self.shots.drawn is Drawn.HARNESS_MORE
        source = [Record(dict(row), Path(of.name), n) for n, row in enumerate(self.shots.rows, 1)]
        if count and not source:
            source = read(of, self.where, self.shots.split, only=self.shots.only)
        self.rows = [record.row for record in source]
        self.items = [made(of, form, record) for record in source]

    def of(self, row: Row, item: Question | Prompt) -> str:
        """Return the examples of a question as text; none of them is the question itself."""
        return "".join(one.text + one.solution + self.shots.separator for one in self._chosen(row, item))

    def _chosen(self, row: Row, item: Question | Prompt) -> list[Any]:
        if not self.count:
            return []
        if self.shots.drawn is not Drawn.FIRST:
            return self._drawn(row)
        groups = item.groups[-1:]
        found = [
            one for other, one in zip(self.rows, self.items, strict=True) if one.groups[-1:] == groups and other != row
        ][: self.count]
        return self._enough(found, f" of {groups[0]}" if groups else "")

    def _drawn(self, row: Row) -> list[Any]:
        # One more is drawn where the question itself may be among them, as there.
        taken = self.random.sample(range(len(self.rows)), min(len(self.rows), self.count + self.more))
        return self._enough([self.items[n] for n in taken if self.rows[n] != row][: self.count], "")

    def _enough(self, found: list[Any], what: str) -> list[Any]:
        if len(found) < self.count:
            raise ValueError(
                f"{self.where}: {self.count} examples{what} are wanted, and there are {len(found)}: name the file that "
                "they are in with --examples TASK=PATH, or ask for fewer with TASK@SHOTS=PATH"
            )
        return found
