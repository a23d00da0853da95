"""C4's rules: each in its place, and the same decisions as the slow oracle."""

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from filters.broken import Broken
from filters.web import c4, sentences
from filters.web.c4 import BadWords, Cleaned, Reason, Verdict
from filters.web.paragraphs import unique
from pipelines.document import Document
from pipelines.readers import Dump, wet
from tests.filters.told import alone, told
from tests.oracles import c4 as oracle

GOOD = "The old mill stands beside the river."
PIECES = [
    "The old mill stands beside the river",
    "one two three four five",
    "Mr. Lind",
    "lorem ipsum",
    "Lorem Ipsum",
    "java[1]script",
    "JavaScript",
    "{",
    "terms of use",
    "We use cookies",
    "uses coo[edit]kies",
    "[12]",
    "[٣]",
    "[edit]",
    "[citation needed]",
    "[",
    "]",
    "x" * 1000,
    "x" * 1001,
    "x" * 999 + "[1]",
    ".",
    "?",
    "!",
    '"',
    "...",
    " ",
    "\t",
    "\n",
    "\r\n",
    "\x0b",
    "\x85",
    "\u2028",
    "\xa0",
    "K",
    "ΣΑΣ",
    "İ",
    "\0",
]
pages = st.lists(
    st.one_of(st.sampled_from(PIECES), st.sampled_from([". ", ".\n", "\n"]), st.text(max_size=4)), max_size=40
)


@pytest.mark.parametrize(
    ("line", "left", "verdict"),
    [
        (f"  {GOOD}\t", GOOD, Verdict.KEEP),
        ("Is this line long enough?", "Is this line long enough?", Verdict.KEEP),
        ('She said "we are closed today"', 'She said "we are closed today"', Verdict.KEEP),
        ("It was built in 1820[3] by[edit] them.", "It was built in 1820 by them.", Verdict.KEEP),
        ("It was built by nobody.[citation needed]", "It was built by nobody.", Verdict.KEEP),
        # What is left of a line is not stripped again, as published.
        ("It was built by nobody. [1]", "It was built by nobody. ", Verdict.NO_END_MARK),
        ("It was built in [about] 1820.", "It was built in [about] 1820.", Verdict.KEEP),
        ("x" * 1001 + " one two three four.", "x" * 1001 + " one two three four.", Verdict.LONG_WORD),
        ("x" * 1000 + " one two three four.", "x" * 1000 + " one two three four.", Verdict.KEEP),
        ("x" * 999 + "[1] one two three four.", "x" * 999 + "[1] one two three four.", Verdict.LONG_WORD),
        ("No mark at the end here", "No mark at the end here", Verdict.NO_END_MARK),
        ("An apostrophe at the 'end'", "An apostrophe at the 'end'", Verdict.NO_END_MARK),
        ("This one goes on and...", "This one goes on and...", Verdict.NO_END_MARK),
        ("Four words are few.", "Four words are few.", Verdict.TOO_FEW_WORDS),
        ("Lorem IPSUM dolor sit amet and more.", "Lorem IPSUM dolor sit amet and more.", Verdict.LOREM_IPSUM),
        ("Please enable JavaScript { to go on.", "Please enable JavaScript { to go on.", Verdict.JAVASCRIPT),
        ("function open() { return the page.", "function open() { return the page.", Verdict.BRACE),
        ("{ lorem ipsum javascript are all here.", "{ lorem ipsum javascript are all here.", Verdict.LOREM_IPSUM),
        ("Please read our Privacy Policy { first.", "Please read our Privacy Policy { first.", Verdict.BRACE),
        ("Please read our Privacy Policy first.", "Please read our Privacy Policy first.", Verdict.POLICY),
        ("By going on you accept our Terms of Use.", "By going on you accept our Terms of Use.", Verdict.POLICY),
        ("This site uses cookies for its baking.", "This site uses cookies for its baking.", Verdict.POLICY),
        ("lorem ipsum", "lorem ipsum", Verdict.NO_END_MARK),
        ("", "", Verdict.NO_END_MARK),
    ],
)
def test_line_rule(line: str, left: str, verdict: Verdict) -> None:
    assert c4.line_rule(line) == (left, verdict)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([GOOD] * 3, Cleaned("\n".join([GOOD] * 3), None)),
        (["Home", GOOD, "Login", GOOD, GOOD, "© 2020"], Cleaned("\n".join([GOOD] * 3), None)),
        ([GOOD] * 2, Cleaned(None, Broken(Reason.TOO_FEW_SENTENCES))),
        ([GOOD, f"{GOOD} It is closed now."], Cleaned(f"{GOOD}\n{GOOD} It is closed now.", None)),
        ([f"{GOOD} It is closed now. So it stays."], Cleaned(f"{GOOD} It is closed now. So it stays.", None)),
        ([*[GOOD] * 3, "Some lorem ipsum is left in here."], Cleaned(None, Broken(Reason.LOREM_IPSUM))),
        ([*[GOOD] * 3, "Some { is left in this line."], Cleaned(None, Broken(Reason.BRACE))),
        ([*[GOOD] * 3, "if (open) {"], Cleaned("\n".join([GOOD] * 3), None)),
        (
            ["A { in front of the lorem ipsum.", "Some lorem ipsum is left here."],
            Cleaned(None, Broken(Reason.LOREM_IPSUM)),
        ),
        (["A { in front of the rest.", "Some lorem ipsum is left here."], Cleaned(None, Broken(Reason.BRACE))),
        ([*[GOOD] * 2, "This site uses cookies for its baking."], Cleaned(None, Broken(Reason.TOO_FEW_SENTENCES))),
        (["[1] " + GOOD, GOOD, GOOD], Cleaned("\n".join([GOOD] * 3), None)),
        ([], Cleaned(None, Broken(Reason.TOO_FEW_SENTENCES))),
    ],
)
def test_clean(lines: list[str], expected: Cleaned) -> None:
    assert c4.clean("\n".join(lines)) == expected


