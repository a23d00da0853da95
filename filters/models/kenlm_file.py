"""What a language model's file says, checked before KenLM opens it: KenLM follows what a binary file says unasked.

    ARPA, or a binary file of probing hash tables or of a trie ─> check, or a ValueError

A binary file is used where it lies in memory (lm/binary_format.cc, search_hashed.hh, trie.hh, vocab.cc): a word's
number is a place in an array, a pointer of a trie a range of another, and a lookup in a hash table ends at an empty
slot. All of them are looked at here, once, in memory that does not grow with the file, so that a damaged or hostile
file is refused by name. Two kinds that build_binary makes on request, rest costs and compressed pointers, are not read.
"""

from __future__ import annotations

import mmap
import os
import re
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from filters.models.require import require

# An order of 2 is the least that KenLM's search is made for, 6 the most that it is compiled for.
ORDERS: Final = range(2, 7)
# Linear probing is read to the next empty slot. With build_binary's factor of 1.5 a run has some hundred at the most.
LONGEST_RUN: Final = 1 << 16  # slots
LARGEST_FACTOR: Final = 1000.0
LEAST_LINE: Final = 4  # bytes of an n-gram in an ARPA file: a digit, a tab, a letter, a line's end
MOST_QUANTISED_BITS: Final = 25

_PROBING, _TRIE, _QUANTISED_TRIE = 0, 2, 3
_VERSIONS: Final = {_PROBING: 0, _TRIE: 1, _QUANTISED_TRIE: 1}  # of the search
_QUANTISER: Final = 2
_MAGIC: Final = b"mmap lm http://kheafield.com/code format version 5\n\0"
_FORMAT: Final = b"mmap lm http://kheafield.com/code"
_SANITY: Final = struct.Struct("<56s3f3IQ")
_AS_HERE: Final = (_MAGIC.ljust(56, b"\0"), 0.0, 1.0, -0.5, 1, 2**32 - 1, 0, 1)
_PARAMETERS: Final = struct.Struct("<B3xfIB3xI")  # order, factor, kind, has words, version of the search
_CHUNK: Final = 1 << 18  # entries
_ARPA_HEADER: Final = 1 << 16  # bytes
_COUNT: Final = re.compile(rb"ngram ([1-9])=([0-9]{1,18})")


class _Table(NamedTuple):
    """A hash table: what it holds, its first byte, its slots, the bytes of a slot."""

    name: str
    start: int
    slots: int
    width: int


def check(path: Path) -> None:
    """Raise a ValueError that names the path, the field and its value if KenLM cannot open a file safely.

    Raises OSError if there is no such file.
    """
    with path.open("rb") as stream:
        if not os.fstat(stream.fileno()).st_size:
            raise ValueError(f"{path} is not a KenLM model: the file is empty")
        content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        if content[: len(_FORMAT)] == _FORMAT:
            _check_binary(content)
        else:
            _check_arpa(content)
    except ValueError as error:
        raise ValueError(f"{path} is not a KenLM model that can be used: {error}") from error


def _check_arpa(content: mmap.mmap) -> None:
    """Check the counts of an ARPA file: KenLM allocates what they say before it reads a line.

    Each line of the head must be as lmplz writes it: KenLM takes more for a number than it is.
    """
    first, *lines = content[:_ARPA_HEADER].lstrip().split(b"\n")
    require(first.rstrip() == b"\\data\\", "the beginning", first[:20], r"must be \data\ or that of a binary file")
    counts: list[int] = []
    for line in lines:
        if not line.strip():
            break
        told = _COUNT.fullmatch(line.rstrip())
        n, count = map(int, told.groups()) if told else (0, 0)
        require(n > 0, "a line of the head", line[:40], "must be ngram N=COUNT")
        require(n == len(counts) + 1, "a line of the head", line[:40], "is out of order")
        counts.append(count)
    else:
        require(False, "the head", f"{len(content):,} bytes", "must end with an empty line")
    require(len(counts) in ORDERS, "the order", len(counts), f"must be {ORDERS[0]} to {ORDERS[-1]}")
    most = len(content) // LEAST_LINE
    require(sum(counts) <= most, "the number of n-grams", sum(counts), f"a file of this size has at most {most:,}")


