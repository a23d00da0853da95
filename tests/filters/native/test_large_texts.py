"""Texts of 5, 8 and 100 MB through every function of our C: more than the room that is kept, and the right answers."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fasttext
import numpy as np
import pytest
import sentencepiece

from filters.models import fast_text, fast_text_file
from filters.models.unigram import Unigram
from filters.native import binding, web
from filters.web import c4, language_model_text, paragraphs
from tests.filters.models import test_fast_text, test_unigram

SIZES = [
    pytest.param(5_000_000, id="5 MB"),
    pytest.param(8_000_000, id="8 MB", marks=pytest.mark.full),
    pytest.param(100_000_000, id="100 MB", marks=pytest.mark.full),
]
# Lines that are stripped, mapped, cut and counted; the first is a title, the last has no end of its own.
BLOCK = (
    "Ein Titel \n"
    "\tThe old Bridge over the river (built 1871) is naïve [12].  \n"
    "The clerk minds the keys of the 日本 house, and sings.\r\n"
    "tal berg wald fluss ügel\x00 한국\n"
    "Rain fell on the hills. The rivers rose. Nobody minded the café! 0.0 0000\n"
    "no end, no sentence\n"
)
LINES = BLOCK.count("\n")


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    if problem := binding.compile_library():
        pytest.skip(f"NOT TESTED on large texts: {problem}")
    binding.library.cache_clear()
    assert binding.library() is not None


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Return the names of the functions that are called, as they are."""
    library, names = binding.library(), set()

    class Watched(SimpleNamespace):
        def __getattr__(self, name: str) -> Any:
            names.add(name.removeprefix("altiplano_"))
            return getattr(library, name)

    monkeypatch.setattr(binding, "library", lambda: Watched())
    yield names


def blocks(size: int) -> int:
    return -(-size // len(BLOCK.encode()))


@cache
def text_of(size: int) -> str:
    return BLOCK * blocks(size)


@cache
def model() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="large-texts-"))
    arguments, quantise = test_fast_text.KINDS["tree"]
    return test_fast_text.train(folder, dict(arguments), quantise)


@cache
def pieces_model() -> bytes:
    return test_unigram.train()


def hash_of(size: int) -> None:
    text = text_of(size)
    assert web.md5(text) == int.from_bytes(hashlib.md5(text.encode()).digest()[:8], "big")


def mapped(size: int) -> None:
    unit = BLOCK.replace("\n", " ").replace("한국", "ς")  # without what only Python maps
    expected = language_model_text.normalise(unit + "x")[:-1].encode()
    assert language_model_text.normalise_utf8(unit * blocks(size) + "x") == expected * blocks(size) + b"x"


def of_paragraphs(size: int) -> None:
    found = paragraphs.firsts(text_of(size), remove_nul=True, add_last_line=False)
    twice = paragraphs.firsts(BLOCK * 2, remove_nul=True, add_last_line=False)
    assert found.text == twice.text
    assert found.hashes.tolist() == twice.hashes.tolist()


def without(size: int) -> None:
    text = text_of(size)
    odd = np.arange(1, text.count("\n"), 2)
    found, lines, kept = paragraphs.without(text, odd)
    assert (lines, kept) == (text.count("\n") + 1, text.count("\n") + 1 - len(odd))
    assert found == "\n".join(text.split("\n")[::2])


def stripped(size: int) -> None:
    assert c4.page_text(text_of(size)) == "\n".join([c4.page_text(BLOCK)] * blocks(size))


def prose(size: int) -> None:
    found, once = web.prose(text_of(size)), web.prose(BLOCK)
    assert found and once
    assert (found.text, found.number) == ("\n".join([once.text] * blocks(size)), once.number * blocks(size))


def unique(size: int) -> None:
    found, twice = c4.firsts(text_of(size)), c4.firsts(BLOCK * 2)
    assert (found.text, found.hashes.tolist()) == (twice.text, twice.hashes.tolist())


def prose_lines(size: int) -> None:
    table = web.lower_table()
    found, twice = (web.prose_lines(text, table, 2) for text in (text_of(size), BLOCK * 2))
    assert isinstance(found, web.Firsts)
    assert isinstance(twice, web.Firsts)
    assert (found.text, found.hashes.tolist()) == (twice.text, twice.hashes.tolist())
    only = web.prose_lines(text_of(size), table, size)
    assert isinstance(only, web.Prose)
    assert only.number == blocks(size) * 2


def has_words(size: int) -> None:
    words = web.Words([("elephant",), ("old", "house")])
    assert not words.may_be_in(text_of(size))
    assert words.may_be_in(text_of(size) + "old house")


def sentence_ends(size: int) -> None:
    words = web.Words([("hills",)])
    once = words.sentence_ends(BLOCK, 1_000)
    assert once > 0
    assert words.sentence_ends(text_of(size), size) == once * blocks(size)


def names_in(size: int) -> tuple[bytes, np.ndarray[Any, np.dtype[np.int64]]]:
    """Return names of 50 bytes, of `size` bytes together, and where they start."""
    count = size // 50
    return b"".join(b"%050d" % number for number in range(count)), np.arange(count + 1, dtype=np.int64) * 50


