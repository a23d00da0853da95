"""Benchmarks while a run goes on (LLaMA, Figure 2): chosen tasks at each of its evaluations, by likelihood alone.

    benchmarks="piqa=piqa.jsonl,arc_easy=arc/" -> questions, read before the first step -> scores in evaluations.jsonl

Every rank scores all questions, since a sharded model is gathered by all of them for each sequence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import torch

from pipelines.files import paths
from train.evaluation.history import BENCHMARKS, ERRORS
from train.evaluation.inference.scoring import Scorer, answer
from train.evaluation.statistics import standard_error
from train.evaluation.tasks.asking import Asking, Wanted, ask
from train.evaluation.tasks.kinds import Format, Likelihood


@cache
def chosen(text: str, limit: int, format: str) -> tuple[Asking, ...]:
    """Return what a run's field asks for, read once; raise ValueError for a file or row that is wrong.

    Tasks that generate are refused: they take much longer, and a kept step can be scored afterwards.
    """
    asked = tuple(ask(Wanted.parse(one, paths.form), Format(format), limit) for one in filter(None, text.split(",")))
    for one in asked:
        if not isinstance(one.form, Likelihood):
            raise ValueError(
                f"benchmarks: {one.task.name} is not scored by likelihood: score a kept step with train.evaluation"
            )
    return asked


def scores(asked: Sequence[Asking], scorer: Scorer) -> Mapping[str, Any]:
    """Return each task's score and standard error as a row of evaluations.jsonl has them; nothing without tasks."""
    if not asked:
        return {}
    values: dict[str, list[float]] = {}
    # Sequences have all lengths: a compiled layer would be compiled for each of them.
    with torch.compiler.set_stance("force_eager"):
        for one in asked:
            assert isinstance(one.form, Likelihood)
            answered = answer(scorer, one.questions, one.form)
            pairs = zip(answered, one.questions, strict=True)
            values[one.task.name] = [found.score(question, one.form.metric) for found, question in pairs]
    return {
        BENCHMARKS: {name: sum(found) / len(found) for name, found in values.items()},
        ERRORS: {name: standard_error(found) for name, found in values.items()},
    }
