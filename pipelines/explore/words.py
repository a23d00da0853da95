"""Words and phrases: an index with positions (tantivy), and how words are told apart in texts and in questions.

    text ─ runs of letters, marks and digits, lower case; scripts without spaces in pairs of letters ─> index
    "two words" lone -without ─> a phrase, a word, and what must not be there ─> numbers of rows, in order

A phrase in a script without spaces is found by the pairs of its letters, one behind the other. Of a dropped document
its excerpt is what is there to be searched.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tantivy

from pipelines.explore import marks

FOLDER: Final = "words"
VERSION: Final = 3  # of how words are told apart, and what is kept of them
HEAP: Final = 48 << 20  # bytes of new words in memory, of all threads
WAITING: Final = 32 << 20  # bytes of texts that wait for it: it takes ten thousand, whatever their length
LONGEST: Final = 100  # letters of a word that is kept; what is longer is a key or a picture in letters
AT_ONCE: Final = 1 << 17  # rows that are asked for at a time
ESCAPE: Final = "\U00014400"  # before the number of a mark, which the tokenizer takes for a sign
_PLANES: Final = 0x30000  # characters that are looked through; behind them none is a sign or has two forms
# Han, kana, Thai, Lao, Burmese, Khmer and Tibetan, which put no spaces between words.
_UNSPACED: Final = re.compile(
    "[\u0e01-\u0eff\u0f40-\u0fbc\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]+"
)
_RUN: Final = re.compile(f"{_UNSPACED.pattern}|{_UNSPACED.pattern.replace('[', '[^', 1)}")


def _ranges(characters: Iterable[str]) -> str:
    """Return characters as a class of `re` has them, which looks at the ranges above U+FFFF one after another."""
    found: list[list[int]] = []
    for number in sorted(map(ord, characters)):
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in found)


_MARKS: Final = _ranges(marks.ALL)
_MARKS_BELOW: Final = _ranges(one for one in marks.ALL if ord(one) < 1 << 16)
_SIGNS: Final = re.compile(rf"^[^\w\s('‘{_MARKS}]|[^\w\s.,;:!?)'’{_MARKS}]$")
_WORD: Final = re.compile(rf"(?:[^\W_]|[{_MARKS}])+")
_ASKED: Final = re.compile(r'(-?)"([^"]*)"|(-?)(\S+)')
_QUOTES: Final = str.maketrans(dict.fromkeys("“”„‟«»＂", '"'))  # as people and their keyboards type them
_SINGLE: Final = re.compile(r"(?<![^\s-])['‘]([^'‘’\s]+(?:\s+[^'‘’\s]+)+)['’](?!\S)")  # around words, not inside of one
# A host with what stands before and behind it; "1.5" is none.
_ADDRESS: Final = re.compile(
    r"(?i)(?:(?:site|host|url|domain|inurl):)?((?:https?://)?(?:[\w-]+\.)+[^\W\d_][\w-]+(?:[:/]\S*)?)"
)
Numbers = npt.NDArray[np.uint64]


def plain(text: str) -> str:
    """Return a text as its words are taken from it: with spaces around pairs of letters of scripts that have none.

    How an accent is stored does not count. Case tells letters apart that are one: the Turkish İ is an i here, the Greek
    ς a σ, the long ſ an s.
    """
    if text.isascii():
        return text
    text = unicodedata.normalize("NFC", text)
    text = text.replace("i\u0307", "i")
    if _UNSPACED.search(text):
        text = _UNSPACED.sub(_pairs, text)
    return _OTHERS.sub(_given, text)


def _pairs(match: re.Match[str]) -> str:
    run = match[0]
    return f" {' '.join(run[place : place + 2] for place in range(max(1, len(run) - 1)))} "


@dataclass(frozen=True, slots=True)
class Asked:
    """One word or phrase of a question, as typed: whether it must be there, or must not."""

    text: str
    there: bool

    @property
    def words(self) -> Sequence[str]:
        """What is looked for, a phrase if it is more than one: letters, marks and digits without what is between."""
        return [piece.replace("İ", "i").lower() for piece in _WORD.findall(self.text)]

    @property
    def has_signs(self) -> bool:
        """Whether signs stand at its ends that may be meant, as in C++, and are not looked for."""
        return bool(_SIGNS.search(self.text))


def asked(words: str, field: str = "words") -> list[Asked]:
    """Return a field's words and phrases, each once; ValueError for one that has none, or opens a phrase for good."""
    found: dict[tuple[bool, *tuple[str, ...]], Asked] = {}
    plain = _SINGLE.sub(r'"\1"', unicodedata.normalize("NFC", words).translate(_QUOTES))
    if plain.count('"') % 2:
        raise ValueError(f"{field}: in {words!r} a quotation mark is opened and not closed")
    for match in _ASKED.finditer(plain):
        minus, text = (match[1], match[2]) if match[2] is not None else (match[3], match[4])
        if (same := terms(text)) and _WORD.search(text):
            found.setdefault((not minus, *same), Asked(text, not minus))
    if words.strip() and not found:
        raise ValueError(f"{field}: {words!r} has no word; signs are looked for by a pattern")
    return list(found.values())