def name_table(size: int) -> None:
    names, starts = names_in(size)
    library = binding.library()
    assert library is not None
    blob = np.frombuffer(bytearray(names), np.uint8)
    table = np.full(1 << (2 * (len(starts) - 1)).bit_length(), -1, np.int32)
    count = library.altiplano_name_table(
        binding.first(blob), binding.first(starts), len(starts) - 1, binding.first(table), len(table) - 1
    )
    assert count == len(starts) - 1
    assert np.array_equal(np.sort(table[table >= 0]), np.arange(count))


def plain(size: int) -> None:
    """Takes no text: the table that it fills says of each byte of a text whether it stays."""
    assert Unigram(pieces_model()).joined(b"rain " * (size // 50)) is not None


def pieces(size: int) -> None:
    unit = "Rain fell on the hills and 0.0 日本 rivers ½ "
    text = (unit * (size // len(unit.encode()))).encode()
    found = Unigram(pieces_model()).joined(text)
    assert found is not None
    if size < 10_000_000:
        theirs = sentencepiece.SentencePieceProcessor(model_proto=pieces_model()).encode(text, out_type=bytes)
        assert found == (b" ".join(theirs), len(theirs))
    else:
        once = Unigram(pieces_model()).joined(unit.encode())
        assert once is not None
        assert found == (b" ".join([once[0]] * (size // len(unit.encode()))), once[1] * (size // len(unit.encode())))


def trie(size: int) -> None:
    """Pieces of many bytes; of a hundredth of 100 MB, for each byte takes a place of 12."""
    count = min(size, 8_000_000) // 50
    names = [b"%050d" % number for number in range(count)]
    library = binding.library()
    assert library is not None
    from filters.models import unigram

    made: Any = unigram._trie(library, names, np.arange(count, dtype=np.float32))
    for number in (0, count // 2, count - 1):
        place = 0
        for byte in names[number]:
            place = int(made[place]["base"]) + byte
        assert made[place]["score"] == np.float32(number)


def label_cache_bytes(size: int) -> None:
    """Takes no text: what remembers the words of one."""
    assert fast_text.Labeller(model()).best("tal " * (size // 50))[0]


def best_label(size: int) -> None:
    text, newlines = text_of(size), ("delete", "space")
    ours = fast_text.Labeller(model())
    for way, instead in zip(newlines, ("", " "), strict=True):
        found = ours.best(text, way)  # type: ignore[arg-type]
        if size < 10_000_000:
            line = text.replace("\n", instead)
            expected = next(iter(fast_text.predict(fasttext.load_model(str(model())), line).items()))
            assert found == expected
        else:
            assert found[0] == ours.best(text[: len(BLOCK) * 1_000], way)[0]  # type: ignore[arg-type]


CASES: dict[str, Callable[[int], None]] = {
    "hash": hash_of,
    "mapped": mapped,
    "paragraphs": of_paragraphs,
    "without": without,
    "stripped": stripped,
    "prose": prose,
    "unique": unique,
    "prose_lines": prose_lines,
    "has_words": has_words,
    "sentence_ends": sentence_ends,
    "name_table": name_table,
    "plain": plain,
    "pieces": pieces,
    "trie": trie,
    "label_cache_bytes": label_cache_bytes,
    "best_label": best_label,
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", list(CASES))
def test_large_text(name: str, size: int, called: set[str]) -> None:
    CASES[name](size)
    assert name in called


@pytest.mark.parametrize(
    "line", ["\n", "\r\n", "\0", "\0\n", "[", "x.\n", "é\n", "\u2028", "Word word word word five.\n"]
)
@pytest.mark.parametrize("size", SIZES[:2])
def test_texts_that_fill_their_rooms(line: str, size: int) -> None:
    """Nothing but ends of lines, or nothing that goes: as much comes out as can, and as many lines."""
    text = line * (size // len(line.encode()))
    lines = text.count("\n") + 1
    assert paragraphs.without(text, np.empty(0, np.uint32)) == (text, lines, lines)
    assert paragraphs.firsts(text, remove_nul=False, add_last_line=True).text in text
    clean = text.replace("\0", "").split() if "\0" in line else text.split()
    assert len(c4.page_text(text, remove_nul=True)) == sum(map(len, clean)) + max(len(clean) - 1, 0) or "Word" in line
    assert len(c4.firsts(text).text) <= (len(line) if "\n" in line else len(text))
    found = web.prose(text)
    assert found is not None
    assert found.number == (lines - 1 if "Word" in line else 0)


def test_every_function_has_a_large_text() -> None:
    assert set(CASES) == set(binding.FUNCTIONS)


def test_a_large_model_is_checked_where_it_lies(tmp_path: Path) -> None:
    """5 MB of names, which fastText and ours read one by one."""
    from tests.filters.models.fast_text_models import many_labels

    path = tmp_path / "large.bin"
    path.write_bytes(many_labels([2] * 200_000).content())
    content, layout = fast_text_file.opened(path)
    assert len(content) > 5_000_000
    assert layout.labels == 200_000
