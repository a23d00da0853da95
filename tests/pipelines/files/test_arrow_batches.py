import re
import struct
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipelines.files import arrow_batches
from pipelines.files.blocks import TooLargeError

TABLE = pa.table(
    {
        "text": ["x" * 1000, "", None, "é"] * 25,
        "name": pa.array(["q", "r"] * 50).dictionary_encode(),
        "list": [[1, 2], [], None, [3]] * 25,
        "struct": [{"a": "b", "c": [None]}] * 100,
        "nothing": [None] * 100,
    }
)


def write(
    path: Path, table: pa.Table, *, footer: bool = False, compression: Any = None, rows: int = 10_000_000
) -> Path:
    options = pa.ipc.IpcWriteOptions(compression=compression, allow_64bit=True)
    new = pa.ipc.new_file if footer else pa.ipc.new_stream
    with path.open("wb") as stream, new(stream, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=rows)
    return path


def rows(path: Path) -> list[Any]:
    return [row for batch in arrow_batches.batches(path) for row in batch.to_pylist()]


@pytest.mark.parametrize("footer", [False, True])
@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_every_form_is_read(tmp_path: Path, footer: bool, compression: Any) -> None:
    path = write(tmp_path / "a.arrow", TABLE, footer=footer, compression=compression, rows=30)
    assert rows(path) == TABLE.to_pylist()


def test_a_view_and_an_extension_are_read(tmp_path: Path) -> None:
    table = pa.table({"view": pa.array(["a" * 100, "b"], pa.string_view()), "json": pa.array(["{}", "[]"], pa.json_())})
    assert rows(write(tmp_path / "a.arrow", table)) == table.to_pylist()


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.dictionary(pa.int8(), pa.string())),
        pa.list_(pa.struct([("a", pa.string_view())])),
        pa.list_view(pa.int8()),
        pa.run_end_encoded(pa.int32(), pa.string()),
        pa.dense_union([pa.field("a", pa.int8())]),
        pa.struct([("a", pa.list_(pa.binary_view()))]),
    ],
    ids=str,
)
def test_a_type_of_which_a_row_can_be_larger_than_the_file_is_refused(tmp_path: Path, kind: pa.DataType) -> None:
    path = tmp_path / "a.arrow"
    with path.open("wb") as stream, pa.ipc.new_stream(stream, pa.schema([("column", kind)])):
        pass
    with pytest.raises(ValueError, match=r"column 'column' has values of type .*, which are not read"):
        rows(path)


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_a_batch_is_refused_before_it_is_inflated(
    tmp_path: Path, compression: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.arrow", pa.table({"a": ["\0" * 1_000_000]}), compression=compression)
    assert path.stat().st_size < 10_000
    monkeypatch.setattr(arrow_batches, "BATCH_BYTES", 1_000_000)
    before = pa.total_allocated_bytes()
    with pytest.raises(TooLargeError, match=r"message 1: a record batch of 1,000,0\d\d bytes"):
        rows(path)
    assert pa.total_allocated_bytes() < before + 1_000_000


def test_a_length_that_a_buffer_claims_is_believed_before_it_is_tried(tmp_path: Path) -> None:
    path = write(tmp_path / "a.arrow", pa.table({"a": ["\0" * 1_000_000]}), compression="zstd")
    before, length, behind = path.read_bytes().rpartition(struct.pack("<q", 1_000_000))
    assert length
    path.write_bytes(before + struct.pack("<q", 1 << 45) + behind)
    with pytest.raises(TooLargeError, match=r"a record batch of 35,184,372,088,8\d\d bytes"):
        rows(path)


def test_a_dictionary_is_refused_before_it_is_inflated(tmp_path: Path) -> None:
    words = pa.DictionaryArray.from_arrays(pa.array([0, 0], pa.int8()), pa.array(["\0" * (33 << 20)]))
    path = write(tmp_path / "a.arrow", pa.table({"a": words}), compression="zstd")
    with pytest.raises(TooLargeError, match=r"message 1: a dictionary of 34,603,0\d\d bytes"):
        rows(path)


def test_values_that_take_no_byte_are_counted(tmp_path: Path) -> None:
    nulls = pa.nulls(1_000_000)
    with pytest.raises(TooLargeError, match="message 1: 1,000,000 values in 0 bytes"):
        rows(write(tmp_path / "a.arrow", pa.table({"a": nulls})))
    lists = pa.ListArray.from_arrays(pa.array([0, 1_000_000], pa.int32()), nulls)
    with pytest.raises(TooLargeError, match=r"message 1: 1,000,000 values in \d+ bytes"):
        rows(write(tmp_path / "b.arrow", pa.table({"a": lists})))
    few = pa.table({"a": pa.nulls(100)})
    assert rows(write(tmp_path / "c.arrow", few)) == few.to_pylist()


def test_no_byte_changed_makes_more_than_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.arrow"
    table = pa.table(
        {"text": ["ab", "c", None], "list": [[1], [], [2, 3]], "name": pa.array(["q"] * 3).dictionary_encode()}
    )
    content = write(path, table, compression="lz4").read_bytes()
    wrong = 0
    for place in range(len(content)):
        for value in {0, 255, content[place] ^ 1, content[place] ^ 128} - {content[place]}:
            path.write_bytes(content[:place] + bytes([value]) + content[place + 1 :])
            try:
                rows(path)
            except (ValueError, OSError, pa.ArrowException, EOFError):
                wrong += 1
    assert wrong > 500


@pytest.mark.parametrize("content", [b"", b"\xff\xff\xff\xff", b"ARROW1\0\0", b"nonsense, and more of it"])
def test_what_is_no_arrow_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.arrow"
    path.write_bytes(content)
    with pytest.raises((ValueError, OSError, pa.ArrowException), match=re.compile(".")):
        rows(path)


def test_dictionaries_are_bounded_together(tmp_path: Path) -> None:
    words = pa.DictionaryArray.from_arrays(pa.array([0], pa.int8()), pa.array(["\0" * (12 << 20)]))
    path = write(tmp_path / "a.arrow", pa.table({f"a{number}": words for number in range(3)}), compression="zstd")
    with pytest.raises(TooLargeError, match=r"message 3: dictionaries of 37,748,\d\d\d bytes together"):
        rows(path)
