"""GitHub reader: rows of an export, damaged rows, damaged files, encodings."""

import gzip
import io
import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.document import Document, Drop
from pipelines.readers import Dump
from pipelines.readers.github import MAX_LINE_BYTES, Reason, decode, read

DUMP = Dump(name="part-0.json", digest="d1")
ROW = {
    "repo_name": "herders/llama",
    "ref": "refs/heads/main",
    "path": "src/count herd.py",
    "id": "0a1b",
    "size": "9",
    "binary": False,
    "copies": "2",
    "content": "herd = 3\n",
    "license": "mit",
}


def read_all(data: bytes) -> tuple[list[Document | Drop], Counter[str]]:
    counts: Counter[str] = Counter()
    return list(read(io.BytesIO(data), DUMP, counts)), counts


def read_row(**changes: Any) -> Document | Drop:
    row = {key: value for key, value in {**ROW, **changes}.items() if value is not ...}
    (record,), counts = read_all(json.dumps(row).encode())
    assert counts == {"records": 1}
    return record


def document(**changes: Any) -> Document:
    record = read_row(**changes)
    assert isinstance(record, Document)
    return record


def reasons(records: list[Document | Drop]) -> list[str]:
    return [str(record.reason) if isinstance(record, Drop) else "kept" for record in records]


def test_a_row_is_a_document_with_its_provenance() -> None:
    assert read_row() == Document(
        id="github/d1/0",
        source="github",
        text="herd = 3\n",
        dump="d1",
        offset=0,
        url="https://github.com/herders/llama/blob/main/src/count%20herd.py",
        title="src/count herd.py",
        license="MIT",
        attributes={
            "repository": "herders/llama",
            "path": "src/count herd.py",
            "release": "main",
            "code_language": "Python",
        },
    )


def test_columns_of_the_sample_tables_and_missing_ones() -> None:
    sample = {"repo_name": ..., "path": ..., "ref": ..., "license": ...}
    found = document(**sample, sample_repo_name="a/b", sample_path="x.unknown", sample_ref="dev")
    assert (found.license, found.url) == ("unknown", "https://github.com/a/b/blob/dev/x.unknown")
    assert "code_language" not in found.attributes
    assert document(content=..., contents="x").text == "x"
    assert document(ref=None).url == "https://github.com/herders/llama/blob/HEAD/src/count%20herd.py"


def place(**changes: Any) -> tuple[str, str | None, str | None]:
    found = document(**changes)
    return found.attributes["repository"], found.title, found.license


def test_the_smallest_of_many_repositories_with_what_belongs_to_it() -> None:
    assert place(repo_name=["z/z", "a/b"], path=["z.py", "b.c"], license=["mit", "mit"]) == ("a/b", "b.c", "MIT")
    assert place(repo_name=["z/z", "a/b"]) == ("a/b", "src/count herd.py", "MIT")
    assert place(repo_name=["z/z", "a/b"], license=["gpl-2.0", "unknown"])[0] == "a/b"


def test_a_repository_that_does_not_permit_takes_no_blob_from_one_that_does() -> None:
    assert place(repo_name=["z/z", "a/b"], path=["z.py", "b.c"], license=["mit", "gpl-2.0"]) == ("z/z", "z.py", "MIT")


def test_files_as_a_list_of_records() -> None:
    files = [
        {"repo_name": "z/z", "ref": "refs/heads/dev", "path": "z.py", "license": "apache-2.0"},
        {"repo_name": "a/b", "ref": "refs/heads/dev", "path": "b.c", "license": "gpl-2.0"},
    ]
    flat = {"repo_name": ..., "ref": ..., "path": ..., "license": ...}
    assert place(**flat, files=files) == ("z/z", "z.py", "Apache-2.0")
    assert document(**flat, files=files).url == "https://github.com/z/z/blob/dev/z.py"
    assert place(repo_name=..., files=[{"repo_name": "z/z"}]) == ("z/z", "src/count herd.py", "MIT")
    damaged: list[Any] = [[], {}, "x", [3], [{"path": "x"}]]
    for value in damaged:
        record = read_row(**flat, files=value)
        assert isinstance(record, Drop)
        assert record.reason == Reason.BAD_FIELD


def test_the_dump_says_the_licence_where_rows_have_none() -> None:
    counts: Counter[str] = Counter()
    dump = Dump(name="x", digest="d", attributes={"license": "mit"})
    rows = [{**ROW, "license": None}, {**ROW, "license": "gpl-2.0"}]
    records = read(io.BytesIO(b"\n".join(json.dumps(row).encode() for row in rows)), dump, counts)
    assert [record.license for record in records if isinstance(record, Document)] == ["MIT", "GPL-2.0"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"content": None}, Reason.NO_CONTENT),
        ({"content": ...}, Reason.NO_CONTENT),
        ({"content": None, "binary": True}, Reason.BINARY),
        ({"content": "", "binary": "true"}, Reason.BINARY),
        ({"content": "a\0b"}, Reason.BINARY),
        ({"content": 3}, Reason.BAD_FIELD),
        ({"content": ["x"]}, Reason.BAD_FIELD),
        ({"repo_name": ...}, Reason.BAD_FIELD),
        ({"repo_name": []}, Reason.BAD_FIELD),
        ({"repo_name": 7}, Reason.BAD_FIELD),
        ({"repo_name": ["a/b", None]}, Reason.BAD_FIELD),
        ({"path": None}, Reason.BAD_FIELD),
        ({"path": {"a": 1}}, Reason.BAD_FIELD),
        ({"repo_name": ["a/b", "c/d", "e/f"], "path": ["x", "y"]}, Reason.BAD_FIELD),
        ({"license": 5}, Reason.BAD_FIELD),
    ],
)
def test_rows_that_hold_no_text_are_dropped(changes: dict[str, Any], reason: Reason) -> None:
    record = read_row(**changes)
    assert isinstance(record, Drop)
    assert (record.stage, record.reason, record.id) == ("read", reason, "github/d1/0")


