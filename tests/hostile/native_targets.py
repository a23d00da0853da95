"""What is fuzzed of our C: each exported function, with texts or with damaged models, beside what must say the same.

A function of texts is compared with its twin in Python, one of models with fastText or SentencePiece, on the same model
and text. What a damaged model may do is be refused with a ValueError.
"""

from __future__ import annotations

import ctypes
import hashlib
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece

from filters.broken import Broken
from filters.models import fast_text, fast_text_file, unigram
from filters.models.fast_text_model import Arrays, UnsupportedError
from filters.native import binding, web
from filters.web import c4, paragraphs, sentences
from tests.filters.models import test_fast_text, test_unigram
from tests.filters.models.fast_text_models import PLAIN, PRUNED, SOFTMAX
from tests.filters.native import test_web
from tests.hostile.targets import ODD, Target, text
from tests.tokenizer.test_charsmap import array, packed, with_map
from tokenizer import charsmap, model_file

_PARTS = tuple(piece.encode(errors="replace") for piece in (*test_web.PIECES, *test_web.SENTENCE_PIECES, *ODD))


def loaded() -> ctypes.CDLL:
    """Return the library, which there must be."""
    library = binding.library()
    assert library is not None, "there is no compiled library to fuzz"
    return library


@contextmanager
def in_python() -> Iterator[None]:
    """Let the twins in Python answer."""
    found: Any = binding.library
    module: Any = binding
    module.library = lambda: None
    try:
        yield
    finally:
        module.library = found


def same(action: Callable[[], Any]) -> object:
    """Require that an action gives the same with and without C."""
    ours = plain(action())
    with in_python():
        theirs = plain(action())
    assert ours == theirs, f"{ours!r} in C, {theirs!r} in Python"
    return ours


def plain(value: Any) -> Any:
    """Return a result with its arrays as lists."""
    if isinstance(value, tuple):
        return tuple(part.tolist() if isinstance(part, np.ndarray) else part for part in value)
    return value


def flags(data: bytes) -> tuple[int, bytes]:
    """Return the first byte as a number, and the rest."""
    return (data[0], data[1:]) if data else (0, b"")


def run_hash(data: bytes) -> object:
    kind = data[0] % 3 if data else 0
    digest = (hashlib.md5 if kind == 1 else hashlib.sha1)(data).digest()[:8]
    assert loaded().altiplano_hash(data, len(data), kind) == int.from_bytes(digest, "big" if kind == 1 else "little")
    return kind


@cache
def tables() -> list[web.Table]:
    """Return tables of characters: lower case, words, and one that makes all that it can of each."""
    values = np.arange(0x110000, dtype=np.uint32)
    for start, stop, value in ((0, 0x80, 0x7FF), (0x80, 0x800, 0x10FFFF), (0x800, 0x10000, 0x10FFFF)):
        values[start:stop] = value
    return [web.lower_table(), web.word_table(), web.Table.of(values)]


def run_mapped(data: bytes) -> object:
    number, rest = flags(data)
    table, line = tables()[number % 3], text(rest)
    codes = [int(table.values[ord(character)]) for character in line]
    expected = None
    if web.CONTEXTUAL not in codes:
        expected = "".join(chr(code) for code in codes if code != web.GONE).encode()
    assert web.mapped(line, table) == expected
    return expected


def run_paragraphs(data: bytes) -> object:
    number, rest = flags(data)
    return same(
        lambda: paragraphs.firsts(
            text(rest), remove_nul=bool(number & 1), add_last_line=bool(number & 2), lose_zero=bool(number & 4)
        )
    )


def run_without(data: bytes) -> object:
    number, rest = flags(data)
    page = text(rest[number:])
    count = page.count("\n") + 1
    removed = np.array([byte % count for byte in rest[:number]] or [0], np.uint32)
    return same(lambda: paragraphs.without(page, removed))


def run_stripped(data: bytes) -> object:
    number, rest = flags(data)
    return same(lambda: c4.page_text(text(rest), remove_nul=bool(number & 1), lose_header_lines=bool(number & 2)))


def run_prose(data: bytes) -> object:
    page = text(data)
    found = web.prose(page)
    if found is not None:
        lines, number, hinted = c4._python_prose(page)
        assert (found.text, found.number) == (lines, number)
        assert found.hinted or not hinted
    return same(lambda: c4.clean(page))


def run_unique(data: bytes) -> object:
    return same(lambda: c4.firsts(text(data)))


def run_prose_lines(data: bytes) -> object:
    number, rest = flags(data)

    def lines() -> object:
        found = c4.prose_lines(text(rest), number % 6)
        return found if isinstance(found, Broken) else (found.text, found.hashes)

    return same(lines)


def run_has_words(data: bytes) -> object:
    """Words of the input itself are looked for in it."""
    number, rest = flags(data)
    page = text(rest)
    some = [(word,) for word in page.lower().split()[: number % 8] if word.isalpha()]
    words = web.Words([*some, ("no", "way")])
    table = web.word_table().values
    if all(table[ord(character)] != web.CONTEXTUAL for character in page):
        lowered = "".join(chr(code) if (code := int(table[ord(c)])) != web.GONE else " " for c in page).split()
        wanted = any((word,) in some for word in lowered) or ("no", "way") in pairwise(lowered)
        assert words.may_be_in(page) or not wanted
    return same(lambda: test_web.bad_words().reason(page))


