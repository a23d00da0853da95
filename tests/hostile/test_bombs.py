"""Small files that would become large ones: memory is bounded by bytes, and what is too large is dropped by name.

Each bomb is read in a process of its own, whose memory at its largest is compared with what it was before.
"""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines import contamination
from pipelines.files import parquet_footers, parquet_pages, tables, thrift
from pipelines.files.blocks import TooLargeError
from pipelines.readers import avro_blocks

LIMIT = 512 << 20  # bytes beyond what the modules take

READ = """
import json, sys
from collections import Counter
from pipelines.readers import Dump, github_input
def largest():
    with open('/proc/self/status') as lines:
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith('VmHWM'))
before = largest()
counts, found = Counter(), Counter()
with open(sys.argv[1], "rb") as stream:
    for one in github_input.read(stream, Dump("bomb", "d", {}), counts):
        found[getattr(one, "reason", "document")] += 1
assert counts["records"] == sum(found.values())
print(json.dumps([found, largest() - before]))
"""


def read(path: Path) -> tuple[dict[str, int], int]:
    """Return what becomes of an export's rows by reason, and the bytes of memory that it took."""
    done = subprocess.run([sys.executable, "-c", READ, path], capture_output=True, text=True, check=True, timeout=300)
    found, memory = json.loads(done.stdout)
    return found, memory


# --- JSON ------------------------------------------------------------------------------------------------------------


def test_places_are_not_multiplied(tmp_path: Path) -> None:
    """A row of 200 kB whose list of repositories stands for each of its records: 400 million places."""
    row = {"repo_name": ["a"] * 20_000, "path": "p", "content": "c", "license": "mit", "files": [{}] * 20_000}
    path = tmp_path / "bomb.json"
    path.write_text(json.dumps(row) + "\n" + json.dumps(row | {"files": [{}] * 50}) + "\n")
    found, memory = read(path)
    assert found == {"bad_field": 1, "document": 1}
    assert memory < LIMIT


# --- listings --------------------------------------------------------------------------------------------------------

LISTING = """
import sys
from pipelines.inputs import listings
def largest():
    with open('/proc/self/status') as lines:
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith('VmHWM'))
before = largest()
try:
    listings.entries_of(sys.argv[1])
except ValueError as error:
    print(error)
print(largest() - before)
"""


def test_a_listing_is_bounded_by_lines_and_bytes(tmp_path: Path) -> None:
    path = tmp_path / "wet.paths.gz"
    for line in (b"a\n", b"\n", b"x" * 1_000):
        path.write_bytes(gzip.compress(line * ((300 << 20) // len(line)), 1))
        done = subprocess.run([sys.executable, "-c", LISTING, path], capture_output=True, text=True, check=True)
        message, memory = done.stdout.splitlines()
        assert message.startswith(f"{path}: ")
        assert int(memory) < 64 << 20


# --- Parquet ---------------------------------------------------------------------------------------------------------


def parquet(content: Any, rows: int, **options: Any) -> bytes:
    target = io.BytesIO()
    columns: dict[str, Any] = {
        "repo_name": ["a/b"] * rows,
        "path": ["a.py"] * rows,
        "license": ["mit"] * rows,
        "content": content,
    }
    pq.write_table(pa.table(columns), target, compression="zstd", dictionary_pagesize_limit=1 << 30, **options)
    return target.getvalue()


def named_by_all(size: int, rows: int) -> bytes:
    """Return a table whose rows all name one value of a dictionary."""
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * size]))
    return parquet(texts, rows)


def one_page(size: int, rows: int) -> bytes:
    """Return a table whose texts are in one page, each for itself."""
    return parquet(pa.array(["x" * size] * rows), rows, use_dictionary=False, data_page_size=1 << 30)


