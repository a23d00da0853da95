"""C4's rules for web pages, by the pipeline that made it (section 2): English prose by its lines.

    page -> page_text -> page_too_long? -> one page of each normalise_url, by text_rank
         -> clean: rules line by line, sentences counted -> lines owned by url_rank, by line_keys
         -> after_deduplication -> language -> BadWords -> is_validation

Decisions are those of TensorFlow Datasets' `c4_utils`, order included: a page with "{" in a line that has no end mark
stays, for the line is gone before the brace is looked for.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from filters import packages
from filters.broken import Broken
from filters.native import binding, web
from filters.native.web import Firsts
from filters.web import paragraphs, sentences

# c4_utils
MAX_CHARACTERS: Final = 190_000  # is_valid_length
MAX_WORD_CHARACTERS: Final = 1_000
MIN_WORDS: Final = 5
MIN_SENTENCES: Final = 3
END_MARKS: Final = (".", "?", "!", '"')
ELLIPSIS: Final = "..."
POLICY: Final = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
LOREM_IPSUM: Final = "lorem ipsum"
JAVASCRIPT: Final = "javascript"
BRACE: Final = "{"
ENGLISH: Final = "en"
ENGLISH_PROBABILITY: Final = 0.99  # detect_english
LANGDETECT_SEED: Final = 0
VALIDATION_SHARE: Final = 1_000  # one page in so many
HEADER_PREFIXES: Final = ("WARC", "CONTENT-", "Content-")  # split_wet_file

_PROBABILITY_DECIMALS: Final = 12  # the last bits follow the order of a sum, which follows Python's version
_CITATION = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]")
_SCHEME = re.compile(r"https?://(?:www\.)?")
_TRACKING = re.compile(r"\?(?:utm_|ref|feed).*")
_HINTS = (LOREM_IPSUM, JAVASCRIPT, "terms of use", "policy", "cookie")  # at least one is in any line that goes for them
_MAY_END = frozenset((*END_MARKS, "]"))


class Reason(StrEnum):
    """Why a page is dropped."""

    PAGE_TOO_LONG = "page_too_long"
    LOREM_IPSUM = "lorem_ipsum"
    BRACE = "brace"
    TOO_FEW_SENTENCES = "too_few_sentences"
    ALL_DUPLICATES = "all_duplicates"
    NO_LANGUAGE = "no_language"
    LOW_PROBABILITY = "language_probability"
    OTHER_LANGUAGE = "other_language"
    BAD_WORD = "bad_word"


class Verdict(StrEnum):
    """What happens to a line; two of the verdicts drop the whole page."""

    KEEP = "keep"
    LONG_WORD = "long_word"
    NO_END_MARK = "no_end_mark"
    TOO_FEW_WORDS = "too_few_words"
    LOREM_IPSUM = "lorem_ipsum"
    JAVASCRIPT = "javascript"
    BRACE = "brace"
    POLICY = "policy"


PAGE_DROPS: Final = {Verdict.LOREM_IPSUM: Reason.LOREM_IPSUM, Verdict.BRACE: Reason.BRACE}


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A page after the line rules: its text, or the reason to drop it."""

    text: str | None
    reason: Broken | None


def page_text(text: str, *, remove_nul: bool = True, lose_header_lines: bool = False) -> str:
    """Return a page as the pipeline sees it: its lines stripped, empty ones left out.

    As published, NUL characters stay, and lines that begin like headers of the file format ("Content-Type ...") are
    lost: `remove_nul=False`, `lose_header_lines=True`.
    """
    page = web.stripped(text, remove_nul=remove_nul, lose_header_lines=lose_header_lines)
    if page is not None:
        return page
    if remove_nul:
        text = text.replace("\0", "")
    lines = filter(None, map(str.strip, text.replace("\r\n", "\n").replace("\r", "\n").split("\n")))
    if lose_header_lines:
        lines = filter(lambda line: not line.startswith(HEADER_PREFIXES), lines)
    return "\n".join(lines)


def page_too_long(text: str, maximum: int = MAX_CHARACTERS) -> Broken | None:
    """Return the reason to drop a page (as `page_text` gives it) of more than `maximum` characters."""
    return Broken(Reason.PAGE_TOO_LONG, len(text), maximum) if len(text) > maximum else None


def normalise_url(url: str) -> str:
    """Return the URL that stands for a page: scheme and "www." off, a query that starts with utm_, ref or feed off.

    As published, a scheme goes wherever it stands, so that pages of an archive of pages are told apart by path alone.
    """
    return _TRACKING.sub("", _SCHEME.sub("", url)).rstrip("/")


def text_rank(text: str) -> int:
    """Return the rank of a page among those of one URL, 64 bits of its MD5: the largest is kept."""
    return _rank(text)