@settings(deadline=None, max_examples=400)
@given(pages.map("".join))
@example("one two three four java[1]script.\n" * 3)
@example("one two three four lorem[9] ipsum.\n" * 3)
def test_clean_equals_the_oracle(text: str) -> None:
    cleaned = c4.clean(text)
    assert (cleaned.text, cleaned.reason) == oracle.clean(text, sentences.count)


@settings(deadline=None, max_examples=200)
@given(pages.map("".join))
def test_clean_keeps_what_line_rule_keeps(text: str) -> None:
    judged = [c4.line_rule(line) for line in text.splitlines()]
    cleaned = c4.clean(text, min_sentences=0)
    dropped = [c4.PAGE_DROPS[verdict] for _, verdict in judged if verdict in c4.PAGE_DROPS]
    if dropped:
        assert cleaned == Cleaned(None, Broken(dropped[0]))
    else:
        kept = "\n".join(line for line, verdict in judged if verdict is Verdict.KEEP)
        assert cleaned == Cleaned(kept.strip(), None)


def test_real_pages_equal_the_oracle(dumps: Path) -> None:
    seen: Counter[str] = Counter()
    for path in sorted((dumps / "common_crawl").glob("*.wet.gz")):
        with path.open("rb") as stream:
            for page in wet.read(stream, Dump(path.name, "d"), Counter(), source="c4"):
                assert isinstance(page, Document)
                cleaned = c4.clean(c4.page_text(page.text))
                assert (cleaned.text, cleaned.reason) == oracle.clean(page.text, sentences.count)
                seen[cleaned.reason or "kept"] += 1
    assert seen["kept"] > 5
    assert seen["too_few_sentences"] > 5


def test_page_text() -> None:
    text = "\ufeffTitle \r\n\r\n  one\rtwo\0\x0b\n Content-Type is a header.\nWARC is a format.\n"
    assert c4.page_text(text) == "\ufeffTitle\none\ntwo\nContent-Type is a header.\nWARC is a format."
    assert c4.page_text(text, remove_nul=False, lose_header_lines=True) == "\ufeffTitle\none\ntwo\0"


