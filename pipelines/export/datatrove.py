"""datatrove's tokenised files: `.ds` and `.ds.index` are our `.bin` and `.index` under other names, linked.

    SHARD.ds            tokens, uint16 or uint32
    SHARD.ds.index      uint64 exclusive ends of the documents, in tokens
    SHARD.ds.metadata   "TOKENIZER|BYTES OF A TOKEN", the number of tokens, and the same for people

Its folder dataset reads every `.ds` of a folder: OUTPUT/SOURCE/train, OUTPUT/SOURCE/validation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pipelines.export.common import Source, link
from pipelines.files import storage


def read_by(source: Source, output: Path) -> Iterator[str]:
    """Yield the call that reads a split."""
    folder, size = str(output / source.name / "train"), source.manifest.token.itemsize
    yield f"DatatroveFolderDataset({folder!r}, seq_len=2048, token_size={size})"


def export(sources: Iterable[Source], output: Path) -> None:
    """Link each shard as OUTPUT/SOURCE/SPLIT/SHARD.ds with its index, and write the metadata."""
    for source in sources:
        name = f"sha256:{source.manifest.tokenizer_sha256[:12]}|{source.manifest.token.itemsize}"
        for split, shard in source.shards():
            path = output / source.name / split / f"{shard.name}.ds"
            link(source.file(shard, "bin"), path)
            link(source.file(shard, "index"), path.with_suffix(".ds.index"))
            content = f"{name}\n{shard.tokens}\n{shard.tokens / 1e6:.1f} MT"
            storage.write_bytes(f"{path}.metadata", content.encode())
