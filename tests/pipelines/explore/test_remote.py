"""A corpus on a store, without an index: filters and counts as ever, words by reading, all through `files.remote`."""

from __future__ import annotations

import io
from contextlib import ExitStack
from pathlib import Path

import pytest

from pipelines.explore import __main__ as command
from pipelines.explore.questions import Question
from pipelines.files import remote
from tests.pipelines.explore import corpora

BOOKS = [corpora.page(n, f"llama number {n}", language="en" if n % 2 else "de") for n in range(30)]
DROPS = {"books": [corpora.drop(n, "a llama") for n in range(5)]}
PLACE = "s3://bucket/corpus"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Return the objects of a store that has a corpus, by their paths."""
    local = corpora.write(tmp_path / "corpus", {"books": BOOKS}, DROPS)
    objects = {
        f"{PLACE}/{path.relative_to(local).as_posix()}": path.read_bytes()
        for path in local.rglob("*")
        if path.is_file()
    }

    def facts(path: str) -> remote.Facts | None:
        return remote.Facts(path, len(objects[path]), 0.0) if path in objects else None

    def opened(path: str) -> io.BytesIO:
        if path not in objects:
            raise FileNotFoundError(path)
        return io.BytesIO(objects[path])

    monkeypatch.setattr(remote, "facts", facts)
    monkeypatch.setattr(remote, "open_read", opened)
    monkeypatch.setattr(remote, "check", lambda path: None)
    return objects


def test_filters_answer_and_words_are_read(store: dict[str, bytes]) -> None:
    before = dict(store)
    with ExitStack() as stack:
        explorer = command._explorer(PLACE, None, None, 20.0, stack)
        assert explorer.index.words is None
        counts = explorer.asked(Question(language="de", state="kept")).counts()
        assert (counts.documents, counts.counted, counts.exact) == (15, 15, True)
        asked = explorer.asked(Question(words='"llama number"'))
        assert asked.counts().documents == 30
        (row, *_) = asked.page(0)
        assert row.line is not None
        assert ("llama number", True) in row.line.pieces
        explorer.index.catalogue.connection.close()
    assert store == before  # nothing is written there


def test_words_are_indexed_where_a_folder_is_given(store: dict[str, bytes], tmp_path: Path) -> None:
    with ExitStack() as stack:
        explorer = command._explorer(PLACE, str(tmp_path / "index"), True, 20.0, stack)
        assert explorer.index.words is not None
        assert explorer.asked(Question(words="llama -number")).counts().documents == 5
        explorer.index.catalogue.connection.close()


def test_an_object_that_is_gone_is_named(store: dict[str, bytes]) -> None:
    gone = next(path for path in store if "/documents/" in path)
    del store[gone]
    with ExitStack() as stack, pytest.raises(FileNotFoundError, match=gone):
        command._explorer(PLACE, None, None, 20.0, stack)
