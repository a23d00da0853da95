"""Code heuristics: keeps files that look written by a person, in a language that RedPajama lists.

    (text, path) -> reason: empty, not_listed, long_line, long_average_line, few_alphanumerics
    (text, tokens) -> reason: few_letters_per_token (applied once the tokenizer exists)

LLaMA filters by "line length, or proportion of alphanumeric characters" and names no numbers (arXiv:2302.13971, section
2.1); the numbers and their definitions are those of RedPajama-Data v1 (`data_prep/github`: `get_filecontent_stats` in
`github_clean_dedup_local.py`, `discard_record` in `github_run_filter.py`), measured there on the text *after* its
boilerplate is removed. All are counted in Unicode characters. A line is one of `str.splitlines`, without its end; the
average line is all characters, line ends included, over the number of lines; alphanumeric is `str.isalnum`, a letter is
`str.isalpha`, each as a share of all characters, blanks and line ends included.
"""

from __future__ import annotations

import re
import string
from enum import StrEnum

from filters.broken import Broken
from filters.code.languages import ending_of, language_of

# RedPajama-Data v1, github_run_filter.py, discard_record: "> 1000", "> 100", "< 0.25", "< 1.5".
MAX_LINE_CHARACTERS = 1000
MAX_AVERAGE_LINE_CHARACTERS = 100
MIN_ALPHANUMERIC_SHARE = 0.25
MIN_LETTERS_PER_TOKEN = 1.5

_ASCII = re.compile(r"[\x00-\x7f]+")
_LETTERS = string.ascii_letters.encode()
_ALPHANUMERICS = _LETTERS + string.digits.encode()


class Reason(StrEnum):
    """Why a file is dropped, in the order of the tests."""

    EMPTY = "empty"
    NOT_LISTED = "language_not_listed"
    LONG_LINE = "long_line"
    LONG_AVERAGE_LINE = "long_average_line"
    FEW_ALPHANUMERICS = "few_alphanumerics"
    FEW_LETTERS_PER_TOKEN = "few_letters_per_token"


def reason(text: str, path: str) -> Broken | None:
    """Return why a file is dropped by its text and path, or None to keep it; a text of blanks only is empty.

    Of a language that is not listed the detail is the ending of the file's name, or the name if it has none.
    """
    if not text or text.isspace():
        return Broken(Reason.EMPTY)
    if language_of(path) is None:
        return Broken(Reason.NOT_LISTED, detail=ending_of(path))
    lines = text.splitlines()
    if (longest := max(map(len, lines))) > MAX_LINE_CHARACTERS:
        return Broken(Reason.LONG_LINE, longest, MAX_LINE_CHARACTERS)
    if len(text) > MAX_AVERAGE_LINE_CHARACTERS * len(lines):
        return Broken(Reason.LONG_AVERAGE_LINE, len(text) / len(lines), MAX_AVERAGE_LINE_CHARACTERS)
    if (number := alphanumerics(text)) < MIN_ALPHANUMERIC_SHARE * len(text):
        return Broken(Reason.FEW_ALPHANUMERICS, number / len(text), MIN_ALPHANUMERIC_SHARE)
    return None


def letters_per_token_reason(text: str, tokens: int, minimum: float = MIN_LETTERS_PER_TOKEN) -> Broken | None:
    """Return why a file is dropped by its letters per token, or None to keep it.

    `tokens` is the number of tokens of `text` by the corpus' own tokenizer, without bos and eos. A text without tokens
    is empty. RedPajama counts with another model's tokenizer (pythia-6.9b), ours with the one that will be trained on.
    """
    if tokens < 0:
        raise ValueError(f"tokens is {tokens}; it must not be negative")
    if tokens == 0:
        return Broken(Reason.EMPTY)
    number = letters(text)
    return Broken(Reason.FEW_LETTERS_PER_TOKEN, number / tokens, minimum) if number < minimum * tokens else None


def alphanumerics(text: str) -> int:
    """Return the number of characters that `str.isalnum` is true of."""
    rest = _ASCII.sub("", text)
    return _count_ascii(text, _ALPHANUMERICS) + sum(map(str.isalnum, rest))


def letters(text: str) -> int:
    """Return the number of characters that `str.isalpha` is true of."""
    rest = _ASCII.sub("", text)
    return _count_ascii(text, _LETTERS) + sum(map(str.isalpha, rest))


def _count_ascii(text: str, characters: bytes) -> int:
    """Return how many of some ASCII characters a text has; deleting from bytes is many times faster than a loop."""
    ascii_only = text.encode("ascii", "ignore")
    return len(ascii_only) - len(ascii_only.translate(None, characters))
