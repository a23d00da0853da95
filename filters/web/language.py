"""Language identification by fastText's lid.176, as CCNet does it (section 1, step 4).

text -> one line -> (label, score) -> reason to drop, or None
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from pathlib import Path
from typing import Final

from filters.broken import Broken
from filters.models import fast_text
from filters.models.fast_text import Newlines as Newlines

THRESHOLD: Final = 0.5  # CCNet, Config.lang_threshold
DECIMALS: Final = 6  # ours: what differs between processors must not decide


class Reason(StrEnum):
    """Why a text is dropped."""

    LOW_SCORE = "language_score"
    OTHER_LANGUAGE = "other_language"


class LanguageIdentifier:
    """fastText's lid.176 (.bin or .ftz), or another model with languages as labels.

    Raises ValueError if there is no model at the path. The whole text is read; one thread.
    """

    def __init__(self, path: Path) -> None:
        self._labels = fast_text.Labeller(path)

    def identify(self, text: str, newlines: Newlines = "space", decimals: int = DECIMALS) -> tuple[str, float]:
        """Return the most probable language ("en", "pt" ...) and its rounded score, ("", 0.0) if there is none.

        CCNet deletes line feeds, so that words at line ends fuse, and rounds to 2 decimals.
        """
        label, score = self._labels.best(text, newlines)
        # numpy's rounding, which is CCNet's: it differs from round(score, decimals) where the score lies halfway.
        scale = 10.0**decimals
        return label.removeprefix(fast_text.LABEL), round(score * scale) / scale


def reason(label: str, score: float, languages: Collection[str], threshold: float = THRESHOLD) -> Broken | None:
    """Return why a text with this language and score is dropped; no `languages` means all of them."""
    if score < threshold:
        return Broken(Reason.LOW_SCORE, score, threshold, detail=label)
    return Broken(Reason.OTHER_LANGUAGE, detail=label) if languages and label not in languages else None
