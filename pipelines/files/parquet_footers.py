"""The footer of a Parquet file, looked at before Arrow makes anything of it.

    last bytes -> footer (Thrift's compact protocol) -> columns nested within a limit, chunks that lie apart -> Arrow

Arrow goes down into nested columns by calling itself, writes out the path of each, and makes hundreds of bytes of a
column chunk of three.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO, Final

from pipelines.files.thrift import INT32, INT64, LIST, STRUCT, TEXT, Reader

FOOTER_BYTES: Final = 64 << 20
DEEPEST: Final = 64  # columns within columns
MOST_COLUMNS: Final = 1 << 16
PATH_BYTES: Final = 16 << 20  # of all columns together
MOST_CHUNKS: Final = 1 << 19  # and row groups
_MOST_STRUCTS: Final = 1 << 22  # in other lists
_OPTIONAL, _REPEATED = 1, 2  # of a column's repetition
_BYTE_ARRAY: Final = 6
_ENCRYPTED: Final = (8, 9)  # fields of a column chunk
_MAGIC: Final = b"PAR1"
_TAIL: Final = 1 << 16  # bytes, which hold most footers


def check(stream: BinaryIO) -> int:
    """Return a file's size in bytes; raise ValueError for a footer that no writer makes. The stream's place is kept.

    A file without a footer is Arrow's to refuse.
    """
    place = stream.tell()
    try:
        size, data = _footer(stream)
    finally:
        stream.seek(place)
    if data:
        look = _looked_at if len(data) <= _TAIL else _look
        look(data, size - len(data))
    return size


def _look(data: bytes, size: int) -> None:
    try:
        _check(Reader(data), size)
    except EOFError:
        raise ValueError("the footer ends early") from None


# A stage's table is opened several times: to count its rows, to read them, to verify its texts.
_looked_at = lru_cache(maxsize=256)(_look)


def _footer(stream: BinaryIO) -> tuple[int, bytes]:
    size = stream.seek(0, 2)
    stream.seek(max(0, size - _TAIL))
    tail = stream.read(_TAIL)
    length = int.from_bytes(tail[-8:-4], "little")
    if not tail.endswith(_MAGIC) or length > size - 8:
        return size, b""
    if length > FOOTER_BYTES:
        raise ValueError(f"a footer of {length:,} bytes; at most {FOOTER_BYTES:,} are read")
    if length > len(tail) - 8:
        stream.seek(size - 8 - length)
        return size, stream.read(length)
    return size, tail[len(tail) - 8 - length : -8]


@dataclass(frozen=True, slots=True)
class _Column:
    """A column without columns inside: its type, and how many levels of definition and repetition its values have."""

    type: int
    definition: int
    repetition: int


def _check(reader: Reader, size: int) -> None:
    """Look at the footer of a file that has so many bytes besides."""
    seen = set()
    columns: list[_Column] = []
    for number, kind in reader.fields():
        if kind == LIST and number in (2, 4):
            if number in seen or (number == 4 and 2 not in seen):
                raise ValueError("a footer with two schemas, or row groups twice or before the schema")
            seen.add(number)
            if number == 2:
                columns = _check_schema(reader)
            else:
                _check_groups(reader, size, columns)
        else:
            reader.skip(kind)
        if reader.structs > _MOST_STRUCTS:
            raise ValueError(f"more than {_MOST_STRUCTS:,} entries in the footer's lists")


def _check_schema(reader: Reader) -> list[_Column]:
    """Look at the columns, a list in which each says how many of the next are inside it; return the innermost."""
    elements = reader.elements()
    if len(elements) > MOST_COLUMNS:
        raise ValueError(f"a table of {len(elements):,} columns; at most {MOST_COLUMNS:,} are read")
    around: list[_Around] = []
    found: list[_Column] = []
    paths = 0
    for _ in elements:
        numbers, length = _element(reader)
        while around and around[-1].left <= 0:
            around.pop()
        outer = around[-1] if around else _Around(0, 0, 0, 0)
        outer.left -= 1
        # The outermost is the table: what it says of repetition counts for nothing.
        repetition = numbers.get(3, 0) if around else 0
        definition = outer.definition + (repetition in (_OPTIONAL, _REPEATED))
        repeated = outer.repetition + (repetition == _REPEATED)
        path = length + 1 + outer.path
        if numbers.get(5, 0) > 0:
            around.append(_Around(numbers[5], path, definition, repeated))
        else:
            paths += path
            found.append(_Column(numbers.get(1, -1), definition, repeated))
        if len(around) > DEEPEST:
            raise ValueError(f"columns nested deeper than {DEEPEST}")
        if paths > PATH_BYTES:
            raise ValueError(f"paths of columns of more than {PATH_BYTES:,} bytes")
    return found


@dataclass(slots=True)
class _Around:
    """What a column is inside of: how many are still to come in it, the length of its path, and its levels."""

    left: int
    path: int
    definition: int
    repetition: int


def _element(reader: Reader) -> tuple[dict[int, int], int]:
    """Return the numbers of an element of the schema by field, and the length of its name."""
    numbers: dict[int, int] = {}
    length = 0
    for number, kind in reader.fields():
        if (number, kind) == (4, TEXT):
            length = reader.length()
        elif kind == INT32:
            numbers[number] = reader.number(INT32)
        else:
            reader.skip(kind)
    return numbers, length


def _check_groups(reader: Reader, size: int, columns: Sequence[_Column]) -> None:
    """Look at the row groups and their column chunks, which share no bytes."""
    count = packed = 0
    for _ in reader.elements():
        count += 1
        for number, kind in reader.fields():
            if (number, kind) == (1, LIST):
                chunks = reader.elements()
                count += len(chunks)
                if count > MOST_CHUNKS:
                    raise ValueError(f"more than {MOST_CHUNKS:,} row groups and column chunks")
                if len(chunks) != len(columns):
                    raise ValueError(f"a row group of {len(chunks):,} columns in a table of {len(columns):,}")
                packed += sum(_chunk_bytes(reader, size, column) for column in columns)
            else:
                reader.skip(kind)
        if count > MOST_CHUNKS:
            raise ValueError(f"more than {MOST_CHUNKS:,} row groups and column chunks")
    if packed > size:
        raise ValueError("column chunks that share bytes of the file: together they are larger")


def _chunk_bytes(reader: Reader, size: int, column: _Column) -> int:
    """Return the bytes of the file that a column chunk takes; those outside of it are refused when they are read."""
    packed = 0
    for number, kind in reader.fields():
        if (number, kind) == (3, STRUCT):
            for inner, inner_kind in reader.fields():
                if (inner, inner_kind) == (7, INT64):
                    packed += max(0, reader.number(INT64))
                elif (inner, inner_kind) == (16, STRUCT):
                    _check_sizes(reader, column)
                else:
                    reader.skip(inner_kind)
        elif number in _ENCRYPTED:
            raise ValueError("columns that are encrypted")
        else:
            reader.skip(kind)
    return packed if packed <= size else 0


def _check_sizes(reader: Reader, column: _Column) -> None:
    """Look at what a chunk says of its values' sizes and levels: Arrow ends the process where that cannot be."""
    levels = {2: column.repetition, 3: column.definition}
    for number, kind in reader.fields():
        if kind == LIST and number in levels:
            counts = reader.elements()
            for _ in counts:
                reader.number(INT64)
            if len(counts) not in (0, levels[number] + 1):
                raise ValueError(f"{len(counts):,} counts of levels in a column that has {levels[number] + 1}")
        elif (number, kind) == (1, INT64):
            reader.number(INT64)
            if column.type != _BYTE_ARRAY:
                raise ValueError("the size of texts in a column that has none")
        else:
            reader.skip(kind)
