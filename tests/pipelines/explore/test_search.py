"""Answers are those of a plain look at every document and drop; of a question that runs out of time, at least."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pytest

from pipelines.document import Document, Drop
from pipelines.explore import hints, histograms, questions, search, texts, words
from pipelines.explore.catalogue import OutOfTimeError
from pipelines.explore.questions import Question
from pipelines.explore.search import Explorer
from pipelines.files import storage
from pipelines.tokens import shards
from pipelines.tokens.shards import Manifest
from tests.pipelines import made
from tests.pipelines.explore import corpora
from tests.tokenizer.texts import SENTENCES

BOOKS = [
    corpora.page(n, f"{SENTENCES[n % len(SENTENCES)]} the llama number {n}", language="en" if n % 3 else "de")
    for n in range(60)
]
PAGES = [
    corpora.page(n, f"alpaca {n} of the herd", source="c4", url=f"https://a{n % 2}.example.com/x", language=None)
    for n in range(20)
]
DROPS = {
    "books": [corpora.drop(n, f"a llama too short {n}", "too_short" if n % 2 else "duplicate") for n in range(15)],
    "c4": [],
}


@dataclass(frozen=True)
class Plain:
    """One row as the answer must have it."""

    one: Document | Drop
    tokens: int | None

    @property
    def kept(self) -> bool:
        return isinstance(self.one, Document)

    @property
    def text(self) -> str:
        return self.one.text if isinstance(self.one, Document) else self.one.excerpt

    @property
    def bytes(self) -> int:
        return len(self.one.text.encode()) if isinstance(self.one, Document) else self.one.size

    @property
    def year(self) -> int:
        return int(str(self.one.timestamp)[:4])

    @property
    def host(self) -> str:
        return str(self.one.url).split("/")[2].removeprefix("www.")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explore") / "corpus"
    copies = [(BOOKS[0].id, DROPS["books"][0].id)]
    return corpora.write(folder, {"books": BOOKS, "c4": PAGES}, DROPS, copies)


@pytest.fixture(scope="module", params=[True, False], ids=["words", "no words"])
def explorer(corpus: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Explorer:
    return corpora.explorer(corpus, tmp_path_factory.mktemp("index") / "index", words=request.param)


@pytest.fixture(scope="module")
def plain(corpus: Path) -> list[Plain]:
    tokens: dict[str, int] = {}
    for source in ("books", "c4"):
        directory = f"{corpus}/tokens/{source}"
        manifest = Manifest.load(directory)
        for entries in manifest.splits.values():
            for shard in entries:
                counts = np.diff(shards.document_ends(directory, shard).astype(np.int64), prepend=0)
                table = pa.parquet.read_table(f"{directory}/{shard.name}.documents.parquet")
                tokens |= {str(one): count for one, count in zip(table["id"].to_pylist(), counts.tolist(), strict=True)}
    everything: list[Document | Drop] = [*BOOKS, *PAGES, *DROPS["books"]]
    return [Plain(one, tokens.get(one.id)) for one in everything]


ASKED: list[tuple[Question, Callable[[Plain], bool]]] = [
    (Question(), lambda row: True),
    (Question(source="c4"), lambda row: row.one.source == "c4"),
    (Question(state="kept"), lambda row: row.kept),
    (Question(state="dropped"), lambda row: not row.kept),
    (Question(reason="clean"), lambda row: not row.kept),
    (Question(reason="clean/duplicate"), lambda row: isinstance(row.one, Drop) and row.one.reason == "duplicate"),
    (Question(language="de"), lambda row: row.one.language == "de"),
    (Question(language="-"), lambda row: row.one.language is None),
    (Question(license="MIT"), lambda row: row.one.license == "MIT"),
    (Question(place="site1.example.org"), lambda row: row.host == "site1.example.org"),
    (Question(license="mit"), lambda row: row.one.license == "MIT"),
    (Question(license="m*"), lambda row: row.one.license == "MIT"),
    (Question(address="site1.example.org/7"), lambda row: row.one.url == "https://www.site1.example.org/7"),
    (Question(address="a1.example.com/x/"), lambda row: row.one.url == "https://a1.example.com/x"),
    (Question(address="a1.example.com"), lambda row: False),
    (Question(address="a1.example.com/*"), lambda row: row.host == "a1.example.com"),
    (Question(address="-"), lambda row: row.one.url is None),
    (Question(title="7 TITLE"), lambda row: row.one.title == "Title 7"),
    (Question(title='"title 1"'), lambda row: row.one.title == "Title 1"),
    (Question(title="title -7"), lambda row: row.one.title != "Title 7"),
    (Question(title="itle"), lambda row: False),
    (Question(title="-"), lambda row: row.one.title is None),
    (Question(source="C4", language="-"), lambda row: row.one.source == "c4"),
    (Question(reason="*uplic*"), lambda row: isinstance(row.one, Drop) and row.one.reason == "duplicate"),
    (Question(reason="CLEAN/dup*"), lambda row: isinstance(row.one, Drop) and row.one.reason == "duplicate"),
    (Question(place="SITE1.example.org"), lambda row: row.host == "site1.example.org"),
    (Question(year="2003"), lambda row: row.year == 2003),
    (Question(year="-"), lambda row: False),
    (Question(license="M*"), lambda row: row.one.license == "MIT"),
    (Question(license="*%*"), lambda row: False),
    (Question(place="site?.example.org"), lambda row: False),
    (Question(place="*1.example.org"), lambda row: row.host == "site1.example.org"),
    (Question(place="example.org"), lambda row: row.host.endswith(".example.org")),
    (Question(place="xample.org"), lambda row: False),
    (Question(year_from=2002.0, year_to=2003.0), lambda row: row.year in (2002, 2003)),
    (Question(bytes_from=60.0, bytes_to=120.0), lambda row: 60 <= row.bytes <= 120),
    (Question(score="number", score_to=7.0), lambda row: row.kept and int(row.one.id.split("/")[2]) <= 7),
    (
        Question(score="perplexity", score_from=105.0),
        lambda row: isinstance(row.one, Drop) and row.one.scores["perplexity"] >= 105,
    ),
    (Question(words="llama"), lambda row: "llama" in row.text),
    (Question(words='"llama number"'), lambda row: "llama number" in row.text),
    (Question(words="the -llama"), lambda row: " the " in row.text and "llama" not in row.text),
    (Question(words="llama", state="dropped"), lambda row: not row.kept),
    (Question(pattern=r"number [12]\d$"), lambda row: bool(re.search(r"number [12]\d$", row.text))),
    (
        Question(words="llama", pattern="number 1", source="books", language="en"),
        lambda row: "llama" in row.text and "number 1" in row.text and row.one.language == "en",
    ),
]


@pytest.mark.parametrize(("question", "holds"), ASKED, ids=lambda one: one.link() if isinstance(one, Question) else "")
def test_counts_lists_and_rows_are_exact(
    explorer: Explorer, plain: Sequence[Plain], question: Question, holds: Callable[[Plain], bool]
) -> None:
    expected = [row for row in plain if holds(row)]
    asked = explorer.asked(question)
    counts = asked.counts()
    assert counts.exact
    assert counts.documents == len(expected)
    assert counts.bytes == sum(row.bytes for row in expected)
    assert counts.tokens == sum(row.tokens or 0 for row in expected)
    assert counts.counted == sum(row.kept for row in expected)
    listed = [row for start in range(0, len(expected), search.PAGE) for row in asked.page(start)]
    assert sorted(row.id for row in listed) == sorted(row.one.id for row in expected)
    assert len({row.number for row in listed}) == len(expected)
    table = pa.Table.from_batches(list(asked.batches())) if expected else None
    assert table is None or sorted(map(str, table["id"].to_pylist())) == sorted(row.one.id for row in expected)
    by_year = asked.breakdown("year")
    assert sum(documents for _, documents, _ in by_year.rows) == len(expected)


@pytest.mark.parametrize("indexed", [True, False], ids=["words", "no words"])
def test_words_with_marks_are_found_in_titles_and_texts(tmp_path: Path, indexed: bool) -> None:
    phrases = ["शीर्षक और पत्थर", "ชื่อเรื่อง", "cafe\u0301 au lait", "שָׁלוֹם", "தமிழ் மொழி"]
    pages = [replace(corpora.page(n, f"- {text}."), title=f"{text}!") for n, text in enumerate(phrases)]
    made_now = corpora.write(tmp_path / "corpus", {"books": pages}, {"books": []})
    explorer = corpora.explorer(made_now, tmp_path / "index", words=indexed)
    for page, text in zip(pages, phrases, strict=True):
        for asked in (text, f'"{text}"', *text.split()):
            for question in (Question(words=asked), Question(title=asked)):
                (row,) = explorer.asked(question).page(0)
                assert row.id == page.id, question
                assert row.line is not None
                assert question.title or any(match for _, match in row.line.pieces), question
    for part in ("शीर", "षक", "cafe", "तथर", "שלום"):
        for question in (Question(words=part), Question(title=part)):
            assert explorer.asked(question).counts().documents == 0, question


def test_what_has_no_title_lacks_every_word_of_one(tmp_path: Path) -> None:
    pages = [replace(corpora.page(n, f"text {n}"), title=title) for n, title in enumerate(("The end", "An end", None))]
    explorer = corpora.explorer(corpora.write(tmp_path / "corpus", {"books": pages}, {"books": []}), tmp_path / "index")
    for title, count in (("-the", 2), ("-end", 1), ("end", 2), ("-the end", 1), ("-", 1)):
        assert explorer.asked(Question(title=title)).counts().documents == count, title


URLS = (
    "https://www.Example.org/A/b?x=1#part",
    "http://user:word@ex.org",
    "https://ex.org/a@b/#!/z",
    "https://WWW.a.org/?u=http://b.org/x",
    "ftp://files.org/100%_\\'",
    "https://a.org/*?y",
)


def test_every_page_is_found_by_its_address(tmp_path: Path) -> None:
    pages = [corpora.page(n, f"text {n}", url=url) for n, url in enumerate(URLS)]
    explorer = corpora.explorer(corpora.write(tmp_path / "corpus", {"books": pages}, {"books": []}), tmp_path / "index")
    for page, url in zip(pages, URLS, strict=True):
        own = questions.plain_address(url)
        for typed in (url, own, url.partition("#")[0], f"{own}#other"):
            asked = questions.of_link({"address": typed})
            assert questions.of_link(dict(asked.asked())) == asked
            assert [row.id for row in explorer.asked(asked).page(0)] == [page.id], typed
    assert explorer.asked(questions.of_link({"address": "Example.org/a/b?x=1"})).counts().documents == 0
    assert explorer.asked(questions.of_link({"address": "https://ex.org*"})).counts().documents == 2


def test_the_manifests_say_the_same(explorer: Explorer, corpus: Path) -> None:
    for source in ("books", "c4"):
        counts = explorer.asked(Question(source=source, state="kept")).counts()
        manifest = Manifest.load(f"{corpus}/tokens/{source}")
        assert counts.documents == manifest.grand_total("documents")
        assert counts.tokens == manifest.grand_total("tokens")
        assert counts.bytes == manifest.grand_total("text_bytes")


def test_a_list_shows_the_match_in_its_line(explorer: Explorer) -> None:
    (row, *_) = explorer.asked(Question(words="llama", state="kept")).page(0)
    assert row.line is not None
    assert ("llama", True) in row.line.pieces
    assert row.line.pieces[-1][0].startswith(" number")


@pytest.mark.parametrize(
    ("text", "asked", "shown"),
    [
        (
            "The first line of it.\nNothing here.\nAt the end of the world, he said.",
            "the end of the world",
            "At [the] [end] [of] [the] [world], he said.",
        ),
        ("a wall\n a wall in Mexico", "mexico wall", " a [wall] in [Mexico]"),
        ("two\nlines", '"two lines"', "[two\nlines]"),
        ("one " * 100 + "two", "two", "… " + "one " * 22 + "[two]"),
        ("two " + "one " * 100, "two", "[two]" + (" one" * 100)[:160] + " …"),
        ("nothing", "llama", "nothing"),
    ],
)
def test_the_line_with_most_of_the_words_is_shown_with_all_of_them_marked(text: str, asked: str, shown: str) -> None:
    found = texts.line(text, [words.in_python(one) for one in words.asked(asked)])
    assert "".join(f"[{piece}]" if match else piece for piece, match in found.pieces) == shown


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("C++", "“C++” is looked for as “c”"),
        ("dog*", "“dog*” is looked for as “dog”"),
        ("--version", "“-version” is looked for as “version”"),
        ("cat OR dog", "“OR” is a word like others"),
        ("it's 1.5 (or so), well-known.", ""),
        (BOOKS[3].id, "This is the id of a document"),
        (f'"{BOOKS[3].id}"', "This is the id of a document"),
    ],
)
def test_what_words_do_not_mean_is_said(explorer: Explorer, asked: str, hint: str) -> None:
    found = [one.text for one in hints.of(explorer.asked(Question(words=asked)), 1)]
    assert found == [] if not hint else any(hint in text for text in found)


def test_a_drop_says_what_decided(explorer: Explorer) -> None:
    short = explorer.by_id(DROPS["books"][1].id)
    assert short is not None
    assert (short.decided, short.bound, short.detail) == (1.0, 100.0, None)
    copy = explorer.by_id(DROPS["books"][2].id)
    assert copy is not None
    assert (copy.decided, copy.bound, copy.detail) == (None, None, "a llama too short 2")


def test_a_slow_pattern_ends_in_time(corpus: Path, tmp_path: Path) -> None:
    slow = [corpora.page(n, "ab " * 30_000) for n in range(40)]
    made_now = corpora.write(tmp_path / "corpus", {"books": slow}, {"books": []})
    explorer = corpora.explorer(made_now, tmp_path / "index", words=False, seconds=1.0)
    start = time.process_time()
    counts = explorer.asked(Question(pattern="(.{1,100}){1,10}zzzq")).counts()
    assert not counts.exact
    assert time.process_time() - start < 6


MANY: Final = " ".join(f"w{n}" for n in range(240))  # words, in under a thousand letters


@pytest.mark.parametrize("asked", ["a " * 499, MANY], ids=["one many times", "many"])
def test_words_are_marked_in_proportion_to_the_text(asked: str) -> None:
    patterns = [words.in_python(one) for one in words.asked(asked)]
    for text in ("a " * 1_000_000, f"{MANY} " * 2_000, "\n".join([MANY] * 2_000)):
        began = time.process_time()
        found = texts.line(text, patterns)
        assert time.process_time() - began < 3
        assert len(found.pieces) > 3 or text.startswith("a") != asked.startswith("a")


def test_a_line_of_many_words_is_looked_for_until_the_time_is_over() -> None:
    patterns = [words.in_python(one) for one in words.asked("llama herd")]
    found = texts.line("A page of a llama", patterns, "llama", deadline=time.monotonic() - 1)
    assert list(found.pieces) == [("A page of a llama", False)]


def test_a_word_that_is_asked_for_twice_is_one() -> None:
    found = words.asked('the The THE -a -A "the llama" "The  Llama" llama')
    assert [(one.text, one.there) for one in found] == [
        ("the", True),
        ("a", False),
        ("the llama", True),
        ("llama", True),
    ]


def test_scores_that_nothing_has_are_not_offered(explorer: Explorer) -> None:
    assert set(explorer.given) == {"number", "perplexity", "value", "limit"}


def test_a_drawn_document_is_one_of_the_answer_and_any_may_be_drawn(explorer: Explorer) -> None:
    asked = explorer.asked(Question(source="c4"))
    drawn = [asked.drawn(seed) for seed in range(200)]
    assert {row.id for row in drawn if row} == {page.id for page in PAGES}
    assert asked.drawn(7) == asked.drawn(7)
    with pytest.raises(LookupError, match="No document is like this"):
        explorer.asked(Question(language="xx")).drawn(1)


def test_a_histogram_counts_every_document_once(explorer: Explorer, plain: Sequence[Plain]) -> None:
    asked = explorer.asked(Question())
    for name, low, high in (("bytes", min(row.bytes for row in plain), max(row.bytes for row in plain)),):
        bars = histograms.of(asked, name)
        assert bars is not None
        assert (bars.low, bars.high, sum(bars.counts)) == (low, high, len(plain))
        assert (bars.edge(0), round(bars.edge(1), 6)) == (low, high)
    assert histograms.of(explorer.asked(Question(source="c4")), "perplexity") is None


@pytest.mark.parametrize(
    ("order", "score", "key"),
    [
        ("shortest", "", lambda row: row.bytes),
        ("longest", "", lambda row: -row.bytes),
        ("oldest", "", lambda row: row.year),
        ("newest", "", lambda row: -row.year),
        ("lowest score", "number", lambda row: int(row.one.id.split("/")[2])),
        ("highest score", "number", lambda row: -int(row.one.id.split("/")[2])),
    ],
)
def test_the_list_comes_in_the_order_that_is_asked_for(
    explorer: Explorer, plain: Sequence[Plain], order: str, score: str, key: Callable[[Plain], int]
) -> None:
    by_id = {row.one.id: key(row) for row in plain}
    asked = explorer.asked(Question(state="kept", score=score, order=order))
    listed = [by_id[row.id] for start in range(0, 80, search.PAGE) for row in asked.page(start)]
    assert listed == sorted(by_id[row.one.id] for row in plain if row.kept)


def test_a_list_by_a_score_shows_it_and_the_file_has_its_order(explorer: Explorer) -> None:
    asked = explorer.asked(Question(score="number", order="highest score"))
    assert [row.score for row in asked.page(0)][:3] == [59.0, 58.0, 57.0]
    table = pa.Table.from_batches(list(asked.batches()))
    assert table["number"].to_pylist() == sorted([*map(float, range(60)), *map(float, range(20))], reverse=True)
    titles = dict(
        zip(
            table["id"].to_pylist(), zip(table["title"].to_pylist(), table["url"].to_pylist(), strict=True), strict=True
        )
    )
    assert titles == {page.id: (page.title, page.url) for page in [*BOOKS, *PAGES]}


def test_what_is_not_known_is_said_and_can_be_asked_for(explorer: Explorer) -> None:
    question = Question(language="de", words="herd")
    asked = explorer.asked(question)
    assert asked.counts().documents == 0
    *_, hint = hints.of(asked, 0)
    many = f"up to {len(PAGES)}" if asked.scans else len(PAGES)
    assert hint.text == f"Not in this answer: {many} documents and drops of which no language is known"
    assert hint.question is not None
    assert explorer.asked(hint.question).counts().documents == len(PAGES)


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("site1.example.org", Question(place="site1.example.org")),
        ("host:site1.example.org", Question(place="site1.example.org")),
        ("https://www.site1.example.org/7", Question(address="site1.example.org/7")),
        ("llama 1.5", None),
        ("Node.js", None),
    ],
)
def test_an_address_among_the_words_leads_to_its_pages(explorer: Explorer, asked: str, meant: Question | None) -> None:
    found = [hint.question for hint in hints.of(explorer.asked(Question(words=asked)), 1)]
    assert found == ([meant] if meant else [])


def test_all_values_can_be_paged_through(explorer: Explorer) -> None:
    asked = explorer.asked(Question())
    whole = asked.breakdown("place", 0, 100)
    assert whole.rest == 0
    parts = [asked.breakdown("place", start, 2) for start in range(0, len(whole.rows), 2)]
    assert [row for part in parts for row in part.rows] == list(whole.rows)
    assert parts[0].rest == len(whole.rows) - 2


def test_each_year_has_a_bar_of_its_own(explorer: Explorer, plain: Sequence[Plain]) -> None:
    bars = histograms.of(explorer.asked(Question()), "year")
    assert bars is not None
    assert (bars.low, bars.high) == (2000, 2005)
    assert bars.counts == [sum(row.year == year for row in plain) for year in range(2000, 2005)]


def test_many_years_share_bars(explorer: Explorer, monkeypatch: pytest.MonkeyPatch, plain: Sequence[Plain]) -> None:
    monkeypatch.setattr(histograms, "BINS", 3)
    bars = histograms.of(explorer.asked(Question()), "year")
    assert bars is not None
    assert (bars.low, bars.high, len(bars.counts), sum(bars.counts)) == (2000, 2006, 3, len(plain))


@pytest.mark.parametrize(
    ("question", "hint"),
    [
        (Question(source="book"), "source: no document or drop of this corpus has 'book'; there is books"),
        (Question(language="ENX"), "language: no document or drop of this corpus has 'ENX'"),
        (Question(reason="duplicate"), "'duplicate'; there is clean/duplicate"),
        (Question(address="site1.example.org/none"), "'site1.example.org/none', but other of site1.example.org"),
        (Question(address="nowhere.org/none"), "'nowhere.org/none', nor any other of nowhere.org"),
        (Question(place="site1.exampl.org"), "there is site1.example.org"),
        (Question(place="*.nowhere.org"), "place: no document or drop of this corpus has one like '*.nowhere.org'"),
        (Question(place="=example.org"), "'example.org'; there is site"),
        (Question(license="Artistic"), "the most frequent are MIT"),
    ],
)
def test_a_value_that_nothing_has_is_named_with_those_like_it(
    explorer: Explorer, question: Question, hint: str
) -> None:
    asked = explorer.asked(question)
    assert asked.counts().documents == 0
    (found, *_) = hints.of(asked, 0)
    assert hint in found.text


def test_of_values_that_are_there_but_not_together_each_is_left_out(explorer: Explorer) -> None:
    asked = explorer.asked(Question(source="c4", reason="clean", year="-", year_from=1900.0, order="longest"))
    assert [(hint.text, hint.question) for hint in hints.of(asked, 0)] == [
        (f"Without reason it takes {len(PAGES)}", asked.question.without("reason")),
        (f"Without source it takes {len(DROPS['books'])}", asked.question.without("source")),
    ]


def test_nothing_is_left_out_of_a_question_for_one_thing(explorer: Explorer) -> None:
    assert hints.of(explorer.asked(Question(year="1492")), 0) == []


def test_words_of_a_title_that_none_has_are_looked_for_in_texts(explorer: Explorer) -> None:
    (hint,) = hints.of(explorer.asked(Question(title="herd", source="c4")), 0)
    assert hint.text == "title: no document or drop of this corpus has 'herd' in its title"
    assert hint.question == Question(words="herd", source="c4")


def test_a_language_by_its_name_leads_to_its_code(explorer: Explorer) -> None:
    (hint, *_) = hints.of(explorer.asked(Question(language="German")), 0)
    assert (hint.text, hint.question) == ("language: German is de", Question(language="de"))


def test_a_question_of_many_words_ends_in_time(tmp_path: Path) -> None:
    words = [f"w{n}" for n in range(200)]
    made_now = corpora.write(
        tmp_path / "corpus", {"books": [corpora.page(n, " ".join(words * 300)) for n in range(20)]}, {"books": []}
    )
    explorer = corpora.explorer(made_now, tmp_path / "index", seconds=3.0)
    start = time.process_time()
    asked = explorer.asked(Question(words=f"{' '.join(words)} {'w1 ' * 50}"))
    assert asked.counts().documents == 20
    assert len(asked.patterns()) == search.MARKED
    assert len(asked.page(0)) == 20
    assert time.process_time() - start < 10


def test_a_row_of_a_table_leads_to_as_many(explorer: Explorer) -> None:
    asked = explorer.asked(Question())
    for place, documents, _ in asked.breakdown("place").rows:
        assert explorer.asked(Question(place=f"={place}")).counts().documents == documents


def test_a_document_has_its_copies_and_its_place_in_the_shards(explorer: Explorer, corpus: Path) -> None:
    row = explorer.by_id(BOOKS[0].id)
    assert row is not None
    assert explorer.copies(row.id) == [(BOOKS[0].id, DROPS["books"][0].id, "clean", "duplicate", 1.0)]
    place = explorer.place_in_shards(row)
    assert place is not None
    split, shard, first, tokens = place
    from pipelines import trace

    (part,) = trace.parts(corpus, "books", first, first + tokens, split)
    assert (part.document, part.shard, part.first, part.last) == (row.id, shard, first, first + tokens)
    assert explorer.by_id("books/nothing/1") is None


def test_time_that_is_over_says_at_least(corpus: Path, tmp_path: Path) -> None:
    explorer = corpora.explorer(corpus, tmp_path / "index", words=False, seconds=1e-9)
    for question in (Question(), Question(words="llama"), Question(pattern="a.*b")):
        asked = explorer.asked(question)
        assert not asked.counts().exact
        with pytest.raises(OutOfTimeError):
            asked.page(0)


def test_a_pattern_that_would_run_for_ever_elsewhere_ends(explorer: Explorer) -> None:
    counts = explorer.asked(Question(pattern=r"(a+)+$|(.*)*x{1,30}y{1,30}z")).counts()
    assert counts.documents < len(BOOKS) + len(PAGES) + len(DROPS["books"])


@pytest.mark.parametrize("pattern", ["(", r"(?=a)", r"(a)\1", "(((a{1000}){1000}){1000})"])
def test_what_is_no_pattern_of_re2_is_named(explorer: Explorer, pattern: str) -> None:
    with pytest.raises(ValueError, match=r"^pattern: "):
        explorer.asked(Question(pattern=pattern))


def test_hostile_names_of_columns_reach_no_sql(tmp_path: Path) -> None:
    corpus = corpora.write(tmp_path / "corpus", {"books": BOOKS[:10]}, {"books": []})
    name = 'a"; DROP TABLE documents; --'
    for path in sorted((corpus / "books" / "documents").glob("*.parquet")):
        table = pa.parquet.read_table(path)
        pa.parquet.write_table(table.rename_columns([name if c == "number" else c for c in table.column_names]), path)
    explorer = corpora.explorer(corpus, tmp_path / "index")
    assert name in explorer.scores
    asked = explorer.asked(Question(score=name, score_from=0.0))
    assert asked.counts().documents == 10
    assert name in next(iter(asked.batches())).schema.names
    assert storage.exists(f"{tmp_path}/index/catalogue.duckdb")


def test_a_corpus_that_was_built_again_is_not_shown_as_the_old_one(corpus: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(corpus, tmp_path / "corpus"))
    explorer = corpora.explorer(copied, tmp_path / "index")
    for path in sorted((copied / "books" / "documents").glob("*.parquet")):
        table = pa.parquet.read_table(path)
        pa.parquet.write_table(table.take(list(range(table.num_rows))[::-1]), path)
    row = explorer.by_id(BOOKS[0].id)
    assert row is not None
    for action in (lambda: explorer.asked(Question(state="kept")).page(0), lambda: explorer.values(row)):
        with pytest.raises(ValueError, match="the corpus was built again since it was indexed"):
            action()


def test_the_dumps_of_the_made_corpus_are_in_turn() -> None:
    assert {page.dump for page in BOOKS} == set(made.DUMPS)


def test_a_file_that_is_gone_is_named_beside_its_rows(tmp_path: Path) -> None:
    made_now = corpora.write(tmp_path / "corpus", {"books": BOOKS}, DROPS)
    explorer = corpora.explorer(made_now, tmp_path / "index")
    asked = explorer.asked(Question(state="dropped"))
    before = asked.counts()
    for path in made_now.glob("books/drops/*.parquet"):
        path.unlink()
    asked = explorer.asked(Question(state="dropped"))
    assert asked.counts() == before
    rows = asked.page(0)
    assert len(rows) == len(DROPS["books"])
    for row in rows:
        assert row.line is not None and row.line.pieces == [(explorer.gone(row), False)]
    with pytest.raises(ValueError, match=r"books/drops/\S+ is gone: altiplano verify"):
        explorer.values(rows[0])
    assert explorer.asked(Question(state="kept")).page(0)[0].line != rows[0].line
