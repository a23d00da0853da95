"""What the workers of tests know: the functions and dataclasses of one test module."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from pipelines.runners.names import Names
from pipelines.runners.plans import Worklist


def worklist(module: str) -> Worklist:
    """Return the list of a module by its name."""
    facts = {"module": module}
    return Worklist(names(facts), f"{__name__}:names", facts)


def names(facts: Mapping[str, Any]) -> Names:
    """Return the functions of a module, and its dataclasses with their methods."""
    found = vars(importlib.import_module(facts["module"]))
    functions = {name: one for name, one in found.items() if inspect.isfunction(one)}
    kinds = [one for one in found.values() if inspect.isclass(one) and hasattr(one, "__dataclass_fields__")]
    methods = {one.__qualname__: one for kind in kinds for one in vars(kind).values() if inspect.isfunction(one)}
    return Names({**functions, **methods}, kinds)