def url_rank(url: str) -> int:
    """Return the rank of a URL among those that have a line, 64 bits of its MD5: the smallest owns the line."""
    return _rank(url)


def is_validation(url: str) -> bool:
    """Return whether the page of this normalised URL belongs to the validation split."""
    return int.from_bytes(_md5(url)) % VALIDATION_SHARE == 0


def line_rule(line: str) -> tuple[str, Verdict]:
    """Return a line without the space around it and without citations, and what happens to it."""
    line = line.strip()
    if any(len(word) > MAX_WORD_CHARACTERS for word in line.split()):
        return line, Verdict.LONG_WORD
    line = _CITATION.sub("", line)
    if not line.endswith(END_MARKS) or line.endswith(ELLIPSIS):
        return line, Verdict.NO_END_MARK
    if len(line.split()) < MIN_WORDS:
        return line, Verdict.TOO_FEW_WORDS
    return line, _content_verdict(line)


def clean(text: str, min_sentences: int = MIN_SENTENCES) -> Cleaned:
    """Return a page's lines of prose, or why it is dropped: the rules of `line_rule`, then the number of sentences.

    Sentences are counted in each line, as published. A line kept has one at least, so most pages need no counting.
    """
    return _judged(web.prose(text) or _python_prose(text), min_sentences)


def _judged(prose: web.Prose, min_sentences: int) -> Cleaned:
    page, number, hinted = prose
    if hinted:
        lines = page.split("\n")
        verdicts = list(map(_content_verdict, lines))
        for verdict in verdicts:
            if verdict in PAGE_DROPS:
                return Cleaned(None, Broken(PAGE_DROPS[verdict]))
        lines = [line for line, verdict in zip(lines, verdicts, strict=True) if verdict is Verdict.KEEP]
        page, number = "\n".join(lines), len(lines)
    if number < min_sentences:
        counted = sum(sentences.count(line, min_sentences) for line in page.split("\n"))
        if counted < min_sentences:
            return Cleaned(None, Broken(Reason.TOO_FEW_SENTENCES, counted, min_sentences))
    return Cleaned(page.strip(), None)


def line_keys(text: str) -> list[bytes]:
    """Return the key of each line of a cleaned page: 8 bytes of the MD5 of the line stripped and lower-cased.

    A page keeps the lines it owns, each once.
    """
    # Lower-casing looks at neighbours only within a word (the final sigma), and no word crosses a line feed.
    return [_md5(line.strip())[:8] for line in text.lower().split("\n")]


def packed(keys: Iterable[bytes]) -> NDArray[np.uint64]:
    """Return keys of lines as an array, shape (n,)."""
    return np.frombuffer(b"".join(keys), dtype=">u8").astype(np.uint64)


def firsts(text: str) -> Firsts:
    """Return the first of each repeated line of a cleaned page, and their keys: what `line_keys` says, in one pass."""
    if found := web.unique(text, web.lower_table()):
        return found
    first = paragraphs.unique(text.split("\n"), line_keys(text))
    return Firsts("\n".join(first.values()), packed(first), len(text))


def prose_lines(text: str, min_sentences: int = MIN_SENTENCES) -> Firsts | Broken:
    """Return the first of each repeated line of a page's prose, or why it is dropped: `firsts` of `clean`."""
    found = web.prose_lines(text, web.lower_table(), min_sentences)
    if isinstance(found, Firsts):
        return found
    cleaned = _judged(found, min_sentences) if found else clean(text, min_sentences)
    if cleaned.text is None:
        assert cleaned.reason is not None
        return cleaned.reason
    return firsts(cleaned.text)


def after_deduplication(text: str, min_sentences: int = MIN_SENTENCES) -> Broken | None:
    """Return why a page is dropped of whose lines some went to their owners; sentences are counted in the whole."""
    if not text:
        return Broken(Reason.ALL_DUPLICATES)
    counted = sentences.count(text, min_sentences)
    return Broken(Reason.TOO_FEW_SENTENCES, counted, min_sentences) if counted < min_sentences else None


def detect(text: str) -> tuple[str, float] | None:
    """Return the most probable language and its probability, or None for a text without letters.

    langdetect 1.0.9 with seed 0, whose results `langdetect_rs` gives bit by bit, or langdetect itself.
    """
    library = _langdetect()
    try:
        best = library.detect_langs(binding.with_question_marks(text))
    except library.LangDetectException:
        return None
    return (best[0].lang, round(best[0].prob, _PROBABILITY_DECIMALS)) if best else None


def language(text: str, threshold: float = ENGLISH_PROBABILITY) -> Broken | None:
    """Return why a page is dropped that is not English with a probability of `threshold` or more.

    The detail is the language by the detector's own code, "zh-cn" and "zh-tw" among them.
    """
    best = detect(text)
    if best is None:
        return Broken(Reason.NO_LANGUAGE)
    code, probability = best
    if probability < threshold:
        return Broken(Reason.LOW_PROBABILITY, probability, threshold, detail=code)
    return None if code == ENGLISH else Broken(Reason.OTHER_LANGUAGE, detail=code)