def run_sentence_ends(data: bytes) -> object:
    number, rest = flags(data)
    return same(lambda: sentences.count(text(rest), number))


def fnv(name: bytes) -> int:
    found = 2166136261
    for byte in name:
        found = (found ^ (byte | 0xFFFFFF00 if byte > 0x7F else byte)) * 16777619 & 0xFFFFFFFF
    return found


def run_name_table(data: bytes) -> object:
    names = list(dict.fromkeys(data.split(b"\0")))
    blob = np.frombuffer(bytearray(b"".join(names)), np.uint8)
    starts = np.cumsum([0, *map(len, names)], dtype=np.int64)
    table = np.full(1 << (2 * len(names)).bit_length(), -1, np.int32)
    mask = len(table) - 1
    loaded().altiplano_name_table(binding.first(blob), binding.first(starts), len(names), binding.first(table), mask)
    for number, name in enumerate(names):
        slot = fnv(name) & mask
        while table[slot] not in (number, -1):
            slot = (slot + 1) & mask
        assert table[slot] == number
    assert np.count_nonzero(table >= 0) == len(names)
    return len(names)


@cache
def small_pieces() -> bytes:
    """Return a model of some pieces, of 3 kB: one without a map of characters."""
    return test_unigram.train(normalization_rule_name="identity", vocab_size=60)


@cache
def piece_models() -> list[tuple[Any, unigram.Unigram]]:
    """Return SentencePiece's reader and ours of each kind of model."""
    contents = [test_unigram.train(**options) for options in test_unigram.OPTIONS.values()]
    contents.append(with_map(small_pieces(), packed(array())))
    return [
        (sentencepiece.SentencePieceProcessor(model_proto=content), unigram.Unigram(content)) for content in contents
    ]


def run_pieces(data: bytes) -> object:
    number, rest = flags(data)
    theirs, ours = piece_models()[number % len(piece_models())]
    line = text(rest).encode()
    found = ours.joined(line)
    if found is not None:
        pieces = theirs.encode(line, out_type=bytes)
        assert found == (b" ".join(pieces), len(pieces))
    ours.joined(rest)  # should a text ever not be UTF-8, it is no more than read
    return found


def of_a_model(data: bytes) -> tuple[str, bytes]:
    """Return a text, whose length is the first byte, and the model behind it."""
    number, rest = flags(data)
    return text(rest[:number]), rest[number:]


def compare_pieces(line: str, content: bytes) -> object:
    """Require that a model that ours and SentencePiece take cuts a text alike."""
    try:
        model_file.check(content)
        theirs = sentencepiece.SentencePieceProcessor(model_proto=content)
    except (ValueError, RuntimeError):
        theirs = None
    try:
        ours = unigram.Unigram(content)
    except (ValueError, IndexError, struct.error):
        return None
    found = ours.joined(line.encode())
    if theirs is not None and found is not None:
        pieces = theirs.encode(line.encode(), out_type=bytes)
        assert found == (b" ".join(pieces), len(pieces))
    return ours


def run_trie(data: bytes) -> object:
    return compare_pieces(*of_a_model(data))


def run_plain(data: bytes) -> object:
    """The model is a map of characters, put into a small model."""
    line, content = of_a_model(data)
    ours = compare_pieces(line, with_map(small_pieces(), content))
    if isinstance(ours, unigram.Unigram):
        units = charsmap.split(content)[0]
        assert [bool(ours._model.plain[byte]) for byte in range(0x80)] == list(map(plain_in(units), range(0x80)))
    return ours


def plain_in(units: np.ndarray[Any, np.dtype[np.uint32]]) -> Callable[[int], bool]:
    """Return whether a map, its array checked, leaves a byte as it is, alone and before another one."""

    def below(place: int) -> int:
        unit = int(units[place])
        return place ^ (unit >> 10) << ((unit & 1 << 9) >> 6)

    def child(base: int, byte: int) -> int | None:
        return base ^ byte if int(units[base ^ byte]) & (1 << 31 | 0xFF) == byte else None

    def replaces(place: int) -> bool:
        return bool(int(units[place]) >> 8 & 1)

    def stays(byte: int) -> bool:
        if not len(units) or (place := child(below(0), byte)) is None:
            return True
        further = (child(below(place), second) for second in range(0x80))
        return not replaces(place) and not any(replaces(found) for found in further if found is not None)

    return stays


LAST_BITS = 1e-6


@cache
def label_models() -> list[tuple[Any, fast_text.Labeller]]:
    """Return fastText's reader and ours of some kinds of models."""
    found = []
    for kind in ("words", "pairs of words", "tree", "quantised", "no n-gram left"):
        arguments, quantise = test_fast_text.KINDS[kind]
        path = test_fast_text.train(Path(tempfile.mkdtemp(prefix="fuzz-")), dict(arguments), quantise)
        found.append((fast_text.load(path), fast_text.Labeller(path)))
    return found


