"""The blocks of an Avro file, inflated only as far as a block of a real one goes, and looked at before rows are made.

    header -> schema: does each value take a byte at least? -> blocks: rows, bytes, codec -> inflated within a limit
           -> values in lists counted -> one file without compression -> rows

A block of a kilobyte can inflate to a gigabyte, say that it has 2^60 rows, or hold lists whose elements take no byte or
one, and hundreds when they are made.
"""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import fastavro
import pyarrow as pa

from pipelines.files.blocks import FREE_ROWS, ROWS_OF_A_BYTE, TooLargeError, exactly, signed, unsigned

BLOCK_BYTES = 128 << 20  # inflated; BigQuery's rows are at most 100 MB
LOOKED_AT = 1 << 20  # what a block below this holds is small whatever it is
ELEMENTS = 2 << 20  # of the lists of one block, each of them hundreds of bytes when it is made
CODECS = ("null", "deflate", "snappy")
_MAGIC = b"Obj\x01"
_SYNC = 16
_HEADER = {
    "type": "record",
    "name": "header",
    "fields": [
        {"name": "magic", "type": {"type": "fixed", "name": "magic", "size": 4}},
        {"name": "meta", "type": {"type": "map", "values": "bytes"}},
        {"name": "sync", "type": {"type": "fixed", "name": "sync", "size": _SYNC}},
    ],
}


def rows(stream: BinaryIO, schema: Any, codec: str) -> Iterator[Any]:
    """Yield the rows of the blocks that follow a header, from the header's end; memory is that of one block.

    Values of logical types stay what they are made of. Raises TooLargeError for a block that is too large, and errors
    of many kinds where a block is damaged, after the rows before the damage.
    """
    stream.seek(-_SYNC, io.SEEK_CUR)
    sync = exactly(stream, _SYNC)
    plain = _without_logical_types(schema)
    parsed: Any = fastavro.parse_schema(plain)  # all names are full ones
    named: dict[str, Any] = {}
    if not _takes_bytes(parsed, named, {}, 0):
        raise TooLargeError("rows, or elements of a list, that take no bytes: any number of them fits")
    head = _written({"magic": _MAGIC, "meta": {"avro.schema": json.dumps(plain).encode()}, "sync": sync})
    checked = _Checked(_blocks(stream, parsed, named, codec, sync), head)
    # One reader for all blocks: each would parse the schema again.
    yield from fastavro.reader(io.BufferedReader(checked))
    if checked.ended is not None:
        raise checked.ended


class _Checked(io.RawIOBase):
    """A header and the parts of blocks, each made when it is wanted; an EOFError is kept: it would pass as the end."""

    def __init__(self, parts: Iterator[bytes], head: bytes) -> None:
        self._parts, self._part = parts, memoryview(head)
        self.ended: EOFError | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._part:
            try:
                self._part = memoryview(next(self._parts, b""))
            except EOFError as error:
                self.ended = error
        count = min(len(buffer), len(self._part))
        buffer[:count] = self._part[:count]
        self._part = self._part[count:]
        return count


def _blocks(stream: BinaryIO, schema: Any, named: dict[str, Any], codec: str, sync: bytes) -> Iterator[bytes]:
    """Yield each block without compression once it was looked at, then its marker."""
    nested, total = _has_lists(schema), 0
    while stream.read(1):
        stream.seek(-1, io.SEEK_CUR)
        count, length = signed(stream), _length(signed(stream))
        data = stream.read(length)
        if len(data) < length and codec != "null":
            raise EOFError(f"the file ends in a block, {len(data)} of {length} bytes")
        content = _inflated(data, codec)
        if not 0 <= count <= max(length, len(content)):
            raise TooLargeError(f"a block of {len(content)} bytes that says it has {count} rows")
        total += count
        if total > FREE_ROWS + ROWS_OF_A_BYTE * stream.tell():
            raise TooLargeError(f"{total} rows in {stream.tell()} bytes")
        if nested and len(content) > LOOKED_AT:
            _Counted(content, named).rows(schema, count)
        yield _varint(count) + _varint(len(content)) + content
        if exactly(stream, _SYNC) != sync:
            raise ValueError("a block does not end with the file's marker")
        yield sync


def _written(header: Mapping[str, Any]) -> bytes:
    target = io.BytesIO()
    fastavro.schemaless_writer(target, fastavro.parse_schema(_HEADER), dict(header))
    return target.getvalue()


def _length(count: int) -> int:
    if not 0 <= count <= BLOCK_BYTES:
        raise TooLargeError(f"a block of {count} bytes")
    return count


def _inflated(data: bytes, codec: str) -> bytes:
    if codec == "deflate":
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        found = inflater.decompress(data, BLOCK_BYTES + 1)
        if len(found) <= BLOCK_BYTES and not inflater.eof:
            raise EOFError("a block's compressed bytes end early")
    elif codec == "snappy":
        size = unsigned(io.BytesIO(data))
        if size > BLOCK_BYTES:
            raise TooLargeError(f"a block of {size} bytes")
        found = _without_snappy(data[:-4], size)
        if zlib.crc32(found) != int.from_bytes(data[-4:], "big"):
            raise ValueError("a block's checksum is wrong")
    else:
        found = data
    if len(found) > BLOCK_BYTES:
        raise TooLargeError(f"a block of more than {BLOCK_BYTES} bytes")
    return found