def test_page_too_long() -> None:
    assert c4.page_too_long("x" * 190_000) is None
    assert told(c4.page_too_long("x" * 190_001)) == ("page_too_long", 190_001, 190_000, None)


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("http://www.example.org/", "example.org"),
        ("https://example.org/a/b//", "example.org/a/b"),
        ("https://example.org/a?utm_source=x&id=3", "example.org/a"),
        ("https://example.org/a?id=3&utm_source=x", "example.org/a?id=3&utm_source=x"),
        ("https://example.org/a?reference=7", "example.org/a"),
        ("https://example.org/a?feed=rss2", "example.org/a"),
        ("http://archive.org/web/2010/http://www.example.org/a", "archive.org/web/2010/example.org/a"),
        ("HTTP://example.org/", "HTTP://example.org"),
        ("ftp://example.org/", "ftp://example.org"),
        ("", ""),
    ],
)
def test_normalise_url(url: str, key: str) -> None:
    assert c4.normalise_url(url) == key


@given(st.text(), st.text())
def test_ranks_order_as_the_hexadecimal_md5(one: str, other: str) -> None:
    digests = [hashlib.md5(text.encode("utf-8", "replace")).hexdigest() for text in (one, other)]
    assert (c4.text_rank(one) < c4.text_rank(other)) == (digests[0] < digests[1])
    assert c4.url_rank(one) == int(digests[0][:16], 16)


@settings(deadline=None)
@given(pages.map("".join))
@example("  A line.\nA LINE.\n\nΑΣ\nΣΑΣ ΑΣ.Α")
def test_line_keys_equal_the_oracle(text: str) -> None:
    keys = c4.packed(c4.line_keys(text))
    assert keys.dtype == np.uint64
    assert keys.tolist() == [oracle.line_key(line) for line in text.split("\n")]


def test_lines_go_to_the_smallest_url_once() -> None:
    shared = "All pages have this one line."
    site = {
        "example.org/a": f"{shared}\nOnly a.\nONLY A.",
        "example.org/b": f"Only b.\n{shared.upper()}",
        "example.org/c": f" {shared} \nOnly c.",
    }
    rows = [(c4.url_rank(url), url, unique(text.split("\n"), c4.line_keys(text))) for url, text in site.items()]
    owner: dict[bytes, int] = {}
    for rank, _, lines in rows:
        for key in lines:
            owner[key] = min(rank, owner.get(key, rank))
    left = {url: "\n".join(line for key, line in lines.items() if owner[key] == rank) for rank, url, lines in rows}
    assert left == oracle.deduplicate(site)
    assert sum(shared.lower() in text.lower() for text in left.values()) == 1
    assert left["example.org/a"].count("nly") == 1


def test_after_deduplication_counts_the_whole_text() -> None:
    assert told(c4.after_deduplication("")) == alone("all_duplicates")
    assert told(c4.after_deduplication(f"{GOOD}\n{GOOD}")) == ("too_few_sentences", 2, 3, None)
    assert told(c4.after_deduplication("no end", min_sentences=2)) == ("too_few_sentences", 1, 2, None)
    assert c4.after_deduplication(f"{GOOD}\n{GOOD}\n{GOOD}") is None
    # The line ends with an abbreviation, so Punkt sees no end of a sentence between the lines.
    abbreviated = c4.after_deduplication("It was built by Henry Lind, Jr.\nand his two sons.\nIt stands.")
    assert told(abbreviated) == ("too_few_sentences", 2, 3, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The ferry leaves at noon and the last one comes back long before the evening.", None),
        ("Die letzte Fähre kommt lange vor dem Abend zurück in den kleinen Hafen.", "de"),
        ("The ferry leaves. Die letzte Fähre kommt lange vor Abend zurück.", "de"),
        ("渡船在中午出发，最后一班在天黑之前回来。我们都在这里等着它。", "zh-cn"),
        ("12 345 678", ""),
        ("", ""),
        ("\ud800", ""),
    ],
)
def test_language(text: str, expected: str | None) -> None:
    other = ("other_language", None, None, expected) if expected else alone("no_language")
    assert told(c4.language(text)) == (None if expected is None else other)


