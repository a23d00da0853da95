"""Documents to token shards.

    documents of one item ─ encode ─> a run of blobs for each split, sorted by the keyed hash of the document's id
    runs of all items ─ shuffle by shard ─> shard: the documents of one range of hashes, in the order of hashes

A shard is therefore an unbiased sample of its source, and the same on any runner, with any number of workers. Beside
its tokens it says of each document in which file of documents it lies, and in which row: a token is traced to its
record without looking for it.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipelines.files import runs, storage, strays, tables
from pipelines.files.current import renewed
from pipelines.hashing import SCALE, digest_of, is_held_out, keyed
from pipelines.recipes import Shards
from pipelines.stages.graph import Node
from pipelines.stages.jobs import Job, Shuffle, not_done, pending
from pipelines.stages.source import Model
from pipelines.tokens import shards, tokenizers

VERSION = 3
_HEADER = struct.Struct("<III")  # length of the id, UTF-8 bytes of the text, row in the file; then the id, the tokens
_BATCH = 256
UNDETERMINED = "und"  # ISO 639's code for a document whose language nobody said


# Documents, tokens and UTF-8 bytes of text, by language.
Totals = dict[str, list[int]]


@dataclass(frozen=True)
class Encode:
    """One document shard to be encoded into a run for each split.

    `leaving` are the rows of documents that are trained on though the hash of their id says that they are held out:
    training has near-duplicates of them.
    """

    documents: str
    directory: str
    name: str
    tokenizer: str
    recipe: Shards
    identity: str
    leaving: tuple[int, ...] = ()

    @property
    def manifest(self) -> str:
        """The path of the manifest."""
        return f"{self.directory}/{self.name}.json"

    def split_of(self, identifier: str, row: int) -> str:
        """Return the split of the document in a row."""
        held_out = is_held_out(identifier, self.recipe.validation) and row not in self.leaving
        return "validation" if held_out else "train"

    def run(self, split: str) -> str:
        """Return the path of a split's run."""
        return f"{self.directory}/{self.name}.{split}.run"


def encode(task: Encode) -> None:
    """Encode one document shard."""
    with renewed(task.manifest, task.identity) as facts:
        tokenizer = tokenizers.loaded(task.tokenizer)
        found: dict[str, tuple[list[int], list[bytes]]] = {split: ([], []) for split in shards.SPLITS}
        totals: dict[str, Totals] = {split: {} for split in shards.SPLITS}
        rows = enumerate(tables.read_rows(task.documents, ["id", "text", "language"]))
        while batch := list(islice(rows, _BATCH)):
            texts = [document["text"] for _, document in batch]
            encoded = tokenizer.encode_batch(texts, bos=task.recipe.bos, eos=task.recipe.eos)
            for (row, document), tokens in zip(batch, encoded, strict=True):
                split = task.split_of(document["id"], row)
                name, size = document["id"].encode(), len(document["text"].encode())
                header = _HEADER.pack(len(name), size, row)
                found[split][0].append(keyed("shard", document["id"]))
                found[split][1].append(header + name + tokens.tobytes())
                _count(totals[split], document["language"] or UNDETERMINED, (1, len(tokens), size))
        for split, (hashes, payloads) in found.items():
            runs.write_blobs(task.run(split), hashes, payloads, buckets=1)
        facts |= {"totals": totals, "leaving": len(task.leaving)}


def _count(totals: Totals, language: str, counts: Sequence[int]) -> None:
    """Add documents, tokens and text bytes to those of a language."""
    totals[language] = [a + b for a, b in zip(totals.get(language, (0, 0, 0)), counts, strict=True)]