class BadWords:
    """A list of words and phrases that drop a page, one a line: the English LDNOOBW list for C4.

    Raises ValueError for a list without entries, or not in UTF-8.
    """

    def __init__(self, path: Path) -> None:
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: not a list of words in UTF-8: {error}") from None
        entries = [entry for line in lines if (entry := line.strip())]
        if not entries:
            raise ValueError(f"{path}: no bad words in this file; one per line is expected")
        self._words = frozenset(entry for entry in entries if _WORD.fullmatch(entry))
        self._phrases: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
        for entry in entries:
            if entry not in self._words:
                longest = max(_WORD.findall(entry), key=len, default="")
                pattern = re.compile(rf"(?:\W|^){re.escape(entry)}(?:\W|$)")
                self._phrases.setdefault(longest, []).append((entry, pattern))
        self._hints = self._words | self._phrases.keys()
        self._wordless = [phrase for phrase, _ in self._phrases.get("", ())]
        caseless = all(map(web.has_one_case, "".join(self._wordless)))
        words = [words for entry in entries if (words := _WORD.findall(entry))]
        self._quick = web.Words(words) if caseless else None

    def reason(self, text: str) -> Broken | None:
        """Return the reason to drop a page with a bad word between characters that belong to no word.

        The detail is the first of the words in the page, else the first of the phrases, as the list has it.
        """
        quick = self._quick and not self._quick.may_be_in(text)
        if quick and not any(phrase in text for phrase in self._wordless):
            return None
        lowered = text.lower()
        found = self._hints.intersection(_words(lowered))
        if not self._words.isdisjoint(found):
            first = next(word for word in _words(lowered) if word in self._words)
            return Broken(Reason.BAD_WORD, detail=first)
        phrases = self._found_phrases(lowered, found)
        return Broken(Reason.BAD_WORD, detail=min(phrases)[1]) if phrases else None

    def _found_phrases(self, lowered: str, words: frozenset[str]) -> list[tuple[int, str]]:
        """Return the phrases that are in a page, each with its place.

        A phrase between such characters has each of its own words whole, so only phrases whose longest word is in the
        page are searched for, and those without any ("").
        """
        return [
            (found.start(), phrase)
            for longest in self._phrases.keys() & (words | {""})
            for phrase, pattern in self._phrases[longest]
            if phrase in lowered and (found := pattern.search(lowered))
        ]


_WORD = re.compile(r"\w+")
_ASCII_WORDS = {code: " " for code in range(128) if not _WORD.match(chr(code))}


def _words(text: str) -> list[str]:
    # In ASCII, where a table says what belongs to a word, twice as fast.
    return text.translate(_ASCII_WORDS).split() if text.isascii() else _WORD.findall(text)


def _python_prose(text: str) -> web.Prose:
    """Return the twin of `filters.native.web.prose`."""
    lines = list(_prose(text))
    page = "\n".join(lines)
    lowered = page.lower()
    return web.Prose(page, len(lines), BRACE in page or any(hint in lowered for hint in _HINTS))


def _prose(text: str) -> Iterator[str]:
    """Yield the lines of which only the content is left to judge: the same lines that `line_rule` brings that far."""
    for line in [line for raw in text.splitlines() if (line := raw.strip())[-1:] in _MAY_END]:
        if len(line) > MAX_WORD_CHARACTERS and max(map(len, line.split())) > MAX_WORD_CHARACTERS:
            continue
        if "[" in line:
            line = _CITATION.sub("", line)
        if (
            line.endswith(END_MARKS)
            and not line.endswith(ELLIPSIS)
            and len(line.split(None, MIN_WORDS - 1)) == MIN_WORDS
        ):
            yield line


def _content_verdict(line: str) -> Verdict:
    lowered = line.lower()
    if LOREM_IPSUM in lowered:
        return Verdict.LOREM_IPSUM
    if JAVASCRIPT in lowered:
        return Verdict.JAVASCRIPT
    if BRACE in line:
        return Verdict.BRACE
    return Verdict.POLICY if any(phrase in lowered for phrase in POLICY) else Verdict.KEEP


def _md5(text: str) -> bytes:
    return hashlib.md5(text.encode(errors="replace"), usedforsecurity=False).digest()


def _rank(text: str) -> int:
    rank = web.md5(text)
    return int.from_bytes(_md5(text)[:8]) if rank is None else rank


@functools.cache
def _langdetect() -> ModuleType:
    """Return the module with its seed set, which is how langdetect and it are made to answer the same every time."""
    library = packages.LANGDETECT.load()
    library.DetectorFactory.seed = LANGDETECT_SEED
    return library
