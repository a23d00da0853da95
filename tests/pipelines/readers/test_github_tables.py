"""GitHub reader for Parquet and Avro: the same rows as JSON lines, damage, other tables, bounded memory."""

import io
import json
import tracemalloc
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import fastavro
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.document import Document, Drop
from pipelines.readers import Dump, github
from pipelines.readers.github import MAX_LINE_BYTES
from pipelines.readers.github_tables import read_avro, read_parquet

DUMP = Dump(name="part-0", digest="d1")
ROW: dict[str, Any] = {
    "repo_name": "herders/llama",
    "ref": "refs/heads/main",
    "path": "src/herd.py",
    "id": "0a1b",
    "size": 9,
    "binary": False,
    "copies": 2,
    "content": "herd = 3\n",
    "license": "mit",
}
ROWS = [
    ROW,
    {**ROW, "content": None, "size": 2_000_000},
    {**ROW, "content": None, "binary": True},
    {**ROW, "content": "a\0b"},
    {**ROW, "path": None},
    {**ROW, "license": None, "ref": None, "content": "naïve = '✓'\n"},
]
TYPES = {"size": "long", "copies": "long", "binary": "boolean"}
Rows = Sequence[Mapping[str, Any]]


def parquet(rows: Rows, group: int = 1_000, **options: Any) -> bytes:
    sink = io.BytesIO()
    table = pyarrow.Table.from_pylist([dict(row) for row in rows])
    pyarrow.parquet.write_table(table, sink, row_group_size=group, **options)
    return sink.getvalue()


def avro(rows: Rows, codec: str = "null") -> bytes:
    fields = [{"name": name, "type": ["null", TYPES.get(name, "string")]} for name in rows[0]]
    sink = io.BytesIO()
    schema = fastavro.parse_schema({"type": "record", "name": "Root", "fields": fields})
    fastavro.writer(sink, schema, [dict(row) for row in rows], codec=codec, sync_interval=4_000)
    return sink.getvalue()


def lines(rows: Rows) -> bytes:
    return b"\n".join(json.dumps(row).encode() for row in rows)


def read_all(reader: Callable[..., Any], data: bytes) -> list[Document | Drop]:
    counts: Counter[str] = Counter()
    records: list[Document | Drop] = list(reader(io.BytesIO(data), DUMP, counts))
    assert counts == {"records": len(records)}
    return records


def outcomes(records: list[Document | Drop]) -> list[str]:
    return [str(record.reason) if isinstance(record, Drop) else "kept" for record in records]


@pytest.mark.parametrize("compression", ["NONE", "SNAPPY", "GZIP", "ZSTD"])
def test_parquet_is_read_as_json_lines_are(compression: str) -> None:
    found = read_all(read_parquet, parquet(ROWS, compression=compression))
    assert outcomes(found) == ["kept", "no_content", "binary", "binary", "bad_field", "kept"]
    expected = read_all(github.read, lines(ROWS))
    assert [record for record in found if isinstance(record, Document)] == [
        record for record in expected if isinstance(record, Document)
    ]
    assert outcomes(found) == outcomes(expected)


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy"])
def test_avro_is_read_as_parquet_is(codec: str) -> None:
    assert read_all(read_avro, avro(ROWS, codec)) == read_all(read_parquet, parquet(ROWS))


def test_one_row_of_contents_with_all_that_hold_it() -> None:
    blob = {"content": "x = 1\n", "files": [{"repo_name": "z/z", "path": "z.py", "license": "mit"}] * 2}
    lists = {**ROW, "repo_name": ["z/z", "a/b"], "path": ["z.py", "b.py"], "license": ["mit", "gpl-2.0"]}
    for rows in ([blob], [lists]):
        (found,) = read_all(read_parquet, parquet(rows))
        assert isinstance(found, Document)
        assert (found.attributes["repository"], found.title) == ("z/z", "z.py")


def test_other_columns_are_not_read_and_needed_ones_are_asked_for() -> None:
    assert outcomes(read_all(read_parquet, parquet([{**ROW, "other": 3}]))) == ["kept"]
    for missing in ("content", "path", "repo_name"):
        rows = [{name: value for name, value in ROW.items() if name != missing}]
        for reader, data in ((read_parquet, parquet(rows)), (read_avro, avro(rows))):
            with pytest.raises(
                ValueError, match=f"part-0: not an export of files: it has no column {missing}; its columns are"
            ):
                read_all(reader, data)