def _without_snappy(data: bytes, size: int) -> bytes:
    try:
        return pa.Codec("snappy").decompress(data, size, asbytes=True)
    except OSError as error:  # Arrow's word for damage
        raise ValueError(f"a block is no Snappy: {error}") from error


def _varint(value: int) -> bytes:
    value <<= 1
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


# --- schemas ---------------------------------------------------------------------------------------------------------


_SIZES = {"boolean": 1, "float": 4, "double": 8}
_NAMED = ("record", "error", "enum", "fixed")


def _without_logical_types(schema: Any) -> Any:
    """Return a schema whose values are not made into dates and decimals: a decimal of a megabyte takes minutes."""
    if isinstance(schema, dict):
        return {key: _without_logical_types(value) for key, value in schema.items() if key != "logicalType"}
    return list(map(_without_logical_types, schema)) if isinstance(schema, list) else schema


def _takes_bytes(schema: Any, named: dict[str, Any], found: dict[str, bool], depth: int) -> bool:
    """Tell whether each value takes a byte at least, and each element inside; types that have a name are kept.

    `found` is what was told of those. ValueError for a schema that names itself, or is nested too deeply for any table.
    """
    if depth > 32:
        raise ValueError("a schema that is nested too deeply")
    kind = schema["type"] if isinstance(schema, dict) else schema
    if isinstance(kind, list):  # its number in front
        told = [_takes_bytes(one, named, found, depth + 1) for one in kind if one != "null"]
        return all(told)
    if isinstance(kind, dict):
        return _takes_bytes(kind, named, found, depth + 1)
    if kind in ("array", "map"):
        items = schema["items" if kind == "array" else "values"]
        return _takes_bytes(items, named, found, depth + 1) or kind == "map"
    if isinstance(schema, dict) and kind in _NAMED:
        name = schema["name"]
        named[name] = schema
        found[name] = _named_takes_bytes(schema, named, found, depth)
        return found[name]
    if kind in ("int", "long", "string", "bytes") or kind in _SIZES:
        return True
    if kind == "null":
        return False
    if kind not in found:
        raise ValueError(f"the type {kind} holds itself, or is not known")
    return found[kind]


def _named_takes_bytes(schema: Any, named: dict[str, Any], found: dict[str, bool], depth: int) -> bool:
    if schema["type"] == "fixed":
        return int(schema["size"]) > 0
    if schema["type"] == "enum":
        return True
    inner = [field["type"] for field in schema["fields"] if field["type"] != "null"]
    # Of each, so that all types with a name are known.
    told = [_takes_bytes(one, named, found, depth + 1) for one in inner]
    return bool(told) and all(told)


def _has_lists(schema: Any) -> bool:
    if isinstance(schema, dict):
        return schema.get("type") in ("array", "map") or any(map(_has_lists, schema.values()))
    return isinstance(schema, list) and any(map(_has_lists, schema))


class _Counted:
    """Goes over a block's values without making them, and counts the elements of lists."""

    def __init__(self, content: bytes, named: Mapping[str, Any]) -> None:
        self.stream, self.named, self.left = io.BytesIO(content), named, ELEMENTS

    def rows(self, schema: Any, count: int) -> None:
        """Go over the rows; TooLargeError for more elements than ELEMENTS."""
        for _ in range(count):
            self.value(schema)

    def value(self, schema: Any) -> None:
        """Go over one value."""
        kind = schema["type"] if isinstance(schema, dict) else schema
        if isinstance(kind, list):
            self.value(kind[signed(self.stream)])
        elif isinstance(kind, dict):
            self.value(kind)
        elif kind in ("record", "error"):
            for field in schema["fields"]:
                self.value(field["type"])
        elif kind in ("array", "map"):
            self._elements(schema["items"] if kind == "array" else schema["values"], keyed=kind == "map")
        elif kind in ("string", "bytes"):
            self.stream.seek(_length(signed(self.stream)), io.SEEK_CUR)
        elif kind in ("int", "long", "enum"):
            signed(self.stream)
        elif kind == "fixed" or kind in _SIZES:
            self.stream.seek(schema["size"] if kind == "fixed" else _SIZES[kind], io.SEEK_CUR)
        elif kind != "null":
            self.value(self.named[kind])

    def _elements(self, schema: Any, *, keyed: bool) -> None:
        while count := signed(self.stream):
            if count < 0:
                signed(self.stream)  # its bytes, which only a reader that skips needs
            self.left -= abs(count)
            if self.left < 0:
                raise TooLargeError(f"more than {ELEMENTS} elements in the lists of a block")
            for _ in range(abs(count)):
                if keyed:
                    self.value("string")
                self.value(schema)
