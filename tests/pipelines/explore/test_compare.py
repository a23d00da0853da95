"""Two corpora beside each other: what is in one only, has another text or fate, or another language or score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.document import Document, Drop
from pipelines.explore import compare, search
from pipelines.explore.compare import CHANGED, FACTS, FIRST, SECOND, Change, Listed
from pipelines.explore.questions import Question
from pipelines.explore.search import Explorer
from tests.pipelines.explore import corpora

BOOKS = [corpora.page(n, f"the llama number {n}", language="en" if n % 3 else "de") for n in range(60)]
PAGES = [corpora.page(n, f"alpaca {n} of the herd", source="c4", language=None) for n in range(20)]
DROPS = [corpora.drop(n, f"a llama too short {n}", "too_short" if n % 2 else "duplicate") for n in range(15)]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Explorer:
    return explorer(tmp_path_factory.mktemp("first"), BOOKS, drops=DROPS)


def explorer(
    folder: Path, books: Sequence[Document], pages: Sequence[Document] = PAGES, drops: Sequence[Drop] = (), **more: Any
) -> Explorer:
    made = corpora.write(folder / "corpus", {"books": books, "c4": pages}, {"books": drops, "c4": []})
    return corpora.explorer(made, folder / "index", **more)


@dataclass(frozen=True)
class Both:
    """A question put to two corpora, and what differs."""

    explorers: Sequence[Explorer]
    question: Question = field(default_factory=Question)

    def listed(self, name: str, *narrowed: str, start: int = 0) -> Listed:
        asked = [one.asked(self.question) for one in self.explorers]
        found = compare.differing(asked)
        assert found.exact
        fates = (narrowed[0], narrowed[1]) if narrowed else ("", "")
        return compare.listed(asked, found, name, fates, start)

    def ids(self, name: str, *narrowed: str) -> set[str]:
        listed = self.listed(name, *narrowed)
        assert listed.counts.documents == len(listed.rows)
        return {pair.row.id for pair in listed.rows}


def test_a_corpus_beside_itself_does_not_differ(first: Explorer) -> None:
    for name in compare.LISTS:
        assert Both([first, first]).listed(name).counts.documents == 0


def test_two_answers_beside_each_other(first: Explorer, tmp_path: Path) -> None:
    more = corpora.page(90, "a new page of the llama")
    changed = [corpora.page(0, "another text of the same page"), *BOOKS[1:50], more]
    both = Both([first, explorer(tmp_path, changed)], Question(source="books", state="kept"))
    assert both.ids(FIRST) == {page.id for page in BOOKS[50:]}
    assert [(one.source, one.here, one.there, one.documents) for one in both.listed(FIRST).sums] == [
        ("books", "kept", None, 10)
    ]
    assert both.ids(SECOND) == {more.id}
    assert both.ids(CHANGED) == {BOOKS[0].id}
    assert [(one.here, one.there, one.documents) for one in both.listed(CHANGED).sums] == [("kept", "kept", 1)]
    assert both.ids(FACTS) == set()


def test_what_became_of_it_is_another(first: Explorer, tmp_path: Path) -> None:
    gone = replace(DROPS[0], id=BOOKS[4].id)
    kept = corpora.page(1_002, DROPS[2].excerpt)
    assert kept.id == DROPS[2].id
    other = explorer(tmp_path, [*BOOKS[:4], *BOOKS[5:], kept], drops=[gone, *DROPS[:2], *DROPS[3:]])
    both = Both([first, other])
    assert both.ids(CHANGED) == {BOOKS[4].id, kept.id}
    dropped = "dropped at clean: duplicate"
    assert {(one.here, one.there) for one in both.listed(CHANGED).sums} == {("kept", dropped), (dropped, "kept")}
    assert both.ids(CHANGED, "kept", dropped) == {BOOKS[4].id}
    assert both.ids(CHANGED, "kept", "kept") == set()
    assert both.ids(CHANGED, "kept", "no such fate") == set()


@pytest.mark.parametrize("words", [True, False])
def test_texts_of_the_same_length_differ_where_they_were_read(words: bool, tmp_path: Path) -> None:
    other = [replace(BOOKS[0], text=BOOKS[0].text.swapcase()), *BOOKS[1:]]
    both = Both(
        [explorer(tmp_path / name, books, words=words) for name, books in (("first", BOOKS), ("second", other))]
    )
    assert both.ids(CHANGED) == ({BOOKS[0].id} if words else set())


def test_all_that_differs_can_be_paged_through(first: Explorer, tmp_path: Path) -> None:
    both = Both([first, explorer(tmp_path, BOOKS[:3])], Question(state="kept"))
    pages = [both.listed(FIRST, start=start) for start in range(0, 80, search.PAGE)]
    assert sorted(pair.row.id for page in pages for pair in page.rows) == sorted(page.id for page in BOOKS[3:])
    assert {page.counts.documents for page in pages} == {len(BOOKS) - 3}


def test_blocks_find_the_same(first: Explorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = [replace(page, title="another") if n % 7 == 0 else page for n, page in enumerate(BOOKS[5:])]
    both = Both([first, explorer(tmp_path, [replace(changed[1], text="x"), changed[0], *changed[2:]], PAGES[2:])])
    whole = [both.listed(name) for name in compare.LISTS]
    monkeypatch.setattr(compare, "BLOCK", 7)
    assert [both.listed(name) for name in compare.LISTS] == whole
    assert [one.counts.documents for one in whole] == [7 + len(DROPS), 0, 1, 8]


def test_an_input_that_was_taken_again_is_known_by_its_addresses(first: Explorer, tmp_path: Path) -> None:
    again = [replace(page, id=page.id.replace("/", "/again-", 1)) for page in BOOKS[:10]]
    second = explorer(tmp_path, again)
    both = Both([first, second], Question(state="kept"))
    for name, documents in ((FIRST, len(BOOKS)), (SECOND, len(again))):
        assert [(one.documents, one.addressed) for one in both.listed(name).sums] == [(documents, len(again))]
    listed = [pair for start in (0, 20, 40, 60) for pair in both.listed(FIRST, start=start).rows]
    pairs = {pair.row.id: pair.twin.id for pair in listed if pair.twin}
    assert pairs == {page.id: new.id for page, new in zip(BOOKS, again, strict=False)}
    assert {pair.twin.id for pair in both.listed(SECOND).rows if pair.twin} == set(pairs)


@pytest.mark.parametrize(
    ("changed", "change"),
    [
        ({"language": "fr"}, Change("language", "en", "fr")),
        ({"language": None}, Change("language", "en", None)),
        ({"license": "Apache-2.0"}, Change("license", "MIT", "Apache-2.0")),
        ({"timestamp": "1999-01-01"}, Change("year", 2004, 1999)),
        ({"title": "Title 4."}, Change("title", "Title 4", "Title 4.")),
        ({"attributes": {"number": 5}}, Change("number", 4.0, 5.0)),
        ({"attributes": {}}, Change("number", 4.0, None)),
    ],
)
def test_what_else_is_known_of_the_same_text_is_compared(
    first: Explorer, tmp_path: Path, changed: dict[str, Any], change: Change
) -> None:
    other = [*BOOKS[:4], replace(BOOKS[4], **changed), *BOOKS[5:]]
    both = Both([first, explorer(tmp_path, other, drops=DROPS)])
    (pair,) = both.listed(FACTS).rows
    assert (pair.row.id, pair.twin and pair.twin.id) == (BOOKS[4].id, BOOKS[4].id)
    assert pair.changes == [change]
    assert [(one.source, one.here, one.there, one.documents) for one in both.listed(FACTS).sums] == [
        ("books", "kept", change.name, 1)
    ]
    assert both.ids(FACTS, "kept", change.name) == {BOOKS[4].id}
    assert both.ids(FACTS, "kept", "tokens") == set()
    assert both.ids(FACTS, "kept", "no such thing") == set()
    for name in (FIRST, SECOND, CHANGED):
        assert both.ids(name) == set()


def test_a_page_at_another_address_is_at_another_host(first: Explorer, tmp_path: Path) -> None:
    other = [*BOOKS[:4], replace(BOOKS[4], url="https://elsewhere.example.com/4"), *BOOKS[5:]]
    (pair,) = Both([first, explorer(tmp_path, other, drops=DROPS)]).listed(FACTS).rows
    assert [(one.name, one.there) for one in pair.changes] == [
        ("place", "elsewhere.example.com"),
        ("url", "https://elsewhere.example.com/4"),
    ]


def test_what_decided_a_drop_is_compared(first: Explorer, tmp_path: Path) -> None:
    short = replace(DROPS[1], scores={**DROPS[1].scores, "value": 2.0})
    word = replace(DROPS[2], detail="another word")
    both = Both([first, explorer(tmp_path, BOOKS, drops=[DROPS[0], short, word, *DROPS[3:]])])
    assert {pair.row.id: pair.changes for pair in both.listed(FACTS).rows} == {
        short.id: [Change("value", 1.0, 2.0)],
        word.id: [Change("detail", DROPS[2].detail, "another word")],
    }


def test_another_tokenizer_is_seen(first: Explorer, tmp_path: Path) -> None:
    second = explorer(tmp_path, BOOKS, drops=DROPS)
    second.index.catalogue.connection.execute(
        "UPDATE documents SET tokens = tokens + 1 WHERE source = 'books' AND kept"
    )
    both = Both([first, second])
    assert [(one.there, one.documents) for one in both.listed(FACTS).sums] == [("tokens", len(BOOKS))]


SINGLE, DOUBLE = np.float32(0.1), 0.1
STRANGE = [math.nan, math.inf, -math.inf, 0.0, None, 5e-324, 1.7e308, 1.0]


@pytest.mark.parametrize(
    ("kind", "before", "after", "differ"),
    [
        (pa.float64(), [DOUBLE], [math.nextafter(DOUBLE, 1)], [False]),
        (pa.float64(), [DOUBLE], [DOUBLE * (1 + 1e-14)], [True]),
        (pa.float32(), [SINGLE], [np.nextafter(SINGLE, np.float32(1))], [False]),
        (pa.float32(), [SINGLE], [SINGLE * np.float32(1 + 1e-5)], [True]),
        (pa.int64(), [10**12], [10**12 + 1], [True]),
        (pa.int64(), [2**60 + 1], [2**60 + 1], [False]),  # no float holds it
        (pa.float64(), STRANGE, STRANGE, [False] * len(STRANGE)),
        (pa.float64(), STRANGE, [*STRANGE[1:], STRANGE[0]], [True] * len(STRANGE)),
        (pa.float64(), [1.7e308, 0.0], [-1.7e308, 5e-324], [True, True]),
    ],
)
def test_numbers_differ_beyond_what_their_type_rounds(
    kind: pa.DataType, before: Sequence[Any], after: Sequence[Any], differ: Sequence[bool], tmp_path: Path
) -> None:
    both = Both([_with_scores(tmp_path / str(n), kind, values) for n, values in enumerate((before, after))])
    found = {int(pair.row.id.rpartition("/")[2]) for pair in both.listed(FACTS).rows}
    assert found == {number for number, other in enumerate(differ) if other}


def test_a_number_that_was_stored_more_coarsely_is_the_same(tmp_path: Path) -> None:
    coarse, fine = _with_scores(tmp_path / "a", pa.float32(), [0.1]), _with_scores(tmp_path / "b", pa.float64(), [0.1])
    assert Both([coarse, fine]).listed(FACTS).counts.documents == 0
    assert Both([fine, coarse]).listed(FACTS).counts.documents == 0


def test_scores_are_compared_by_their_names_in_whatever_order_they_stand(tmp_path: Path) -> None:
    first = _with_scores(tmp_path / "a", pa.float64(), [1.0, 2.0], beauty=[3.0, 4.0])
    second = _with_scores(tmp_path / "b", pa.float64(), [3.0, 4.0], name="beauty", truth=[1.0, 2.0])
    (one, two) = Both([first, second]).listed(FACTS).rows
    assert one.changes == [Change("score", 1.0, None), Change("truth", None, 1.0)]
    assert two.changes == [Change("score", 2.0, None), Change("truth", None, 2.0)]


def test_a_score_with_the_name_of_a_column_is_told_apart(tmp_path: Path) -> None:
    first, second = (_with_scores(tmp_path / str(n), pa.int64(), [1], name="tokens", place=[n]) for n in (1, 2))
    (pair,) = Both([first, second]).listed(FACTS).rows
    assert pair.changes == [Change("place_score", 1.0, 2.0)]


def test_a_comparison_that_runs_out_of_time_says_at_least(first: Explorer) -> None:
    short = replace(first, seconds=1e-9)
    found = compare.differing([short.asked(Question()), first.asked(Question())])
    assert not found.exact


def _with_scores(
    folder: Path, kind: pa.DataType, values: Sequence[Any], name: str = "score", **more: Sequence[Any]
) -> Explorer:
    """Return a corpus of so many pages, whose `number` is replaced by other columns."""
    corpus = corpora.write(
        folder / "corpus", {"books": [corpora.page(n, f"page {n}") for n in range(len(values))]}, {"books": []}
    )
    for path in sorted((corpus / "books" / "documents").glob("*.parquet")):
        table = pq.read_table(path)
        rows = [int(str(one)) for one in table["number"].to_pylist()]
        for called, numbers in ({name: values} | more).items():
            column = pa.array([numbers[row] for row in rows], kind, from_pandas=False)
            table = table.append_column(called, column)
        pq.write_table(table.drop_columns(["number"]), path)
    return corpora.explorer(corpus, folder / "index")
