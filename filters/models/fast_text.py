"""fastText models: loading, and one prediction, whatever the text."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol, cast

from filters import packages
from filters.models import fast_text_file
from filters.models.fast_text_model import Arrays, UnsupportedError
from filters.native import binding

LABEL = "__label__"
Newlines = Literal["delete", "space"]


class Model(Protocol):
    """What is used of a supervised fastText model."""

    def predict(self, text: str, k: int = 1) -> tuple[Sequence[str], Sequence[float]]:
        """Return the k most probable labels and their probabilities; raises ValueError for text with a line feed."""

    def get_labels(self) -> Sequence[str]:
        """Return all labels."""

    def save_model(self, path: str) -> None:
        """Write the model."""


def load(path: Path) -> Model:
    """Return the model at `path` (.bin or .ftz); raises ValueError if there is none, or none that is fit for use."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file; a fastText model (.bin or .ftz) is expected")
    fast_text_file.opened(path)
    return _loaded(path)


def _loaded(path: Path) -> Model:
    """Return a model whose file is checked."""
    library = packages.FASTTEXT.load()
    try:
        return cast(Model, library.load_model(str(path)))
    except (ValueError, RuntimeError, MemoryError, OSError) as error:
        raise ValueError(f"{path}: not a fastText model ({error})") from error


def train(path: Path, **arguments: float | int | str) -> Model:
    """Return a supervised model of the labelled lines at `path`; one thread, so that it is the same every time."""
    library = packages.FASTTEXT.load()
    return cast(Model, library.train_supervised(input=str(path), thread=1, verbose=0, label=LABEL, **arguments))


def predict(model: Model, line: str, k: int = 1) -> dict[str, float]:
    """Return the k most probable labels with their probabilities, best first; none if no word is known.

    `line` has no line feed. Lone surrogates, which UTF-8 cannot hold, count as "?".
    """
    labels, probabilities = model.predict(binding.with_question_marks(line), k)
    return dict(zip(labels, map(float, probabilities), strict=True))


class Labeller:
    """The most probable label of a text: fastText's answer, from our own C where it is compiled and knows the model.

    Raises ValueError if there is no model at the path, or none that is fit for use.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._arrays: Arrays | None = None
        if not path.is_file():
            raise ValueError(f"{path}: no such file; a fastText model (.bin or .ftz) is expected")
        try:
            self._arrays = Arrays(path)
        except UnsupportedError:
            _ = self._model

    @cached_property
    def _model(self) -> Model:
        return _loaded(self._path)

    @property
    def labels(self) -> Sequence[str]:
        """All labels of the model."""
        return self._arrays.labels if self._arrays else self._model.get_labels()

    def best(self, text: str, newlines: Newlines = "space") -> tuple[str, float]:
        """Return the most probable label of a text as one line, and its probability; ("", 0.0) if no word is known.

        Lone surrogates, which UTF-8 cannot hold, count as "?".
        """
        text = binding.with_question_marks(text)
        if self._arrays:
            try:
                return self._arrays.best(text, delete_feeds=newlines == "delete") or ("", 0.0)
            except LookupError:
                pass
        line = text.replace("\n", "" if newlines == "delete" else " ")
        return next(iter(predict(self._model, line).items()), ("", 0.0))
