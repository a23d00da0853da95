"""All public functions of filters, tokenizer, readers and deduplication that take text, bytes or documents."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from types import CodeType, FrameType, ModuleType
from typing import Any

PACKAGES = ("filters", "tokenizer", "pipelines.readers", "pipelines.dedup")
HOSTILE = re.compile(r"\b(?:str|bytes|BinaryIO|Raw|Document|Post|Record|Any|Hashes|Mapping)\b")


def functions() -> dict[str, CodeType]:
    """Return the code of each such function and method by its full name."""
    found = {}
    for module in _modules():
        for name, function in _public(module):
            parameters = inspect.signature(function).parameters.values()
            if any(HOSTILE.search(str(parameter.annotation)) for parameter in parameters):
                found[f"{module.__name__}.{name}"] = inspect.unwrap(function).__code__
    return found


def _modules() -> Iterator[ModuleType]:
    for package in map(importlib.import_module, PACKAGES):
        yield package
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            yield importlib.import_module(found.name)


def _public(module: ModuleType) -> Iterator[tuple[str, Any]]:
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(value):
            for method, function in vars(value).items():
                function = getattr(function, "__func__", function)
                if not method.startswith("_") and inspect.isfunction(function):
                    yield f"{name}.{method}", function
        elif inspect.isfunction(inspect.unwrap(value)):
            yield name, value


def called(action: Callable[[], object]) -> set[CodeType]:
    """Return what is called while an action runs."""
    seen: set[CodeType] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            seen.add(frame.f_code)

    sys.setprofile(note)
    try:
        action()
    finally:
        sys.setprofile(None)
    return seen
