"""What web.c makes of a text is what its twins in Python make of it, on any text."""

from __future__ import annotations

import ctypes
import functools
import gc
import hashlib
import resource
import shutil
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from filters.broken import Broken
from filters.native import binding, web
from filters.web import c4, language_model_text, paragraphs, sentences
from tests.filters.told import told

pytestmark = pytest.mark.skipif(
    shutil.which("cc") is None and shutil.which("gcc") is None, reason="there is no C compiler"
)

# Every kind of white space and line end, marks that are deleted, letters whose lower case is long, short, several or by
# context, digits of other scripts, what C4 looks for, and half a character.
PIECES = [
    *'ab Z.?!"[]{}1٣０»，…éßİΣσςKÅȺẞ\U0001d7d8\U00010400語',
    *"\n\r\t\x00\x0b\x0c\x1c\x1d\x1e\x1f\x7f\x85\xa0\u1680\u2007\u2028\u2029\u202f\u205f\u3000\u200b\ufeff",
    *("\r\n", "...", "[12]", "[edit]", "[citation needed]", "[", "[1", "[1٣]", "one two three four five."),
    *("Lorem ipsum", "JavaScript", "terms of use", "Cookie", "cooKie", "policy", "x" * 1001, "é" * 501, "A line. "),
]
texts = st.lists(st.sampled_from(PIECES), max_size=40).map("".join) | st.text(max_size=60)
half = st.lists(st.sampled_from([*PIECES, "\ud800"]), max_size=10).map("".join)


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    assert binding.compile_library() is None
    binding.library.cache_clear()
    assert binding.library() is not None


def in_python(action: Callable[[], Any]) -> Any:
    found, binding.library = binding.library, lambda: None  # type: ignore[assignment]
    try:
        return action()
    finally:
        binding.library = found


def plain(value: Any) -> Any:
    """Return a result with its arrays as lists."""
    return tuple(part.tolist() if isinstance(part, np.ndarray) else part for part in value)


@settings(deadline=None, max_examples=1_000)
@given(texts | half, st.booleans(), st.booleans())
@example("", True, False)
@example("Title", False, True)
@example("Title\n", True, True)
@example("Title\n\n", True, False)
@example("Title\r\nline\r\n\0", True, True)
@example("Title\n\0\n", False, True)
def test_paragraphs(text: str, remove_nul: bool, add_last_line: bool) -> None:
    def found() -> Any:
        return plain(paragraphs.firsts(text, remove_nul=remove_nul, add_last_line=add_last_line))

    assert found() == in_python(found)


@settings(deadline=None, max_examples=500)
@given(texts | half, st.sets(st.integers(0, 12)), st.randoms(use_true_random=False))
def test_lines_removed(text: str, numbers: set[int], rng: Any) -> None:
    count = text.count("\n") + 1
    order = [number for number in numbers if number < count] * 2
    rng.shuffle(order)
    removed = np.array(order, np.uint32)
    assert paragraphs.without(text, removed) == in_python(lambda: paragraphs.without(text, removed))


@settings(deadline=None, max_examples=1_000)
@given(texts | half, st.booleans(), st.booleans())
def test_the_page_of_c4(text: str, remove_nul: bool, lose_header_lines: bool) -> None:
    def found() -> str:
        return c4.page_text(text, remove_nul=remove_nul, lose_header_lines=lose_header_lines)

    assert found() == in_python(found)


@settings(deadline=None, max_examples=1_500)
@given(texts | half)
@example("one two three four five [1].")
@example("[1] one two three four five.")
@example("one two three four five.[1]")
@example("one two three four [[1]] five [edit.")
@example(f"one two three four five {'x' * 1000}.")
@example(f"one two three four {'é' * 1001} five.")
@example("one two three four five of cooKies.")
@example("one two three four five..")
@example("one two three four five...")
def test_prose(text: str) -> None:
    assert c4.clean(text) == in_python(lambda: c4.clean(text))
    found = web.prose(text)
    if found is not None:
        lines, number, hinted = c4._python_prose(text)
        assert (found.text, found.number) == (lines, number)
        assert found.hinted or not hinted


