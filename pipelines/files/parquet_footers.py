"""The footer of a Parquet file, looked at before Arrow makes anything of it.

    last bytes -> footer (Thrift's compact protocol) -> columns nested within a limit, chunks that lie apart -> Arrow

Arrow goes down into nested columns by calling itself, writes out the path of each, and makes hundreds of bytes of a
column chunk of three.
"""

from __future__ import annotations

from functools import lru_cache
from typing import BinaryIO, Final

from pipelines.files.thrift import INT32, INT64, LIST, STRUCT, TEXT, Reader

FOOTER_BYTES: Final = 64 << 20
DEEPEST: Final = 64  # columns within columns
MOST_COLUMNS: Final = 1 << 16
PATH_BYTES: Final = 16 << 20  # of all columns together
MOST_CHUNKS: Final = 1 << 19  # and row groups
_MOST_STRUCTS: Final = 1 << 22  # in other lists
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


def _check(reader: Reader, size: int) -> None:
    """Look at the footer of a file that has so many bytes besides."""
    seen = set()
    for number, kind in reader.fields():
        if kind == LIST and number in (2, 4):
            if number in seen:
                raise ValueError("a footer with two schemas, or two lists of row groups")
            seen.add(number)
            if number == 2:
                _check_schema(reader)
            else:
                _check_groups(reader, size)
        else:
            reader.skip(kind)
        if reader.structs > _MOST_STRUCTS:
            raise ValueError(f"more than {_MOST_STRUCTS:,} entries in the footer's lists")


def _check_schema(reader: Reader) -> None:
    """Look at the columns: a list in which each says how many of the next are inside it."""
    elements = reader.elements()
    if len(elements) > MOST_COLUMNS:
        raise ValueError(f"a table of {len(elements):,} columns; at most {MOST_COLUMNS:,} are read")
    around: list[list[int]] = []  # how many are still to come in each, and the length of its path
    paths = 0
    for _ in elements:
        children = length = 0
        for number, kind in reader.fields():
            if (number, kind) == (4, TEXT):
                length = reader.length()
            elif (number, kind) == (5, INT32):
                children = reader.number(INT32)
            else:
                reader.skip(kind)
        while around and around[-1][0] <= 0:
            around.pop()
        if around:
            around[-1][0] -= 1
        path = length + 1 + (around[-1][1] if around else 0)
        if children > 0:
            around.append([children, path])
        else:
            paths += path
        if len(around) > DEEPEST:
            raise ValueError(f"columns nested deeper than {DEEPEST}")
        if paths > PATH_BYTES:
            raise ValueError(f"paths of columns of more than {PATH_BYTES:,} bytes")


def _check_groups(reader: Reader, size: int) -> None:
    """Look at the row groups and their column chunks, which share no bytes."""
    count = packed = 0
    for _ in reader.elements():
        count += 1
        for number, kind in reader.fields():
            if (number, kind) == (1, LIST):
                for _ in reader.elements():
                    count += 1
                    packed += _chunk_bytes(reader, size)
                    if count > MOST_CHUNKS:
                        raise ValueError(f"more than {MOST_CHUNKS:,} row groups and column chunks")
            else:
                reader.skip(kind)
        if count > MOST_CHUNKS:
            raise ValueError(f"more than {MOST_CHUNKS:,} row groups and column chunks")
    if packed > size:
        raise ValueError("column chunks that share bytes of the file: together they are larger")


def _chunk_bytes(reader: Reader, size: int) -> int:
    """Return the bytes of the file that a column chunk takes; those outside of it are refused when they are read."""
    packed = 0
    for number, kind in reader.fields():
        if (number, kind) == (3, STRUCT):
            packed += max(0, reader.numbers().get((7, INT64), 0))
        else:
            reader.skip(kind)
    return packed if packed <= size else 0
