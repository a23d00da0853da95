"""The index: made once, renewed part by part, sealed, outside what verify counts, and cleaned up."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines import clean
from pipelines.explore import catalogue, index, words
from pipelines.explore.catalogue import Part
from pipelines.explore.index import Index
from pipelines.explore.questions import Question
from pipelines.explore.search import Explorer
from pipelines.files import ours, tables
from tests.pipelines.explore import corpora

BOOKS = [corpora.page(n, f"llama number {n}") for n in range(30)]
DROPS = {"books": [corpora.drop(n, "a llama") for n in range(5)]}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpora.write(tmp_path_factory.mktemp("made") / "corpus", {"books": BOOKS}, DROPS)


@pytest.fixture
def corpus(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "corpus"))


def updated(corpus: Path, folder: Path, *, words: bool = True) -> tuple[Explorer, list[str]]:
    """Return an explorer over an index that was brought up to date, and the files that were read for it."""
    wanted, opened = index.wanted(str(corpus)), Index(folder, with_words=words)
    before = {part.number for part in opened.catalogue.parts()}
    opened.bring_up_to_date(wanted, lambda line: None)
    return Explorer(wanted, opened), [part.path for part in opened.catalogue.parts() if part.number not in before]


def closed(explorer: Explorer) -> None:
    explorer.index.catalogue.connection.close()


def answer(explorer: Explorer, words: str) -> int:
    return explorer.asked(Question(words=words)).counts().documents


def test_an_index_of_another_version_is_made_anew(corpus: Path, tmp_path: Path) -> None:
    explorer, _ = updated(corpus, tmp_path / "index")
    kept = explorer.index.catalogue
    kept.connection.execute("ALTER TABLE documents DROP COLUMN title")
    kept.connection.execute("CREATE TABLE another(name VARCHAR)")
    kept.note("version", "0")
    closed(explorer)
    (tmp_path / "index" / words.FOLDER / "meta.json").write_text("{}")
    explorer, read = updated(corpus, tmp_path / "index")
    assert len(read) == len(explorer.corpus.parts)
    assert answer(explorer, "llama") == 35
    closed(explorer)


def test_it_lies_beside_the_corpus_which_stays_as_it_was(corpus: Path) -> None:
    files = {path: path.read_bytes() for path in corpus.rglob("*") if path.is_file()}
    folder = Path(f"{corpus}{index.SUFFIX}")
    explorer, _ = updated(corpus, folder)
    assert answer(explorer, "llama") == 35
    assert {path: path.read_bytes() for path in corpus.rglob("*") if path.is_file()} == files
    assert ours.kind_of(str(folder)) is ours.Kind.INDEX
    closed(explorer)


def test_what_has_not_changed_is_not_read_again(corpus: Path, tmp_path: Path) -> None:
    explorer, read = updated(corpus, tmp_path / "index")
    assert len(read) == 3  # two files of documents, one of drops
    closed(explorer)
    explorer, read = updated(corpus, tmp_path / "index")
    assert read == []
    closed(explorer)


def test_only_parts_that_are_new_are_read(corpus: Path, tmp_path: Path) -> None:
    explorer, _ = updated(corpus, tmp_path / "index")
    seal = explorer.index.catalogue.fact("seal")
    closed(explorer)
    shutil.rmtree(corpus)
    # Documents of even numbers are of the first dump: the file of the second is as it was.
    whole = [corpora.page(n, f"alpaca number {n}") if n in (2, 4) else page for n, page in enumerate(BOOKS)]
    corpora.write(corpus, {"books": whole}, DROPS)
    explorer, read = updated(corpus, tmp_path / "index")
    assert read == ["books/documents/00aa00aa00aa00aa.parquet"]
    assert explorer.index.catalogue.fact("seal") not in ("", seal)
    assert (answer(explorer, "alpaca"), answer(explorer, "llama")) == (2, 33)
    counts = explorer.asked(Question(state="kept")).counts()
    assert (counts.documents, counts.counted) == (30, 30)
    closed(explorer)


def test_an_update_that_was_killed_is_made_up_for(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "BATCH", 1)
    original = index._Update._add
    added: list[str] = []

    def killed(self: index._Update, part: Part, left: int) -> None:
        original(self, part, left)
        added.append(part.path)
        if len(added) == 2:
            assert self._writer is not None
            self._writer.commit()  # the words are there, and nobody has noted whose they are
            raise KeyboardInterrupt

    monkeypatch.setattr(index._Update, "_add", killed)
    opened = Index(tmp_path / "index", with_words=True)
    with pytest.raises(KeyboardInterrupt):
        opened.bring_up_to_date(index.wanted(str(corpus)), lambda line: None)
    opened.catalogue.connection.close()
    del opened
    monkeypatch.setattr(index._Update, "_add", original)
    explorer, read = updated(corpus, tmp_path / "index")
    assert len(read) == 2
    assert answer(explorer, "llama") == 35
    assert explorer.asked(Question()).counts().documents == 35
    closed(explorer)


@pytest.mark.parametrize("ended", ["set_tokens", "_count_tokens"])
def test_tokens_that_were_not_all_noted_are_noted_at_the_next_time(
    ended: str, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "COUNTED", 1)  # each file of documents by itself
    explorer, _ = updated(corpus, tmp_path / "whole")
    expected = explorer.asked(Question(state="kept")).counts()
    assert (expected.counted, expected.documents) == (30, 30)
    closed(explorer)
    original = getattr(catalogue.Catalogue, ended)
    calls = []

    def killed(self: catalogue.Catalogue, *arguments: object) -> None:
        calls.append(ended)
        if len(calls) == (2 if ended == "_count_tokens" else 1):
            raise KeyboardInterrupt
        original(self, *arguments)

    monkeypatch.setattr(catalogue.Catalogue, ended, killed)
    opened = Index(tmp_path / "index", with_words=True)
    with pytest.raises(KeyboardInterrupt):
        opened.bring_up_to_date(index.wanted(str(corpus)), lambda line: None)
    opened.catalogue.connection.close()
    monkeypatch.setattr(catalogue.Catalogue, ended, original)
    explorer, read = updated(corpus, tmp_path / "index")
    assert read == []
    assert explorer.asked(Question(state="kept")).counts() == expected
    closed(explorer)


def test_words_are_made_when_they_are_wanted_and_kept_when_not(corpus: Path, tmp_path: Path) -> None:
    explorer, _ = updated(corpus, tmp_path / "index", words=False)
    assert explorer.index.words is None
    closed(explorer)
    explorer, read = updated(corpus, tmp_path / "index")
    assert len(read) == 3
    closed(explorer)
    explorer, read = updated(corpus, tmp_path / "index", words=False)
    assert read == []
    assert explorer.index.words is not None
    closed(explorer)


def test_a_corpus_that_is_not_finished_has_no_seal_and_is_looked_at_again(corpus: Path, tmp_path: Path) -> None:
    (corpus / "manifest.json").unlink()
    explorer, _ = updated(corpus, tmp_path / "index")
    assert (explorer.corpus.seal, explorer.index.catalogue.fact("seal")) == ("", "")
    assert answer(explorer, "llama") == 35
    closed(explorer)


def test_an_index_is_cleaned_up_and_others_files_stay(corpus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    explorer, _ = updated(corpus, folder)
    closed(explorer)
    (folder / "notes.txt").write_text("mine")
    removed, left = clean.clean(str(folder))
    assert left == ["notes.txt"]
    assert "catalogue.duckdb" in removed
    assert sorted(path.name for path in folder.iterdir()) == ["notes.txt"]


def test_an_index_that_another_explorer_has_open_is_named(corpus: Path, tmp_path: Path) -> None:
    explorer, _ = updated(corpus, tmp_path / "index")
    script = (
        f"from pipelines.explore import catalogue; catalogue.opened({str(tmp_path / 'index' / 'catalogue.duckdb')!r})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "another explorer has this index open" in done.stderr
    closed(explorer)


def test_a_file_that_is_no_catalogue_is_named(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.duckdb"
    path.write_bytes(b"no catalogue" * 1_000)
    with pytest.raises(ValueError, match=r"catalogue\.duckdb: cannot be opened as a catalogue"):
        catalogue.opened(str(path))


def test_a_folder_of_others_is_refused(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="this folder is not empty"):
        Index(tmp_path / "mine", with_words=True)
    with pytest.raises(ValueError, match=r"this folder is not empty|marked as"):
        Index(corpus, with_words=True)


def test_another_format_is_refused(corpus: Path) -> None:
    path = corpus / "books" / "manifest.json"
    path.write_text(path.read_text().replace(f'"format": {tables.VERSION}', '"format": 3'))
    with pytest.raises(ValueError, match="this corpus has the format 3"):
        index.wanted(str(corpus))


def test_columns_of_own_texts_may_have_the_names_of_drops(corpus: Path, tmp_path: Path) -> None:
    own: dict[str, str | float | None] = {"value": "much", "limit": None, "size": "12 MB", "stage": "first"}
    own |= {"reason": 3, "detail": 0.5, "repository": 7, "excerpt": "it", "perplexity": "none"}
    for path in sorted((corpus / "books" / "documents").glob("*.parquet")):
        table = pq.read_table(path)
        for name, value in own.items():
            table = table.append_column(name, pa.array([value] * table.num_rows))
        pq.write_table(table, path)
    explorer, _ = updated(corpus, tmp_path / "index")
    kept = explorer.asked(Question(state="kept"))
    assert kept.counts().bytes == sum(len(page.text.encode()) for page in BOOKS)
    rows = kept.page(0)
    assert {(row.stage, row.reason, row.detail, row.decided, row.bound) for row in rows} == {(None,) * 5}
    assert {row.place for row in rows} == {f"site{n}.example.org" for n in range(3)}
    assert {"reason", "detail"} <= set(explorer.given)
    assert explorer.asked(Question(score="reason", score_from=3.0)).counts().documents == len(BOOKS)