def addresses(words: str) -> list[str]:
    """Return what of a question's words looks like the address of a page, or the name of a host."""
    return [match[1] for word in words.split() if (match := _ADDRESS.fullmatch(word))]


def _analyser() -> tantivy.TextAnalyzer:
    words = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
    return words.filter(tantivy.Filter.lowercase()).filter(tantivy.Filter.remove_long(4 * LONGEST)).build()


_ANALYSER: Final = _analyser()


def _misread() -> Iterator[tuple[str, str]]:
    """Yield marks that the tokenizer takes for signs, signs that it takes for letters, and what it is given."""
    whole = set(_ANALYSER.analyze(" ".join(f"a{one}a" for one in marks.ALL)))
    yield from ((one, f"{ESCAPE}{ord(one):x}") for one in marks.ALL if f"a{one}a" not in whole)
    signs = [one for one in map(chr, range(_PLANES)) if unicodedata.category(one)[0] in "PSZ"]
    letters = set(_ANALYSER.analyze(" ".join(signs)))
    yield from ((one, " ") for one in signs if one.lower() in letters)


_GIVEN: Final = dict(_misread()) | {"İ": "I", "ς": "σ", "ſ": "s", "µ": "μ"}
_OTHERS: Final = re.compile(f"[{_ranges(one for one in _GIVEN if ord(one) < 1 << 16)}\U00010000-\U000e01ef]")


def _given(match: re.Match[str]) -> str:
    return _GIVEN.get(match[0], match[0])


def terms(text: str) -> list[str]:
    """Return the words of a text as the index has them."""
    return _ANALYSER.analyze(plain(text))


def in_python(one: Asked) -> re.Pattern[str]:
    """Return a pattern of `re` that finds a word or phrase in a text."""
    # Without the marks of rare scripts: those would be looked through one by one before each word of a text.
    ends = rf"(?![^\W_])(?![{_MARKS_BELOW}])"
    return re.compile(
        _pattern(one, rf"(?<![^\W_])(?<![{_MARKS_BELOW}])", rf"(?:[^\w{_MARKS_BELOW}]|_)", ends), re.IGNORECASE
    )


def in_re2(one: Asked) -> str:
    """Return a pattern of RE2 that finds a word or phrase in a text."""
    other = r"[^\pL\pM\pN]"
    return _pattern(one, f"(?:^|{other})", other, f"(?:$|{other})")


def _pattern(one: Asked, begins: str, other: str, ends: str) -> str:
    """Return a pattern of words with others than letters between them; a script without spaces has no ends of words."""
    runs = [run[0] for word in _WORD.findall(one.text) for run in _RUN.finditer(word)]
    unspaced = [bool(_UNSPACED.match(run)) for run in runs]
    between = [f"{other}{'+' if before == after else '*'}" for before, after in pairwise(unspaced)]
    whole = "".join(part for pair in zip(map(_letters, runs), [*between, ""], strict=True) for part in pair)
    return f"{'' if unspaced[0] else begins}{whole}{'' if unspaced[-1] else ends}"


_DOTTED: Final = "(?-i:[iIİ])\u0307?"
_I: Final = {"i": _DOTTED, "I": _DOTTED, "İ": _DOTTED, "ı": "(?-i:ı)"}  # of which engines know different cases


def _letters(run: str) -> str:
    """Return a pattern of letters in whatever form of Unicode a text has them, an i with a dot too."""
    forms, found, place = _forms(), list[str](), 0
    while place < len(run):
        part = next(part for size in (3, 2, 1) if (part := run[place : place + size]) in forms or size == 1)
        others = "|".join(map(re.escape, sorted({part, *forms.get(part, ())})))
        found.append(_I.get(part) or (f"(?:{others})" if part in forms else re.escape(part)))
        place += len(part)
    return "".join(found)