def many_places() -> bytes:
    """Return a table of one row with a list of more elements than any, in a few bytes."""
    places = pa.StructArray.from_arrays([pa.array(["p"]).take(pa.array([0] * (40 << 20), pa.int32()))], ["path"])
    lists = pa.ListArray.from_arrays(pa.array([0, len(places)], pa.int32()), places)
    target = io.BytesIO()
    pq.write_table(pa.table({"content": ["c"], "files": lists}), target, compression="zstd")
    return target.getvalue()


def listed_in_one_row(size: int, count: int) -> bytes:
    """Return a table of one row whose list names one value of a dictionary so many times."""
    names = pa.array(["y" * size]).take(pa.array([0] * count, pa.int32()))
    lists = pa.ListArray.from_arrays(pa.array([0, count], pa.int32()), names)
    target = io.BytesIO()
    columns: dict[str, Any] = {"repo_name": lists, "path": ["p"], "content": ["c"]}
    pq.write_table(pa.table(columns), target, compression="zstd", dictionary_pagesize_limit=1 << 30)
    return target.getvalue()


def wide_nulls(width: int, rows: int) -> bytes:
    """Return a table whose texts are nulls, each of which takes so many bytes in memory."""
    one = pa.array([None], pa.binary(width))
    return parquet(pa.chunked_array([one] * rows), rows, use_dictionary=False)


def nothing_but_nulls(rows: int) -> bytes:
    """Return a table of so many rows, all of them null, in one row group."""
    nulls = pa.nulls(rows, pa.string())
    target = io.BytesIO()
    table = pa.table(dict.fromkeys(("repo_name", "path", "content"), nulls))
    pq.write_table(table, target, compression="zstd", row_group_size=rows, data_page_size=1 << 30)
    return target.getvalue()


def hidden_page() -> bytes:
    """Return a table with a page that is too large, and a dictionary at a negative place before it."""
    target = io.BytesIO()
    columns: dict[str, Any] = {"content": pa.array(["x" * (4 << 20)]).take(pa.array([0] * 70, pa.int32()))}
    table = pa.table({**columns, "repo_name": ["a"] * 70, "path": ["p"] * 70})
    pq.write_table(table, target, use_dictionary=False, compression="zstd", data_page_size=1 << 30)
    pages, footer = cut(target.getvalue())
    place = footer.index(b"\x26\x08") + 2  # after the field of the page's place, which is 4
    later = bytes([footer[place] - 0x20])  # the next field counts from the new one
    return joined(pages, footer[:place] + b"\x26\x09" + later + footer[place + 1 :])


def outside() -> bytes:
    """Return a table whose pages lie behind the end of the file."""
    return joined(b"PAR1", cut(named_by_all(1_000, 10))[1])


def cut(table: bytes) -> tuple[bytes, bytes]:
    """Return a Parquet file's pages and its footer."""
    start = len(table) - 8 - int.from_bytes(table[-8:-4], "little")
    return table[:start], table[start:-8]


def joined(pages: bytes, footer: bytes) -> bytes:
    """Return the file of pages and a footer."""
    return pages + footer + len(footer).to_bytes(4, "little") + b"PAR1"


PARQUET: dict[str, tuple[Callable[[], bytes], dict[str, int]]] = {
    "a dictionary's value of 100 MB in 640 rows": (lambda: named_by_all(100_000_000, 640), {"too_large": 1}),
    "a dictionary's value of 20 MB in 64 rows": (lambda: named_by_all(20_000_000, 64), {"too_long": 64}),
    "a page of 400 MB": (lambda: one_page(4_000_000, 100), {"too_large": 1}),
    "40 million elements": (many_places, {"too_large": 1}),
    "a list that names 30 MB 60 times": (lambda: listed_in_one_row(30 << 20, 60), {"too_large": 1}),
    "a list that names 300 kB 2,000 times": (lambda: listed_in_one_row(300 << 10, 2_000), {"too_large": 1}),
    "a list that names 50 kB 1,000 times": (lambda: listed_in_one_row(50 << 10, 1_000), {"document": 1}),
    "64 nulls of 16 MiB": (lambda: wide_nulls(16 << 20, 64), {"no_content": 64}),
    "20 million rows of nulls": (lambda: nothing_but_nulls(20_000_000), {"too_large": 1}),
    "a page before which a dictionary stands nowhere": (hidden_page, {"too_large": 1}),
    "pages outside of the file": (outside, {"truncated": 1}),
}


