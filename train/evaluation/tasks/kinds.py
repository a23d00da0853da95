"""What a task is: which rows it has, and in each of two formats what of a row is asked and how it is scored.

    Task -> forms[Format] -> Likelihood: row -> Question, whose choices are ranked by their likelihood
                          -> Generation: row -> Prompt, which is continued; continuations are scored

`Format.PAPER` is what LLaMA's paper prints, else what GPT-3's appendix G prints of the task, else our own: a form's
`source` says which. `Format.HARNESS` is that of EleutherAI's lm-evaluation-harness. Nothing here needs torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePath
from types import MappingProxyType
from typing import Any

Row = Mapping[str, Any]
HARNESS = "lm-evaluation-harness 0.4.13"
GPT3 = "GPT-3, appendix G"
OURS = "ours"


class Format(StrEnum):
    """Whose prompts and rules are followed."""

    PAPER = "paper"
    HARNESS = "harness"


class Normalisation(StrEnum):
    """What a choice's log-likelihood is divided by, or reduced by, before choices are compared."""

    NONE = "none"
    CHARACTERS = "characters"  # divided by the characters of the choice
    TOKENS = "tokens"  # divided by its tokens: choices are compared by perplexity
    UNCONDITIONAL = "unconditional"  # less that of the same choice after a context that asks nothing


class Metric(StrEnum):
    """What a question of a likelihood task scores."""

    ACCURACY = "accuracy"  # 1 if the best choice is right
    MASS = "mass"  # the share of the probability of all choices that the right ones have
    PREFERENCE = "preference"  # 1 if the first choice is the likelier of both: nothing is right or wrong


class Drawn(StrEnum):
    """Which of the rows given for shots a question gets."""

    FIRST = "first"  # the first of its group, in the order of the file
    HARNESS = "harness"  # as lm-evaluation-harness draws them: one stream of random numbers over all questions
    HARNESS_MORE = "harness, one more"  # as there for a task that names no part for them: one too many is drawn


@dataclass(frozen=True, slots=True)
class Question:
    """Choices, each after its context (mostly the same), and the numbers of those that are right.

    What is scored is `delimiter` and the choice. `groups` are the parts of the benchmark that it counts in, from large
    to small.
    """

    contexts: tuple[str, ...]
    choices: tuple[str, ...]
    answers: tuple[int, ...]
    groups: tuple[str, ...] = ()
    delimiter: str = " "

    @property
    def text(self) -> str:
        """What comes before the answer, where it is the right one."""
        return self.contexts[self.answers[0]]

    @property
    def solution(self) -> str:
        """What an example shows behind the text."""
        return self.delimiter + self.choices[self.answers[0]]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A text to continue, the answers that are right, what an example shows behind it, and what else scoring needs."""

    text: str
    references: tuple[str, ...]
    solution: str = ""
    groups: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shots:
    """Solved examples before a question: `count` of them by default, each with `separator` behind it.

    They are the task's own `rows`, if it has some, else rows of `split`, those of the question's own last group where
    questions have groups, and for which `only` is true. `description`, of the question's row, comes before all of them,
    also where there are none.
    """

    count: int = 0
    split: str = "train"
    separator: str = "\n\n"
    drawn: Drawn = Drawn.FIRST
    rows: tuple[Row, ...] = ()
    description: Callable[[Row], str] | None = None
    only: Callable[[Row], bool] | None = None


@dataclass(frozen=True, slots=True)
class Likelihood:
    """A format in which the choices of a question are ranked; `source` says whose it is.

    Where `only` is given, rows for which it is false are none of the format's questions.
    """

    source: str
    question: Callable[[Row], Question]
    normalisation: Normalisation = Normalisation.NONE
    metric: Metric = Metric.ACCURACY
    shots: Shots = Shots()
    unconditional: str = "Answer:"  # LLaMA, section 3
    only: Callable[[Row], bool] | None = None


@dataclass(frozen=True, slots=True)
class Decoding:
    """How a prompt is continued: at most `length` tokens, up to a string of `stop`; temperature 0 is greedy."""

    length: int
    stop: tuple[str, ...] = ("\n",)
    temperature: float = 0.0
    top_p: float = 1.0
    samples: int = 1


@dataclass(frozen=True, slots=True)
class Generation:
    """A format in which prompts are continued; `only` as for `Likelihood`.

    `score` takes a prompt and its continuations and returns values by the name of their metric, the main one first.
    Where `runs_code`, scoring runs what was generated, and is refused unless that is asked for. A form that names a
    `judge` wants one of that kind, which `score` takes behind the continuations.
    """

    source: str
    prompt: Callable[[Row], Prompt]
    decoding: Decoding
    score: Callable[..., Mapping[str, float]]
    shots: Shots = Shots()
    runs_code: bool = False
    judge: str = ""
    only: Callable[[Row], bool] | None = None


Form = Likelihood | Generation


@dataclass(frozen=True, slots=True)
class Task:
    """A benchmark: the fields that each of its rows has (`a|b`: either), and its forms.

    `split` is the part of the data that the papers score. `unfold` makes of a file's rows those that are asked, where a
    published one holds several; `columns` are the names of a table's columns that has none; `of_path` returns
    fields that a file's path tells. Where `macro`, the mean of the parts' scores is reported too.
    """

    name: str
    title: str
    fields: tuple[str, ...]
    forms: Mapping[Format, Form]
    split: str = "validation"
    unfold: Callable[[Sequence[Row]], Sequence[Row]] | None = None
    columns: tuple[str, ...] = ()
    of_path: Callable[[PurePath], Row] | None = None
    macro: bool = False

    def has(self, row: Row) -> bool:
        """Return whether a row has all fields of the task."""
        return all(any(name in row for name in either.split("|")) for either in self.fields)

    def lacks(self, row: Row) -> list[str]:
        """Return the fields that a row lacks."""
        return [either for either in self.fields if not any(name in row for name in either.split("|"))]


def both(paper: Form, harness: Form) -> Mapping[Format, Form]:
    """Return the two forms of a task."""
    return MappingProxyType({Format.PAPER: paper, Format.HARNESS: harness})
