"""Megatron's indexed dataset: an `.idx` beside each shard's `.bin`, which is linked, not copied.

    magic (9 bytes), version 1 (uint64), dtype code (uint8), number of sequences and of documents + 1 (uint64 each),
    lengths of the sequences in tokens (int32), their offsets in bytes (int64), first sequence of each document and
    the end (int64)

One sequence is one document. `--data-path OUTPUT/SOURCE/train-00000` names a pair without its suffix.
"""

from __future__ import annotations

import shlex
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipelines.export.common import Shares, Source, link
from pipelines.files import storage
from pipelines.tokens import shards

MAGIC: Final = b"MMIDIDX\x00\x00"
VERSION: Final = 1
CODES: Final = {
    "uint16": 8,
    "uint32": 4,
}  # Megatron's codes of types; it has int32 where we have uint32: the same bytes
_HEADER: Final = struct.Struct("<9sQBQQ")


def index(ends: NDArray[np.uint64], dtype: str = "uint16") -> bytes:
    """Return the `.idx` of documents with these ends, in tokens of `dtype`.

    Raises ValueError for one of 2^31 tokens or more.
    """
    starts = np.concatenate([np.zeros(1, np.int64), ends.astype(np.int64)])
    lengths = np.diff(starts)
    if lengths.max(initial=0) >= 2**31:
        raise ValueError(f"a document of {lengths.max()} tokens does not fit into Megatron's int32 lengths")
    header = _HEADER.pack(MAGIC, VERSION, CODES[dtype], len(lengths), len(lengths) + 1)
    offsets = starts[:-1] * np.dtype(dtype).itemsize
    numbers = np.arange(len(lengths) + 1)
    return b"".join(
        [header, lengths.astype("<i4").tobytes(), offsets.astype("<i8").tobytes(), numbers.astype("<i8").tobytes()]
    )


def read_by(source: Source, output: Path) -> Iterator[str]:
    """Yield Megatron's options: shards with their tokens as weights, since it takes each of several for a set."""
    paths = {split: list(_weighted(source, split, output)) for split in source.manifest.splits}
    yield f"--data-path {' '.join(paths['train'])} --split 1,0,0"
    if paths.get("validation"):
        both = f"--train-data-path {' '.join(paths['train'])} --valid-data-path {' '.join(paths['validation'])}"
        yield f"or, with its validation split: {both}"


def mixed(shares: Shares, output: Path) -> str:
    """Return Megatron's option for all sources: a source's share is dealt out over its shards by their tokens."""
    return f"--data-path {' '.join(_mixed(shares, output))} --split 1,0,0"


def _mixed(shares: Shares, output: Path) -> Iterator[str]:
    for source, share in shares:
        found = [shard for split, shard in source.shards() if split == "train"]
        total = sum(shard.tokens for shard in found)
        for shard in found:
            yield f"{share * shard.tokens / total:.6g} {shlex.quote(str(output / source.name / shard.name))}"


def _weighted(source: Source, split: str, output: Path) -> Iterator[str]:
    for found, shard in source.shards():
        if found == split:
            yield f"{shard.tokens} {shlex.quote(str(output / source.name / shard.name))}"


def export(sources: Iterable[Source], output: Path) -> None:
    """Write OUTPUT/SOURCE/SHARD.idx and link SHARD.bin beside it."""
    for source in sources:
        for _, shard in source.shards():
            ends = shards.document_ends(source.directory, shard)
            link(source.file(shard, "bin"), output / source.name / f"{shard.name}.bin")
            storage.write_bytes(f"{output}/{source.name}/{shard.name}.idx", index(ends, source.manifest.dtype))
