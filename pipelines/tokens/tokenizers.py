"""Where a tokenizer's file is: in a folder of one, in a corpus, on this machine. Imports no Beam."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pipelines.files import cached, storage
from tokenizer.encode import Tokenizer
from tokenizer.spec import FILES


def find(folder: str) -> str | None:
    """Return the path of the tokenizer's file in a folder, None if there is none."""
    return next((path for name in FILES if storage.exists(path := f"{folder}/{name}")), None)


def of_corpus(corpus: str) -> str | None:
    """Return the path of the file of a corpus' own tokenizer, None if it has none."""
    return find(f"{corpus}/models/tokenizer")


def load(path: str) -> Tokenizer:
    """Load a tokenizer, a remote one by a copy of its folder on this machine; ValueError if it is none."""
    if not storage.is_remote(path):
        return Tokenizer(Path(path))
    folder, _, name = path.rpartition("/")
    return Tokenizer(Path(cached.local(folder), name))


# For workers, which load a tokenizer once per process.
loaded = cache(load)
