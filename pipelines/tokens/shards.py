"""Token shards: raw tokens, uint64 document ends, document ids, and one manifest per source. All little-endian.

    DIRECTORY/manifest.json              written last: what it does not name is not there
    DIRECTORY/train-00000.bin            tokens of all documents, one after the other: uint16 where the vocabulary fits
                                         into it, else uint32
    DIRECTORY/train-00000.index          uint64 exclusive ends of the documents, in tokens
    DIRECTORY/train-00000.documents.parquet   each document in the same order: its id, the bytes of its text, and the
                                              file and row of SOURCE/documents that hold it
    DIRECTORY/validation-00000.*         the same for the validation split

Of uint16 the same bytes are a nanoGPT `.bin`. This module imports no Beam: the trainer reads with it.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.files import storage
from tokenizer.spec import FILES, LARGEST_VOCABULARY

FORMAT = "altiplano-shards/2"
TOKEN = np.dtype("<u2")
END = np.dtype("<u8")
SPLITS = ("train", "validation")
# A build keeps the models that it trained under models/; a corpus of tokens alone may bring its tokenizer beside them.
TOKENIZERS = tuple(f"{folder}/{name}" for folder in ("models/tokenizer", "tokenizer") for name in FILES)
SUFFIXES = ("bin", "index", "documents.parquet")
COUNTS = ("documents", "tokens", "text_bytes")
# Of a shard's documents, so many are read to find one.
GROUP_ROWS = 1 << 14
_DOCUMENTS = pa.schema(
    pa.field(name, kind)
    for name, kind in [("id", pa.string()), ("bytes", pa.int64()), ("file", pa.string()), ("row", pa.int64())]
)


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard as the manifest names it: its counts and the SHA-256 of each of its three files."""

    name: str
    tokens: int
    documents: int
    text_bytes: int
    bin_sha256: str
    index_sha256: str
    documents_sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What one source's token directory holds.

    `tokenizer_sha256` is the digest of the tokenizer's file, `vocabulary` its number of ids, `dtype` how they are
    stored; `bos_id` and `eos_id` stand around every document (None: not written). `languages` says what each split
    holds by language. `leaving` counts the documents that are trained on though the hash of their id says that they are
    held out: training has near-duplicates of them.
    """

    source: str
    tokenizer_sha256: str
    vocabulary: int
    bos_id: int | None
    eos_id: int | None
    recipe: dict[str, Any]
    splits: dict[str, tuple[Shard, ...]]
    languages: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    dtype: str = "uint16"
    leaving: int = 0
    format: str = FORMAT

    @property
    def token(self) -> np.dtype[Any]:
        """How a token is stored."""
        return np.dtype(self.dtype).newbyteorder("<")

    def total(self, split: str, what: str) -> int:
        """Return the sum of `tokens`, `documents` or `text_bytes` over a split's shards."""
        return sum(getattr(shard, what) for shard in self.splits[split])

    def empty_splits(self) -> list[str]:
        """Return the splits that hold no documents."""
        return [split for split in SPLITS if split not in self.splits or not self.total(split, "documents")]

    def grand_total(self, what: str) -> int:
        """Return the sum of `tokens`, `documents` or `text_bytes` over all splits."""
        return sum(self.total(split, what) for split in self.splits)

    def language_total(self, split: str, what: str) -> int:
        """Return the sum of `tokens`, `documents` or `text_bytes` over a split's languages."""
        return sum(counts[what] for counts in self.languages.get(split, {}).values())

    def by_language(self) -> dict[str, dict[str, int]]:
        """Return `documents`, `tokens` and `text_bytes` of each language over all splits, in the order of names."""
        names = sorted({name for split in self.languages.values() for name in split})
        every = {name: [split[name] for split in self.languages.values() if name in split] for name in names}
        return {name: {what: sum(counts[what] for counts in found) for what in COUNTS} for name, found in every.items()}

    def to_json(self) -> str:
        """Return the manifest as canonical JSON."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"

    @classmethod
    def load(cls, directory: Path | str) -> Manifest:
        """Read DIRECTORY/manifest.json.

        Raises ValueError naming the file if it is missing, damaged, of another format, or names what is not in its
        directory.
        """
        path = f"{directory}/manifest.json"
        try:
            fields = json.loads(storage.read_bytes(path).decode())
        except FileNotFoundError:
            raise ValueError(
                f"{path}: no manifest, so there are no token shards here (was the build finished?)"
            ) from None
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}: not JSON: {error}") from None
        found = fields.get("format") if isinstance(fields, dict) else fields
        if found != FORMAT:
            raise ValueError(f"{path}: format is {found!r}, this reads {FORMAT!r}")
        try:
            fields["splits"] = {
                split: tuple(Shard(**shard) for shard in shards) for split, shards in fields["splits"].items()
            }
            manifest = cls(**fields)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path}: damaged: {error!r}") from None
        _check_names(manifest, path)
        _check_ids(manifest, path)
        return manifest


def identity(tokenizer_sha256: str, splits: Mapping[str, Iterable[tuple[str, str]]]) -> str:
    """Return what identifies a source's tokens, of the digests of its tokenizer and of its shards, by split."""
    parts = [tokenizer_sha256]
    for split, shards in sorted(splits.items()):
        parts += [f"{split} {tokens} {index}" for tokens, index in shards]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _check_names(manifest: Manifest, path: str) -> None:
    """Refuse names that lead out of a directory: they become paths that are read, and written by an export."""
    shards = [shard for found in manifest.splits.values() for shard in found]
    for name in (manifest.source, *manifest.splits, *(shard.name for shard in shards)):
        if "/" in storage.inside(name, path):
            raise ValueError(f"{path}: it names {name!r}; a name without folders is expected")
    for shard in shards:
        for what in COUNTS:
            count = getattr(shard, what)
            if type(count) is not int or count < 0:
                raise ValueError(f"{path}: {what} of {shard.name} is {count!r}; a number from 0 is expected")