def _check_binary(content: mmap.mmap) -> None:
    require(len(content) >= _SANITY.size + _PARAMETERS.size, "the size", len(content), "the header is cut short")
    require(_SANITY.unpack_from(content) == _AS_HERE, "the format", "another", "build it again from its ARPA file")
    order, factor, kind, _, version = _PARAMETERS.unpack_from(content, _SANITY.size)
    require(order in ORDERS, "the order", order, f"must be {ORDERS[0]} to {ORDERS[-1]}")
    require(
        kind in _VERSIONS,
        "the kind",
        kind,
        "must be probing (0) or a trie without compressed pointers (2, 3): build it again with build_binary probing, "
        "trie or trie -q BITS -b BITS, or give the ARPA file",
    )
    require(version == _VERSIONS[kind], "the version of the search", version, f"must be {_VERSIONS[kind]}")
    require(1 <= factor <= LARGEST_FACTOR, "the factor of probing", factor, f"must be 1 to {LARGEST_FACTOR}")
    start = _SANITY.size + _PARAMETERS.size
    require(start + 8 * order <= len(content), "the size", len(content), "the counts are cut short")
    counts = struct.unpack_from(f"<{order}Q", content, start)
    # No n-gram takes less than a bit, and no count may be so large that a sum of sizes has more than 64.
    most = 8 * len(content)
    require(max(counts) <= most, "a number of n-grams", max(counts), f"a file of this size has at most {most:,}")
    require(0 < counts[0] < 2**32 - 1, "the number of words", counts[0], "must be 1 to 4,294,967,294")
    start = _aligned(start + 8 * order)
    if kind == _PROBING:
        _check_probing(content, start, counts, factor)
    else:
        _check_trie(content, start, counts, quantised=kind == _QUANTISED_TRIE)


def _check_probing(content: mmap.mmap, start: int, counts: Sequence[int], factor: float) -> None:
    """Check a hash table of words, an array of words' values, and a hash table of each longer n-gram."""
    words = _Table("words", start + 8, _slots(counts[0], factor), 12)
    at = _end(words) + 8 * (counts[0] + 1)
    tables = [words]
    for n, count in enumerate(counts[1:], 2):
        tables.append(_Table(f"{n}-grams", at, _slots(count, factor), 12 if n == len(counts) else 16))
        at = _end(tables[-1])
    _check_size(content, at)
    for table in tables:
        _check_empty_slots(content, table)
    for entries in _entries(content, words):
        largest = int(entries["value"].max())
        require(largest <= counts[0], "a word's number", largest, f"must be at most {counts[0]:,}")


def _slots(count: int, factor: float) -> int:
    """Return KenLM's number of slots, which it computes in 32-bit floats."""
    return max(count + 1, int(np.float32(factor) * np.float32(count)))


def _end(table: _Table) -> int:
    return table.start + table.slots * table.width


def _entries(content: mmap.mmap, table: _Table) -> Iterator[NDArray[Any]]:
    """Yield the keys and the first values of a table's slots."""
    slot = np.dtype({"names": ["key", "value"], "formats": ["<u8", "<u4"], "offsets": [0, 8], "itemsize": table.width})
    for first in range(0, table.slots, _CHUNK):
        yield np.frombuffer(content, slot, min(_CHUNK, table.slots - first), table.start + first * table.width)


def _check_empty_slots(content: mmap.mmap, table: _Table) -> None:
    """Check that a lookup ends, and soon."""
    run = 0
    for entries in _entries(content, table):
        empty = np.flatnonzero(entries["key"] == 0)
        edges = np.concatenate([[-1 - run], empty, [len(entries)]])
        longest = int(np.diff(edges).max()) - 1
        require(
            longest <= LONGEST_RUN, f"a run of full slots of {table.name}", longest, f"must be at most {LONGEST_RUN:,}"
        )
        run = int(edges[-1] - edges[-2]) - 1
    require(run < table.slots, f"the empty slots of {table.name}", 0, "must be at least 1")