def test_only_pages_that_may_need_it_are_judged_line_by_line() -> None:
    line = "The stone bridge over the river is old."
    for hint in ("{", "Cookie", "privacy policy", "LOREM IPSUM", "javascript", "Terms of Use"):
        found = web.prose(f"{line}\nIt says {hint}, and so does the page before it.")
        assert found is not None
        assert found.hinted
    found = web.prose(f"{line}\nThe clerk looks for a java script and the police car.")
    assert found == (f"{line}\nThe clerk looks for a java script and the police car.", 2, False)


@settings(deadline=None, max_examples=1_000)
@given(texts | half)
def test_lines_of_c4(text: str) -> None:
    assert plain(c4.firsts(text)) == in_python(lambda: plain(c4.firsts(text)))


@settings(deadline=None, max_examples=1_000)
@given(texts | half, st.sampled_from(["delete", "space"]))
def test_text_of_language_models(text: str, newlines: language_model_text.Newlines) -> None:
    found = language_model_text.normalise_utf8(text, newlines=newlines)
    assert found in (None, language_model_text.normalise(text, newlines=newlines).encode(errors="surrogatepass"))
    table = language_model_text._tables()[0]
    hard = any("\ud800" <= c < "\ue000" or table[ord(c)] == language_model_text._CONTEXTUAL for c in text)
    assert (found is None) == hard


BAD = ["ass", "dog cart", "dog house wine", "b-d", "s&m", "été", "☂", "one", "two girls", "ΟΔΟΣ", "x_y", "co.", "日本"]
BAD_PIECES = [
    *BAD,
    *"abs☂&-_.\n '",
    "dog",
    "cart",
    "house",
    "wine",
    "s",
    "m",
    "b",
    "d",
    "ÉTÉ",
    "İ",
    "Σ",
    "K",
    "two",
    "girls",
]


@settings(deadline=None, max_examples=1_500)
@given(st.lists(st.sampled_from([*BAD_PIECES, *(piece.upper() for piece in BAD)]), max_size=12), st.sampled_from(" _-"))
def test_bad_words(parts: list[str], between: str) -> None:
    text = between.join(parts)
    assert bad_words().reason(text) == in_python(lambda: bad_words().reason(text))


@functools.cache
def bad_words() -> c4.BadWords:
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
        file.write("\n".join(BAD))
        file.flush()
        return c4.BadWords(Path(file.name))


def test_most_pages_have_no_bad_word_to_look_for() -> None:
    quick = bad_words()._quick
    assert quick is not None
    for text in ("a dog, a cart", "girls two", "asses", "d-b", "x-y", "étés", ""):
        assert not quick.may_be_in(text)
    for text in ("ASS", "(ass)", "a dog: cart", "Two...girls", "S & M", "dog house"):
        assert quick.may_be_in(text)


SENTENCE_PIECES = [
    *("Rain", "fell", "Dr", "mr", "J", "etc", "see", "e.g", "Ph.D", "naïve", "5", "x", "No", "ended", "co", "Wait"),
    *(".", ".", "?", "!", "...", ". .", ".)", '."', ".\xa0", ".\n", ".\t", ".'s", "--", ",", ")", '"', "’", "\x1d"),
    *(" ", " ", " ", "\n", "  ", "\x0b", "\u2003"),
]


@settings(deadline=None, max_examples=3_000)
@given(st.lists(st.sampled_from(SENTENCE_PIECES), max_size=60).map("".join), st.integers(0, 6))
@example(" Rain. It fell. It", 3)
@example("Rain. It fell. It", 3)
@example("Rain fell. It did. I", 3)
@example("Rain fell. It did.", 3)
@example("Rain fell. It did. 5", 3)
def test_sentences(text: str, stop: int) -> None:
    assert sentences.count(text, stop) == in_python(lambda: sentences.count(text, stop))


def test_sentences_of_plain_prose_are_counted_in_c() -> None:
    text = "The rain fell on the town. The river rose. Nobody minded. All were at home."
    assert [sentences._unusual_words().sentence_ends(text, stop) for stop in range(1, 5)] == [1, 2, 3, 3]


LINES = st.lists(
    st.sampled_from(["one two three four five.", "[1] Five words are all here!", *PIECES]) | texts, max_size=12
).map("\n".join)