@pytest.mark.parametrize("name", PARQUET)
def test_parquet_is_bounded_by_bytes(tmp_path: Path, name: str) -> None:
    made, reasons = PARQUET[name]
    path = tmp_path / "bomb.parquet"
    path.write_bytes(made())
    assert path.stat().st_size < 1 << 20
    found, memory = read(path)
    assert found == reasons
    assert memory < LIMIT


NESTED = """
import sys
from pathlib import Path
from pipelines import contamination
from pipelines.files import tables
from pipelines.readers import Dump, github_input
path = sys.argv[1]
def export():
    with open(path, "rb") as stream:
        list(github_input.read(stream, Dump(path, "d", {}), __import__("collections").Counter()))
for read in (export, lambda: list(contamination.examples(Path(path))), lambda: list(tables.read_rows(path))):
    try:
        read()
    except ValueError as error:
        print(error)
"""


def deep(depth: int) -> bytes:
    """Return a table of columns within columns: what there is of Thrift is a name and how many are inside."""
    column = b"\x35\x02\x18\x01a\x15\x02\x00"
    schema = column * depth + b"\x15\x0c\x25\x02\x18\x01l\x00"
    return joined(b"PAR1", b"\x15\x02\x19\xfc" + unsigned(depth + 1) + schema + b"\x16\x00\x19\x0c\x00")


