"""Pointers into run files, as bytes: what a shuffle moves between tasks, through a GroupByKey or through files.

file of pointers    [pointers of the first bucket │ of the next │ ...][TABLE rows: bucket, start][uint64 rows]
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

import numpy as np

from pipelines.files import storage
from pipelines.files.runs import Slice

Pointer = Slice | int

# A path has at most 1,024 bytes on S3 and GCS.
LONGEST_PATH = 4_096
TABLE = np.dtype([("bucket", "<i8"), ("start", "<u8")])
_COUNT = np.dtype("<u8")
_SLICE, _NUMBER = b"s", b"n"
_PLACE = struct.Struct("<qqq?H")
_INTEGER = struct.Struct("<q")


def packed(pointer: Pointer) -> bytes:
    """Pack a pointer; raise TypeError for what is none: a text, a line or a document is never shuffled."""
    if isinstance(pointer, Slice):
        path = pointer.path.encode()
        if len(path) > LONGEST_PATH:
            raise TypeError(f"{pointer.path[:100]!r} is not a path: {len(path)} bytes")
        return _SLICE + _PLACE.pack(pointer.item, pointer.start, pointer.count, pointer.group, len(path)) + path
    if isinstance(pointer, int):
        return _NUMBER + _INTEGER.pack(pointer)
    raise TypeError(f"only pointers are shuffled, not {type(pointer).__name__}")


def unpacked(content: bytes) -> Iterator[Pointer]:
    """Yield the pointers that were packed one after the other."""
    place = 0
    while place < len(content):
        kind, place = content[place : place + 1], place + 1
        if kind == _NUMBER:
            yield _INTEGER.unpack_from(content, place)[0]
            place += _INTEGER.size
            continue
        item, start, count, group, length = _PLACE.unpack_from(content, place)
        place += _PLACE.size
        yield Slice(item, content[place : place + length].decode(), start, count, group)
        place += length


def write(path: str, found: Iterable[tuple[int, Pointer]]) -> dict[int, int]:
    """Write pointers by bucket; return how many records those of each bucket point to.

    What is held is the file's content: some 100 bytes a pointer.
    """
    parts: dict[int, bytearray] = {}
    records: dict[int, int] = {}
    for bucket, pointer in found:
        parts.setdefault(bucket, bytearray()).extend(packed(pointer))
        records[bucket] = records.get(bucket, 0) + (pointer.count if isinstance(pointer, Slice) else 0)
    table = np.zeros(len(parts), TABLE)
    table["bucket"] = sorted(parts)
    table["start"] = _starts(parts)
    with storage.write(path) as stream:
        for bucket in sorted(parts):
            stream.write(parts[bucket])
        stream.write(table.tobytes())
        stream.write(np.array([len(table)], _COUNT).tobytes())
    return records


def _starts(parts: Mapping[int, bytearray]) -> list[int]:
    lengths = [len(parts[bucket]) for bucket in sorted(parts)]
    return [0, *np.cumsum(lengths, dtype=np.int64).tolist()][:-1] if lengths else []


def read(path: str, bucket: int) -> Iterator[Pointer]:
    """Yield the pointers of one bucket of a file; none if it has none."""
    with storage.open_read(path) as stream:
        end = stream.seek(-_COUNT.itemsize, 2)
        rows = int(np.frombuffer(stream.read(_COUNT.itemsize), _COUNT)[0])
        stream.seek(end - rows * TABLE.itemsize)
        table = np.frombuffer(stream.read(rows * TABLE.itemsize), TABLE)
        bounds = [*map(int, table["start"]), end - rows * TABLE.itemsize]
        place = int(np.searchsorted(table["bucket"], bucket))
        if place == rows or table["bucket"][place] != bucket:
            return
        start, stop = list(pairwise(bounds))[place]
        stream.seek(start)
        content = stream.read(stop - start)
    yield from unpacked(content)
