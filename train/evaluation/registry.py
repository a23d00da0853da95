"""All tasks by name: each family's file lists its own."""

from __future__ import annotations

from types import MappingProxyType

from train.evaluation import bias, likelihood

FAMILIES = (likelihood.TASKS, bias.TASKS)
TASKS = MappingProxyType({task.name: task for family in FAMILIES for task in family})
