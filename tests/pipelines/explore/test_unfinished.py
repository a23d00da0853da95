"""Answers that the time limit ended: what is not known is not told, nor remembered."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipelines.explore import compare, hints, search, server
from pipelines.explore.catalogue import OutOfTimeError
from pipelines.explore.questions import Question
from pipelines.explore.recent import Recent
from pipelines.explore.search import Asked, Explorer
from pipelines.explore.texts import Numbers
from tests.pipelines.explore import corpora
from tests.pipelines.explore.test_server import Served

BOOKS = [corpora.page(n, f"the llama number {n}", language="en" if n % 3 else None) for n in range(60)]
LOOKED_AT = 40  # rows before the time is over
ASKED = Question(words="llama")


@pytest.fixture
def explorer(tmp_path: Path) -> Explorer:
    made = corpora.write(tmp_path / "corpus", {"books": BOOKS}, {"books": []})
    return corpora.explorer(made, tmp_path / "index")


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> dict[int, int]:
    """Let the time be over after so many rows, of an explorer by its id; of others when all were looked at."""
    most: dict[int, int] = {}
    plain = Asked._candidates

    def candidates(asked: Asked) -> Iterator[Numbers]:
        left = most.get(id(asked.explorer))
        if left is None:
            yield from plain(asked)
            return
        yield np.concatenate([np.empty(0, np.uint64), *plain(asked)])[:left]
        raise OutOfTimeError

    monkeypatch.setattr(Asked, "_candidates", candidates)
    return most


def compared(first: Explorer, second: Explorer, question: Question = ASKED) -> compare.Differing:
    return compare.differing([first.asked(question), second.asked(question)])


@pytest.mark.parametrize(
    ("first", "second", "unknown"),
    [(LOOKED_AT, None, ["second"]), (None, LOOKED_AT, ["first"]), (None, 0, ["first"]), (9, 0, ["first", "second"])],
)
def test_what_is_in_one_answer_only_is_not_told_of_half_an_answer(
    explorer: Explorer,
    ended: dict[int, int],
    tmp_path: Path,
    first: int | None,
    second: int | None,
    unknown: list[str],
) -> None:
    other = corpora.explorer(explorer.corpus.corpus, tmp_path / "other")
    ended |= {id(one): most for one, most in ((explorer, first), (other, second)) if most is not None}
    found = compared(explorer, other)
    assert not found.exact
    assert list(found.open) == unknown
    for name in set(compare.LISTS) - set(unknown):
        assert found.pairs[name].num_rows == 0, name  # the corpora do not differ
    served = Served([explorer, other])
    try:
        _, body = served.get("/differences?words=llama")
        assert body.count("what is not in it cannot be told") == len(unknown)
        assert not re.search("at least [1-9][0-9]* documents, ", body)
    finally:
        served.close()


def test_the_first_of_two_corpora_leaves_time_for_the_second(
    explorer: Explorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = corpora.explorer(explorer.corpus.corpus, tmp_path / "other")
    looked: list[float] = []
    plain = Asked._look

    def look(asked: Asked) -> search.Rows:
        looked.append((asked._looking - asked._start) / asked.explorer.seconds)
        return plain(asked)

    monkeypatch.setattr(Asked, "_look", look)
    served = Served([explorer, other])
    try:
        assert served.get("/differences?words=llama")[0] == 200
    finally:
        served.close()
    assert looked == pytest.approx([search.LOOKING / 2, search.LOOKING])


def test_half_an_answer_is_not_remembered(explorer: Explorer, ended: dict[int, int]) -> None:
    ended[id(explorer)] = LOOKED_AT
    counts = explorer.asked(ASKED).counts()
    assert (counts.documents, counts.exact) == (LOOKED_AT, False)
    del ended[id(explorer)]
    counts = explorer.asked(ASKED).counts()
    assert (counts.documents, counts.exact) == (len(BOOKS), True)


def test_hints_do_not_look_again_for_what_was_not_found_in_the_time(
    explorer: Explorer, ended: dict[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended[id(explorer)] = LOOKED_AT
    asked = explorer.asked(Question(words="llama", language="en"))
    documents = asked.counts().documents
    monkeypatch.setattr(Asked, "_look", lambda asked: pytest.fail("looked again"))
    (hint,) = hints.of(asked, documents)
    assert f"{LOOKED_AT - documents} documents and drops of which no language" in hint.text
    assert "at least" in hint.text


@pytest.fixture
def served(explorer: Explorer) -> Iterator[Served]:
    found = Served([explorer])
    yield found
    found.close()


def test_a_file_of_half_an_answer_says_so(explorer: Explorer, ended: dict[int, int], served: Served) -> None:
    cookie = f"{server.COOKIE}-{served.port}={served.token}"
    for unfinished in (True, False):
        if unfinished:
            ended[id(explorer)] = LOOKED_AT
        else:
            ended.clear()
        _, headers, body = served.raw("/results.parquet?words=llama", Cookie=cookie)
        file = pq.ParquetFile(io.BytesIO(body))
        assert file.metadata.num_rows == (LOOKED_AT if unfinished else len(BOOKS))
        assert ("at-least" in headers["content-disposition"]) is unfinished
        assert (server.UNFINISHED.encode() in (file.schema_arrow.metadata or {})) is unfinished


def test_nothing_found_in_the_time_is_not_nothing(explorer: Explorer, ended: dict[int, int], served: Served) -> None:
    ended[id(explorer)] = 0
    status, body = served.get("/?words=llama")
    assert status == 200
    assert "None was found in the time." in body
    assert "none was found in that time, and there may be some" in body
    for wrong in ("at least 0", "No document is like this"):
        assert wrong not in body
    for path in ("drawn", "results.parquet"):
        status, body = served.get(f"/{path}?words=llama")
        assert status == 503
        assert "None was found in the time limit of 20 s" in body
    ended.clear()
    for path in ("drawn", "results.parquet"):
        status, body = served.get(f"/{path}?words=alpaca")
        assert status == 404
        assert "No document is like this" in body


def test_values_of_half_an_answer_are_at_least(explorer: Explorer, ended: dict[int, int], served: Served) -> None:
    said = "all numbers here are of what was found, at least"
    assert said not in served.get("/values?column=place&words=llama")[1]
    explorer.recent = Recent(search.REMEMBERED)
    ended[id(explorer)] = LOOKED_AT
    assert said in served.get("/values?column=place&words=llama")[1]
