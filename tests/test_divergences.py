"""The documentation of divergences names every switch between the published and the corrected rule, and no other."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any, get_type_hints

from pipelines.recipes import PAPER, Mode
from tests.conftest import REPOSITORY

TABLE = REPOSITORY / "docs" / "divergences.md"


def switches(node: Any, prefix: str = "") -> Iterator[str]:
    """Yield the fields of a recipe that choose between the two rules."""
    hints = get_type_hints(type(node))
    for field in dataclasses.fields(node):
        value = getattr(node, field.name)
        if hints[field.name] == Mode:
            yield f"{prefix}{field.name}"
        elif dataclasses.is_dataclass(value):
            yield from switches(value, f"{prefix}{field.name}.")


def test_every_switch_is_documented_and_corrected_by_default() -> None:
    rows = [line.split("|")[1:-1] for line in TABLE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    assert all(len(row) == 4 for row in rows)
    named = {name for row in rows for name in re.findall(r"`([a-z0-9_.]+\.mode)`", row[3])}
    assert named == set(switches(PAPER))
    for name in named:
        value: Any = PAPER
        for part in name.split("."):
            value = getattr(value, part)
        assert value == "corrected", name
