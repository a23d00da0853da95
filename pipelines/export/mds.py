"""MosaicML's MDS: one sample a document, `id` (str) and `tokens` (ndarray:uint16 or uint32), in shards of 64 MiB.

OUTPUT/SOURCE/SPLIT/index.json
OUTPUT/SOURCE/SPLIT/shard.00000.mds
    number of samples (uint32), where each begins and the last ends in the file (uint32), the shard's
    configuration as JSON, then the samples: sizes of the columns (uint32 each), the columns
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from pipelines.export.common import Shares, Source, Tokens
from pipelines.files import storage

SIZE_LIMIT: Final = 1 << 26  # MDSWriter's default
_LARGEST: Final = 1 << 32  # offsets are uint32
_COLUMNS: Final = ("id", "tokens")


def configuration(dtype: str) -> dict[str, Any]:
    """Return what a shard says of its columns; `dtype` is that of the tokens."""
    return {
        "column_encodings": ["str", f"ndarray:{dtype}"],
        "column_names": list(_COLUMNS),
        "column_sizes": [None, None],
        "compression": None,
        "format": "mds",
        "hashes": [],
        "size_limit": SIZE_LIMIT,
        "version": 2,
    }


def export(sources: Iterable[Source], output: Path) -> None:
    """Write every split of every source as a data set of its own."""
    for source in sources:
        for split in source.manifest.splits:
            documents = (row for found, shard in source.shards() if found == split for row in source.documents(shard))
            samples = (sample(name, tokens) for name, tokens in documents)
            _write(output / source.name / split, samples, configuration(source.manifest.dtype))


def read_by(source: Source, output: Path) -> Iterator[str]:
    """Yield the call that reads a split."""
    yield f"StreamingDataset(local={str(output / source.name / 'train')!r}, batch_size=1)"


def mixed(shares: Shares, output: Path) -> str:
    """Return the call that reads all sources, each by its share."""
    streams = ", ".join(
        f"Stream(local={str(output / source.name / 'train')!r}, proportion={share:.6g})" for source, share in shares
    )
    return f"StreamingDataset(streams=[{streams}], batch_size=1)"


def sample(identifier: str, tokens: Tokens) -> bytes:
    """Return one document as an MDS sample."""
    name = identifier.encode()
    # A shape is one byte, its dimensions (here 1) times four and the power of two of their size, then the dimensions.
    power = next(power for power in range(4) if len(tokens) < 1 << (8 << power))
    array = bytes([1 << 2 | power]) + len(tokens).to_bytes(1 << power, "little") + tokens.tobytes()
    return np.array([len(name), len(array)], "<u4").tobytes() + name + array


def _write(directory: Path, samples: Iterable[bytes], described: Mapping[str, Any]) -> None:
    shards = []
    for number, group in enumerate(_groups(samples)):
        content = shard(group, described)
        name = f"shard.{number:05d}.mds"
        storage.write_bytes(f"{directory}/{name}", content)
        raw = {"basename": name, "bytes": len(content), "hashes": {}}
        shards.append({**described, "raw_data": raw, "samples": len(group), "zip_data": None})
    if shards:
        storage.write_bytes(f"{directory}/index.json", json.dumps({"shards": shards, "version": 2}).encode())


def _groups(samples: Iterable[bytes]) -> Iterator[list[bytes]]:
    group: list[bytes] = []
    size = 0
    for found in samples:
        if group and size + len(found) > SIZE_LIMIT:
            yield group
            group, size = [], 0
        group.append(found)
        size += len(found) + 4
    if group:
        yield group


def shard(samples: Sequence[bytes], described: Mapping[str, Any]) -> bytes:
    """Return the bytes of a shard of these samples; raise ValueError if it would be 4 GiB or more."""
    columns = json.dumps(described, sort_keys=True).encode()
    head = 4 * (len(samples) + 2) + len(columns)
    offsets = np.cumsum([head, *map(len, samples)])
    if offsets[-1] >= _LARGEST:
        raise ValueError(f"a document of {offsets[-1] - head} bytes does not fit into an MDS shard")
    return b"".join([np.uint32(len(samples)).tobytes(), offsets.astype("<u4").tobytes(), columns, *samples])