def test_language_threshold_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    low = ("language_probability", 0.98999, 0.99, "en")
    for probability, expected in [(0.99, None), (0.98999, low), (0.9899999999999999, None)]:
        monkeypatch.setattr(c4, "detect", lambda _, p=probability: ("en", round(p, 12)))
        assert told(c4.language("x")) == expected
    monkeypatch.setattr(c4, "detect", lambda _: ("de", 0.5))
    assert told(c4.language("x", 0.6)) == ("language_probability", 0.5, 0.6, "de")


def test_detection_is_the_same_every_time() -> None:
    # Two languages: the probabilities depend on the seed.
    text = "The ferry leaves at noon. Die letzte Fähre kommt am Abend."
    assert len({c4.detect(text) for _ in range(5)}) == 1


WORDS = ["drat", "heck no", "b-word", "2x4", "🤬", "under_score", "a b"]


@pytest.fixture(scope="module")
def bad_words(tmp_path_factory: pytest.TempPathFactory) -> BadWords:
    path = tmp_path_factory.mktemp("words") / "words.txt"
    path.write_text("\n".join(WORDS) + "\n\n", encoding="utf-8")
    return BadWords(path)


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ("Drat!", "drat"),
        ("oh DRAT", "drat"),
        ("hydrating drats", None),
        ("drat_ it", None),
        ("heck no.", "heck no"),
        ("heck  no", None),
        ("heck now", None),
        ("what the heck\nno", None),
        ("a b-word here", "a b"),
        ("the b-word here", "b-word"),
        ("one b-words here", None),
        ("a 2x4 here", "2x4"),
        ("12x4", None),
        ("🤬", "🤬"),
        ("x🤬x", None),
        ("x 🤬x", None),
        ("x 🤬 x", "🤬"),
        ("a under_score b", "under_score"),
        ("a b", "a b"),
        ("", None),
        ("A 2x4, drat!", "2x4"),
        ("Drat, a 2x4!", "drat"),
        ("Oh heck no, drat!", "drat"),
        ("The b-word, heck no!", "b-word"),
        ("Heck no, the b-word!", "heck no"),
    ],
)
def test_bad_words(bad_words: BadWords, text: str, bad: str | None) -> None:
    assert told(bad_words.reason(text)) == (("bad_word", None, None, bad) if bad else None)
    assert oracle.has_bad_word(text, WORDS) == (bad is not None)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.sampled_from([*WORDS, "drat", "heck", "no", " ", "-", ".", "\n", "_", "x", "é", "🤬", "A B"]), max_size=8
    )
)
def test_bad_words_equal_the_oracle(bad_words: BadWords, parts: list[str]) -> None:
    text = "".join(parts)
    found = bad_words.reason(text)
    assert (found is not None) == oracle.has_bad_word(text, WORDS)
    if found:
        assert found.detail in WORDS and oracle.has_bad_word(text, [found.detail])


def test_few_sentences_are_counted() -> None:
    for page, number in [("", 0), (GOOD, 1), (f"{GOOD} It is closed now.", 2)]:
        expected = ("too_few_sentences", number, 3, None)
        assert told(c4.clean(page).reason) == expected
        found = c4.prose_lines(page)
        assert isinstance(found, Broken) and told(found) == expected


def test_an_empty_list_of_bad_words_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.txt"
    path.write_text(" \n\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"none\.txt: no bad words"):
        BadWords(path)


def test_validation_is_one_page_in_a_thousand() -> None:
    urls = [f"example.org/{number}" for number in range(20_000)]
    chosen = [url for url in urls if c4.is_validation(url)]
    assert chosen == [url for url in urls if oracle.is_validation(url)]
    assert 5 < len(chosen) < 45