def test_content_that_is_no_utf8_costs_its_own_row() -> None:
    good, bad = parquet([ROW] * 3), b"herd = 4\n"
    rows = [ROW, {**ROW, "content": "herd = 4\n"}, ROW]
    data = parquet(rows, compression="NONE", use_dictionary=False)
    data = data.replace(bad, b"herd \xe9 4\n")
    assert outcomes(read_all(read_parquet, data)) == ["kept", "malformed", "kept"]
    assert outcomes(read_all(read_parquet, good)) == ["kept"] * 3


def test_content_larger_than_any_row_is_dropped() -> None:
    rows = [ROW, {**ROW, "content": "x" * (MAX_LINE_BYTES + 1)}, ROW]
    for found in (read_all(read_parquet, parquet(rows)), read_all(read_avro, avro(rows))):
        assert outcomes(found) == ["kept", "too_long", "kept"]
        (dropped,) = [record for record in found if isinstance(record, Drop)]
        assert dropped.scores == {"value": MAX_LINE_BYTES + 1, "limit": MAX_LINE_BYTES}


def test_a_damaged_row_group_loses_only_itself() -> None:
    rows = [{**ROW, "content": f"herd = {number}\n" * 50} for number in range(300)]
    data = bytearray(parquet(rows, group=100, compression="ZSTD"))
    group = pyarrow.parquet.ParquetFile(io.BytesIO(data)).metadata.row_group(1)
    start = next(group.column(i) for i in range(9) if group.column(i).path_in_schema == "content").data_page_offset
    data[start : start + 64] = bytes(64)
    records = read_all(read_parquet, bytes(data))
    assert Counter(outcomes(records)) == {"kept": 200, "truncated": 1}
    assert [record.id for record in records][-1] == "github/d1/299"


def test_a_parquet_file_without_its_footer_is_refused() -> None:
    with pytest.raises(ValueError, match="part-0: the footer of the Parquet file is missing or damaged"):
        read_all(read_parquet, parquet(ROWS)[:-20])


def test_a_damaged_avro_file_keeps_what_came_before() -> None:
    rows = [{**ROW, "content": f"herd = {number}\n" * 50} for number in range(300)]
    for codec in ("null", "deflate", "snappy"):
        data = avro(rows, codec)
        noise = bytearray(data)
        noise[len(data) // 2 : len(data) // 2 + 4_000] = bytes(4_000)
        for damaged in (data[: len(data) // 2], bytes(noise)):
            found = outcomes(read_all(read_avro, damaged))
            assert found[0] == "kept"
            assert found[-1] == "truncated"
            assert len(found) > 50


def test_other_avro_files_are_refused() -> None:
    with pytest.raises(ValueError, match="part-0: compressed with 'bzip2'; BigQuery writes null, deflate, snappy"):
        read_all(read_avro, avro(ROWS, "bzip2"))
    with pytest.raises(ValueError, match="part-0: the header of the Avro file is damaged"):
        read_all(read_avro, avro(ROWS)[:40])


def packed_avro(rows: Rows) -> bytes:
    return avro(rows, "snappy")


@pytest.mark.parametrize(("reader", "write"), [(read_parquet, parquet), (read_avro, avro), (read_avro, packed_avro)])
def test_any_damage_is_a_drop_or_a_clear_error(reader: Callable[..., Any], write: Callable[[Rows], bytes]) -> None:
    whole = write(ROWS * 20)

    @settings(deadline=None, max_examples=60)
    @given(st.integers(0, len(whole) - 1), st.binary(min_size=1, max_size=30))
    def damaged(place: int, noise: bytes) -> None:
        try:
            read_all(reader, whole[:place] + noise + whole[place + len(noise) :])
        except ValueError as error:
            assert str(error).startswith("part-0: ")

    damaged()


def test_memory_is_that_of_a_batch() -> None:
    rows = [{**ROW, "content": f"{number:08d}" * 12_500} for number in range(600)]
    data = parquet(rows, compression="ZSTD", use_dictionary=False)
    before = pyarrow.default_memory_pool().max_memory() or 0
    tracemalloc.start()
    counts: Counter[str] = Counter()
    for record in read_parquet(io.BytesIO(data), DUMP, counts):
        assert isinstance(record, Document)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert counts == {"records": 600}
    assert peak < 20e6
    assert (pyarrow.default_memory_pool().max_memory() or 0) - before < 40e6