@cache
def _forms() -> dict[str, set[str]]:
    """Return what else than their composed form (NFC) letters and their accents may be stored as."""
    found: dict[str, set[str]] = {}
    for one in map(chr, range(_PLANES)):
        apart = unicodedata.normalize("NFD", one)
        if apart != one:
            found.setdefault(unicodedata.normalize("NFC", one), set()).update((one, apart))
    return found


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("number", indexed=True, fast=True)
    builder.add_text_field("text", tokenizer_name="words")
    return builder.build()


class Words:
    """An index in a folder, made there if there is none; ValueError for a folder that holds another thing."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._schema = _schema()
        try:
            self._index = tantivy.Index(self._schema, path=str(folder))
        except (ValueError, OSError) as error:
            raise ValueError(f"{folder}: no index of words can be opened: {error}") from None
        self._index.register_tokenizer("words", _ANALYSER)

    def writer(self) -> Writer:
        """Return what adds to it; one at a time."""
        return Writer(self._index, self._schema)

    def reload(self) -> None:
        """See what was added since."""
        self._index.reload()

    def numbers(self, words: Sequence[Asked], bounds: tuple[int, int]) -> Iterator[Numbers]:
        """Yield the numbers of the rows that have some words, in rising order, a block at a time.

        `bounds` are the first number and the one behind the last.
        """
        searcher = self._index.searcher()
        wanted = self._query(words)
        start, stop = bounds
        while start < stop:
            inside = tantivy.Query.range_query(
                self._schema, "number", tantivy.FieldType.Unsigned, start, stop, include_upper=False
            )
            both = tantivy.Query.boolean_query([(tantivy.Occur.Must, wanted), (tantivy.Occur.Must, inside)])
            hits = searcher.search(both, AT_ONCE, count=False, order_by_field="number", order=tantivy.Order.Asc).hits
            found = np.fromiter((number for number, _ in hits), np.uint64, len(hits))
            if len(found):
                yield found
            if len(found) < AT_ONCE:
                return
            start = int(found[-1]) + 1

    def _query(self, words: Sequence[Asked]) -> Any:
        parts = [(tantivy.Occur.Must if one.there else tantivy.Occur.MustNot, self._one(one)) for one in words]
        parts.append((tantivy.Occur.Must, tantivy.Query.all_query()))  # where words are only not to be there
        return tantivy.Query.const_score_query(tantivy.Query.boolean_query(parts), 1.0)

    def _one(self, one: Asked) -> Any:
        found = terms(one.text)
        if len(found) > 1:
            return tantivy.Query.phrase_query(self._schema, "text", list(found))
        if len(found[0]) == 1 and _UNSPACED.fullmatch(found[0]):  # stands in pairs, and alone where it is alone
            beside = f"(.|{ESCAPE}[0-9a-f]+)?"
            return tantivy.Query.regex_query(self._schema, "text", f"{beside}{found[0]}{beside}")
        return tantivy.Query.term_query(self._schema, "text", found[0])


class Writer:
    """Adds texts by their numbers, and takes rows away. What is added is nobody's until it is noted whose."""

    def __init__(self, index: tantivy.Index, schema: tantivy.Schema) -> None:
        self._schema = schema
        self._writer = index.writer(heap_size=HEAP, num_threads=2)
        self._waiting = 0

    def remove(self, first: int, stop: int) -> None:
        """Take away the rows whose numbers are from `first` on and below `stop`."""
        inside = tantivy.Query.range_query(
            self._schema, "number", tantivy.FieldType.Unsigned, first, stop, include_upper=False
        )
        self._writer.delete_documents_by_query(inside)

    def add(self, number: int, text: str) -> None:
        """Add a row's text."""
        document = tantivy.Document(text=plain(text))
        document.add_unsigned("number", number)
        self._writer.add_document(document)
        self._waiting += len(text)
        if self._waiting > WAITING:
            self.commit()

    def commit(self) -> None:
        """Write what was added."""
        self._writer.commit()
        self._waiting = 0

    def close(self) -> None:
        """Wait until what is written is put together."""
        self._writer.wait_merging_threads()
