"""Benchmarks of LLaMA's papers, from local files, on any checkpoint.

    TASK=PATH -> rows -> questions or prompts, with their solved examples (shots)
        -> log-likelihoods of choices, or continuations -> scores of each question -> score, error, chance

`tasks` says what a task is, `likelihood`, `generation`, `code` and `bias` list the tasks, `registry` has all of them.
"""

from __future__ import annotations
