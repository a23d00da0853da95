"""What a task's questions scored, made one result: score, error, chance, parts, clean part, what was cut; its table.

values of each question -> Result -> a row of RUN/benchmarks.jsonl, and of the table beside LLaMA's Tables 3 to 14
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table

from train.evaluation.contaminated import Found
from train.evaluation.published import PRINTED, SIZES, Printed
from train.evaluation.statistics import is_near_chance, standard_error
from train.evaluation.tasks.asking import Asking
from train.evaluation.tasks.kinds import Format

# How a score stands to chance.
_NEAR: Final = "≈ "
_BELOW: Final = "< "
_SHOWN_PARTS: Final = 12  # of more only the large ones are in the table
_COMPARED: Final = {
    "none": ", choices by their likelihood",
    "characters": ", choices by their likelihood per character",
    "tokens": ", choices by their likelihood per token",
    "unconditional": ", choices by their likelihood less that without the question",
}
Values = Sequence[Mapping[str, float]]  # of each question by metric, the main one first


@dataclass(frozen=True, slots=True)
class Part:
    """The mean over some questions, and its standard error."""

    value: float
    error: float
    questions: int


@dataclass(frozen=True, slots=True)
class Result:
    """A task's score: `parts` by metric, the main one first, `groups` and `macro` of the main one.

    `chance` is what guessing scores, None where nothing can be guessed. `cut` are the questions whose prompt did not
    fit the context, `cut_tokens` what was left out of them, `unfinished` the continuations that their length ended.
    With `own_examples` the shots are other questions of the same file.
    Of the corpus `contaminated` questions are not in `clean`.
    """

    task: str
    title: str
    format: str
    source: str
    normalisation: str
    shots: int
    parts: Mapping[str, Part]
    chance: float | None
    groups: Mapping[str, Part] = field(default_factory=dict)
    macro: Part | None = None
    cut: int = 0
    cut_tokens: int = 0
    unfinished: int = 0
    own_examples: bool = False
    contaminated: int | None = None
    too_short: int | None = None
    clean: Part | None = None
    large: tuple[str, ...] = ()

    @property
    def main(self) -> Part:
        """The task's own score."""
        return next(iter(self.parts.values()))

    @property
    def near_chance(self) -> bool:
        """Whether the score is not told from guessing."""
        return self.chance is not None and is_near_chance(self.main.value, self.main.error, self.chance)

    @property
    def below_chance(self) -> bool:
        """Whether guessing would score more."""
        return self.chance is not None and self.main.value < self.chance and not self.near_chance

    def row(self, step: int | None) -> dict[str, Any]:
        """Return it for programs."""
        found = {"step": step, **asdict(self), "near_chance": self.near_chance, "below_chance": self.below_chance}
        del found["large"]
        printed = PRINTED.get((self.task, self.shots, ""))
        return found | {"llama": None if printed is None else dict(zip(SIZES, printed.values, strict=True))}


def result(
    asking: Asking,
    format: Format,
    values: Values,
    cut: Sequence[int],
    chance: float | None,
    found: Found | None,
    unfinished: int = 0,
) -> Result:
    """Return the result of what each question scored, and of how many tokens of each did not fit."""
    main = [next(iter(one.values())) for one in values]
    clean = [value for number, value in enumerate(main) if found and number not in found.questions]
    last = [item.groups[-1] if item.groups else "" for item in asking.items]
    kinds = {group: number for number, group in enumerate(sorted(set(last)))}
    return Result(
        task=asking.task.name,
        title=asking.task.title,
        format=str(format),
        source=asking.form.source,
        normalisation=str(getattr(asking.form, "normalisation", "")),
        shots=asking.shots,
        parts={name: _part([one[name] for one in values]) for name in values[0]},
        chance=chance,
        groups=_groups(asking, main),
        macro=_macro(main, [kinds[group] for group in last]) if asking.task.macro and len(kinds) > 1 else None,
        cut=sum(tokens > 0 for tokens in cut),
        cut_tokens=sum(cut),
        unfinished=unfinished,
        own_examples=asking.own_examples,
        contaminated=len(found.questions) if found else None,
        too_short=found.too_short if found else None,
        clean=_part(clean) if clean else None,
        large=tuple(dict.fromkeys(item.groups[0] for item in asking.items if item.groups)),
    )