@settings(deadline=None, max_examples=1_000)
@given(LINES, st.integers(0, 4))
@example("One two three four five.\n" * 3, 3)
@example("[1] One two three four five.\nAnd so does this one.\nNext to last it is [2].", 3)
def test_prose_and_its_lines(text: str, least: int) -> None:
    def found() -> Any:
        lines = c4.prose_lines(text, least)
        return told(lines) if isinstance(lines, Broken) else plain(lines[:2])

    assert found() == in_python(found)


@pytest.mark.parametrize("plane", range(0, 0x110000, 0x10000))
def test_every_character(plane: int) -> None:
    """Each between two letters, at both ends of a line, and as a line of its own."""
    characters = [chr(code) for code in range(plane, plane + 0x10000) if not 0xD800 <= code < 0xE000]
    for start in range(0, len(characters), 0x800):
        some = [c for c in characters[start : start + 0x800] if c not in "Σİ"]
        text = "".join(f"a{c}b\n{c}one two three four five{c} .\n{c}\n" for c in some)
        assert web.paragraphs(text, paragraphs._native_table(), remove_nul=False, add_last_line=True, lose_zero=False)
        for action in (paragraphs.firsts, c4.firsts):
            assert plain(action(text)) == in_python(lambda: plain(action(text)))  # noqa: B023
        assert c4.page_text(text) == in_python(lambda: c4.page_text(text))  # noqa: B023
        clean = [c for c in some if language_model_text._tables()[0][ord(c)] != language_model_text._CONTEXTUAL]
        assert (
            language_model_text.normalise_utf8("é".join(clean))
            == language_model_text.normalise("é".join(clean)).encode()
        )
        assert c4.clean(text, 0) == in_python(lambda: c4.clean(text, 0))  # noqa: B023


def test_characters_beyond_the_table_have_one_case() -> None:
    assert all(chr(code).lower() == chr(code) for code in range(0x20000, sys.maxunicode + 1))


@pytest.mark.parametrize("text", ["Title\nΟΔΟΣ", "Title\nİstanbul"])
def test_what_depends_on_neighbours_is_left_to_python(text: str) -> None:
    table = paragraphs._native_table()
    assert web.paragraphs(text, table, remove_nul=True, add_last_line=False, lose_zero=False) is None
    assert web.unique(text, web.lower_table()) is None
    assert paragraphs.firsts(text) is not None


@pytest.mark.parametrize("kind", [0, 1, 2], ids=["sha1", "md5", "sha1 without the processor's instructions"])
def test_hashes_of_all_lengths(kind: int) -> None:
    library = binding.library()
    assert library is not None
    content = np.random.default_rng(0).bytes(1_000)
    for size in (*range(260), 1_000):
        found = library.altiplano_hash(content, size, kind)
        digest = (hashlib.md5 if kind == 1 else hashlib.sha1)(content[:size]).digest()
        assert found == int.from_bytes(digest[:8], "big" if kind == 1 else "little")


def test_no_number_is_taken_for_an_address() -> None:
    """An address alone keeps nothing: what it points to may be freed before C reads it."""
    library = binding.library()
    assert library is not None
    for name, kinds in binding.FUNCTIONS.items():
        for place, kind in enumerate(kinds):
            if kind not in (binding._NUMBER, ctypes.c_int):
                arguments = [0 if other in (binding._NUMBER, ctypes.c_int) else None for other in kinds]
                arguments[place] = 1 << 40
                with pytest.raises(ctypes.ArgumentError, match=f"argument {place + 1}"):
                    getattr(library, f"altiplano_{name}")(*arguments)


def test_what_c_is_given_keeps_its_memory() -> None:
    class Pair(binding.Model):
        _fields_ = (("some", ctypes.POINTER(ctypes.c_float)), ("more", ctypes.POINTER(ctypes.c_int64)))

    arrays: list[Any] = [np.arange(9, dtype=np.float32), np.arange(5), np.arange(7, dtype=np.uint8)]
    kept = list(map(weakref.ref, arrays))
    pair, part = Pair(binding.pointer(arrays[0]), binding.pointer(arrays[1])), binding.first(arrays[2], 3)
    del arrays
    gc.collect()
    assert all(array() is not None for array in kept)
    assert (pair.some[8], pair.more[4], part.value) == (8.0, 4, 3)
    del pair, part
    gc.collect()
    assert not any(array() is not None for array in kept)


