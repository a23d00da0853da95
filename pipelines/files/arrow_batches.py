"""Arrow's IPC files, as streams and with a footer: each batch is measured by its message before anything is inflated.

    file or stream ─> messages (Flatbuffers, verified by Arrow) ─> lengths of arrays and buffers ─> checked batches

A buffer may be compressed, and says how long it is when inflated; an array may be long and take no byte. Arrow makes
what they say, so they are looked at first. Types of which one row can be larger than all of the file are not
read: runs, unions, views of lists, and dictionaries and views inside lists.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import pyarrow as pa

from pipelines.files.blocks import TooLargeError

BATCH_BYTES: Final = 1 << 30  # of a batch, inflated
DICTIONARY_BYTES: Final = 32 << 20  # of all dictionaries, whose values every row may name
BATCH_VALUES: Final = 32 << 20  # of an array of a batch
_FREE_VALUES: Final = 1 << 16  # that may take no byte, as nulls do

_MAGIC: Final = b"ARROW1\0\0"  # of a file with a footer: a stream lies between both
# The places of fields in the tables of Arrow's Message.fbs.
_HEADER, _DATA = 2, 1  # of a message, of a dictionary
_LENGTH, _NODES, _BUFFERS, _COMPRESSION = range(4)  # of a batch
_PAIR: Final = struct.Struct("<2q")  # length and nulls of an array; place and length of a buffer
_LISTS: Final = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list, pa.types.is_map)
_NEVER: Final = (
    pa.types.is_list_view,
    pa.types.is_large_list_view,
    pa.types.is_run_end_encoded,
    pa.types.is_union,
)
_NAMED: Final = (pa.types.is_dictionary, pa.types.is_string_view, pa.types.is_binary_view)
_RAW: Final = -1  # instead of a buffer's length: it is not compressed


def batches(source: Path | BinaryIO) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a file, or of a stream that is seekable, read twice; their values are valid.

    Raises TooLargeError for a batch that would take too much memory, ValueError and pyarrow's errors for a damaged one.
    """
    if isinstance(source, Path):
        with pa.memory_map(str(source)) as file:
            yield from _batches(pa.BufferReader(file.read_buffer()))
    else:
        yield from _batches(pa.PythonFile(cast(io.IOBase, source), "r"))


def schema(source: BinaryIO) -> pa.Schema:
    """Return the columns of a file or stream, from its first message; errors as those of `batches`."""
    file = pa.PythonFile(cast(io.IOBase, source), "r")
    file.seek(_start(file))
    return _checked(pa.ipc.open_stream(file).schema)


def _start(file: pa.NativeFile) -> int:
    return len(_MAGIC) if file.read(len(_MAGIC)) == _MAGIC else 0


def _checked(schema: pa.Schema) -> pa.Schema:
    for field in schema:
        _check_type(field.type, field.name)
    return schema


def _batches(file: pa.NativeFile) -> Iterator[pa.RecordBatch]:
    start = _start(file)
    file.seek(start)
    # Arrow's messages, one after the other; of a file in memory bodies stay where they are.
    dictionaries = 0
    for number, message in enumerate(pa.ipc.MessageReader.open_stream(file)):
        size = _check(message, f"message {number}")
        # Arrow keeps them all, those that add to others too.
        dictionaries += size if message.type == "dictionary" else 0
        if dictionaries > DICTIONARY_BYTES:
            raise TooLargeError(f"message {number}: dictionaries of {dictionaries:,} bytes together")
    file.seek(start)
    reader = pa.ipc.open_stream(file)
    _checked(reader.schema)
    for batch in reader:
        batch.validate(full=True)
        yield batch


def _check(message: Any, where: str) -> int:
    """Return the bytes of a batch or a dictionary when inflated; raise TooLargeError for one that is too large."""
    metadata = memoryview(message.metadata)
    header = _Table.root(metadata).table(_HEADER)
    if header is None or message.type not in ("record batch", "dictionary"):
        return 0
    most = BATCH_BYTES
    if message.type == "dictionary":
        header, most = header.table(_DATA), DICTIONARY_BYTES
    if header is None:
        raise ValueError(f"{where}: a dictionary without values")
    size = sum(_inflated(message.body, header))
    if size > most:
        raise TooLargeError(f"{where}: a {message.type} of {size:,} bytes")
    for length in (header.number(_LENGTH), *(length for length, _ in header.pairs(_NODES))):
        if length > min(BATCH_VALUES, max(_FREE_VALUES, 8 * size)):
            raise TooLargeError(f"{where}: {length:,} values in {size:,} bytes")
    return size


def _inflated(body: pa.Buffer, batch: _Table) -> Iterator[int]:
    """Yield the bytes of each buffer of a batch when it is inflated."""
    compressed = batch.table(_COMPRESSION) is not None
    for start, length in batch.pairs(_BUFFERS):
        if compressed and length:
            if not 0 <= start <= body.size - 8:
                raise ValueError(f"a buffer at byte {start} of {body.size}")
            (size,) = struct.unpack("<q", body.slice(start, 8).to_pybytes())
            yield length if size == _RAW else size
        else:
            yield length


class _Table:
    """A table of Flatbuffers, which Arrow has verified: the fields lie where the table's own table says."""

    def __init__(self, content: memoryview, start: int) -> None:
        self._content = content
        self._start = start

    @classmethod
    def root(cls, content: memoryview) -> _Table:
        """Return the outermost table."""
        return cls(content, struct.unpack_from("<I", content)[0])

    def table(self, field: int) -> _Table | None:
        """Return a field that is a table, None if it is not there."""
        place = self._followed(field)
        return None if place is None else _Table(self._content, place)

    def number(self, field: int) -> int:
        """Return a field that is a 64-bit number, 0 if it is not there."""
        place = self._place(field)
        return 0 if place is None else int(struct.unpack_from("<q", self._content, place)[0])

    def pairs(self, field: int) -> list[tuple[int, int]]:
        """Return a field that is a list of pairs of numbers, none if it is not there."""
        if (place := self._followed(field)) is None:
            return []
        (count,) = struct.unpack_from("<I", self._content, place)
        return list(_PAIR.iter_unpack(self._content[place + 4 : place + 4 + count * _PAIR.size]))

    def _followed(self, field: int) -> int | None:
        place = self._place(field)
        return None if place is None else place + int(struct.unpack_from("<I", self._content, place)[0])

    def _place(self, field: int) -> int | None:
        places = self._start - struct.unpack_from("<i", self._content, self._start)[0]
        (size,) = struct.unpack_from("<H", self._content, places)
        if 4 + 2 * field >= size:
            return None
        (offset,) = struct.unpack_from("<H", self._content, places + 4 + 2 * field)
        return self._start + int(offset) if offset else None


def _check_type(kind: pa.DataType, name: str, *, inside_list: bool = False) -> None:
    """Raise ValueError for a type of which one row can be larger than the file."""
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    never, named, listed = (any(test(kind) for test in tests) for tests in (_NEVER, _NAMED, _LISTS))
    if never or (named and inside_list):
        raise ValueError(f"column {name!r} has values of type {kind}, which are not read")
    inner = [kind.value_type] if pa.types.is_dictionary(kind) else [kind.field(n).type for n in range(kind.num_fields)]
    for one in inner:
        _check_type(one, name, inside_list=inside_list or listed)