def _check_ids(manifest: Manifest, path: str) -> None:
    """Refuse what no shard can hold: readers size a model's tables by these numbers."""
    if manifest.dtype not in ("uint16", "uint32"):
        raise ValueError(f"{path}: dtype is {manifest.dtype!r}; 'uint16' or 'uint32' is expected")
    largest = 1 << 16 if manifest.dtype == "uint16" else LARGEST_VOCABULARY
    if type(manifest.vocabulary) is not int or not 0 < manifest.vocabulary <= largest:
        raise ValueError(
            f"{path}: vocabulary is {manifest.vocabulary!r}, 1 to {largest:,} is expected of {manifest.dtype}"
        )
    for what, id_ in (("bos_id", manifest.bos_id), ("eos_id", manifest.eos_id)):
        if id_ is not None and (type(id_) is not int or not 0 <= id_ < manifest.vocabulary):
            raise ValueError(f"{path}: {what} is {id_!r}, a piece of {manifest.vocabulary:,} is expected")


def tokens(directory: Path | str, shard: Shard, dtype: np.dtype[Any] = TOKEN) -> npt.NDArray[Any]:
    """Map a shard's tokens, shape (shard.tokens,), without copying; raise ValueError if the length is wrong.

    `dtype` is `Manifest.token`. Those of a remote shard are read.
    """
    return _map(f"{directory}/{shard.name}.bin", dtype, shard.tokens)


def document_ends(directory: Path | str, shard: Shard) -> npt.NDArray[np.uint64]:
    """Map a shard's exclusive document ends, shape (shard.documents,), in tokens; raise ValueError likewise."""
    return _map(f"{directory}/{shard.name}.index", END, shard.documents)


def _map(path: str, dtype: np.dtype[Any], length: int) -> npt.NDArray[Any]:
    try:
        size = storage.size(path)
    except FileNotFoundError:
        raise ValueError(f"{path}: the manifest names this shard, but the file is missing") from None
    if size != length * dtype.itemsize:
        raise ValueError(f"{path}: {size} bytes, the manifest says {length * dtype.itemsize}")
    if storage.is_remote(path):
        return np.frombuffer(storage.read_bytes(path), dtype)
    if length == 0:
        return np.empty(0, dtype)
    return np.memmap(path, dtype=dtype, mode="r")


def document_table(rows: Iterable[tuple[str, int, str, int]]) -> bytes:
    """Return the Parquet file of a shard's documents, each (id, UTF-8 bytes of its text, file, row)."""
    columns = list(zip(*rows, strict=True)) or [()] * len(_DOCUMENTS)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, _DOCUMENTS, strict=True)]
    table = pa.table(arrays, schema=_DOCUMENTS)
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", row_group_size=GROUP_ROWS)
    return sink.getvalue()


def tokenizer_of(corpus: Path) -> Path:
    """Return the path of a corpus' tokenizer; raise ValueError naming where it could be if it is nowhere."""
    for name in TOKENIZERS:
        if (corpus / name).exists():
            return corpus / name
    raise ValueError(f"{corpus}: the corpus has no tokenizer, neither {' nor '.join(TOKENIZERS)}")


def sources(tokens_directory: Path | str) -> Iterator[str]:
    """Yield the names of the sources that have token shards under a corpus' `tokens` directory, sorted."""
    for path in storage.files_in(str(tokens_directory)):
        name, _, file = path.removeprefix(f"{tokens_directory}/").partition("/")
        if file == "manifest.json":
            yield name


def paths_of(directory: str, name: str) -> list[str]:
    """Return the paths of a shard's files."""
    return [f"{directory}/{name}.{suffix}" for suffix in SUFFIXES]
