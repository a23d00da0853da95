"""Documents and drops come back from Parquet as they went in; digests know content, not order."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.document import Document, Drop
from pipelines.files import storage, tables

ANY_TEXT = st.text(st.characters(codec=None), max_size=30)
PLAIN = st.text(st.characters(codec="utf-8"), max_size=30)
OPTIONAL = st.none() | PLAIN
DOCUMENTS = st.builds(
    Document,
    id=PLAIN,
    source=st.sampled_from(["c4", "books"]),
    text=PLAIN,
    dump=st.just("0123"),
    offset=st.integers(0, 2**62),
    url=OPTIONAL,
    title=OPTIONAL,
    license=OPTIONAL,
    language=st.sampled_from([None, "en"]),
    timestamp=st.sampled_from([None, "2019", "2019-02", "2019-02-03", "2019-02-03T04:05:06Z"]),
    attributes=st.fixed_dictionaries(
        {},
        optional={
            "path": PLAIN,
            "score": st.floats(allow_nan=False),
            "count": st.integers(-(2**31), 2**31 - 1),
            "is_cited": st.booleans(),
            "tags": st.lists(PLAIN, max_size=3),
        },
    ),
)
COLUMNS = tables.columns(
    path=pa.string(), score=pa.float64(), count=pa.int32(), is_cited=pa.bool_(), tags=pa.list_(pa.string())
)


def write(path: Path, documents: list[Document]) -> tables.Written:
    with path.open("wb") as stream:
        writer = tables.DocumentWriter(stream, COLUMNS)
        try:
            for document in documents:
                writer.write(document)
            return writer.close()
        finally:
            writer.abandon()


def document(number: int, text: str = "text") -> Document:
    return Document(id=f"c4/{number}", source="c4", text=text, dump="d", offset=number)


@given(st.lists(DOCUMENTS, max_size=8))
@settings(deadline=None, max_examples=40)
def test_documents_come_back(tmp_path_factory: pytest.TempPathFactory, documents: list[Document]) -> None:
    path = tmp_path_factory.mktemp("tables") / "a.parquet"
    written = write(path, documents)
    assert list(tables.read_documents(str(path))) == documents
    assert tables.rows(str(path)) == written.rows == len(documents)
    assert written.size == sum(len(document.text.encode()) for document in documents)
    digests = (tables.row_digest(row) for row in tables.read_rows(str(path)))
    assert tables.table_digest(digests) == written.digest


@given(ANY_TEXT)
def test_well_formed_text_has_utf8_and_the_rest_stays(text: str) -> None:
    found = tables.well_formed(text)
    found.encode()
    surrogates = any("\ud800" <= character <= "\udfff" for character in text)
    assert (found == text) is not surrogates


def test_surrogates_become_replacement_characters(tmp_path: Path) -> None:
    bad = "a\ud800b"
    whole = Document(
        id=bad, source="c4", text=bad, dump="d", offset=0, url=bad, title=bad, license=bad, attributes={"path": bad}
    )
    write(tmp_path / "a.parquet", [whole])
    (found,) = tables.read_documents(str(tmp_path / "a.parquet"))
    assert {found.id, found.text, found.url, found.title, found.license, found.attributes["path"]} == {"a\ufffdb"}
    assert tables.well_formed("\ud83d\ude00") == "😀"


def test_the_digest_knows_rows_but_not_their_order(tmp_path: Path) -> None:
    one, two = document(1), document(2)
    digests = [
        write(tmp_path / "a.parquet", rows).digest
        for rows in ([one, two], [two, one], [one], [one, two, two], [one, document(2, "other")], [])
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 5


def test_attributes_in_any_order_are_one_row(tmp_path: Path) -> None:
    pairs = [("path", "2"), ("count", 1)]
    digests = {
        write(tmp_path / "a.parquet", [document(1).with_attributes(**dict(order))]).digest
        for order in (pairs, pairs[::-1])
    }
    assert len(digests) == 1


def test_row_groups_are_bounded_and_rows_are_found_in_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "ROW_GROUP_BYTES", 1000)
    documents = [document(number, f"{number} " * 50) for number in range(40)]
    path = str(tmp_path / "a.parquet")
    write(Path(path), documents)
    with tables.opened(path) as file:
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    assert sum(sizes) == 40
    assert max(sizes) <= 5
    assert [text for row in range(40) for _, text in tables.read_texts(path, [row])] == [
        document.text for document in documents
    ]
    with pytest.raises(IndexError, match="there is no row 40"):
        list(tables.read_texts(path, [40]))


def test_drops_keep_their_excerpt_only_if_asked(tmp_path: Path) -> None:
    drop = Drop(id="a", source="c4", stage="lines", reason="too_short", excerpt="x\ud800", size=7)
    with (tmp_path / "a.parquet").open("wb") as stream:
        writer = tables.DropWriter(stream)
        writer.write(drop, excerpt=True)
        writer.write(drop, excerpt=False)
        assert writer.close().size == 14
    excerpts = [row["excerpt"] for row in tables.read_rows(str(tmp_path / "a.parquet"))]
    assert excerpts == ["x\ufffd", None]


def test_reading_starts_no_threads(tmp_path: Path) -> None:
    """A thread of Arrow's that lets go of a stream while Python ends aborts the process."""
    path = tmp_path / "documents.parquet"
    with storage.write(str(path)) as stream:
        writer = tables.DocumentWriter(stream)
        writer.write(Document(id="a", source="b", text="c", dump="d", offset=0))
        writer.close()
    script = f"""
import os
from pipelines.files import tables
before = len(os.listdir("/proc/self/task"))
assert [row["id"] for row in tables.read_rows({str(path)!r})] == ["a"]
assert [document.id for document in tables.read_documents({str(path)!r})] == ["a"]
assert list(tables.read_texts({str(path)!r}, [0])) == [(0, "c")]
print(len(os.listdir("/proc/self/task")) - before)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"


def test_what_no_stage_lists_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"c4/1: no stage lists the attribute depth among its columns"):
        write(tmp_path / "a.parquet", [document(1).with_attributes(depth=1)])
    with pytest.raises(ValueError, match=r"c4/2: count is 'many', no int32"):
        write(tmp_path / "a.parquet", [document(1).with_attributes(count=7), document(2).with_attributes(count="many")])
    with pytest.raises(ValueError, match=r"c4/1: the timestamp 'yesterday' is not ISO 8601"):
        write(tmp_path / "a.parquet", [replace(document(1), timestamp="yesterday")])
    drop = document(1).drop("too_short", letters=1.0)
    with (tmp_path / "a.parquet").open("wb") as stream:
        writer = tables.DropWriter(stream, ["perplexity"])
        with pytest.raises(ValueError, match=r"c4/1: no stage lists the score letters"):
            writer.write(drop, excerpt=True)
        writer.abandon()


def test_a_column_more_changes_no_digest(tmp_path: Path) -> None:
    with (tmp_path / "a.parquet").open("wb") as stream:
        writer = tables.DocumentWriter(stream)
        writer.write(document(1))
        digest = writer.close().digest
    assert write(tmp_path / "b.parquet", [document(1)]).digest == digest


def test_a_drop_knows_what_its_document_knew(tmp_path: Path) -> None:
    whole = replace(
        document(1), url="u", title="t" * 400, language="en", license="mit", timestamp="2019-02-03T04:05:06Z"
    )
    with (tmp_path / "a.parquet").open("wb") as stream:
        writer = tables.DropWriter(stream, ["perplexity", "score"])
        writer.write(whole.drop("dull", score=0.5), excerpt=False)
        writer.close()
    (row,) = tables.read_rows(str(tmp_path / "a.parquet"))
    assert tables.scores_of(row) == {"score": 0.5}
    assert [row[name] for name in ("url", "title", "language", "license")] == ["u", "t" * 300, "en", "mit"]
    assert row["timestamp"] == datetime(2019, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert "text" not in row


def test_a_name_has_one_type() -> None:
    assert tables.merged(COLUMNS, tables.columns(count=pa.int32(), site=pa.string())).names == [*COLUMNS.names, "site"]
    with pytest.raises(ValueError, match="the column count is a int32 and a string"):
        tables.merged(COLUMNS, tables.columns(count=pa.string()))


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=20))
@settings(deadline=None, max_examples=40)
def test_a_score_at_a_cutoff_is_decided_as_it_was_when_scores_were_text(
    tmp_path_factory: pytest.TempPathFactory, values: list[float]
) -> None:
    """Perplexities have one decimal and cut-offs are values of theirs: a bit more or less is another bucket."""
    rounded = [round(value, 1) for value in values]
    path = tmp_path_factory.mktemp("tables") / "a.parquet"
    write(path, [document(number).with_attributes(score=value) for number, value in enumerate(rounded)])
    found = [row.attributes["score"] for row in tables.read_documents(str(path))]
    assert found == rounded == [float(f"{value:.1f}") for value in rounded]
    for cutoff in rounded:
        assert [value > cutoff for value in found] == [float(f"{value:.1f}") > cutoff for value in values]