def run_best_label(data: bytes) -> object:
    number, rest = flags(data)
    theirs, ours = label_models()[number % len(label_models())]
    line = text(rest)
    for newlines, instead in test_fast_text.FEEDS.items():
        (label, probability), *others = [*fast_text.predict(theirs, line.replace("\n", instead), 2).items(), ("", 0.0)]
        best, found = ours.best(line, newlines)
        # Of a softmax fastText's own wheel differs in the last bits for about one of 20,000 texts.
        assert abs(found - probability) < LAST_BITS
        assert best == label or abs(others[0][1] - probability) < LAST_BITS
    return number


@cache
def scratch() -> Path:
    return Path(tempfile.mkdtemp(prefix="fuzz-")) / "model.bin"


def run_label_cache_bytes(data: bytes) -> object:
    """The model is one of fastText, damaged: refused, or with fastText's own answer."""
    line, content = of_a_model(data)
    path = scratch()
    path.write_bytes(content)
    try:
        ours = Arrays(path)
    except UnsupportedError:
        return None
    except ValueError as error:
        assert str(error).startswith(f"{path}: not a fastText model")
        return None
    rows = 26 if fast_text_file.opened(path)[1].kept is None else 10
    assert loaded().altiplano_label_cache_bytes(ours._model) == (1 << 16) * (24 + 4 * rows)
    theirs = fast_text.load(path)
    for newlines, instead in test_fast_text.FEEDS.items():
        expected = next(iter(fast_text.predict(theirs, line.replace("\n", instead)).items()), None)
        assert ours.best(line, delete_feeds=newlines == "delete") == expected
    return ours


def with_text(line: str, *models: bytes) -> tuple[bytes, ...]:
    encoded = line.encode()[:255]
    return tuple(bytes([len(encoded)]) + encoded + model for model in models)


def of_texts(run: Callable[[bytes], object], *seeds: str, parts: tuple[bytes, ...] = _PARTS) -> Target:
    """Return the target of a function of a text, behind a byte that chooses what is done."""
    first = b"".join(parts)[:2_000]
    made = (*(bytes([number]) + first for number in range(8)), *(b"\3" + seed.encode() for seed in seeds))
    return Target(run, parts, made)


_FAST_TEXT = tuple(
    model.content()
    for model in (
        PLAIN,
        PRUNED,
        SOFTMAX,
        PLAIN.but(wordNgrams=3, minn=1, maxn=4),
        replace(PRUNED, kept=()),
        PLAIN.but(dim=16),
    )
)
_NUMBERS = tuple(struct.pack("<i", number) for number in (-1, 0, 1, 3, 2**31 - 1, -(2**31), 10, 1 << 26))
_PAGE = "Title\n one two three four five [12].\r\nRain fell. It did. I saw [edit] it...\n\0Cookie { İΣς\n"

TARGETS: dict[str, Target] = {
    f"native.{name}": target
    for name, target in {
        "hash": Target(run_hash, (b"a" * 63, b"\x80"), (b"", b"\0" * 55, b"\1" * 56, b"\2" * 64, b"\1" * 200)),
        "mapped": of_texts(run_mapped, _PAGE),
        "paragraphs": of_texts(run_paragraphs, _PAGE),
        "without": of_texts(run_without, "\1\2\3" + _PAGE * 3),
        "stripped": of_texts(run_stripped, _PAGE, "WARC\nContent-\nCONTENT-"),
        "prose": of_texts(run_prose, _PAGE * 3),
        "unique": of_texts(run_unique, _PAGE * 2),
        "prose_lines": of_texts(run_prose_lines, _PAGE * 3),
        "has_words": of_texts(run_has_words, "a dog: cart", "Two...girls no WAY", "été S & M ΟΔΟΣ"),
        "sentence_ends": of_texts(run_sentence_ends, "Rain. It fell. Dr. Who? No! J. R. etc. It"),
        "name_table": Target(run_name_table, (b"\0", b"a", b"\xff", b"</s>"), (b"</s>\0tal\0berg\0\xc3\xa9", b"\0\0")),
        "plain": Target(
            run_plain,
            (*_NUMBERS, b"b\0"),
            (*with_text("a cat", b"", packed(array()), packed(array(4), b"bb\0 \0")),),
        ),
        "pieces": of_texts(
            run_pieces, "the rain fell ½ ｆｕｌｌ  日本", parts=tuple(p.encode() for p in test_unigram.PIECES)
        ),
        "trie": Target(
            run_trie,
            (b"\x0a", b"\x12", b"\x15", b"\x1a", b"\x18\x03", b"\x0a\x08\x0a\x01a\x15\0\0\x80\xbf", b"\0"),
            with_text("the rain fell on 0000", small_pieces(), with_map(small_pieces(), packed(array()))),
        ),
        "label_cache_bytes": Target(run_label_cache_bytes, _NUMBERS, with_text("tal berg\nwald </s> x", *_FAST_TEXT)),
        "best_label": of_texts(run_best_label, "tal berg wald fluss\nügel 한국 __label__a </s>"),
    }.items()
}