@dataclass(frozen=True)
class WriteShards:
    """The shuffle that writes one source's shards.

    `counts` is the number of shards of each split, `itemsize` the bytes of a token.
    """

    directory: str
    work: str
    counts: dict[str, int]
    identity: str
    itemsize: int

    def split(self, element: tuple[int, str, str]) -> Iterator[tuple[int, runs.Slice]]:
        """Yield (shard, slice) of one run: a shard is a range of hashes, and runs are sorted by hash."""
        item, split, path = element
        records = int(runs.bucket_starts(path)[-1])
        hashes = runs.read_keys(runs.Slice(item, path, 0, records), runs.BLOB)["hash"]
        count = self.counts[split]
        limits = [min(-(-shard * SCALE // count), SCALE - 1) for shard in range(1, count)]
        starts = [0, *np.searchsorted(hashes, np.array(limits, np.uint64)).tolist(), records]
        first = sum(self.counts[before] for before in shards.SPLITS[: shards.SPLITS.index(split)])
        for shard in range(count):
            if starts[shard + 1] > starts[shard]:
                yield first + shard, runs.Slice(item, path, starts[shard], starts[shard + 1] - starts[shard])

    def names(self) -> list[str]:
        """Return the shards' names, numbered through all splits."""
        return [self.name(shard) for shard in range(sum(self.counts.values()))]

    def name(self, shard: int) -> str:
        """Return a shard's name by its number through all splits."""
        for split in shards.SPLITS:
            if shard < self.counts[split]:
                return f"{split}-{shard:05d}"
            shard -= self.counts[split]
        raise IndexError(f"there is no shard {shard} behind the last one")

    def manifest(self, shard: int) -> str:
        """Return the path of a shard's manifest."""
        return f"{self.work}/{self.name(shard)}.json"

    def reduce(self, shard: int, found: Sequence[runs.Slice]) -> None:
        """Write one shard: documents sorted by hash, ties by id; RuntimeError if two documents have one id."""
        with renewed(self.manifest(shard), self.identity) as facts:
            documents = sorted(
                _Encoded(key, *_unpack(payload), _file_of(where.path))
                for where in found
                for key, payload in runs.read_blobs(where)
            )
            for document, following in pairwise(documents):
                if document[:2] == following[:2]:
                    raise RuntimeError(f"{self.directory}: two documents have the id {document.id}")
            lengths = [len(document.tokens) // self.itemsize for document in documents]
            contents = {
                "bin": b"".join(document.tokens for document in documents),
                "index": np.cumsum(lengths, dtype=np.uint64).astype(shards.END).tobytes(),
                "documents.parquet": shards.document_table(
                    (document.id, document.size, document.file, document.row) for document in documents
                ),
            }
            name = self.name(shard)
            digests = {}
            for suffix, content in contents.items():
                storage.write_bytes(f"{self.directory}/{name}.{suffix}", content)
                digests[suffix] = hashlib.sha256(content).hexdigest()
            entry = shards.Shard(
                name=name,
                tokens=sum(lengths),
                documents=len(documents),
                text_bytes=sum(document.size for document in documents),
                bin_sha256=digests["bin"],
                index_sha256=digests["index"],
                documents_sha256=digests["documents.parquet"],
            )
            facts["shard"] = asdict(entry)


class _Encoded(NamedTuple):
    """One document on its way into a shard; sorted by hash and id."""

    key: int
    id: str
    size: int
    row: int
    tokens: bytes
    file: str


def _unpack(payload: bytes) -> tuple[str, int, int, bytes]:
    length, size, row = _HEADER.unpack_from(payload)
    start = _HEADER.size + length
    return payload[_HEADER.size : start].decode(), size, row, payload[start:]


def _file_of(run: str) -> str:
    """Return the name of the file of documents that a run was encoded from: see `Encode.run`."""
    return run.rpartition("/")[2].rsplit(".", 2)[0]


@dataclass
class Tokens:
    """One source's way from finished documents to shards, as two nodes of the graph.

    `leaving` gives the rows of a file of documents that are not held out, though the hash of their id says so.
    """

    source: str
    output: str
    recipe: Shards
    documents: Callable[[], Sequence[tuple[str, str]]]
    tokenizer: Callable[[], Model]
    leaving: Callable[[str], tuple[int, ...]] = lambda documents: ()

    @property
    def directory(self) -> str:
        """Where the shards and their manifest are."""
        return f"{self.output}/tokens/{self.source}"

    @property
    def work(self) -> str:
        """Where runs and the manifests of single shards are."""
        return f"{self.output}/work/tokens/{self.source}"

    def nodes(self, after: str) -> Iterator[Node]:
        """Yield the nodes; `after` is the node that says which documents are held out."""
        yield Node(f"{self.source}/encode", (after, "models/tokenizer"), self._plan_encode)
        yield Node(f"{self.source}/shards", (f"{self.source}/encode",), self._plan_shards)

    def _tasks(self) -> list[Encode]:
        model = self.tokenizer()
        encoding = replace(self.recipe, shard_tokens=0)  # how long shards are is no part of what is encoded
        return [
            Encode(
                documents=path,
                directory=self.work,
                name=Path(path).stem,
                tokenizer=model.path,
                recipe=self.recipe,
                identity=digest_of(VERSION, digest, model.digest, encoding, *([leaving] if leaving else [])),
                leaving=leaving,
            )
            for path, digest, leaving in ((*found, self.leaving(found[0])) for found in sorted(self.documents()))
        ]

    def _plan_encode(self) -> list[Job]:
        def weigh(tasks: Sequence[Encode]) -> list[float]:
            return storage.together(lambda task: float(storage.size(task.documents)), tasks, self.output)

        return pending(f"{self.source}/encode", encode, self._tasks(), weigh)

    def _totals(self, tasks: Sequence[Encode]) -> dict[str, Totals]:
        """Return what each split holds by language, as it was encoded."""
        found: dict[str, Totals] = {split: {} for split in shards.SPLITS}
        for row in storage.read_jsons([task.manifest for task in tasks]):
            for split, totals in row["totals"].items():
                for language, counts in totals.items():
                    _count(found[split], language, counts)
        return found

    def _shuffle(self) -> tuple[WriteShards, list[Encode], dict[str, Totals]]:
        tasks = self._tasks()
        totals = self._totals(tasks)
        tokens = {split: sum(counts[1] for counts in totals[split].values()) for split in shards.SPLITS}
        counts = {split: max(1, -(-tokens[split] // self.recipe.shard_tokens)) for split in shards.SPLITS}
        identity = digest_of(VERSION, [task.identity for task in tasks], counts)
        itemsize = tokenizers.loaded(self.tokenizer().path).dtype.itemsize
        return WriteShards(self.directory, self.work, counts, identity, itemsize), tasks, totals

    def _plan_shards(self) -> list[Job | Shuffle]:
        write, tasks, _ = self._shuffle()
        numbers = range(len(write.names()))
        elements = [(i, split, task.run(split)) for i, task in enumerate(tasks) for split in shards.SPLITS]
        outputs = [write.manifest(number) for number in numbers]
        shuffle = Shuffle(f"{self.source}/shards", write.split, elements, write.reduce, numbers, outputs)
        return not_done(shuffle, write.identity)

    def remove_strays(self) -> list[str]:
        """Remove files of shards that there are no longer; return lines that say which, and what stays."""
        write, _, _ = self._shuffle()
        kept = {path for name in write.names() for path in shards.paths_of(self.directory, name)}
        kept.add(f"{self.directory}/manifest.json")
        return strays.clear(self.directory, kept, lambda name: f"{self.work}/{name.partition('.')[0]}.json")

    def finish(self) -> shards.Manifest:
        """Write the source's token manifest, last.

        Raises RuntimeError if the shards do not hold as much as was encoded.
        """
        write, tasks, totals = self._shuffle()
        tokenizer = tokenizers.loaded(self.tokenizer().path)
        found: dict[str, list[shards.Shard]] = {split: [] for split in shards.SPLITS}
        names = write.names()
        rows = storage.read_jsons([write.manifest(number) for number in range(len(names))])
        for name, row in zip(names, rows, strict=True):
            found[name.rpartition("-")[0]].append(shards.Shard(**row["shard"]))
        manifest = shards.Manifest(
            source=self.source,
            tokenizer_sha256=tokenizer.sha256,
            vocabulary=tokenizer.vocabulary,
            bos_id=tokenizer.bos if self.recipe.bos else None,
            eos_id=tokenizer.eos if self.recipe.eos else None,
            recipe=asdict(self.recipe),
            dtype=tokenizer.dtype.name,
            leaving=sum(len(task.leaving) for task in tasks),
            splits={split: tuple(entries) for split, entries in found.items()},
            languages={
                split: {
                    language: dict(zip(shards.COUNTS, counts, strict=True)) for language, counts in by_language.items()
                }
                for split, by_language in totals.items()
            },
        )
        for split in shards.SPLITS:
            held, encoded = (
                [read(split, what) for what in shards.COUNTS] for read in (manifest.total, manifest.language_total)
            )
            if held != encoded:
                raise RuntimeError(f"{self.source}/shards does not add up: {split} has {held} of {encoded}")
        content = manifest.to_json().encode()
        path = f"{self.directory}/manifest.json"
        if not storage.exists(path) or storage.read_bytes(path) != content:
            storage.write_bytes(path, content)
        return manifest
