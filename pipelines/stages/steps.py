"""Steps that many chains have: a document as it is, and the drop of what a decision marked."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from pipelines.document import Document, Drop
from pipelines.files.runs import Lines
from pipelines.stages.kinds import Context


def same(document: Document, context: Context[Any]) -> Document:
    """Keep a document as it is: the stage is there for its keys."""
    return document


def drop_marked(reason: str) -> Callable[[Document, Lines, Context[Any]], Document | Drop]:
    """Return the step that drops the documents of which anything is marked, for a reason."""
    return partial(_unless_marked, reason=reason)


def _unless_marked(document: Document, removed: Lines, context: Context[Any], *, reason: str) -> Document | Drop:
    return document.drop(reason) if len(removed) else document
