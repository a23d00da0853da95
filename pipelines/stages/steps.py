"""Steps that many chains have: a document as it is, the drop of what a decision marked or of what breaks a rule."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from filters.broken import Broken
from pipelines.document import Document, Drop
from pipelines.files.runs import Lines
from pipelines.stages.kinds import Context


def same(document: Document, context: Context[Any]) -> Document:
    """Keep a document as it is: the stage is there for its keys."""
    return document


def dropped(document: Document, broken: Broken, **scores: float) -> Drop:
    """Return the drop of a document that breaks a rule, with what decided and what else was measured."""
    return document.drop(str(broken), detail=broken.detail, **broken.scores, **scores)


def drop_marked(reason: str) -> Callable[[Document, Lines, Context[Any]], Document | Drop]:
    """Return the step that drops the documents of which anything is marked, for a reason."""
    return partial(_unless_marked, reason=reason)


def _unless_marked(document: Document, removed: Lines, context: Context[Any], *, reason: str) -> Document | Drop:
    return document.drop(reason) if len(removed) else document
