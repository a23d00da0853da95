"""docs/recipe_fields.md: every field of a recipe, with its default, and what the recipes' own comments say of it.

python -m tests.recipe_fields      rewrites the page
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import io
import tokenize
from collections.abc import Iterator
from operator import attrgetter
from typing import Any

from pipelines.recipe_parts import Filters, NearDuplicates, Texts
from pipelines.recipes import PAPER, RECIPES
from tests.conftest import REPOSITORY

PAGE = REPOSITORY / "docs" / "recipe_fields.md"
COMMAND = "python -m tests.recipe_fields"
_HEAD = f"""# Fields of a recipe

Every field that `--set FIELD=VALUE` sets, with its default in the recipe `paper`, and its value in recipes that have
another. What a group of fields is stands in a row of its own above them. The page is made of `pipelines/recipes.py`
(`{COMMAND}`).
"""
# Groups of fields that every source has, shown once.
_SHARED = (Filters, NearDuplicates)
_NOT_SET = ("name", "added")


def page() -> str:
    """Return the whole page."""
    parts = {found.name: getattr(PAPER, found.name) for found in dataclasses.fields(PAPER)}
    groups = {name: part for name, part in parts.items() if dataclasses.is_dataclass(part)}
    single = [row for row in _rows(PAPER, "", PAPER) if not dataclasses.is_dataclass(getattr(PAPER, row[0], None))]
    sections = [("The build", "", single)]
    sections += [(f"`{name}`", _told(part), list(_rows(part, f"{name}."))) for name, part in groups.items()]
    sections += [
        ("`texts.NAME`", _told(Texts()), list(_rows(Texts(), "texts.NAME."))),
        ("`SOURCE.filters`", _told(Filters()), list(_rows(Filters(), "SOURCE.filters."))),
        ("`SOURCE.near`", _told(NearDuplicates()), list(_rows(NearDuplicates(), "SOURCE.near."))),
    ]
    return "\n".join([_HEAD, *(_section(*section) for section in sections)])


def _section(title: str, told: str, rows: list[tuple[str, str, str]]) -> str:
    table = [
        "| field | default | |",
        "|---|---|---|",
        *(f"| `{path}` | {value} | {what} |" for path, value, what in rows),
    ]
    return "\n".join([f"## {title}", "", *([told, ""] if told else []), *table, ""])


def _rows(part: Any, prefix: str, root: Any = None) -> Iterator[tuple[str, str, str]]:
    """Yield path, default and comment of the fields of a part, those of groups in it behind what the group is."""
    comments = {name: text for kind in reversed(type(part).__mro__) for name, text in _comments(kind).items()}
    for found in dataclasses.fields(part):
        value, path = getattr(part, found.name), f"{prefix}{found.name}"
        if dataclasses.is_dataclass(value) and root is not None:
            continue
        if isinstance(value, _SHARED):
            yield path, "", f"see `SOURCE.{found.name}`"
        elif dataclasses.is_dataclass(value):
            yield path, "", _told(value)
            yield from _rows(value, f"{path}.")
        elif found.name not in _NOT_SET:
            yield path, _shown(value) + "".join(_elsewhere(path, value)), _cell(comments.get(found.name, ""))


def _elsewhere(path: str, value: Any) -> Iterator[str]:
    """Yield the values of the recipes that have another."""
    for name, recipe in RECIPES.items():
        try:
            other = attrgetter(path)(recipe)
        except AttributeError:  # of own texts, or of what any source may have
            return
        if other != value:
            yield f"; {name}: {_shown(other)}"


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        text = ",".join("=".join(map(str, one)) if isinstance(one, tuple) else str(one) for one in value)
    else:
        text = str(value).lower() if value is None or isinstance(value, bool) else str(value)
    return f"`{text}`" if text else "empty"


def _told(part: Any) -> str:
    """Return what a group's docstring says."""
    return _cell(inspect.cleandoc(type(part).__doc__ or ""))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _comments(kind: type) -> dict[str, str]:
    """Return the comments on the fields of a dataclass: behind a field, or on the lines right above it."""
    if not dataclasses.is_dataclass(kind):
        return {}
    source = inspect.getsource(kind)
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    said = {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}
    alone = {line for line in said if source.splitlines()[line - 1].lstrip().startswith("#")}
    (tree,) = ast.parse(source).body
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            first = node.lineno
            while first - 1 in alone:
                first -= 1
            found[node.target.id] = " ".join(
                said[line] for line in range(first, (node.end_lineno or 0) + 1) if line in said
            )
    return found


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
