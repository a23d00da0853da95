"""Gopher's rules for quality and repetition (Rae et al. 2021, "Scaling Language Models", section A.1.1 and table A1).

    text ─ words ─> quality: length, length of words, symbols, bullets, ellipses, letters, stop words
                 ─> repetition: lines and paragraphs again, the most frequent run of words, runs again

The paper says neither what a word is (here `filters.web.words`) nor how a run that stands in several places is counted:
here as FineWeb's program does, so that its thresholds mean the same. `docs/own_texts.md` names the differences.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from filters.broken import Broken
from filters.web.words import of_runs_again, of_the_most_frequent, repeated

STOP_WORDS: Final = frozenset({"the", "be", "to", "of", "and", "that", "have", "with"})
BULLETS: Final = ("•", "-")
ELLIPSES: Final = ("...", "…")
# Table A1: the largest part of all lines, or of all characters, that may stand there again.
LINES, PARAGRAPHS = 0.30, 0.30
LINE_CHARACTERS, PARAGRAPH_CHARACTERS = 0.20, 0.20
MOST_FREQUENT: Final = {2: 0.20, 3: 0.18, 4: 0.16}
AGAIN: Final = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}
_BLANK_LINES = re.compile(r"\n\s*\n")


class Reason(StrEnum):
    """Why a text is dropped; of runs of words `gopher_most_frequent_N` and `gopher_again_N` with their length."""

    FEW_WORDS = "gopher_few_words"
    MANY_WORDS = "gopher_many_words"
    SHORT_WORDS = "gopher_short_words"
    LONG_WORDS = "gopher_long_words"
    HASHES = "gopher_hashes"
    ELLIPSES = "gopher_ellipses"
    BULLET_LINES = "gopher_bullet_lines"
    ELLIPSIS_LINES = "gopher_ellipsis_lines"
    FEW_LETTERS = "gopher_few_letters"
    STOP_WORDS = "gopher_stop_words"
    PARAGRAPHS_AGAIN = "gopher_paragraphs_again"
    LINES_AGAIN = "gopher_lines_again"


@dataclass(frozen=True)
class Limits:
    """The paper's limits of quality; lengths are in characters, ratios are to words or to lines."""

    min_words: int = 50
    max_words: int = 100_000
    min_word_length: float = 3.0
    max_word_length: float = 10.0
    symbols: float = 0.1
    bullet_lines: float = 0.9
    ellipsis_lines: float = 0.3
    with_letters: float = 0.8
    stop_words: int = 2


def quality(text: str, words: Sequence[str], limits: Limits = Limits()) -> Broken | None:
    """Return the first rule of quality that a text breaks, None if it keeps all; `words` are the text's.

    What is measured is what the rule's limit is of: words, characters, or a ratio to words or to lines.
    """
    own = [word for word in words if any(map(str.isalnum, word))]
    if len(own) < max(1, limits.min_words):
        return Broken(Reason.FEW_WORDS, len(own), max(1, limits.min_words))
    if len(own) > limits.max_words:
        return Broken(Reason.MANY_WORDS, len(own), limits.max_words)
    length = sum(map(len, own)) / len(own)
    if length < limits.min_word_length:
        return Broken(Reason.SHORT_WORDS, length, limits.min_word_length)
    if length > limits.max_word_length:
        return Broken(Reason.LONG_WORDS, length, limits.max_word_length)
    if (hashes := text.count("#")) > limits.symbols * len(words):
        return Broken(Reason.HASHES, hashes / len(words), limits.symbols)
    if (ellipses := sum(map(text.count, ELLIPSES))) > limits.symbols * len(words):
        return Broken(Reason.ELLIPSES, ellipses / len(words), limits.symbols)
    lines = text.splitlines()
    if (bullets := sum(line.lstrip().startswith(BULLETS) for line in lines)) > limits.bullet_lines * len(lines):
        return Broken(Reason.BULLET_LINES, bullets / len(lines), limits.bullet_lines)
    if (ends := sum(line.rstrip().endswith(ELLIPSES) for line in lines)) > limits.ellipsis_lines * len(lines):
        return Broken(Reason.ELLIPSIS_LINES, ends / len(lines), limits.ellipsis_lines)
    if (letters := sum(any(map(str.isalpha, word)) for word in words)) < limits.with_letters * len(words):
        return Broken(Reason.FEW_LETTERS, letters / len(words), limits.with_letters)
    if (stops := len(STOP_WORDS.intersection(words))) < limits.stop_words:
        return Broken(Reason.STOP_WORDS, stops, limits.stop_words)
    return None


def repetition(text: str, words: Sequence[str]) -> Broken | None:
    """Return the first rule of repetition that a text breaks, None if it keeps all; `words` are the text's.

    What is measured are shares, of lines or paragraphs, or of the text's characters.
    """
    paragraphs, size = _BLANK_LINES.split(text.strip()), len(text)
    if broken := _breaks(Reason.PARAGRAPHS_AGAIN, paragraphs, PARAGRAPHS, PARAGRAPH_CHARACTERS, size):
        return broken
    lines = [line for line in text.split("\n") if line.strip()]
    if broken := _breaks(Reason.LINES_AGAIN, lines, LINES, LINE_CHARACTERS, size):
        return broken
    for length, part in MOST_FREQUENT.items():
        if (found := of_the_most_frequent(words, length)) > part * size:
            return Broken(f"gopher_most_frequent_{length}", found / size, part)
    for length, part in AGAIN.items():
        if (found := of_runs_again(words, length)) > part * size:
            return Broken(f"gopher_again_{length}", found / size, part)
    return None


def _breaks(reason: Reason, parts: Sequence[str], share: float, characters: float, size: int) -> Broken | None:
    again, repeats = repeated(parts)
    if again > share * len(parts):
        return Broken(reason, again / len(parts), share)
    return Broken(reason, repeats / size, characters) if repeats > characters * size else None
