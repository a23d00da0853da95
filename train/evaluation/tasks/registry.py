"""All tasks by name: each family's file lists its own."""

from __future__ import annotations

from types import MappingProxyType

from train.evaluation.tasks import bias, code, generation, likelihood, mathematics

FAMILIES = (likelihood.TASKS, generation.TASKS, mathematics.TASKS, code.TASKS, bias.TASKS)
TASKS = MappingProxyType({task.name: task for family in FAMILIES for task in family})
