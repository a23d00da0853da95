"""The rule for books on real pairs: editions, encodings, a collection, volumes of a series, two spellings of a play."""

from __future__ import annotations

from pathlib import Path

import pytest

from filters.gutenberg import clean
from pipelines.dedup import near
from pipelines.document import Document
from pipelines.readers.gutenberg import decode
from tests.conftest import REPOSITORY
from tests.pipelines.stages.test_resolution import by_brute_force, removed

PLAYS = REPOSITORY / "data/raw/books/shakespeare"


def text(path: Path) -> str:
    return clean(decode(path.read_bytes())[0])


def document(name: str, content: str) -> Document:
    return Document(id=f"books/{name}", source="books", text=content, dump="d", offset=0)


@pytest.fixture(scope="module")
def books(dumps: Path) -> dict[str, str]:
    """Return real books, and a collection made of three of them."""
    names = (
        "pg11",
        "12__old_lglass18",
        "pg1342",
        "pride_and_prejudice_other_edition",
        "22367__22367-8",
        "2000__old_2donq10",
    )
    found = {name: text(dumps / "gutenberg" / f"{name}.txt") for name in names}
    found["collection"] = "\n\n".join(found[name] for name in ("2000__old_2donq10", "pg11", "22367__22367-8"))
    return found


def gone(folder: Path, books: dict[str, str], *names: str) -> set[str]:
    documents = [document(name, books[name]) for name in names]
    folder.mkdir(exist_ok=True)
    found = removed(folder, [[one] for one in documents], measure="sampled")
    assert found == by_brute_force(documents)
    (folder / "turned").mkdir()
    assert removed(folder / "turned", [documents[::-1]], measure="sampled") == found
    return {name.removeprefix("books/") for name in found}


def test_two_editions_of_one_novel_leave_the_more_complete(tmp_path: Path, books: dict[str, str]) -> None:
    pair = ("pg1342", "pride_and_prejudice_other_edition")
    assert gone(tmp_path, books, *pair) == {"pride_and_prejudice_other_edition"}


def test_two_encodings_of_one_book_leave_one(tmp_path: Path, dumps: Path) -> None:
    original = (dumps / "gutenberg/22367__22367-8.txt").read_bytes()
    recoded = original.decode("latin-1").encode("utf-16")
    books = {"latin-1": clean(decode(original)[0]), "utf-16": clean(decode(recoded)[0])}
    assert books["latin-1"] == books["utf-16"]
    books["ascii"] = books["latin-1"].encode("ascii", "replace").decode().replace("?", "")
    found = gone(tmp_path, books, "latin-1", "utf-16")
    assert len(found) == 1
    # German without its umlauts is another text by words of five: every third shingle has one.
    assert near.containment(near.shingles(books["ascii"]), near.shingles(books["latin-1"])) < 0.7


def test_a_short_book_in_a_collection_goes_and_the_collection_stays(tmp_path: Path, books: dict[str, str]) -> None:
    short, whole = near.shingles(books["22367__22367-8"]), near.shingles(books["collection"])
    assert near.jaccard(short, whole) < 0.1
    names = ("22367__22367-8", "collection", "pg11", "12__old_lglass18")
    assert gone(tmp_path, books, *names) == {"22367__22367-8", "pg11"}


def test_two_volumes_of_one_series_stay(tmp_path: Path, books: dict[str, str]) -> None:
    assert gone(tmp_path, books, "pg11", "12__old_lglass18") == set()


@pytest.mark.parametrize(
    ("modern", "folio"),
    [("hamlet_gut", "hamlet_gut_f"), ("lear_gut", "lear_gut_f"), ("henry_iv_part_1_gut", "henry_iv_part_1_gut_f")],
)
def test_two_spellings_of_one_play_stay(tmp_path: Path, modern: str, folio: str) -> None:
    if not PLAYS.is_dir():
        pytest.skip("the sample is not there: make corpus fetches it")
    plays = {name: text(PLAYS / f"{name}.txt") for name in (modern, folio, "henry_iv_part_2_gut")}
    shared = near.containment(near.shingles(plays[folio]), near.shingles(plays[modern]))
    assert 0.2 < shared < 0.4
    assert gone(tmp_path, plays, *plays) == set()
