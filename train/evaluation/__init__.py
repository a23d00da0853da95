"""Benchmarks of LLaMA's papers, from local files, on any checkpoint.

    TASK=PATH -> tasks: rows -> questions or prompts, with their solved examples (shots)
        -> inference: log-likelihoods of choices, or continuations
        -> grading: what a continuation is worth -> results: score, error, chance, beside what is published

`tasks.kinds` says what a task is, `tasks.registry` has all of them.
"""

from __future__ import annotations