def test_a_text_is_kept_by_its_bytes() -> None:
    class Text(str):
        """A str that can be watched."""

    text = Text("é" * 50)
    watched, utf8 = weakref.ref(text), binding.in_utf8(text)
    del text
    assert watched() is not None
    assert utf8 is not None
    assert binding.Utf8("é" * 50).size == utf8.size == 100
    del utf8
    assert watched() is None


@pytest.mark.parametrize(("code", "value"), [(0x41, 0x800), (0x41, 0x10000), (0xE9, 0x110001), (0x41, 2**32 - 1)])
def test_a_table_never_makes_more_than_there_is_room_for(code: int, value: int) -> None:
    values = web.lower_table().values.copy()
    values[0x41] = 0xE9  # twice the bytes
    assert web.mapped("A" * 99, web.Table.of(values)) == "é".encode() * 99
    values[code] = value
    with pytest.raises(ValueError, match=rf"table: U\+{code:04X} becomes {value:#x}; must be a character of at most"):
        web.Table.of(values)


def test_a_table_has_all_characters_and_stays_as_it_is() -> None:
    values = web.lower_table().values
    with pytest.raises(ValueError, match=r"table: \(2,\) of uint32; must have a uint32 for each"):
        web.Table.of(values[:2])
    with pytest.raises(ValueError, match="of int64"):
        web.Table.of(values.astype(np.int64))
    with pytest.raises(ValueError, match="read-only"):
        values[0] = 1


def test_what_c_does_not_do_leaves_no_memory_behind() -> None:
    """A page that only Python decides is given up in the middle; 300 of them would leave 900 MB."""
    text = "Title\n" + "x" * 1_000_000 + "\nΟΔΟΣ"
    table = paragraphs._native_table()

    def give_up() -> None:
        assert web.paragraphs(text, table, remove_nul=True, add_last_line=False, lose_zero=False) is None
        assert web.unique(text, web.lower_table()) is None

    give_up()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(300):
        give_up()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kB; a sanitizer keeps what is freed


def test_threads_do_not_meet() -> None:
    """No state is shared: the library runs outside Python's lock."""
    pages = [
        f"Title\n{number} llamas\n" + "\n".join(f"line {n % (number + 3)}" for n in range(2_000)) for number in range(8)
    ]
    expected = [plain(paragraphs.firsts(page)) for page in pages]
    found: dict[int, list[Any]] = {}

    def work(number: int) -> None:
        found[number] = [plain(paragraphs.firsts(pages[number])) for _ in range(50)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(found[number] == [expected[number]] * 50 for number in range(8))


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    sources = tuple(Path(shutil.copy(source, tmp_path)) for source in binding.SOURCES)
    source = sources[0]
    monkeypatch.setattr(binding, "SOURCES", sources)
    binding.library.cache_clear()
    yield source
    monkeypatch.undo()
    binding.library.cache_clear()


def test_without_a_compiler_python_does_it(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(elsewhere.parent))
    assert binding.main() == 0
    assert "more slowly: there is no C compiler" in capsys.readouterr().err
    assert binding.library() is None
    assert paragraphs.firsts("Title\none\none\ntwo").text == "one\ntwo"


def test_a_source_that_does_not_compile_is_told(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    elsewhere.write_text("this is no C\n", encoding="utf-8")
    assert binding.main() == 0
    assert "ended with exit code" in capsys.readouterr().err
    assert {path.name for path in elsewhere.parent.iterdir()} == {source.name for source in binding.SOURCES}


def test_a_library_is_compiled_once_and_never_taken_from_another_source(elsewhere: Path) -> None:
    assert binding.compile_library() is None
    assert binding.library() is not None
    made = binding.path()
    before = made.stat().st_mtime_ns
    assert binding.compile_library() is None
    assert made.stat().st_mtime_ns == before
    with elsewhere.open("a", encoding="utf-8") as file:
        file.write("/* changed */\n")
    binding.library.cache_clear()
    assert binding.path() != made
    assert binding.library() is None