def _check_trie(content: mmap.mmap, start: int, counts: Sequence[int], *, quantised: bool) -> None:
    """Check the sorted words, and that the pointers of each order are ranges of the next."""
    _check_size(content, start + 8 * (1 + counts[0]))
    (words,) = struct.unpack_from("<Q", content, start)
    require(words <= counts[0], "the number of sorted words", words, f"must be at most {counts[0]:,}")
    at = start + 8 * (1 + counts[0])
    middle, longest = 63, 31
    if quantised:
        _check_size(content, at + 8)
        version, longest, backoff = content[at : at + 3]
        require(version == _QUANTISER, "the version of the quantiser", version, f"must be {_QUANTISER}")
        for bits in (longest, backoff):
            require(
                1 <= bits <= MOST_QUANTISED_BITS, "the bits of a value", bits, f"must be 1 to {MOST_QUANTISED_BITS}"
            )
        middle = longest + backoff
        at += 8 + 4 * ((len(counts) - 2) * (2**longest + 2**backoff) + 2**longest)
    unigrams, at = at, at + 16 * (counts[0] + 2)
    packed: list[tuple[int, int, int, int]] = []  # first byte, entries, bits of an entry, bits of its pointer
    bits = counts[0].bit_length()
    for count, following in zip(counts[1:], [*counts[2:], 0], strict=True):
        pointer = following.bit_length()
        width = bits + (longest if len(packed) == len(counts) - 2 else middle) + pointer
        packed.append((at, count, width, pointer))
        at += ((1 + count) * width + 7) // 8 + 8
    _check_size(content, at)
    _check_pointers("1-grams", _pointers_of_words(content, unigrams, counts[0] + 1), counts[1])
    for n, (first, count, width, pointer) in enumerate(packed[:-1], 2):
        _check_pointers(f"{n}-grams", _packed_pointers(content, first, count + 1, width, pointer), counts[n])


def _pointers_of_words(content: mmap.mmap, start: int, count: int) -> Iterator[NDArray[np.uint64]]:
    for first in range(0, count, _CHUNK):
        size = min(_CHUNK, count - first)
        yield np.frombuffer(content, "<u8", 2 * size, start + 16 * first)[1::2]


def _packed_pointers(content: mmap.mmap, start: int, count: int, width: int, bits: int) -> Iterator[NDArray[np.uint64]]:
    """Yield the last `bits` of entries of `width` bits each; 57 at the most, so eight bytes hold them."""
    raw = np.frombuffer(content, np.uint8)
    mask = np.uint64((1 << bits) - 1)
    for first in range(0, count, _CHUNK):
        places = np.arange(first, min(first + _CHUNK, count), dtype=np.uint64) * np.uint64(width)
        places += np.uint64(width - bits)
        window = raw[(places >> np.uint64(3)).astype(np.int64)[:, None] + (start + np.arange(8))]
        yield window.view("<u8").ravel() >> (places & np.uint64(7)) & mask


def _check_pointers(name: str, chunks: Iterator[NDArray[np.uint64]], most: int) -> None:
    before = np.uint64(0)
    for pointers in chunks:
        edges = np.concatenate([[before], pointers])
        require(bool((edges[1:] >= edges[:-1]).all()), f"a pointer of {name}", "before the last one", "must not be")
        before = pointers[-1]
    require(int(before) <= most, f"a pointer of {name}", int(before), f"must be at most {most:,}")


def _check_size(content: mmap.mmap, size: int) -> None:
    require(size <= len(content), "the size", f"{len(content):,} bytes", f"the header says at least {size:,}")


def _aligned(size: int) -> int:
    return (size + 7) // 8 * 8
