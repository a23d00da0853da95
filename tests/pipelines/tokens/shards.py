"""Document shards and decisions written by hand, for tests of what reads them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.document import Document
from pipelines.files import runs, storage, tables
from pipelines.models import draws
from pipelines.models import training as models


def page(number: int, **fields: Any) -> Document:
    """Return a page of the crawl."""
    return Document(
        **{"id": f"p/{number}", "source": "common_crawl", "text": f"page {number}", "dump": "d", "offset": 0, **fields}
    )


def write(path: Path, documents: Sequence[Document]) -> str:
    """Write a shard."""
    with storage.write(str(path)) as stream:
        writer = tables.DocumentWriter(stream, tables.columns(perplexity=pa.float64()))
        for document in documents:
            writer.write(document)
        writer.close()
    return str(path)


def marked(path: Path, rows: Sequence[tuple[int, int, int]], items: int) -> str:
    """Write a decision file: (item, document, line)."""
    found = np.array([(document, line) for _, document, line in rows], runs.REMOVAL)
    runs.write_removals(str(path), np.array([item for item, _, _ in rows], np.uint32), found, items)
    return str(path)


def training(folder: Path, make: Any, recipe: Any, inputs: Sequence[Any], name: str = "model") -> models.Training:
    """Return a training whose inputs are identified by what they are."""
    return models.training_of(str(folder), name, make, recipe, [(found, str(found)) for found in inputs])


def draw(path: str, run: Path, take: Any, rates: dict[str, float], detail: Any = None) -> draws.Draw:
    """Draw from a shard."""
    task = draws.Draw(path, str(run), rates, "identity", take, detail)
    draws.draw(task)
    return task