@pytest.mark.parametrize(
    ("changes", "size"),
    [({"content": None}, 0), ({"content": "x", "binary": True}, 0), ({"content": "a\0é"}, 4)],
)
def test_a_row_without_text_says_where_it_is_from(changes: dict[str, Any], size: int) -> None:
    dropped = read_row(**changes)
    assert isinstance(dropped, Drop)
    assert (dropped.url, dropped.title, dropped.license, dropped.size, dropped.excerpt) == (
        "https://github.com/herders/llama/blob/main/src/count%20herd.py",
        "src/count herd.py",
        "MIT",
        size,
        "herders/llama/src/count herd.py",
    )


def test_lone_surrogates_become_replacement_characters() -> None:
    found = document(content="a\ud83d\ude00b\ud800c", path="\udfff.py")
    assert found.text == "a\U0001f600b\ufffdc"
    assert found.title == "\ufffd.py"
    assert found.url is not None


def test_damaged_lines_are_dropped_and_the_rest_is_read() -> None:
    good = json.dumps(ROW).encode()
    lines = [good, b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b"9" * 5_000, b"", b"  ", good]
    records, counts = read_all(b"\n".join(lines))
    assert reasons(records) == ["kept", "malformed", "bad_field", "bad_field", *["malformed"] * 3, "kept"]
    assert counts == {"records": 8, "other:blank_line": 2}
    assert [record.id for record in records][-1] == "github/d1/9"


def test_a_line_longer_than_any_row_is_skipped() -> None:
    good = json.dumps(ROW).encode() + b"\n"
    records, counts = read_all(good + b'"' + b"x" * (2 * MAX_LINE_BYTES + 5) + b'"\n' + good)
    assert reasons(records) == ["kept", "too_long", "kept"]
    assert counts["records"] == 3
    dropped = records[1]
    assert isinstance(dropped, Drop)
    assert dropped.size == 2 * MAX_LINE_BYTES + 8
    assert dropped.scores == {"value": dropped.size, "limit": MAX_LINE_BYTES}


def test_gzip_and_plain_are_told_by_magic_and_truncation_is_one_more_drop() -> None:
    data = b"".join(json.dumps({**ROW, "content": f"herd = {i}\n"}).encode() + b"\n" for i in range(2_000))
    packed = gzip.compress(data)
    assert read_all(packed)[0] == read_all(data)[0]
    for damaged in (packed[: len(packed) // 2], packed[:-4] + b"abcd", packed + packed[:30], packed + b"garbage"):
        records, counts = read_all(damaged)
        assert reasons(records)[-1] == "truncated"
        assert set(reasons(records)[:-1]) <= {"kept", "malformed"}
        assert counts["records"] == len(records) > 100


def test_zstd_is_told_by_magic_too() -> None:
    data = b"".join(json.dumps({**ROW, "content": f"herd = {i}\n"}).encode() + b"\n" for i in range(2_000))
    packed = pa.compress(data, "zstd", asbytes=True)
    assert read_all(packed)[0] == read_all(data)[0]
    assert read_all(packed + packed)[0][2_000:] == [
        replace(record, id=f"github/d1/{number}", offset=number)
        for number, record in enumerate(read_all(data)[0], 2_000)
        if isinstance(record, Document)
    ]
    noise = random.Random(1).randbytes(400_000).hex().encode()
    large = pa.compress(
        b"".join(b'{"content": "' + noise[n : n + 400] + b'"}\n' for n in range(0, 800_000, 400)), "zstd"
    )
    for damaged in (large.to_pybytes()[: large.size // 2], large.to_pybytes()[:-9] + b"damaged!!"):
        records, counts = read_all(damaged)
        assert reasons(records)[-1] == "truncated"
        assert counts["records"] == len(records) > 100


def test_an_empty_stream_and_a_stream_of_one_byte() -> None:
    assert read_all(b"") == ([], Counter())
    assert reasons(read_all(b"{")[0]) == ["malformed"]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"caf\xc3\xa9", "café"),
        (b"caf\xe9", "café"),
        (b"\xef\xbb\xbfx = 1", "x = 1"),
        ("naïve".encode("utf-16"), "naïve"),
        (b"\xfe\xff" + "naïve".encode("utf-16-be"), "naïve"),
        ("x".encode("utf-32"), "x"),
        (b"\xff\xfea\x00b", "a\ufffd"),
        (b"", ""),
        (b"\x7fELF\x00\x01", None),
        ("plain".encode("utf-16-le"), None),
    ],
)
def test_decoding(data: bytes, text: str | None) -> None:
    assert decode(data) == text


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_an_error(data: bytes) -> None:
    records, counts = read_all(data)
    assert counts["records"] == len(records)
    decode(data)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(ROW)), st.none() | st.booleans() | st.integers() | st.lists(st.text())))
def test_any_values_are_a_document_or_a_drop(changes: dict[str, Any]) -> None:
    assert isinstance(read_row(**changes), Document | Drop)


def test_a_real_export(dumps: Path) -> None:
    counts: Counter[str] = Counter()
    with (dumps / "github" / "CodeGen.python.000.json.gz").open("rb") as stream:
        records = list(read(stream, DUMP, counts))
    assert counts["records"] == len(records) == 50
    found = [record for record in records if isinstance(record, Document)]
    assert len(found) == 50
    assert {record.license for record in found} == {"unknown"}
    assert {record.attributes["code_language"] for record in found} == {"Python"}
