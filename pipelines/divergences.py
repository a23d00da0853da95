"""Fields of a recipe in which the published rule and the right one differ: each divergence is one such field.

A mode is no field of its own: `in_mode` sets these fields of a recipe, or of any part of it, to what was published or
to what is right (the default). Each can be set alone. docs/divergences.md lists them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Literal, TypeVar

Mode = Literal["published", "corrected"]
Value = TypeVar("Value")
Part = TypeVar("Part")


def differs(corrected: Value, *, published: Value) -> Value:
    """Return a dataclass field that is `corrected` by default and `published` in that mode."""
    found: Value = dataclasses.field(default=corrected, metadata={"published": published})
    return found


def divergences(part: Any, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield path, published and corrected value of each field in which the two rules differ."""
    for found in dataclasses.fields(part):
        value = getattr(part, found.name)
        if dataclasses.is_dataclass(value):
            yield from divergences(value, f"{prefix}{found.name}.")
        elif "published" in found.metadata:
            yield f"{prefix}{found.name}", found.metadata["published"], found.default


def in_mode(part: Part, mode: Mode) -> Part:
    """Return a recipe, or a part of one, with every field in which the two rules differ as `mode` has it."""
    node: Any = part
    values: dict[str, Any] = {}
    for found in dataclasses.fields(node):
        value = getattr(node, found.name)
        if dataclasses.is_dataclass(value):
            values[found.name] = in_mode(value, mode)
        elif "published" in found.metadata:
            values[found.name] = found.metadata["published"] if mode == "published" else found.default
    changed: Part = dataclasses.replace(node, **values)
    return changed