def _part(values: Collection[float]) -> Part:
    return Part(sum(values) / len(values), standard_error(list(values)), len(values))


def _macro(values: Sequence[float], groups: Sequence[int]) -> Part:
    means = [_mean([value for value, group in zip(values, groups, strict=True) if group == one]) for one in set(groups)]
    return Part(_mean(means), standard_error(values, groups), len(values))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _groups(asking: Asking, main: Sequence[float]) -> dict[str, Part]:
    found: dict[str, list[float]] = {}
    for item, value in zip(asking.items, main, strict=True):
        for group in item.groups:
            found.setdefault(group, []).append(value)
    return {group: _part(values) for group, values in found.items()}


def write(path: Path, results: Sequence[Result], step: int | None) -> None:
    """Append a row for each result to a file of JSON lines; of a task's rows for a step the last one counts."""
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(one.row(step), ensure_ascii=False) + "\n" for one in results)


def show(results: Sequence[Result], console: Console) -> None:
    """Print the table, and what a reader of it must know."""
    table = Table(box=box.SIMPLE)
    titles = ("task", "shots", "questions", "score", "±", "chance", "clean", *(f"LLaMA {size}" for size in SIZES))
    for title in titles:
        table.add_column(title, justify="left" if title == "task" else "right", no_wrap=title == "task")
    for one in results:
        for row in _rows(one):
            table.add_row(*row)
    console.print(table)
    console.print("chance: ≈ a score within two standard errors of it, < one further below it", highlight=False)
    for one in results:
        console.print(f"{one.task}: {'; '.join(_remarks(one))}", highlight=False, markup=False, soft_wrap=True)


def _rows(one: Result) -> list[list[str]]:
    main = one.main
    mark = _NEAR if one.near_chance else _BELOW if one.below_chance else ""
    chance = "" if one.chance is None else mark + _percent(one.chance)
    clean = "" if one.clean is None or not one.contaminated else _percent(one.clean.value)
    lines = [[one.title, str(one.shots), *_cells(main), chance, clean, *_printed(one, "")]]
    for name, part in list(one.parts.items())[1:]:
        lines.append([f"  {name}", "", *_cells(part), "", "", *_printed(one, name)])
    if one.macro is not None:
        lines.append(["  mean of parts", "", *_cells(one.macro), "", "", *_printed(one, "macro")])
    for name, part in one.groups.items():
        if len(one.groups) <= _SHOWN_PARTS or name in one.large:
            lines.append([f"  {name}", "", *_cells(part), "", "", *_printed(one, name)])
    return lines


def _cells(part: Part) -> list[str]:
    return [f"{part.questions:,}", _percent(part.value), f"{100 * part.error:.1f}"]


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _printed(one: Result, name: str) -> list[str]:
    found = PRINTED.get((one.task, one.shots, name), Printed(0, (None,) * len(SIZES)))
    return ["" if value is None else f"{value:.1f}" for value in found.values]


def _remarks(one: Result) -> list[str]:
    said = [f"format {one.format}: {one.source}" + _COMPARED.get(one.normalisation, "")]
    if one.cut:
        said.append(f"{one.cut:,} prompts do not fit the context: {one.cut_tokens:,} tokens were cut from their left")
    if one.own_examples:
        said.append("solved examples are other questions of the same file; --examples names another")
    if one.unfinished:
        said.append(f"{one.unfinished:,} continuations were ended by their length, or by the model's context")
    if one.contaminated is not None:
        share = f"{one.contaminated:,} of {one.main.questions:,} questions have a text that is in the corpus"
        said.append(f"{share}; {one.too_short:,} more are too short to tell")
    if one.near_chance:
        said.append(f"within two standard errors of chance ({_percent(one.chance or 0.0)}): nothing is shown")
    if one.below_chance:
        said.append(f"more than two standard errors below chance ({_percent(one.chance or 0.0)})")
    return said