def unsigned(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def test_columns_within_columns_end_no_process(tmp_path: Path) -> None:
    path = tmp_path / "deep.parquet"
    for depth in (65, 20_000):
        path.write_bytes(deep(depth + 1))
        done = subprocess.run([sys.executable, "-c", NESTED, path], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        assert len(lines) == 3
        assert all(str(path) in line and "columns nested deeper than 64" in line for line in lines)
    path.write_bytes(deep(64))
    with path.open("rb") as stream:
        assert parquet_pages.ParquetFile(stream).metadata.num_rows == 0


def groups(footer: bytes) -> tuple[bytes, list[bytes], bytes]:
    """Return what stands in a footer before its row groups, the row groups, and what follows."""
    reader = thrift.Reader(footer)
    for field in reader.fields():
        if field == (4, thrift.LIST):
            before, found = footer[: reader.at], []
            for _ in reader.elements():
                start = reader.at
                reader.skip(thrift.STRUCT)
                found.append(footer[start : reader.at])
            return before, found, footer[reader.at :]
        reader.skip(field[1])
    raise AssertionError("no row groups")


def test_footers_that_no_writer_makes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pages, footer = cut(one_page(1_000, 10))
    before, found, after = groups(footer)
    same = before + b"\xfc" + unsigned(500) + b"".join(found) * 500 + after
    names = [f"{'x' * 20_000}{number}" for number in range(900)]
    paths = pa.table({"outer": pa.StructArray.from_arrays([pa.array([1])] * 900, names)})
    target = io.BytesIO()
    pq.write_table(paths, target, store_schema=False)
    for file, message in (
        (joined(pages, same), "column chunks that share bytes"),
        (joined(pages, before + b"\x0c\x09\x08\x0c" + after), "row groups twice"),
        (joined(pages, footer[:-20]), "the footer ends early"),
        (target.getvalue(), "paths of columns of more than 16,777,216 bytes"),
    ):
        with pytest.raises(ValueError, match=message):
            parquet_pages.ParquetFile(io.BytesIO(file))
    monkeypatch.setattr(parquet_footers, "MOST_CHUNKS", 4)
    with pytest.raises(ValueError, match="more than 4 row groups and column chunks"):
        parquet_pages.ParquetFile(io.BytesIO(joined(pages, footer)))
    monkeypatch.setattr(parquet_footers, "MOST_COLUMNS", 4)
    with pytest.raises(ValueError, match="a table of 5 columns; at most 4 are read"):
        parquet_pages.ParquetFile(io.BytesIO(joined(pages, footer)))
    monkeypatch.setattr(parquet_footers, "FOOTER_BYTES", 100)
    with pytest.raises(ValueError, match="at most 100 are read"):
        parquet_pages.ParquetFile(io.BytesIO(joined(pages, footer)))


def test_a_row_group_that_is_too_large_costs_no_other(tmp_path: Path) -> None:
    path = tmp_path / "some.parquet"
    schema = pa.schema([(name, pa.string()) for name in ("repo_name", "path", "license", "content")])
    with pq.ParquetWriter(path, schema, compression="zstd", dictionary_pagesize_limit=1 << 30) as writer:
        for text in ("x = 1\n", "x" * 50_000_000, "y = 2\n"):
            row = {"repo_name": "a/b", "path": "a.py", "license": "mit", "content": text}
            writer.write_table(pa.Table.from_pylist([row], schema=schema))
    assert read(path)[0] == {"document": 2, "too_large": 1}


def test_pages_are_told_from_their_headers_whatever_the_footer_says() -> None:
    stream = io.BytesIO(one_page(1_000_000, 3))
    found = {one.name: one for one in parquet_pages.extents(stream, pq.ParquetFile(stream), 0)}
    assert 3_000_000 <= found["content"].page <= 3_000_100
    assert found["content"].dictionary == 0
    stream = io.BytesIO(named_by_all(1_000_000, 3))
    found = {one.name: one for one in parquet_pages.extents(stream, pq.ParquetFile(stream), 0)}
    assert found["content"].dictionary == 1_000_004
    assert (found["content"].values, found["content"].nested) == (3, False)


def test_pages_of_all_types_and_sizes_are_found(tmp_path: Path) -> None:
    columns: dict[str, Any] = {
        "number": pa.array(range(200_000)),
        "text": pa.array([f"text {number}" for number in range(200_000)]),
        "truth": pa.array([True, None] * 100_000),
        "list": pa.array([["a", None], []] * 100_000),
    }
    for version in ("1.0", "2.0"):
        stream = io.BytesIO()
        pq.write_table(pa.table(columns), stream, data_page_version=version, data_page_size=1 << 14, compression="gzip")
        table = pq.ParquetFile(stream)
        for number, one in enumerate(parquet_pages.extents(stream, table, 0)):
            inflated = table.metadata.row_group(0).column(number).total_uncompressed_size
            chunk = table.metadata.row_group(0).column(number)
            pages = [page.inflated for page in parquet_pages._pages(stream, chunk, len(stream.getvalue()))]
            assert 0 <= inflated - sum(pages) < 200 * len(pages), one.name  # the rest is headers
            assert one.values == (300_000 if one.nested else 200_000)


def test_a_corpus_from_elsewhere_is_bounded_too(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(named_by_all(3_000_000, 1_000))
    with pytest.raises(ValueError, match=r"a\.parquet: row group 0: a dictionary of 3,000,004 bytes for 1,000 values"):
        list(tables.read_rows(str(path)))
    assert len(list(tables.read_rows(str(path), ["path"]))) == 1_000
    path.write_bytes(named_by_all(100_000_000, 10))
    with pytest.raises(ValueError, match=r"a\.parquet: row group 0: a dictionary of 100,000,004 bytes in content"):
        list(tables.read_rows(str(path)))


def prefixed(size: int, rows: int) -> bytes:
    """Return a table of so many texts of which each says that it is the one before."""
    texts: Any = pa.chunked_array([pa.array(["x" * size]).take(pa.array([0] * rows, pa.int32()))])
    target = io.BytesIO()
    encoding = {"content": "DELTA_BYTE_ARRAY"}
    pq.write_table(pa.table({"content": texts}), target, use_dictionary=False, column_encoding=encoding)
    return target.getvalue()


def test_texts_that_begin_as_others_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(prefixed(1 << 20, 1_100))
    with pytest.raises(
        ValueError, match=r"a\.parquet: row group 0: values of more than 1,073,741,824 bytes in content"
    ):
        list(tables.read_rows(str(path)))
    done = subprocess.run(
        [sys.executable, "-c", EXAMPLES, path], capture_output=True, text=True, check=True, timeout=300
    )
    number, memory = json.loads(done.stdout)
    assert number == 1_100
    assert memory < LIMIT


EXAMPLES = """
import json, sys
from pathlib import Path
from pipelines import contamination
def largest():
    with open('/proc/self/status') as lines:
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith('VmHWM'))
before = largest()
number = sum(1 for _ in contamination.examples(Path(sys.argv[1])))
print(json.dumps([number, largest() - before]))
"""


def test_a_benchmark_from_elsewhere_is_bounded_too(tmp_path: Path) -> None:
    path = tmp_path / "b.parquet"
    path.write_bytes(named_by_all(100_000_000, 10))
    with pytest.raises(ValueError, match=r"b\.parquet: cannot be read: row group 0: a dictionary of 100,000,004 bytes"):
        list(contamination.examples(path))


def test_a_benchmarks_line_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contamination, "_LONGEST_LINE", 100)
    path = tmp_path / "b.jsonl"
    path.write_text('"a"\n"' + "x" * 100 + '"\n')
    with pytest.raises(ValueError, match=r"b\.jsonl: cannot be read: a line of more than 100 bytes"):
        list(contamination.examples(path))


# --- Avro ------------------------------------------------------------------------------------------------------------

COLUMNS = [{"name": name, "type": ["null", "string"]} for name in ("repo_name", "path", "license", "content")]
ROW = {"repo_name": "a/b", "path": "a.py", "license": "mit", "content": "x = 1\n"}


def avro(fields: Any, rows: list[dict[str, Any]], codec: str = "deflate", interval: int = 16_000) -> bytes:
    target = io.BytesIO()
    schema = fastavro.parse_schema({"type": "record", "name": "row", "fields": fields})
    fastavro.writer(target, schema, rows, codec=codec, sync_marker=bytes(16), sync_interval=interval)
    return target.getvalue()


def block(fields: Any, content: bytes, count: int, codec: str = "deflate") -> bytes:
    """Return a file of one block that says it has `count` rows."""
    head = avro(fields, [], codec)
    packed = zlib.compress(content, 9, wbits=-15) if codec == "deflate" else content
    return head + avro_blocks._varint(count) + avro_blocks._varint(len(packed)) + packed + bytes(16)


def inflating(size: int) -> bytes:
    """Return a file whose one row has a text of `size` letters."""
    compress = zlib.compressobj(9, wbits=-15)
    text = avro_blocks._varint(1) + avro_blocks._varint(size)
    row = b"".join(b"\x02" + avro_blocks._varint(len(word)) + word for word in (b"a/b", b"a.py", b"mit")) + text
    packed = compress.compress(row) + b"".join(compress.compress(b"x" * (1 << 20)) for _ in range(size >> 20))
    packed += compress.flush()
    return avro(COLUMNS, []) + avro_blocks._varint(1) + avro_blocks._varint(len(packed)) + packed + bytes(16)


LISTS = [*COLUMNS, {"name": "numbers", "type": {"type": "array", "items": "int"}}]
RECORDS = {"type": "record", "name": "place", "fields": [{"name": "n", "type": "int"}]}
PLACES = [*COLUMNS, {"name": "files", "type": {"type": "array", "items": RECORDS}}]
NOTHING = [*COLUMNS, {"name": "nothing", "type": {"type": "array", "items": "null"}}]
EMPTY = b"\x00" * 4


def listed(count: int) -> bytes:
    """Return a row without texts and with a list of so many elements of a byte each."""
    return EMPTY + avro_blocks._varint(count) + bytes(count) + b"\x00"


def a_decimal(size: int) -> bytes:
    """Return a file whose one row has a decimal of so many bytes, which takes quadratic time to be written out."""
    number = {"type": "bytes", "logicalType": "decimal", "precision": 1 << 30, "scale": 0}
    fields = [*COLUMNS, {"name": "number", "type": number}]
    return block(fields, EMPTY + avro_blocks._varint(size) + b"\x7f" * size, 1)


def types_of_types(count: int) -> bytes:
    """Return a file without rows whose types each name the one before ten times."""
    fields: list[Any] = list(COLUMNS)
    for number in range(count):
        before = "int" if number == 0 else f"type{number - 1}"
        inner = [{"name": f"field{place}", "type": ["null", before]} for place in range(10)]
        fields.append({"name": f"of{number}", "type": {"type": "record", "name": f"type{number}", "fields": inner}})
    return block(fields, b"", 0)


def namesakes() -> bytes:
    """Return a list of 2^28 elements that take no byte, of a type whose namesake's take one."""
    types = [{"type": "record", "name": name, "fields": [{"name": "n", "type": kind}]} for name, kind in KINDS.items()]
    fields = [
        *COLUMNS,
        {"name": "free", "type": {"type": "map", "values": types[0]}},
        {"name": "other", "type": types[1]},
        {"name": "list", "type": {"type": "array", "items": "a.place"}},
    ]
    return block(fields, EMPTY + b"\0\2" + avro_blocks._varint(1 << 28) + b"\0", 1)


KINDS = {"a.place": "null", "b.place": "int"}


def many_blocks() -> bytes:
    """Return a file of 2,000 blocks of one row with a schema of 3,000 types."""
    fields: list[Any] = list(COLUMNS)
    for number in range(3_000):
        kind = {"type": "enum", "name": f"type{number}", "symbols": ["a"]}
        fields.append({"name": f"of{number}", "type": ["null", kind]})
    row = bytes(len(fields))
    packed = zlib.compress(row, 9, wbits=-15)
    one = avro_blocks._varint(1) + avro_blocks._varint(len(packed)) + packed + bytes(16)
    return avro(fields, []) + one * 2_000


AVRO: dict[str, tuple[Callable[[], bytes], dict[str, int]]] = {
    "5 MB that inflate to 5 GB": (lambda: inflating(5 << 30), {"too_large": 1}),
    "a list of 64 million numbers": (lambda: block(LISTS, listed(64 << 20), 1), {"too_large": 1}),
    "a list of 64 million records": (lambda: block(PLACES, listed(64 << 20), 1), {"too_large": 1}),
    "a list of 2^40 elements of nothing": (
        lambda: block(NOTHING, EMPTY + avro_blocks._varint(1 << 40) + b"\x00", 1),
        {"too_large": 1},
    ),
    "a block of 2^60 rows": (lambda: block(COLUMNS, EMPTY * 10, 1 << 60), {"too_large": 1}),
    "a block of 2^50 bytes": (
        lambda: avro(COLUMNS, []) + avro_blocks._varint(1) + avro_blocks._varint(1 << 50),
        {"too_large": 1},
    ),
    "a snappy block that says 4 GB": (
        lambda: block(COLUMNS, b"\xff\xff\xff\xff\x0f" + bytes(20), 1, "snappy"),
        {"too_large": 1},
    ),
    "a decimal of 2 MB": (lambda: a_decimal(2 << 20), {"bad_field": 1}),
    "12 types that each name the one before ten times": (lambda: types_of_types(12), {}),
    "a type whose namesake takes a byte": (namesakes, {"too_large": 1}),
    "25 million rows in 100 kB": (lambda: block(COLUMNS, EMPTY * (25 << 20), 25 << 20), {"too_large": 1}),
    "2,000 blocks and 3,000 types": (many_blocks, {"bad_field": 2_000}),
}


@pytest.mark.parametrize("name", AVRO)
def test_avro_is_bounded_by_bytes(tmp_path: Path, name: str) -> None:
    made, reasons = AVRO[name]
    path = tmp_path / "bomb.avro"
    path.write_bytes(made())
    assert path.stat().st_size < 8 << 20
    found, memory = read(path)
    assert found == reasons
    assert memory < LIMIT


@pytest.mark.parametrize("codec", avro_blocks.CODECS)
def test_usual_blocks_are_read_as_before(tmp_path: Path, codec: str) -> None:
    fields = [*LISTS, {"name": "places", "type": {"type": "map", "values": RECORDS}}]
    rows = [{**ROW, "content": f"x = {n}\n" * n, "numbers": [1, 2, n], "places": {"a": {"n": n}}} for n in range(300)]
    stream = io.BytesIO(avro(fields, rows, codec))
    reader = fastavro.reader(stream)
    schema = json.loads(reader.metadata["avro.schema"])
    assert list(avro_blocks.rows(stream, schema, codec)) == rows


def test_lists_of_large_blocks_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(avro_blocks, "LOOKED_AT", 0)
    fields = [
        *LISTS,
        {"name": "places", "type": {"type": "map", "values": RECORDS}},
        {"name": "again", "type": ["null", "place"]},
        {"name": "others", "type": {"type": "record", "name": "other", "fields": [{"name": "d", "type": "double"}]}},
        {"name": "kind", "type": {"type": "enum", "name": "kind", "symbols": ["a", "b"]}},
        {"name": "fixed", "type": {"type": "fixed", "name": "four", "size": 4}},
        {"name": "truth", "type": "boolean"},
    ]
    row = {**ROW, "numbers": [1, 2, 3], "places": {"a": {"n": 1}}, "again": {"n": 5}, "others": {"d": 0.5}}
    rows = [{**row, "kind": "b", "fixed": b"abcd", "truth": True}] * 50
    for most, fits in ((200, True), (199, False)):
        monkeypatch.setattr(avro_blocks, "ELEMENTS", most)
        stream = io.BytesIO(avro(fields, rows, interval=1 << 20))
        schema = json.loads(fastavro.reader(stream).metadata["avro.schema"])
        if fits:
            assert list(avro_blocks.rows(stream, schema, "deflate")) == rows
        else:
            with pytest.raises(TooLargeError, match="more than 199 elements in the lists of a block"):
                list(avro_blocks.rows(stream, schema, "deflate"))


FOOTERS = """
import io, sys
from collections import Counter
import pyarrow as pa, pyarrow.parquet as pq
from pipelines.readers import Dump, texts
from pipelines.recipe_parts import Fields

table = pa.table({"text": ["a", None], "list": [[["x"], []], None], "size": [1, 2], "row": [{"n": 1}, {"n": None}]})
target = io.BytesIO()
pq.write_table(table, target, row_group_size=1)
whole = target.getvalue()
first = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
for at in range(first, len(whole) - 8):
    for value in {whole[at] ^ 1, whole[at] ^ 2, (whole[at] + 2) & 255, 255} - {whole[at]}:
        damaged = whole[:at] + bytes([value]) + whole[at + 1 :]
        try:
            stream, dump = io.BytesIO(damaged), Dump("dump", "d1")
            columns = texts.columns_of([(stream, dump)], Fields(), [])
            list(texts.read(stream, dump, Counter(), "own", Fields(), columns))
        except ValueError:
            pass
"""


def test_no_changed_byte_of_a_parquet_footer_ends_the_process() -> None:
    # Arrow ends it for counts of levels that a column cannot have.
    done = subprocess.run([sys.executable, "-c", FOOTERS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
