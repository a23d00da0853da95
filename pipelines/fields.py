"""Typed fields of nested frozen dataclasses, set by their path: "quality.threshold=0.65". Recipes and runs use it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

NOT_BY_PATH = {"by_path": False}  # metadata of a field that is set in another way


def split(assignment: str) -> tuple[list[str], str]:
    """Return the path and the value of "path.to.field=value"; raise ValueError if it is none."""
    path, equals, value = assignment.partition("=")
    if not equals:
        raise ValueError(f"--set {assignment}: write it as path.to.field=value")
    return path.split("."), value


def changed(
    node: Any, path: Sequence[str], value: str, assignment: str, change: Callable[[Any, list[str], str, str], Any]
) -> Any:
    """Return a node with the field at the path changed; what lies below the node is changed by `change`."""
    if len(path) == 1:
        return dataclasses.replace(node, **{path[0]: typed(node, path[0], value, assignment)})
    current = _current(node, path[0], assignment)
    if not dataclasses.is_dataclass(current):
        raise ValueError(f"--set {assignment}: {path[0]} has no fields")
    return dataclasses.replace(node, **{path[0]: change(current, list(path[1:]), value, assignment)})


def typed(node: Any, name: str, value: str, assignment: str) -> Any:
    """Return the value of a node's field of that name by its type; raise ValueError saying what is wrong."""
    current = _current(node, name, assignment)
    if dataclasses.is_dataclass(current):
        below = ", ".join(found.name for found in dataclasses.fields(current))
        raise ValueError(f"--set {assignment}: {name} is a group of fields: {below}")
    return parse(get_type_hints(type(node))[name], value, assignment)


def names(node: Any) -> list[str]:
    """Return the names of a node's fields that are set by path."""
    return [found.name for found in dataclasses.fields(node) if found.metadata.get("by_path", True)]


def _current(node: Any, name: str, assignment: str) -> Any:
    if name not in names(node):
        raise ValueError(f"--set {assignment}: there is no field {name!r}; available: {', '.join(names(node))}")
    return getattr(node, name)


def parse(hint: Any, value: str, assignment: str) -> Any:
    """Return the value of a type that text stands for; raise ValueError saying what is wrong."""
    kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    if NoneType in kinds and value.lower() == "none":
        return None
    kind = kinds[0]
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise ValueError(f"--set {assignment}: {value!r} is not one of {', '.join(get_args(kind))}")
        return value
    if get_origin(kind) is tuple and get_args(kind) == (str, ...):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if get_origin(kind) is tuple and get_args(kind) == (int, ...):
        return tuple(parse(int, part.strip(), assignment) for part in value.split(",") if part.strip())
    if kind not in _PARSERS:
        raise ValueError(f"--set {assignment}: this field can be set only in a recipe")
    try:
        return _PARSERS[kind](value)
    except (ValueError, KeyError):
        raise ValueError(f"--set {assignment}: {value!r} is no {kind.__name__}") from None


def _finite(value: str) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number


_PARSERS: dict[Any, Callable[[str], Any]] = {
    bool: lambda value: {"true": True, "false": False}[value.lower()],
    int: int,
    float: _finite,
    str: str,
}
